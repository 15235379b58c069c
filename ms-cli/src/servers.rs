//! `ms servers`: the servers of a section, and whether they answer.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use ms_pool::{Cluster, Error, ServerIdentity, ServerInfo};
use serde_json::{Value, json};

use crate::{
    ask_args::AskArgs,
    exit::Exit,
    failure::{Failure, chain},
    on_all::{exit, object_of, on_all_once},
    out::{BAD, Out},
    reasons::role,
    table::{Table, absent, bad, good, number, text, visible},
};

/// Show the servers of a section, and whether they answer
///
/// Connects to every server of the section as a service would, all at once and within the configured deadlines: account,
/// encryption, `init` statements. Shows what each says about itself and how long the connection took.
///
/// Exits with 0 when every server answers, with 1 when some do, with 4 when none does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    ask: AskArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms servers -c ms.json -s shop
  ms servers -c ms.json -s shop -u app -p
  ms servers -c ms.json -s shop --json | jq '.servers[] | select(.reachable | not)'";

/// What came of asking one server: who answered, and how long that took.
type Outcome = Result<(ServerIdentity, Duration), Error>;

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let cluster = args.ask.open()?;
    let outcomes = on_all_once(&cluster, ask)?;

    let answers: Vec<_> = cluster.servers().zip(&outcomes).collect();
    if args.ask.json {
        let servers: Vec<_> = answers.iter().map(|(server, outcome)| json(server, outcome)).collect();
        out.json(&object_of(&cluster, &servers))?;
    } else {
        print(out, &answers)?;
    }
    let reached = outcomes.iter().filter(|it| it.is_ok()).count();
    Ok(exit(reached, reached, outcomes.len()))
}

/// Connects to one server and lets go of it again.
async fn ask(cluster: &Cluster, server: &str) -> Outcome {
    let started = Instant::now();
    let identity = cluster.probe(server).await?;
    Ok((identity, started.elapsed()))
}

fn print(out: &mut Out, answers: &[(ServerInfo<'_>, &Outcome)]) -> Result<(), Failure> {
    let mut table =
        Table::new(["role", "name", "address", "user", "reachable", "version", "read only", "connected in"]);
    for (server, outcome) in answers {
        let known = [text(role(server.role)), text(server.name), text(server.address), text(server.user)];
        let learnt = match outcome {
            Ok((identity, elapsed)) => [
                good("yes"),
                text(&identity.version),
                text(if identity.read_only { "yes" } else { "no" }),
                number(format!("{:.2} ms", elapsed.as_secs_f64() * 1000.0)),
            ],
            Err(_) => [bad("no"), absent("-"), absent("-"), absent("-")],
        };
        table.row(known.into_iter().chain(learnt));
    }
    table.print(out)?;
    for (server, outcome) in answers {
        if let Err(error) = outcome {
            writeln!(out, "{BAD}{}{BAD:#}: {}", server.name, visible(&chain(error)))?;
        }
    }
    Ok(())
}

fn json(server: &ServerInfo<'_>, outcome: &Outcome) -> Value {
    let mut object = json!({
        "name": server.name,
        "role": role(server.role),
        "address": server.address,
        "user": server.user,
        "reachable": outcome.is_ok(),
        "version": null,
        "read_only": null,
        "connect_us": null,
        "error": null,
    });
    match outcome {
        Ok((identity, elapsed)) => {
            object["version"] = json!(&*identity.version);
            object["read_only"] = json!(identity.read_only);
            object["connect_us"] = json!(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        }
        Err(error) => {
            object["error"] = json!({
                "code": error.code(),
                "sqlstate": error.sqlstate(),
                "message": chain(error),
            });
        }
    }
    object
}
