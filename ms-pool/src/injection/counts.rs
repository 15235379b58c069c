//! When a statement on a primary is counted.
//!
//! A write and its number have to be visible together or in this order: a replica that has the number must have the write. In
//! a transaction `on_commit` is part of it, right before its end. Outside of one it follows the statement that has
//! succeeded; so a statement that fails takes no number. Both hold for `classic`, where the original ran it ahead of
//! statements as well.
//!
//! What counts is a matter of the rules. `classic` counts whatever runs on a primary: it cannot tell. `strict` leaves out what
//! provably reads, and it sees transactions in texts.

use ms_hints::{Access, Effect, State, Transaction};

use crate::{class::Question, transaction::Trx};

/// What is committed with it; there is a pair of counters for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// One statement.
    Autocommit,
    /// A transaction that is told to.
    Commit,
    /// A transaction, by something else.
    ImplicitCommit,
}

/// Whether a statement is followed by `on_commit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behind {
    #[default]
    Nothing,
    /// By its success.
    Success,
    /// By anything: it may have committed a part of what it does and then failed.
    Anything,
}

/// What goes with one statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) ahead: Option<Event>,
    pub(crate) behind: Behind,
}

impl Counts {
    pub(crate) const NOTHING: Self = Self { ahead: None, behind: Behind::Nothing };
    /// A write that nobody took for one before it ran.
    pub(crate) const WRITE: Self = Self { ahead: None, behind: Behind::Success };

    /// Of a statement on a primary; `trx` is as the statement finds it.
    pub(crate) fn of(question: &Question<'_>, strict: bool, trx: &Trx) -> Self {
        let Effect { transaction, autocommit, state, .. } = question.effect;
        if state.contains(State::XA) {
            // Within a branch it would be part of it, and between its end and its commit nothing else may run.
            return if commits_branch(question) { Self::WRITE } else { Self::NOTHING };
        }
        if !strict {
            return match transaction {
                _ if trx.is_open() => Self::NOTHING,
                // What the text opens or ends `classic` does not see. Ahead of it is never outside of what it commits.
                Transaction::None | Transaction::ImplicitCommit if autocommit.is_none() => {
                    Self::behind(question.effect)
                }
                _ => Self { ahead: Some(Event::Autocommit), behind: Behind::Nothing },
            };
        }
        let commits = question.control.is_some_and(|it| it.commits()) && trx.wrote;
        let event = match transaction {
            Transaction::Commit { .. } => Event::Commit,
            _ => Event::ImplicitCommit,
        };
        let stays_open = question.control.map_or(trx.is_open(), |it| it.leaves_open());
        Self {
            ahead: commits.then_some(event),
            behind: if writes(question) && !stays_open {
                Self::behind(question.effect).behind
            } else {
                Behind::Nothing
            },
        }
    }

    fn behind(effect: Effect) -> Self {
        let in_parts = effect.state.contains(State::UNKNOWN) || effect.transaction == Transaction::ImplicitCommit;
        Self { ahead: None, behind: if in_parts { Behind::Anything } else { Behind::Success } }
    }

    #[inline]
    pub(crate) fn any(self) -> bool {
        self != Self::NOTHING
    }
}

/// Whether a statement may change data, as opposed to doing something to the transaction only.
pub(crate) fn writes(question: &Question<'_>) -> bool {
    let Effect { transaction, autocommit, state, .. } = question.effect;
    let plain = matches!(transaction, Transaction::None | Transaction::ImplicitCommit) && autocommit.is_none();
    // Of several statements the last word on the transaction is known, and not what the others do.
    question.statement.access == Access::Write && (plain || state.contains(State::UNKNOWN))
}

fn commits_branch(question: &Question<'_>) -> bool {
    let text = question.statement.sql.get(question.statement.body..).unwrap_or_default();
    let mut words = text.split(u8::is_ascii_whitespace).filter(|it| !it.is_empty());
    words.nth(1).is_some_and(|it| it.eq_ignore_ascii_case(b"COMMIT"))
}

#[cfg(test)]
mod tests {
    use ms_filters::ServerIx;
    use ms_hints::{Protocol, SqlMode};

    use super::*;
    use crate::{
        Cluster, Compat, Settings,
        transaction::{Progress, control_of},
    };

    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Autocommit,
        /// A transaction that has only read so far.
        Reading,
        Writing,
    }

    #[test]
    fn outside_of_transactions_what_succeeded_is_counted() {
        for sql in ["INSERT INTO t VALUES (1)", "SET @a = 1", "SELECT 1 FOR UPDATE", "/*ms=master*/DELETE FROM t"] {
            check(Compat::Strict, In::Autocommit, sql, None, Behind::Success);
            check(Compat::Classic, In::Autocommit, sql, None, Behind::Success);
        }
        check(Compat::Strict, In::Autocommit, "/*ms=master*/SELECT 1", None, Behind::Nothing);
        check(Compat::Classic, In::Autocommit, "/*ms=master*/SELECT 1", None, Behind::Success);
    }

    #[test]
    fn what_may_have_been_done_in_part_is_counted_also_when_it_failed() {
        for sql in ["CALL p()", "CREATE TABLE t (a INT)", "DROP TABLE a, b"] {
            check(Compat::Strict, In::Autocommit, sql, None, Behind::Anything);
            check(Compat::Classic, In::Autocommit, sql, None, Behind::Anything);
        }
    }

    #[test]
    fn in_a_transaction_its_end_is_counted() {
        for sql in ["INSERT INTO t VALUES (1)", "SELECT 1", "CALL p()"] {
            for within in [In::Reading, In::Writing] {
                check(Compat::Strict, within, sql, None, Behind::Nothing);
                check(Compat::Classic, within, sql, None, Behind::Nothing);
            }
        }
        check(Compat::Strict, In::Writing, "COMMIT", Some(Event::Commit), Behind::Nothing);
        check(Compat::Strict, In::Writing, "COMMIT AND CHAIN", Some(Event::Commit), Behind::Nothing);
        check(Compat::Strict, In::Writing, "BEGIN", Some(Event::ImplicitCommit), Behind::Nothing);
        check(Compat::Strict, In::Writing, "SET autocommit = 1", Some(Event::ImplicitCommit), Behind::Nothing);
        check(Compat::Strict, In::Writing, "ROLLBACK", None, Behind::Nothing);
        check(Compat::Strict, In::Writing, "SAVEPOINT a", None, Behind::Nothing);
        for sql in ["COMMIT", "BEGIN", "SET autocommit = 1", "ROLLBACK"] {
            check(Compat::Strict, In::Reading, sql, None, Behind::Nothing);
            check(Compat::Strict, In::Autocommit, sql, None, Behind::Nothing);
        }
    }

    #[test]
    fn a_definition_commits_what_is_open_and_then_itself() {
        let sql = "CREATE TABLE t (a INT)";
        check(Compat::Strict, In::Writing, sql, Some(Event::ImplicitCommit), Behind::Anything);
        check(Compat::Strict, In::Reading, sql, None, Behind::Anything);
    }

    #[test]
    fn several_statements_at_once_are_counted_by_what_is_open_behind_them() {
        let whole = "BEGIN; INSERT INTO t VALUES (1); COMMIT";
        check(Compat::Strict, In::Autocommit, whole, None, Behind::Anything);
        check(Compat::Strict, In::Writing, whole, Some(Event::Commit), Behind::Anything);
        check(Compat::Strict, In::Autocommit, "BEGIN; INSERT INTO t VALUES (1)", None, Behind::Nothing);
        check(Compat::Strict, In::Autocommit, "INSERT INTO t VALUES (1); DELETE FROM t", None, Behind::Success);
    }

    #[test]
    fn classic_sees_no_transaction_in_texts_and_stays_within_it_all_the_same() {
        for sql in ["BEGIN", "START TRANSACTION READ ONLY", "COMMIT", "ROLLBACK", "SET autocommit = 0", "SAVEPOINT a"] {
            check(Compat::Classic, In::Autocommit, sql, Some(Event::Autocommit), Behind::Nothing);
            check(Compat::Classic, In::Writing, sql, None, Behind::Nothing);
        }
    }

    #[test]
    fn a_branch_is_counted_when_it_is_committed() {
        for compat in [Compat::Strict, Compat::Classic] {
            for sql in ["XA START 'a'", "XA END 'a'", "XA PREPARE 'a'", "XA ROLLBACK 'a'"] {
                check(compat, In::Autocommit, sql, None, Behind::Nothing);
            }
            check(compat, In::Autocommit, "/*ms=master*/ xa\n commit 'a'", None, Behind::Success);
        }
    }

    #[track_caller]
    fn check(compat: Compat, within: In, sql: &str, ahead: Option<Event>, behind: Behind) {
        let settings = Settings { compat: Some(compat), ..Settings::default() };
        let db = Cluster::builder().primary("mysql://app@10.0.0.1/shop").settings(settings).build().unwrap();
        let mut session = db.session();
        let trx = &mut session.core.trx;
        if within != In::Autocommit {
            trx.progress = Progress::Bound(ServerIx::new(0));
            trx.wrote = within == In::Writing;
        }
        let mut question = db.read(sql, Protocol::Text, SqlMode::default());
        question.control = control_of(&db, &session.core, question.effect);
        let counts = Counts::of(&question, compat == Compat::Strict, &session.core.trx);
        assert_eq!(counts, Counts { ahead, behind }, "{compat:?}: {sql}");
    }
}
