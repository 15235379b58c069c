//! Servers that a MySQL Fabric node knows.
//!
//! A section with `fabric` names no servers. It names the nodes to ask, and the program says which shard it wants.

use std::time::Duration;

/// Whom to ask for servers, and how: `fabric` of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fabric {
    /// URLs of the nodes, in the order of the file: one to ten, without user or password.
    pub hosts: Vec<String>,
    /// How long an answer may take, in whole seconds up to 65535; 5 s unless configured.
    pub timeout: Duration,
    /// What is asked.
    pub strategy: FabricStrategy,
    /// Whether a shard that is chosen while a transaction is open is worth a warning; `trx_warn_serverlist_changes`,
    /// also spelled `trx_warn_server_list_changes`; off unless configured.
    pub warn_in_transaction: bool,
}

/// What a Fabric node is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FabricStrategy {
    /// Once for everything. `dump`, the default.
    #[default]
    Dump,
    /// For each shard when it is chosen. `direct`.
    Direct,
}
