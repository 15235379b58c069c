//! What goes on in the background wherever a store is configured.
//!
//! The owner shows that it is alive, so that nobody takes its transactions for left behind; and one process of all that share
//! the store, whoever has the turn, finishes what others left behind. Nothing depends on either for being right: who
//! decides about a transaction is settled where the decision is written. About once a minute the one with the turn also tells what is
//! prepared, and for how long, for those who watch.

use std::{
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use ms_xa::StateStore;
use tokio::{runtime::Handle, time::sleep};

use super::store::words;
use crate::{Cluster, cluster::Inner};

/// Between two runs; a third of the store's lease.
const PERIOD: Duration = Duration::from_secs(10);
/// Every so many turns all servers are asked what they have prepared.
const LOOKS: u64 = 6;

impl Cluster {
    /// Starts the task, once, if there is anything for it to do.
    pub(crate) fn keep_up(&self) {
        let globals = &self.inner.globals;
        if globals.store.is_none() || globals.kept_up.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            globals.kept_up.store(false, Ordering::Relaxed);
            return;
        };
        runtime.spawn(keep_up(std::sync::Arc::downgrade(&self.inner)));
    }
}

impl Cluster {
    /// Tells in a tracing event what is prepared where, unless that is nothing and was nothing before.
    ///
    /// An age is no sum, so it is none of the statistics, which add up over a process' clusters.
    async fn tell_prepared(&self, before: bool) -> bool {
        let list = self.xa_list().await;
        let answers = || list.servers.iter().filter_map(|it| it.prepared.as_ref().ok());
        let known: usize = answers().map(|it| it.known.len()).sum();
        let unknown = list.unknown().count();
        if before || known + unknown > 0 {
            tracing::info!(
                target: "ms_pool::xa",
                known,
                unknown,
                oldest_s = list.oldest_prepared().unwrap_or_default().as_secs(),
                unasked = list.servers.len() - answers().count(),
                "branches of global transactions are prepared"
            );
        }
        known + unknown > 0
    }
}

async fn keep_up(cluster: Weak<Inner>) {
    let (mut turns, mut was_prepared) = (0_u64, false);
    loop {
        // A thousand processes that were started together must not come together.
        sleep(PERIOD.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
        let Some(inner) = cluster.upgrade() else { return };
        let cluster = Cluster { inner };
        if cluster.is_closed() {
            return;
        }
        let globals = &cluster.inner.globals;
        let Some(store) = &globals.store else { return };
        if let Err(error) = store.renew(&globals.all_open()).await {
            let error = words(&error);
            cluster.inner.hooks.warn(format!("the leases of open global transactions were not prolonged: {error}"));
            continue;
        }
        if globals.collection.probability == 0 {
            continue;
        }
        match store.take_turn().await {
            Ok(Some(turn)) => {
                cluster.collect_due().await;
                turns += 1;
                if turns % LOOKS == 1 {
                    was_prepared = cluster.tell_prepared(was_prepared).await;
                }
                drop(turn);
            }
            // Another process has it.
            Ok(None) => {}
            Err(error) => {
                let error = words(&error);
                cluster
                    .inner
                    .hooks
                    .warn(format!("global transactions that were left behind cannot be looked for: {error}"));
            }
        }
    }
}
