//! The servers a router chooses from: primaries first, then replicas, each in the order of the configuration.
//!
//! Whoever assembles a cluster decides which servers are in it: without `multi_master` that is the first configured
//! primary and every replica. The router sees the result and never asks how it came about.

use std::{fmt, sync::Arc};

use crate::{
    server::{PerRole, Role, ServerIx},
    weights::{Schedule, Weight},
};

/// One server as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    name: Box<str>,
    uri: Option<Box<str>>,
    role: Role,
    weight: Weight,
}

impl Server {
    /// A primary of weight one.
    pub fn primary(name: impl Into<Box<str>>) -> Self {
        Server::new(name.into(), Role::Primary)
    }

    /// A replica of weight one.
    pub fn replica(name: impl Into<Box<str>>) -> Self {
        Server::new(name.into(), Role::Replica)
    }

    fn new(name: Box<str>, role: Role) -> Self {
        Server { name, uri: None, role, weight: Weight::default() }
    }

    /// The same server with another share of its side's statements.
    #[must_use]
    pub fn with_weight(self, weight: u16) -> Self {
        Server { weight: Weight::new(weight), ..self }
    }

    /// The same server with the address that callbacks know it by: `tcp://host:port` or `unix://path`.
    #[must_use]
    pub fn with_uri(self, uri: impl Into<Box<str>>) -> Self {
        Server { uri: Some(uri.into()), ..self }
    }

    /// The address that callbacks know it by; its name where none was given.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.uri.as_deref().unwrap_or(&self.name)
    }

    /// The name shown in decisions; the alias of the configuration where there is one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is there for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its share among the servers of its role.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.weight
    }
}

/// The servers of one cluster. It never changes: another set of servers is another topology and another router.
#[derive(Clone, Debug)]
pub struct Topology {
    servers: Box<[Server]>,
    lists: PerRole<Arc<[ServerIx]>>,
    /// `None` where all weights of a side are one: such a side needs no arithmetic.
    schedules: PerRole<Option<Schedule>>,
}

impl Topology {
    /// Takes the servers in configuration order; primaries move to the front, each side keeps its order.
    ///
    /// # Errors
    ///
    /// Fails when there are more than 65,535 servers.
    pub fn new(servers: impl IntoIterator<Item = Server>) -> Result<Self, TopologyError> {
        let (mut all, replicas): (Vec<_>, Vec<_>) = servers.into_iter().partition(|it| it.role == Role::Primary);
        let first_replica = all.len();
        all.extend(replicas);
        let count = u16::try_from(all.len()).map_err(|_| TopologyError { count: all.len() })?;

        let (mut primaries, mut replicas) = (Vec::new(), Vec::new());
        for position in 0..count {
            let list = if usize::from(position) < first_replica { &mut primaries } else { &mut replicas };
            list.push(ServerIx::new(position));
        }
        let schedule = |list: &[ServerIx]| Schedule::unless_even(list, |it| all[it.index()].weight);
        let schedules = PerRole { primary: schedule(&primaries), replica: schedule(&replicas) };
        let lists = PerRole { primary: primaries.into(), replica: replicas.into() };
        Ok(Topology { servers: all.into(), lists, schedules })
    }

    /// All servers, primaries first; the position of a server is its [`ServerIx`].
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server behind an index.
    ///
    /// # Panics
    ///
    /// Panics when the index comes from a larger topology.
    #[must_use]
    pub fn server(&self, server: ServerIx) -> &Server {
        &self.servers[server.index()]
    }

    /// The configured servers of one role, in configuration order.
    #[must_use]
    pub fn list(&self, role: Role) -> &[ServerIx] {
        self.lists.of(role)
    }

    #[inline]
    pub(crate) fn shared_list(&self, role: Role) -> &Arc<[ServerIx]> {
        self.lists.of(role)
    }

    /// The first server called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ServerIx> {
        let position = self.servers.iter().position(|it| &*it.name == name)?;
        u16::try_from(position).ok().map(ServerIx::new)
    }

    #[inline]
    pub(crate) fn schedule(&self, role: Role) -> Option<&Schedule> {
        self.schedules.of(role).as_ref()
    }

    pub(crate) fn weight(&self, server: ServerIx) -> Weight {
        self.servers[server.index()].weight
    }
}

/// More servers than an index can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopologyError {
    count: usize,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a cluster has at most 65535 servers, not `{}`", self.count)
    }
}

impl std::error::Error for TopologyError {}
