//! Where writes have got to: asks the connections that wrote, or else the servers.

use std::{ptr, sync::Arc, time::Duration};

use ms_filters::{Role, ServerIx};
use ms_gtid::Position;
use tokio::time::Instant;

use super::{Debt, Written, ask};
use crate::{
    Cluster, Error,
    pool::{Lease, Phase},
    session::{Core, Slots},
};

/// How long a connection to a server that was written to is waited for.
const LIMIT: Duration = Duration::from_secs(1);
/// So many transactions of a connection MySQL keeps (`performance_schema_events_transactions_history_size`, 10 by default).
const KEPT: u32 = 10;

/// Finds out all positions that are owed. `Ok(false)` when one could not be had.
///
/// What was written through the cluster itself is many callers' concern; they are warned where a scope gets an error.
///
/// # Errors
///
/// [`Error::PositionLost`] when another server has taken the place of the one that was written to, before anybody asked it how
/// far that was; [`Error::NoPosition`] when that one cannot be reached. Each once: reads go on without it.
///
/// # Cancel safety
///
/// Safe for the pool; what was not found out is still owed.
pub(crate) async fn pay(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    written: &Written,
    as_of: u64,
) -> Result<bool, Error> {
    for slot in &mut slots.0 {
        if slot.lease.owes().is_some() {
            // Nobody has read the rest of the answer, and nothing was counted behind it yet.
            slot.lease.settle(LIMIT).await;
        }
    }
    let _turn = written.paying.lock().await;
    if written.is_uncounted() {
        // The number is not that of the last write.
        return Ok(false);
    }
    if !written.must_as_of(as_of).owes {
        // Somebody else has asked meanwhile.
        return Ok(true);
    }
    let mut all = true;
    let mut lost = Ok(());
    let mut debts = written.debts();
    while let Some(server) = debts.first().map(|debt| debt.server) {
        let here: Vec<Debt> = debts.extract_if(.., |debt| debt.server == server).collect();
        let name = || Arc::clone(cluster.member(server).pool.server());
        // Somebody may be writing there at this moment, and is owed for what has no position yet.
        let pool = &cluster.member(server).pool;
        let own = slots.get(server).map(|slot| slot.lease.identity().connection_id);
        let writing =
            |debt: &&Debt| debt.by.is_some_and(|by| Some(by.connection) != own && pool.is_held(by.connection));
        let writing: Vec<Debt> = here.iter().filter(writing).cloned().collect();
        match position_of(cluster, core, slots, &here).await {
            Paid::At(position) => written.settle(&here, &position),
            Paid::Replaced(position) => {
                written.settle(&here, &position);
                lost = Err(Error::PositionLost { server: name(), lost: "what was written last".into() });
            }
            Paid::Unreachable => {
                written.settle(&here, &Position::new());
                lost = Err(Error::NoPosition { server: name() });
            }
            Paid::Unknown => all = false,
        }
        writing.into_iter().for_each(|debt| written.owe(debt));
    }
    told(cluster, written, lost).map(|()| all)
}

/// Turns an error that concerns all of a cluster's callers into a warning.
pub(super) fn told(cluster: &Cluster, written: &Written, lost: Result<(), Error>) -> Result<(), Error> {
    match lost {
        Err(error) if written.forgives() || ptr::eq(written, &*cluster.inner.written) => {
            cluster.inner.hooks.warn(error.to_string());
            Ok(())
        }
        told => told,
    }
}

/// All that the primaries have; `None` when one of them cannot tell. What they have is all that there will ever be to see.
///
/// # Cancel safety
///
/// Safe for the pool.
pub(crate) async fn all_of_primaries(cluster: &Cluster) -> Option<Position> {
    let mut all = Position::new();
    for (at, server) in cluster.inner.members.iter().zip(0..).filter(|(it, _)| it.role == Role::Primary) {
        let mut lease = at.pool.lease(Instant::now() + LIMIT).await.ok()?;
        let source = ask::source(cluster, ServerIx::new(server), &mut lease).await?;
        all.merge(&ask::whole(&*source, &mut lease).await?);
    }
    Some(all)
}

/// What came of a debt.
enum Paid {
    At(Position),
    /// Another server answers there. What it has is all that there will ever be to see.
    Replaced(Position),
    /// The server is gone, for now or for good.
    Unreachable,
    /// It is there and does not tell.
    Unknown,
}

/// The position of the debts at one server: of one connection exactly, of several by all that the server has.
async fn position_of(cluster: &Cluster, core: &mut Core, slots: &mut Slots, debts: &[Debt]) -> Paid {
    let debt = &debts[0];
    if let ([_], Some(by)) = (debts, debt.by) {
        let is_it = |lease: &Lease| lease.identity().connection_id == by.connection && lease.is_ready();
        let tells = |lease: &Lease| lease.writes().wrapping_sub(by.first) < KEPT;
        if let Some(slot) = slots.use_now(debt.server).filter(|slot| is_it(&slot.lease)) {
            // One that breaks now must break under a statement of its session, if there is anything to lose with it.
            let expendable = slot.hold.state.is_empty() && !slot.prepared && !slot.lease.has_transaction();
            if expendable
                && tells(&slot.lease)
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
    let until = Instant::now() + LIMIT;
    loop {
        let mut lease = match pool.lease(until).await {
            Ok(lease) => lease,
            Err(error) if error.blames_server() => return Paid::Unreachable,
            Err(_) => return Paid::Unknown,
        };
        let Some(source) = ask::source(cluster, debt.server, &mut lease).await else { return Paid::Unknown };
        match ask::whole(&*source, &mut lease).await {
            Some(position) if debts.iter().all(|it| lease.identity().key == it.identity.key) => {
                return Paid::At(position);
            }
            Some(position) => return Paid::Replaced(position),
            // It died on the idle stack. Each round takes one off, so the next ones are alive or new.
            None if lease.phase() == Phase::Broken && Instant::now() < until => {}
            None => return Paid::Unknown,
        }
    }
}

async fn own(cluster: &Cluster, server: ServerIx, lease: &mut Lease) -> Option<Position> {
    let source = ask::source(cluster, server, lease).await?;
    ask::own(&*source, lease).await
}
