//! What happens when a server cannot be reached.
//!
//! Failover concerns opening a connection, never one that was open: a statement that broke is not sent elsewhere by
//! these settings.

use std::num::NonZeroU16;

/// What to try after a server could not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failover {
    /// Where to go next.
    pub strategy: Strategy,
    /// How many failures within one statement are tolerated.
    pub max_retries: Retries,
    /// Whether a failed server is tried again by the next statement.
    pub memory: FailureMemory,
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            strategy: Strategy::Disabled,
            max_retries: Retries::Limit(NonZeroU16::MIN),
            memory: FailureMemory::Forget,
        }
    }
}

/// Where to go after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Nowhere: the statement fails with the connect error. `disabled`, the default.
    Disabled,
    /// A failed replica is replaced by the primary. `master`, `primary`.
    Primary,
    /// The other replicas first, then the primary. `loop_before_master`, `loop_before_primary`.
    LoopBeforePrimary,
}

/// How many failed servers one statement may meet; 1 unless configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retries {
    /// So many.
    Limit(NonZeroU16),
    /// As many as there are servers; 0 in the file.
    Unlimited,
}

/// Whether a failure outlives its statement: `remember_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureMemory {
    /// The next statement tries again.
    Forget,
    /// A failed server is left out from then on; for how long is a matter of [`Compat`](crate::Compat).
    Remember,
}
