//! An executor for statements that must run on one side.

use ms_hints::Route;

use crate::Cluster;

/// Runs every statement on a primary, or every one on a replica; from [`Cluster::primary`] and [`Cluster::replica`].
///
/// ```no_run
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(db.primary()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct On<'c> {
    cluster: &'c Cluster,
    route: Route,
}

impl<'c> On<'c> {
    pub(crate) fn new(cluster: &'c Cluster, route: Route) -> Self {
        Self { cluster, route }
    }

    pub(crate) fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    pub(crate) fn route(&self) -> Route {
        self.route
    }
}
