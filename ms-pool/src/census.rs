//! How many servers there are, for the original's `pool_*` gauges.
//!
//! The original added the number of servers to its counter at each change, so that a pool that grew from one to two
//! servers showed three. Here each cluster stands for its servers as long as it lives, and takes them back out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use ms_filters::Role;

use crate::{Counter, Statistics};

/// The servers of one cluster, in the gauges of its statistics until dropped.
#[derive(Debug)]
pub(crate) struct Census {
    statistics: Arc<Statistics>,
    primaries: u64,
    replicas: u64,
    /// Statements may be sent to them.
    active: AtomicBool,
}

impl Census {
    pub(crate) fn new(statistics: Arc<Statistics>, roles: impl IntoIterator<Item = Role>) -> Self {
        let mut census = Self { statistics, primaries: 0, replicas: 0, active: true.into() };
        for role in roles {
            match role {
                Role::Primary => census.primaries += 1,
                Role::Replica => census.replicas += 1,
            }
        }
        for gauges in [TOTAL, ACTIVE] {
            census.each(gauges, Statistics::add);
        }
        census
    }

    /// No statement will be sent to them any more.
    pub(crate) fn retire(&self) {
        if self.active.swap(false, Relaxed) {
            self.each(ACTIVE, Statistics::take);
        }
    }

    fn each(&self, [primaries, replicas]: [Counter; 2], change: fn(&Statistics, Counter, u64)) {
        change(&self.statistics, primaries, self.primaries);
        change(&self.statistics, replicas, self.replicas);
    }
}

const TOTAL: [Counter; 2] = [Counter::PoolPrimariesTotal, Counter::PoolReplicasTotal];
const ACTIVE: [Counter; 2] = [Counter::PoolPrimariesActive, Counter::PoolReplicasActive];

impl Drop for Census {
    fn drop(&mut self) {
        self.retire();
        self.each(TOTAL, Statistics::take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cluster;

    #[test]
    fn clusters_are_in_the_gauges_as_long_as_they_live() {
        let statistics = Arc::new(Statistics::default());
        let census = |roles: &[Role]| Census::new(Arc::clone(&statistics), roles.iter().copied());
        let one = census(&[Role::Primary, Role::Replica, Role::Replica]);
        check(&statistics, [1, 2], [1, 2]);
        let other = census(&[Role::Primary, Role::Primary]);
        check(&statistics, [3, 2], [3, 2]);
        one.retire();
        one.retire();
        check(&statistics, [3, 2], [2, 0]);
        drop(one);
        check(&statistics, [2, 0], [2, 0]);
        drop(other);
        check(&statistics, [0, 0], [0, 0]);
    }

    #[tokio::test]
    async fn a_closed_cluster_has_servers_and_none_in_use() {
        let statistics = Arc::new(Statistics::default());
        let builder = Cluster::builder().primary("mysql://app@10.0.0.1").primary("mysql://app@10.0.0.2");
        let builder = builder.replicas(["mysql://app@10.0.0.3", "mysql://app@10.0.0.4"]);
        let db = builder.statistics(Arc::clone(&statistics)).build().unwrap();
        // Without `multi_master` the second primary is none of the cluster's.
        check(&statistics, [1, 2], [1, 2]);
        let clone = db.clone();
        db.close().await;
        check(&statistics, [1, 2], [0, 0]);
        drop((db, clone));
        check(&statistics, [0, 0], [0, 0]);
    }

    #[track_caller]
    fn check(statistics: &Statistics, total: [u64; 2], active: [u64; 2]) {
        assert_eq!(TOTAL.map(|it| statistics.get(it)), total);
        assert_eq!(ACTIVE.map(|it| statistics.get(it)), active);
    }
}
