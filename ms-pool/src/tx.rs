//! A transaction as a value: it ends with a call, or rolls back when it is dropped.
//!
//! [`Tx`] owns its connection; it comes from [`Cluster::begin`](crate::Cluster::begin). [`SessionTx`] borrows a session; it comes from
//! [`Session::begin`] and sees the session's temporary tables and variables. Both stand on the calls of [`Session`].
//!
//! They begin and end through the driver's own transaction manager, so that a `begin()` of a function that was given
//! `&mut *tx` becomes a savepoint; a plain text `BEGIN` there would silently commit. Statements through `&mut tx` are watched,
//! and the connection goes back to its pool after the end. `&mut *tx` is the bare connection, for functions that want a
//! `MySqlConnection`: nobody sees what is sent on it, so it is closed after the end.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use futures_core::{future::BoxFuture, stream::BoxStream};
use ms_filters::Role;
use sqlx_core::{
    describe::Describe,
    executor::{Execute, Executor},
    sql_str::{AssertSqlSafe, SqlSafeStr, SqlStr},
};
use sqlx_mysql::{MySql, MySqlConnection, MySqlQueryResult, MySqlRow, MySqlStatement, MySqlTypeInfo};

use crate::{
    Error, Session, TxOptions,
    executor::reads_of_session,
    pool::{HeldBy, Lease, Stmt},
    run::Item,
    transaction::{End, lose},
};

/// A transaction; from [`Cluster::begin`](crate::Cluster::begin) and [`Cluster::begin_with`](crate::Cluster::begin_with). Dropped before its end, it rolls back.
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
    session: Session,
}

/// A transaction in a session; from [`Session::begin`]. Dropped before its end, it rolls back.
///
/// `&mut tx` is an sqlx executor; temporary tables and variables of the session are there. As with [`Tx`], everything fails
/// after its connection was lost.
///
/// # Examples
///
/// ```no_run
/// # use ms_pool::TxOptions;
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let mut session = db.session();
/// let mut tx = session.begin(TxOptions::default()).await?;
/// sqlx::query("INSERT INTO orders (item) VALUES ('tea')").execute(&mut tx).await?;
/// tx.commit().await?;
/// sqlx::query("SELECT * FROM orders").fetch_all(&mut session).await?; // no longer part of it
/// # Ok(())
/// # }
/// ```
#[must_use = "a transaction that is dropped rolls back"]
pub struct SessionTx<'s> {
    session: &'s mut Session,
}

impl Tx {
    pub(crate) async fn begin(mut session: Session, options: TxOptions) -> Result<Self, sqlx::Error> {
        begin_now(&mut session, options).await?;
        Ok(Self { session })
    }

    /// Commits. Afterwards the connection goes back to its pool, or is closed if it is not as it was.
    ///
    /// # Errors
    ///
    /// Fails with the server's error, with [`Error::TransactionLost`], and when no answer came within 30 seconds. After a
    /// connection that breaks now or a timeout nobody knows whether the transaction was committed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future leaves open whether the transaction was committed. The connection is closed.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        end(&mut self.session, End::Commit).await
    }

    /// Rolls back. Afterwards the connection goes back to its pool, or is closed if it is not as it was.
    ///
    /// # Errors
    ///
    /// Fails when the server says so or no answer came within 30 seconds; the transaction is rolled back all the same.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the connection is closed, which rolls back.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        end(&mut self.session, End::Rollback).await
    }
}

impl SessionTx<'_> {
    /// Commits; otherwise as [`Tx::commit`]. The connection stays with the session.
    ///
    /// # Errors
    ///
    /// As [`Tx::commit`].
    ///
    /// # Cancel safety
    ///
    /// As [`Tx::commit`].
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        end(self.session, End::Commit).await
    }

    /// Rolls back; otherwise as [`Tx::rollback`]. The connection stays with the session.
    ///
    /// # Errors
    ///
    /// As [`Tx::rollback`].
    ///
    /// # Cancel safety
    ///
    /// As [`Tx::rollback`].
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        end(self.session, End::Rollback).await
    }
}

impl Session {
    /// Begins a transaction that rolls back when it is dropped. Unlike [`start_transaction`](Self::start_transaction) it is begun
    /// on its server at once, and bound to it whatever `trx_stickiness` says.
    ///
    /// One that is dropped takes its connection out of the session, to be rolled back in the background: what the session had
    /// on it (temporary tables, variables) is gone then. End it with [`SessionTx::rollback`] to keep that.
    ///
    /// # Errors
    ///
    /// Fails when no server can be reached, no connection becomes free in time, or it refuses to begin; and as
    /// [`commit`](Self::commit) when a transaction is open already.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no transaction behind.
    pub async fn begin(&mut self, options: TxOptions) -> Result<SessionTx<'_>, sqlx::Error> {
        let tx = SessionTx { session: self };
        begin_now(tx.session, options).await?;
        Ok(tx)
    }

    /// The connection the transaction is open on.
    fn bound_lease(&mut self) -> Result<&mut Lease, Error> {
        let Self { cluster, slots, core } = self;
        let server = core.trx.bound().expect("a guard is bound from its beginning to its end");
        match slots.use_now(server) {
            Some(slot) => Ok(&mut slot.lease),
            None => Err(lose(cluster, core, server)),
        }
    }
}

async fn begin_now(session: &mut Session, options: TxOptions) -> Result<(), sqlx::Error> {
    let read_only = options.read_only;
    session.core.trx.guarded = true;
    session.start_transaction(options).await?;
    // It is not sent: it stands for whatever the transaction will do first.
    let first = Stmt::text(if read_only { "SELECT 1" } else { "BEGIN" }.into_sql_str());
    let server = session.route_only(&first, None).await?;
    let member = session.cluster.member(server);
    if member.role != Role::Primary && !read_only {
        // A filter that picks by itself, such as `user`, may name any server.
        let why = format!("the filters picked `{}`, which is not a primary, for a transaction", member.pool.server());
        return Err(Error::Refused { why: why.into() }.into());
    }
    session.bound_lease()?.hold_by(HeldBy::Transaction);
    Ok(())
}

async fn end(session: &mut Session, how: End) -> Result<(), sqlx::Error> {
    // Something of the application left a savepoint open: ending now would end something else than it thinks.
    if let Ok(lease) = session.bound_lease()
        && lease.is_ready()
        && lease.transaction_depth() > 1
    {
        let depth = lease.transaction_depth();
        return Err(Error::TransactionDepth { server: lease.server().clone(), depth }.into());
    }
    session.end(how).await?;
    session.core.trx.guarded = false;
    Ok(())
}

/// What both guards have in common.
macro_rules! guard {
    ($guard:ty, $name:literal) => {
        impl $guard {
            /// The name of the server it runs on.
            #[must_use]
            pub fn server(&self) -> &str {
                let server = self.session.core.trx.bound().expect("a guard is bound from its beginning to its end");
                self.session.cluster.router().topology().server(server).name()
            }

            /// Sets a savepoint, which [`rollback_to`](Self::rollback_to) goes back to. One of the same name is replaced.
            ///
            /// # Errors
            ///
            /// As any statement.
            ///
            /// # Cancel safety
            ///
            /// As any statement of the transaction: dropped before the answer it costs the connection, and the transaction.
            pub async fn savepoint(&mut self, name: &str) -> Result<(), sqlx::Error> {
                self.session.savepoint(name).await
            }

            /// Undoes what was done since the savepoint, which stays.
            ///
            /// # Errors
            ///
            /// As any statement; the server's 1305 when there is no such savepoint.
            ///
            /// # Cancel safety
            ///
            /// As [`savepoint`](Self::savepoint).
            pub async fn rollback_to(&mut self, name: &str) -> Result<(), sqlx::Error> {
                self.session.rollback_to(name).await
            }

            /// Forgets the savepoint; what was done since stays.
            ///
            /// # Errors
            ///
            /// As any statement; the server's 1305 when there is no such savepoint.
            ///
            /// # Cancel safety
            ///
            /// As [`savepoint`](Self::savepoint).
            pub async fn release_savepoint(&mut self, name: &str) -> Result<(), sqlx::Error> {
                self.session.release_savepoint(name).await
            }
        }

        /// Runs statements in the transaction. Text that would begin or end one (`BEGIN`, `COMMIT`, `ROLLBACK`,
        /// `SET autocommit`) is refused; statements that commit implicitly, such as `CREATE TABLE`, run and do so.
        ///
        /// # Cancel safety
        ///
        /// A statement dropped before its answer was read to the end takes the transaction with it: the connection is closed,
        /// and everything after it fails.
        impl<'c> Executor<'c> for &'c mut $guard {
            type Database = MySql;

            reads_of_session!(|self| {
                let session: &'c mut Session = &mut self.session;
                session
            });

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [MySqlTypeInfo],
            ) -> BoxFuture<'e, Result<MySqlStatement, sqlx::Error>>
            where
                'c: 'e,
            {
                Box::pin(async move {
                    let cluster = self.session.cluster.clone();
                    cluster.prepare_on(self.session.bound_lease()?, &sql, parameters).await
                })
            }

            #[doc(hidden)]
            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<MySql>, sqlx::Error>>
            where
                'c: 'e,
            {
                Box::pin(async move {
                    let lease = self.session.bound_lease()?;
                    let limit = lease.pool().limits().statement_timeout;
                    lease.describe(sql, limit).await
                })
            }
        }

        impl fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("server", &self.server()).finish_non_exhaustive()
            }
        }
    };
}

guard!(Tx, "Tx");
guard!(SessionTx<'_>, "SessionTx");

/// The bare connection. What is sent on it is not watched, so it is closed after the end of the transaction; `&mut tx` as
/// an executor has no such price.
///
/// # Panics
///
/// Panics when the connection is lost; a statement through `&mut tx` gets an error instead.
impl Deref for Tx {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        let server = self.session.core.trx.bound().expect("a guard is bound from its beginning to its end");
        self.session.slots.get(server).expect("its connection is kept to its end").lease.bare()
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.session.bound_lease().expect("its connection is kept to its end").expose()
    }
}

impl Drop for SessionTx<'_> {
    fn drop(&mut self) {
        let trx = &mut self.session.core.trx;
        if !std::mem::take(&mut trx.guarded) {
            return;
        }
        let bound = trx.bound();
        trx.end();
        // Let go of, the connection rolls back by itself.
        bound.map(|server| self.session.slots.remove(server));
    }
}

impl Session {
    /// Sets a savepoint in the transaction, which [`rollback_to`](Self::rollback_to) goes back to.
    ///
    /// Without a transaction that is bound to a server it goes, as in the original, to the server used last.
    ///
    /// # Errors
    ///
    /// As any statement.
    ///
    /// # Cancel safety
    ///
    /// As any statement of the session.
    pub async fn savepoint(&mut self, name: &str) -> Result<(), sqlx::Error> {
        self.say("SAVEPOINT", name).await
    }

    /// Undoes what was done since the savepoint, which stays.
    ///
    /// # Errors
    ///
    /// As any statement; the server's 1305 when there is no such savepoint.
    ///
    /// # Cancel safety
    ///
    /// As any statement of the session.
    pub async fn rollback_to(&mut self, name: &str) -> Result<(), sqlx::Error> {
        self.say("ROLLBACK TO SAVEPOINT", name).await
    }

    /// Forgets the savepoint; what was done since stays.
    ///
    /// # Errors
    ///
    /// As any statement; the server's 1305 when there is no such savepoint.
    ///
    /// # Cancel safety
    ///
    /// As any statement of the session.
    pub async fn release_savepoint(&mut self, name: &str) -> Result<(), sqlx::Error> {
        self.say("RELEASE SAVEPOINT", name).await
    }

    async fn say(&mut self, what: &str, name: &str) -> Result<(), sqlx::Error> {
        let hint =
            if self.core.trx.bound().is_some() || self.core.trx.waits_for_server() { "" } else { "/*ms=last_used*/" };
        let sql = format!("{hint}{what} `{}`", name.replace('`', "``"));
        self.execute(AssertSqlSafe(sql)).await.map(drop)
    }
}
