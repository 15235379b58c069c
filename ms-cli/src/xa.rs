//! `ms xa`: what global transactions need beside the service: the tables of their store, somebody who looks, somebody who
//! finishes what a crash has left.

use std::path::PathBuf;

use clap::Subcommand;
use ms_pool::{Cluster, Error};

use crate::{ask_args::AskArgs, exit::Exit, failure::Failure, out::Out};

mod gc; // ms xa gc
mod init; // ms xa init
mod list; // ms xa list

/// Look after global transactions: their store, what is prepared, what a crash has left
///
/// A global transaction commits on several servers or on none. What a successor has to know is written to the store that
/// `xa.state_store` of the section names. A service finishes by itself what others have left behind; these commands are for setting
/// up the store, for looking, and for not wanting to wait.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    List(list::Args),
    Gc(gc::Args),
}

const EXAMPLES: &str = "\
Examples:
  ms xa init -c ms.json -s shop --print | less
  ms xa init -c ms.json -s shop
  ms xa list -c ms.json -s shop
  ms xa gc -c ms.json -s shop --dry-run";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    match &args.command {
        Command::Init(args) => init::run(args, out),
        Command::List(args) => list::run(args, out),
        Command::Gc(args) => gc::run(args, out),
    }
}

/// Which store, where the section does not say.
#[derive(Debug, clap::Args)]
struct StoreArgs {
    /// The store is this file of SQLite, as the service named it to `Builder::xa_store`; wins over the section's
    #[arg(long, value_name = "FILE")]
    store_file: Option<PathBuf>,
}

impl StoreArgs {
    /// The cluster that a command is about, with that store. A file that is not there is not made.
    fn open(&self, args: &AskArgs) -> Result<Cluster, Failure> {
        let Some(file) = &self.store_file else { return args.open() };
        if !file.exists() {
            return Err(Failure::NoStoreFile { file: file.clone() });
        }
        args.open_with(|it| it.xa_store(file))
    }
}

/// The same, which must have a store.
fn having_store(cluster: Cluster, has_file: bool) -> Result<Cluster, Failure> {
    if has_file || cluster.xa_tables().is_some() {
        return Ok(cluster);
    }
    Err(Failure::NoStore { section: cluster.section().unwrap_or_default().to_owned() })
}

/// How a call at the store ended that failed.
fn failed(source: Error) -> Failure {
    Failure::GlobalTransactions { source }
}
