//! What is written down, so that whoever comes after a crash knows what to do.
//!
//! One record for each transaction, one for each branch, and *one write that matters*: the decision. It is a compare-and-set on the
//! transaction's record, and it is made by whoever comes first: the owner, when every branch is prepared, to commit; recovery, when the
//! owner's time is over, to abort. Whoever comes second is told what stands, and obeys. No decision means abort, so nothing
//! needs to be forced to disk on the way to it.
//!
//! | written | when | has to be durable |
//! |---|---|---|
//! | [`begin`](StateStore::begin) | before anything | no |
//! | [`enlist`](StateStore::enlist) | before the branch's `XA START` | no, but written before it is sent |
//! | [`decide`](StateStore::decide) | every branch prepared, no `XA COMMIT` sent | **yes**: the point of no return |
//! | [`finish`](StateStore::finish) | everything answered | no; saves work, decides nothing |
//! | [`attempt`](StateStore::attempt), [`settle`](StateStore::settle) | by recovery | yes: a limit that forgets is none |
//!
//! The branches' names are kept as exact bytes. A name that is put together again at recovery is how orphans are made.

use std::{error, fmt};

use async_trait::async_trait;

use crate::{BranchIx, BranchState, Failure, Gtrid, Tag, Xid};

/// Keeps the state of global transactions.
///
/// Every call is one exchange with the store and has to leave nothing half done when its future is dropped; whether it was carried
/// out is then unknown, as after [`StoreError::Lost`].
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Makes a record, and a lease for it.
    async fn begin(&self, new: &Begin<'_>) -> Result<TrxId, StoreError>;

    /// Writes down that a branch is about to be started.
    ///
    /// Refused when the record is gone, finished or decided: recovery, which decides before it looks for branches, must not have looked
    /// already.
    async fn enlist(&self, trx: TrxId, branch: &Enlisted<'_>) -> Result<(), StoreError>;

    /// Decides unless that was done before, and answers what stands now, durably; `None` when there is no such record.
    async fn decide(&self, trx: TrxId, decision: Decision) -> Result<Option<Decision>, StoreError>;

    /// Writes down how it ended, all of it in one go.
    ///
    /// Refused when the record is gone or the decision that stands is not [`Ending::decision`]: then it is recovery's to finish.
    async fn finish(&self, trx: TrxId, ending: &Ending) -> Result<(), StoreError>;

    /// Prolongs the leases of these transactions.
    ///
    /// To be called with those that their owner works on, and no longer with those that it has given up, such as after
    /// [`Outcome::InDoubt`](crate::Outcome::InDoubt): without a lease they are recovery's.
    async fn renew(&self, open: &[TrxId]) -> Result<(), StoreError>;

    /// What is known under a name: its newest record.
    async fn known(&self, gtrid: &Gtrid) -> Result<Option<Known>, StoreError>;

    /// What recovery has to look at, oldest first: records that are finished, whose lease is over, or that are undecided when their time
    /// is over. Nothing else.
    async fn recoverable(&self, only: Option<&Gtrid>, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// Counts an attempt to recover it, durably and before anything is done. A record that is gone has no limit.
    async fn attempt(&self, trx: TrxId, limit: Option<u16>) -> Result<Attempt, StoreError>;

    /// Writes down what became of a branch. [`Settlement::Presumed`] gives way to the others, never the other way round. Nothing
    /// happens when the record is gone.
    async fn settle(&self, trx: TrxId, branch: BranchIx, settlement: Settlement) -> Result<(), StoreError>;

    /// Takes the record away, if it has finished with success or all its branches are settled; answers whether it is gone.
    ///
    /// Whether they are has to be found out with the removal, for a branch may have been enlisted since the record was read.
    async fn remove(&self, trx: TrxId) -> Result<bool, StoreError>;
}

const _: Option<&dyn StateStore> = None; // Stays object safe.

/// Whatever forwards to a store is one.
macro_rules! forward {
    ($($pointer:ty),+) => {$(
        #[async_trait]
        impl<S: StateStore + ?Sized> StateStore for $pointer {
            async fn begin(&self, new: &Begin<'_>) -> Result<TrxId, StoreError> {
                (**self).begin(new).await
            }

            async fn enlist(&self, trx: TrxId, branch: &Enlisted<'_>) -> Result<(), StoreError> {
                (**self).enlist(trx, branch).await
            }

            async fn decide(&self, trx: TrxId, decision: Decision) -> Result<Option<Decision>, StoreError> {
                (**self).decide(trx, decision).await
            }

            async fn finish(&self, trx: TrxId, ending: &Ending) -> Result<(), StoreError> {
                (**self).finish(trx, ending).await
            }

            async fn renew(&self, open: &[TrxId]) -> Result<(), StoreError> {
                (**self).renew(open).await
            }

            async fn known(&self, gtrid: &Gtrid) -> Result<Option<Known>, StoreError> {
                (**self).known(gtrid).await
            }

            async fn recoverable(&self, only: Option<&Gtrid>, limit: u32) -> Result<Vec<Record>, StoreError> {
                (**self).recoverable(only, limit).await
            }

            async fn attempt(&self, trx: TrxId, limit: Option<u16>) -> Result<Attempt, StoreError> {
                (**self).attempt(trx, limit).await
            }

            async fn settle(&self, trx: TrxId, branch: BranchIx, settlement: Settlement) -> Result<(), StoreError> {
                (**self).settle(trx, branch, settlement).await
            }

            async fn remove(&self, trx: TrxId) -> Result<bool, StoreError> {
                (**self).remove(trx).await
            }
        }
    )+};
}
forward!(std::sync::Arc<S>, Box<S>);

/// A store's name for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrxId(pub u64);

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Everything commits.
    Commit,
    /// Everything is rolled back.
    Abort,
}

/// Whether its owner is through with a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Finished {
    /// It is not, or could not say so.
    #[default]
    No,
    /// Yes, and nothing is left anywhere.
    Success,
    /// Yes, and recovery has to look.
    Failure,
}

/// A transaction that begins.
#[derive(Clone, Copy, Debug)]
pub struct Begin<'a> {
    /// What the application calls it.
    pub gtrid: &'a Gtrid,
    /// What makes its branches' names its own.
    pub tag: Tag,
    /// After how many seconds recovery may decide to roll it back although its owner is alive; `None`: never.
    pub timeout_secs: Option<u32>,
    /// Who is at work, for people to read.
    pub owner: &'a str,
}

/// A branch that is about to be started.
#[derive(Clone, Copy, Debug)]
pub struct Enlisted<'a> {
    /// Which one.
    pub branch: BranchIx,
    /// Its name.
    pub xid: &'a Xid,
    /// Where it is.
    pub place: &'a Place,
}

/// Where a branch is, and how recovery gets there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The address as a URI: `tcp://host:port`, `unix:///socket`.
    pub scheme: String,
    /// The host, with what other machines know it by.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The socket.
    pub socket: Option<String>,
    /// The user to log in as, where credentials are recorded.
    pub user: Option<String>,
    /// The password; never in `Debug`.
    pub password: Option<String>,
    /// Which server joined. Another one at the same address does not have the branch.
    pub identity: String,
    /// Which start of that server it was: what was not prepared did not survive the next one.
    pub run: String,
    /// The connection that the branch was started on.
    pub connection_id: u64,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("socket", &self.socket)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("identity", &self.identity)
            .field("run", &self.run)
            .field("connection_id", &self.connection_id)
            .finish()
    }
}

/// How a transaction ended, as its owner saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How far it came as a whole.
    pub state: BranchState,
    /// What its caller wanted.
    pub intend: BranchState,
    /// Whether anything may be left.
    pub finished: Finished,
    /// The decision, as far as the owner knows of one.
    pub decision: Option<Decision>,
    /// How far each branch came, and the first answer that was not a good one.
    pub branches: Vec<(BranchIx, BranchState, Option<Failure>)>,
}

/// What is known under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The record.
    pub trx: TrxId,
    /// How far it came as a whole, if its owner has said so.
    pub state: BranchState,
    /// What was decided.
    pub decision: Option<Decision>,
    /// Whether its owner is through with it.
    pub finished: Finished,
    /// How many branches are on record.
    pub branches: usize,
}

/// What became of a transaction, by its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Its owner or recovery is at work.
    Open,
    /// Committed everywhere, or soon.
    Committed,
    /// Rolled back everywhere, or soon.
    RolledBack,
    /// One or the other: it had a single branch, which commits without a decision, and the answer to that was lost.
    Unknown,
}

impl Known {
    /// What that comes to.
    ///
    /// ```
    /// use ms_xa::{BranchState, Decision, Finished, Known, TrxId, Verdict};
    ///
    /// let decided = Known {
    ///     trx: TrxId(1),
    ///     state: BranchState::NonExisting,
    ///     decision: Some(Decision::Commit),
    ///     finished: Finished::No,
    ///     branches: 2,
    /// };
    /// assert_eq!(decided.verdict(), Verdict::Committed);
    /// assert_eq!(Known { decision: None, ..decided }.verdict(), Verdict::Open);
    /// ```
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.decision, self.finished, self.state) {
            (Some(Decision::Commit), ..) | (None, _, BranchState::Committed) => Verdict::Committed,
            (_, _, BranchState::RolledBack) => Verdict::RolledBack,
            (None, Finished::No, _) => Verdict::Open,
            (Some(Decision::Abort), _, BranchState::Committed) => Verdict::Committed,
            _ if self.branches == 1 => Verdict::Unknown,
            _ => Verdict::RolledBack,
        }
    }
}

/// A transaction that recovery has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The store's name for it.
    pub trx: TrxId,
    /// The application's.
    pub gtrid: Gtrid,
    /// What makes its branches' names its own; none on records of the original.
    pub tag: Option<Tag>,
    /// What was decided.
    pub decision: Option<Decision>,
    /// Whether its owner is through with it.
    pub finished: Finished,
    /// How far it came as a whole, if its owner has said so.
    pub state: BranchState,
    /// Its branches, in the order of joining.
    pub branches: Vec<RecordedBranch>,
}

/// A branch as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBranch {
    /// Which one.
    pub branch: BranchIx,
    /// Its name, byte by byte.
    pub xid: Xid,
    /// Where it is.
    pub place: Place,
    /// How far it came, by its owner's last word; [`BranchState::Active`] until there is one.
    pub state: BranchState,
    /// What recovery has made of it.
    pub settled: Option<Settlement>,
}

/// What became of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Its server has committed it.
    Committed,
    /// Its server has rolled it back, or it never was prepared and cannot become so.
    RolledBack,
    /// Its server does not know it any more, and that is no proof. One that was to be committed was so by its owner most likely; but
    /// an operator could have rolled it back. The only one of its transaction may have been committed in one phase. Reported, never
    /// called success.
    Presumed,
}

/// An attempt to recover something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Go on; this is attempt number so and so.
    Go(u16),
    /// There were as many before as are allowed.
    TooMany {
        /// How many there were, this one included.
        attempts: u16,
    },
}

/// The store did not do it.
#[derive(Debug)]
pub enum StoreError {
    /// It said so: nothing was written.
    Refused(Box<dyn error::Error + Send + Sync>),
    /// It did not answer: it may have been written.
    Lost(Box<dyn error::Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(_) => "the XA state store refused",
            Self::Lost(_) => "the XA state store did not answer",
        })
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let (Self::Refused(source) | Self::Lost(source)) = self;
        Some(source.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_show() {
        let place = Place { password: Some("secret".to_owned()), user: Some("app".to_owned()), ..Place::default() };
        let shown = format!("{place:?}");
        assert!(shown.contains("app") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_record_tells_what_became_of_its_transaction() {
        #[track_caller]
        fn check(branches: usize, decision: Option<Decision>, finished: Finished, state: BranchState, is: Verdict) {
            assert_eq!(Known { trx: TrxId(1), state, decision, finished, branches }.verdict(), is);
        }
        use BranchState::{Committed, Idle, NonExisting, RolledBack};
        let (commit, abort) = (Some(Decision::Commit), Some(Decision::Abort));
        check(2, None, Finished::No, NonExisting, Verdict::Open);
        check(2, commit, Finished::No, NonExisting, Verdict::Committed);
        check(2, commit, Finished::Failure, BranchState::Prepared, Verdict::Committed);
        check(2, abort, Finished::No, NonExisting, Verdict::RolledBack);
        check(2, None, Finished::Failure, Idle, Verdict::RolledBack);
        check(2, None, Finished::Success, RolledBack, Verdict::RolledBack);
        // In one phase.
        check(1, None, Finished::Success, Committed, Verdict::Committed);
        check(1, None, Finished::Failure, RolledBack, Verdict::RolledBack);
        check(1, None, Finished::Failure, Idle, Verdict::Unknown);
        check(1, abort, Finished::No, NonExisting, Verdict::Unknown);
        check(0, abort, Finished::No, NonExisting, Verdict::RolledBack);
    }
}
