//! What died with a primary.
//!
//! Replication is asynchronous: a primary that dies takes with it what no replica had got. Who wrote that waits in vain for it
//! to show up, so once all waiting was for nothing the position is compared with what the primary of this moment has.

use ms_filters::Role;
use ms_gtid::{Position, source::Server};
use tokio::time::{Duration, Instant};

use super::{Written, ask};
use crate::{
    Cluster, Error,
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
) -> Result<(), Error> {
    let (primaries, Some(must)) = (cluster.router().topology().list(Role::Primary), written.must()) else {
        return Ok(());
    };
    // With several, a write of one may not have got to the other yet.
    let ([primary], false) = (primaries, must.owes) else { return Ok(()) };
    let primary = *primary;
    let pool = core.pool(cluster, primary);
    let mut leased = None;
    let lease = match slots.use_now(primary).filter(|slot| slot.lease.is_ready() && !slot.lease.is_outdated()) {
        Some(slot) => &mut slot.lease,
        None => match pool.lease(Instant::now() + LIMIT).await {
            Ok(lease) => leased.insert(lease),
            Err(_) => return Ok(()),
        },
    };
    let Some(source) = ask::source(cluster, primary, lease).await else { return Ok(()) };
    // Asked as one that is its own source, and as one that was a replica once.
    for replicates in [false, true] {
        let of = Server { replicates };
        let asked = ask::check(cluster, (primary, lease), &*source, &must.position, of, Duration::ZERO).await;
        if asked.is_err() || asked.is_ok_and(|it| it == ask::Asked::All) {
            return Ok(());
        }
    }
    let known = cluster.positions().known(primary);
    let Some(evidence) = known.evidence_at(lease.identity()) else { return Ok(()) };
    let lost = must.position.subtract(&evidence);
    if lost.is_empty() {
        return Ok(());
    }
    written.give_up(without(&must.position, &lost));
    Err(Error::PositionLost { server: pool.server().clone(), lost: lost.to_string().into() })
}

/// What is left of a position.
fn without(position: &Position, lost: &Position) -> Position {
    position.subtract(&ms_gtid::Evidence::passed(lost))
}
