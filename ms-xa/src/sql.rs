//! The statements, and what servers say to them.
//!
//! All of them go by the text protocol: MySQL answers 1295 when they are prepared. `XA END` goes together with what follows it in
//! one text, which costs one round trip; the answer's parts tell which of the two was refused.

use crate::Xid;

/// Lists the prepared branches of a server. Column 4 is declared as text and holds raw bytes: read it as such, and each row with
/// [`Xid::parse_recovered`].
pub const RECOVER: &str = "XA RECOVER";

/// Opens a branch.
#[must_use]
pub fn start(xid: &Xid) -> String {
    format!("XA START {xid}")
}

/// Ends the work in a branch.
#[must_use]
pub fn end(xid: &Xid) -> String {
    format!("XA END {xid}")
}

/// Makes a branch outlive its connection and its server.
#[must_use]
pub fn prepare(xid: &Xid) -> String {
    format!("XA PREPARE {xid}")
}

/// Commits a prepared branch.
#[must_use]
pub fn commit(xid: &Xid) -> String {
    format!("XA COMMIT {xid}")
}

/// Commits a branch that is not prepared.
#[must_use]
pub fn commit_one_phase(xid: &Xid) -> String {
    format!("XA COMMIT {xid} ONE PHASE")
}

/// Rolls a branch back.
#[must_use]
pub fn rollback(xid: &Xid) -> String {
    format!("XA ROLLBACK {xid}")
}

/// [`end`] and [`prepare`] in one text.
#[must_use]
pub fn end_and_prepare(xid: &Xid) -> String {
    format!("XA END {xid}; XA PREPARE {xid}")
}

/// [`end`] and [`commit_one_phase`] in one text.
#[must_use]
pub fn end_and_commit_one_phase(xid: &Xid) -> String {
    format!("XA END {xid}; XA COMMIT {xid} ONE PHASE")
}

/// [`end`] and [`rollback`] in one text, for a branch that is known to be active: a server stops at the first error, and after a
/// deadlock `XA END` is one. Then [`rollback`] has to be sent by itself.
#[must_use]
pub fn end_and_rollback(xid: &Xid) -> String {
    format!("XA END {xid}; XA ROLLBACK {xid}")
}

/// What the number of an error says about a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Complaint {
    /// 1235: this server does no XA; Galera.
    NotSupported,
    /// 1397: no such branch, or on MariaDB one that another session still holds. Never a proof that it was committed.
    UnknownXid,
    /// 1398: `JOIN`, `RESUME` or a malformed name.
    Invalid,
    /// 1399: not in the state that the branch is in; on MariaDB also `XA END` after a deadlock.
    WrongState,
    /// 1400: work outside of the branch is not finished.
    WorkOutside,
    /// 1401: the engine failed; in answer to [`RECOVER`] on MySQL the account lacks `XA_RECOVER_ADMIN`.
    Engine,
    /// 1402: the branch was rolled back by the server.
    RolledBack,
    /// 1440: a branch of this name exists.
    Duplicate,
    /// 1613: rolled back, because it took too long.
    TimedOut,
    /// 1614: rolled back after a deadlock.
    Deadlock,
}

impl Complaint {
    /// What this number says; `None` when it is not about branches.
    ///
    /// ```
    /// use ms_xa::sql::Complaint;
    ///
    /// assert_eq!(Complaint::of(1397), Some(Complaint::UnknownXid));
    /// assert_eq!(Complaint::of(1062), None);
    /// ```
    #[must_use]
    pub fn of(code: u16) -> Option<Self> {
        Some(match code {
            1235 => Self::NotSupported,
            1397 => Self::UnknownXid,
            1398 => Self::Invalid,
            1399 => Self::WrongState,
            1400 => Self::WorkOutside,
            1401 => Self::Engine,
            1402 => Self::RolledBack,
            1440 => Self::Duplicate,
            1613 => Self::TimedOut,
            1614 => Self::Deadlock,
            _ => return None,
        })
    }
}

/// Whether an error leaves open if the statement was executed: the connection broke, or somebody stopped the statement or its
/// session while it ran.
///
/// Such an answer is [`Answer::Lost`](crate::Answer::Lost), any other [`Answer::Refused`](crate::Answer::Refused).
#[must_use]
pub fn may_have_run(code: u16) -> bool {
    match code {
        // The client's: gone, lost, lost with more words.
        2006 | 2013 | 2055 => true,
        // Packets that did not come or go.
        1152 | 1155..=1161 | 1184 => true,
        // Killed, shut down, out of time: by the session's end or in the middle of the statement.
        1053 | 1077 | 1079 | 1317 | 1927 | 1969 | 3024 | 3169 | 4031 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_name_the_branch_in_full() {
        let xid = Xid::new(b"g", b"b", 3).unwrap();
        #[track_caller]
        fn check(sql: &str, is: &str) {
            assert_eq!(sql.replace("X'67',X'62',3", "x"), is);
        }
        check(&start(&xid), "XA START x");
        check(&end(&xid), "XA END x");
        check(&prepare(&xid), "XA PREPARE x");
        check(&commit(&xid), "XA COMMIT x");
        check(&commit_one_phase(&xid), "XA COMMIT x ONE PHASE");
        check(&rollback(&xid), "XA ROLLBACK x");
        check(&end_and_prepare(&xid), "XA END x; XA PREPARE x");
        check(&end_and_commit_one_phase(&xid), "XA END x; XA COMMIT x ONE PHASE");
        check(&end_and_rollback(&xid), "XA END x; XA ROLLBACK x");
    }

    #[test]
    fn what_is_said_of_branches_was_said_by_a_server() {
        for code in [1235, 1397, 1398, 1399, 1400, 1401, 1402, 1440, 1613, 1614] {
            assert!(Complaint::of(code).is_some(), "{code}");
            assert!(!may_have_run(code), "{code}");
        }
    }
}
