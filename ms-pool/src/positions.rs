//! Exact reads of what was written: who must see what, and which server has it.
//!
//! ```text
//!   a write ──► debt (written.rs)          a read at the level `session`
//!                  │ paid by the next read      │
//!                  ▼ (pay.rs)                   ▼
//!              position ─────────────► covered by what a replica was seen to have? (known.rs)
//!                                         yes: no question at all
//!                                         no:  asked and waited for, once per replica and process (wait.rs)
//!                                              then a primary
//! ```
//!
//! All knowledge about a server is filed under the identity that a *connection* reported, and under its run: a name may lead to
//! another server tomorrow, and a server that was restarted may have lost what it had.

use std::{sync::Arc, time::Duration};

use ms_filters::ServerIx;
use ms_gtid::source::GtidSource;

use crate::Cluster;

mod ask; // one question to a source, over a connection
mod configured; // what the section says
mod fresh; // the facts a statement lacks
mod known; // what servers were seen to have
mod lost; // what died with a primary
mod pay; // where writes have got to
mod wait; // one waiter per replica and process
mod written; // what must be seen

pub(crate) use self::{
    configured::{configured_source, wait_for_gtid},
    fresh::{fetch, forget, is_proven, look},
    known::Known,
    pay::pay,
    written::{Debt, Must, Written},
};

/// What a cluster knows about positions.
pub(crate) struct Positions {
    /// The user's SQL, which wins over all that servers offer.
    configured: Option<Arc<dyn GtidSource>>,
    /// How long a read waits for a replica.
    wait: Duration,
    /// By [`ServerIx`].
    members: Box<[Member]>,
}

/// One server's.
#[derive(Default)]
struct Member {
    known: Known,
    waiter: wait::Waiter,
}

impl Positions {
    /// Nothing is known of `servers` servers.
    pub(crate) fn new(servers: usize, configured: Option<Arc<dyn GtidSource>>, wait: Duration) -> Self {
        Self { configured, wait, members: (0..servers).map(|_| Member::default()).collect() }
    }

    /// The user's SQL.
    pub(crate) fn configured(&self) -> Option<&Arc<dyn GtidSource>> {
        self.configured.as_ref()
    }

    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }

    pub(crate) fn known(&self, server: ServerIx) -> &Known {
        &self.members[server.index()].known
    }
}

impl Cluster {
    fn positions(&self) -> &Positions {
        &self.inner.positions
    }
}
