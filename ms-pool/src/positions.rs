//! Exact reads of what was written: who must see what, and which server has it.
//!
//! ```text
//!   a write ──► debt (written.rs)          a read at the level `session`
//!                  │ paid by the next read      │
//!                  ▼ (pay.rs)                   ▼
//!              position ─────────────► covered by what a replica was seen to have? (known.rs)
//!                                         yes: no question at all
//!                                         no:  asked and waited for, once per replica and process (wait.rs)
//!                                              then a primary, within a budget (budget.rs)
//! ```
//!
//! All knowledge about a server is filed under the identity that a *connection* reported, and under its run: a name may lead to
//! another server tomorrow, and a server that was restarted may have lost what it had.

use std::{sync::Arc, time::Duration};

use ms_config::PrimaryBudget;
use ms_filters::ServerIx;
use ms_gtid::source::GtidSource;

use crate::{Cluster, injection::Injection};

mod ask; // one question to a source, over a connection
mod budget; // how many reads a primary answers for replicas that trail
mod fresh; // the facts a statement lacks
mod known; // what servers were seen to have
mod lost; // what died with a primary
mod pay; // where writes have got to
mod wait; // one waiter per replica and process
mod written; // what must be seen

use self::budget::Budget;
pub(crate) use self::{
    budget::note_read,
    fresh::{fetch, forget, is_proven, look, shown},
    known::Known,
    lost::{arrive, is_away},
    pay::{all_of_primaries, pay},
    written::{Debt, Must, Stays, Written},
};

/// How long a read waits in `strict` where nobody has said.
const WAIT: Duration = Duration::from_millis(100);

/// What a cluster knows about positions.
pub(crate) struct Positions {
    /// The user's SQL, which wins over all that servers offer.
    configured: Option<Arc<dyn GtidSource>>,
    /// How long a read waits for a replica.
    wait: Duration,
    budget: Budget,
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
    pub(crate) fn new(servers: usize, injection: Option<&Injection>, strict: bool, budget: PrimaryBudget) -> Self {
        let configured = injection.and_then(|it| it.source.clone());
        let wait = match injection.map_or(Duration::ZERO, |it| it.wait) {
            Duration::ZERO if strict => WAIT,
            configured => configured,
        };
        Self {
            configured,
            wait,
            budget: Budget::new(budget),
            members: (0..servers).map(|_| Member::default()).collect(),
        }
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
