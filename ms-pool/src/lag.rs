//! How far replicas trail, for statements that set a bound.
//!
//! What a server says about it, and in which words, [`ms_gtid::replica`] knows. The two modes differ in when they ask:
//!
//! - `classic` asks all candidate replicas for each statement, on the session's own connections, as the original did
//!   ([`each_time`]);
//! - `strict` asks once for many statements, and goes by what it knows as long as that is young enough ([`known`], [`bounded`]).
//!   How often it asks follows from the bounds and from how often everybody else does ([`pace`]).

use ms_filters::ServerIx;

use crate::{
    Cluster,
    session::{Core, Slots},
};

pub(crate) mod ask; // one question to one server
mod bounded; // which replicas will do
mod each_time; // as the original: for every statement
mod known; // what was seen, and how old it is
mod pace; // how often a server is asked
mod source; // what the primary had, and when

pub(crate) use self::{
    bounded::{forget, is_proven},
    known::Lags,
};

/// Learns how far the candidate replicas trail, if that takes no waiting; `false` when it does.
pub(crate) fn look(cluster: &Cluster, core: &mut Core, wanted: ms_filters::Facts) -> bool {
    if !cluster.inner.rules.is_strict() {
        return false;
    }
    let replicas = core.scratch.as_ref().map_or(&[][..], |it| it.candidates().replicas());
    let Some(lags) = bounded::known(cluster, replicas, wanted.within) else { return false };
    core.facts.learned().lags = lags;
    true
}

/// Learns how far the candidate replicas trail; what could not be learned stays unknown.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs (in `classic`) the connections that are being asked.
pub(crate) async fn fetch(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    replicas: &[ServerIx],
    wanted: ms_filters::Facts,
) {
    let lags = if cluster.inner.rules.is_strict() {
        bounded::fetch(cluster, replicas, wanted.within).await
    } else {
        each_time::fetch(cluster, core, slots, replicas).await
    };
    core.facts.learned().lags = lags;
}
