//! One global transaction as its owner sees it: events in, actions out.
//!
//! ```text
//!            join          commit                           all prepared               decided
//! Working ─┬──────► Working ─────► Preparing ──────────────────► Deciding ──────────────► Committing ─► Finishing
//!          │                │          │ one failed                │ refused, overruled                    ▲
//!          │                │          └───────────────────────────┴────────► RollingBack ─────────────────┤
//!          │                └─ one branch: Single ─────────────────────────────────────────────────────────┤
//!          └ rollback ─► RollingBack                               └ lost twice: in doubt, nothing is sent │
//! ```
//!
//! What holds whatever is lost or late:
//!
//! - **Everything before the decision aborts, everything after it commits.** The decision is one compare-and-set in the store, and
//!   no `XA COMMIT` leaves before its answer. Recovery decides by the same compare-and-set, so an owner that was stopped for
//!   longer than its lease finds the transaction decided and obeys.
//! - **What was not answered counts as unknown.** A decision whose answer was lost is asked for again, which is safe because only
//!   the first one counts; but once it may have been written, a refusal or a missing record is no proof that it was not, for recovery
//!   may have carried it out and cleared it away.
//! - **A branch that was never asked to prepare cannot outlive its connection.** So a lost connection is a rolled-back branch
//!   until `XA PREPARE` may have been sent.
//!
//! The order of the answers is arbitrary, and an answer to what is not running is ignored: it came too late.

use crate::{
    Action, Answer, BranchIx, BranchState, Decision, Ending, Failure, Finished, Gtrid, Outcome, Tag, Why, Xid,
};

/// One global transaction as its owner sees it.
///
/// ```
/// use ms_xa::{Action, Answer, BranchIx, Coordinator, Decision, Gtrid, Outcome, Tag};
///
/// let (a, b) = (BranchIx(0), BranchIx(1));
/// let mut xa = Coordinator::new(Gtrid::try_from("order-7")?, Tag(42), true);
/// for branch in [a, b] {
///     assert_eq!(xa.join(), Some(branch));
///     assert_eq!(xa.actions(), [Action::Enlist(branch)]);
///     xa.on(Action::Enlist(branch), Answer::Done);
///     assert_eq!(xa.actions(), [Action::Start(branch)]);
///     xa.on(Action::Start(branch), Answer::Done);
/// }
///
/// xa.commit(true);
/// assert_eq!(xa.actions(), [Action::Prepare(a), Action::Prepare(b)]); // at the same time
/// xa.on(Action::Prepare(b), Answer::Done);
/// xa.on(Action::Prepare(a), Answer::Done);
/// assert_eq!(xa.actions(), [Action::Decide(Decision::Commit)]);
/// xa.on(Action::Decide(Decision::Commit), Answer::Decided(Some(Decision::Commit)));
/// assert_eq!(xa.actions(), [Action::Commit(a), Action::Commit(b)]);
/// xa.on(Action::Commit(a), Answer::Done);
/// xa.on(Action::Commit(b), Answer::Done);
/// assert_eq!(xa.actions(), [Action::Finish]);
/// xa.on(Action::Finish, Answer::Done);
/// assert_eq!(xa.outcome(), Some(&Outcome::Committed { left: vec![] }));
/// # Ok::<(), ms_xa::InvalidXid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Coordinator {
    gtrid: Gtrid,
    tag: Tag,
    has_store: bool,
    branches: Vec<Branch>,
    phase: Phase,
    /// May start, and was not handed out.
    ready: Vec<Action>,
    /// Was handed out, and not answered.
    running: Vec<Action>,
    /// What the caller asked for.
    intend: BranchState,
    /// Why it is being rolled back.
    why: Why,
    /// What is known to stand in the store.
    decision: Option<Decision>,
    /// What it comes to, once that is certain.
    end: Option<Outcome>,
    /// The store has the end, and nobody had interfered.
    recorded: bool,
}

/// One server's part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    /// How far it is, by the last answer.
    pub state: BranchState,
    /// The first answer that was not a good one.
    pub failure: Option<Failure>,
    line: Line,
    /// The store may know it.
    on_record: bool,
    /// `XA PREPARE` may have been sent, so it may outlive its connection.
    may_be_prepared: bool,
}

/// Whether anything can be sent to a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// It has not joined yet, or it could not.
    #[default]
    Out,
    /// On its connection.
    Open,
    /// Its connection is lost.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Working,
    Preparing,
    Deciding {
        /// The first answer was lost: the decision may be there.
        again: bool,
    },
    Committing,
    Single,
    RollingBack,
    Finishing,
    Ended,
}

impl Coordinator {
    /// A transaction that was begun: with a store, [`StateStore::begin`](crate::StateStore::begin) has answered.
    ///
    /// Without one it still commits everywhere or nowhere as long as its owner lives; what its owner's death leaves prepared is an
    /// operator's.
    #[must_use]
    pub fn new(gtrid: Gtrid, tag: Tag, has_store: bool) -> Self {
        Self {
            gtrid,
            tag,
            has_store,
            branches: Vec::new(),
            phase: Phase::Working,
            ready: Vec::new(),
            running: Vec::new(),
            intend: BranchState::NonExisting,
            why: Why::Asked,
            decision: None,
            end: None,
            recorded: !has_store,
        }
    }

    /// What the application calls it.
    #[must_use]
    pub fn gtrid(&self) -> &Gtrid {
        &self.gtrid
    }

    /// The name of a branch.
    #[must_use]
    pub fn xid(&self, branch: BranchIx) -> Xid {
        Xid::of(&self.gtrid, self.tag, branch)
    }

    /// All that joined or tried to, by [`BranchIx`].
    #[must_use]
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// Takes another server in; `None` once the end has begun.
    ///
    /// It has joined when its state is [`BranchState::Active`]. One that could not join is left out of everything that follows, and
    /// its server may try again as another branch.
    pub fn join(&mut self) -> Option<BranchIx> {
        if self.phase != Phase::Working {
            return None;
        }
        let branch = BranchIx(u16::try_from(self.branches.len()).ok()?);
        self.branches.push(Branch::default());
        self.ready.push(if self.has_store { Action::Enlist(branch) } else { Action::Start(branch) });
        Some(branch)
    }

    /// Ends it, with everything that was done. Where its time is over (`in_time` is false) it is rolled back instead, before anything
    /// is prepared.
    ///
    /// Whoever has not joined by now will not; its connection has to be closed.
    pub fn commit(&mut self, in_time: bool) {
        if !self.begin_to_end(BranchState::Committed) {
            return;
        }
        if !in_time {
            return self.roll_back(Why::Late);
        }
        let live = self.live();
        match *live.as_slice() {
            [] => self.end_with(Outcome::Committed { left: Vec::new() }),
            // A record of two branches has to be decided even when only one could join: recovery cannot tell
            // one-phase commits from it.
            [branch] if !self.has_store || self.branches.iter().filter(|it| it.on_record).count() == 1 => {
                self.phase = Phase::Single;
                self.ready.push(Action::CommitOnePhase(branch));
            }
            _ => {
                self.phase = Phase::Preparing;
                self.ready.extend(live.into_iter().map(Action::Prepare));
            }
        }
    }

    /// Ends it, and everything that was done is undone.
    ///
    /// Whoever has not joined by now will not; its connection has to be closed.
    pub fn rollback(&mut self) {
        if self.begin_to_end(BranchState::RolledBack) {
            self.roll_back(Why::Asked);
        }
    }

    /// Ends it without a word to the participants: who closes their connections rolls them back. Does nothing once the end has begun.
    pub fn abandon(&mut self) {
        if self.begin_to_end(BranchState::RolledBack) {
            self.end_with(Outcome::RolledBack { why: Why::Asked, left: Vec::new() });
        }
    }

    /// What may start now and was not handed out yet.
    pub fn actions(&mut self) -> Vec<Action> {
        for &action in &self.ready {
            if let Action::Prepare(branch) = action {
                self.branches[branch.index()].may_be_prepared = true;
            }
        }
        self.running.extend(&self.ready);
        std::mem::take(&mut self.ready)
    }

    /// Takes what came of an action.
    pub fn on(&mut self, action: Action, answer: Answer) {
        let Some(at) = self.running.iter().position(|it| *it == action) else { return };
        self.running.swap_remove(at);
        match action {
            Action::Decide(_) => self.on_decide(answer),
            Action::Finish => {
                self.recorded = answer == Answer::Done;
                self.phase = Phase::Ended;
            }
            Action::Enlist(branch) => self.on_enlist(branch, answer.expect(BranchState::Active)),
            Action::Start(branch) => self.on_start(branch, answer.expect(BranchState::Active)),
            Action::Prepare(branch) => self.on_prepare(branch, answer.expect(BranchState::Prepared)),
            Action::CommitOnePhase(branch) => self.on_one_phase(branch, answer.expect(BranchState::Committed)),
            Action::Commit(branch) => self.on_commit(branch, answer.expect(BranchState::Committed)),
            Action::RollBack(branch) => self.on_rollback(branch, answer.expect(BranchState::RolledBack)),
        }
    }

    /// What became of it; `None` until nothing is left to do.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.end.as_ref().filter(|_| self.phase == Phase::Ended)
    }

    /// Whether the connection of a branch may serve others, once there is an outcome; otherwise it has to be closed.
    ///
    /// It may when the server has confirmed the branch's end and the store the transaction's. While the store takes the transaction
    /// for an open one, recovery may end the connections it knows of.
    #[must_use]
    pub fn is_reusable(&self, branch: BranchIx) -> bool {
        let ended =
            |it: &Branch| it.failure.is_none() && matches!(it.state, BranchState::Committed | BranchState::RolledBack);
        self.outcome().is_some()
            && self.recorded
            && self.decision != Some(Decision::Abort)
            && self.branches.get(branch.index()).is_some_and(ended)
    }

    /// What [`Action::Finish`] has to write.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let (state, finished) = match &self.end {
            Some(Outcome::Committed { left }) if left.is_empty() => (BranchState::Committed, Finished::Success),
            Some(Outcome::Committed { .. }) => (BranchState::Prepared, Finished::Failure),
            Some(Outcome::RolledBack { why: Why::Asked, left }) if left.is_empty() && self.is_clean() => {
                (BranchState::RolledBack, Finished::Success)
            }
            Some(Outcome::RolledBack { left, .. }) if left.is_empty() => (BranchState::RolledBack, Finished::Failure),
            Some(_) => (BranchState::Idle, Finished::Failure),
            None => (BranchState::NonExisting, Finished::No),
        };
        let branches = self.branches.iter().enumerate().map(|(ix, it)| (index(ix), it.state, it.failure.clone()));
        Ending { state, intend: self.intend, finished, decision: self.decision, branches: branches.collect() }
    }

    /// Leaves [`Phase::Working`]; false when that has happened before.
    fn begin_to_end(&mut self, intend: BranchState) -> bool {
        if self.phase != Phase::Working {
            return false;
        }
        // Who is still joining has run no statement, so it is missed by nobody.
        for action in self.ready.drain(..).chain(self.running.drain(..)) {
            if let Action::Enlist(branch) = action {
                self.branches[branch.index()].on_record = true;
            }
        }
        self.intend = intend;
        true
    }

    /// Whether every branch that joined is at its end and said so.
    fn is_clean(&self) -> bool {
        let joined = |it: &&Branch| it.line != Line::Out;
        self.branches.iter().filter(joined).all(|it| it.state == BranchState::RolledBack && it.failure.is_none())
    }

    /// Branches that joined and whose connection stands.
    fn live(&self) -> Vec<BranchIx> {
        self.all(|it| it.line == Line::Open)
    }

    fn all(&self, is: impl Fn(&Branch) -> bool) -> Vec<BranchIx> {
        self.branches.iter().enumerate().filter(|(_, it)| is(it)).map(|(ix, _)| index(ix)).collect()
    }

    fn on_enlist(&mut self, branch: BranchIx, answer: Result<(), Trouble>) {
        let it = &mut self.branches[branch.index()];
        it.on_record = !matches!(answer, Err(Trouble { lost: false, .. }));
        match answer {
            Ok(()) => self.ready.push(Action::Start(branch)),
            Err(trouble) => it.failure = Some(trouble.failure),
        }
    }

    fn on_start(&mut self, branch: BranchIx, answer: Result<(), Trouble>) {
        let it = &mut self.branches[branch.index()];
        match answer {
            Ok(()) => (it.state, it.line) = (BranchState::Active, Line::Open),
            Err(trouble) => it.failure = Some(trouble.failure),
        }
    }

    fn on_prepare(&mut self, branch: BranchIx, answer: Result<(), Trouble>) {
        let it = &mut self.branches[branch.index()];
        match answer {
            Ok(()) => it.state = BranchState::Prepared,
            Err(trouble) => {
                if trouble.lost {
                    it.line = Line::Broken;
                } else if trouble.failure.towards == BranchState::Idle {
                    it.may_be_prepared = false;
                } else {
                    it.state = BranchState::Idle;
                }
                it.failure = Some(trouble.failure.clone());
                if self.phase == Phase::Preparing {
                    return self.roll_back(Why::Participant(branch, trouble.failure));
                }
            }
        }
        if self.phase == Phase::RollingBack {
            if self.branches[branch.index()].line == Line::Open {
                self.ready.push(Action::RollBack(branch));
            }
            self.when_rolled_back();
        } else if self.is_idle() {
            self.decide();
        }
    }

    fn decide(&mut self) {
        if self.has_store {
            self.phase = Phase::Deciding { again: false };
            self.ready.push(Action::Decide(Decision::Commit));
        } else {
            self.commit_all();
        }
    }

    fn on_decide(&mut self, answer: Answer) {
        let again = self.phase == Phase::Deciding { again: true };
        match answer {
            Answer::Decided(Some(Decision::Commit)) => {
                self.decision = Some(Decision::Commit);
                self.commit_all();
            }
            Answer::Decided(Some(Decision::Abort)) => {
                self.decision = Some(Decision::Abort);
                self.roll_back(Why::Overruled);
            }
            Answer::Decided(None) if !again => self.roll_back(Why::Overruled),
            Answer::Refused(failure) if !again => self.roll_back(Why::Store(failure)),
            _ if !again => {
                self.phase = Phase::Deciding { again: true };
                self.ready.push(Action::Decide(Decision::Commit));
            }
            // The first one may have been written, so neither a refusal of the second one nor a missing record is a
            // proof: recovery may have committed everything and cleared it away.
            answer => self.be_in_doubt(answer),
        }
    }

    /// Nothing is sent to anybody any more, not even the end to the store: it did not answer twice.
    fn be_in_doubt(&mut self, answer: Answer) {
        let why = match answer {
            Answer::Refused(failure) | Answer::Lost(failure) => failure,
            Answer::Done | Answer::Decided(_) => {
                Failure::new(BranchState::Committed, 2000, "HY000", "there is no record of the decision")
            }
        };
        let left = self.all(|it| it.may_be_prepared);
        self.end = Some(Outcome::InDoubt { why, left });
        self.phase = Phase::Ended;
    }

    fn commit_all(&mut self) {
        self.phase = Phase::Committing;
        let all = self.live();
        self.ready.extend(all.into_iter().map(Action::Commit));
    }

    fn on_commit(&mut self, branch: BranchIx, answer: Result<(), Trouble>) {
        let it = &mut self.branches[branch.index()];
        match answer {
            Ok(()) => it.state = BranchState::Committed,
            Err(trouble) => it.failure = Some(trouble.failure),
        }
        if !self.is_idle() {
            return;
        }
        let left = self.all(|it| it.line != Line::Out && it.state != BranchState::Committed);
        let why = left.first().and_then(|it| self.branches[it.index()].failure.clone());
        match why {
            // Nobody will come for what is left.
            Some(why) if !self.has_store => self.end_with(Outcome::InDoubt { why, left }),
            _ => self.end_with(Outcome::Committed { left }),
        }
    }

    fn on_one_phase(&mut self, branch: BranchIx, answer: Result<(), Trouble>) {
        let it = &mut self.branches[branch.index()];
        match answer {
            Ok(()) => {
                it.state = BranchState::Committed;
                self.end_with(Outcome::Committed { left: Vec::new() });
            }
            Err(Trouble { failure, lost }) => {
                it.failure = Some(failure.clone());
                if lost {
                    (it.state, it.line) = (BranchState::Idle, Line::Broken);
                    self.end_with(Outcome::InDoubt { why: failure, left: Vec::new() });
                } else {
                    self.roll_back(Why::Participant(branch, failure));
                }
            }
        }
    }

    /// Rolls back whatever is not being asked something; the others follow when they have answered.
    fn roll_back(&mut self, why: Why) {
        self.phase = Phase::RollingBack;
        self.why = why;
        // What nobody has begun need not be begun.
        self.ready.clear();
        let busy = |branch: &BranchIx| self.running.contains(&Action::Prepare(*branch));
        let free: Vec<_> = self.live().into_iter().filter(|it| !busy(it)).collect();
        self.ready.extend(free.into_iter().map(Action::RollBack));
        self.when_rolled_back();
    }

    fn on_rollback(&mut self, branch: BranchIx, answer: Result<(), Trouble>) {
        let it = &mut self.branches[branch.index()];
        match answer {
            Ok(()) => it.state = BranchState::RolledBack,
            Err(trouble) => {
                it.line = Line::Broken;
                it.failure.get_or_insert_with(|| trouble.failure.clone());
                if self.why == Why::Asked {
                    self.why = Why::Participant(branch, trouble.failure);
                }
            }
        }
        self.when_rolled_back();
    }

    fn when_rolled_back(&mut self) {
        if self.is_idle() {
            let left = self.all(|it| it.may_be_prepared && it.state != BranchState::RolledBack);
            self.end_with(Outcome::RolledBack { why: self.why.clone(), left });
        }
    }

    fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.running.is_empty()
    }

    fn end_with(&mut self, outcome: Outcome) {
        self.end = Some(outcome);
        if self.has_store {
            self.phase = Phase::Finishing;
            self.ready.push(Action::Finish);
        } else {
            self.phase = Phase::Ended;
        }
    }
}

/// An answer that was not a good one.
struct Trouble {
    failure: Failure,
    lost: bool,
}

impl Answer {
    /// The answer to anything but a decision. One that does not fit tells nothing.
    fn expect(self, towards: BranchState) -> Result<(), Trouble> {
        match self {
            Self::Done => Ok(()),
            Self::Refused(failure) => Err(Trouble { failure, lost: false }),
            Self::Lost(failure) => Err(Trouble { failure, lost: true }),
            Self::Decided(_) => {
                let failure = Failure::new(towards, 2000, "HY000", "a decision was answered to what was none");
                Err(Trouble { failure, lost: true })
            }
        }
    }
}

/// The name of the branch at this place; `join` lets no more in than there are names.
fn index(ix: usize) -> BranchIx {
    BranchIx(u16::try_from(ix).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests;
