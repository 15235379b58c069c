//! The facts that a read at the level `session` lacks: which replica has what it must see.

use futures_util::{StreamExt, stream::FuturesUnordered};
use ms_filters::{Freshness, ServerIx};
use ms_gtid::{Coverage, Position, source::Server};
use tokio::time::{Instant, sleep};

use super::{
    Must, Stays, Written, ask,
    ask::Asked,
    budget, lost, pay,
    wait::{nudge, wait},
};
use crate::{
    Cluster, Error,
    pool::Lease,
    route::open,
    session::{Core, Slots},
};

use std::time::Duration;

/// How long between two looks at a server that cannot wait by itself.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the replica that a scope leaves may take to say how far it is.
const LEAVING: Duration = Duration::from_millis(200);

/// Whether a server has what must be seen, from memory.
///
/// It need not look for transactions that are open there and read as of their beginning: in `strict` a transaction is bound
/// to its server, and what is bound is not asked how fresh it is.
pub(crate) fn look(cluster: &Cluster, must: &Must, server: ServerIx) -> Freshness {
    // What the session's replica has shown may be more than is known of it.
    if must.owes || must.stays.as_ref().is_some_and(|stays| stays.server != server) {
        return Freshness::Unknown;
    }
    match cluster.positions().known(server).covers(&must.position) {
        Coverage::Reached => Freshness::Reached,
        coverage => {
            nudge(cluster, server, &must.position);
            if coverage == Coverage::Behind { Freshness::Behind } else { Freshness::Unknown }
        }
    }
}

/// Whether the server that a connection leads to was seen to have what must be seen, and is the one that was read from last if
/// that has shown more.
pub(crate) fn is_proven(cluster: &Cluster, must: &Must, server: ServerIx, lease: &Lease) -> bool {
    if must.stays.as_ref().is_some_and(|stays| stays.server == server && !stays.identity.is_same_run(lease.identity()))
    {
        return false;
    }
    cluster.positions().known(server).covers_at(lease.identity(), &must.position) == Coverage::Reached
}

/// The server that a connection leads to is not the one that was asked: what is known is another's.
pub(crate) fn forget(cluster: &Cluster, slots: &Slots, server: ServerIx) {
    if let Some(slot) = slots.get(server) {
        cluster.positions().known(server).learn(slot.lease.identity(), ms_gtid::Evidence::default());
    }
}

/// Finds out which of `replicas` have what the session must see, and waits for one if none does.
///
/// # Errors
///
/// [`Error::PositionLost`], once, when a write died with its primary; [`Error::BudgetSpent`] when none has it and the caller wants
/// no more of the primary than its budget.
///
/// # Cancel safety
///
/// Safe for the pool; what was not found out is asked again.
pub(crate) async fn fetch(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    replicas: &[ServerIx],
) -> Result<(), Error> {
    let Some(written) = core.written(cluster).cloned() else { return Ok(()) };
    let Some(as_of) = core.facts.must.as_ref().map(|must| must.as_of) else {
        classic(cluster, core, slots, replicas, &written).await;
        return Ok(());
    };
    let stayed = core.facts.must.as_ref().and_then(|must| must.stays.clone());
    let paid = pay(cluster, core, slots, &written, as_of).await;
    // Also where something is lost: what else is missing is found out now, or the next read would be told the same once more.
    let found = match paid {
        Ok(false) => Ok(()),
        _ => find(cluster, core, slots, replicas, &written, as_of).await,
    };
    let must = core.facts.must.insert(written.must_as_of(as_of));
    paid.and(found)?;
    let mut alive = replicas.iter().filter(|it| alive_at(cluster, **it)).peekable();
    // Where none can be reached nobody trails; what to do then is a matter of failover.
    if alive.peek().is_some() && !alive.any(|it| look(cluster, must, *it) == Freshness::Reached) {
        budget::stand_in(cluster, core)?;
        if let Some(stayed) = stayed.filter(|it| core.facts.is_stale() && alive_at(cluster, it.server)) {
            // The past, but not a past before what it has seen.
            written.reads_from(stayed.server, &stayed.identity);
            core.facts.must = Some(written.must_as_of(as_of));
        }
    }
    Ok(())
}

fn alive_at(cluster: &Cluster, server: ServerIx) -> bool {
    !cluster.member(server).pool.is_avoided()
}

/// Waits until one of `replicas` has all that must be seen; finds out what nobody has.
async fn find(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    replicas: &[ServerIx],
    written: &Written,
    as_of: u64,
) -> Result<(), Error> {
    let must = written.must_as_of(as_of);
    let until = Instant::now() + cluster.positions().wait();
    let reached = |server: &ServerIx| cluster.positions().known(*server).covers(&must.position) == Coverage::Reached;
    if let Some(stays) = &must.stays {
        let server = stays.server;
        let there = replicas.contains(&server) && !cluster.member(server).pool.is_avoided();
        if there && (reached(&server) || wait(cluster, server, &must.position, until).await) {
            return Ok(());
        }
        if !leave(cluster, stays, written).await {
            return Ok(());
        }
    } else if replicas.iter().any(reached) {
        return Ok(());
    }
    let must = written.must_as_of(as_of);
    let stays = must.stays.as_ref().map(|stays| stays.server);
    let asked = replicas.iter().filter(|it| Some(**it) != stays && !cluster.member(**it).pool.is_avoided());
    let mut waits: FuturesUnordered<_> = asked.map(|it| wait(cluster, *it, &must.position, until)).collect();
    while let Some(reached) = waits.next().await {
        if reached {
            return Ok(());
        }
    }
    drop(waits);
    lost::check(cluster, core, slots, written, &must).await
}

/// Another server may take the place of the replica read from as soon as it has all that this one had; `false` when nobody
/// can tell what that was.
async fn leave(cluster: &Cluster, stays: &Stays, written: &Written) -> bool {
    let told = shown(cluster, stays, written).await;
    if told {
        written.leaves(stays.server);
    }
    told
}

/// Whoever goes on elsewhere has to see all that the replica read from has; `false` when nobody can tell what that is.
pub(crate) async fn shown(cluster: &Cluster, stays: &Stays, written: &Written) -> bool {
    let Stays { server, identity } = stays;
    let pool = &cluster.member(*server).pool;
    if pool.is_avoided() {
        return false;
    }
    let Ok(mut lease) = pool.lease(Instant::now() + LEAVING).await else { return false };
    if !identity.is_same_run(lease.identity()) {
        return false;
    }
    let Some(source) = ask::source(cluster, *server, &mut lease).await else { return false };
    match ask::whole(&*source, &mut lease).await {
        Some(position) => {
            written.require(&position);
            true
        }
        None => false,
    }
}

/// As the original: every candidate is asked, on the session's own connections, one after the other; all within one time.
async fn classic(cluster: &Cluster, core: &mut Core, slots: &mut Slots, replicas: &[ServerIx], written: &Written) {
    let positions = cluster.positions();
    let (Some(must), Some(source)) = (written.must(), positions.configured()) else { return };
    let until = Instant::now() + positions.wait();
    for &server in replicas {
        if slots.get(server).is_none() && open(cluster, core, slots, server).await.is_err() {
            continue;
        }
        while let Some(slot) = slots.use_now(server) {
            let of = Server { replicates: true };
            match original(cluster, &mut slot.lease, &**source, &must.position, of).await {
                Some(Asked::All) => core.facts.reached(server),
                Some(Asked::NotYet) if Instant::now() < until => {
                    sleep(PAUSE.min(until - Instant::now())).await;
                    continue;
                }
                _ => {}
            }
            break;
        }
    }
}

/// One check in the original's words; nothing is kept, for its positions are whatever the user's SQL makes of them.
async fn original(
    cluster: &Cluster,
    lease: &mut Lease,
    source: &dyn ms_gtid::source::GtidSource,
    position: &Position,
    of: Server,
) -> Option<Asked> {
    let warn = |text: String| cluster.inner.hooks.warn(text);
    match ask::once(lease, source, position, of).await {
        Ok(asked) => Some(asked),
        Err(ask::CheckError::NoPlaceholder) => {
            warn("Failed parse SQL for checking GTID. Cannot find #GTID placeholder".to_owned());
            None
        }
        Err(ask::CheckError::Sql(error)) => {
            let (code, text) = (
                crate::code(&error),
                crate::error::server_error(&error).map_or_else(|| error.to_string(), |it| it.message().to_owned()),
            );
            warn(format!("SQL error while checking slave for GTID: {code}/'{text}'"));
            None
        }
    }
}
