//! Whether a connection that the session has will do for the statement, and what makes it do.

use std::{sync::Arc, time::Duration};

use ms_filters::{Role, ServerIx};
use ms_hints::Access;

use crate::{
    Cluster, Counter, Error,
    class::Question,
    lag,
    pool::Phase,
    positions,
    session::{Core, Slot, Slots},
    wishes::SETTING_LIMIT,
};

/// How long rows that nobody fetched may hold up the next statement on their connection.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

/// Whether the statement can go out as it is: a usable connection and no setting to change first.
#[inline]
pub(super) fn is_simple(
    cluster: &Cluster,
    core: &Core,
    slots: &Slots,
    question: &Question<'_>,
    server: ServerIx,
) -> bool {
    let ready = |slot: &Slot| slot.lease.is_ready() && !is_outdated(core, slot) && !core.holdings.is_behind(slot.hold);
    slots.get(server).is_some_and(ready)
        && is_proven(cluster, core, slots, server)
        && !is_away(cluster, core, slots, question, server)
        && !core.trx.waits_for_server()
        && question.control.is_none()
        && core.xa.as_ref().is_none_or(|it| it.has(server))
        && !must_lift_belt(cluster, core, slots, question, server)
}

/// Whether the connection to a replica leads to the server that was seen to have what must be seen. A name may lead to another
/// one since, and a server that was restarted may have lost it.
#[inline]
pub(super) fn is_proven(cluster: &Cluster, core: &Core, slots: &Slots, server: ServerIx) -> bool {
    let Some(must) = &core.facts.must else { return lag::is_proven(cluster, core, slots, server) };
    cluster.member(server).role == Role::Primary
        || core.trx.bound() == Some(server)
        || core.facts.is_stale()
        || slots.get(server).is_some_and(|slot| positions::is_proven(cluster, must, server, &slot.lease))
}

/// Whether a read may be sent again to whoever answers at the name now, as it is.
#[inline]
pub(crate) fn will_do(cluster: &Cluster, core: &Core, slots: &Slots, server: ServerIx) -> bool {
    is_proven(cluster, core, slots, server) && !positions::is_away(cluster, core, slots, server)
}

/// Whether what must be seen has to be compared first with what this primary has. A write alone is not to fail for what was lost
/// before; a transaction is, at its first statement, for there it can still be begun anew.
#[inline]
pub(super) fn is_away(
    cluster: &Cluster,
    core: &Core,
    slots: &Slots,
    question: &Question<'_>,
    server: ServerIx,
) -> bool {
    let begins = core.for_transaction || core.trx.is_open() || core.xa.is_some();
    (question.statement.access == Access::Read || begins) && positions::is_away(cluster, core, slots, server)
}

/// Whether the session has to let go of a connection: the server has changed. A transaction is ended where it was begun.
#[inline]
fn is_outdated(core: &Core, slot: &Slot) -> bool {
    slot.lease.is_outdated() && !is_at_work(core, slot.server)
}

/// Whether the session has a transaction or a branch on the server, which ends with its connection.
#[inline]
fn is_at_work(core: &Core, server: ServerIx) -> bool {
    core.trx.bound() == Some(server) || core.xa.as_ref().is_some_and(|it| it.has(server))
}

/// A write that a hint sends to a replica, whose connection refuses writes.
fn must_lift_belt(cluster: &Cluster, core: &Core, slots: &Slots, question: &Question<'_>, server: ServerIx) -> bool {
    question.statement.access == Access::Write
        && !core.for_transaction
        // In one, a server's refusal is the answer: read-only is what was asked for.
        && !core.trx.is_open()
        && question.control.is_none()
        && cluster.inner.rules.is_strict()
        && cluster.member(server).role == Role::Replica
        && slots.get(server).is_some_and(|slot| slot.lease.dirty() != Some(BELT_LIFTED))
}

/// Why a connection without its belt is closed afterwards.
const BELT_LIFTED: &str = "belt lifted";

/// Makes the session's connection fit for the statement; `false` when it is beyond repair and was dropped.
pub(super) async fn make_ready(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    question: &Question<'_>,
    server: ServerIx,
) -> Result<bool, sqlx::Error> {
    let lift = must_lift_belt(cluster, core, slots, question, server);
    let strict = cluster.inner.rules.is_strict();
    let Some(slot) = slots.use_now(server) else {
        return Ok(false);
    };
    let was_lent = slot.lease.phase() == Phase::Lent;
    if was_lent || slot.lease.phase() == Phase::Unread {
        slot.lease.settle(SETTLE_LIMIT).await;
    }
    if was_lent && !slot.lease.is_ready() && core.trx.bound() != Some(server) {
        // Whoever had it may have set up anything there.
        let lost = Error::StateLost { server: Arc::clone(slot.lease.server()) };
        slots.remove(server);
        return Err(lost.into());
    }
    if is_outdated(core, slot) {
        if let Some(state) = slot.lease.dirty() {
            cluster.inner.hooks.warn(format!(
                "the connection of a session to `{}` is replaced because the server has changed; its state ({state}) is lost",
                slot.lease.server()
            ));
        }
        slots.remove(server);
        return Ok(false);
    }
    if !slot.lease.is_ready() {
        if !strict && slot.lease.phase() == Phase::Broken {
            // The original never reopens a connection by itself: its statements answer that it is gone. (One that was
            // abandoned by our own caller is another matter; the original had no way to do that.)
            return Ok(true);
        }
        if !is_at_work(core, server) {
            slots.remove(server);
        }
        return Ok(false);
    }
    if lift {
        cluster.inner.hooks.warn(format!(
            "a hint sends a write to replica `{}`, whose connection accepts it from now on",
            slot.lease.server()
        ));
        slot.lease.taint(BELT_LIFTED);
        cluster.count(Counter::DirtyClosed, 1);
        slot.lease.run_text("SET SESSION TRANSACTION READ WRITE", SETTING_LIMIT).await?;
    }
    Ok(true)
}
