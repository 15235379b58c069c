//! `ms xa gc`: finishes what was left behind.

use std::io::Write;

use ms_pool::{
    XaCollected, XaGcOptions, XaList, XaRecord,
    ms_xa::{Decision, Finished},
};
use serde_json::json;

use super::{StoreArgs, failed, having_store};
use crate::{
    ask_args::AskArgs,
    exit::Exit,
    failure::Failure,
    out::Out,
    runtime,
    table::{Table, bad, number, text},
};

/// Finish global transactions that were left behind, and remove the records of those that have ended
///
/// What was decided to be committed is committed wherever it is still prepared; what was not decided is rolled back, after its owner was
/// kept from committing it. Touched is only what has failed, is past its time, or whose owner has not shown up for half a
/// minute. Any service with the section does the same about every ten seconds, and several at once do no harm.
///
/// One run looks at `max_transactions_per_run` transactions. One that was tried as often as `max_retries` allows is left until a person
/// asks for it with `--ignore-max-retries`. On MySQL the account needs XA_RECOVER_ADMIN on each server.
///
/// Exits with 0 when nothing is left, with 1 when something is, with 4 when the store cannot be reached.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only transactions of this name; bytes that are no text as `0x…`
    #[arg(long, value_name = "NAME", value_parser = name)]
    gtrid: Option<Name>,

    /// Also those that were tried too often
    #[arg(long)]
    ignore_max_retries: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    ask: AskArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms xa gc -c ms.json -s shop --dry-run
  ms xa gc -c ms.json -s shop
  ms xa gc -c ms.json -s shop --gtrid order-4711 --ignore-max-retries";

/// The name of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name(Vec<u8>);

/// As `ms xa list` prints it.
fn name(written: &str) -> Result<Name, String> {
    let Some(digits) = written.strip_prefix("0x") else { return Ok(Name(written.into())) };
    let byte = |at: usize| digits.get(at..at + 2).and_then(|it| u8::from_str_radix(it, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map(Name).ok_or_else(|| "what follows `0x` are pairs of hexadecimal digits".to_owned())
}

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let cluster = having_store(args.store.open(&args.ask)?, args.store.store_file.is_some())?;
    if args.dry_run {
        let list = runtime::block_on(async {
            let list = runtime::interruptible(cluster.xa_list()).await;
            cluster.close().await;
            Ok(list)
        })?;
        let Some(list) = list else { return Ok(Exit::Interrupted) };
        return plan(args, cluster.section(), list, out);
    }
    let mut options = XaGcOptions::default().ignore_max_retries(args.ignore_max_retries);
    if let Some(Name(gtrid)) = &args.gtrid {
        options = options.only(gtrid);
    }
    let collected = runtime::block_on(async {
        let collected = runtime::interruptible(cluster.xa_gc(options)).await;
        cluster.close().await;
        Ok(collected)
    })?;
    let Some(collected) = collected else { return Ok(Exit::Interrupted) };
    report(args, cluster.section(), &collected.map_err(failed)?, out)
}

fn report(args: &Args, section: Option<&str>, it: &XaCollected, out: &mut Out) -> Result<Exit, Failure> {
    if args.ask.json {
        let left = it.left.iter().map(|it| {
            json!({
                "gtrid": it.gtrid.to_string(),
                "why": it.why,
                "given_up": it.given_up,
            })
        });
        out.json(&json!({
            "section": section,
            "removed": it.removed,
            "committed": it.committed,
            "rolled_back": it.rolled_back,
            "presumed": it.presumed,
            "left": left.collect::<Vec<_>>(),
        }))?;
    } else {
        // Why something is left was a warning already.
        writeln!(
            out,
            "removed: {} (committed {}, rolled back {}, ended before {}), left: {}",
            it.removed,
            it.committed,
            it.rolled_back,
            it.removed - it.committed - it.rolled_back,
            it.left.len()
        )?;
    }
    Ok(if it.left.is_empty() { Exit::Ok } else { Exit::Findings })
}

/// What would be done.
fn plan(args: &Args, section: Option<&str>, list: XaList, out: &mut Out) -> Result<Exit, Failure> {
    let records = list.records.unwrap_or_else(|| Ok(Vec::new())).map_err(failed)?;
    let is_meant = |it: &&XaRecord| {
        it.is_left && args.gtrid.as_ref().is_none_or(|Name(name)| name.as_slice() == it.gtrid.as_bytes())
    };
    let planned: Vec<_> = records.iter().filter(is_meant).map(|it| (it, step(it, args.ignore_max_retries))).collect();
    if args.ask.json {
        let planned = planned.iter().map(|(it, step)| json!({ "gtrid": it.gtrid.to_string(), "would": step }));
        out.json(&json!({ "section": section, "planned": planned.collect::<Vec<_>>() }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["transaction", "tries", "would"]);
    for (it, step) in &planned {
        let step = if *step == GIVEN_UP { bad(step) } else { text(step) };
        table.row([text(it.gtrid.to_string()), number(it.attempts.to_string()), step]);
    }
    if planned.is_empty() {
        writeln!(out, "nothing to do")?;
    } else {
        table.print(out)?;
    }
    Ok(Exit::Ok)
}

const GIVEN_UP: &str = "leave it: it was tried too often";

fn step(it: &XaRecord, ignore_max_retries: bool) -> &'static str {
    match (it.finished, it.decision) {
        _ if it.given_up && !ignore_max_retries => GIVEN_UP,
        (Finished::Success, _) => "remove the record",
        (_, Some(Decision::Commit)) => "commit",
        (_, Some(Decision::Abort) | None) => "roll back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        #[track_caller]
        fn check(written: &str, is: Option<&[u8]>) {
            assert_eq!(name(written).ok().map(|it| it.0), is.map(<[u8]>::to_vec));
        }
        check("order-7", Some(b"order-7"));
        check("0x610a", Some(b"a\n"));
        check("0x61a", None);
        check("0xäb", None);
        check("0x", Some(b""));
    }
}
