//! Performs the router's steps: opens what it wants opened, and tells it what came of that.
//!
//! The first part, [`route_now`], runs without waiting and is all that most statements need. The second,
//! [`Session::route`], waits. Both end in the same bookkeeping: the decision is kept and announced, statistics move, and
//! the connection is marked with whatever the statement will leave behind on it *before* the statement is sent, so
//! that a cancelled statement cannot hide it.

use std::{fmt, sync::Arc, time::Duration};

use ms_config::Mode;
use ms_filters::{
    Attempt, Freshness, Inputs, MustSee, Outcome, Quality, Reach, Request, Role, Router, ServerIx, ServerState, Step,
    Tally, View,
};
use ms_hints::{Access, Effect, Level, Protocol, Route, State, Transaction};

use crate::{
    Cluster, Counter, Error, Session,
    class::Question,
    facts::{self, Facts},
    held,
    injection::{Counts, counts::writes},
    lag,
    pool::{Holder, Lease, Phase, ServerPool, Stake, Stmt},
    positions::{self, Debt},
    session::{Core, Slot, Slots},
    transaction::{self, Control, control_of},
    wishes::{SETTING_LIMIT, Wishes},
    xa,
};

/// How long rows that nobody fetched may hold up the next statement on their connection.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

/// So often a replica may turn out to be another server than the one that was asked what it has.
const MOST_UNPROVEN: u8 = 2;

/// Where a statement runs, and what its answer may be met with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed {
    pub(crate) server: ServerIx,
    /// It provably changes nothing: what met a connection that was dead before may be sent again.
    pub(crate) proven_read: bool,
    /// The same, wherever its connection broke, as long as nothing of the answer was seen.
    pub(crate) repeatable: bool,
    /// A refusal by the read-only belt sends it to the primary.
    pub(crate) belted: bool,
    /// What its success means for the session's transaction.
    pub(crate) control: Option<Control>,
    /// What is injected with it.
    pub(crate) counts: Counts,
}

/// What a session has open, and what its cluster knows.
struct Open<'a> {
    cluster: &'a Cluster,
    slots: &'a [Slot],
    facts: &'a Facts,
}

impl View for Open<'_> {
    #[inline]
    fn server(&self, server: ServerIx) -> ServerState {
        let member = self.cluster.member(server);
        ServerState {
            open: self.slots.iter().any(|slot| slot.server == server),
            failed: member.pool.is_avoided(),
            lag: self.facts.lag(server),
            freshness: match &self.facts.must {
                // A primary has what was written, and is not asked.
                Some(must) if member.role == Role::Replica => match positions::look(self.cluster, must, server) {
                    Freshness::Reached => Freshness::Reached,
                    _ if self.facts.is_stale() && !member.pool.is_avoided() => Freshness::Excused,
                    freshness => freshness,
                },
                _ => self.facts.freshness(server),
            },
            load: None,
        }
    }

    #[inline(always)]
    fn reach(&self, server: ServerIx) -> Reach {
        let open = self.slots.iter().any(|slot| slot.server == server);
        Reach { open, failed: self.cluster.member(server).pool.is_avoided() }
    }
}

impl<'a> Question<'a> {
    #[inline]
    fn new(cluster: &'a Cluster, core: &Core, stmt: &'a Stmt, route: Option<Route>) -> Self {
        let protocol = if stmt.args.is_some() { Protocol::Prepared } else { Protocol::Text };
        let mut question = cluster.read(stmt.sql.as_str(), protocol, core.sql_mode(cluster));
        if route.is_some() {
            question.statement.route = route;
        } else if core.xa.is_some() && cluster.inner.rules.is_strict() {
            // As in any transaction: what it has written is to be seen.
            question.statement.route.get_or_insert(Route::Primary);
        }
        if !question.plain {
            question.control = control_of(cluster, core, question.effect);
        }
        if cluster.wants_tables() {
            question.tables = cluster.tables_in(core, stmt.sql.as_str(), protocol);
        }
        question.group.clone_from(&core.group);
        question
    }

    #[inline]
    fn request(&self, cluster: &Cluster, core: &Core, slots: &[Slot]) -> Request<'_> {
        let mut request = Request::new(&self.statement);
        request.settings = cluster.inner.rules.settings;
        request.last_used = core.last_used;
        request.tables = self.tables.as_tables();
        request.group = self.group.as_deref();
        let level = self.statement.level.map(quality_of).or(core.level);
        let rules = &cluster.inner.rules;
        (request.level, request.must_see) = match &core.facts.must {
            Some(must) => {
                request.stays = must.stays.as_ref().map(|stays| stays.server);
                let unasked = !rules.level_by_filter && rules.level == Quality::Session;
                (level.or(unasked.then_some(Quality::Session)), MustSee::Position { ask_all: false })
            }
            None if rules.is_strict() => (level, MustSee::Nothing),
            // As the original: without a position that was handed over only primaries have what the session wrote.
            None if core.scope.is_some() => (level, MustSee::Position { ask_all: true }),
            None => (level, MustSee::Unknown),
        };
        request.held = core.holdings.binding(cluster, slots, &self.statement);
        if core.trx.is_open() || self.control.is_some() {
            request.settings.stickiness = core.trx.stickiness(request.settings.stickiness);
            request.settings.pins_picks |= core.trx.guarded;
            request.transaction = core.trx.for_router(self.control, slots);
        }
        request
    }

    /// How fresh its answer is to be.
    #[inline]
    fn quality(&self, cluster: &Cluster, core: &Core) -> Quality {
        let rules = &cluster.inner.rules;
        match self.statement.level.map(quality_of).or(core.level) {
            Some(quality) => quality,
            // A level that nobody asked for does not stand against a replica that somebody asks for.
            None if self.statement.route == Some(Route::Replica) && !rules.level_by_filter => Quality::Eventual,
            None => rules.level,
        }
    }

    /// What it has to lose where its connection has died: a proven read is sent again, the rest is not.
    #[inline]
    fn stake(&self, cluster: &Cluster, core: &Core) -> Stake {
        let repeated = self.statement.access == Access::Read && cluster.inner.rules.is_strict() && core.xa.is_none();
        if repeated { Stake::Nothing } else { Stake::Failure }
    }

    /// Whether it has to run on one connection, whatever that server has: the one used last, or one that it depends on.
    #[inline]
    fn is_tied(&self, cluster: &Cluster, core: &Core, slots: &Slots) -> bool {
        self.statement.target() == Route::LastUsed
            || (self.statement.route.is_none() && core.holdings.binding(cluster, &slots.0, &self.statement).is_some())
    }

    /// The end of a guard's transaction belongs to the guard.
    #[cold]
    fn refused_in_guard(&self) -> Option<Error> {
        let (what, instead) = match self.effect.transaction {
            Transaction::Begin { .. } => ("a second `BEGIN`", "`savepoint()`"),
            Transaction::Commit { .. } => ("a `COMMIT` as text", "`commit()`"),
            Transaction::Rollback { .. } => ("a `ROLLBACK` as text", "`rollback()`"),
            _ if self.effect.autocommit.is_some() => ("`SET autocommit`", "`set_autocommit()` of the session"),
            _ => return None,
        };
        let why = format!("{what} would end the transaction without its knowledge: use {instead}");
        Some(Error::Refused { why: why.into() })
    }

    /// A transaction or a lock would outlive the statement, and with it the connection that it is on.
    fn refused_without_session(&self) -> Option<&'static str> {
        match self.effect.transaction {
            Transaction::Begin { .. } => return Some("a transaction"),
            Transaction::Commit { .. } | Transaction::Rollback { .. } | Transaction::Savepoint => {
                return Some("the end of a transaction");
            }
            _ => {}
        }
        if self.effect.autocommit == Some(false) {
            return Some("`SET autocommit = 0`");
        }
        let state = self.effect.state;
        (state.contains(State::LOCK)).then_some("a lock").or(state.contains(State::XA).then_some("an XA branch"))
    }
}

/// The level that a hint asks for.
fn quality_of(level: Level) -> Quality {
    match level {
        Level::Eventual => Quality::Eventual,
        Level::Session => Quality::Session,
        Level::Strong => Quality::Strong,
    }
}

/// Among connections that are open: the primary's that a refused read goes to, with the bookkeeping of any decision. `None`
/// when a connection has to be made first.
pub(crate) fn reroute_among<'s>(
    cluster: &Cluster,
    core: &mut Core,
    open: &'s mut [Slot],
    stmt: &Stmt,
) -> Option<&'s mut Slot> {
    let question = Question::new(cluster, core, stmt, Some(Route::Primary));
    let request = question.request(cluster, core, open);
    let decided = start(cluster, core, open, &request);
    let (attempt, Step::Use(server)) = decided else {
        return None;
    };
    let usable = |slot: &Slot| slot.server == server && slot.lease.is_ready() && !slot.lease.is_outdated();
    let slot = open.iter_mut().find(|slot| usable(slot))?;
    announce(cluster, core, &question, &attempt);
    core.last_used = Some(server);
    note_refused_read(cluster, core, slot);
    Some(slot)
}

/// A read that its replica refused, because it writes, is about to run on a primary.
pub(crate) fn note_refused_read(cluster: &Cluster, core: &mut Core, slot: &mut Slot) {
    slot.wrote = true;
    slot.lease.note_write();
    if !core.ephemeral && cluster.member(slot.server).role == Role::Primary {
        core.written_mut(cluster).owe(Debt::written(slot.server, &slot.lease));
    }
}

/// A statement whose server is known, or how far it got.
pub(crate) enum Now {
    Ready(Routed),
    /// Something must be waited for.
    Later(Box<(Attempt, Step)>),
    Refused(sqlx::Error),
}

/// Routes as far as it goes without waiting.
#[inline]
pub(crate) fn route_now(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    stmt: &Stmt,
    route: Option<Route>,
) -> Now {
    if let Some(spare) = core.spare.take() {
        slots.put(spare.server, spare.lease).wrote = spare.wrote;
    }
    if core.trx.is_open()
        && let Err(lost) = transaction::check(cluster, core, slots)
    {
        return Now::Refused(lost.into());
    }
    if core.xa.is_some()
        && let Err(refused) = xa::check(core)
    {
        return Now::Refused(refused.into());
    }
    if core.holdings.bind_any()
        && let Err(lost) = held::check(slots)
    {
        return Now::Refused(lost.into());
    }
    core.facts.forget();
    let question = Question::new(cluster, core, stmt, route);
    if cluster.inner.rules.is_strict()
        && let Some(written) = core.written(cluster)
        && question.quality(cluster, core) == Quality::Session
        && !question.is_tied(cluster, core, slots)
    {
        core.facts.must = written.must();
    }
    if core.ephemeral
        && let Some(what) = question.refused_without_session()
    {
        return Now::Refused(Error::NeedsSession { what: what.into() }.into());
    }
    if core.trx.guarded
        && !core.for_transaction
        && let Some(refusal) = question.refused_in_guard()
    {
        return Now::Refused(refusal.into());
    }
    core.stake = question.stake(cluster, core);
    let request = question.request(cluster, core, &slots.0);
    let mut attempt = cluster.inner.router.begin(&request, &core.memory, core.scratch.get_or_insert_default());
    let mut step = ask(cluster, core, &slots.0, &request, |router, inputs| router.first(&mut attempt, inputs));
    loop {
        match step {
            Step::Use(server) if is_simple(cluster, core, slots, &question, server) => {
                return Now::Ready(settle_on(cluster, core, slots, &question, &attempt, server));
            }
            Step::Open(server) => match core.try_lease(cluster, server) {
                Some(lease) => {
                    slots.put(server, lease);
                    step = after(cluster, core, slots, &request, &mut attempt, Outcome::Reused);
                }
                None => return Now::Later(Box::new((attempt, step))),
            },
            Step::Fetch(wanted) if facts::look(cluster, core, wanted) => {
                step = after(cluster, core, slots, &request, &mut attempt, Outcome::Fetched);
            }
            _ => return Now::Later(Box::new((attempt, step))),
        }
    }
}

/// Asks the router, with all that it may look at.
#[inline]
fn ask<R>(
    cluster: &Cluster,
    core: &mut Core,
    slots: &[Slot],
    request: &Request<'_>,
    question: impl FnOnce(&Router, &mut Inputs<'_>) -> R,
) -> R {
    let Core { rng, memory, scratch, facts, .. } = core;
    let mut inputs = Inputs {
        request,
        view: &Open { cluster, slots, facts },
        // No filter of this crate asks for the time yet, and reading the clock costs as much as deciding.
        now: Duration::ZERO,
        rng,
        session: memory,
        cluster: &cluster.inner.memory,
        scratch: scratch.get_or_insert_default(),
        sink: None,
    };
    question(&cluster.inner.router, &mut inputs)
}

/// Asks the router for the first step.
#[inline]
fn start(cluster: &Cluster, core: &mut Core, slots: &[Slot], request: &Request<'_>) -> (Attempt, Step) {
    ask(cluster, core, slots, request, |router, inputs| router.start(inputs))
}

/// Asks the router for the next step.
#[inline]
fn after(
    cluster: &Cluster,
    core: &mut Core,
    slots: &Slots,
    request: &Request<'_>,
    attempt: &mut Attempt,
    outcome: Outcome,
) -> Step {
    ask(cluster, core, &slots.0, request, |router, inputs| router.after(attempt, inputs, outcome))
}

/// Whether the statement can go out as it is: a usable connection and no setting to change first.
#[inline]
fn is_simple(cluster: &Cluster, core: &Core, slots: &Slots, question: &Question<'_>, server: ServerIx) -> bool {
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
fn is_proven(cluster: &Cluster, core: &Core, slots: &Slots, server: ServerIx) -> bool {
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
fn is_away(cluster: &Cluster, core: &Core, slots: &Slots, question: &Question<'_>, server: ServerIx) -> bool {
    let begins = core.for_transaction || core.trx.is_open() || core.xa.is_some();
    (question.statement.access == Access::Read || begins) && positions::is_away(cluster, core, slots, server)
}

/// Whether the session has to let go of a connection: the server has changed. A transaction is ended where it was begun.
#[inline]
fn is_outdated(core: &Core, slot: &Slot) -> bool {
    slot.lease.is_outdated()
        && core.trx.bound() != Some(slot.server)
        && core.xa.as_ref().is_none_or(|it| !it.has(slot.server))
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

/// The bookkeeping of a decision that led to a server with a usable connection.
#[inline]
fn settle_on(
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
fn announce(cluster: &Cluster, core: &mut Core, question: &Question<'_>, attempt: &Attempt) {
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

impl Session {
    /// What a statement would leave behind.
    pub(crate) fn effect_of(&self, stmt: &Stmt) -> Effect {
        self.cluster.effect_of(stmt, self.core.sql_mode(&self.cluster))
    }

    /// Routes one statement and opens what has to be opened.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing was sent for the statement yet.
    pub(crate) async fn route(&mut self, stmt: &Stmt, route: Option<Route>) -> Result<Routed, sqlx::Error> {
        match route_now(&self.cluster, &mut self.core, &mut self.slots, stmt, route) {
            Now::Ready(routed) => Ok(routed),
            Now::Refused(error) => Err(error),
            Now::Later(so_far) => Box::pin(self.route_slowly(*so_far, stmt, route)).await,
        }
    }

    /// Goes on where [`route_now`] had to stop.
    pub(crate) async fn route_slowly(
        &mut self,
        (mut attempt, mut step): (Attempt, Step),
        stmt: &Stmt,
        route: Option<Route>,
    ) -> Result<Routed, sqlx::Error> {
        let Self { cluster, slots, core } = self;
        let mut question = Question::new(cluster, core, stmt, route);
        let mut unproven = 0;
        let mut last_error: Option<(ServerIx, Error)> = None;
        loop {
            let outcome = match step {
                Step::Use(server) => {
                    if make_ready(cluster, core, slots, &question, server).await? {
                        if !is_proven(cluster, core, slots, server) {
                            // Not the server that was asked. Whoever it is now is asked in its turn, or a primary answers.
                            unproven += 1;
                            positions::forget(cluster, slots, server);
                            lag::forget(cluster, core, slots, server);
                            if unproven > MOST_UNPROVEN {
                                question.statement.route = Some(Route::Primary);
                            }
                            let request = question.request(cluster, core, &slots.0);
                            (attempt, step) = start(cluster, core, &slots.0, &request);
                            continue;
                        }
                        if is_away(cluster, core, slots, &question, server) {
                            positions::arrive(cluster, core, slots, server).await?;
                            // It took a connection of its own if this one did not do.
                            continue;
                        }
                        held::catch_up(cluster, core, slots, server).await?;
                        transaction::begin_at(cluster, core, slots, server).await?;
                        if core.xa.is_some()
                            && let Err(error) = Box::pin(xa::join_at(cluster, core, slots, server)).await
                        {
                            announce(cluster, core, &question, &attempt);
                            core.last_used = Some(server);
                            return Err(error.into());
                        }
                        return Ok(settle_on(cluster, core, slots, &question, &attempt, server));
                    }
                    if core.trx.bound() == Some(server) {
                        announce(cluster, core, &question, &attempt);
                        return Err(transaction::lose(cluster, core, server).into());
                    }
                    if core.xa.as_ref().is_some_and(|it| it.has(server)) {
                        // What it did there is gone, and a commit will say so.
                        announce(cluster, core, &question, &attempt);
                        return Err(xa::lost(cluster, server).into());
                    }
                    // The connection it had is lost; the same server gets another one.
                    if let Err(error) = open(cluster, core, slots, server).await {
                        announce(cluster, core, &question, &attempt);
                        return Err(error.into());
                    }
                    continue;
                }
                Step::Open(server) => match open_if_admitted(cluster, core, slots, &attempt, server).await {
                    Ok(outcome) => outcome,
                    Err(error) if error.blames_server() => {
                        core.failures.retain(|(failed, _)| *failed != server);
                        core.failures.push((server, error.code()));
                        if is_worth_asking_again(cluster, core, &question, server) && unproven < MOST_UNPROVEN {
                            unproven += 1;
                            let request = question.request(cluster, core, &slots.0);
                            (attempt, step) = start(cluster, core, &slots.0, &request);
                            continue;
                        }
                        last_error = Some((server, error));
                        Outcome::OpenFailed
                    }
                    Err(error) => {
                        announce(cluster, core, &question, &attempt);
                        return Err(error.into());
                    }
                },
                Step::Fetch(wanted) => {
                    if let Err(error) = facts::fetch(cluster, core, slots, wanted).await {
                        announce(cluster, core, &question, &attempt);
                        return Err(error.into());
                    }
                    Outcome::Fetched
                }
                Step::Give(server) => {
                    announce(cluster, core, &question, &attempt);
                    core.last_used = Some(server);
                    if !cluster.inner.rules.is_strict() {
                        core.trx.failed_at(server);
                    }
                    let own = last_error.filter(|(failed, _)| *failed == server).map(|(_, error)| error);
                    let error = own.unwrap_or_else(|| remembered(cluster, core, server));
                    return Err(error.into());
                }
                Step::Fail(why) => {
                    announce(cluster, core, &question, &attempt);
                    if !cluster.inner.rules.is_strict() {
                        // As the original: a statement without a server counts as one of the first primary.
                        core.last_used = cluster.router().topology().list(Role::Primary).first().copied();
                        core.last_used.into_iter().for_each(|server| core.trx.failed_at(server));
                    }
                    if let Some(text) = why.warning() {
                        cluster.inner.hooks.warn(text);
                    }
                    let why = cluster.router().explain(&question.request(cluster, core, &slots.0), why);
                    return Err(Error::Refused { why: why.into() }.into());
                }
            };
            let request = question.request(cluster, core, &slots.0);
            step = after(cluster, core, slots, &request, &mut attempt, outcome);
        }
    }
}

/// Whether a statement that has to see something may go elsewhere when `server` cannot be reached. A replica was chosen for what it
/// has, and the others were not asked for that; a primary because no replica has it, and what died with the primary nobody
/// waits for.
fn is_worth_asking_again(cluster: &Cluster, core: &Core, question: &Question<'_>, server: ServerIx) -> bool {
    let free_read = question.statement.access == Access::Read && question.statement.route.is_none();
    core.facts.must.is_some() && (cluster.member(server).role == Role::Replica || (free_read && !core.trx.is_open()))
}

/// The error of a server that failed for an earlier statement and is not tried again.
fn remembered(cluster: &Cluster, core: &Core, server: ServerIx) -> Error {
    let code = core.failures.iter().find(|(failed, _)| *failed == server).map_or(2000, |(_, code)| *code);
    Error::Remembered { server: cluster.member(server).pool.server().clone(), code }
}

/// Gets the session a connection to `server`, unless that is avoided and the statement can go elsewhere.
async fn open_if_admitted(
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

/// Makes the session's connection fit for the statement; `false` when it is beyond repair and was dropped.
async fn make_ready(
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
        if core.trx.bound() != Some(server) && core.xa.as_ref().is_none_or(|it| !it.has(server)) {
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

/// A fresh connection to `server` in place of one that turned out to be dead.
///
/// # Errors
///
/// As leasing does.
pub(crate) async fn replace(session: &mut Session, server: ServerIx) -> Result<(), Error> {
    session.slots.remove(server);
    open(&session.cluster, &mut session.core, &mut session.slots, server).await
}
