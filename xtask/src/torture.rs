//! `cargo xtask torture`: what is promised, while servers are taken apart.
//!
//! Tests show that something works in a situation somebody thought of. Here many clients work at once while servers are delayed,
//! frozen, killed, exchanged and replaced, and everything they see is held against what they were promised.

use std::{error::Error, process::ExitCode};

use clap::Subcommand;
use xtask::interrupt::Interrupts;

use crate::Outcome;

mod consistency; // cargo xtask torture consistency
mod planted; // cargo xtask torture planted
mod xa; // cargo xtask torture xa

/// Breaks servers under load and checks what clients were promised
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

/// One proof, one command.
#[derive(Debug, Subcommand)]
enum What {
    Consistency(consistency::Args),
    Planted(planted::Args),
    Xa(xa::Args),
    #[command(hide = true)]
    XaWorker(xa::WorkerArgs),
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    let good = async {
        Ok::<_, Box<dyn Error>>(match &args.what {
            What::Consistency(args) => consistency::run(args).await?,
            What::Planted(args) => planted::run(args).await?,
            What::Xa(args) => xa::run(args).await?,
            What::XaWorker(args) => xa::work(args).await?,
        })
    };
    // Whatever runs is killed and removed when its future is dropped.
    tokio::select! {
        outcome = good => Ok(if outcome? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        interrupt = interrupts.next() => Ok(interrupt.exit_code()),
    }
}
