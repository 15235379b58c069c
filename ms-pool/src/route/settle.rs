//! The bookkeeping of a decision: it is kept and announced, statistics move, the connection is marked.

use ms_config::Mode;
use ms_filters::{Attempt, Quality, Role, ServerIx, Tally};
use ms_hints::{Access, Effect, State};

use super::Routed;
use crate::{
    Cluster, Counter,
    class::Question,
    injection::{Counts, counts::writes},
    pool::Lease,
    positions::{self, Debt},
    session::{Core, Slot, Slots},
    transaction::Control,
};

/// A read that its replica refused, because it writes, is about to run on a primary.
pub(crate) fn note_refused_read(cluster: &Cluster, core: &mut Core, slot: &mut Slot) {
    slot.wrote = true;
    slot.lease.note_write();
    if !core.ephemeral && cluster.member(slot.server).role == Role::Primary {
        core.written_mut(cluster).owe(Debt::written(slot.server, &slot.lease));
    }
}

/// The bookkeeping of a decision that led to a server with a usable connection.
#[inline]
pub(super) fn settle_on(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    question: &Question<'_>,
    attempt: &Attempt,
    server: ServerIx,
) -> Routed {
    announce(cluster, core, question, attempt);
    core.last_used = Some(server);
    let statement = &question.statement;
    let strict = cluster.inner.rules.is_strict();
    if !core.ephemeral {
        core.last_text.keep(statement.sql);
    }
    let slot = slots.use_now(server).expect("the router was told that it is open");
    if statement.access == Access::Write {
        slot.wrote = true;
        slot.lease.note_write();
    }
    if strict && !core.for_transaction {
        note_position(cluster, core, slot, question);
    }
    let control = question.control;
    let counts = match cluster.inner.injection {
        None => Counts::NOTHING,
        Some(_) => cluster.counts_of(core, question, server),
    };
    if !core.for_transaction {
        if !question.plain && !question.effect.is_clean() {
            // What is seen as a transaction is taken care of.
            let left = if control.is_some() { question.effect.state_only() } else { question.effect };
            if !left.is_clean() {
                soil(cluster, core, &mut slot.lease, left);
            }
            if strict && !core.ephemeral {
                core.holdings.note(&mut slot.hold, question.effect, statement.sql);
            }
        }
        if strict {
            core.trx.note_setting(if question.plain { Effect::NONE } else { question.effect }, server);
        }
        if core.trx.is_open() || control.is_some() {
            core.trx.at(server, control, core.trx.stickiness(cluster.inner.rules.settings.stickiness));
            core.trx.wrote |= core.trx.is_open() && writes(question);
            if control.is_some_and(Control::transacts) {
                slot.lease.set_transaction(true);
                slot.lease.set_read_only(question.effect.transaction);
            }
        }
    }
    // In a transaction there is no second try: it would be outside.
    let proven_read = strict && statement.access == Access::Read && core.trx.bound().is_none() && core.xa.is_none();
    if proven_read {
        positions::note_read(cluster);
    }
    // Nor where another connection could give another answer.
    let repeatable = proven_read && cluster.inner.rules.retry_reads && slot.hold.state.is_empty() && !slot.prepared;
    let belted = proven_read && cluster.member(server).role == Role::Replica;
    Routed { server, proven_read, repeatable, belted, control, counts }
}

/// Whoever reads next may have to see what this statement writes, or shows.
#[inline]
fn note_position(cluster: &Cluster, core: &mut Core, slot: &Slot, question: &Question<'_>) {
    let on_primary = || cluster.member(slot.server).role == Role::Primary;
    if question.statement.access == Access::Write {
        // A session of one statement is told when it is done; a transaction owes when it is committed.
        let open = core.xa.is_some() || (core.trx.is_open() && question.control.is_none());
        if !open && !core.ephemeral && on_primary() {
            core.written_mut(cluster).owe(Debt::written(slot.server, &slot.lease));
        }
    } else if core.scope.as_ref().is_some_and(|it| it.keeps_reads())
        && question.quality(cluster, core) == Quality::Session
        && !core.facts.is_stale_after_reads()
    {
        note_read(cluster, core, slot, on_primary());
    }
}

/// Who has read somewhere is not to see the past elsewhere.
fn note_read(cluster: &Cluster, core: &mut Core, slot: &Slot, on_primary: bool) {
    let written = core.written_mut(cluster);
    if on_primary {
        written.owe(Debt::seen(slot.server, slot.lease.identity()));
    } else {
        written.reads_from(slot.server, slot.lease.identity());
    }
}

/// Keeps the decision, counts it and tells those who watch.
#[inline]
pub(super) fn announce(cluster: &Cluster, core: &mut Core, question: &Question<'_>, attempt: &Attempt) {
    let cause = question.statement.cause;
    count(cluster, attempt.tally());
    if core.holdings.decided(attempt.decision()) {
        cluster.count(Counter::StateBound, 1);
    }
    if cluster.inner.rules.mode == Mode::Observe && attempt.decision().observed().is_some() {
        cluster.count(Counter::ReplicaObserved, 1);
    }
    cluster.inner.hooks.decided(attempt.decision(), cause, &cluster.inner.router);
    if let Some(scratch) = &mut core.scratch
        && !scratch.warnings().is_empty()
    {
        scratch.warnings().drain().for_each(|it| cluster.inner.hooks.warn(it));
    }
    core.last = Some((*attempt.decision(), cause));
}

#[inline]
fn count(cluster: &Cluster, tally: Tally) {
    let Some(statistics) = &cluster.inner.statistics else {
        return;
    };
    for (counter, by) in [
        (Counter::UseReplica, tally.use_replica),
        (Counter::UsePrimary, tally.use_primary),
        (Counter::UseReplicaGuess, tally.use_replica_guess),
        (Counter::UsePrimaryGuess, tally.use_primary_guess),
    ] {
        statistics.add(counter, u64::from(by));
    }
    // Most statements move none of the others.
    if tally.is_simple() {
        return;
    }
    for (counter, by) in [
        (Counter::UseReplicaHint, tally.use_replica_sql_hint),
        (Counter::UsePrimaryHint, tally.use_primary_sql_hint),
        (Counter::UseLastUsedHint, tally.use_last_used_sql_hint),
        (Counter::UseReplicaCallback, tally.use_replica_callback),
        (Counter::UsePrimaryCallback, tally.use_primary_callback),
        (Counter::TrxPrimaryForced, tally.trx_primary_forced),
        (Counter::RememberedSkipped, tally.remembered),
    ] {
        statistics.add(counter, u64::from(by));
    }
}

/// The statement changes more than data: the connection is not for others afterwards.
#[cold]
fn soil(cluster: &Cluster, core: &mut Core, lease: &mut Lease, effect: Effect) {
    let cause = effect.state.names().next().unwrap_or("transaction");
    if lease.dirty().is_none() {
        cluster.count(Counter::DirtyClosed, 1);
        if core.ephemeral {
            cluster.inner.hooks.warn(format!(
                "a statement changed the state of its connection to `{}` ({cause}), which is closed now: use `session()` to keep it",
                lease.server()
            ));
        }
    }
    lease.taint(cause);
    // Either may have set `sql_mode`.
    core.own_sql_mode |= effect.state.intersects(State::SESSION_VARIABLE | State::SETTING | State::UNKNOWN);
}
