//! `cargo xtask conformance`: the scenarios of the original, against real servers.
//!
//! The format asks for four servers that know nothing of each other, and for a primary with two replicas where a scenario
//! is about replication. Both are started here, at once; `ms conform` does the rest, and its exit code is ours.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
};

use serde_json::{Value, json};
use tokio::process::Command;
use xtask::{
    cluster::{Cluster, Server, Spec, Topology},
    interrupt::Interrupts,
    progress::Progress,
    provision::{Flavor, Wish},
};

use crate::{Outcome, cargo};

/// Runs the conformance scenarios of `conformance/` against real servers
///
/// Starts four independent servers and a primary with two replicas, runs `ms conform` beside them and returns its exit
/// code. Scenarios named in conformance/baseline-FLAVOR.txt are not expected to pass yet: one of them that passes, or another
/// one that fails, makes the exit code 1.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavor::MariaDb)]
    flavor: Flavor,
    /// Ignore the baseline: every failure counts
    #[arg(long)]
    no_baseline: bool,
    /// Write the names of the scenarios that fail into the baseline instead of comparing with it
    #[arg(long, conflicts_with_all = ["no_baseline", "paths", "rest"])]
    bless: bool,
    #[command(flatten)]
    wish: Wish,
    /// Scenario files, or folders of them [default: conformance]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Further arguments for `ms conform`
    #[arg(last = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

const AFTER: &str = "\
Examples:
  cargo xtask conformance                                               all, on MariaDB
  cargo xtask conformance --flavor mysql conformance/routing-*.json     some, on MySQL
  cargo xtask conformance -- --only 'round robin' --verbose";

/// Something beside the scenarios went wrong.
#[derive(Debug, thiserror::Error)]
enum ConformanceError {
    #[error("cannot build `ms`: cargo ended with {0}")]
    Build(ExitStatus),
    #[error("cargo did not say where it put `ms`")]
    NoProgram,
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    // Servers and `ms` go when the future that holds them does.
    tokio::select! {
        outcome = conform(args) => outcome,
        interrupt = interrupts.next() => Ok(interrupt.exit_code()),
    }
}

async fn conform(args: &Args) -> Outcome {
    let progress = Progress::stderr();
    let program = build().await?;
    let spec = |topology| Spec { wish: args.wish.clone(), ..Spec::new(args.flavor).topology(topology) };
    let (apart, replicating) =
        (spec(Topology::Independent(4)), spec(Topology::Replicated { primaries: 1, replicas: 2 }));
    // The first start may have to get the servers, and the second finds them then.
    let apart = Cluster::start(&apart, &progress).await?;
    let replicating = Cluster::start(&replicating, &progress).await?;

    let file = apart.folder().join("conformance.json");
    let write = |path: &Path, text: String| {
        fs::write(path, text).map_err(|source| ConformanceError::Write { path: path.to_owned(), source })
    };
    write(&file, servers_file(&apart, &replicating)?.to_string())?;

    let folder = xtask::workspace::root().join("conformance");
    let baseline = folder.join(format!("baseline-{}.txt", args.flavor.key()));
    let mut command = Command::new(program);
    command.arg("conform").arg("--servers").arg(&file).kill_on_drop(true);
    let code = if args.bless {
        let output = command.arg("--json").arg(&folder).stderr(std::process::Stdio::inherit()).output().await?;
        let failed = failed(&String::from_utf8_lossy(&output.stdout));
        write(&baseline, baseline_text(args.flavor, &failed))?;
        writeln!(io::stdout(), "{} scenarios are in `{}`", failed.len(), baseline.display())?;
        ExitCode::SUCCESS
    } else {
        if !args.no_baseline && baseline.exists() {
            command.arg("--baseline").arg(&baseline);
        }
        command.args(&args.rest);
        if args.paths.is_empty() {
            command.arg(&folder)
        } else {
            command.args(&args.paths)
        };
        let status = command.status().await?;
        ExitCode::from(status.code().and_then(|it| u8::try_from(it).ok()).unwrap_or(1))
    };
    replicating.stop().await?;
    apart.stop().await?;
    Ok(code)
}

/// Builds `ms`, and says where it is.
async fn build() -> Result<PathBuf, Box<dyn Error>> {
    let mut command = Command::new(cargo::program());
    command.current_dir(cargo::folder()).kill_on_drop(true);
    command.args(["build", "--package", "ms-cli", "--bin", "ms", "--message-format", "json-render-diagnostics"]);
    let output = command.stderr(std::process::Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err(ConformanceError::Build(output.status).into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let mut programs = messages.filter(|it| it["target"]["name"] == "ms");
    let path = programs.find_map(|it| it["executable"].as_str().map(PathBuf::from));
    path.ok_or_else(|| ConformanceError::NoProgram.into())
}

fn servers_file(apart: &Cluster, replicating: &Cluster) -> Result<Value, xtask::cluster::Error> {
    let address = |server: &Server| json!({"host": "127.0.0.1", "port": server.port()});
    let apart = |name| apart.server(name).map(address);
    let replicating = |name| replicating.server(name).map(address);
    Ok(json!({
        "user": "app",
        "password": "app",
        "database": "test",
        "database2": "other",
        "primary": apart("server1")?,
        "primary2": apart("server2")?,
        "replica1": apart("server3")?,
        "replica2": apart("server4")?,
        "replicating": {
            "primary": replicating("primary")?,
            "replica1": replicating("replica1")?,
            "replica2": replicating("replica2")?,
        },
    }))
}

/// The names of the scenarios that failed, sorted.
fn failed(results: &str) -> Vec<String> {
    let results = results.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let failed = results.filter(|it| it["status"] == "failed");
    let mut names: Vec<_> = failed.filter_map(|it| it["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn baseline_text(flavor: Flavor, failed: &[String]) -> String {
    let mut text = format!(
        "# Scenarios that do not pass yet on {flavor}, one name per line, sorted.\n\
         # Written by `cargo xtask conformance --flavor {} --bless`; it may only become shorter.\n",
        flavor.key()
    );
    for name in failed {
        text.push_str(name);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_names_what_failed() {
        let results = r#"
            {"name": "b", "status": "failed"}
            {"name": "c", "status": "passed"}
            {"name": "a", "status": "failed"}
            {"passed": 1, "failed": 2, "skipped": 0}"#;
        let failed = failed(results);
        assert_eq!(failed, ["a", "b"]);
        assert!(baseline_text(Flavor::MySql, &failed).ends_with("shorter.\na\nb\n"));
    }
}
