//! A transaction on the primary.
//!
//! It begins and ends through the driver's own transaction manager, so that a `begin()` of a function that was given
//! `&mut *tx` becomes a savepoint; a plain text `BEGIN` there would silently commit.
//!
//! Statements through `&mut tx` are watched, and the connection goes back to its pool after the end. `&mut *tx` is the bare
//! connection, for functions that want a `MySqlConnection`: nobody sees what is sent on it, so it is closed after the end.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{StreamExt, stream};
use ms_hints::{Protocol, Statement};
use sqlx_core::{
    describe::Describe,
    executor::{Execute, Executor},
    sql_str::{SqlSafeStr, SqlStr},
};
use sqlx_mysql::{MySql, MySqlConnection, MySqlRow, MySqlStatement, MySqlTypeInfo};
use tokio::runtime::Handle;

use crate::{
    Cluster, Counter, Error,
    executor::lease_primary,
    pool::{HeldBy, Lease, Stmt, first_row},
    run::Item,
};

/// How long `COMMIT` and `ROLLBACK` may take. A semi-synchronous primary waits up to ten seconds by default.
const END_LIMIT: Duration = Duration::from_secs(30);
/// How long the rollback of a dropped transaction may take before its connection is closed instead.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// A transaction on the primary; from [`Cluster::begin`]. Dropped before its end, it rolls back.
///
/// `&mut tx` is an sqlx executor. A transaction is never continued on another server: when its connection is lost, the
/// statement says so, and everything after it fails.
///
/// # Examples
///
/// ```no_run
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let mut tx = db.begin().await?;
/// sqlx::query("UPDATE stock SET pieces = pieces - 1 WHERE item = ?").bind("tea").execute(&mut tx).await?;
/// sqlx::query("INSERT INTO orders (item) VALUES (?)").bind("tea").execute(&mut tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a transaction that is dropped rolls back"]
pub struct Tx {
    cluster: Cluster,
    /// `None` once it has ended.
    lease: Option<Lease>,
}

impl Tx {
    pub(crate) async fn begin(cluster: &Cluster) -> Result<Self, sqlx::Error> {
        let mut lease = lease_primary(cluster).await?;
        let mut begun = begin_on(&mut lease).await;
        if begun.is_err() && lease.is_untried() {
            // It came from the idle stack and was dead: nothing has been begun anywhere.
            cluster.count(Counter::ReadRepeated, 1);
            drop(lease);
            lease = lease_primary(cluster).await?;
            begun = begin_on(&mut lease).await;
        }
        begun?;
        lease.hold_by(HeldBy::Transaction);
        Ok(Self { cluster: cluster.clone(), lease: Some(lease) })
    }

    /// Commits. Afterwards the connection goes back to its pool, or is closed if it is not as it was.
    ///
    /// # Errors
    ///
    /// Fails with the server's error, and when no answer came within 30 seconds. After a broken connection or a timeout
    /// nobody knows whether the transaction was committed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future leaves open whether the transaction was committed. The connection is closed.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        let mut lease = self.lease.take().expect("only the end takes it");
        at_outermost(&lease)?;
        lease.commit(END_LIMIT).await
    }

    /// Rolls back. Afterwards the connection goes back to its pool, or is closed if it is not as it was.
    ///
    /// # Errors
    ///
    /// Fails when the connection is lost or no answer came within 30 seconds; the transaction is rolled back all the same.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the connection is closed, which rolls back.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        let mut lease = self.lease.take().expect("only the end takes it");
        at_outermost(&lease)?;
        lease.rollback(END_LIMIT).await
    }

    /// The name of the server it runs on.
    #[must_use]
    pub fn server(&self) -> &str {
        self.held().server()
    }

    fn held(&self) -> &Lease {
        self.lease.as_ref().expect("only the end takes it")
    }

    fn held_mut(&mut self) -> &mut Lease {
        self.lease.as_mut().expect("only the end takes it")
    }

    /// Marks the connection with what the statement will leave behind on it.
    fn note(&mut self, sql: &str, protocol: Protocol) {
        let effect = self.cluster.parse(sql, protocol, self.cluster.inner.sql_mode.get());
        let effect = Statement::effect(&effect);
        if !effect.is_clean() {
            let cause = effect.state.names().next().unwrap_or("transaction");
            if self.held().dirty().is_none() {
                self.cluster.count(Counter::DirtyClosed, 1);
            }
            self.held_mut().taint(cause);
        }
    }

    fn send<'c>(&'c mut self, stmt: Result<Stmt, sqlx::Error>) -> BoxStream<'c, Item> {
        let stmt = match stmt {
            Ok(stmt) => stmt,
            Err(error) => return stream::once(std::future::ready(Err(error))).boxed(),
        };
        let protocol = if stmt.args.is_some() { Protocol::Prepared } else { Protocol::Text };
        self.note(stmt.sql.as_str(), protocol);
        let lease = self.lease.as_mut().expect("only the end takes it");
        self.cluster.fetch_on(lease, stmt)
    }
}

async fn begin_on(lease: &mut Lease) -> Result<(), sqlx::Error> {
    // A server has nothing to do for it, and whoever asks for a transaction is ready to wait so long for a connection.
    let limit = lease.pool().limits().acquire_timeout;
    lease.begin(Some("BEGIN".into_sql_str()), limit).await
}

/// Something of the application left a savepoint open: ending now would end something else than it thinks.
fn at_outermost(lease: &Lease) -> Result<(), sqlx::Error> {
    match lease.transaction_depth() {
        1 => Ok(()),
        depth => Err(Error::TransactionDepth { server: lease.server().clone(), depth }.into()),
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        // Whatever happens to the task: a connection with an open transaction is nobody else's.
        let clean = lease.dirty().is_none();
        lease.taint("open transaction");
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let outermost = lease.transaction_depth() == 1;
            if lease.rollback(DROP_LIMIT).await.is_ok() && clean && outermost {
                lease.untaint();
            }
        });
    }
}

/// The bare connection. What is sent on it is not watched, so it is closed after the end of the transaction; `&mut tx` as
/// an executor has no such price.
impl Deref for Tx {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.held().bare()
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.held_mut().expose()
    }
}

/// Runs statements in the transaction.
///
/// # Cancel safety
///
/// A statement dropped before its answer was read to the end takes the transaction with it: the connection is closed, and
/// everything after it fails.
impl<'c> Executor<'c> for &'c mut Tx {
    type Database = MySql;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Item>
    where
        'c: 'e,
        E: 'q + Execute<'q, MySql>,
    {
        self.send(Stmt::take(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<MySqlRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, MySql>,
    {
        Box::pin(first_row(self.fetch_many(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [MySqlTypeInfo],
    ) -> BoxFuture<'e, Result<MySqlStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let lease = self.lease.as_mut().expect("only the end takes it");
        let cluster = &self.cluster;
        Box::pin(async move { cluster.prepare_on(lease, &sql, parameters).await })
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<MySql>, sqlx::Error>>
    where
        'c: 'e,
    {
        let lease = self.held_mut();
        let limit = lease.pool().limits().statement_timeout;
        Box::pin(async move { lease.describe(sql, limit).await })
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("server", &self.lease.as_ref().map(|it| it.server().clone())).finish_non_exhaustive()
    }
}
