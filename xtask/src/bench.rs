//! `cargo xtask bench`: what this workspace promises about speed and memory, measured, in one table.
//!
//! A promise is a number somebody can check. Each row of the table says what was measured, what came out, what was promised
//! (the bar), and whether that was kept. Times on a shared machine are rumours, so two other kinds of numbers carry the
//! weight: *ratios* between executors that took turns on the same machine in the same minute, and *instruction counts*, which
//! do not know how busy the machine is.

use std::{
    ffi::OsStr,
    io,
    path::PathBuf,
    process::{ExitCode, Stdio},
    thread,
};

use serde_json::Value;
use tokio::process::Command;
use xtask::{
    cluster::{Cluster, Spec, Topology},
    interrupt::Interrupts,
    progress::Progress,
    provision::{Flavor, Wish},
};

use self::row::{Row, Verdict};
use crate::{
    Outcome, cargo,
    screen::{Column, Screen, bad, good, text},
};

mod counting; // instructions for each statement, by valgrind
mod deciding; // nanoseconds of what only thinks, by criterion
mod footprint; // bytes of a session, milliseconds of a large cluster
mod row; // a measurement and its bar
mod slow_relay; // a network that is always slower than the client
mod throughput; // statements per second, side by side

/// Measures what is promised about speed and memory, and prints it beside the promise
///
/// Builds everything optimised, starts one primary and one replica, and measures: statements per second of a session and a
/// cluster against sqlx's connection and pool (medians of short blocks in turn, and their quartiles), instructions for each
/// statement where valgrind is on the PATH, nanoseconds of classifying and deciding, bytes of an idle session. The exit code
/// is 1 when a bar was missed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavor::MariaDb)]
    flavor: Flavor,
    /// Less of everything: two minutes instead of eight, and wider quartiles
    #[arg(long)]
    quick: bool,
    /// Only instruction counts, which do not mind a busy machine; five minutes
    #[arg(long)]
    instructions: bool,
    #[command(flatten)]
    wish: Wish,
}

const AFTER: &str = "\
How to read it:
  instructions  of the client process alone; the same on a busy machine and an idle one
  1.23x         a ratio within the run; the range behind it holds the middle half of the blocks
  ns, µs        depend on the machine and its load, which stands above the table

Parts of it alone:
  cargo bench -p ms-hints --bench classify
  cargo bench -p ms-filters --bench decide
  cargo bench -p ms-pool --features table-rules --bench tables
  cargo test --profile bench -p ms-pool --test footprint -- --nocapture
  cargo xtask test-cluster --replicas 1 -- cargo bench -p ms-pool --bench throughput";

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    Quick,
    Full,
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    tokio::select! {
        outcome = measure(args) => outcome,
        interrupt = interrupts.next() => Ok(interrupt.exit_code()),
    }
}

async fn measure(args: &Args) -> Outcome {
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    let progress = Progress::stderr();
    let mut screen = Screen::stdout();
    let mut rows = Vec::new();

    if args.instructions && !counting::is_possible().await {
        return Err(BenchError::NoValgrind.into());
    }
    let step = progress.step("building, optimised");
    let throughput = match args.instructions {
        true => None,
        false => {
            Some(executable(&["bench", "--no-run", "-p", "ms-pool", "--bench", "throughput"], "throughput").await?)
        }
    };
    let statements = executable(
        &["build", "--profile", "bench", "-p", "ms-pool", "--example", "count_statements"],
        "count_statements",
    )
    .await?;
    let classes = executable(&["build", "--profile", "bench", "-p", "ms-hints", "--example", "count"], "count").await?;
    step.finish("built");

    let load = load();
    let spec = Spec {
        topology: Topology::Replicated { primaries: 1, replicas: 1 },
        wish: args.wish.clone(),
        ..Spec::new(args.flavor)
    };
    let cluster = Cluster::start(&spec, &progress).await?;
    let servers = format!("{} {}", cluster.flavor(), cluster.version());
    if let Some(throughput) = &throughput {
        rows.extend(throughput::measure(throughput, &cluster, effort, &progress).await?);
    }
    let counted = counting::is_possible().await;
    if counted {
        rows.extend(counting::statements(&statements, &cluster, effort, &progress).await?);
    }
    cluster.stop().await?;
    // After so many minutes what was measured is shown, whatever comes of the rest.
    let rest = async {
        if counted {
            rows.extend(counting::classes(&classes, &progress).await?);
        }
        if !args.instructions {
            rows.extend(deciding::measure(effort, &progress).await?);
            rows.extend(footprint::measure(&progress).await?);
        }
        Ok::<_, BenchError>(())
    };
    let rest = rest.await;

    screen.heading(&format!("Speed and memory with {servers}, {load}"))?;
    let columns = [Column::Text("what"), Column::Number("measured"), Column::Number("bar"), Column::Name("verdict")];
    screen.table(columns, rows.iter().map(cells))?;
    if !counted {
        screen.alarm("Instructions were not counted: there is no valgrind on the PATH.")?;
    }
    screen.line("To repeat it: cargo xtask bench. Parts of it alone, and how to read it: cargo xtask bench --help")?;
    let missed = rows.iter().filter(|row| row.verdict() == Verdict::Missed).count();
    let met = rows.iter().filter(|row| row.verdict() == Verdict::Met).count();
    screen.line(&format!("{met} bars met, {missed} missed"))?;
    rest?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cells(row: &Row) -> [comfy_table::Cell; 4] {
    let verdict = match row.verdict() {
        Verdict::Met => good("met"),
        Verdict::Missed => bad("missed"),
        Verdict::Unasked => text(""),
    };
    [text(&row.what), text(row.measured()), text(row.bar()), verdict]
}

/// What makes times worth more or less.
fn load() -> String {
    let cores = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |it| it.to_string());
    // Only Linux has the file; elsewhere nothing is said.
    let average = std::fs::read_to_string("/proc/loadavg").ok();
    match average.as_deref().and_then(|it| it.split(' ').next()) {
        Some(average) => format!("{cores} cores, load {average} before it began"),
        None => format!("{cores} cores"),
    }
}

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// Instructions were asked for, and there is nothing to count them with.
    #[error("instructions are counted by `valgrind`, which is not on the PATH")]
    NoValgrind,
    /// A program did not start.
    #[error("cannot run `{program}`")]
    Start { program: String, source: io::Error },
    /// A program failed; it said why on standard error.
    #[error("`{program}` failed with {status}")]
    Failed { program: String, status: std::process::ExitStatus },
    /// A program ended well and did not say what it was asked for.
    #[error("`{program}` printed no {what}")]
    Silent { program: String, what: String },
    /// A result on disk is not there or not as expected.
    #[error("cannot read `{path}`")]
    Read { path: String, source: io::Error },
}

/// Builds something and returns the program of that name.
async fn executable(arguments: &[&str], name: &str) -> Result<PathBuf, BenchError> {
    let mut command = cargo_command();
    command.args(arguments).args(["--quiet", "--message-format=json-render-diagnostics"]);
    let messages = output(&mut command).await?;
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let executable = message["executable"].as_str()?;
        (message["target"]["name"] == name).then(|| executable.into())
    });
    built.ok_or_else(|| BenchError::Silent { program: "cargo".into(), what: format!("program `{name}`") })
}

fn cargo_command() -> Command {
    let mut command = Command::new(cargo::program());
    command.current_dir(cargo::folder());
    command
}

/// Runs a command to its end and returns what it printed; complaints go where ours go.
async fn output(command: &mut Command) -> Result<String, BenchError> {
    let program = command.as_std().get_program().display().to_string();
    let child = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = child.await.map_err(|source| BenchError::Start { program: program.clone(), source })?;
    if !output.status.success() {
        return Err(BenchError::Failed { program, status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program with the environment of a cluster.
fn beside(program: impl AsRef<OsStr>, cluster: &Cluster) -> Command {
    let mut command = Command::new(program);
    command.envs(cluster.env()).current_dir(cargo::folder());
    command
}
