//! `cargo xtask torture`: what is promised, while servers are taken apart.
//!
//! Tests show that something works in a situation somebody thought of. Here many clients work at once while servers are delayed,
//! frozen, killed, exchanged and replaced, and everything they see is held against what they were promised.

use std::process::ExitCode;

use clap::Subcommand;
use xtask::interrupt::Interrupts;

use crate::Outcome;

mod consistency; // cargo xtask torture consistency

/// Breaks servers under load and checks what clients were promised
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

/// One promise, one command.
#[derive(Debug, Subcommand)]
enum What {
    Consistency(consistency::Args),
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    let What::Consistency(args) = &args.what;
    // Whatever runs is killed and removed when its future is dropped.
    tokio::select! {
        outcome = consistency::run(args) => Ok(if outcome? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        interrupt = interrupts.next() => Ok(interrupt.exit_code()),
    }
}
