//! Servers seen by an operator: who they are, whom they follow, how far they are.
//!
//! For tools that look at a cluster; nothing here is on the way of a statement, and nothing of it is remembered.

use std::sync::Arc;

use ms_gtid::{
    replica::{Heartbeat, Lag, Status},
    source::{Answer, Choice, Probe},
};

use crate::{
    Cluster, Error, ServerIdentity,
    error::server_error,
    lag::ask::{self, LIMIT, first, texts, with},
    pool::Lease,
    probe::{Flavour, Identity, PROBE},
};

/// What one server says of itself at this moment. What it does not say, it says why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examination {
    /// Who it is.
    pub identity: ServerIdentity,
    /// Whom it follows.
    pub replication: Result<Status, sqlx::Error>,
    /// How far it trails: by the heartbeat where there is one, else as exactly as it knows.
    pub lag: Result<Lag, sqlx::Error>,
    /// The ids of all that it has, as it prints them; empty where transactions have none.
    pub position: Result<String, sqlx::Error>,
}

/// How positions are learned from one server; see [`Cluster::position_source`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PositionSource {
    /// The source, by the name it has in reports; `None` when its positions cannot be known.
    pub name: Option<&'static str>,
    /// It is the section's SQL, and servers are not asked what they allow.
    pub configured: bool,
    /// Why it is not a better one, and what would change that.
    pub warnings: Vec<String>,
}

impl Cluster {
    /// Connects to one server, or takes an idle connection to it, and asks it all that an operator wants to know.
    ///
    /// # Errors
    ///
    /// As [`Cluster::probe`]. What single questions fail with is in the [`Examination`].
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), ms_pool::Error> {
    /// for server in db.servers() {
    ///     let seen = db.examine(server.name).await?;
    ///     println!("{}: {}", server.name, seen.lag.map_or_else(|it| it.to_string(), |it| it.to_string()));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn examine(&self, server: &str) -> Result<Examination, Error> {
        let mut lease = self.lease_of(server).await?;
        let lease = &mut lease;
        // What the connection was told when it was made may be old.
        let identity = match lease.run_text(PROBE, LIMIT).await {
            Ok(rows) => rows.first().and_then(Identity::read),
            Err(_) => None,
        };
        let identity = identity.map_or_else(|| Arc::clone(lease.identity()), Arc::new);
        let replication = ask::status(lease).await;
        let lag = match (&self.inner.lags.heartbeat, &replication) {
            (Some(heartbeat), _) => first(lease, heartbeat.sql()).await.map(|row| with(row.as_ref(), Heartbeat::read)),
            (None, Ok(status)) => Ok(ask::refined(lease, status).await.0),
            (None, Err(_)) => Ok(Lag::Unknown { channel: String::new() }),
        };
        let position = match identity.flavour {
            Flavour::MariaDb => "SELECT @@gtid_current_pos",
            Flavour::MySql => "SELECT @@GLOBAL.gtid_executed",
        };
        let position = first(lease, position).await.map(|row| {
            let text = row.and_then(|it| it.into_iter().next().flatten()).unwrap_or_default();
            // MySQL breaks its sets into lines.
            text.replace('\n', "")
        });
        Ok(Examination { identity: ServerIdentity::new(&identity), replication, lag, position })
    }

    /// How the cluster learns positions from one server: what reads after writes wait for, and how exactly.
    ///
    /// # Errors
    ///
    /// As [`Cluster::probe`].
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    pub async fn position_source(&self, server: &str) -> Result<PositionSource, Error> {
        let mut lease = self.lease_of(server).await?;
        if let Some(configured) = self.inner.positions.configured() {
            return Ok(PositionSource { name: Some(configured.name()), configured: true, warnings: Vec::new() });
        }
        let choice = choice(&mut lease).await;
        Ok(PositionSource {
            name: choice.source().map(|it| it.name()),
            configured: false,
            warnings: choice.warnings().iter().map(ToString::to_string).collect(),
        })
    }

    async fn lease_of(&self, server: &str) -> Result<Lease, Error> {
        let Some(server) = self.router().topology().find(server) else {
            return Err(Error::Refused { why: format!("the cluster has no server `{server}`").into() });
        };
        let pool = &self.member(server).pool;
        pool.lease(pool.acquire_deadline()).await
    }
}

/// What the server and the account allow.
async fn choice(lease: &mut Lease) -> Choice {
    let probe = Probe::new(&lease.identity().version);
    let mut answers = Vec::new();
    for question in probe.questions() {
        answers.push(match lease.run_text(question.sql(), LIMIT).await {
            Ok(rows) => Answer::Row(rows.first().map(texts)),
            Err(error) => match server_error(&error) {
                Some(error) => Answer::Error(error.number()),
                None => break,
            },
        });
    }
    probe.choose(&answers)
}
