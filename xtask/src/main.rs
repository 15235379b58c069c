//! `cargo xtask`: everything about this workspace that needs more than cargo.

use std::{error::Error, io::Write, iter, process::ExitCode};

use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};
use xtask::causes::causes;

mod servers;
mod test_cluster;

/// Real servers, tests and checks for this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version, disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One command, one file.
#[derive(Debug, Subcommand)]
enum Command {
    Servers(servers::Args),
    TestCluster(test_cluster::Args),
}

/// What a command ends with when it did not work: any crate's error, shown with its causes.
type Outcome = Result<ExitCode, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Servers(args) => servers::run(&args).await,
        Command::TestCluster(args) => test_cluster::run(&args).await,
    };
    outcome.unwrap_or_else(|error| {
        report(&*error);
        ExitCode::FAILURE
    })
}

/// Prints an error and its causes, each on a line.
fn report(error: &dyn Error) {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let mut output = anstream::stderr();
    for (text, label) in causes(error).iter().zip(iter::once("error").chain(iter::repeat("because"))) {
        // There is nobody left to tell when standard error is closed.
        let _ = writeln!(output, "{red}{label}{red:#}: {text}");
    }
}
