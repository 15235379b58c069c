//! A statement that stays where it was prepared.
//!
//! sqlx's own `Statement` is a text that is routed anew each time. The original's is bound to the connection the chain picked
//! for it, and running it says nothing about the next statement: it moves no counter and is not "used last".

use std::{fmt, sync::Arc};

use futures_core::stream::BoxStream;
use futures_util::TryStreamExt;
use ms_filters::{Role, ServerIx};
use ms_hints::Protocol;
use sqlx_core::{
    ext::async_stream::TryAsyncStream,
    sql_str::{SqlSafeStr, SqlStr},
};
use sqlx_mysql::{MySqlArguments, MySqlQueryResult, MySqlRow};

use crate::{
    Error, Session,
    injection::{Behind, Counts, counts::writes},
    pool::Stmt,
    run::{Item, failed, forward},
    transaction::{Trx, control_of},
};

/// A statement prepared on one connection of a session; from [`Session::prepare`].
///
/// # Examples
///
/// ```no_run
/// use sqlx::{Arguments, mysql::MySqlArguments};
///
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let mut session = db.session();
/// let by_id = session.prepare("SELECT item FROM orders WHERE id = ?").await?;
/// for id in 1..=3 {
///     let mut arguments = MySqlArguments::default();
///     arguments.add(id).map_err(sqlx::Error::Encode)?;
///     println!("{}", by_id.fetch_all(&mut session, arguments).await?.len()); // all three on one server
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Prepared {
    sql: SqlStr,
    server: ServerIx,
    name: Arc<str>,
    role: Role,
    connection_id: u64,
    /// What is injected with it outside of transactions, and whether it makes a transaction one that wrote.
    counts: Counts,
    writes: bool,
}

impl Session {
    /// Routes and prepares a statement. Running it later routes nothing: it stays with the connection chosen now.
    ///
    /// (The trait's `Executor::prepare` gives sqlx's `Statement`, which is routed each time it runs.)
    ///
    /// # Errors
    ///
    /// As any statement, and with the server's error when it cannot be prepared. In `strict`, [`Error::Refused`] for what
    /// begins or ends a transaction, and for settings that the session's other connections have to be told.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the answer it costs the connection.
    pub async fn prepare(&mut self, sql: impl SqlSafeStr) -> Result<Prepared, sqlx::Error> {
        let stmt = Stmt::prepared(sql.into_sql_str());
        if control_of(&self.cluster, &self.core, self.effect_of(&stmt)).is_some() {
            let why = "a statement that stays with its connection cannot begin or end transactions or set what all \
                       connections are told: send it as text, or use the session's calls";
            return Err(Error::Refused { why: why.into() }.into());
        }
        let server = self.route(&stmt, None).await?.server;
        let role = self.cluster.member(server).role;
        // As it will be outside of transactions, wherever it is prepared.
        let question = self.cluster.read(stmt.sql.as_str(), Protocol::Prepared, self.core.sql_mode(&self.cluster));
        let writes = writes(&question);
        let counts = match role {
            Role::Primary if self.cluster.counts() => {
                Counts::of(&question, self.cluster.inner.rules.is_strict(), &Trx::default())
            }
            _ => Counts::NOTHING,
        };
        let slot = self.slots.use_now(server).expect("it was routed there");
        self.cluster.prepare_on(&mut slot.lease, &stmt.sql, &[]).await?;
        slot.prepared = true;
        let (name, connection_id) = (Arc::clone(slot.lease.server()), slot.lease.identity().connection_id);
        Ok(Prepared { sql: stmt.sql, server, name, role, connection_id, counts, writes })
    }
}

impl Prepared {
    /// The statement's text.
    #[must_use]
    pub fn sql(&self) -> &str {
        self.sql.as_str()
    }

    /// The name of the server it is prepared on.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.name
    }

    /// The role that server is configured in.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The server's number of the connection it is prepared on.
    #[must_use]
    pub fn connection_id(&self) -> u64 {
        self.connection_id
    }

    /// Runs it on its connection and streams the answer. `session` is the one it was prepared in.
    ///
    /// In a transaction that waits for its server (`strict`) this is its first statement, so the transaction is bound to the
    /// statement's server.
    ///
    /// After [`Session::select_db`] or [`Session::set_charset`] the server is told to prepare it anew, for the new setting.
    ///
    /// # Errors
    ///
    /// The server's, [`Error::PreparedLost`] when the connection is not the session's any more (it was lost, replaced by
    /// [`Session::change_user`], or this is another session), [`Error::Refused`] when the session is in a transaction on
    /// another server (`strict`), and the connection's own when it breaks. There is no second
    /// try elsewhere.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it costs the connection, and this statement with it.
    pub fn fetch<'s>(&self, session: &'s mut Session, arguments: MySqlArguments) -> BoxStream<'s, Item> {
        session.take_in_spare();
        session.core.last_text.forget();
        if session.core.xa.is_some() {
            let this = self.clone();
            return Box::pin(TryAsyncStream::new(move |out| async move {
                session.join_global(this.server).await?;
                forward(this.send(session, arguments), &out).await
            }));
        }
        let strict = session.cluster.inner.rules.is_strict() || session.core.trx.guarded;
        if strict && session.core.trx.is_open() {
            let this = self.clone();
            return Box::pin(TryAsyncStream::new(move |out| async move {
                session.join_transaction(this.server).await?;
                session.core.trx.wrote |= this.writes;
                forward(this.send(session, arguments), &out).await
            }));
        }
        self.send(session, arguments)
    }

    fn send<'s>(&self, session: &'s mut Session, arguments: MySqlArguments) -> BoxStream<'s, Item> {
        // Not moved to the end of the list, which is the server used last.
        let Session { cluster, slots, core } = session;
        let slot = slots.0.iter_mut().find(|slot| slot.server == self.server);
        let Some(slot) = slot.filter(|slot| slot.lease.identity().connection_id == self.connection_id) else {
            return failed(Error::PreparedLost { server: Arc::clone(&self.name) }.into());
        };
        let stmt = Stmt { sql: self.sql.clone(), args: Some(arguments), persistent: true };
        // Within a transaction its end is counted, but for what commits by itself.
        let by_end = core.trx.is_open() && self.counts.behind != Behind::Anything;
        let counts = if by_end { Counts::NOTHING } else { self.counts };
        if counts.any() {
            core.wrote_on = Some(self.server);
        }
        cluster.fetch_on(core, &mut slot.lease, stmt, counts)
    }

    /// Runs it and returns all rows; see [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch).
    ///
    /// # Cancel safety
    ///
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_all(
        &self,
        session: &mut Session,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let rows = self.fetch(session, arguments).try_filter_map(async |part| Ok(part.right()));
        rows.try_collect().await
    }

    /// Runs it and returns what the server counted; see [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch).
    ///
    /// # Cancel safety
    ///
    /// As [`fetch`](Self::fetch).
    pub async fn execute(
        &self,
        session: &mut Session,
        arguments: MySqlArguments,
    ) -> Result<MySqlQueryResult, sqlx::Error> {
        let results = self.fetch(session, arguments).try_filter_map(async |part| Ok(part.left()));
        results.try_collect().await
    }
}

impl fmt::Debug for Prepared {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("server", &self.name)
            .field("connection_id", &self.connection_id)
            .finish_non_exhaustive()
    }
}
