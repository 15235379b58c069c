//! Answers that are kept for a while, for those who can live with the past.
//!
//! Who tolerates an answer of ten seconds ago need not ask a server that trails by three: an answer from there may be kept for
//! the seven that are left, and for these it costs nothing. That is the original's cache, as a typed call instead of comments in
//! SQL: [`Cluster::cached`] says how old an answer may be, and takes queries whose rows become values that can be cloned.
//!
//! ```text
//!   fetch_all ──► kept, and young enough? ──► a copy                               store.rs
//!                  │ no: is it being asked for already? ──► wait for that answer   flight.rs
//!                  ▼
//!                 may it be kept? no: run as if there were no cache
//!                  │
//!                  ▼
//!                 a primary, or a replica that trails by less ──► kept as of the moment it shows
//! ```
//!
//! An answer is not kept *until* some moment but *as of* one: when it was asked for, less the lag of who answered. So a bound is
//! kept whoever asked first, and with whatever bound of their own.
//!
//! The key is the statement with its parameters and the type of the answer. All else that could make a difference is the
//! same for all that share the store, which belongs to the cluster: section, database, user, character set, and the time zone that
//! `init` sets; a comment that names a group of servers is part of the statement. Sessions may change each of these
//! and have no cache.

use std::{any::Any, time::Duration};

use ms_filters::Quality;
use ms_hints::Protocol;
use sqlx_mysql::MySqlRow;
use tokio::time::Instant;

use crate::{
    Cluster, Counter, Session,
    pool::Stmt,
    run::{Rows, gather},
};

mod flight; // one question for all who ask it at the same time
mod key; // what makes two questions the same
mod query; // queries whose rows have a type
mod store; // answers, by key and bounded by bytes
mod weight; // how much room an answer takes

pub(crate) use self::store::{CAPACITY, Store};
use self::{
    flight::{Joined, Landing},
    key::Key,
    store::Entry,
};
pub use self::{query::TypedQuery, store::CacheState};

/// Queries whose answers may come from a cache; from [`Cluster::cached`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is asked until `fetch_all`, `fetch_one` or `fetch_optional`"]
pub struct Cached<'c> {
    cluster: &'c Cluster,
    max_age: Duration,
}

impl Cluster {
    /// Queries whose answers may be up to `max_age` old: kept ones, and those of replicas that trail by less.
    ///
    /// `max_age` is the whole age, of the time it was kept and of the lag of the replica it came from. What was asked for once
    /// is asked for once, however many ask at the same time. Answers are kept by this cluster, up to
    /// [`Builder::cache_bytes`](crate::Builder::cache_bytes); writes do not remove them.
    ///
    /// What cannot be kept runs as through `&Cluster`: writes, and reads whose answer does not follow from the data and the parameters
    /// alone (`NOW()`, `RAND()`, variables, functions of your own), and statements with a hint.
    /// [`Statement::varies_by`](ms_hints::Statement::varies_by) says what keeps a statement from being kept, and the counter
    /// [`CacheBypassed`](Counter::CacheBypassed) how often that was so.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// use std::time::Duration;
    ///
    /// #[derive(Clone, sqlx::FromRow)]
    /// struct Item {
    ///     id: i64,
    ///     name: String,
    /// }
    ///
    /// let minute = db.cached(Duration::from_secs(60));
    /// let top: Vec<Item> = minute.fetch_all(sqlx::query_as("SELECT id, name FROM items ORDER BY sold DESC LIMIT 10")).await?;
    /// let name: String = minute.fetch_one(sqlx::query_scalar("SELECT name FROM items WHERE id = ?").bind(7)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cached(&self, max_age: Duration) -> Cached<'_> {
        Cached { cluster: self, max_age }
    }

    /// What is kept at this moment.
    #[must_use]
    pub fn cache_state(&self) -> CacheState {
        self.inner.cache.state()
    }

    /// Forgets all that is kept: after a migration, say. What is being asked for at this moment is kept nevertheless.
    pub fn clear_cache(&self) {
        self.inner.cache.clear();
    }
}

impl Cached<'_> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// As the query would. Errors are not kept; who has waited for somebody else's question that failed asks again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if others wait for the answer, one of them asks.
    pub async fn fetch_all<Q: TypedQuery>(&self, query: Q) -> Result<Vec<Q::Output>, sqlx::Error> {
        self.fetch(query.take()?.0, Rows::All, |rows| rows.iter().map(Q::decode).collect()).await
    }

    /// The first row.
    ///
    /// # Errors
    ///
    /// As [`fetch_all`](Self::fetch_all), and `RowNotFound` when there is none, which is kept like any other answer.
    ///
    /// # Cancel safety
    ///
    /// As [`fetch_all`](Self::fetch_all).
    pub async fn fetch_one<Q: TypedQuery>(&self, query: Q) -> Result<Q::Output, sqlx::Error> {
        self.fetch_optional(query).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`fetch_all`](Self::fetch_all).
    ///
    /// # Cancel safety
    ///
    /// As [`fetch_all`](Self::fetch_all).
    pub async fn fetch_optional<Q: TypedQuery>(&self, query: Q) -> Result<Option<Q::Output>, sqlx::Error> {
        self.fetch(query.take()?.0, Rows::First, |rows| rows.first().map(Q::decode).transpose()).await
    }

    async fn fetch<T: Any + Clone + Send + Sync>(
        &self,
        stmt: Stmt,
        rows: Rows,
        decode: fn(&[MySqlRow]) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        // An answer is as old as it was when somebody asked for it, as without a cache.
        let asked = Instant::now();
        let store = &self.cluster.inner.cache;
        let Some(key) = Key::new::<T>(&stmt).filter(|_| store.is_on() && !self.max_age.is_zero()) else {
            return decode(&self.bypass(stmt, rows).await?);
        };
        let young_enough = |entry: &Entry| entry.age(asked) < self.max_age;
        loop {
            if let Some(entry) = store.get(&key).filter(young_enough) {
                self.cluster.count(Counter::CacheHit, 1);
                return Ok(entry.value());
            }
            // What is kept was looked at before it was kept.
            if !self.may_keep(&stmt) {
                return decode(&self.bypass(stmt, rows).await?);
            }
            match store.flights().join(&key) {
                Joined::Leads(lead) => {
                    // Somebody may have landed since.
                    if store.get(&key).as_ref().is_some_and(young_enough) {
                        continue;
                    }
                    let (value, entry) = self.ask(stmt, rows, decode).await.inspect_err(|_| lead.land_without())?;
                    if let Some(entry) = entry {
                        store.insert(&key, entry.clone());
                        lead.land(entry);
                    } else {
                        lead.land_without();
                    }
                    return Ok(value);
                }
                Joined::Follows(flight) => match flight.landing().await {
                    Some(Landing::Answer(entry)) if young_enough(&entry) => {
                        self.cluster.count(Counter::CacheShared, 1);
                        return Ok(entry.value());
                    }
                    // Whoever asked has failed: so would the next one, and those behind would wait for one failure after the other.
                    Some(Landing::Nothing) => return Ok(self.ask(stmt, rows, decode).await?.0),
                    // It is too old for who asks here, or whoever asked has gone.
                    Some(Landing::Answer(_)) | None => {}
                },
            }
        }
    }

    /// Whether the answer to this statement may be given to others.
    fn may_keep(&self, stmt: &Stmt) -> bool {
        let protocol = if stmt.args.is_some() { Protocol::Prepared } else { Protocol::Text };
        let statement = self.cluster.parse(stmt.sql.as_str(), protocol, self.cluster.inner.sql_mode.get());
        // Who says where to go, or how fresh it has to be, does not mean whatever lies about.
        statement.route.is_none() && statement.level.is_none() && statement.varies_by().is_none()
    }

    /// As without a cache.
    async fn bypass(&self, stmt: Stmt, rows: Rows) -> Result<Vec<MySqlRow>, sqlx::Error> {
        self.cluster.count(Counter::CacheBypassed, 1);
        let answer = gather(Session::ephemeral(self.cluster.clone()), stmt, rows).await?;
        Ok(answer.rows)
    }

    /// Asks a server that is up to date enough. Without an entry its answer cannot be kept: nobody knows of when it is.
    async fn ask<T: Any + Clone + Send + Sync>(
        &self,
        stmt: Stmt,
        rows: Rows,
        decode: fn(&[MySqlRow]) -> Result<T, sqlx::Error>,
    ) -> Result<(T, Option<Entry>), sqlx::Error> {
        self.cluster.count(Counter::CacheMiss, 1);
        let mut session = Session::ephemeral(self.cluster.clone());
        session.core.level = Some(Quality::LagBelow(self.max_age));
        // How far a replica trails is measured now or later, so what it shows is no older than that lag before now.
        let began = Instant::now();
        let answer = gather(session, stmt, rows).await?;
        let value = decode(&answer.rows)?;
        let as_of = answer.lag.and_then(|lag| began.checked_sub(lag));
        let entry = as_of.map(|as_of| Entry::new(value.clone(), as_of, weight::of(&answer.rows)));
        Ok((value, entry))
    }
}
