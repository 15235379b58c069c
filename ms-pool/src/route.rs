//! Performs the router's steps: opens what it wants opened, and tells it what came of that.
//!
//! The first part, [`route_now`], runs without waiting and is all that most statements need. The second,
//! [`Session::route`], waits. Both end in the same bookkeeping: the decision is kept and announced, statistics move, and
//! the connection is marked with whatever the statement will leave behind on it *before* the statement is sent, so
//! that a cancelled statement cannot hide it.

mod open;
mod question;
mod ready;
mod settle;

use std::time::Duration;

use ms_filters::{
    Attempt, Freshness, Inputs, Outcome, Quality, Reach, Request, Role, Router, ServerIx, ServerState, Step, View,
};
use ms_hints::{Access, Effect, Route};

use self::{
    open::open_if_admitted,
    ready::{is_away, is_proven, is_simple, make_ready},
    settle::{announce, settle_on},
};
pub(crate) use self::{
    open::{open, replace},
    ready::will_do,
    settle::note_refused_read,
};
use crate::{
    Cluster, Error, Session,
    class::Question,
    facts::{self, Facts},
    held,
    injection::Counts,
    lag,
    pool::Stmt,
    positions,
    session::{Core, Slot, Slots},
    transaction::{self, Control},
    xa,
};

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
