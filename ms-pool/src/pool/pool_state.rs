//! What there is to see from outside.

use std::sync::Arc;

/// A pool at one moment. The numbers are read one after the other and may be a step apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolState {
    pub(crate) server: Arc<str>,
    /// The most there can be.
    pub(crate) max: u32,
    /// Lying on the shelf.
    pub(crate) idle: usize,
    /// Leased, being made or being settled.
    pub(crate) in_use: usize,
    /// Tasks waiting for a slot.
    pub(crate) waiting: usize,
    pub(crate) closed: bool,
    pub(crate) counters: Counters,
}

impl PoolState {
    pub(crate) fn size(&self) -> usize {
        self.idle + self.in_use
    }
}

/// What happened since the pool was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Connections made.
    pub(crate) opened: u64,
    /// Connects that failed.
    pub(crate) failed: u64,
    /// Leases that timed out.
    pub(crate) timeouts: u64,
    /// Connections thrown away in the middle of an answer.
    pub(crate) abandoned: u64,
    /// `KILL` sent for one of these.
    pub(crate) kills_sent: u64,
    /// `KILL` that could not be sent in time, or not to the same server.
    pub(crate) kills_lost: u64,
}
