//! What there is to see of a cluster's servers from outside.

use std::{sync::Arc, time::Duration};

use ms_filters::Role;

use crate::{
    cluster::Member,
    pool::{Dial, Holder, ServerPool},
    probe::{Flavour, Identity},
};

/// One configured server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo<'a> {
    /// Its alias in the file, or `primary`, `replica1` … for servers named by URL.
    pub name: &'a str,
    /// What it is there for.
    pub role: Role,
    /// `tcp://host:port` or `unix://path`.
    pub address: &'a str,
    /// The account connections log in as.
    pub user: &'a str,
}

impl<'a> ServerInfo<'a> {
    pub(crate) fn new(name: &'a str, member: &'a Member) -> Self {
        let user = match &member.pool.target().dial {
            Dial::Configured(configured) => &*configured.user,
            Dial::Ready(options) => options.0.get_username(),
        };
        Self { name, role: member.role, address: &member.address, user }
    }
}

/// The connections to one server at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerState {
    /// The server's name.
    pub name: Box<str>,
    /// What it is there for.
    pub role: Role,
    /// The most connections there can be.
    pub max: u32,
    /// Connections nobody uses.
    pub idle: usize,
    /// Connections in use or being made.
    pub in_use: usize,
    /// How many of those belong to [`Cluster::sqlx_pool`](crate::Cluster::sqlx_pool), which may not have made them yet.
    pub lent: u32,
    /// Tasks that wait for a connection.
    pub waiting: usize,
    /// Connections made since the start.
    pub opened: u64,
    /// Connects that failed since the start.
    pub failed: u64,
    /// Waits for a connection that took too long.
    pub timeouts: u64,
    /// Connections thrown away because a statement on them was abandoned.
    pub abandoned: u64,
    /// Abandoned statements that the server was told to stop.
    pub kills_sent: u64,
    /// Abandoned statements that it could not be told to stop in time.
    pub kills_lost: u64,
    /// Who holds the connections in use, the oldest first; those being made are not among them.
    pub holders: Vec<Holder>,
    /// Since when it cannot be reached, as far as the cluster remembers; `None` after a connect that succeeded.
    pub outage: Option<Outage>,
    /// Who answered the latest connect; `None` before the first.
    pub identity: Option<ServerIdentity>,
}

/// A server that could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// Connects that failed in a row; those that failed together, or while it was avoided, are one. Stops at 255.
    pub failures: u8,
    /// How long statements avoid it from now on; zero when the next one will try it.
    pub avoided_for: Duration,
}

/// What a server said about itself when it was connected to last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerIdentity {
    /// As the server spells it: `10.11.6-MariaDB-log`, `9.1.0`.
    pub version: Arc<str>,
    /// Whether it is a MariaDB server.
    pub mariadb: bool,
    /// Its UUID on MySQL; server id, port and host name on MariaDB.
    pub key: Box<str>,
    /// Its `server_id`.
    pub server_id: u32,
    /// `read_only` was on: it takes no writes from ordinary accounts.
    pub read_only: bool,
    /// How long it had been running then; `None` where it would not say.
    pub uptime: Option<Duration>,
}

impl ServerIdentity {
    pub(crate) fn new(it: &Identity) -> Self {
        Self {
            version: Arc::clone(&it.version),
            mariadb: it.flavour == Flavour::MariaDb,
            key: it.key.to_string().into(),
            server_id: it.server_id,
            read_only: it.read_only,
            uptime: it.started.map(|started| started.uptime),
        }
    }
}

impl ServerState {
    pub(crate) fn new(info: &ServerInfo<'_>, pool: &ServerPool) -> Self {
        let state = pool.state();
        let identity = pool.identity().map(|it| ServerIdentity::new(&it));
        Self {
            name: info.name.into(),
            role: info.role,
            max: state.max,
            idle: state.idle,
            in_use: state.in_use,
            lent: 0,
            waiting: state.waiting,
            opened: state.counters.opened,
            failed: state.counters.failed,
            timeouts: state.counters.timeouts,
            abandoned: state.counters.abandoned,
            kills_sent: state.counters.kills_sent,
            kills_lost: state.counters.kills_lost,
            holders: pool.holders(),
            outage: pool.outage().map(|(failures, avoided_for)| Outage { failures, avoided_for }),
            identity,
        }
    }
}
