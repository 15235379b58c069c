//! What is wanted of a store beyond what the protocol needs.
//!
//! [`StateStore`] is all that a coordinator and a recovery ask for. A cluster also runs recovery by itself, which takes turns, and
//! shows people what is on record.

use std::time::Duration;

use async_trait::async_trait;
use ms_xa::{Record, StateStore, StoreError};
use tokio::time::Instant;

use super::ServerStore;

/// A process that has not shown up for so long has left its transactions to others; in seconds.
pub(super) const LEASE: u32 = 30;
/// How long the record of a transaction that ended well is kept for [`Cluster::xa_outcome`](crate::Cluster::xa_outcome).
pub(super) const KEPT: u32 = 3600;

/// What an owner is told that was too slow.
pub(super) const TAKEN: &str = "recovery has taken the transaction over, because its owner did not show up in time";

/// A store with all that a cluster does with it.
#[async_trait]
pub(crate) trait Keeper: StateStore {
    /// What an automatic run of recovery is to look at: not those that ended well a moment ago, somebody may ask for them.
    async fn due(&self, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// Takes the turn of running recovery automatically; `None` when another process has it.
    async fn take_turn(&self) -> Result<Option<Turn>, StoreError>;

    /// Records with all that a person wants to know of them, those that ended well last, and how many there are beyond `limit`.
    async fn overview(&self, limit: u32) -> Result<(Vec<Kept>, u64), StoreError>;

    /// All records of these names.
    async fn named(&self, gtrids: &[&[u8]]) -> Result<Vec<Kept>, StoreError>;

    /// The store, if it is a server: it has tables that must be made, and an account.
    fn server(&self) -> Option<&ServerStore>;

    /// The cluster is closed.
    async fn close(&self, deadline: Instant);
}

/// Given back when it is dropped.
pub(crate) type Turn = Box<dyn Send>;

/// A record, and what only people want to know of it.
pub(crate) struct Kept {
    pub(super) record: Record,
    pub(super) owner: Option<String>,
    /// Since its beginning.
    pub(super) age: Option<Duration>,
    /// Its time is over.
    pub(super) is_late: bool,
    /// Recovery may take it up.
    pub(super) is_left: bool,
    /// By recovery so far.
    pub(super) attempts: u16,
}
