//! A connection for a session that has none to the server it was sent to.

use std::{fmt, sync::Arc};

use ms_filters::{Attempt, Outcome, Role, ServerIx};

use crate::{
    Cluster, Counter, Error, Session,
    pool::{Holder, Lease, Phase, ServerPool, Stake},
    session::{Core, Slot, Slots},
    wishes::Wishes,
};

/// Gets the session a connection to `server`, unless that is avoided and the statement can go elsewhere.
pub(super) async fn open_if_admitted(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    attempt: &Attempt,
    server: ServerIx,
) -> Result<Outcome, Error> {
    if !attempt.may_be_avoided() {
        return open(cluster, core, slots, server).await.map(|()| Outcome::Opened);
    }
    let Ok(trial) = cluster.member(server).pool.admit() else {
        return Ok(Outcome::Avoided);
    };
    cluster.count(Counter::RememberedRetried, u8::from(trial.is_half_open()));
    open(cluster, core, slots, server).await.map(|()| Outcome::Opened)
}

/// Gets the session a connection to `server`.
pub(crate) async fn open(cluster: &Cluster, core: &mut Core, slots: &mut Slots, server: ServerIx) -> Result<(), Error> {
    let member = cluster.member(server);
    let (lease, new) = match core.try_lease(cluster, server) {
        Some(lease) => (lease, false),
        None => {
            let pool = core.pool(cluster, server);
            if member.pool.is_closed() {
                // A session's own pools do not hear of it.
                return Err(Error::Closed);
            }
            if pool.is_full() {
                give_back(core, slots, member.role);
            }
            let leased = lease(&pool, core.stake, core.wishes.as_deref()).await;
            if leased.as_ref().is_err_and(Error::blames_server) {
                // What it had is of no use to anybody now, and others have to be asked.
                cluster.inner.positions.known(server).forget();
                let failure = match member.role {
                    Role::Primary => Counter::LazyPrimaryFailure,
                    Role::Replica => Counter::LazyReplicaFailure,
                };
                cluster.count(failure, 1);
            }
            if let Err(error @ Error::AcquireTimeout { .. }) = &leased {
                // The caller gets `PoolTimedOut`, which has no room for facts.
                cluster.inner.hooks.warn(format!("{error}{}", OldestHolders(&pool.holders())));
            }
            let leased = leased?;
            core.hold(&leased.0);
            leased
        }
    };
    if new {
        let success = match member.role {
            Role::Primary => Counter::LazyPrimarySuccess,
            Role::Replica => Counter::LazyReplicaSuccess,
        };
        cluster.count(success, 1);
        cluster.inner.sql_mode.learn(&lease.identity().sql_mode);
    }
    slots.put(server, lease);
    Ok(())
}

/// Who has held connections for longest, for the end of a sentence about waiting for one.
struct OldestHolders<'a>(&'a [Holder]);

impl fmt::Display for OldestHolders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, holder) in self.0.iter().take(3).enumerate() {
            write!(f, "{} {holder}", if at == 0 { "; held longest:" } else { "," })?;
        }
        Ok(())
    }
}

/// A connection as the session wants it, and whether it is a new one or from the idle stack.
async fn lease(pool: &Arc<ServerPool>, stake: Stake, wishes: Option<&Wishes>) -> Result<(Lease, bool), Error> {
    let deadline = pool.acquire_deadline();
    loop {
        let mut lease = pool.lease_for(deadline, stake).await?;
        let new = !lease.is_untried();
        let Some(wishes) = wishes else {
            return Ok((lease, new));
        };
        match wishes.fulfil_on(&mut lease).await {
            // It died on the idle stack. Each round takes one off, so the next ones are alive or new.
            Err(_) if !new && lease.phase() == Phase::Broken => {}
            fulfilled => return fulfilled.map(|()| (lease, new)),
        }
    }
}

/// Before waiting for a slot: who waits must not make others wait, or two sessions that each hold what the other wants
/// would stand still together.
///
/// What would be missed stays: changed state, and `LAST_INSERT_ID()` on a connection that wrote. The latter not when a
/// primary is waited for, whose statement will have the last word about it: sessions that wrote on one primary each and
/// want the other's would hold on to theirs for ever.
fn give_back(core: &mut Core, slots: &mut Slots, wanted: Role) {
    let speaks = |slot: &Slot| slot.wrote && wanted == Role::Replica;
    // With autocommit off there may be a transaction.
    let transacts = core.wishes.as_ref().is_some_and(|it| it.is_autocommit_off());
    let missed = |slot: &Slot| {
        slot.prepared || slot.lease.dirty().is_some() || slot.lease.is_exposed() || slot.lease.has_transaction()
    };
    slots.0.retain(|slot| transacts || speaks(slot) || missed(slot));
    if core.last_used.is_some_and(|server| slots.position(server).is_none()) {
        core.last_used = None;
    }
}

/// A fresh connection to `server` in place of one that turned out to be dead.
///
/// # Errors
///
/// As leasing does.
pub(crate) async fn replace(session: &mut Session, server: ServerIx) -> Result<(), Error> {
    session.slots.remove(server);
    open(&session.cluster, &mut session.core, &mut session.slots, server).await
}
