//! `cargo xtask torture planted`: would anybody notice?
//!
//! A proof that finds nothing may be blind. So mistakes are made on purpose, one at a time, in a copy of the workspace, and for
//! each the test that has to catch it is run: it has to fail. The list is in [`list`].

use std::{
    ffi::OsStr,
    io,
    path::PathBuf,
    process::{Output, Stdio},
};

use serde_json::Value;
use tokio::process::Command;
use xtask::{
    cluster::{self, Cluster, Spec},
    progress::Progress,
    provision::{Flavor, Wish},
};

use self::{
    list::{Catcher, Mistake, mistakes},
    scratch::Scratch,
};
use crate::{
    cargo,
    screen::{Column, Screen, bad, good, text},
};

mod list; // the mistakes
mod scratch; // where they are made

/// Makes known mistakes in a copy of the library and checks that each is caught
///
/// Each is made alone, built, and met with the test that has to catch it: a unit test, a test beside a cluster, or the torture of
/// consistency. The exit code is 1 when one was not caught. The whole list takes some 15 minutes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavor::MariaDb)]
    flavor: Flavor,
    /// Only shows the list
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    wish: Wish,
    /// Only mistakes with this in their name
    #[arg(value_name = "NAME")]
    only: Option<String>,
}

/// What came of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Caught(String),
    Missed,
    /// It does not compile, or the test could not be run.
    Broken(String),
}

/// Whether every mistake was caught.
pub(crate) async fn run(args: &Args) -> Result<bool, Failed> {
    let mut screen = Screen::stdout();
    let wanted = |it: &&Mistake| args.only.as_ref().is_none_or(|only| it.name.contains(only));
    let wanted: Vec<_> = mistakes().filter(wanted).collect();
    let columns = [Column::Text("mistake"), Column::Text("caught by"), Column::Name("outcome")];
    if args.list {
        let rows = wanted.iter().map(|it| [text(it.name), text(catcher(it.caught_by)), text("")]);
        screen.table(columns, rows)?;
        return Ok(true);
    }
    let progress = Progress::stderr();
    let scratch = Scratch::refresh(&cargo::folder())?;
    let mut rows = Vec::new();
    let mut all = true;
    for mistake in wanted {
        let step = progress.step(mistake.name);
        let outcome = meet(mistake, &scratch, args, &progress).await;
        for edit in mistake.edits {
            scratch.restore(edit.file)?;
        }
        let outcome = outcome?;
        all &= matches!(outcome, Outcome::Caught(_));
        let cell = match &outcome {
            Outcome::Caught(how) => good(how),
            Outcome::Missed => bad("not caught"),
            Outcome::Broken(why) => bad(why),
        };
        step.finish(&format!("{}: {outcome:?}", mistake.name));
        rows.push([text(mistake.name), text(catcher(mistake.caught_by)), cell]);
    }
    screen.heading("Planted mistakes")?;
    screen.table(columns, rows)?;
    Ok(all)
}

/// Makes a mistake and runs what has to catch it.
async fn meet(mistake: &Mistake, scratch: &Scratch, args: &Args, progress: &Progress) -> Result<Outcome, Failed> {
    for edit in mistake.edits {
        scratch.plant(edit)?;
    }
    match mistake.caught_by {
        Catcher::Test(program, name) => {
            let mut build = vec!["test", "--no-run"];
            build.extend(program);
            let Some(program) = executable(scratch, &build).await? else {
                return Ok(Outcome::Broken("does not compile".to_owned()));
            };
            let mut test = Command::new(program);
            test.args([name]).current_dir(scratch.folder());
            judge_test(&output(&mut test).await?)
        }
        Catcher::Cluster(program, name) => {
            let build = ["test", "--no-run", "-p", "ms-pool", "--test", program];
            let Some(program) = executable(scratch, &build).await? else {
                return Ok(Outcome::Broken("does not compile".to_owned()));
            };
            let cluster = Cluster::start(&Spec { wish: args.wish.clone(), ..Spec::new(args.flavor) }, progress).await?;
            let mut test = Command::new(program);
            test.args(["--include-ignored", name]).envs(cluster.env()).current_dir(scratch.folder().join("ms-pool"));
            let outcome = output(&mut test).await;
            cluster.stop().await?;
            judge_test(&outcome?)
        }
        Catcher::Torture(seconds) => {
            let Some(program) = executable(scratch, &["build", "-p", "xtask", "--bin", "xtask"]).await? else {
                return Ok(Outcome::Broken("does not compile".to_owned()));
            };
            let mut torture = Command::new(program);
            torture.args(["torture", "consistency", "--json", "--flavor", args.flavor.key()]);
            torture.args(["--seconds", &seconds.to_string()]);
            // Servers are taken from where they are; the copy has none.
            torture.env("CARGO_MANIFEST_DIR", cargo::folder().join("xtask")).current_dir(cargo::folder());
            judge_torture(&output(&mut torture).await?)
        }
    }
}

/// A test that has run and failed has caught it.
fn judge_test(output: &Output) -> Result<Outcome, Failed> {
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(match () {
        () if said.contains("running 0 tests") => Outcome::Broken("there is no such test".to_owned()),
        () if output.status.success() => Outcome::Missed,
        () if said.contains("test result: FAILED") => Outcome::Caught("caught".to_owned()),
        () => Outcome::Broken(format!("the test program ended with {}", output.status)),
    })
}

/// A run with violations has caught it.
fn judge_torture(output: &Output) -> Result<Outcome, Failed> {
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Ok(Outcome::Broken(format!("the torture ended with {}", output.status)));
    };
    let broken = report["broken"].as_object().into_iter().flatten();
    let broken: Vec<_> =
        broken.filter(|(_, times)| **times != 0).map(|(what, times)| format!("{times} {what}")).collect();
    Ok(if broken.is_empty() { Outcome::Missed } else { Outcome::Caught(broken.join(", ")) })
}

/// Builds in the copy and returns the program; `None` when it does not compile.
async fn executable(scratch: &Scratch, arguments: &[&str]) -> Result<Option<PathBuf>, Failed> {
    let mut command = Command::new(cargo::program());
    command.args(arguments).args(["--quiet", "--message-format=json-render-diagnostics"]);
    // The variable of the cargo that runs us is about the real workspace.
    command.current_dir(scratch.folder()).env("CARGO_TARGET_DIR", scratch.target()).env_remove("CARGO_MANIFEST_DIR");
    let output = output(&mut command).await?;
    if !output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // The last one is what was asked for; those before it are what it is made of.
    Ok(messages.filter_map(|it| Some(PathBuf::from(it["executable"].as_str()?))).next_back())
}

async fn output(command: &mut Command) -> Result<Output, Failed> {
    let program = command.as_std().get_program().to_owned();
    let failed = |source| Failed::Start { program: OsStr::to_string_lossy(&program).into_owned(), source };
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).output().await.map_err(failed)
}

/// What has to catch it, as one would run it.
fn catcher(it: Catcher) -> String {
    match it {
        Catcher::Test(program, name) => format!("cargo test {} {name}", program.join(" ")),
        Catcher::Cluster(program, name) => format!("cargo xtask test -- -p ms-pool --test {program} {name}"),
        Catcher::Torture(seconds) => format!("cargo xtask torture consistency --seconds {seconds}"),
    }
}

/// Why mistakes could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("cannot run `{program}`")]
    Start { program: String, source: io::Error },
    #[error("cannot use `{}`", path.display())]
    Files { path: PathBuf, source: io::Error },
    #[error("`{from}` does not occur once in `{file}`")]
    Misfit { file: &'static str, from: &'static str },
    #[error(transparent)]
    Servers(#[from] cluster::Error),
    #[error("cannot write to standard output")]
    Screen(#[from] io::Error),
}
