//! What goes on in the background wherever a store is configured.
//!
//! The owner shows that it is alive, so that nobody takes its transactions for left behind; and one process of all that share
//! the store, whoever has the turn, finishes what others left behind. Nothing depends on either for being right: who
//! decides about a transaction is settled where the decision is written.

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

async fn keep_up(cluster: Weak<Inner>) {
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
