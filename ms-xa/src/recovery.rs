//! One transaction of the store, brought to its end by whoever finds it.
//!
//! ```text
//! record, undecided ──► Claim ──► EndOwner, List ─┬─ listed ───► RollBack ─┐
//!                                                 └─ not listed ───────────┴► Confirm ─► Settle ─┐
//! record, decided ──► List ─┬─ listed ───► EndOwner, List, Commit ────────────────────► Settle ─┼─► Remove
//!                           └─ not listed ────────────────────────────────────► Settle(Presumed) ┘
//! ```
//!
//! - **The decision first.** Where none stands recovery claims it, by the same compare-and-set as the owner. An owner that is only slow
//!   comes second then, and rolls back itself.
//! - **Exact names on the right server.** What is committed or rolled back is the recorded name, byte by byte, where the server at the
//!   recorded address is the one that joined. Whatever else `XA RECOVER` lists is somebody else's.
//! - **Its owner's connection is ended first**, and its end is waited for, before a branch is touched. An owner that does not know of the
//!   decision to roll back could prepare it otherwise; and MariaDB, while a session is ending, answers others as if it did what
//!   they want.
//! - **Not listed is no proof.** A branch to be committed was committed by its owner, most likely; that is reported as presumed.
//! - **Rolled back is what is so on disk.** MariaDB answers before, and a crash brings the branch back.
//! - **Two at once do no harm.** Every step may be done twice. 1397 (no such branch) is never success.
//! - **Removed is only what is settled**, every branch of it. What is in the way is told, and the next run tries again.

use std::fmt;

use crate::{BranchIx, BranchState, Decision, Failure, Finished, Record, Settlement, Xid, sql::Complaint};

/// One transaction that is brought to its end.
///
/// ```
/// use ms_xa::{
///     BranchIx, BranchState, Decision, Finished, Gtrid, Place, Record, RecordedBranch, Recovered, Recovery, RecoveryAction,
///     RecoveryAnswer, Settlement, Tag, TrxId, Xid,
/// };
///
/// let gtrid = Gtrid::try_from("order-7")?;
/// let xid = Xid::of(&gtrid, Tag(42), BranchIx(0));
/// let mut it = Recovery::new(Record {
///     trx: TrxId(1),
///     gtrid,
///     tag: Some(Tag(42)),
///     decision: Some(Decision::Commit),
///     finished: Finished::No,
///     state: BranchState::NonExisting,
///     branches: vec![RecordedBranch {
///         branch: BranchIx(0),
///         xid: xid.clone(),
///         place: Place::default(),
///         state: BranchState::Active,
///         settled: None,
///     }],
/// });
/// let branch = BranchIx(0);
/// assert_eq!(it.actions(), [RecoveryAction::List(branch)]);
/// it.on(RecoveryAction::List(branch), RecoveryAnswer::Listed(vec![xid.clone()]));
/// assert_eq!(it.actions(), [RecoveryAction::EndOwner(branch)]);
/// it.on(RecoveryAction::EndOwner(branch), RecoveryAnswer::Done);
/// assert_eq!(it.actions(), [RecoveryAction::List(branch)]);
/// it.on(RecoveryAction::List(branch), RecoveryAnswer::Listed(vec![xid]));
/// assert_eq!(it.actions(), [RecoveryAction::Commit(branch)]);
/// it.on(RecoveryAction::Commit(branch), RecoveryAnswer::Done);
/// assert_eq!(it.actions(), [RecoveryAction::Settle(branch, Settlement::Committed)]);
/// it.on(RecoveryAction::Settle(branch, Settlement::Committed), RecoveryAnswer::Done);
/// assert_eq!(it.actions(), [RecoveryAction::Remove]);
/// it.on(RecoveryAction::Remove, RecoveryAnswer::Done);
/// assert_eq!(it.outcome(), Some(&Recovered::Finished { decision: Decision::Commit, presumed: vec![] }));
/// # Ok::<(), ms_xa::InvalidXid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recovery {
    record: Record,
    decision: Option<Decision>,
    steps: Vec<Step>,
    ready: Vec<RecoveryAction>,
    running: Vec<RecoveryAction>,
    obstacles: Vec<Obstacle>,
    outcome: Option<Recovered>,
}

/// Something for whoever runs a recovery. All that were handed out may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryAction {
    /// [`StateStore::decide`](crate::StateStore::decide) with [`Decision::Abort`].
    Claim,
    /// `XA RECOVER` on the branch's server, after comparing the server's identity with the recorded one.
    List(BranchIx),
    /// Waiting until what the branch's server has answered so far is on its disk, and then [`RecoveryAction::List`].
    ///
    /// MariaDB answers `XA ROLLBACK` before that, whatever its settings are: when it is killed within the next second the branch is
    /// prepared again (measured on 10.11; MySQL 9.7 writes it down first, and both do so with `XA COMMIT`).
    Confirm(BranchIx),
    /// `KILL` of the recorded connection, and waiting until it is in the list of connections no more; nothing when the server was
    /// started again since. Its user may do that without further privileges.
    EndOwner(BranchIx),
    /// `XA COMMIT` with the recorded name, on the branch's server.
    Commit(BranchIx),
    /// `XA ROLLBACK` with the recorded name, on the branch's server.
    RollBack(BranchIx),
    /// [`StateStore::settle`](crate::StateStore::settle).
    Settle(BranchIx, Settlement),
    /// [`StateStore::remove`](crate::StateStore::remove).
    Remove,
}

/// What came of a [`RecoveryAction`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryAnswer {
    /// It was done. To [`RecoveryAction::Remove`]: the record is gone.
    Done,
    /// Answers [`RecoveryAction::Claim`]: the decision that stands now; `None` when the record is gone.
    Decided(Option<Decision>),
    /// Answers [`RecoveryAction::List`] and [`RecoveryAction::Confirm`]: all prepared branches of the server.
    Listed(Vec<Xid>),
    /// Another server answers at the address; nothing was sent to it.
    OtherServer {
        /// Which one.
        identity: String,
    },
    /// Answers [`RecoveryAction::Remove`]: the record stays, because a branch of it is not settled.
    Unsettled,
    /// The server or the store answered with an error; nothing was done.
    Refused(Failure),
    /// There was no answer; it may have been done.
    Lost(Failure),
}

/// What came of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// Every branch has its end and the record is gone.
    Finished {
        /// By which decision.
        decision: Decision,
        /// Branches of which the servers knew nothing any more, where that is no proof; see [`Settlement::Presumed`].
        presumed: Vec<BranchIx>,
    },
    /// Its owner had finished it with success; the record is gone.
    Cleared,
    /// The record was gone already.
    Taken,
    /// Something is in the way; to be tried again.
    Left {
        /// What.
        why: Vec<Obstacle>,
    },
}

/// What keeps a transaction from being recovered now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The store did not do its part.
    Store(Failure),
    /// The owner decided to commit a moment ago, so it is at work.
    OwnerAtWork,
    /// A branch joined after the record was read.
    MoreBranches,
    /// A participant did not do its part.
    Participant(BranchIx, Failure),
    /// Another server answers at a participant's address.
    OtherServer {
        /// The branch.
        branch: BranchIx,
        /// Who answers there.
        found: String,
    },
}

impl Obstacle {
    /// The branch that it is about.
    #[must_use]
    pub fn branch(&self) -> Option<BranchIx> {
        match self {
            Self::Participant(branch, _) | Self::OtherServer { branch, .. } => Some(*branch),
            Self::Store(_) | Self::OwnerAtWork | Self::MoreBranches => None,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(failure) => write!(f, "the state store answered error {}: {}", failure.code, failure.text),
            Self::OwnerAtWork => f.write_str("its owner has just decided to commit"),
            Self::MoreBranches => f.write_str("a branch has joined meanwhile"),
            Self::Participant(branch, failure) => {
                write!(f, "branch {branch} answered error {}: {}", failure.code, failure.text)
            }
            Self::OtherServer { branch, found } => {
                write!(f, "another server, `{found}`, answers at the address of branch {branch}")
            }
        }
    }
}

/// How far a branch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Its server is asked.
    Asking(Held),
    /// It is not prepared, and its server is asked whether it stays so.
    Confirming {
        /// What it is then.
        then: Settlement,
        /// If it does not, it is rolled back, unless it was so in this run already.
        again: bool,
    },
    /// The end is being written down.
    Settling(Settlement),
    /// On record.
    Settled(Settlement),
    /// Not in this run.
    Left,
}

/// Whether the session that started a branch stands between it and us.
///
/// Nothing is sent to a branch before it is gone: MariaDB hides a branch from others while its session lives, and while that
/// session is ending it answers `XA COMMIT` and `XA ROLLBACK` of others as if it did them. The branch keeps its locks then, on no list,
/// until the server is started again, and is prepared then (measured on 10.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It may.
    Perhaps,
    /// That session is gone for certain.
    No,
    /// It is, and the server said all the same that it does not know the branch: somebody else was faster, if it is not listed any
    /// more.
    Unknown,
}

impl Recovery {
    /// Takes up a record, as [`StateStore::recoverable`](crate::StateStore::recoverable) gave it out.
    #[must_use]
    pub fn new(record: Record) -> Self {
        let mut it = Self {
            decision: record.decision,
            steps: vec![Step::Asking(Held::Perhaps); record.branches.len()],
            record,
            ready: Vec::new(),
            running: Vec::new(),
            obstacles: Vec::new(),
            outcome: None,
        };
        match it.decision {
            _ if it.record.finished == Finished::Success => it.ready.push(RecoveryAction::Remove),
            Some(decision) => it.visit(decision),
            None => it.ready.push(RecoveryAction::Claim),
        }
        it
    }

    /// The record that it works on.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What may start now and was not handed out yet.
    pub fn actions(&mut self) -> Vec<RecoveryAction> {
        self.running.extend(&self.ready);
        std::mem::take(&mut self.ready)
    }

    /// Takes what came of an action.
    pub fn on(&mut self, action: RecoveryAction, answer: RecoveryAnswer) {
        let Some(at) = self.running.iter().position(|it| *it == action) else { return };
        self.running.swap_remove(at);
        match action {
            RecoveryAction::Claim => return self.on_claim(answer),
            RecoveryAction::Remove => return self.on_remove(answer),
            RecoveryAction::List(branch) => self.on_list(branch, answer),
            RecoveryAction::Confirm(branch) => self.on_confirm(branch, answer),
            RecoveryAction::EndOwner(branch) => self.on_end_owner(branch, answer),
            RecoveryAction::Commit(branch) => self.on_ended(branch, Settlement::Committed, answer),
            RecoveryAction::RollBack(branch) => self.on_ended(branch, Settlement::RolledBack, answer),
            RecoveryAction::Settle(branch, settlement) => self.on_settle(branch, settlement, answer),
        }
        self.when_visited();
    }

    /// What came of it; `None` until nothing is left to do.
    #[must_use]
    pub fn outcome(&self) -> Option<&Recovered> {
        self.outcome.as_ref()
    }

    fn on_claim(&mut self, answer: RecoveryAnswer) {
        match answer {
            RecoveryAnswer::Decided(Some(Decision::Abort)) => self.visit(Decision::Abort),
            // It may be finished before we are there, and its branches are not all in what we have read.
            RecoveryAnswer::Decided(Some(Decision::Commit)) => self.leave(Obstacle::OwnerAtWork),
            RecoveryAnswer::Decided(None) => self.outcome = Some(Recovered::Taken),
            answer => self.leave(Obstacle::Store(answer.failure())),
        }
    }

    /// Goes to every branch whose end is not known.
    fn visit(&mut self, decision: Decision) {
        self.decision = Some(decision);
        for (at, it) in self.record.branches.iter().enumerate() {
            if let Some(settlement) = it.settled {
                self.steps[at] = Step::Settled(settlement);
                continue;
            }
            let (step, action) = match (decision, it.state) {
                (Decision::Commit, BranchState::Committed) if self.has_ended() => {
                    settling(it.branch, Settlement::Committed)
                }
                (Decision::Abort, BranchState::RolledBack) if self.has_ended() => {
                    confirming(it.branch, Settlement::RolledBack, true)
                }
                // Its owner knows of nothing that could be left.
                (Decision::Abort, _) if self.has_ended() && self.record.state == BranchState::RolledBack => {
                    settling(it.branch, Settlement::RolledBack)
                }
                // It may be about to prepare it, unaware of the decision.
                (Decision::Abort, _) => (Step::Asking(Held::Perhaps), RecoveryAction::EndOwner(it.branch)),
                (Decision::Commit, _) => (Step::Asking(Held::Perhaps), RecoveryAction::List(it.branch)),
            };
            self.steps[at] = step;
            self.ready.push(action);
        }
        self.when_visited();
    }

    /// Its owner is through with it and has said how far each branch came.
    fn has_ended(&self) -> bool {
        self.record.finished == Finished::Failure
    }

    /// The place of a branch, and whether its server lists it; `None` when that is not known and the branch is left.
    fn listed(&mut self, branch: BranchIx, answer: RecoveryAnswer) -> Option<(usize, bool)> {
        let at = self.at(branch)?;
        match answer {
            RecoveryAnswer::Listed(xids) => Some((at, xids.contains(&self.record.branches[at].xid))),
            answer => {
                self.leave_branch(branch, answer);
                None
            }
        }
    }

    fn on_list(&mut self, branch: BranchIx, answer: RecoveryAnswer) {
        let Some((at, is_listed)) = self.listed(branch, answer) else { return };
        let Step::Asking(held) = self.steps[at] else { return };
        match (self.decision, held) {
            (_, Held::Perhaps) if is_listed => self.ready.push(RecoveryAction::EndOwner(branch)),
            (_, Held::Unknown) if is_listed => {
                let text = "the server lists the branch and says that it does not know it";
                let failure = Failure::new(BranchState::NonExisting, 1397, "XAE04", text);
                self.leave_branch(branch, RecoveryAnswer::Refused(failure));
            }
            (Some(Decision::Commit), _) if is_listed => self.ready.push(RecoveryAction::Commit(branch)),
            (Some(Decision::Commit), _) => self.settle(branch, Settlement::Presumed),
            (_, _) if is_listed => self.ready.push(RecoveryAction::RollBack(branch)),
            // The only branch is committed without asking anybody for a decision.
            _ if self.record.branches.len() == 1 => self.confirm(branch, Settlement::Presumed, true),
            // Its owner may have rolled it back a moment ago.
            _ => self.confirm(branch, Settlement::RolledBack, true),
        }
    }

    fn on_confirm(&mut self, branch: BranchIx, answer: RecoveryAnswer) {
        let Some((at, is_listed)) = self.listed(branch, answer) else { return };
        match self.steps[at] {
            Step::Confirming { then, .. } if !is_listed => self.settle(branch, then),
            Step::Confirming { again: true, .. } => {
                self.go_on(branch, (Step::Asking(Held::No), RecoveryAction::RollBack(branch)));
            }
            _ => {
                let text = "its server has forgotten that it was rolled back";
                let failure = Failure::new(BranchState::RolledBack, 2000, "HY000", text);
                self.leave_branch(branch, RecoveryAnswer::Refused(failure));
            }
        }
    }

    fn on_end_owner(&mut self, branch: BranchIx, answer: RecoveryAnswer) {
        let Some(at) = self.at(branch) else { return };
        match answer {
            RecoveryAnswer::Done => {
                self.steps[at] = Step::Asking(Held::No);
                self.ready.push(RecoveryAction::List(branch));
            }
            answer => self.leave_branch(branch, answer),
        }
    }

    /// A listed branch was to be committed or rolled back.
    fn on_ended(&mut self, branch: BranchIx, settlement: Settlement, answer: RecoveryAnswer) {
        let Some(at) = self.at(branch) else { return };
        let unknown =
            |it: &Failure| matches!(Complaint::of(it.code), Some(Complaint::UnknownXid | Complaint::RolledBack));
        match answer {
            RecoveryAnswer::Done if settlement == Settlement::RolledBack => self.confirm(branch, settlement, false),
            RecoveryAnswer::Done => self.settle(branch, settlement),
            // Somebody else was faster. Or it has changed nothing: MariaDB says 1402 to either end of such a branch whose session is
            // gone. The list tells.
            RecoveryAnswer::Refused(failure) if unknown(&failure) => {
                self.steps[at] = Step::Asking(Held::Unknown);
                self.ready.push(RecoveryAction::List(branch));
            }
            answer => self.leave_branch(branch, answer),
        }
    }

    fn confirm(&mut self, branch: BranchIx, then: Settlement, again: bool) {
        self.go_on(branch, confirming(branch, then, again));
    }

    fn settle(&mut self, branch: BranchIx, settlement: Settlement) {
        self.go_on(branch, settling(branch, settlement));
    }

    fn go_on(&mut self, branch: BranchIx, (step, action): (Step, RecoveryAction)) {
        let Some(at) = self.at(branch) else { return };
        self.steps[at] = step;
        self.ready.push(action);
    }

    fn on_settle(&mut self, branch: BranchIx, settlement: Settlement, answer: RecoveryAnswer) {
        let Some(at) = self.at(branch) else { return };
        if answer == RecoveryAnswer::Done {
            self.steps[at] = Step::Settled(settlement);
        } else {
            self.steps[at] = Step::Left;
            self.obstacles.push(Obstacle::Store(answer.failure()));
        }
    }

    fn leave_branch(&mut self, branch: BranchIx, answer: RecoveryAnswer) {
        if let Some(at) = self.at(branch) {
            self.steps[at] = Step::Left;
        }
        self.obstacles.push(match answer {
            RecoveryAnswer::OtherServer { identity } => Obstacle::OtherServer { branch, found: identity },
            answer => Obstacle::Participant(branch, answer.failure()),
        });
    }

    fn when_visited(&mut self) {
        if !self.ready.is_empty() || !self.running.is_empty() || self.outcome.is_some() {
            return;
        }
        if self.obstacles.is_empty() {
            self.ready.push(RecoveryAction::Remove);
        } else {
            self.outcome = Some(Recovered::Left { why: std::mem::take(&mut self.obstacles) });
        }
    }

    fn on_remove(&mut self, answer: RecoveryAnswer) {
        match answer {
            RecoveryAnswer::Done => {
                let presumed = |(at, it): (usize, &Step)| {
                    (*it == Step::Settled(Settlement::Presumed)).then(|| self.record.branches[at].branch)
                };
                self.outcome = Some(match self.decision {
                    Some(decision) if self.record.finished != Finished::Success => Recovered::Finished {
                        decision,
                        presumed: self.steps.iter().enumerate().filter_map(presumed).collect(),
                    },
                    _ => Recovered::Cleared,
                });
            }
            RecoveryAnswer::Unsettled => self.leave(Obstacle::MoreBranches),
            answer => self.leave(Obstacle::Store(answer.failure())),
        }
    }

    fn leave(&mut self, why: Obstacle) {
        self.outcome = Some(Recovered::Left { why: vec![why] });
    }

    fn at(&self, branch: BranchIx) -> Option<usize> {
        self.record.branches.iter().position(|it| it.branch == branch)
    }
}

fn settling(branch: BranchIx, settlement: Settlement) -> (Step, RecoveryAction) {
    (Step::Settling(settlement), RecoveryAction::Settle(branch, settlement))
}

fn confirming(branch: BranchIx, then: Settlement, again: bool) -> (Step, RecoveryAction) {
    (Step::Confirming { then, again }, RecoveryAction::Confirm(branch))
}

impl RecoveryAnswer {
    /// What is wrong with an answer that was not hoped for; one that does not fit its question is wrong, too.
    fn failure(self) -> Failure {
        match self {
            Self::Refused(failure) | Self::Lost(failure) => failure,
            _ => Failure::new(BranchState::NonExisting, 2000, "HY000", "the answer does not fit the question"),
        }
    }
}

#[cfg(test)]
mod tests;
