//! `ms status`: how the servers of a section are: their roles, positions, and how far they trail.

use std::{io::Write, time::Duration};

use ms_pool::{
    Cluster, Error, Examination, Role, ServerInfo, ServerState, code,
    ms_gtid::replica::{Behind, Channel, Lag, Thread, ThreadState},
};
use serde_json::{Value, json};

use crate::{
    account::AccountArgs,
    cluster_args::ClusterArgs,
    exit::Exit,
    failure::{Failure, chain},
    on_all::{exit, object_of, on_all},
    out::{BAD, DIM, Out},
    reasons::role,
    runtime,
    table::{Table, absent, bad, good, number, text, visible},
};

/// Show how the servers of a section are, and how far they trail
///
/// Asks every server of the section who it is, whether it takes writes, whom it follows and what it has. The lag is in seconds, with
/// what it may be off; by the section's heartbeat table if it has one. A replica that follows nobody, has a stopped thread or does
/// not know its lag is a finding, and so is a primary that takes no writes.
///
/// Exits with 0 when there is nothing to find, with 1 when there is, with 4 when no server answers.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// Ask again and again, after so many seconds, until interrupted
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u32).range(1..=86400))]
    watch: Option<u32>,

    /// Print one JSON object; with `--watch` one per line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    account: AccountArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms status -c ms.json -s shop
  ms status -c ms.json -s shop -u app -p --watch 5
  ms status -c ms.json -s shop --json | jq '.servers[] | {name, lag_us}'";

/// Longer positions are cut in the table.
const POSITION: usize = 48;

type Outcome = Result<Examination, Error>;

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let account = args.account.read()?;
    let cluster = args.cluster.build(account.apply(args.cluster.builder()))?;
    runtime::block_on(async {
        let watched = runtime::interruptible(watch(args, &cluster, out)).await;
        cluster.close().await;
        watched.unwrap_or(Ok(Exit::Interrupted))
    })
}

async fn watch(args: &Args, cluster: &Cluster, out: &mut Out) -> Result<Exit, Failure> {
    loop {
        let outcomes = on_all(cluster, async |cluster, server| cluster.examine(server).await).await;
        let states = cluster.state();
        let seen: Vec<_> =
            cluster.servers().zip(&outcomes).zip(&states).map(|((it, seen), state)| (it, seen, state)).collect();
        if args.json {
            let servers: Vec<_> = seen.iter().map(|(server, seen, state)| object(server, seen, state)).collect();
            out.json(&object_of(cluster, &servers))?;
        } else {
            if args.watch.is_some() && out.is_terminal() {
                write!(out, "\x1b[2J\x1b[H")?; // Clears the screen and goes to its beginning.
            }
            print(out, &seen)?;
        }
        let Some(pause) = args.watch else {
            let well = seen.iter().filter(|(server, seen, _)| finding(server.role, seen).is_none()).count();
            return Ok(exit(well, outcomes.iter().filter(|it| it.is_ok()).count(), outcomes.len()));
        };
        if !args.json && !out.is_terminal() {
            writeln!(out)?;
        }
        out.flush()?;
        tokio::time::sleep(Duration::from_secs(pause.into())).await;
    }
}

/// What an operator should look at, if anything.
fn finding(role: Role, seen: &Outcome) -> Option<String> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => return Some(chain(error)),
    };
    if role == Role::Primary {
        return seen.identity.read_only.then(|| "it is the primary and takes no writes".to_owned());
    }
    match (&seen.replication, &seen.lag) {
        (Err(error), _) | (Ok(_), Err(error)) => Some(format!("its lag is not known: {}", chain(error))),
        (Ok(_), Ok(Lag::Behind(_))) => None,
        (Ok(status), Ok(lag)) => {
            let threads = status.channels().iter().flat_map(|it| [&it.receiver, &it.applier]);
            let error = threads.map(|it| &it.error).find(|it| !it.is_empty());
            Some(error.map_or_else(|| lag.to_string(), |error| format!("{lag}: {error}")))
        }
    }
}

fn print(out: &mut Out, seen: &[(ServerInfo<'_>, &Outcome, &ServerState)]) -> Result<(), Failure> {
    let header = [
        "role",
        "name",
        "identity",
        "version",
        "writes",
        "follows",
        "threads",
        "lag",
        "error",
        "position",
        "connections",
    ];
    let mut table = Table::new(header);
    for (server, outcome, state) in seen {
        let connections = number(format!("{}/{}", state.idle + state.in_use, state.max));
        let known = [text(role(server.role)), text(server.name)];
        let learnt = match outcome {
            Ok(it) => {
                let channels = it.replication.as_ref().map_or(&[][..], |status| status.channels());
                let errno = channels.iter().map(errno).find(|it| *it != 0);
                [
                    text(&it.identity.key),
                    text(&it.identity.version),
                    match (it.identity.read_only, server.role) {
                        (true, Role::Primary) => bad("no"),
                        (true, Role::Replica) => text("no"),
                        (false, _) => text("yes"),
                    },
                    if channels.is_empty() { absent("-") } else { text(joined(channels, |it| it.source.clone())) },
                    threads(channels),
                    lag(server.role, it),
                    errno.map_or_else(|| absent("-"), |it| bad(&it.to_string())),
                    it.position.as_ref().map_or_else(
                        |_| absent("-"),
                        |it| if it.is_empty() { absent("-") } else { text(shortened(it)) },
                    ),
                ]
            }
            Err(_) => [
                bad("no answer"),
                absent("-"),
                absent("-"),
                absent("-"),
                absent("-"),
                absent("-"),
                absent("-"),
                absent("-"),
            ],
        };
        table.row(known.into_iter().chain(learnt).chain([connections]));
    }
    table.print(out)?;
    for (server, outcome, _) in seen {
        if let Some(finding) = finding(server.role, outcome) {
            writeln!(out, "{BAD}{}{BAD:#}: {}", server.name, visible(&finding))?;
        } else if let Ok(Examination { replication: Ok(status), .. }) = outcome
            && status.channels().iter().any(|it| !it.delay.is_zero())
        {
            let delay = joined(status.channels(), |it| it.delay.as_secs().to_string());
            writeln!(out, "{DIM}{}{DIM:#}: told to trail by {delay} s", server.name)?;
        }
    }
    Ok(())
}

fn joined(channels: &[Channel], part: impl Fn(&Channel) -> String) -> String {
    channels.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn errno(channel: &Channel) -> u32 {
    if channel.applier.errno == 0 { channel.receiver.errno } else { channel.applier.errno }
}

/// The threads of all channels, in a word where they all run.
fn threads(channels: &[Channel]) -> comfy_table::Cell {
    let trouble = |what: &str, thread: &Thread| {
        (thread.state != ThreadState::Running).then(|| format!("{what} {}", thread.state))
    };
    let troubles: Vec<_> = channels
        .iter()
        .flat_map(|it| [trouble("receiver", &it.receiver), trouble("applier", &it.applier)])
        .flatten()
        .collect();
    match (channels, &troubles[..]) {
        ([], _) => absent("-"),
        (_, []) => good("running"),
        _ => bad(&troubles.join(", ")),
    }
}

fn lag(role: Role, seen: &Examination) -> comfy_table::Cell {
    match &seen.lag {
        Ok(Lag::Behind(Behind { lag, rounding })) => {
            let seconds = |it: &Duration| it.as_secs_f64();
            let exact = rounding.is_zero();
            number(if exact {
                format!("{:.3} s", seconds(lag))
            } else {
                format!("{:.0} to {:.0} s", seconds(lag), seconds(&(*lag + *rounding)))
            })
        }
        Ok(Lag::NotReplica) if role == Role::Primary => absent("-"),
        _ => bad("unknown"),
    }
}

fn shortened(position: &str) -> String {
    match position.char_indices().nth(POSITION) {
        Some((end, _)) => format!("{}…", &position[..end]),
        None => position.to_owned(),
    }
}

fn object(server: &ServerInfo<'_>, seen: &Outcome, state: &ServerState) -> Value {
    let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
    let mut object = json!({
        "name": server.name,
        "role": role(server.role),
        "address": server.address,
        "reachable": seen.is_ok(),
        "identity": null,
        "server_id": null,
        "version": null,
        "read_only": null,
        "uptime_s": null,
        "position": null,
        "channels": null,
        "lag_us": null,
        "lag_rounding_us": null,
        "finding": finding(server.role, seen),
        "connections": { "idle": state.idle, "in_use": state.in_use, "max": state.max },
        "error": null,
    });
    let error = |code: u16, message: String| json!({ "code": code, "message": message });
    match seen {
        Ok(it) => {
            object["identity"] = json!(it.identity.key);
            object["server_id"] = json!(it.identity.server_id);
            object["version"] = json!(&*it.identity.version);
            object["read_only"] = json!(it.identity.read_only);
            object["uptime_s"] = json!(it.identity.uptime.map(|it| it.as_secs()));
            object["position"] = json!(it.position.as_ref().ok());
            if let Ok(Lag::Behind(behind)) = &it.lag {
                object["lag_us"] = json!(micros(behind.lag));
                object["lag_rounding_us"] = json!(micros(behind.rounding));
            }
            match &it.replication {
                Ok(status) => object["channels"] = status.channels().iter().map(channel).collect(),
                Err(it) => object["error"] = error(code(it), chain(it)),
            }
        }
        Err(it) => object["error"] = error(it.code(), chain(it)),
    }
    object
}

fn channel(it: &Channel) -> Value {
    let thread = |it: &Thread| {
        let error = (!it.error.is_empty()).then_some(&it.error);
        json!({ "state": it.state.to_string(), "errno": it.errno, "error": error })
    };
    json!({
        "name": it.name,
        "source": it.source,
        "receiver": thread(&it.receiver),
        "applier": thread(&it.applier),
        "seconds_behind": it.behind.map(|it| it.as_secs()),
        "caught_up": it.caught_up,
        "delay_s": it.delay.as_secs(),
    })
}
