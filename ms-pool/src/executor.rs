//! sqlx's `Executor` and `Acquire` for this crate's handles.
//!
//! A statement is taken apart at the door ([`Stmt`]), routed, and sent as it was. Where nothing has to be waited for, the
//! driver's stream is passed on behind one watching layer; the async blocks with the connects in them are kept out of that
//! path, because a large future is copied into its box for every statement.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use futures_core::{future::BoxFuture, stream::BoxStream};
use ms_filters::{Attempt, Role, ServerIx, Step};
use ms_hints::{Effect, Route, State};
use sqlx_core::{
    acquire::Acquire,
    describe::Describe,
    executor::{Execute, Executor},
    ext::async_stream::TryAsyncStream,
    sql_str::{SqlSafeStr, SqlStr},
    transaction::Transaction,
};
use sqlx_mysql::{MySql, MySqlConnection, MySqlQueryResult, MySqlRow, MySqlStatement, MySqlTypeInfo};

use crate::{
    Cluster, Counter, Error, On, Scope, Session,
    pool::{HeldBy, Lease, Stmt, first_row},
    reader::Reader,
    route::{Now, Routed, route_now},
    run::{Chance, Item, Replaceable, Rest, failed, once, run},
};

impl Session {
    /// Sends one statement, on the fast way if there is nothing to wait for.
    pub(crate) fn send<R: Reader>(&mut self, stmt: Stmt, reader: R) -> R::Read<'_> {
        let routed = match route_now(&self.cluster, &mut self.core, &mut self.slots, &stmt, None) {
            Now::Ready(routed) => routed,
            Now::Refused(error) => return reader.read(failed(error)),
            Now::Later(so_far) => return reader.read(self.send_later(so_far, stmt)),
        };
        // Routing moved the slot to the end.
        let untried = self.slots.0.last().is_some_and(|slot| slot.lease.is_untried());
        if (routed.proven_read && untried) || self.cluster.inner.transient.is_some() || routed.counts.any() {
            return reader.read(self.send_perhaps_twice(routed, stmt));
        }
        let Self { cluster, slots, core } = self;
        let (slot, others) = slots.0.split_last_mut().expect("it was routed there");
        let Some(chance) = Chance::of(&routed) else {
            return reader.read(slot.lease.fetch_many(stmt));
        };
        core.kept = Some(stmt.again());
        reader.read(Replaceable::new(slot.lease.fetch_many(stmt), chance, Rest { cluster, core, others }))
    }

    /// As [`send`](Self::send), with a statement that has yet to be taken apart.
    #[inline]
    pub(crate) fn read<'q, E: Execute<'q, MySql>, R: Reader>(&mut self, query: E, reader: R) -> R::Read<'_> {
        match Stmt::take(query) {
            Ok(stmt) => self.send(stmt, reader),
            Err(error) => reader.read(failed(error)),
        }
    }

    /// After a wait.
    #[inline(never)]
    fn send_later(&mut self, so_far: Box<(Attempt, Step)>, stmt: Stmt) -> BoxStream<'_, Item> {
        let mut stmt = Some(stmt);
        Box::pin(TryAsyncStream::new(move |out| async move {
            let routed = self.route_slowly(*so_far, stmt.as_ref().expect("it was just made"), None).await?;
            run(self, routed, &mut stmt, None, &out).await
        }))
    }

    /// It may have to be sent again, on a connection that has yet to be made, or is not all that is sent.
    #[inline(never)]
    fn send_perhaps_twice(&mut self, routed: Routed, stmt: Stmt) -> BoxStream<'_, Item> {
        let mut stmt = Some(stmt);
        let run = move |out| async move { run(self, routed, &mut stmt, None, &out).await };
        Box::pin(TryAsyncStream::new(run))
    }
}

/// The four ways to read the answer of a statement, of which sqlx would make three out of the first.
macro_rules! reads_of_session {
    (|$self:ident| $session:expr) => {
        fn fetch_many<'e, 'q: 'e, E>($self, query: E) -> BoxStream<'e, Item>
        where
            'c: 'e,
            E: 'q + Execute<'q, MySql>,
        {
            $session.read(query, $crate::reader::Parts)
        }

        fn fetch_all<'e, 'q: 'e, E>($self, query: E) -> BoxFuture<'e, Result<Vec<MySqlRow>, sqlx::Error>>
        where
            'c: 'e,
            E: 'q + Execute<'q, MySql>,
        {
            $session.read(query, $crate::reader::Rows)
        }

        fn fetch_optional<'e, 'q: 'e, E>($self, query: E) -> BoxFuture<'e, Result<Option<MySqlRow>, sqlx::Error>>
        where
            'c: 'e,
            E: 'q + Execute<'q, MySql>,
        {
            $session.read(query, $crate::reader::First)
        }

        fn execute<'e, 'q: 'e, E>($self, query: E) -> BoxFuture<'e, Result<MySqlQueryResult, sqlx::Error>>
        where
            'c: 'e,
            E: 'q + Execute<'q, MySql>,
        {
            $session.read(query, $crate::reader::Done)
        }
    };
}
pub(crate) use reads_of_session;

/// An executor over a session.
macro_rules! executor_of_session {
    ($(#[$doc:meta])* $handle:ty, |$self:ident| $session:expr) => {
        $(#[$doc])*
        impl<'c> Executor<'c> for $handle {
            type Database = MySql;

            $crate::executor::reads_of_session!(|$self| $session);

            fn prepare_with<'e>(
                $self,
                sql: SqlStr,
                parameters: &'e [MySqlTypeInfo],
            ) -> BoxFuture<'e, Result<MySqlStatement, sqlx::Error>>
            where
                'c: 'e,
            {
                Box::pin($session.prepare_on(sql, parameters, None))
            }

            #[doc(hidden)]
            fn describe<'e>($self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<MySql>, sqlx::Error>>
            where
                'c: 'e,
            {
                Box::pin($session.describe_on(sql, None))
            }
        }
    };
}
pub(crate) use executor_of_session;

executor_of_session!(
    /// Runs each statement where it belongs, on the session's own connections.
    ///
    /// # Cancel safety
    ///
    /// Dropping a statement's future or stream at any moment leaves the session usable. The connection it ran on is closed if its
    /// answer had not been read to the end, and with it what only that connection knew.
    &'c mut Session, |self| self
);

impl Session {
    /// Where a statement would run that is not going to, and so leaves nothing behind.
    pub(crate) async fn route_only(&mut self, stmt: &Stmt, route: Option<Route>) -> Result<ServerIx, sqlx::Error> {
        self.core.for_transaction = true;
        let routed = self.route(stmt, route).await;
        self.core.for_transaction = false;
        Ok(routed?.server)
    }

    pub(crate) async fn prepare_on(
        &mut self,
        sql: SqlStr,
        parameters: &[MySqlTypeInfo],
        route: Option<Route>,
    ) -> Result<MySqlStatement, sqlx::Error> {
        let stmt = Stmt::prepared(sql);
        let server = self.route_only(&stmt, route).await?;
        let slot = self.slots.use_now(server).expect("it was routed there");
        self.cluster.prepare_on(&mut slot.lease, &stmt.sql, parameters).await
    }

    pub(crate) async fn describe_on(
        &mut self,
        sql: SqlStr,
        route: Option<Route>,
    ) -> Result<Describe<MySql>, sqlx::Error> {
        let stmt = Stmt::prepared(sql);
        let server = self.route_only(&stmt, route).await?;
        let slot = self.slots.use_now(server).expect("it was routed there");
        let limit = slot.lease.pool().limits().statement_timeout;
        slot.lease.describe(stmt.sql, limit).await
    }
}

/// What `&Cluster`, [`On`] and `&Scope` have in common: a session for one statement and, for `On`, where to go.
macro_rules! executor_of_one_statement {
    ($(#[$doc:meta])* $handle:ty, |$self:ident| $session:expr, $route:expr) => {
        $(#[$doc])*
        impl<'c> Executor<'c> for $handle {
            type Database = MySql;

            fn fetch_many<'e, 'q: 'e, E>($self, query: E) -> BoxStream<'e, Item>
            where
                'c: 'e,
                E: 'q + Execute<'q, MySql>,
            {
                once($session, Stmt::take(query), $route)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                $self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<MySqlRow>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, MySql>,
            {
                Box::pin(first_row($self.fetch_many(query)))
            }

            fn prepare_with<'e>(
                $self,
                sql: SqlStr,
                parameters: &'e [MySqlTypeInfo],
            ) -> BoxFuture<'e, Result<MySqlStatement, sqlx::Error>>
            where
                'c: 'e,
            {
                let mut session = $session;
                Box::pin(async move { session.prepare_on(sql, parameters, $route).await })
            }

            #[doc(hidden)]
            fn describe<'e>($self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<MySql>, sqlx::Error>>
            where
                'c: 'e,
            {
                let mut session = $session;
                Box::pin(async move { session.describe_on(sql, $route).await })
            }
        }
    };
}

executor_of_one_statement!(
    /// Runs each statement where it belongs, on a connection that goes back to its pool when the answer was read.
    ///
    /// # Cancel safety
    ///
    /// Dropping a statement's future or stream at any moment is safe: a connection whose answer was not read to the end is
    /// closed, its slot is free at once, and the server is told to stop.
    &'c Cluster, |self| Session::ephemeral(self.clone()), None
);

executor_of_one_statement!(
    /// Runs each statement on the part of the servers it was made for; see [`On`].
    On<'c>, |self| self.session_of_one(), self.route()
);

executor_of_one_statement!(
    /// Runs each statement where it belongs; reads see what the scope has written.
    ///
    /// # Cancel safety
    ///
    /// As for `&Cluster`.
    &'c Scope, |self| self.session_of_one(), None
);

/// Leases a primary's connection for code that wants a bare one: migrations, for example.
///
/// What is sent on it is not seen, so it is closed afterwards and never given back; a migration that failed half-way keeps
/// its lock until then and no longer.
impl<'c> Acquire<'c> for &'c Cluster {
    type Database = MySql;
    type Connection = PrimaryConnection;

    fn acquire(self) -> BoxFuture<'c, Result<PrimaryConnection, sqlx::Error>> {
        Box::pin(async move {
            let lease = lease_primary(self).await?;
            lease.hold_by(HeldBy::Bare);
            Ok(PrimaryConnection { lease })
        })
    }

    /// Always fails: sqlx's `Transaction` can only own connections of sqlx's own pool. The error names `begin()` of the
    /// cluster, which is what method call syntax finds.
    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, MySql>, sqlx::Error>> {
        let why = "sqlx's `Transaction` cannot own a connection of this crate: call `begin()` of the cluster itself";
        let error = Error::Refused { why: why.into() };
        Box::pin(std::future::ready(Err(error.into())))
    }
}

/// Lends the session's own connection to a primary to code that wants a bare one: temporary tables, variables and an open
/// transaction of the session are there.
///
/// What is sent on it is not seen. So from then on the session's statements without a hint stay on that connection, for they may depend on
/// it, and it is closed when the session ends. An open transaction on a replica has no such connection and is an
/// error. So is an `on_commit` in the section's `global_transaction_id_injection`: what is not seen is not counted.
///
/// # Examples
///
/// ```no_run
/// # use sqlx::Acquire;
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let mut session = db.session();
/// let conn = (&mut session).acquire().await?;
/// sqlx::query("CREATE TEMPORARY TABLE wanted (id INT)").execute(&mut *conn).await?;
/// sqlx::query("SELECT id FROM wanted").fetch_all(&mut session).await?; // on the same connection
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Cancel safe. Statements on the bare connection are not, as ever with sqlx: before the session uses the connection again it makes sure
/// that it is in step, for up to a second, and the next statement fails with [`Error::StateLost`] or
/// [`Error::TransactionLost`] where it is not.
impl<'c> Acquire<'c> for &'c mut Session {
    type Database = MySql;
    type Connection = &'c mut MySqlConnection;

    fn acquire(self) -> BoxFuture<'c, Result<&'c mut MySqlConnection, sqlx::Error>> {
        Box::pin(async move {
            if self.cluster.counts() {
                let why = "what is written on a bare connection is not counted by `on_commit`: send statements through \
                           the session";
                return Err(Error::Refused { why: why.into() }.into());
            }
            let server = self.route_only(&Stmt::text("BEGIN".into_sql_str()), Some(Route::Primary)).await?;
            let Session { cluster, slots, core } = self;
            let slot = slots.use_now(server).expect("it was routed there");
            if cluster.member(server).role != Role::Primary {
                let why = format!("the session is bound to `{}`, which is not a primary", slot.lease.server());
                return Err(Error::Refused { why: why.into() }.into());
            }
            slot.wrote = true;
            core.memory.note_write();
            core.own_sql_mode = true;
            if cluster.inner.rules.is_strict() {
                let mut anything = Effect::NONE;
                anything.state = State::UNKNOWN;
                core.holdings.note(&mut slot.hold, anything, b"");
            }
            if slot.lease.dirty().is_none() {
                cluster.count(Counter::DirtyClosed, 1);
            }
            slot.lease.hold_by(HeldBy::Bare);
            Ok(slot.lease.lend())
        })
    }

    /// Always fails: the end of sqlx's `Transaction` cannot be watched, and a session has to know of it. The error names
    /// [`Session::begin`].
    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, MySql>, sqlx::Error>> {
        let why =
            "sqlx's `Transaction` ends without the session's knowledge: call `Session::begin`, which takes `TxOptions`";
        let error = Error::Refused { why: why.into() };
        Box::pin(std::future::ready(Err(error.into())))
    }
}

/// A connection to the primary the router picks for a write.
pub(crate) async fn lease_primary(cluster: &Cluster) -> Result<Lease, sqlx::Error> {
    let mut session = Session::new(cluster.clone());
    session.core.for_transaction = true;
    let begin = Stmt::text("BEGIN".into_sql_str());
    let server = session.route(&begin, Some(Route::Primary)).await?.server;
    let slot = session.slots.remove(server).expect("it was routed there");
    if cluster.member(server).role != Role::Primary {
        // A filter that picks by itself, such as `user`, may name any server.
        let why = format!("the filters picked `{}`, which is not a primary, for a transaction", slot.lease.server());
        return Err(Error::Refused { why: why.into() }.into());
    }
    Ok(slot.lease)
}

/// A bare connection to a primary; closed when dropped. See [`Acquire`] for [`Cluster`].
pub struct PrimaryConnection {
    lease: Lease,
}

impl Deref for PrimaryConnection {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.lease.bare()
    }
}

impl DerefMut for PrimaryConnection {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.lease.expose()
    }
}

impl fmt::Debug for PrimaryConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrimaryConnection").field("server", self.lease.server()).finish_non_exhaustive()
    }
}
