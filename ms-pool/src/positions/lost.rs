//! What died with a primary.
//!
//! Replication is asynchronous: a primary that dies takes with it what no replica had got. Who wrote that waits in vain for it
//! to show up, so once all waiting was for nothing the position is compared with what the primary of this moment has.

use std::sync::Arc;

use ms_filters::{Role, ServerIx};
use ms_gtid::{Position, source::Server};
use tokio::time::{Duration, Instant};

use super::{
    Must, Written, ask,
    pay::{pay, told},
};
use crate::{
    Cluster, Error,
    pool::{Lease, Phase},
    session::{Core, Slots},
};

const LIMIT: Duration = Duration::from_secs(1);

/// Compares what must be seen with what the primary has; what is not there never will be, and is not asked for again.
///
/// # Errors
///
/// [`Error::PositionLost`], once, when something is not there.
pub(super) async fn check(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    written: &Written,
    must: &Must,
) -> Result<(), Error> {
    // With several, a write of one may not have got to the other yet.
    let &[primary] = cluster.router().topology().list(Role::Primary) else { return Ok(()) };
    // Of what is not known in full nothing can be said to be missing.
    if must.position.is_saturated() {
        return Ok(());
    }
    let pool = core.pool(cluster, primary);
    let mut found = None;
    if let Some(slot) = slots.use_now(primary).filter(|slot| slot.lease.is_ready() && !slot.lease.is_outdated()) {
        found = missing(cluster, primary, &mut slot.lease, &must.position).await;
    }
    let until = Instant::now() + LIMIT;
    // A primary that died has left connections behind. Each round takes one off, so the next ones are alive or new.
    while found.is_none() && Instant::now() < until {
        found = match pool.lease(until).await {
            Ok(mut lease) => missing(cluster, primary, &mut lease, &must.position).await,
            Err(error) if error.blames_server() => return nobody_knows(cluster, primary, must, written),
            Err(_) => return Ok(()),
        };
    }
    let Some(lost) = found.filter(|it| !it.is_empty()) else { return Ok(()) };
    written.give_up(&lost);
    let lost = Err(Error::PositionLost { server: Arc::clone(pool.server()), lost: lost.to_string().into() });
    told(cluster, written, lost)
}

/// Whether a read, or a transaction, is about to run on a primary that may lack what it has to see: another one than that was written on, or
/// another run of it.
#[inline]
pub(crate) fn is_away(cluster: &Cluster, core: &Core, slots: &Slots, server: ServerIx) -> bool {
    cluster.inner.rules.is_strict()
        && core.trx.bound().is_none()
        && cluster.member(server).role == Role::Primary
        && core
            .written(cluster)
            .is_some_and(|written| slots.get(server).is_some_and(|slot| written.is_away_at(slot.lease.identity())))
}

/// Compares what must be seen with what that primary has.
///
/// # Errors
///
/// [`Error::PositionLost`], once, when something is not there.
///
/// # Cancel safety
///
/// Safe for the pool; what was not compared is compared by the next one.
pub(crate) async fn arrive(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    server: ServerIx,
) -> Result<(), Error> {
    let (Some(written), Some(slot)) = (core.written(cluster).cloned(), slots.get(server)) else { return Ok(()) };
    let here = Arc::clone(slot.lease.identity());
    let Some(as_of) = written.must().map(|must| must.as_of) else { return Ok(()) };
    let told = match pay(cluster, core, slots, &written, as_of).await {
        Ok(_) => check(cluster, core, slots, &written, &written.must_as_of(as_of)).await,
        lost => lost.map(drop),
    };
    written.arrives(&here);
    told
}

/// What the server lacks, nothing where it cannot tell; `None` when the connection broke.
async fn missing(cluster: &Cluster, server: ServerIx, lease: &mut Lease, position: &Position) -> Option<Position> {
    if let Some(source) = ask::source(cluster, server, lease).await {
        // Asked as one that is its own source, and as one that was a replica once.
        for replicates in [false, true] {
            let of = Server { replicates };
            let asked = ask::check(cluster, (server, lease), &*source, position, of, Duration::ZERO).await;
            if asked.is_err() || asked.is_ok_and(|it| it == ask::Asked::All) {
                return (lease.phase() != Phase::Broken).then(Position::new);
            }
        }
        let evidence = cluster.positions().known(server).evidence_at(lease.identity());
        return Some(evidence.map_or_else(Position::new, |evidence| position.subtract(&evidence)));
    }
    (lease.phase() != Phase::Broken).then(Position::new)
}

/// No replica has it and the primary cannot be asked: it may be lost, or come back with the primary. Whoever is told can decide;
/// to go on asking for it would be to answer nobody for as long as the primary is away.
fn nobody_knows(cluster: &Cluster, primary: ServerIx, must: &Must, written: &Written) -> Result<(), Error> {
    let replicas = cluster.router().topology().list(Role::Replica).iter();
    let missing = replicas.fold(Position::clone(&must.position), |missing, replica| {
        cluster.positions().known(*replica).missing(&missing)
    });
    if missing.is_empty() {
        return Ok(());
    }
    written.give_up(&missing);
    told(cluster, written, Err(Error::NoPosition { server: Arc::clone(cluster.member(primary).pool.server()) }))
}
