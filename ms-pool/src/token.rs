//! Positions that leave the process, and come back to another one.
//!
//! A scope sees what was written through it, in this process. After a redirect another process answers, later a job runs
//! somewhere: they get the position as a token ([`ms_gtid::token`]), and their scopes see what the first one wrote. What
//! comes back may be anything, so it is an error with a name and never a reason to read the past in silence.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, UNIX_EPOCH},
};

use ms_filters::Quality;
use ms_gtid::Position;

use crate::{Cluster, Consistency, Error, Scope, Tokens, positions::all_of_primaries};

mod configured; // what the section says

pub(crate) use self::configured::configured;

/// How tokens are issued and read at this moment.
#[derive(Debug)]
pub(crate) struct CurrentTokens(RwLock<Arc<Tokens>>);

impl CurrentTokens {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self(RwLock::new(Arc::new(tokens)))
    }

    fn get(&self) -> Arc<Tokens> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cluster {
    /// A scope that sees what another one wrote, wherever that was: `token` is from [`Scope::token`].
    ///
    /// # Errors
    ///
    /// [`Error::Token`] says why it cannot be used: it was changed, is of another cluster, has expired and so on. What then is the
    /// caller's decision; [`Consistency::Strong`] is safe.
    ///
    /// # Examples
    ///
    /// ```
    /// # let db = ms_pool::Cluster::builder().primary("mysql://app@10.0.0.1/shop").build()?;
    /// use ms_pool::{Consistency, Error};
    ///
    /// # let header = "no token";
    /// let scope = match db.at(header) {
    ///     Ok(scope) => scope,
    ///     Err(error) => {
    ///         assert!(matches!(error, Error::Token { .. }));
    ///         let scope = db.scope();
    ///         scope.set_consistency(Consistency::Strong);
    ///         scope
    ///     }
    /// };
    /// # Ok::<(), ms_pool::Error>(())
    /// ```
    pub fn at(&self, token: &str) -> Result<Scope, Error> {
        self.at_all([token])
    }

    /// A scope that sees what several others wrote: the jobs that one job waits for, say.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at), for the first token that cannot be used.
    pub fn at_all<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) -> Result<Scope, Error> {
        let position = self.tokens().read_all(tokens, now())?;
        Ok(self.scope_of_token(&position))
    }

    /// A scope that sees a position, whatever the level of others.
    pub(crate) fn scope_of_token(&self, position: &Position) -> Scope {
        let scope = self.scope_at(position);
        // Where reads do not look at positions by themselves, this scope's do.
        if !position.is_empty() && !matches!(self.inner.rules.level, Quality::Session | Quality::Strong) {
            scope.set_consistency(Consistency::SESSION);
        }
        scope
    }

    /// How tokens of this cluster are issued and read; [`Builder::tokens`](crate::Builder::tokens) or the section says it.
    #[must_use]
    pub fn tokens(&self) -> Arc<Tokens> {
        self.inner.tokens.get()
    }

    /// Issues and reads tokens in another way from now on: with another key, when keys rotate.
    pub fn set_tokens(&self, tokens: Tokens) {
        *self.inner.tokens.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }
}

impl Scope {
    /// What must be visible to whoever goes on for this scope elsewhere, for [`Cluster::at`] there; `None` when nothing was
    /// written. What the scope itself was handed and has read is part of it.
    ///
    /// # Errors
    ///
    /// As [`position`](Self::position).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was not found out is asked the next time.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster, elsewhere: ms_pool::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let scope = db.scope();
    /// sqlx::query("INSERT INTO orders (item) VALUES ('tea')").execute(&scope).await?;
    /// if let Some(token) = scope.token().await? {
    ///     let scope = elsewhere.at(&token)?; // in a cookie, a header, the payload of a job
    ///     let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(&scope).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn token(&self) -> Result<Option<String>, Error> {
        if !self.has_written() {
            return Ok(None);
        }
        self.token_of_now().await.map(Some)
    }

    /// As [`token`](Self::token), whether anything was written or not.
    pub(crate) async fn token_of_now(&self) -> Result<String, Error> {
        let mut position = self.position().await?;
        // It would keep everybody who gets it on the primaries for ever. What these have is as much.
        if position.is_saturated()
            && let Some(all) = all_of_primaries(self.cluster()).await
        {
            position = all;
        }
        Ok(self.cluster().tokens().issue(&position, now()))
    }
}

/// Since 1970; a clock before that says 1970.
pub(crate) fn now() -> Duration {
    UNIX_EPOCH.elapsed().unwrap_or_default()
}
