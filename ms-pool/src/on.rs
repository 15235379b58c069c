//! An executor for statements that the program sends to a part of the servers, whatever their text says.

use std::time::Duration;

use ms_filters::Quality;
use ms_hints::Route;

use crate::{Cluster, Consistency, Error, Session};

/// Runs every statement on one side, on one group of servers, or within a bound on the age of what it reads; from
/// [`Cluster::primary`], [`Cluster::replica`], [`Cluster::group`] and [`Cluster::max_age`].
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(db.primary()).await?;
/// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(db.max_age(Duration::from_secs(5))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct On<'c> {
    cluster: &'c Cluster,
    route: Option<Route>,
    level: Option<Quality>,
    group: Option<&'c str>,
}

impl<'c> On<'c> {
    fn anywhere(cluster: &'c Cluster) -> Self {
        Self { cluster, route: None, level: None, group: None }
    }

    /// The same, with a bound on the age of what it reads; as [`Cluster::max_age`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let reports = db.group("reports")?.max_age(Duration::from_secs(60));
    /// let sums: Vec<(String, i64)> = sqlx::query_as("SELECT city, SUM(total) FROM orders GROUP BY city").fetch_all(reports).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        Self { level: Some(Consistency::max_age(age).quality()), ..self }
    }

    pub(crate) fn route(&self) -> Option<Route> {
        self.route
    }

    /// A session for one of its statements.
    pub(crate) fn session_of_one(&self) -> Session {
        let mut session = Session::ephemeral(self.cluster.clone());
        session.core.level = self.level;
        session.core.group = self.group.map(Into::into);
        session
    }
}

impl Cluster {
    /// An executor for which every statement is to run on a primary, as with the hint `ms=primary`.
    #[must_use]
    pub fn primary(&self) -> On<'_> {
        On { route: Some(Route::Primary), ..On::anywhere(self) }
    }

    /// An executor for which every statement is to run on a replica, as with the hint `ms=replica`.
    ///
    /// In `strict` a connection to a replica refuses writes; one that is sent there on purpose makes it accept them, with
    /// a warning.
    #[must_use]
    pub fn replica(&self) -> On<'_> {
        On { route: Some(Route::Replica), ..On::anywhere(self) }
    }

    /// An executor whose reads may be of the past, by no more than `age`: they run on replicas that are known to trail by no more, or
    /// on a primary. Its writes go where writes go.
    ///
    /// It takes the place of the configured level, as [`Consistency::max_age`] does for a session; a hint in the text goes before it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let (hits,): (i64,) =
    ///     sqlx::query_as("SELECT SUM(hits) FROM pages").fetch_one(db.max_age(Duration::from_secs(10))).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_age(&self, age: Duration) -> On<'_> {
        On::anywhere(self).max_age(age)
    }

    /// An executor for which every statement is to run within one of the groups of the filter `node_groups`, as with a comment that
    /// names it; it goes before such a comment.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when no filter knows a group of that name. (A comment that names none is only a comment.)
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let cities: Vec<(String,)> = sqlx::query_as("SELECT DISTINCT city FROM orders").fetch_all(db.group("reports")?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn group<'c>(&'c self, name: &'c str) -> Result<On<'c>, Error> {
        self.check_group(name)?;
        Ok(On { group: Some(name), ..On::anywhere(self) })
    }

    /// That some filter knows a group of that name.
    pub(crate) fn check_group(&self, name: &str) -> Result<(), Error> {
        if self.router().pipeline().knows_group(name) {
            return Ok(());
        }
        let why = format!("no filter of the cluster knows a group of servers named `{name}`");
        Err(Error::Refused { why: why.into() })
    }
}
