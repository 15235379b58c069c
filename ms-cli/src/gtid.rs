//! `ms gtid`: how positions are learned from the servers of a section.

use std::io::Write;

use ms_pool::{Error, PositionSource, ServerInfo};
use serde_json::{Value, json};

use crate::{
    ask_args::AskArgs,
    exit::Exit,
    failure::{Failure, chain},
    on_all::{exit, object_of, on_all_once},
    out::{BAD, NOTABLE, Out},
    reasons::role,
    table::{Table, bad, text, visible},
};

/// Show how positions are learned from each server of a section
///
/// A read that is to see earlier writes needs to know where these are, and which replicas have them. This asks every server what it
/// and the account allow. From best to worst: the SQL of `global_transaction_id_injection`; MariaDB's `@@last_gtid` or MySQL's
/// transaction history, which know what a connection wrote; MySQL's executed set, which makes reads wait for the writes of others as
/// well; nothing, so that such reads stay on the primary. Below the table stands what would make it better, such as a GRANT.
///
/// Exits with 0 when each server has the best source of its kind, with 1 when not, with 4 when no server answers.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    ask: AskArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms gtid -c ms.json -s shop -u app -p
  ms gtid -c ms.json -s shop --json | jq -r '.servers[].warnings[]'";

type Outcome = Result<PositionSource, Error>;

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let cluster = args.ask.open()?;
    let outcomes = on_all_once(&cluster, async |cluster, server| cluster.position_source(server).await)?;
    let found: Vec<_> = cluster.servers().zip(&outcomes).collect();
    if args.ask.json {
        let servers: Vec<_> = found.iter().map(|(server, outcome)| object(server, outcome)).collect();
        out.json(&object_of(&cluster, &servers))?;
    } else {
        print(out, &found)?;
    }
    let is_best = |it: &&PositionSource| it.name.is_some() && it.warnings.is_empty();
    let answered = outcomes.iter().flatten();
    Ok(exit(answered.clone().filter(is_best).count(), answered.count(), outcomes.len()))
}

fn print(out: &mut Out, found: &[(ServerInfo<'_>, &Outcome)]) -> Result<(), Failure> {
    let mut table = Table::new(["role", "name", "positions from"]);
    for (server, outcome) in found {
        let source = match outcome {
            Ok(PositionSource { name: Some(name), .. }) => text(name),
            Ok(_) => bad("nothing"),
            Err(_) => bad("no answer"),
        };
        table.row([text(role(server.role)), text(server.name), source]);
    }
    table.print(out)?;
    for (server, outcome) in found {
        match outcome {
            Ok(it) => {
                for warning in &it.warnings {
                    writeln!(out, "{NOTABLE}{}{NOTABLE:#}: {}", server.name, visible(warning))?;
                }
            }
            Err(error) => writeln!(out, "{BAD}{}{BAD:#}: {}", server.name, visible(&chain(error)))?,
        }
    }
    Ok(())
}

fn object(server: &ServerInfo<'_>, outcome: &Outcome) -> Value {
    let error =
        outcome.as_ref().err().map(|it| json!({ "code": it.code(), "sqlstate": it.sqlstate(), "message": chain(it) }));
    let found = outcome.as_ref().ok();
    json!({
        "name": server.name,
        "role": role(server.role),
        "reachable": outcome.is_ok(),
        "source": found.and_then(|it| it.name),
        "configured": found.map(|it| it.configured),
        "warnings": found.map_or(&[][..], |it| &it.warnings),
        "error": error,
    })
}
