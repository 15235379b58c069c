//! Narrow, split, pick, and what to do when a server cannot be reached.
//!
//! The router is a function in two parts. [`Router::start`] takes a statement as far as it can without waiting, which
//! for most statements is all the way. When something must be waited for, it returns the step and the
//! [`Attempt`]; [`Router::after`] takes both and what came of it, and goes on. Narrowing happens once; only the filter
//! that picks is asked again.
//!
//! Every loop in here ends: each round puts a server on the list of tried ones, and none is picked from that list.

use std::time::Duration;

use crate::{
    attempt::{Attempt, By, Outcome, Phase, Resume, Scratch, Step},
    candidates::Candidates,
    failover::{Failover, FailureMemory, Strategy},
    filter::{Cx, Facts, Filter, Verdict},
    memory::{ClusterMemory, SessionMemory, SessionSlot},
    mode::{Mode, keeps_on_primaries},
    pipeline::Pipeline,
    quality_of_service::{self, Quality},
    reason::Reason,
    record::{Removal, Sink},
    request::Request,
    rng::Rng,
    server::{Role, ServerIx},
    share::Shares,
    split::{Aim, aim},
    topology::Topology,
    view::{Reach, View},
    why::Why,
};

/// Decides where statements run.
#[derive(Debug)]
pub struct Router {
    topology: Topology,
    pipeline: Pipeline,
    failover: Failover,
}

/// All that a decision depends on, and the memory it works in.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What the statement asks for.
    pub request: &'a Request<'a>,
    /// What is known about the servers; asked again after every wait.
    pub view: &'a dyn View,
    /// Time since some fixed moment of the process.
    pub now: Duration,
    /// Randomness; the same seed gives the same decisions.
    pub rng: &'a mut Rng,
    /// What the session remembers.
    pub session: &'a mut SessionMemory,
    /// What the cluster remembers.
    pub cluster: &'a ClusterMemory,
    /// Working memory, the same for all steps of a statement.
    pub scratch: &'a mut Scratch,
    /// Somebody who wants to know who is taken away and why.
    pub sink: Option<&'a mut dyn Sink>,
}

impl Router {
    /// A router over these servers.
    #[must_use]
    pub fn new(topology: Topology, pipeline: Pipeline, failover: Failover) -> Self {
        Router { topology, pipeline, failover }
    }

    /// The servers.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The filters.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The same servers and filters with another failover; memories of the old router stay good.
    #[must_use]
    pub fn with_failover(self, failover: Failover) -> Self {
        Router { failover, ..self }
    }

    /// What happens when a server cannot be reached.
    #[must_use]
    pub fn failover(&self) -> Failover {
        self.failover
    }

    /// The memory that the sessions of a cluster share. One per router: another's knows other filters.
    #[must_use]
    pub fn cluster_memory(&self) -> ClusterMemory {
        ClusterMemory::new(self.pipeline.len())
    }

    /// Why a statement got no server, with what the filter that left it none has to say.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>, why: Why) -> String {
        match self.pipeline.narrowing().iter().find_map(|it| it.explain(request, why)) {
            Some(more) => format!("{why}: {more}"),
            None => why.to_string(),
        }
    }

    /// Takes a statement as far as it gets without waiting.
    #[inline]
    pub fn start(&self, inputs: &mut Inputs<'_>) -> (Attempt, Step) {
        let mut attempt = self.begin(inputs.request, inputs.session, inputs.scratch);
        let step = self.first(&mut attempt, inputs);
        (attempt, step)
    }

    /// What [`start`](Self::start) begins with; [`first`](Self::first) must follow. An attempt is large beside what it takes to
    /// decide: whoever calls the two by themselves has it where it is wanted, and not moved there.
    #[inline]
    pub fn begin(&self, request: &Request<'_>, session: &SessionMemory, scratch: &mut Scratch) -> Attempt {
        scratch.candidates.reset(&self.topology);
        scratch.tried.clear();
        scratch.warnings.clear();
        Attempt::new(request, session.wrote)
    }

    /// The first step of an attempt that was just begun for the same inputs.
    #[inline]
    pub fn first(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Step {
        match self.at_once(attempt, inputs) {
            Some(step) => step,
            None => self.by_turns(attempt, inputs),
        }
    }

    /// The same where there is more to it.
    #[inline(never)]
    pub(crate) fn by_turns(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Step {
        let candidates = &inputs.scratch.candidates;
        let (primaries, replicas) = (candidates.primaries().len(), candidates.replicas().len());
        attempt.decision.left(None, attempt.class.reason, primaries, replicas);
        self.narrow(attempt, inputs)
    }

    /// Goes on after a [`Step::Open`] or [`Step::Fetch`].
    pub fn after(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, outcome: Outcome) -> Step {
        match (attempt.phase, outcome) {
            (Phase::Opening(server, by), Outcome::Opened) => {
                attempt.decision.about(None, Reason::Opened, server);
                self.use_opened(attempt, inputs, server, by)
            }
            // Where a connection came from is no part of the decision unless it had to be made.
            (Phase::Opening(server, by), Outcome::Reused) => self.use_opened(attempt, inputs, server, by),
            (Phase::Opening(server, by), Outcome::OpenFailed) => {
                attempt.decision.about(None, Reason::OpenFailed, server);
                self.open_failed(attempt, inputs, server, by)
            }
            (Phase::Opening(server, By::Balance), Outcome::Avoided) => {
                self.pass_over(attempt, inputs, server);
                self.balance(attempt, inputs)
            }
            (Phase::Fetching(resume), Outcome::Fetched) => {
                attempt.fetched = true;
                match resume {
                    Resume::Narrowing => self.narrow(attempt, inputs),
                    Resume::Balancing => self.balance(attempt, inputs),
                }
            }
            _ => fail(attempt, Reason::OutOfTurn),
        }
    }

    /// The final candidates of a statement with the part of such statements that each gets. Decides nothing and
    /// remembers nothing, but filters that narrow are run, callbacks among them.
    pub fn shares(&self, inputs: &mut Inputs<'_>) -> Shares {
        let mut attempt = self.begin(inputs.request, inputs.session, inputs.scratch);
        let (primaries, replicas) =
            (inputs.scratch.candidates.primaries().len(), inputs.scratch.candidates.replicas().len());
        attempt.decision.left(None, attempt.class.reason, primaries, replicas);
        // What the view does not know is not going to be fetched for a question.
        attempt.fetched = true;
        if self.run_narrowing(&mut attempt, inputs).is_some() {
            return Shares::unknown();
        }
        let candidates = &inputs.scratch.candidates;
        if self.pipeline.picks_by_itself() {
            return Shares::candidates(&[candidates.primaries(), candidates.replicas()].concat());
        }
        let role = match aim(&mut attempt, inputs.request, candidates).0 {
            Aim::Pinned(server) | Aim::Held(server) => return Shares::all_to(server),
            Aim::LastUsed => return inputs.request.last_used.map_or_else(Shares::unknown, Shares::all_to),
            Aim::Side(Role::Replica)
                if keeps_on_primaries(inputs.request, attempt.class.hinted).is_some()
                    || inputs.request.settings.mode == Mode::Observe =>
            {
                Role::Primary
            }
            Aim::Side(Role::Replica)
                if candidates.replicas().is_empty() && self.failover.strategy != Strategy::Disabled =>
            {
                Role::Primary
            }
            Aim::Side(role) => role,
        };
        attempt.balance(role);
        let remembered = candidates.list(role).iter().copied();
        let remembered: Vec<_> =
            remembered.filter(|it| self.is_remembered(inputs.session.failed(), inputs.view.reach(*it), *it)).collect();
        inputs.scratch.tried.extend(remembered);
        let picker = self.pipeline.picker();
        let (mut cx, candidates) = self.last_cx(&mut attempt, inputs);
        let shares = picker.shares(&mut cx, candidates, role);
        if shares.is_empty() { Shares::candidates(candidates.list(role)) } else { shares }
    }

    /// The level that the session was given, ahead of all filters.
    #[inline(never)]
    fn meet_level(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, level: Quality) -> Option<Step> {
        let candidates = &mut inputs.scratch.candidates;
        match quality_of_service::meet(level, inputs.request, inputs.view, attempt, candidates) {
            Ok(reason) => {
                let (primaries, replicas) = (candidates.primaries().len(), candidates.replicas().len());
                attempt.decision.left(None, reason, primaries, replicas);
                attempt.level_met = true;
                None
            }
            Err(facts) => Some(fetch(attempt, facts, Resume::Narrowing)),
        }
    }

    // Compiled into their callers, as the others of the way that nearly every statement goes: what they do is little compared
    // to a call.
    #[inline(always)]
    fn narrow(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Step {
        if (!self.pipeline.narrowing().is_empty() || inputs.request.level.is_some())
            && let Some(step) = self.run_narrowing(attempt, inputs)
        {
            return step;
        }
        self.pick(attempt, inputs)
    }

    /// Runs the filters that narrow, from the one the attempt stands at; `None` when all have run.
    fn run_narrowing(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Option<Step> {
        if let Some(level) = inputs.request.level
            && !attempt.level_met
            && !inputs.request.is_pinned()
            && let Some(step) = self.meet_level(attempt, inputs, level)
        {
            return Some(step);
        }
        let filters = self.pipeline.narrowing();
        if inputs.session.narrowing.len() < filters.len() {
            inputs.session.narrowing.resize_with(filters.len(), SessionSlot::default);
        }
        while let Some(filter) = filters.get(usize::from(attempt.filter)) {
            let before = inputs.sink.is_some().then(|| snapshot(&inputs.scratch.candidates));
            let (mut cx, candidates) = self.cx(attempt, inputs);
            let verdict = filter.apply(&mut cx, candidates);
            let (primaries, replicas) = (candidates.primaries().len(), candidates.replicas().len());
            let reason = match verdict {
                Verdict::Keep(reason) => reason,
                Verdict::Needs(facts) => return Some(fetch(attempt, facts, Resume::Narrowing)),
                Verdict::Refuse(reason) => {
                    attempt.decision.left(Some(attempt.filter), reason, primaries, replicas);
                    attempt.phase = Phase::Done;
                    return Some(Step::Fail(Why::while_narrowing(reason)));
                }
                Verdict::Pick(..) => return Some(fail(attempt, Reason::NotACandidate)),
            };
            attempt.decision.left(Some(attempt.filter), reason, primaries, replicas);
            if let (Some(before), Some(sink)) = (before, &mut inputs.sink) {
                report(&mut **sink, &**filter, reason, &before, &inputs.scratch.candidates);
            }
            attempt.filter += 1;
            if primaries + replicas == 0 {
                return self.nothing_left(attempt, inputs);
            }
        }
        None
    }

    /// The filters left no server: with failover the primaries stand in, chosen as ever by the last filter.
    fn nothing_left(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Option<Step> {
        if self.failover.strategy == Strategy::Disabled {
            return Some(fail(attempt, Reason::NoCandidate));
        }
        let candidates = &mut inputs.scratch.candidates;
        candidates.reset(&self.topology);
        candidates.clear(Role::Replica);
        attempt.filter = self.last_filter();
        attempt.decision.left(None, Reason::NothingLeft, candidates.primaries().len(), 0);
        None
    }

    #[inline(always)]
    fn pick(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Step {
        if self.pipeline.picks_by_itself() && !inputs.request.is_pinned_for_all() {
            return self.let_filter_pick(attempt, inputs);
        }
        let (aim, reason) = aim(attempt, inputs.request, &inputs.scratch.candidates);
        match aim {
            Aim::Side(role) => {
                inputs.session.wrote |= role == Role::Primary;
                if role == Role::Replica
                    && let Some(kept) = keeps_on_primaries(inputs.request, attempt.class.hinted)
                {
                    return self.keep_on_primaries(attempt, inputs, kept);
                }
                self.turn_to(attempt, inputs, role, reason)
            }
            Aim::LastUsed => match inputs.request.last_used {
                Some(server) => {
                    attempt.decision.about(None, reason, server);
                    let (mut cx, candidates) = self.last_cx(attempt, inputs);
                    self.take(&mut cx, candidates, server, By::LastUse)
                }
                None => fail(attempt, Reason::NoLastUsed),
            },
            Aim::Held(server) => {
                inputs.session.wrote |= self.topology.server(server).role() == Role::Primary;
                attempt.decision.about(None, reason, server);
                let (mut cx, candidates) = self.last_cx(attempt, inputs);
                self.take(&mut cx, candidates, server, By::LastUse)
            }
            Aim::Pinned(server) => {
                attempt.decision.about(None, reason, server);
                attempt.decision.set_server(Some(server));
                // A transaction lives in its connection: a new one to the same server would not be in it.
                if inputs.view.reach(server).open {
                    let (mut cx, candidates) = self.last_cx(attempt, inputs);
                    self.use_server(&mut cx, candidates, server, By::LastUse)
                } else {
                    fail(attempt, Reason::PinnedLost)
                }
            }
        }
    }

    #[inline(never)]
    fn let_filter_pick(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Step {
        let (mut cx, candidates) = self.last_cx(attempt, inputs);
        match self.pipeline.picker().apply(&mut cx, candidates) {
            Verdict::Pick(server, reason) => {
                let role = self.topology.server(server).role();
                if !candidates.list(role).contains(&server) {
                    return fail(attempt, Reason::NotACandidate);
                }
                cx.attempt.role = role;
                cx.attempt.tally.chosen(role);
                cx.attempt.decision.about(Some(self.last_filter()), reason, server);
                if role == Role::Replica && cx.request.settings.mode != Mode::Auto {
                    let kept = keeps_on_primaries(cx.request, cx.attempt.class.hinted);
                    let observed = (cx.request.settings.mode == Mode::Observe).then_some(Reason::ModeObserve);
                    if let Some(kept) = kept.or(observed) {
                        return self.keep_on_primaries(attempt, inputs, kept);
                    }
                }
                self.take(&mut cx, candidates, server, By::Filter)
            }
            Verdict::Needs(facts) => fetch(attempt, facts, Resume::Narrowing),
            Verdict::Refuse(reason) => {
                let (primaries, replicas) = (candidates.primaries().len(), candidates.replicas().len());
                attempt.decision.left(Some(self.last_filter()), reason, primaries, replicas);
                fail(attempt, reason)
            }
            Verdict::Keep(_) => fail(attempt, Reason::NothingPicked),
        }
    }

    /// The mode gives a primary what was on its way to a replica.
    #[cold]
    fn keep_on_primaries(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, reason: Reason) -> Step {
        let candidates = &mut inputs.scratch.candidates;
        if candidates.primaries().is_empty() && !attempt.emptied_by_tables.primary {
            candidates.reset(&self.topology);
            candidates.clear(Role::Replica);
        }
        if !self.pipeline.picks_by_itself() {
            return self.turn_to(attempt, inputs, Role::Primary, reason);
        }
        // The filter has named its server; asked again it would name it again.
        let Some(first) = candidates.primaries().first().copied() else {
            return fail(attempt, attempt.none_left(Role::Primary));
        };
        attempt.decision.about(None, reason, first);
        let (mut cx, candidates) = self.last_cx(attempt, inputs);
        self.take(&mut cx, candidates, first, By::LastUse)
    }

    /// Starts to balance one side.
    #[inline(always)]
    fn turn_to(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, role: Role, reason: Reason) -> Step {
        let count = inputs.scratch.candidates.list(role).len();
        match role {
            Role::Primary => attempt.decision.left(None, reason, count, 0),
            Role::Replica => attempt.decision.left(None, reason, 0, count),
        }
        attempt.balance(role);
        match (role, count) {
            (Role::Primary, 0) => fail(attempt, attempt.none_left(role)),
            (Role::Replica, 0) if self.failover.strategy == Strategy::Disabled => {
                fail(attempt, attempt.none_left(role))
            }
            (Role::Replica, 0) => self.leave_replicas(attempt, inputs, attempt.none_left(role)),
            _ => self.balance(attempt, inputs),
        }
    }

    /// Asks the filter that picks for a server of the side until it names one that may be tried.
    fn balance(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Step {
        attempt.phase = Phase::Balancing;
        loop {
            let (server, reason) = match self.ask_picker(attempt, inputs) {
                Verdict::Pick(server, reason) => (server, reason),
                Verdict::Needs(facts) => return fetch(attempt, facts, Resume::Balancing),
                Verdict::Refuse(reason) => return self.side_is_used_up(attempt, inputs, reason),
                Verdict::Keep(reason) => return fail(attempt, reason),
            };
            attempt.looked_at = attempt.looked_at.saturating_add(1);
            attempt.last = Some(server);
            let known = inputs.view.reach(server);
            // A choice the session sticks to was reached once; it is not given up for what is remembered since. In the
            // cluster's memory only while there is a connection: every session would try a dead server for itself.
            let kept = reason == Reason::Sticky && (self.failover.memory != FailureMemory::Cluster || known.open);
            if !kept && self.is_remembered(&inputs.session.failed, known, server) {
                self.pass_over(attempt, inputs, server);
                continue;
            }
            attempt.decision.about(Some(self.last_filter()), reason, server);
            let (mut cx, candidates) = self.last_cx(attempt, inputs);
            if cx.request.settings.mode == Mode::Observe && cx.attempt.role == Role::Replica {
                // It counts as reached, or a filter that sticks to its choice would be observed to change its mind.
                self.pipeline.picker().picked(&mut cx, candidates, server);
                return self.keep_on_primaries(attempt, inputs, Reason::ModeObserve);
            }
            return self.take_known(&mut cx, candidates, server, known, By::Balance);
        }
    }

    /// The next server of the side. The filter is somebody's code: a server it may not name would make the loop endless or the
    /// pick wrong.
    #[inline]
    fn ask_picker(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Verdict {
        let (mut cx, candidates) = self.last_cx(attempt, inputs);
        match self.pipeline.picker().apply(&mut cx, candidates) {
            Verdict::Pick(server, _)
                if !candidates.list(cx.attempt.role).contains(&server) || cx.tried.contains(&server) =>
            {
                Verdict::Keep(Reason::NotACandidate)
            }
            Verdict::Keep(_) => Verdict::Keep(Reason::NothingPicked),
            verdict => verdict,
        }
    }

    fn pass_over(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, server: ServerIx) {
        attempt.decision.about(None, Reason::Remembered, server);
        attempt.tally.remembered = attempt.tally.remembered.saturating_add(1);
        if self.failover.memory == FailureMemory::Cluster {
            attempt.last_resort.of_mut(attempt.role).get_or_insert(server);
        }
        inputs.scratch.tried.push(server);
    }

    /// The server of a side that was passed over first, when nobody else is left: it may be up again, and a memory must not
    /// take the last server away.
    fn last_resort(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, role: Role) -> Option<Step> {
        let server = attempt.last_resort.of_mut(role).take()?;
        attempt.role = role;
        attempt.decision.about(None, Reason::LastResort, server);
        let (mut cx, candidates) = self.last_cx(attempt, inputs);
        Some(self.take(&mut cx, candidates, server, By::LastResort))
    }

    #[inline]
    fn take(&self, cx: &mut Cx<'_>, candidates: &Candidates, server: ServerIx, by: By) -> Step {
        let known = cx.view.reach(server);
        self.take_known(cx, candidates, server, known, by)
    }

    #[inline]
    fn take_known(&self, cx: &mut Cx<'_>, candidates: &Candidates, server: ServerIx, known: Reach, by: By) -> Step {
        cx.attempt.decision.set_server(Some(server));
        if known.open {
            return self.use_server(cx, candidates, server, by);
        }
        cx.attempt.phase = Phase::Opening(server, by);
        Step::Open(server)
    }

    #[inline]
    fn use_server(&self, cx: &mut Cx<'_>, candidates: &Candidates, server: ServerIx, by: By) -> Step {
        if matches!(by, By::Balance | By::LastResort) {
            cx.attempt.tally.used(cx.attempt.role);
        }
        if by != By::LastUse {
            self.pipeline.picker().picked(cx, candidates, server);
        }
        cx.attempt.phase = Phase::Done;
        Step::Use(server)
    }

    fn use_opened(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, server: ServerIx, by: By) -> Step {
        let (mut cx, candidates) = self.last_cx(attempt, inputs);
        self.use_server(&mut cx, candidates, server, by)
    }

    fn open_failed(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, server: ServerIx, by: By) -> Step {
        if by == By::Filter {
            let (mut cx, _) = self.last_cx(attempt, inputs);
            self.pipeline.picker().not_reached(&mut cx, server);
        }
        if by == By::LastResort {
            return self.give_up(attempt, inputs, server);
        }
        if by != By::Balance {
            return give(attempt, server);
        }
        attempt.unreachable = Some(server);
        inputs.scratch.tried.push(server);
        if self.failover.memory == FailureMemory::Remember {
            inputs.session.remember_failed(server);
        }
        let again = self.failover.tries_another(attempt.looked_at);
        match attempt.role {
            _ if again => self.balance(attempt, inputs),
            Role::Replica if self.failover.strategy == Strategy::Disabled => give(attempt, server),
            Role::Replica => self.leave_replicas(attempt, inputs, Reason::ToPrimaries),
            Role::Primary => self.give_up(attempt, inputs, server),
        }
    }

    /// The error of a server that stands for all that could be tried. A read that came to the primaries because replicas are
    /// avoided goes back to one of these before.
    fn give_up(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, server: ServerIx) -> Step {
        self.last_resort(attempt, inputs, Role::Replica).unwrap_or_else(|| give(attempt, server))
    }

    /// Every server of the side was tried or is remembered as failed.
    fn side_is_used_up(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, reason: Reason) -> Step {
        let leaves = attempt.role == Role::Replica && self.failover.strategy != Strategy::Disabled;
        if leaves {
            return self.leave_replicas(attempt, inputs, Reason::ToPrimaries);
        }
        for role in [attempt.role, Role::Replica] {
            if let Some(step) = self.last_resort(attempt, inputs, role) {
                return step;
            }
        }
        // An error of this very statement says more than a memory. Without one, round robin hands over the server it
        // looked at last, and random none: both as the original.
        let remembered = attempt.last.filter(|_| reason == Reason::Remembered);
        match attempt.unreachable.or(remembered) {
            Some(server) => give(attempt, server),
            None => fail(attempt, reason_without_server(reason)),
        }
    }

    /// No replica takes the statement and the strategy allows a primary.
    fn leave_replicas(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>, reason: Reason) -> Step {
        let no_primary = inputs.scratch.candidates.primaries().is_empty();
        if no_primary && let Some(step) = self.last_resort(attempt, inputs, Role::Replica) {
            return step;
        }
        if no_primary && self.failover.strategy == Strategy::LoopBeforePrimary {
            return match attempt.unreachable.or(attempt.last) {
                Some(server) => give(attempt, server),
                None => fail(attempt, reason_without_server(reason)),
            };
        }
        self.turn_to(attempt, inputs, Role::Primary, Reason::ToPrimaries)
    }

    /// `failed` is what the session remembers; the view may know of more.
    #[inline]
    pub(crate) fn is_remembered(&self, failed: &[ServerIx], known: Reach, server: ServerIx) -> bool {
        match self.failover.memory {
            FailureMemory::Forget => false,
            FailureMemory::Remember => known.failed || failed.contains(&server),
            FailureMemory::Cluster => known.failed,
        }
    }

    #[inline]
    fn last_filter(&self) -> u8 {
        // A pipeline has at most 255 filters.
        u8::try_from(self.pipeline.narrowing().len()).unwrap_or(u8::MAX)
    }

    /// What the filter at hand may look at.
    fn cx<'b>(&'b self, attempt: &'b mut Attempt, inputs: &'b mut Inputs<'_>) -> (Cx<'b>, &'b mut Candidates) {
        let filter = usize::from(attempt.filter);
        let session = &mut inputs.session.narrowing[filter];
        let sink = inputs.sink.as_mut().map(|it| &mut **it as &mut dyn Sink);
        let cx = Cx {
            request: inputs.request,
            topology: &self.topology,
            view: inputs.view,
            now: inputs.now,
            rng: inputs.rng,
            attempt,
            tried: &inputs.scratch.tried,
            session,
            cluster: inputs.cluster.slot(filter),
            warnings: &mut inputs.scratch.warnings,
            sink,
        };
        (cx, &mut inputs.scratch.candidates)
    }

    /// The same for the filter that picks.
    #[inline]
    fn last_cx<'b>(&'b self, attempt: &'b mut Attempt, inputs: &'b mut Inputs<'_>) -> (Cx<'b>, &'b mut Candidates) {
        let sink = inputs.sink.as_mut().map(|it| &mut **it as &mut dyn Sink);
        let cx = Cx {
            request: inputs.request,
            topology: &self.topology,
            view: inputs.view,
            now: inputs.now,
            rng: inputs.rng,
            attempt,
            tried: &inputs.scratch.tried,
            session: &mut inputs.session.last,
            cluster: inputs.cluster.slot(self.pipeline.narrowing().len()),
            warnings: &mut inputs.scratch.warnings,
            sink,
        };
        (cx, &mut inputs.scratch.candidates)
    }
}

fn fail(attempt: &mut Attempt, reason: Reason) -> Step {
    attempt.phase = Phase::Done;
    Step::Fail(Why::new(reason))
}

fn give(attempt: &mut Attempt, server: ServerIx) -> Step {
    attempt.phase = Phase::Done;
    attempt.decision.set_server(Some(server));
    Step::Give(server)
}

fn fetch(attempt: &mut Attempt, facts: Facts, resume: Resume) -> Step {
    if attempt.fetched {
        return fail(attempt, Reason::AskedTwice);
    }
    attempt.phase = Phase::Fetching(resume);
    Step::Fetch(facts)
}

/// A side that was used up leaves no server for a reason that speaks of servers.
fn reason_without_server(reason: Reason) -> Reason {
    match reason {
        Reason::Remembered | Reason::ToPrimaries => Reason::NoneUsable,
        other => other,
    }
}

fn snapshot(candidates: &Candidates) -> [(Role, Vec<ServerIx>); 2] {
    [Role::Primary, Role::Replica].map(|role| (role, candidates.list(role).to_vec()))
}

fn report(
    sink: &mut dyn Sink,
    filter: &dyn Filter,
    reason: Reason,
    before: &[(Role, Vec<ServerIx>)],
    candidates: &Candidates,
) {
    for (role, before) in before {
        for server in before.iter().filter(|it| !candidates.list(*role).contains(it)) {
            sink.removed(Removal { filter: filter.name(), server: *server, role: *role, reason });
        }
    }
}
