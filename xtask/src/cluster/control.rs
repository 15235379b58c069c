//! Faults on demand, for tests in other processes.
//!
//! Only the process that started a server can kill it, reap it and start it again without surprises. Tests run elsewhere; they
//! ask it over a Unix socket. A request is a line, so is its answer, and a connection may carry any number of them:
//!
//! ```text
//! kill NAME                  kill -9, and reap
//! start NAME | restart NAME  answered when the server answers
//! pause NAME | resume NAME   SIGSTOP and SIGCONT
//! stop-replication NAME | start-replication NAME
//! delay NAME SECONDS         applies everything that late
//! promote NAME               becomes the primary, and the other replicas follow it
//! renew NAME DONOR           made anew from the data of another server, as a replica
//! save NAME | restore NAME   keeps its data; is set back to it, the same server, without replication
//! wait-sync                  until every replica has what the primary has now
//! sql NAME STATEMENT         as root; the rows follow as a JSON array of arrays of strings
//! list                       the servers follow as a JSON array of objects: name, role, port, socket, state
//! ```
//!
//! An answer is `ok`, `ok` with JSON, or `error` with a sentence.

use std::{io, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use super::{Error, Inner, renewal};
use crate::causes::causes;

/// One request.
#[derive(Debug, PartialEq, Eq)]
enum Request<'a> {
    Kill(&'a str),
    Start(&'a str),
    Restart(&'a str),
    Pause(&'a str),
    Resume(&'a str),
    StopReplication(&'a str),
    StartReplication(&'a str),
    Delay(&'a str, u32),
    Promote(&'a str),
    Renew(&'a str, &'a str),
    Save(&'a str),
    Restore(&'a str),
    Sql(&'a str, &'a str),
    WaitSync,
    List,
}

impl<'a> Request<'a> {
    fn parse(line: &'a str) -> Result<Self, String> {
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        let one_name = |make: fn(&'a str) -> Self| {
            if rest.is_empty() || rest.contains(' ') {
                return Err(format!("`{command}` takes the name of one server"));
            }
            Ok(make(rest))
        };
        match command {
            "kill" => one_name(Self::Kill),
            "start" => one_name(Self::Start),
            "restart" => one_name(Self::Restart),
            "pause" => one_name(Self::Pause),
            "resume" => one_name(Self::Resume),
            "stop-replication" => one_name(Self::StopReplication),
            "start-replication" => one_name(Self::StartReplication),
            "promote" => one_name(Self::Promote),
            "save" => one_name(Self::Save),
            "restore" => one_name(Self::Restore),
            "delay" => match rest.split_once(' ').map(|(name, seconds)| (name, seconds.trim().parse())) {
                Some((name, Ok(seconds))) => Ok(Self::Delay(name, seconds)),
                _ => Err("`delay` takes the name of a server and seconds".to_owned()),
            },
            "renew" => match rest.split_once(' ') {
                Some((name, donor)) if !donor.trim().contains(' ') => Ok(Self::Renew(name, donor.trim())),
                _ => Err("`renew` takes the names of a server and of the one to copy".to_owned()),
            },
            "sql" => match rest.split_once(' ') {
                Some((name, statement)) => Ok(Self::Sql(name, statement.trim())),
                None => Err("`sql` takes the name of a server and a statement".to_owned()),
            },
            "wait-sync" if rest.is_empty() => Ok(Self::WaitSync),
            "list" if rest.is_empty() => Ok(Self::List),
            "wait-sync" | "list" => Err(format!("`{command}` takes nothing")),
            _ => Err(format!("unknown command `{command}`")),
        }
    }
}

/// Serves requests for as long as it is polled.
pub(super) async fn serve(listener: UnixListener, cluster: Arc<Inner>) {
    // All in one task: when that is aborted no request is under way any more.
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            // A failed accept is a client that went away.
            Ok((stream, _)) = listener.accept() => connections.push(answer(stream, &cluster)),
            // A broken connection concerns its client alone.
            Some(_) = connections.next(), if !connections.is_empty() => {}
        }
    }
}

async fn answer(stream: UnixStream, cluster: &Inner) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut lines = BufReader::new(input).lines();
    while let Some(line) = lines.next_line().await? {
        let outcome = match Request::parse(&line) {
            Ok(request) => perform(request, cluster).await.map_err(|it| causes(&it).join(": ")),
            Err(message) => Err(message),
        };
        let reply = match outcome {
            Ok(None) => "ok\n".to_owned(),
            Ok(Some(value)) => format!("ok {value}\n"),
            Err(message) => format!("error {}\n", message.replace('\n', " | ")),
        };
        output.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}

async fn perform(request: Request<'_>, cluster: &Inner) -> Result<Option<Value>, Error> {
    match request {
        Request::Kill(name) => cluster.server(name)?.kill9().await?,
        Request::Start(name) => cluster.server(name)?.start().await?,
        Request::Restart(name) => cluster.server(name)?.restart().await?,
        Request::Pause(name) => cluster.server(name)?.pause().await?,
        Request::Resume(name) => cluster.server(name)?.resume().await?,
        Request::StopReplication(name) => cluster.stop_replication(name).await?,
        Request::StartReplication(name) => cluster.start_replication(name).await?,
        Request::Delay(name, seconds) => cluster.delay_replication(name, seconds).await?,
        Request::Promote(name) => cluster.promote(name).await?,
        Request::Renew(name, donor) => cluster.renew(name, donor).await?,
        Request::Save(name) => renewal::save(cluster.server(name)?).await?,
        Request::Restore(name) => cluster.restore(name).await?,
        Request::WaitSync => cluster.wait_sync().await?,
        Request::Sql(name, statement) => return Ok(Some(cluster.server(name)?.sql(statement).await?.to_json())),
        Request::List => {
            let mut list = Vec::new();
            for it in cluster.servers() {
                list.push(json!({
                    "name": it.name(),
                    "role": it.role().key(),
                    "port": it.port(),
                    "socket": it.socket(),
                    "state": it.state().await.key(),
                }));
            }
            return Ok(Some(list.into()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_command() {
        check("kill replica1", Ok(Request::Kill("replica1")));
        check("start primary\r", Ok(Request::Start("primary")));
        check("restart primary", Ok(Request::Restart("primary")));
        check("pause primary", Ok(Request::Pause("primary")));
        check(" resume  primary ", Ok(Request::Resume("primary")));
        check("stop-replication replica2", Ok(Request::StopReplication("replica2")));
        check("start-replication replica2", Ok(Request::StartReplication("replica2")));
        check("delay replica1 2", Ok(Request::Delay("replica1", 2)));
        check("promote replica1", Ok(Request::Promote("replica1")));
        check("renew primary replica2", Ok(Request::Renew("primary", "replica2")));
        check("save replica1", Ok(Request::Save("replica1")));
        check("restore replica1", Ok(Request::Restore("replica1")));
        check("sql primary SELECT 'a  b'", Ok(Request::Sql("primary", "SELECT 'a  b'")));
        check("wait-sync", Ok(Request::WaitSync));
        check("list", Ok(Request::List));
    }

    #[test]
    fn says_what_is_wrong_with_others() {
        check("kill", Err("`kill` takes the name of one server"));
        check("kill a b", Err("`kill` takes the name of one server"));
        check("sql primary", Err("`sql` takes the name of a server and a statement"));
        check("delay replica1 soon", Err("`delay` takes the name of a server and seconds"));
        check("renew primary", Err("`renew` takes the names of a server and of the one to copy"));
        check("list all", Err("`list` takes nothing"));
        check("explode", Err("unknown command `explode`"));
        check("", Err("unknown command ``"));
    }

    #[track_caller]
    fn check(line: &str, expected: Result<Request<'_>, &str>) {
        assert_eq!(Request::parse(line), expected.map_err(str::to_owned), "for `{line}`");
    }
}
