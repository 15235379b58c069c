//! Who is who, and who follows whom.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::{Error, dialect::Dialect, server::Server};

/// Seconds a replica may take to reach what its primary has.
const SYNC_PATIENCE: u32 = 30;

/// The part of a server in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Accepts writes and follows nobody.
    Primary,
    /// Follows the first primary and refuses writes.
    Replica,
}

impl Role {
    /// The word for it in tables and in the control protocol.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

/// How many servers there are, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Replicas that follow the first primary; further primaries stand alone.
    Replicated {
        /// Servers that accept writes; at least one.
        primaries: usize,
        /// Servers that follow the first of them.
        replicas: usize,
    },
    /// Unrelated servers, all of which accept writes.
    Independent(usize),
}

impl Topology {
    /// The names and roles of the servers, primaries first.
    #[must_use]
    pub fn servers(self) -> Vec<(String, Role)> {
        match self {
            Self::Independent(count) => (1..=count).map(|it| (format!("server{it}"), Role::Primary)).collect(),
            Self::Replicated { primaries, replicas } => {
                let primary = |it| (if it == 1 { "primary".to_owned() } else { format!("primary{it}") }, Role::Primary);
                let replica = |it| (format!("replica{it}"), Role::Replica);
                (1..=primaries).map(primary).chain((1..=replicas).map(replica)).collect()
            }
        }
    }
}

/// Makes every replica follow the primary, and waits until it does.
pub(super) async fn replicate(servers: &[Server], dialect: &dyn Dialect) -> Result<(), Error> {
    let Some((primary, replicas)) = split(servers) else {
        return Ok(());
    };
    try_join_all(replicas.map(|it| follow(it, primary, dialect))).await.map(drop)
}

/// Waits until every replica has what the primary has now.
pub(super) async fn wait_sync(servers: &[Server], dialect: &dyn Dialect) -> Result<(), Error> {
    let Some((primary, replicas)) = split(servers) else {
        return Ok(());
    };
    let position = primary.sql(&format!("SELECT {}", dialect.position())).await?;
    let wait = dialect.wait_for(position.first().unwrap_or_default(), SYNC_PATIENCE);
    try_join_all(replicas.map(|it| reach(it, &wait))).await.map(drop)
}

/// Makes a replica follow another server than before, or one for the first time, and waits until it does.
pub(super) async fn follow(replica: &Server, primary: &Server, dialect: &dyn Dialect) -> Result<(), Error> {
    replica.sql(dialect.stop_replication()).await?;
    for statement in dialect.follow(primary.port()) {
        replica.sql(&statement).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(SYNC_PATIENCE.into());
    while Instant::now() < deadline {
        if is_replicating(replica, dialect).await? {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Err(Error::NotReplicating { server: replica.name().to_owned() })
}

async fn reach(replica: &Server, wait: &str) -> Result<(), Error> {
    match replica.sql(wait).await?.first() {
        Some("0") => Ok(()),
        _ => Err(Error::Behind { server: replica.name().to_owned(), seconds: SYNC_PATIENCE }),
    }
}

async fn is_replicating(replica: &Server, dialect: &dyn Dialect) -> Result<bool, Error> {
    let (statement, columns) = dialect.replication_status();
    let status = replica.sql(statement).await?;
    Ok(columns.iter().all(|it| status.value(it) == Some("Yes")))
}

/// The primary that is followed, and its followers.
fn split(servers: &[Server]) -> Option<(&Server, impl Iterator<Item = &Server>)> {
    let primary = servers.iter().find(|it| it.role() == Role::Primary)?;
    Some((primary, servers.iter().filter(|it| it.role() == Role::Replica)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_is_the_one_tests_ask_for() {
        check(Topology::Replicated { primaries: 1, replicas: 2 }, "primary replica1 replica2");
        check(Topology::Replicated { primaries: 2, replicas: 0 }, "primary primary2");
        check(Topology::Independent(2), "server1 server2");
    }

    #[track_caller]
    fn check(topology: Topology, expected: &str) {
        let names: Vec<_> = topology.servers().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.join(" "), expected);
    }
}
