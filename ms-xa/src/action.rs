//! What a coordinator wants done, what comes back, and what it comes to in the end.

use crate::{BranchIx, Decision, Failure};

/// Something for the shell to do. All that were handed out may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// [`StateStore::enlist`](crate::StateStore::enlist): from now on recovery knows where to look.
    Enlist(BranchIx),
    /// `XA START`.
    Start(BranchIx),
    /// `XA END`, `XA PREPARE`.
    Prepare(BranchIx),
    /// `XA END`, `XA COMMIT … ONE PHASE`: nobody else takes part, so there is nothing to agree on and no decision to record.
    CommitOnePhase(BranchIx),
    /// `XA COMMIT`, on the connection that prepared.
    Commit(BranchIx),
    /// `XA END` where the branch is still active (what the server says to it does not matter), `XA ROLLBACK` (1397: it is gone already,
    /// which is [`Answer::Done`]).
    RollBack(BranchIx),
    /// [`StateStore::decide`](crate::StateStore::decide).
    Decide(Decision),
    /// [`StateStore::finish`](crate::StateStore::finish) with [`Coordinator::ending`](crate::Coordinator::ending).
    Finish,
}

/// What came of an [`Action`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// The server or the store answered with an error: the step in [`Failure::towards`] and what would have followed it were not
    /// executed. Also right for what was never sent, because the connection was known to be gone.
    Refused(Failure),
    /// The connection broke or the deadline passed: it may have been executed, or may still be. The connection must not be used
    /// again.
    Lost(Failure),
    /// Answers [`Action::Decide`]: the decision that stands now; `None` when there is no such record any more.
    Decided(Option<Decision>),
}

/// What became of a global transaction, as far as its owner knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Decided: it is or will be committed everywhere.
    Committed {
        /// Branches whose `XA COMMIT` was not answered well. Recovery commits them.
        left: Vec<BranchIx>,
    },
    /// It is or will be rolled back everywhere.
    RolledBack {
        /// Why.
        why: Why,
        /// Branches that may still be prepared, because a connection was lost. Recovery rolls them back.
        left: Vec<BranchIx>,
    },
    /// Nobody knows yet. Never both: recovery, or without a store an operator, brings it to one end.
    InDoubt {
        /// What was not answered: the decision, a commit in one phase, or without a store a commit after the decision.
        why: Failure,
        /// Branches that may still be prepared. Nothing may be sent to them but by recovery; their connections have to be closed, because
        /// MariaDB keeps others from a branch whose session lives.
        left: Vec<BranchIx>,
    },
}

/// Why a global transaction was rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The caller wanted it.
    Asked,
    /// Its time was over before anything was prepared.
    Late,
    /// A participant failed; the first one that did. Where the caller wanted the rollback, the branch is gone all the same.
    Participant(BranchIx, Failure),
    /// The store refused the decision to commit.
    Store(Failure),
    /// Recovery had decided to roll back before: the owner was too slow.
    Overruled,
}
