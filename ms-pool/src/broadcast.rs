//! Calls that speak to all servers of a session at once.
//!
//! Each changes the connections that are open, all at the same time, and is remembered for those that are opened later; one
//! server's refusal does not keep the others from being told. So a call that failed has still been made: what it failed
//! on is in the error.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use ms_filters::ServerIx;

use crate::{
    Counter, Credentials, Error, Session,
    account::Account,
    error::{Failure, Failures},
    held::Holdings,
    injection::Counted,
    pool::{Charset, Phase},
    session::Slot,
    transient::Tries,
    wishes::{Wish, Wishes},
};

/// How long rows that nobody fetched may hold up a call.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

impl Session {
    /// Makes `database` the default database of the session's connections, open and future.
    ///
    /// A connection that has another default database than its pool's is closed when the session ends; one that is set
    /// back to it is not. Statements prepared on the connections are prepared anew in the new database.
    ///
    /// # Errors
    ///
    /// - [`Error::Broadcast`] with every server that refused. The others have changed, and later connections will be told
    ///   (where a refusal makes them count as unreachable); call again with another name to mend that.
    /// - [`Error::Refused`] for a name no server can have; nothing was changed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: some connections may have changed. Calling again is all it takes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut session = db.session();
    /// session.select_db("archive").await?;
    /// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(&mut session).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn select_db(&mut self, database: &str) -> Result<(), Error> {
        let charset = self.charset();
        // In these the back quote behind a name can become the second half of its last character.
        if database.contains('\0') || (!database.is_ascii() && Charset::hides_ascii(charset)) {
            return Err(Error::Refused { why: format!("`{database}` cannot be sent as a database name").into() });
        }
        self.broadcast(Wish::Database(database.into())).await
    }

    /// Makes `charset` the character set of the session's connections, open and future, and of [`escape`](Self::escape).
    ///
    /// The driver sends and reads UTF-8: with a set that is not a subset of it, what is not ASCII is garbled.
    ///
    /// # Errors
    ///
    /// - [`Error::Broadcast`] with every server that refused, as for [`select_db`](Self::select_db);
    /// - [`Error::Refused`] for what cannot be the name of a character set, and for sets in which a quote or backslash can be
    ///   half of a character (`big5`, `cp932`, `gb18030`, `gbk`, `sjis`); nothing was changed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: some connections may have changed. Calling again is all it takes.
    pub async fn set_charset(&mut self, charset: &str) -> Result<(), Error> {
        let refused = |why: String| Error::Refused { why: why.into() };
        let wanted = Charset::new(charset, None).map_err(|error| refused(error.to_string()))?;
        if Charset::hides_ascii(charset) {
            let why = "quotes and backslashes can be halves of its characters, and the driver speaks UTF-8";
            return Err(refused(format!("character set `{charset}` cannot be used: {why}")));
        }
        self.broadcast(Wish::Charset(wanted)).await
    }

    /// Switches autocommit on or off on the session's connections, open and future.
    ///
    /// Switched off, the session is in a transaction until it is switched on again: the first statement after this call and
    /// after each `commit` or `rollback` chooses the server for those that follow, as after
    /// [`start_transaction`](Self::start_transaction). Without `trx_stickiness` (`classic`) statements go on being routed as
    /// before, and each server has a transaction of its own. A connection with autocommit off is closed when the session
    /// ends, which rolls back. Switching it on commits, on each server by itself.
    ///
    /// # Errors
    ///
    /// - [`Error::Broadcast`] with every server that failed, as for [`select_db`](Self::select_db). After a lost connection
    ///   nobody knows whether switching on has committed there;
    /// - [`Error::NotCounted`] when what would be committed cannot be counted; nothing was switched.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: some connections may have changed, and committed. Calling again is all it takes.
    pub async fn set_autocommit(&mut self, on: bool) -> Result<(), Error> {
        let counter = if on { Counter::AutocommitOn } else { Counter::AutocommitOff };
        self.cluster.count(counter, 1);
        let mut counted = Vec::new();
        if on && self.cluster.counts() && self.core.trx.is_open() {
            self.take_in_spare();
            self.take_in_eager();
            counted = self.count_implicitly().await?;
        }
        self.broadcast(Wish::Autocommit(on)).await?;
        counted.into_iter().for_each(Counted::keep);
        self.core.trx.switched_autocommit(on);
        Ok(())
    }

    /// Goes on as another account, with `database` as default database or with none.
    ///
    /// Each open connection is replaced at once by one of the new account; later ones log in as it. The session's
    /// character set and autocommit mode stay, and so do sticky choices and what it remembers of its statements;
    /// temporary tables, variables, locks and open transactions are gone, as after `COM_CHANGE_USER`. No counter moves.
    ///
    /// The new account's connections are the session's own: they do not count against the pools' limits, and they are
    /// closed when the session ends. A server whose options were handed in ready-made (a URL with parameters of sqlx's
    /// own) keeps its database if `database` is `None`.
    ///
    /// # Errors
    ///
    /// - [`Error::Broadcast`] with every server that did not let the account in. The session has no connection to it then;
    ///   nothing runs as the former account any more.
    /// - [`Error::Closed`];
    /// - [`Error::Credentials`] when there is no password for a server with ready-made options; nothing was changed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the session may have fewer connections, all of the new account. Calling again is all it takes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut session = db.session();
    /// session.change_user("reports", ms_pool::FromEnv::new("REPORTS_PASSWORD"), Some("shop")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn change_user(
        &mut self,
        user: &str,
        credentials: impl Credentials + 'static,
        database: Option<&str>,
    ) -> Result<(), Error> {
        self.take_in_spare();
        if self.cluster.is_closed() {
            return Err(Error::Closed);
        }
        self.take_in_eager();
        let Self { cluster, slots, core } = self;
        let account = Account::new(cluster, user, Arc::new(credentials), database).await?;
        let wishes = core.wishes.get_or_insert_default();
        wishes.account = Some(account);
        wishes.database = None;
        if cluster.inner.rules.is_strict() {
            core.trx.end();
        }
        // What was set on the connections goes with them.
        core.own_sql_mode = false;
        core.holdings = Holdings::default();
        let former = std::mem::take(&mut slots.0);
        let pools: Vec<_> = former.iter().map(|slot| (slot.server, core.pool(cluster, slot.server))).collect();
        // Before their successors come: a server may allow so many connections and no more.
        drop(former);
        let wishes = core.wishes.as_deref().expect("they were just made");
        let replaced = join_all(pools.into_iter().map(async |(server, pool)| {
            let opened = async || {
                let mut lease = pool.lease(pool.acquire_deadline()).await?;
                wishes.fulfil_on(&mut lease).await?;
                Ok::<_, Error>(lease)
            };
            let mut tries = Tries::default();
            loop {
                match opened().await {
                    Err(error) if cluster.try_connecting_again(&error, &mut tries).await => {}
                    opened => return (server, opened),
                }
            }
        }));
        let mut failures = Vec::new();
        for (server, opened) in replaced.await {
            match opened {
                Ok(lease) => {
                    cluster.inner.sql_mode.learn(&lease.identity().sql_mode);
                    slots.put(server, lease);
                }
                Err(error) => failures.push((server, error.into())),
            }
        }
        self.reported("change_user", failures)
    }

    async fn broadcast(&mut self, wish: Wish) -> Result<(), Error> {
        self.take_in_spare();
        self.take_in_eager();
        let strict = self.cluster.inner.rules.is_strict();
        let call = wish.call();
        let Self { slots, core, cluster } = self;
        core.wishes.get_or_insert_with(Box::<Wishes>::default).record(wish.clone());
        // What the next statement would replace is not asked; its successor will be told.
        slots.0.retain(|slot| match slot.lease.phase() {
            Phase::Ready | Phase::Unread | Phase::Lent => true,
            Phase::Broken => !strict,
            Phase::Asking => false,
        });
        let wish = &wish;
        let told = join_all(slots.0.iter_mut().map(async |Slot { server, lease, .. }| {
            lease.settle(SETTLE_LIMIT).await;
            let mut tries = Tries::default();
            loop {
                match wish.fulfil_on(lease).await {
                    Err(error) if cluster.try_again(lease, wish.tried(), &error, &mut tries).await => {}
                    told => return (*server, told),
                }
            }
        }));
        let mut failures: Vec<_> =
            told.await.into_iter().filter_map(|(server, told)| Some((server, told.err()?))).collect();
        // One that was dead before it was asked anything has refused nothing; its successor will be told.
        let dead = |slot: &Slot| slot.lease.is_untried() && slot.lease.phase() == Phase::Broken;
        failures.retain(|(server, _)| !slots.get(*server).is_some_and(dead));
        slots.0.retain(|slot| !dead(slot));
        core.holdings.told_all(slots, &wish.sql());
        self.reported(call, failures)
    }

    /// Where `lazy_connections` is off, the original's handle had all its connections from the start. Those that lie open
    /// become the session's, so that a server's refusal shows with the call and not with a statement to come.
    fn take_in_eager(&mut self) {
        let Self { cluster, slots, core } = self;
        if cluster.inner.lazy {
            return;
        }
        for server in (0..).take(cluster.inner.members.len()).map(ServerIx::new) {
            if slots.get(server).is_none()
                && let Some(lease) = core.try_lease(cluster, server)
            {
                // Not at the end: that is the one used last.
                slots.0.insert(0, Slot::new(server, lease));
            }
        }
    }

    fn reported(&self, call: &'static str, mut failures: Vec<(ServerIx, sqlx::Error)>) -> Result<(), Error> {
        if failures.is_empty() {
            return Ok(());
        }
        // Primaries first, as configured.
        failures.sort_by_key(|(server, _)| server.index());
        let name = |server| Arc::clone(self.cluster.member(server).pool.server());
        let failures = failures.into_iter().map(|(server, source)| Failure { server: name(server), source }).collect();
        Err(Error::Broadcast { call, failures: Failures::new(failures) })
    }
}
