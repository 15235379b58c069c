//! How far replicas trail, for statements that set a bound.
//!
//! What a server says about it, and in which words, [`ms_gtid::replica`] knows. The two modes differ in when they ask:
//!
//! - `classic` asks all candidate replicas for each statement, on the session's own connections, as the original did
//!   ([`each_time`]).

use ms_filters::ServerIx;

use crate::{
    Cluster,
    session::{Core, Slots},
};

mod ask; // one question to one server
mod each_time; // as the original: for every statement

/// Learns how far the candidate replicas trail; what could not be learned stays unknown.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connections that are being asked.
pub(crate) async fn fetch(cluster: &Cluster, core: &mut Core, slots: &mut Slots, replicas: &[ServerIx]) {
    let lags = if cluster.inner.rules.is_strict() {
        Vec::new()
    } else {
        each_time::fetch(cluster, core, slots, replicas).await
    };
    core.facts.learned().lags = lags;
}
