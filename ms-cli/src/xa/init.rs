//! `ms xa init`: the tables of the store.

use std::io::Write;

use ms_pool::XaInitOptions;
use serde_json::json;

use super::{failed, having_store};
use crate::{ask_args::AskArgs, exit::Exit, failure::Failure, out::Out, runtime};

/// Make the tables of a section's store of global transactions
///
/// Makes those that are missing, on the server and in the database that `xa.state_store` names, and leaves alone those that are right.
/// The account is the store's, and has to be allowed to create tables; with `--print` nothing is connected to, for those who run DDL by
/// other means.
///
/// Tables that the original has left have the same names and too few columns. `--upgrade` replaces them; what they hold is
/// dropped, for it is too little to finish a transaction by. Let the old program finish what it has begun first: while a row says
/// `finished = 'NO'` this is refused, unless it is forced. Tables of other kinds are never touched.
///
/// Exits with 0 when the tables are there, with 1 when they are not, with 4 when the store cannot be reached.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print the statements instead of running them
    #[arg(long, conflicts_with_all = ["force", "json"])]
    print: bool,

    /// Replace tables of the original's shape
    #[arg(long)]
    upgrade: bool,

    /// Replace them even though transactions in them are not finished
    #[arg(long, requires = "upgrade")]
    force: bool,

    #[command(flatten)]
    ask: AskArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms xa init -c ms.json -s shop
  ms xa init -c ms.json -s shop --print | mysql -h store -u admin -p xa
  ms xa init -c ms.json -s shop --upgrade";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let cluster = having_store(args.ask.open()?, false)?;
    if args.print {
        let tables = cluster.xa_tables().expect("it has a store");
        let statements = if args.upgrade { tables.replace() } else { tables.create() };
        statements.iter().try_for_each(|sql| writeln!(out, "{sql};"))?;
        return Ok(Exit::Ok);
    }
    let options = XaInitOptions::default().upgrade(args.upgrade).force(args.force);
    let done = runtime::block_on(async {
        let done = runtime::interruptible(cluster.xa_init(options)).await;
        cluster.close().await;
        Ok(done)
    })?;
    let Some(done) = done else { return Ok(Exit::Interrupted) };
    let done = done.map_err(failed)?;
    if args.ask.json {
        out.json(&json!({
            "section": cluster.section(),
            "created": done.created,
            "replaced": done.replaced,
            "kept": done.kept,
        }))?;
        return Ok(Exit::Ok);
    }
    for (what, tables) in [("created", &done.created), ("replaced", &done.replaced), ("there already", &done.kept)] {
        tables.iter().try_for_each(|table| writeln!(out, "{what}: {table}"))?;
    }
    Ok(Exit::Ok)
}
