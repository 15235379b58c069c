//! `cargo xtask`: everything about this workspace that needs more than cargo.
#![forbid(unsafe_code)]

use std::{error::Error, io::Write, iter, process::ExitCode};

use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};
use xtask::causes::causes;

mod bench; // cargo xtask bench
mod conformance; // cargo xtask conformance
mod demo; // cargo xtask demo
mod servers; // cargo xtask servers
mod test; // cargo xtask test
mod test_cluster; // cargo xtask test-cluster
mod tidy; // cargo xtask tidy
mod torture; // cargo xtask torture

mod cargo; // running cargo from a program that cargo runs
mod screen; // what a person reads on standard output

/// Real servers, tests and checks for this workspace
///
/// Nothing here needs root or an installed server: where none is on the PATH, one is downloaded once into target/servers.
/// Servers run from a temporary folder and are gone when the command ends, however it ends.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, disable_version_flag = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One command, one file.
#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Args),
    Conformance(conformance::Args),
    Demo(demo::Args),
    Test(test::Args),
    TestCluster(test_cluster::Args),
    Servers(servers::Args),
    Tidy(tidy::Args),
    Torture(torture::Args),
}

/// What a command ends with when it did not work: any crate's error, shown with its causes.
type Outcome = Result<ExitCode, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args).await,
        Command::Conformance(args) => conformance::run(&args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Test(args) => test::run(&args).await,
        Command::TestCluster(args) => test_cluster::run(&args).await,
        Command::Servers(args) => servers::run(&args).await,
        Command::Tidy(args) => tidy::run(&args),
        Command::Torture(args) => torture::run(&args).await,
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
