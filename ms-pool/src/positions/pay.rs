//! Where writes have got to: asks the connections that wrote, or else the servers.

use std::time::Duration;

use ms_filters::ServerIx;
use ms_gtid::Position;
use tokio::time::Instant;

use super::{Debt, Written, ask};
use crate::{
    Cluster, Error,
    pool::Lease,
    session::{Core, Slots},
};

/// How long a connection to a server that was written to is waited for.
const LIMIT: Duration = Duration::from_secs(1);
/// So many transactions of a connection MySQL keeps (`performance_schema_events_transactions_history_size`, 10 by default).
const KEPT: u32 = 10;

/// Finds out all positions that are owed. `Ok(false)` when one could not be had.
///
/// # Errors
///
/// [`Error::PositionLost`] when another server has taken the place of the one that was written to, before anybody asked it how
/// far that was.
///
/// # Cancel safety
///
/// Safe for the pool; what was not found out is still owed.
pub(crate) async fn pay(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    written: &Written,
) -> Result<bool, Error> {
    for slot in &mut slots.0 {
        if slot.lease.owes().is_some() {
            // Nobody has read the rest of the answer, and nothing was counted behind it yet.
            slot.lease.settle(LIMIT).await;
        }
    }
    if written.is_uncounted() {
        // The number is not that of the last write.
        return Ok(false);
    }
    let (mut all, mut lost) = (true, None);
    for debt in written.debts() {
        match position_of(cluster, core, slots, &debt).await {
            Paid::At(position) => written.settle(&debt, &position),
            Paid::Replaced(position) => {
                written.settle(&debt, &position);
                lost.get_or_insert(debt.server);
            }
            Paid::Unknown => all = false,
        }
    }
    match lost {
        Some(server) => {
            let server = cluster.member(server).pool.server().clone();
            Err(Error::PositionLost { server, lost: "written last".into() })
        }
        None => Ok(all),
    }
}

/// What came of a debt.
enum Paid {
    At(Position),
    /// Another server answers there. What it has is all that there will ever be to see.
    Replaced(Position),
    Unknown,
}

async fn position_of(cluster: &Cluster, core: &mut Core, slots: &mut Slots, debt: &Debt) -> Paid {
    if let Some(by) = debt.by {
        let is_it = |lease: &Lease| lease.identity().connection_id == by.connection && lease.is_ready();
        let tells = |lease: &Lease| lease.writes().wrapping_sub(by.first) < KEPT;
        if let Some(slot) = slots.use_now(debt.server).filter(|slot| is_it(&slot.lease)) {
            if tells(&slot.lease)
                && let Some(position) = own(cluster, debt.server, &mut slot.lease).await
            {
                return Paid::At(position);
            }
        } else if let Some(mut lease) = core.pool(cluster, debt.server).try_lease_of(by.connection)
            && tells(&lease)
            && let Some(position) = own(cluster, debt.server, &mut lease).await
        {
            return Paid::At(position);
        }
    }
    let pool = core.pool(cluster, debt.server);
    let Ok(mut lease) = pool.lease(Instant::now() + LIMIT).await else { return Paid::Unknown };
    let Some(source) = ask::source(cluster, debt.server, &mut lease).await else { return Paid::Unknown };
    match ask::whole(&*source, &mut lease).await {
        Some(position) if lease.identity().key == debt.identity.key => Paid::At(position),
        Some(position) => Paid::Replaced(position),
        None => Paid::Unknown,
    }
}

async fn own(cluster: &Cluster, server: ServerIx, lease: &mut Lease) -> Option<Position> {
    let source = ask::source(cluster, server, lease).await?;
    ask::own(&*source, lease).await
}
