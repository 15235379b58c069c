//! What was routed where, in the original's counters.
//!
//! The names are those of the original's statistics function, so that dashboards built on it keep working; each counter's
//! documentation says which event moves it; some wait for a capability that is not there yet. Counters only grow, but for the
//! four that [are gauges](Counter::is_gauge), and are cheap (one relaxed atomic addition). Each cluster has its own; what the original's
//! function returned is their sum, [`Statistics::process`].

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// One event that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Counter {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Counter {
            /// Every counter, in the order of the original's table.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant,)+];

            /// The original's name, for example `use_slave`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Counter::$variant => $name,)+
                }
            }

            /// Whether it says how many there are now, and not how often something has happened: it goes down again.
            #[must_use]
            pub const fn is_gauge(self) -> bool {
                matches!(
                    self,
                    Counter::PoolPrimariesTotal
                        | Counter::PoolReplicasTotal
                        | Counter::PoolPrimariesActive
                        | Counter::PoolReplicasActive
                )
            }
        }
    };
}

counters! {
    /// A load balancer handed out a working replica connection.
    UseReplica = "use_slave",
    /// A load balancer handed out a working primary connection.
    UsePrimary = "use_master",
    /// The text of a statement without a hint said replica.
    UseReplicaGuess = "use_slave_guess",
    /// The text of a statement without a hint said primary.
    UsePrimaryGuess = "use_master_guess",
    /// A hint asked for a replica.
    UseReplicaHint = "use_slave_sql_hint",
    /// A hint asked for a primary.
    UsePrimaryHint = "use_master_sql_hint",
    /// A hint asked for the connection used last.
    UseLastUsedHint = "use_last_used_sql_hint",
    /// The callback of a `user` filter picked a replica.
    UseReplicaCallback = "use_slave_callback",
    /// The callback of a `user` filter picked a primary.
    UsePrimaryCallback = "use_master_callback",
    /// A replica was opened while the cluster was connected.
    EagerReplicaSuccess = "non_lazy_connections_slave_success",
    /// A replica could not be opened while the cluster was connected.
    EagerReplicaFailure = "non_lazy_connections_slave_failure",
    /// A primary was opened while the cluster was connected.
    EagerPrimarySuccess = "non_lazy_connections_master_success",
    /// A primary could not be opened while the cluster was connected.
    EagerPrimaryFailure = "non_lazy_connections_master_failure",
    /// A replica was opened when a statement needed it.
    LazyReplicaSuccess = "lazy_connections_slave_success",
    /// A replica could not be opened when a statement needed it.
    LazyReplicaFailure = "lazy_connections_slave_failure",
    /// A primary was opened when a statement needed it.
    LazyPrimarySuccess = "lazy_connections_master_success",
    /// A primary could not be opened when a statement needed it.
    LazyPrimaryFailure = "lazy_connections_master_failure",
    /// Autocommit was switched on by [`Session::set_autocommit`](crate::Session::set_autocommit), whatever came of it.
    AutocommitOn = "trx_autocommit_on",
    /// Autocommit was switched off by [`Session::set_autocommit`](crate::Session::set_autocommit), whatever came of it.
    AutocommitOff = "trx_autocommit_off",
    /// A statement within a transaction went to the primary because of `trx_stickiness: master`.
    TrxPrimaryForced = "trx_master_forced",
    /// `on_commit` succeeded for a statement in autocommit mode.
    GtidAutocommitSuccess = "gtid_autocommit_injections_success",
    /// `on_commit` failed for a statement in autocommit mode.
    GtidAutocommitFailure = "gtid_autocommit_injections_failure",
    /// `on_commit` succeeded ahead of a commit.
    GtidCommitSuccess = "gtid_commit_injections_success",
    /// `on_commit` failed ahead of a commit.
    GtidCommitFailure = "gtid_commit_injections_failure",
    /// `on_commit` succeeded ahead of a commit that something else implied.
    GtidImplicitCommitSuccess = "gtid_implicit_commit_injections_success",
    /// `on_commit` failed ahead of a commit that something else implied.
    GtidImplicitCommitFailure = "gtid_implicit_commit_injections_failure",
    /// A statement or a call was done again because its error is one of `transient_error`; the first try does not count.
    TransientErrorRetries = "transient_error_retries",
    /// A Fabric server was asked for shards and answered. Stays 0: Fabric is not there yet, here and below.
    FabricLookupSuccess = "fabric_sharding_lookup_servers_success",
    /// No Fabric server answered.
    FabricLookupFailure = "fabric_sharding_lookup_servers_failure",
    /// The microseconds that all these questions took together.
    FabricLookupTime = "fabric_sharding_lookup_servers_time_total",
    /// The bytes that were received for them.
    FabricLookupBytes = "fabric_sharding_lookup_servers_bytes_total",
    /// Fabric answered, and the answer could not be understood.
    FabricLookupXmlFailure = "fabric_sharding_lookup_servers_xml_failure",
    /// A global transaction began.
    XaBegin = "xa_begin",
    /// A global transaction was committed.
    XaCommitSuccess = "xa_commit_success",
    /// A global transaction could not be committed.
    XaCommitFailure = "xa_commit_failure",
    /// A global transaction was rolled back.
    XaRollbackSuccess = "xa_rollback_success",
    /// A global transaction could not be rolled back.
    XaRollbackFailure = "xa_rollback_failure",
    /// A server joined a global transaction.
    XaParticipants = "xa_participants",
    /// A global transaction was rolled back because its session ended.
    XaRollbackOnClose = "xa_rollback_on_close",
    /// Gauge: the primaries of all clusters that count here.
    PoolPrimariesTotal = "pool_masters_total",
    /// Gauge: the replicas of all clusters that count here.
    PoolReplicasTotal = "pool_slaves_total",
    /// Gauge: the primaries statements may be sent to, which are all until their cluster is closed.
    PoolPrimariesActive = "pool_masters_active",
    /// Gauge: the replicas statements may be sent to, which are all until their cluster is closed.
    PoolReplicasActive = "pool_slaves_active",
    /// The servers of a cluster were replaced. Stays 0: clusters keep their servers for life so far, here and below. (The
    /// original never moved these three.)
    PoolUpdates = "pool_updates",
    /// A primary that had been taken out came back.
    PoolPrimaryReactivated = "pool_master_reactivated",
    /// A replica that had been taken out came back.
    PoolReplicaReactivated = "pool_slave_reactivated",
    /// A replica refused to write (error 1792) and the primary ran the statement; this project's own counter.
    BeltRerouted = "belt_rerouted",
    /// A read whose connection broke before anything of its answer was seen was run again; own counter.
    ReadRepeated = "read_repeated",
    /// A server was passed over because it had failed before and is remembered for it; own counter.
    RememberedSkipped = "remembered_servers_skipped",
    /// A server that was avoided for a while was tried again, by one statement for all; own counter.
    RememberedRetried = "remembered_servers_retried",
    /// A primary refused to write, so its connections were closed; own counter.
    PrimaryRefused = "primaries_refusing_writes",
    /// The address of a server led to another one, so connections to the former were closed; own counter.
    ServerMoved = "servers_moved",
    /// A connection was closed on return because its session state had changed; own counter.
    DirtyClosed = "dirty_connections_closed",
    /// A statement went where the session's state is (a temporary table, a variable, a lock); own counter.
    StateBound = "state_bound_statements",
    /// The mode `observe` kept a statement on a primary that would have gone to a replica; own counter.
    ReplicaObserved = "replica_observed",
    /// A statement was sent to find out how far a replica trails; in `strict`, own counter.
    LagAsked = "lag_asked",
    /// The primary was asked what it has, to prove that a replica lacks nothing; in `strict`, own counter.
    LagSourceAsked = "lag_source_asked",
    /// A primary answered a read because no replica had caught up with what it had to see; in `strict`, own counter, as are the
    /// three below.
    BehindPrimary = "behind_primary",
    /// The same although nothing was left of [the budget](crate::PrimaryBudget) for it.
    BehindBeyond = "behind_beyond_budget",
    /// A replica answered such a read from the past, because nothing was left of the budget and the caller preferred that.
    BehindStale = "behind_stale",
    /// Such a read failed, because nothing was left of the budget and the caller preferred that.
    BehindRefused = "behind_refused",
    /// A token that came with a request could not be used; own counter.
    TokenRefused = "tokens_refused",
    /// A request that wrote was answered with a token; own counter.
    TokenIssued = "tokens_issued",
    /// An answer was kept and young enough; own counter, as are those below.
    CacheHit = "cache_hits",
    /// A server had to be asked for an answer that may be kept.
    CacheMiss = "cache_misses",
    /// Somebody waited for the answer to somebody else's question.
    CacheShared = "cache_shared",
    /// A query of [`Cluster::cached`](crate::Cluster::cached) was one whose answer cannot be kept.
    CacheBypassed = "cache_bypassed",
}

/// A set of counters. Cheap to share; [`Counter`] says what is counted.
///
/// ```
/// use ms_pool::{Counter, Statistics};
///
/// let statistics = Statistics::default();
/// assert_eq!(statistics.get(Counter::UseReplica), 0);
/// assert!(statistics.iter().any(|(name, _)| name == "use_slave"));
/// assert!(statistics.to_string().starts_with("use_slave 0\n"));
/// assert!(statistics.to_json().starts_with(r#"{"use_slave": 0, "use_master": 0, "#));
/// ```
pub struct Statistics {
    counts: Arc<Counts>,
    /// It is part of [`Statistics::process`].
    listed: bool,
}

type Counts = [AtomicU64; Counter::ALL.len()];

const fn nothing() -> Counts {
    [const { AtomicU64::new(0) }; Counter::ALL.len()]
}

/// What the process counts: sets in use, and what those counted that are not any more.
static PROCESS: Mutex<Process> = Mutex::new(Process { listed: Vec::new(), ended: nothing() });

struct Process {
    listed: Vec<Arc<Counts>>,
    ended: Counts,
}

impl Default for Statistics {
    fn default() -> Self {
        Self { counts: Arc::new(nothing()), listed: false }
    }
}

impl Statistics {
    /// The sum over all clusters of this process, those that are gone too; but for clusters that were given a set of their own
    /// ([`Builder::statistics`](crate::Builder::statistics)). [`Cluster::statistics`](crate::Cluster::statistics) is one cluster's
    /// part of it. A copy: it does not change any more.
    #[must_use]
    pub fn process() -> Self {
        let process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = Self::default();
        for counts in process.listed.iter().map(|it| &**it).chain([&process.ended]) {
            add_all(&sum.counts, counts);
        }
        sum
    }

    /// A set that is part of the process's.
    pub(crate) fn listed() -> Self {
        let counts = Arc::new(nothing());
        PROCESS.lock().unwrap_or_else(PoisonError::into_inner).listed.push(Arc::clone(&counts));
        Self { counts, listed: true }
    }

    /// How often `counter`'s event has happened.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counts[counter as usize].load(Relaxed)
    }

    /// All counters as one JSON object, by the original's names.
    #[must_use]
    pub fn to_json(&self) -> String {
        let members: Vec<_> = self.iter().map(|(name, count)| format!("\"{name}\": {count}")).collect();
        format!("{{{}}}", members.join(", "))
    }

    /// All counters by the original's names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Counter::ALL.iter().map(|&counter| (counter.name(), self.get(counter)))
    }

    #[inline]
    pub(crate) fn add(&self, counter: Counter, by: u64) {
        if by != 0 {
            self.counts[counter as usize].fetch_add(by, Relaxed);
        }
    }

    /// Of a gauge.
    pub(crate) fn take(&self, gauge: Counter, by: u64) {
        debug_assert!(gauge.is_gauge(), "counters only grow");
        self.counts[gauge as usize].fetch_sub(by, Relaxed);
    }
}

fn add_all(sum: &Counts, counts: &Counts) {
    for (sum, count) in sum.iter().zip(counts) {
        sum.fetch_add(count.load(Relaxed), Relaxed);
    }
}

/// What a cluster has counted stays counted when it is gone.
impl Drop for Statistics {
    fn drop(&mut self) {
        if self.listed {
            let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
            process.listed.retain(|it| !Arc::ptr_eq(it, &self.counts));
            add_all(&process.ended, &self.counts);
        }
    }
}

/// One line for each counter: name and number.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(name, count)| writeln!(f, "{name} {count}"))
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().filter(|&(_, count)| count != 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_own_place_and_name() {
        let statistics = Statistics::default();
        for (n, &counter) in (1..).zip(Counter::ALL) {
            statistics.add(counter, n);
        }
        let counts: Vec<u64> = statistics.iter().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=Counter::ALL.len() as u64).collect::<Vec<_>>());
        let mut names: Vec<_> = statistics.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Counter::ALL.len());
    }

    #[test]
    fn the_process_has_the_sum_of_all_clusters_and_forgets_none() {
        let cluster = || crate::Cluster::builder().primary("mysql://app@10.0.0.1/shop").build().unwrap();
        let (one, other) = (cluster(), cluster());
        // No other test counts this.
        let counter = Counter::FabricLookupXmlFailure;
        for (cluster, by) in [(&one, 2), (&other, 3)] {
            cluster.statistics().unwrap().add(counter, by);
        }
        let own = crate::Cluster::builder().primary("mysql://app@10.0.0.1/shop").statistics(Arc::default());
        own.build().unwrap().statistics().unwrap().add(counter, 100);
        assert_eq!(one.statistics().unwrap().get(counter), 2);
        assert_eq!(Statistics::process().get(counter), 5);
        drop(one);
        assert_eq!(Statistics::process().get(counter), 5);
        other.statistics().unwrap().add(counter, 1);
        assert_eq!(Statistics::process().get(counter), 6);
    }

    /// Those of its statistics function, in its order.
    #[test]
    fn every_name_of_the_original_is_there() {
        let names = "use_slave use_master use_slave_guess use_master_guess use_slave_sql_hint use_master_sql_hint \
            use_last_used_sql_hint use_slave_callback use_master_callback non_lazy_connections_slave_success \
            non_lazy_connections_slave_failure non_lazy_connections_master_success non_lazy_connections_master_failure \
            lazy_connections_slave_success lazy_connections_slave_failure lazy_connections_master_success \
            lazy_connections_master_failure trx_autocommit_on trx_autocommit_off trx_master_forced \
            gtid_autocommit_injections_success gtid_autocommit_injections_failure gtid_commit_injections_success \
            gtid_commit_injections_failure gtid_implicit_commit_injections_success gtid_implicit_commit_injections_failure \
            transient_error_retries fabric_sharding_lookup_servers_success fabric_sharding_lookup_servers_failure \
            fabric_sharding_lookup_servers_time_total fabric_sharding_lookup_servers_bytes_total \
            fabric_sharding_lookup_servers_xml_failure xa_begin xa_commit_success xa_commit_failure xa_rollback_success \
            xa_rollback_failure xa_participants xa_rollback_on_close pool_masters_total pool_slaves_total pool_masters_active \
            pool_slaves_active pool_updates pool_master_reactivated pool_slave_reactivated";
        let there: Vec<_> = Counter::ALL.iter().map(|it| it.name()).collect();
        let theirs: Vec<_> = names.split_whitespace().collect();
        assert_eq!(there[..theirs.len()], theirs, "this project's own come behind them");
    }
}
