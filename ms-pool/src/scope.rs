//! What must be visible: reads that see what was written, wherever they run.
//!
//! A request writes, and then reads on a replica that may not have the write yet. A [`Scope`] knows what was written through
//! it, so that its reads go to servers that have it. It holds no connection: it is cheap, and may be shared by the tasks of a
//! request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ms_config::BeyondBudget;
use ms_filters::{Quality, ServerIx};
use ms_gtid::Position;

use crate::{
    Cluster, Consistency, Error, Session, Tx, TxOptions,
    positions::{Written, all_of_primaries, pay, shown},
};

/// Statements that see what was written through it; from [`Cluster::scope`].
///
/// `&Scope` is an sqlx executor. Clones are the same scope. At the level `session`, the default in `strict`, a read goes to a
/// replica that has everything that the scope wrote, or to a primary; and two reads in a row never go back in time: the scope stays
/// on its replica, and moves to another one when that has all of it.
///
/// # Examples
///
/// ```no_run
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let scope = db.scope();
/// sqlx::query("INSERT INTO orders (item) VALUES ('tea')").execute(&scope).await?;
/// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(&scope).await?; // its own write counted
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scope {
    cluster: Cluster,
    shared: Arc<Shared>,
}

/// What its statements are told beside what they must see.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    level: Option<Quality>,
    beyond: Option<BeyondBudget>,
}

#[derive(Debug)]
struct Shared {
    written: Arc<Written>,
    said: Mutex<Said>,
}

impl Cluster {
    /// A scope that has written nothing yet.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let shared = Shared { written: Arc::new(Written::keeping_reads()), said: Mutex::default() };
        Scope { cluster: self.clone(), shared: Arc::new(shared) }
    }

    /// A scope that sees `position` from the beginning: what another process wrote, for example.
    #[must_use]
    pub fn scope_at(&self, position: &Position) -> Scope {
        let scope = self.scope();
        scope.require(position);
        scope
    }
}

impl Scope {
    /// The cluster the scope belongs to.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Gives the scope another service level, in place of the configured one. A statement's hint goes before it.
    pub fn set_consistency(&self, consistency: Consistency) {
        let quality = consistency.quality();
        if let Consistency::Session { at: Some(position) } = consistency {
            self.require(&position);
        }
        self.said().level = Some(quality);
    }

    /// What becomes of its reads when no replica has caught up and [the budget](crate::PrimaryBudget) for such reads on the
    /// primary is used up, in place of what is configured.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use ms_pool::BeyondBudget;
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let scope = db.scope();
    /// sqlx::query("UPDATE pages SET hits = hits + 1 WHERE id = 7").execute(&scope).await?;
    /// scope.set_beyond_budget(BeyondBudget::Stale); // better the number of a moment ago than a primary that gives in
    /// let (hits,): (i64,) = sqlx::query_as("SELECT hits FROM pages WHERE id = 7").fetch_one(&scope).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_beyond_budget(&self, beyond: BeyondBudget) {
        self.said().beyond = Some(beyond);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.shared.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on reads see `position` as well.
    pub fn require(&self, position: &Position) {
        self.shared.written.require(position);
    }

    /// What has to be seen so far, and what the scope has read: asks the connections that wrote, where they were not asked before,
    /// and the replica that was read from last. Empty when nothing was written or read.
    ///
    /// # Errors
    ///
    /// [`Error::PositionLost`] when a primary died before it could be asked; [`Error::NoPosition`] when there is no telling.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was not found out is asked the next time.
    pub async fn position(&self) -> Result<Position, Error> {
        let mut session = self.session_of_one();
        let Session { cluster, slots, core } = &mut session;
        let Some(must) = self.shared.written.must() else { return Ok(Position::new()) };
        if !pay(cluster, core, slots, &self.shared.written, must.as_of).await? {
            let server = self.shared.written.debts().first().map_or(ServerIx::new(0), |debt| debt.server);
            return Err(Error::NoPosition { server: Arc::clone(self.cluster.member(server).pool.server()) });
        }
        if let Some(stays) = &must.stays
            && !shown(cluster, stays, &self.shared.written).await
        {
            // What it had the primary has as well, unless it is lost.
            match all_of_primaries(cluster).await {
                Some(all) => self.shared.written.require(&all),
                None => {
                    let server = Arc::clone(cluster.member(stays.server).pool.server());
                    return Err(Error::NoPosition { server });
                }
            }
        }
        Ok(Position::clone(&self.shared.written.must_as_of(must.as_of).position))
    }

    /// Whether anything was written through it, successful or not; what was handed over does not count.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.shared.written.has_written()
    }

    /// What was handed over and turns out to be lost is warned of, and fails no read.
    #[cfg(feature = "tower")]
    pub(crate) fn forgive(&self) {
        self.shared.written.forgive();
    }

    /// Whether something was lost and is not asked for any more.
    #[cfg(feature = "tower")]
    pub(crate) fn has_lost(&self) -> bool {
        self.shared.written.has_lost()
    }

    /// A session whose statements are this scope's.
    #[must_use]
    pub fn session(&self) -> Session {
        self.adopt(Session::new(self.cluster.clone()))
    }

    /// Begins a transaction on the primary; once it is committed the scope sees it.
    ///
    /// # Errors
    ///
    /// As [`Cluster::begin`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no transaction behind.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with(TxOptions::default()).await
    }

    /// As [`begin`](Self::begin), with options.
    ///
    /// # Errors
    ///
    /// As [`Cluster::begin_with`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no transaction behind.
    pub async fn begin_with(&self, options: TxOptions) -> Result<Tx, sqlx::Error> {
        Tx::begin(self.session(), options).await
    }

    /// A session for one of its statements.
    pub(crate) fn session_of_one(&self) -> Session {
        self.adopt(Session::ephemeral(self.cluster.clone()))
    }

    fn adopt(&self, mut session: Session) -> Session {
        session.core.scope = Some(Arc::clone(&self.shared.written));
        let said = *self.said();
        (session.core.level, session.core.beyond) = (said.level, said.beyond);
        session
    }
}
