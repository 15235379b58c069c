//! What is known of servers for the statement under way: how far they trail, what they have.
//!
//! The router says which facts it lacks, and for whom; they are fetched here and shown to it in its view of the servers. They
//! are of one moment, so they are forgotten with their statement.

use std::time::Duration;

use ms_filters::{Freshness, ServerIx};

use crate::{
    Cluster, Error, lag,
    positions::{self, Must},
    session::{Core, Slots},
};

/// What becomes of a read that no replica is known to be able to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    Primary,
    /// A replica answers from the past.
    Stale,
}

/// What was learned; nothing for most statements.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What the statement must see, where positions can be compared.
    pub(crate) must: Option<Must>,
    /// No replica has it: what becomes of the statement all the same.
    pub(crate) behind: Option<Instead>,
    learned: Option<Box<Learned>>,
}

#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) lags: Vec<(ServerIx, Duration)>,
    reached: Vec<ServerIx>,
}

impl Facts {
    /// How far a server trails; `None` is unknown.
    #[inline]
    pub(crate) fn lag(&self, server: ServerIx) -> Option<Duration> {
        self.learned.as_ref()?.lags.iter().find(|(asked, _)| *asked == server).map(|(_, lag)| *lag)
    }

    /// Whether a server was found to have what must be seen, for this statement.
    #[inline]
    pub(crate) fn freshness(&self, server: ServerIx) -> Freshness {
        match &self.learned {
            Some(learned) if learned.reached.contains(&server) => Freshness::Reached,
            _ => Freshness::Unknown,
        }
    }

    /// Whether the past will do.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        self.behind == Some(Instead::Stale)
    }

    /// Whether the past will do, and the reader has read before: what it saw there is still to be seen later.
    #[inline]
    pub(crate) fn is_stale_after_reads(&self) -> bool {
        self.is_stale() && self.must.as_ref().is_some_and(|must| must.stays.is_some())
    }

    /// A server has what must be seen.
    pub(crate) fn reached(&mut self, server: ServerIx) {
        self.learned().reached.push(server);
    }

    /// Another statement begins.
    #[inline]
    pub(crate) fn forget(&mut self) {
        (self.must, self.behind) = (None, None);
        self.learned = None;
    }

    pub(crate) fn learned(&mut self) -> &mut Learned {
        self.learned.get_or_insert_default()
    }
}

/// What can be learned without waiting; `false` when that is not all of it.
pub(crate) fn look(cluster: &Cluster, core: &mut Core, wanted: ms_filters::Facts) -> bool {
    !wanted.freshness && lag::look(cluster, core, wanted)
}

/// Asks the candidate replicas; what could not be learned stays unknown.
///
/// # Errors
///
/// [`Error::PositionLost`]; [`Error::BudgetSpent`].
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connections that are being asked.
pub(crate) async fn fetch(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    wanted: ms_filters::Facts,
) -> Result<(), Error> {
    let replicas: Vec<ServerIx> = core.scratch.as_ref().map_or_else(Vec::new, |it| it.candidates().replicas().to_vec());
    if wanted.lag {
        lag::fetch(cluster, core, slots, &replicas, wanted).await;
    }
    if wanted.freshness {
        positions::fetch(cluster, core, slots, &replicas).await?;
    }
    Ok(())
}
