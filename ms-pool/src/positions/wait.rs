//! Waits for replicas: one waiter per replica and process.
//!
//! A thousand tasks that wait for the same replica are one connection that waits there. Each answer shows all that the replica
//! has, so it serves everybody who asked for less; who asked for more goes on waiting.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ms_filters::ServerIx;
use ms_gtid::{Coverage, Position, source::Server};
use tokio::{
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, sleep, timeout_at},
};

use super::ask::{self, Asked};
use crate::{Cluster, pool::Lease};

/// A wait at the server is cut into pieces, so that somebody who asks for less than the first is answered in between.
const SHORTEST: Duration = Duration::from_millis(10);
/// How long to leave a server alone that cannot wait.
const PAUSE: Duration = Duration::from_millis(5);

/// Who waits for one replica.
#[derive(Default)]
pub(super) struct Waiter {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    worker: Option<AbortHandle>,
}

struct Waiting {
    position: Arc<Position>,
    until: Instant,
    done: oneshot::Sender<()>,
}

/// Waits until `server` was seen to have `position`; `false` at `until`, or when it cannot be asked.
///
/// # Cancel safety
///
/// Cancel safe; the waiter goes on for those who are left.
pub(super) async fn wait(cluster: &Cluster, server: ServerIx, position: &Arc<Position>, until: Instant) -> bool {
    let waiter = &cluster.positions().members[server.index()].waiter;
    let (done, woken) = oneshot::channel();
    {
        let mut state = waiter.state();
        state.waiting.push(Waiting { position: Arc::clone(position), until, done });
        if state.worker.as_ref().is_none_or(AbortHandle::is_finished) {
            state.worker = Some(tokio::spawn(work(cluster.clone(), server)).abort_handle());
        }
    }
    // A little longer than the server, which is to have the last word.
    let _ = timeout_at(until + SHORTEST, woken).await;
    cluster.positions().known(server).covers(position) == Coverage::Reached
}

/// Asks until nobody waits.
async fn work(cluster: Cluster, server: ServerIx) {
    let waiter = &cluster.positions().members[server.index()].waiter;
    let mut own = None;
    while let Some((position, until)) = waiter.next() {
        if !ask(&cluster, server, &mut own, &position, until).await {
            own = None;
            waiter.drop_first(&position);
        }
        let known = cluster.positions().known(server);
        waiter.wake(|position| known.covers(position) == Coverage::Reached);
    }
}

/// One question; `false` when there is no use in another one.
async fn ask(
    cluster: &Cluster,
    server: ServerIx,
    own: &mut Option<Lease>,
    position: &Position,
    until: Instant,
) -> bool {
    let lease = match own {
        Some(lease) if lease.is_ready() => lease,
        _ => match cluster.member(server).pool.lease(until).await {
            Ok(lease) => own.insert(lease),
            Err(error) => {
                if error.blames_server() {
                    cluster.positions().known(server).forget();
                }
                return false;
            }
        },
    };
    let Some(source) = ask::source(cluster, server, lease).await else { return false };
    let left = until.saturating_duration_since(Instant::now());
    let piece = (left / 4).max(SHORTEST).min(left);
    let of = Server { replicates: true };
    match ask::check(cluster, (server, lease), &*source, position, of, piece).await {
        Ok(Asked::All | Asked::Waited) => true,
        Ok(Asked::NotYet) => {
            sleep(PAUSE).await;
            true
        }
        Ok(Asked::Nothing) | Err(_) => false,
    }
}

impl Waiter {
    /// The one who has waited longest and still does.
    fn next(&self) -> Option<(Arc<Position>, Instant)> {
        let mut state = self.state();
        let now = Instant::now();
        state.waiting.retain(|it| it.until > now && !it.done.is_closed());
        let first = state.waiting.first().map(|it| (Arc::clone(&it.position), it.until));
        if first.is_none() {
            // Under the lock: who comes next starts a new worker.
            state.worker = None;
        }
        first
    }

    /// Tells those whose wait is over.
    fn wake(&self, is_reached: impl Fn(&Position) -> bool) {
        self.state().waiting.retain_mut(|it| !is_reached(&it.position));
    }

    fn drop_first(&self, position: &Arc<Position>) {
        self.state().waiting.retain(|it| !Arc::ptr_eq(&it.position, position));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
