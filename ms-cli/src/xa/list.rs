//! `ms xa list`: store and servers side by side.

use std::{io::Write, time::Duration};

use ms_pool::{
    XaBranch, XaList, XaRecord, XaServer,
    ms_xa::{Decision, Finished, Settlement},
};
use serde_json::{Value, json};

use super::StoreArgs;
use crate::{
    ask_args::AskArgs,
    exit::Exit,
    failure::{Failure, chain},
    out::{BAD, DIM, Out},
    reasons::role,
    runtime,
    table::{Table, absent, bad, number, text, visible},
};

/// Show global transactions: what the store has on record, and what the servers have prepared
///
/// Asks the store for its records and each server for its prepared branches, and matches them by their exact names. What is
/// prepared holds its locks until it ends. A finding is what nobody works on: a transaction whose owner has failed, died or is
/// late; a prepared branch that no record knows; a server that cannot be asked. Replicas list what their primaries have prepared, too.
///
/// Branches whose names this library has not made are somebody else's: they are counted, and never touched. On MySQL the account needs
/// XA_RECOVER_ADMIN to see prepared branches.
///
/// Exits with 0 when there is nothing to find, with 1 when there is, with 4 when nobody answers.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    ask: AskArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms xa list -c ms.json -s shop
  ms xa list -c ms.json -s shop --json | jq .oldest_prepared_s
  ms xa list -c ms.json -s shop --json | jq -r '.servers[] | .name as $it | .unknown[]? | \"\\($it): \\(.)\"'";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let cluster = args.store.open(&args.ask)?;
    let list = runtime::block_on(async {
        let list = runtime::interruptible(cluster.xa_list()).await;
        cluster.close().await;
        Ok(list)
    })?;
    let Some(list) = list else { return Ok(Exit::Interrupted) };
    let findings = findings(&list);
    if args.ask.json {
        out.json(&object(cluster.section(), &list, &findings))?;
    } else {
        print(out, &list, &findings)?;
    }
    let store_answers = matches!(list.records, Some(Ok(_)));
    Ok(match findings.len() {
        _ if !store_answers && list.servers.iter().all(|it| it.prepared.is_err()) => Exit::NoServer,
        0 => Exit::Ok,
        _ => Exit::Findings,
    })
}

/// What a person should look at: about whom, and what.
fn findings(list: &XaList) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(Err(error)) = &list.records {
        found.push(("store".to_owned(), chain(error)));
    }
    for it in list.records() {
        let gtrid = it.gtrid.to_string();
        if it.given_up && it.is_left {
            let tried = format!(
                "it was tried {} times; `ms xa gc --gtrid {gtrid} --ignore-max-retries` tries again",
                it.attempts
            );
            found.push((gtrid, tried));
        } else if it.is_left && it.finished != Finished::Success {
            let why = match it.finished {
                Finished::No if it.is_late && it.decision.is_none() => "it is past its time",
                Finished::No => "its owner does not show up any more",
                _ => "its owner could not finish it",
            };
            found.push((gtrid, format!("{why}; a service finishes it by itself, or `ms xa gc`")));
        }
    }
    for (server, xid) in list.unknown() {
        found.push((server.name.to_string(), format!("the prepared branch {xid} is on no record: end it by hand")));
    }
    for it in &list.servers {
        if let Err(error) = &it.prepared {
            found.push((it.name.to_string(), chain(error)));
        }
    }
    found
}

fn print(out: &mut Out, list: &XaList, findings: &[(String, String)]) -> Result<(), Failure> {
    if list.records().next().is_some() {
        let header = ["transaction", "age", "decision", "finished", "owner", "branch", "server", "state", "prepared"];
        let mut table = Table::new(header);
        for it in list.records() {
            let branches: Vec<_> = it.branches.iter().map(Some).collect();
            let branches = if branches.is_empty() { vec![None] } else { branches };
            branches.into_iter().for_each(|branch| table.row(row(it, branch)));
        }
        table.print(out)?;
        if list.more > 0 {
            writeln!(out, "{DIM}and {} more{DIM:#}", list.more)?;
        }
        writeln!(out)?;
    } else {
        let why = match &list.records {
            None => "the section has no store: nothing is on record",
            Some(Ok(_)) => "nothing is on record",
            Some(Err(_)) => "what is on record is not known",
        };
        writeln!(out, "{DIM}{why}{DIM:#}\n")?;
    }
    let mut table = Table::new(["role", "server", "prepared", "on no record", "of others"]);
    for it in &list.servers {
        let who = [it.role.map_or_else(|| absent("-"), |it| text(role(it))), text(&it.name)];
        let what = match &it.prepared {
            Ok(prepared) => [
                number(prepared.known.len().to_string()),
                match prepared.unknown.len() {
                    0 => number("0"),
                    unknown => bad(&unknown.to_string()).set_alignment(comfy_table::CellAlignment::Right),
                },
                number(prepared.foreign.to_string()),
            ],
            Err(_) => [bad("no answer"), absent("-"), absent("-")],
        };
        table.row(who.into_iter().chain(what));
    }
    table.print(out)?;
    if let Some(age) = list.oldest_prepared() {
        writeln!(out, "{DIM}the oldest of what is prepared was begun {} ago{DIM:#}", ago(age))?;
    }
    for (whom, what) in findings {
        writeln!(out, "{BAD}{}{BAD:#}: {}", visible(whom), visible(what))?;
    }
    Ok(())
}

fn row(it: &XaRecord, branch: Option<&XaBranch>) -> [comfy_table::Cell; 9] {
    let dash = || absent("-");
    [
        text(it.gtrid.to_string()),
        it.age.map_or_else(dash, |age| number(ago(age))),
        it.decision.map_or_else(dash, |it| text(decision(it))),
        match it.finished {
            Finished::Failure => bad("failure"),
            other => text(finished(other)),
        },
        it.owner.as_ref().map_or_else(dash, text),
        branch.map_or_else(dash, |it| number(it.branch.to_string())),
        branch.map_or_else(dash, |it| text(&it.server)),
        branch.map_or_else(dash, |it| text(it.settled.map_or(it.state.word(), settlement))),
        match branch.map(|it| it.prepared) {
            None => dash(),
            Some(None) => bad("unknown"),
            Some(Some(true)) => text("yes"),
            Some(Some(false)) => text("no"),
        },
    ]
}

fn ago(age: Duration) -> String {
    match age.as_secs() {
        secs @ ..120 => format!("{secs} s"),
        secs @ ..7200 => format!("{} min", secs / 60),
        secs @ ..172_800 => format!("{} h", secs / 3600),
        secs => format!("{} d", secs / 86_400),
    }
}

fn decision(it: Decision) -> &'static str {
    match it {
        Decision::Commit => "commit",
        Decision::Abort => "abort",
    }
}

fn finished(it: Finished) -> &'static str {
    match it {
        Finished::No => "no",
        Finished::Success => "success",
        Finished::Failure => "failure",
    }
}

fn settlement(it: Settlement) -> &'static str {
    match it {
        Settlement::Committed => "committed",
        Settlement::RolledBack => "rolled back",
        Settlement::Presumed => "presumed",
    }
}

fn object(section: Option<&str>, list: &XaList, findings: &[(String, String)]) -> Value {
    let records = list.records.as_ref().and_then(|it| it.as_ref().ok());
    let error = list.records.as_ref().and_then(|it| it.as_ref().err()).map(error);
    json!({
        "section": section,
        "records": records.map(|it| it.iter().map(record).collect::<Vec<_>>()),
        "more": list.more,
        "servers": list.servers.iter().map(server).collect::<Vec<_>>(),
        "oldest_prepared_s": list.oldest_prepared().map(|it| it.as_secs()),
        "findings": findings.iter().map(|(whom, what)| format!("{whom}: {what}")).collect::<Vec<_>>(),
        "error": error,
    })
}

fn record(it: &XaRecord) -> Value {
    let branch = |it: &XaBranch| {
        json!({
            "branch": it.branch.0,
            "xid": it.xid.to_string(),
            "server": it.server,
            "state": it.state.word(),
            "settled": it.settled.map(settlement),
            "prepared": it.prepared,
        })
    };
    json!({
        "gtrid": it.gtrid.to_string(),
        "id": it.trx.0,
        "state": it.state.word(),
        "decision": it.decision.map(decision),
        "finished": finished(it.finished),
        "owner": it.owner,
        "age_s": it.age.map(|it| it.as_secs()),
        "late": it.is_late,
        "left": it.is_left,
        "tries": it.attempts,
        "given_up": it.given_up,
        "branches": it.branches.iter().map(branch).collect::<Vec<_>>(),
    })
}

fn server(it: &XaServer) -> Value {
    let prepared = it.prepared.as_ref().ok();
    let names = |it: &[ms_pool::ms_xa::Xid]| it.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "name": it.name,
        "role": it.role.map(role),
        "address": it.address,
        "known": prepared.map(|it| names(&it.known)),
        "unknown": prepared.map(|it| names(&it.unknown)),
        "foreign": prepared.map(|it| it.foreign),
        "error": it.prepared.as_ref().err().map(error),
    })
}

fn error(it: &ms_pool::Error) -> Value {
    json!({ "code": it.code(), "sqlstate": it.sqlstate(), "message": chain(it) })
}
