//! What was asked of servers for the statement under way: how far they trail, what they have.
//!
//! The router says which facts it lacks, and for whom; they are fetched here and shown to it in its view of the servers. They
//! are of one moment, so they are forgotten with their statement.

use std::time::Duration;

use ms_filters::{Freshness, ServerIx};

use crate::{
    Cluster, lag,
    session::{Core, Slots},
};

/// What was learned; nothing for most statements.
#[derive(Debug, Default)]
pub(crate) struct Facts(Option<Box<Learned>>);

#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) lags: Vec<(ServerIx, Duration)>,
    reached: Vec<ServerIx>,
}

impl Facts {
    /// How far a server trails; `None` is unknown.
    #[inline]
    pub(crate) fn lag(&self, server: ServerIx) -> Option<Duration> {
        self.0.as_ref()?.lags.iter().find(|(asked, _)| *asked == server).map(|(_, lag)| *lag)
    }

    /// Whether a server has what the session must see.
    #[inline]
    pub(crate) fn freshness(&self, server: ServerIx) -> Freshness {
        match &self.0 {
            Some(learned) if learned.reached.contains(&server) => Freshness::Reached,
            _ => Freshness::Unknown,
        }
    }

    /// Another statement begins.
    #[inline]
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    pub(crate) fn learned(&mut self) -> &mut Learned {
        self.0.get_or_insert_default()
    }
}

/// Asks the candidate replicas; what could not be learned stays unknown.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connections that are being asked.
pub(crate) async fn fetch(cluster: &Cluster, core: &mut Core, slots: &mut Slots, wanted: ms_filters::Facts) {
    let replicas: Vec<ServerIx> = core.scratch.as_ref().map_or_else(Vec::new, |it| it.candidates().replicas().to_vec());
    if wanted.lag {
        lag::fetch(cluster, core, slots, &replicas).await;
    }
    if wanted.freshness {
        freshness(cluster, core, slots, &replicas).await;
    }
}

async fn freshness(_: &Cluster, core: &mut Core, _: &mut Slots, _: &[ServerIx]) {
    core.facts.learned().reached.clear();
}
