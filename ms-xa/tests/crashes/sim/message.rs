//! What travels between the owner and the others.

use ms_xa::{Action, Answer, BranchIx, BranchState, Decision, Ending, Place, TrxId, Xid};

use super::Statement;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) at: At,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record of the transaction.
    Begin,
    /// The application's statement.
    Work(BranchIx),
    /// What the coordinator wants.
    Act(Action),
}

/// Where it is.
#[derive(Clone, Debug)]
pub(crate) enum At {
    /// Not sent.
    Here,
    /// On its way, or being executed.
    There(Request),
    /// Executed, and the answer on its way.
    Back(Got),
}

/// A request with everything in it, so that it can be executed when its sender is dead.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Begin { timeout_secs: Option<u32> },
    Enlist { trx: TrxId, branch: BranchIx, place: Place },
    Decide { trx: TrxId, decision: Decision },
    Finish { trx: TrxId, ending: Ending },
    Sql(Text),
}

/// Statements for one session.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) server: usize,
    pub(crate) session: u64,
    pub(crate) statements: Vec<Statement>,
    /// How many are executed.
    pub(crate) done: usize,
    pub(crate) for_rollback: bool,
}

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) enum Got {
    Began(Option<TrxId>),
    Worked(Result<(), u16>),
    Answer(Answer),
}

/// What happens to a message next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Send,
    /// The statement with this number is executed.
    Execute(usize),
    Reply,
}

impl Message {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, at: At::Here }
    }

    pub(crate) fn step(&self) -> Step {
        match &self.at {
            At::Here => Step::Send,
            At::There(Request::Sql(text)) => Step::Execute(text.done),
            At::There(_) => Step::Execute(0),
            At::Back(_) => Step::Reply,
        }
    }
}

impl Kind {
    /// The branch whose connection it goes over; `None`: to the store.
    pub(crate) fn branch(self) -> Option<BranchIx> {
        match self {
            Self::Begin | Self::Act(Action::Enlist(_) | Action::Decide(_) | Action::Finish) => None,
            Self::Work(branch) => Some(branch),
            Self::Act(
                Action::Start(branch)
                | Action::Prepare(branch)
                | Action::CommitOnePhase(branch)
                | Action::Commit(branch)
                | Action::RollBack(branch),
            ) => Some(branch),
        }
    }

    /// What it is to reach.
    pub(crate) fn towards(self) -> BranchState {
        match self {
            Self::Begin | Self::Work(_) | Self::Act(Action::Enlist(_) | Action::Start(_)) => BranchState::Active,
            Self::Act(Action::Prepare(_)) => BranchState::Prepared,
            Self::Act(Action::RollBack(_)) => BranchState::RolledBack,
            Self::Act(_) => BranchState::Committed,
        }
    }

    /// The statements of one request, in their order.
    pub(crate) fn statements(self, xid: &Xid, deadlocks: bool) -> Vec<Statement> {
        let xid = || xid.clone();
        match self {
            Self::Work(_) => vec![Statement::Work { deadlocks }],
            Self::Act(Action::Start(_)) => vec![Statement::Start(xid())],
            Self::Act(Action::Prepare(_)) => vec![Statement::End(xid()), Statement::Prepare(xid())],
            Self::Act(Action::CommitOnePhase(_)) => vec![Statement::End(xid()), Statement::CommitOnePhase(xid())],
            Self::Act(Action::Commit(_)) => vec![Statement::Commit(xid())],
            Self::Act(Action::RollBack(_)) => vec![Statement::End(xid()), Statement::RollBack(xid())],
            Self::Begin | Self::Act(_) => Vec::new(),
        }
    }
}
