//! What happens when a server cannot be reached.
//!
//! Failover concerns opening a connection, never one that was open: a statement that broke is not sent elsewhere by
//! these settings.

use std::{num::NonZeroU16, time::Duration};

use crate::Compat;

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

impl Failover {
    /// What holds where a section says nothing.
    #[must_use]
    pub fn of(compat: Compat) -> Self {
        Self {
            strategy: Strategy::Disabled,
            max_retries: Retries::Limit(NonZeroU16::MIN),
            memory: match compat {
                Compat::Classic => FailureMemory::Forget,
                Compat::Strict => FailureMemory::Cluster { retry_after: RETRY_AFTER },
            },
        }
    }
}

/// `retry_after_s` where it is not given.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(10);

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
///
/// Who remembers is a matter of [`Compat`]: the original's sessions did, each for itself and for good. Where sessions are as
/// short as a statement that is no memory at all, and where they are long it never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureMemory {
    /// The next statement tries again. The default in `classic`.
    Forget,
    /// A failed server is left out for the rest of the session. `classic` only.
    Session,
    /// A failed server is left out by all sessions for a while, then one statement tries it. `strict` only, and its default.
    Cluster {
        /// `retry_after_s`: how long after the first failure; 10 seconds.
        retry_after: Duration,
    },
}
