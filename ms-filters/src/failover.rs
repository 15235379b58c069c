//! What happens when a server cannot be reached.
//!
//! Failover is about connecting only: a statement that was sent is never repeated here. It never crosses from primaries
//! to replicas, and whether it leaves the replicas at all is the operator's choice:
//!
//! - [`Strategy::Disabled`]: the first server that cannot be reached gives the statement its connect error;
//! - [`Strategy::Primary`]: a primary takes the statement of one unreachable replica;
//! - [`Strategy::LoopBeforePrimary`]: other replicas first, up to a number of failures, then other primaries likewise.

use std::num::NonZeroU16;

/// The `failover` part of a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failover {
    /// Where to look next.
    pub strategy: Strategy,
    /// How many failures of one statement, on each side, are followed by another server of the same side.
    pub max_retries: Retries,
    /// `remember_failed`: whether a server that failed is tried again.
    pub memory: FailureMemory,
}

impl Failover {
    /// A strategy with one retry and no memory of failures.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Failover { strategy, ..Failover::default() }
    }

    /// Whether a side may be searched further after `failures` of this statement.
    pub(crate) fn tries_another(self, failures: u16) -> bool {
        let within = match self.max_retries {
            Retries::Unlimited => true,
            Retries::Limit(limit) => failures <= limit.get(),
        };
        self.strategy == Strategy::LoopBeforePrimary && within
    }
}

/// Where to look next when a server cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Nowhere.
    #[default]
    Disabled,
    /// `master`: at a primary.
    Primary,
    /// `loop_before_master`: at the other replicas, then at the primaries.
    LoopBeforePrimary,
}

/// `max_retries`: a bound within one statement, for each side by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// So many failures may be followed by another try, so one more server than that is tried.
    Limit(NonZeroU16),
    /// All servers of the side may be tried; `max_retries` 0.
    Unlimited,
}

impl Retries {
    /// The number of the configuration, where 0 means no limit.
    #[must_use]
    pub fn from_config(max_retries: u16) -> Self {
        NonZeroU16::new(max_retries).map_or(Retries::Unlimited, Retries::Limit)
    }
}

impl Default for Retries {
    fn default() -> Self {
        Retries::Limit(NonZeroU16::MIN)
    }
}

/// `remember_failed`: whether a server that failed is tried again.
///
/// Two memories, because they end differently. A session's own never does, so a server may stay away for good and even be the
/// last one. What the view calls failed is somebody's opinion at this moment, right for now and perhaps out of date: it
/// decides between servers, and never leaves a statement without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureMemory {
    /// Each statement tries as if nothing had happened.
    #[default]
    Forget,
    /// A server that failed is passed over: one that failed this session, or that the view calls failed.
    Remember,
    /// A server that the view calls failed is passed over while another of its side, or a primary in place of a replica, can
    /// take the statement; the session remembers nothing.
    Cluster,
}
