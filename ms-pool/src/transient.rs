//! Does again what failed with an error that passes by itself: `transient_error` of a section.
//!
//! Which errors pass only the operator knows, so without a list of codes nothing is done again. What is, runs on the same
//! connection, after a pause, at most so many times; and only what the *server* refused, before it had answered
//! anything: after a lost connection nobody knows what was done.
//!
//! In a transaction that is not all. Some errors undo the whole transaction and not only the statement that met them (a
//! deadlock, 1213): the statement would run again, succeed, and everything before it would be lost without a word. A `COMMIT`
//! that is refused has always undone the transaction (seen on both families: 1205 behind `FLUSH TABLES WITH READ LOCK`), and
//! a second one would succeed with nothing to commit. So where a transaction may be open, neither is done again. The
//! original did both.

use std::{sync::Arc, time::Duration};

use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use ms_config::TransientErrors;
use ms_hints::{Effect, Protocol, SqlMode, Transaction};
use sqlx_core::{
    ext::async_stream::{TryAsyncStream, Yielder},
    row::Row,
    sql_str::SqlStr,
};
use sqlx_mysql::{MySqlDatabaseError, MySqlStatement, MySqlTypeInfo};
use tokio::time::sleep;

use crate::{
    Cluster, Counter,
    error::{hangs_up, server_error},
    injection::Counts,
    pool::{Apart, Lease, Stmt},
    run::{Item, Part},
    session::Core,
    wishes::SETTING_LIMIT,
};

/// `ER_LOCK_WAIT_TIMEOUT`: undoes the statement, and the whole transaction where `innodb_rollback_on_timeout` is on.
const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// `ER_CHECKREAD` of a snapshot that was overtaken and `ER_LOCK_TABLE_FULL`: they undo the whole transaction although their
/// state does not say so.
const UNDOING: [u16; 2] = [1020, 1206];

/// What is done again, how often, and after how long.
#[derive(Debug)]
pub(crate) struct Transient {
    codes: Box<[u16]>,
    max_retries: u16,
    pause: Duration,
}

/// How often one operation was done again.
#[derive(Debug, Default)]
pub(crate) struct Tries(u16);

/// What failed.
#[derive(Clone, Copy)]
pub(crate) enum Tried<'a> {
    /// A statement that was just routed: the connection has its mark and those of the statements before it.
    Statement(&'a Stmt),
    /// A statement that stays with its connection, whose marks may be from earlier runs of it.
    Fixed(&'a Stmt),
    /// Something that commits nothing: a setting, a preparation, the beginning of a transaction, a rollback.
    Call,
    /// Something that commits what is open: autocommit switched on, the end of a transaction.
    Commit,
}

impl Transient {
    pub(crate) fn new(configured: &TransientErrors) -> Self {
        Self { codes: configured.codes.as_slice().into(), max_retries: configured.max_retries, pause: configured.pause }
    }

    /// What the server said, if that is listed and there are tries left.
    fn listed<'e>(&self, error: &'e sqlx::Error, tries: &Tries) -> Option<&'e MySqlDatabaseError> {
        let error = server_error(error)?;
        let again = tries.0 < self.max_retries && self.codes.contains(&error.number()) && !hangs_up(error.number());
        again.then_some(error)
    }
}

impl Cluster {
    /// Whether what failed on `lease` with `error` is to be done again there. If so it has been counted, and the pause is
    /// over.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it may cost the connection.
    pub(crate) async fn try_again(
        &self,
        lease: &mut Lease,
        tried: Tried<'_>,
        error: &sqlx::Error,
        tries: &mut Tries,
    ) -> bool {
        let Some(transient) = &self.inner.transient else {
            return false;
        };
        let Some(listed) = transient.listed(error, tries) else {
            return false;
        };
        // Not one that has rows of a former statement on it, or that is lost.
        if !lease.is_ready() {
            return false;
        }
        if self.may_transact(lease, tried) && (self.commits(tried) || undoes_all(lease, listed).await) {
            return false;
        }
        self.pause_before_next(transient, tries).await;
        true
    }

    /// As [`try_again`](Self::try_again) for a connection that was refused and will be made anew: nothing was open on it.
    pub(crate) async fn try_connecting_again(&self, error: &crate::Error, tries: &mut Tries) -> bool {
        let (crate::Error::Connect { source, .. } | crate::Error::Setup { source, .. }) = error else {
            return false;
        };
        match &self.inner.transient {
            Some(transient) if transient.listed(source, tries).is_some() => {
                self.pause_before_next(transient, tries).await;
                true
            }
            _ => false,
        }
    }

    async fn pause_before_next(&self, transient: &Transient, tries: &mut Tries) {
        tries.0 += 1;
        self.count(Counter::TransientErrorRetries, 1);
        sleep(transient.pause).await;
    }

    /// Whether a transaction may have been open before. Texts that began one, and everything that could hide one, have left
    /// their mark. So has a statement that marks by itself, before it was sent: that mark is none of a statement before it.
    fn may_transact(&self, lease: &Lease, tried: Tried<'_>) -> bool {
        let by_init = |sql: &Arc<str>| {
            let effect = self.parse(sql, Protocol::Text, self.inner.sql_mode.get()).effect();
            effect.autocommit == Some(false) || matches!(effect.transaction, Transaction::Begin { .. })
        };
        let own =
            matches!(tried, Tried::Statement(stmt) if !self.effect_of(stmt, self.inner.sql_mode.get()).is_clean());
        lease.has_transaction()
            || lease.transaction_depth() > 0
            || lease.marks() > u8::from(own)
            || lease.is_exposed()
            || lease.apart().has(Apart::AUTOCOMMIT)
            || lease.pool().target().init.iter().any(by_init)
    }

    fn commits(&self, tried: Tried<'_>) -> bool {
        match tried {
            Tried::Call => false,
            Tried::Commit => true,
            Tried::Statement(stmt) | Tried::Fixed(stmt) => {
                let effect = self.effect_of(stmt, self.inner.sql_mode.get());
                let keeps = matches!(
                    effect.transaction,
                    Transaction::None | Transaction::Savepoint | Transaction::Rollback { .. }
                );
                effect.autocommit == Some(true) || !keeps
            }
        }
    }

    /// What a statement would leave behind.
    pub(crate) fn effect_of(&self, stmt: &Stmt, sql_mode: SqlMode) -> Effect {
        let protocol = if stmt.args.is_some() { Protocol::Prepared } else { Protocol::Text };
        self.read(stmt.sql.as_str(), protocol, sql_mode).effect
    }

    /// Sends a statement on a connection that it stays with, and yields its answer.
    pub(crate) fn fetch_on<'c>(
        &'c self,
        core: &'c mut Core,
        lease: &'c mut Lease,
        stmt: Stmt,
        counts: Counts,
    ) -> BoxStream<'c, Item> {
        if self.inner.transient.is_none() && !counts.any() {
            return lease.fetch_many(stmt).boxed();
        }
        Box::pin(TryAsyncStream::new(move |out| async move { self.fetch_again(core, lease, stmt, counts, &out).await }))
    }

    async fn fetch_again(
        &self,
        core: &mut Core,
        lease: &mut Lease,
        stmt: Stmt,
        counts: Counts,
        out: &Yielder<Part>,
    ) -> Result<(), sqlx::Error> {
        let mut tries = Tries::default();
        loop {
            let Err((error, answered)) = self.forward_counted(core, lease, stmt.again(), counts, out).await else {
                return Ok(());
            };
            if answered || !self.try_again(lease, Tried::Fixed(&stmt), &error, &mut tries).await {
                return Err(error);
            }
        }
    }

    /// Prepares a statement on a connection, within the time that statements have.
    pub(crate) async fn prepare_on(
        &self,
        lease: &mut Lease,
        sql: &SqlStr,
        parameters: &[MySqlTypeInfo],
    ) -> Result<MySqlStatement, sqlx::Error> {
        let limit = lease.pool().limits().statement_timeout;
        let mut tries = Tries::default();
        loop {
            match lease.prepare_with(sql.clone(), parameters, limit).await {
                Err(error) if self.try_again(lease, Tried::Call, &error, &mut tries).await => {}
                prepared => return prepared,
            }
        }
    }
}

/// Whether the server has undone the transaction as a whole.
pub(crate) async fn undoes_all(lease: &mut Lease, error: &MySqlDatabaseError) -> bool {
    if error.number() == LOCK_WAIT_TIMEOUT {
        // A question more or less does not matter to who has just waited for a lock in vain.
        let asked = lease.run_text("SELECT @@innodb_rollback_on_timeout", SETTING_LIMIT).await;
        let on = asked.ok().and_then(|rows| rows.first()?.try_get_unchecked::<String, _>(0).ok());
        return on.as_deref() != Some("0");
    }
    // Class 40 is "transaction rollback", XA1 its like for global ones.
    let state = error.code().unwrap_or_default();
    UNDOING.contains(&error.number()) || state.starts_with("40") || state.starts_with("XA1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_the_server_is_not_listened_to() {
        let transient = Transient { codes: [2000, 2013].into(), max_retries: 3, pause: Duration::ZERO };
        let lost = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        let ours = sqlx::Error::from(crate::Error::Closed);
        assert_eq!((crate::code(&lost), crate::code(&ours)), (2013, 2000));
        assert!(transient.listed(&lost, &Tries::default()).is_none());
        assert!(transient.listed(&ours, &Tries::default()).is_none());
    }

    #[test]
    fn what_commits_is_known_by_its_text() {
        for sql in ["COMMIT", "BEGIN", "SET autocommit = 1", "CREATE TABLE a (b INT)", "commit and chain"] {
            check(sql, true);
        }
        for sql in ["ROLLBACK", "SAVEPOINT a", "INSERT INTO a VALUES (1)", "SELECT 1", "SET autocommit = 0"] {
            check(sql, false);
        }
    }

    #[track_caller]
    fn check(sql: &str, commits: bool) {
        let db = Cluster::builder().primary("mysql://app@10.0.0.1/shop").build().unwrap();
        let stmt = Stmt::text(sqlx::AssertSqlSafe(sql));
        assert_eq!(db.commits(Tried::Statement(&stmt)), commits, "{sql}");
    }
}
