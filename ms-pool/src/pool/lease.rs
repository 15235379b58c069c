//! The right to use a connection.
//!
//! A lease decides, when it is dropped, what becomes of its connection: back to the shelf, closed with a good-bye,
//! read to the end first, or cut off with a word to the server. The caller only has to drop it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use ms_hints::Transaction;
use sqlx_core::connection::Connection;
use sqlx_core::describe::Describe;
use sqlx_core::executor::Executor;
use sqlx_core::row::Row;
use sqlx_core::sql_str::{AssertSqlSafe, SqlStr};
use sqlx_core::transaction::TransactionManager;
use sqlx_mysql::{
    MySql, MySqlArguments, MySqlConnection, MySqlRow, MySqlStatement, MySqlTransactionManager, MySqlTypeInfo,
};
use tokio::time::{Instant, timeout};

use super::apart::Apart;
use super::guarded::{Asked, Deadline, Guarded};
use super::holders::HeldBy;
use super::kill::Order;
use super::link::Link;
use super::phase::{Phase, Wire};
use super::server_pool::{ServerPool, Slot};
use super::settle;
use super::stmt::{Stmt, WithArguments};
use crate::error::Error;
use crate::injection::Owed;
use crate::probe::Identity;
use crate::transaction::End;

/// A connection, exclusively, until dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    /// `None` only while being dropped.
    held: Option<Held>,
    wire: Wire,
    /// Why the connection may not be used by anybody else.
    dirty: Option<&'static str>,
    /// How many marks that mark stands for.
    marks: u8,
    /// How it differs from its pool's others, to whom it is of no use as long as it does.
    apart: Apart,
    /// Somebody else had the connection in hand: what was sent is not known.
    exposed: bool,
    /// A transaction may be open on it.
    transaction: bool,
    /// It was begun as one that does not write.
    read_only: bool,
    /// What was written on it has no number yet.
    owes: Option<Box<Owed>>,
}

#[derive(Debug)]
struct Held {
    link: Link,
    slot: Slot,
    /// Arguments on their way from the caller to the driver.
    args: Option<MySqlArguments>,
}

impl Lease {
    /// Of a connection just made.
    pub(super) fn new(link: Link, slot: Slot) -> Self {
        Self::with(link, slot, Wire { phase: Phase::Ready, told: false, untried: false })
    }

    /// Of a connection from the shelf.
    #[inline]
    pub(super) fn reused(link: Link, slot: Slot) -> Self {
        Self::with(link, slot, Wire { phase: Phase::Ready, told: false, untried: true })
    }

    #[inline]
    fn with(link: Link, slot: Slot, wire: Wire) -> Self {
        let held = Some(Held { link, slot, args: None });
        let (apart, transaction) = (Apart::default(), false);
        Self { held, wire, dirty: None, marks: 0, apart, exposed: false, transaction, read_only: false, owes: None }
    }

    fn held(&self) -> &Held {
        self.held.as_ref().expect("only a drop takes it")
    }

    #[inline]
    fn link_and_wire(&mut self) -> (&mut Held, &mut Wire) {
        (self.held.as_mut().expect("only a drop takes it"), &mut self.wire)
    }

    pub(crate) fn pool(&self) -> &Arc<ServerPool> {
        &self.held().slot.0
    }

    pub(crate) fn server(&self) -> &Arc<str> {
        self.pool().server()
    }

    pub(crate) fn identity(&self) -> &Arc<Identity> {
        &self.held().link.identity
    }

    /// Says what the connection is held for, if not for one statement.
    pub(crate) fn hold_by(&self, by: HeldBy) {
        self.held().link.held.by(by);
    }

    pub(crate) fn phase(&self) -> Phase {
        self.wire.phase
    }

    /// Whether a statement can be sent: nothing pending, nothing broken. See [`settle`](Self::settle).
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.wire.phase == Phase::Ready
    }

    /// Notes that a transaction may have been written.
    pub(crate) fn note_write(&mut self) {
        let writes = &mut self.link_and_wire().0.link.writes;
        *writes = writes.wrapping_add(1);
    }

    /// Transactions that may have been written on the connection, by whomever; goes round at the end.
    pub(crate) fn writes(&self) -> u32 {
        self.held().link.writes
    }

    /// Whether the server behind the pool's address has changed since the connection was made, or its role: good for ending
    /// what was begun, and no more.
    #[inline]
    pub(crate) fn is_outdated(&self) -> bool {
        let Held { link, slot, .. } = self.held();
        link.generation != slot.0.generation()
    }

    /// Whether a refusal to write in a read-only transaction may be the client's own doing.
    fn read_only_asked(&self) -> bool {
        self.read_only || self.dirty.is_some()
    }

    /// Whether the connection came from the idle stack and has not said anything since: if the first statement breaks
    /// now, the connection may have been dead before.
    pub(crate) fn is_untried(&self) -> bool {
        self.wire.untried
    }

    /// Marks the connection as not fit for others; it will be closed. The first cause stays.
    pub(crate) fn taint(&mut self, cause: &'static str) {
        self.dirty.get_or_insert(cause);
        self.marks = self.marks.saturating_add(1);
    }

    /// Takes the mark away: whatever it was for was undone.
    pub(crate) fn untaint(&mut self) {
        self.dirty = None;
        self.marks = 0;
    }

    /// How often it was [tainted](Self::taint).
    pub(crate) fn marks(&self) -> u8 {
        self.marks
    }

    pub(crate) fn dirty(&self) -> Option<&'static str> {
        self.dirty
    }

    pub(crate) fn apart(&self) -> Apart {
        self.apart
    }

    /// Says how the connection differs from its pool's others.
    pub(crate) fn set_apart(&mut self, apart: Apart) {
        self.apart = apart;
    }

    pub(crate) fn is_exposed(&self) -> bool {
        self.exposed
    }

    /// A statement is about to be sent that `on_commit` has to follow. If its caller goes away before that, whoever reads the rest
    /// of its answer does it.
    pub(crate) fn owe(&mut self, owed: Owed) {
        self.owes = Some(Box::new(owed));
    }

    /// Nothing is owed any more.
    pub(crate) fn forgive(&mut self) -> Option<Owed> {
        self.owes.take().map(|it| *it)
    }

    /// What is owed, if anything is.
    pub(crate) fn owes(&mut self) -> Option<&mut Owed> {
        self.owes.as_deref_mut()
    }

    /// Does what is owed, if the connection can.
    pub(super) async fn pay(&mut self) {
        if self.is_ready()
            && let Some(owed) = self.owes.take()
        {
            owed.pay(self).await;
        }
    }

    /// Hands the bare connection out. From here on nobody knows what is sent, so it is dirty; and until
    /// [`end_transaction`](Self::end_transaction) was answered it cannot be counted on at all.
    pub(crate) fn expose(&mut self) -> &mut MySqlConnection {
        self.exposed = true;
        self.taint("exposed");
        &mut self.link_and_wire().0.link.conn
    }

    /// As [`expose`](Self::expose), for a connection that is to be used again: before that it has to show that it is in step.
    pub(crate) fn lend(&mut self) -> &mut MySqlConnection {
        self.wire.phase = Phase::Lent;
        self.expose()
    }

    /// The bare connection, to look at.
    pub(crate) fn bare(&self) -> &MySqlConnection {
        &self.held().link.conn
    }

    /// Sends a statement under the pool's statement timeout.
    #[inline]
    pub(crate) fn fetch_many(&mut self, stmt: Stmt) -> Guarded<'_> {
        let limit = self.pool().limits().statement_timeout;
        self.fetch_many_within(stmt, limit)
    }

    /// Sends a statement; `None` gives it all the time it likes.
    ///
    /// On a connection that is not [ready](Self::is_ready) for it the stream is one error. (Rows left over by the
    /// statement before are read first; its error, if it has one, would be reported here: settle before.)
    #[inline]
    pub(crate) fn fetch_many_within(&mut self, stmt: Stmt, limit: Option<Duration>) -> Guarded<'_> {
        let read_only_asked = self.read_only_asked();
        let (held, wire) = self.link_and_wire();
        if matches!(wire.phase, Phase::Asking | Phase::Broken) {
            return Guarded::refused(wire, Error::Abandoned { server: Arc::clone(held.slot.0.server()) });
        }
        let deadline = limit.map(|limit| Box::new(Deadline::new(limit, Arc::clone(held.slot.0.server()))));
        let Held { link, slot, args } = held;
        let asked =
            Asked { pool: &slot.0, identity: &link.identity, generation: link.generation, read_only: read_only_asked };
        // Not given as a whole: with room for arguments beside the text the driver's future is larger than the allocator's
        // quick sizes, which costs some hundred instructions.
        let Stmt { sql, args: given, persistent } = stmt;
        let answer = match (given.is_some(), persistent) {
            (false, _) => link.conn.fetch_many(sql),
            (true, true) => {
                *args = given;
                link.conn.fetch_many(WithArguments::<true> { sql, args })
            }
            (true, false) => {
                *args = given;
                link.conn.fetch_many(WithArguments::<false> { sql, args })
            }
        };
        Guarded::new(wire, answer, deadline).stopped_by(asked)
    }

    /// SQL of our own, by the text protocol, in time; the rows of all results.
    ///
    /// # Errors
    ///
    /// The server's, the connection's, or [`Error::StatementTimeout`]; the last two leave the connection unusable.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    pub(crate) async fn run_text(&mut self, sql: &str, limit: Duration) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let stmt = Stmt::text(AssertSqlSafe(sql));
        let mut answer = self.fetch_many_within(stmt, Some(limit));
        let mut rows = Vec::new();
        while let Some(item) = answer.try_next().await? {
            rows.extend(item.right());
        }
        Ok(rows)
    }

    /// Reads what is left of an answer that was given up between two rows; a connection in any other phase is left
    /// alone. Whether it is ready afterwards, [`is_ready`](Self::is_ready) tells.
    ///
    /// One that was lent is asked for a number that nobody could have guessed: an answer left over from what its borrower
    /// did is another one.
    ///
    /// What is [owed](Self::owe) is done behind it, in its own time.
    pub(crate) async fn settle(&mut self, limit: Duration) {
        match self.wire.phase {
            Phase::Unread => {
                self.drain(limit).await;
                if self.owes.is_some() {
                    Box::pin(self.pay()).await;
                }
            }
            Phase::Lent => self.fall_into_step(limit).await,
            _ => {}
        }
    }

    async fn fall_into_step(&mut self, limit: Duration) {
        let number = fastrand::u64(..);
        // The first poll, which follows at once, sets a stricter mark.
        self.wire.phase = Phase::Unread;
        let rows = self.run_text(&format!("SELECT {number}"), limit).await;
        let says = |row: &MySqlRow| row.try_get_unchecked::<u64, _>(0).is_ok_and(|it| it == number);
        if self.is_ready() && !rows.is_ok_and(|rows| matches!(&rows[..], [row] if says(row))) {
            self.wire.phase = Phase::Broken;
        }
    }

    /// Reads on whatever the phase: for [`settle::in_background`], which has already set the mark.
    pub(super) async fn drain(&mut self, limit: Duration) {
        let (held, wire) = self.link_and_wire();
        wire.ask();
        let drained = timeout(limit, async {
            // An error of the abandoned statement ends its own answer only; nobody wants to know it.
            while let Err(error) = held.link.conn.flush().await {
                if !matches!(error, sqlx::Error::Database(_)) {
                    return Err(error);
                }
            }
            Ok(())
        });
        match drained.await {
            Ok(Ok(())) => wire.heard_all(),
            Ok(Err(error)) => wire.heard_error(&error),
            Err(_) => {}
        }
    }

    /// Prepares a statement on this connection.
    pub(crate) async fn prepare_with(
        &mut self,
        sql: SqlStr,
        parameters: &[MySqlTypeInfo],
        limit: Option<Duration>,
    ) -> Result<MySqlStatement, sqlx::Error> {
        let limit = limit.unwrap_or(Duration::MAX);
        let answer = within(limit, self.ask()?.prepare_with(sql, parameters)).await;
        self.heard(answer, limit)
    }

    /// Asks the server whether it is there.
    pub(crate) async fn ping(&mut self, limit: Duration) -> Result<(), sqlx::Error> {
        let answer = within(limit, self.ask()?.ping()).await;
        self.heard(answer, limit)
    }

    /// Closes the prepared statements that sqlx keeps; they will be prepared anew.
    pub(crate) async fn forget_statements(&mut self, limit: Duration) -> Result<(), sqlx::Error> {
        if self.bare().cached_statements_size() == 0 {
            return Ok(());
        }
        let answer = within(limit, self.ask()?.clear_cached_statements()).await;
        self.heard(answer, limit)
    }

    /// What sqlx's macros ask at build time.
    pub(crate) async fn describe(
        &mut self,
        sql: SqlStr,
        limit: Option<Duration>,
    ) -> Result<Describe<MySql>, sqlx::Error> {
        let limit = limit.unwrap_or(Duration::MAX);
        let answer = within(limit, self.ask()?.describe(sql)).await;
        self.heard(answer, limit)
    }

    /// Whether a transaction may be open on it.
    pub(crate) fn has_transaction(&self) -> bool {
        self.transaction
    }

    /// Says whether a transaction may be open on it. A connection that has one when it is let go is rolled back; so is one on
    /// which sqlx still counts a transaction that text has ended.
    pub(crate) fn set_transaction(&mut self, open: bool) {
        self.transaction = open || self.transaction_depth() > 0;
        self.read_only &= self.transaction;
    }

    /// Notes whether a text that is about to be sent asks for a transaction that does not write.
    pub(crate) fn set_read_only(&mut self, change: Transaction) {
        if let Transaction::Begin { read_only } = change {
            self.read_only = read_only == Some(true);
        }
    }

    /// Whether its transaction was begun as one that does not write.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Begins a transaction that sqlx knows of, so that a nested `begin()` of the application becomes a savepoint.
    pub(crate) async fn start_transaction(&mut self, sql: SqlStr, limit: Duration) -> Result<(), sqlx::Error> {
        self.transaction = true;
        self.read_only = sql.as_str().to_ascii_uppercase().contains("READ ONLY");
        if self.transaction_depth() > 0 {
            // Text has ended the one that sqlx goes on counting.
            self.run_text(sql.as_str(), limit).await?;
            return Ok(());
        }
        let answer = within(limit, MySqlTransactionManager::begin(self.ask()?, Some(sql))).await;
        let begun = self.heard(answer, limit);
        // Something may have begun before it failed, unless the server answered with an error.
        self.transaction = begun.is_ok() || !self.is_ready();
        begun
    }

    /// Ends the transaction, whoever has begun it.
    ///
    /// # Errors
    ///
    /// After a timeout or a broken connection nobody knows whether the server did it.
    pub(crate) async fn end_transaction(&mut self, how: End, limit: Duration) -> Result<(), sqlx::Error> {
        if self.transaction_depth() == 0 {
            let sql = match how {
                End::Commit => "COMMIT",
                End::Rollback => "ROLLBACK",
            };
            self.run_text(sql, limit).await?;
        } else {
            let conn = self.ask()?;
            let answer = match how {
                End::Commit => within(limit, MySqlTransactionManager::commit(conn)).await,
                End::Rollback => within(limit, MySqlTransactionManager::rollback(conn)).await,
            };
            self.heard(answer, limit)?;
        }
        self.exposed = false;
        self.transaction = self.transaction_depth() > 0;
        self.read_only &= self.transaction;
        Ok(())
    }

    /// Transactions and savepoints open by sqlx's count; a `BEGIN` sent as text is not in it.
    pub(crate) fn transaction_depth(&self) -> usize {
        MySqlTransactionManager::get_transaction_depth(&self.held().link.conn)
    }

    /// The connection for one exchange that is not a stream; [`heard`](Self::heard) must follow.
    fn ask(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        let (held, wire) = self.link_and_wire();
        if matches!(wire.phase, Phase::Asking | Phase::Broken) {
            return Err(Error::Abandoned { server: Arc::clone(held.slot.0.server()) }.into());
        }
        wire.ask();
        Ok(&mut held.link.conn)
    }

    /// The end of an exchange: `None` is a timeout, and the mark stays.
    fn heard<T>(&mut self, answer: Option<Result<T, sqlx::Error>>, limit: Duration) -> Result<T, sqlx::Error> {
        match &answer {
            Some(Ok(_)) => self.wire.heard_all(),
            Some(Err(error)) => {
                self.wire.heard_error(error);
                let Held { link, slot, .. } = self.held();
                slot.0.heard_error(error, self.read_only_asked(), link.generation);
            }
            None => {}
        }
        let server = self.server();
        answer.unwrap_or_else(|| Err(Error::StatementTimeout { server: Arc::clone(server), limit }.into()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(Held { link, slot, .. }) = self.held.take() else {
            return;
        };
        match self.wire.phase {
            Phase::Ready if self.dirty.is_some() || !self.apart.is_none() || self.exposed => link.close(),
            Phase::Lent => link.close(),
            Phase::Ready if self.transaction => {
                let mut open = Lease::new(link, slot);
                open.transaction = true;
                settle::roll_back_in_background(open);
            }
            Phase::Ready => slot.0.put_back(link),
            // These are closed anyway, and a good-bye in the middle of rows is understood.
            Phase::Unread
                if self.owes.is_none() && (self.dirty.is_some() || !self.apart.is_none() || self.transaction) =>
            {
                link.close();
            }
            Phase::Unread => {
                // The lease lives on in a task; its mark says "asking", so that a runtime that ends before the task
                // has begun closes the connection.
                let wire = Wire { phase: Phase::Asking, told: false, untried: false };
                let mut unread = Lease::with(link, slot, wire);
                (unread.dirty, unread.apart, unread.transaction) = (self.dirty, self.apart, self.transaction);
                unread.owes = self.owes.take();
                settle::in_background(unread);
            }
            Phase::Asking => {
                if self.wire.told {
                    return;
                }
                let pool = Arc::clone(&slot.0);
                let order = Order::new(&link.identity, Instant::now());
                // The socket first: what the server has sent so far is of no use to anybody.
                drop(link);
                drop(slot);
                pool.abandon(order);
            }
            Phase::Broken => {
                drop(link);
                slot.0.suspect();
            }
        }
    }
}

/// `None` when it took too long.
async fn within<T>(
    limit: Duration,
    exchange: impl Future<Output = Result<T, sqlx::Error>>,
) -> Option<Result<T, sqlx::Error>> {
    timeout(limit, exchange).await.ok()
}
