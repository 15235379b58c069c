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
    runtime::Handle,
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, sleep, timeout_at},
};

use super::ask::{self, Asked};
use crate::{Cluster, Counter, pool::Lease};

/// A wait at the server is cut into pieces, so that somebody who asks for less than the first is answered in between.
const SHORTEST: Duration = Duration::from_millis(10);
/// How often a server is asked for which others stand in: at first, and when it goes on lacking what it is asked for.
const NUDGE: Duration = Duration::from_millis(250);
const LONGEST_NUDGE: Duration = Duration::from_secs(2);
/// It may have to be connected to.
const NUDGE_LIMIT: Duration = Duration::from_secs(1);
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
    nudged: Option<Instant>,
    /// How long nobody nudges; doubles until the server has what it is asked for.
    pause: Duration,
    worker: Option<AbortHandle>,
}

struct Waiting {
    position: Arc<Position>,
    until: Instant,
    /// Dropped when it is reached; `None` when nobody waits for it.
    done: Option<oneshot::Sender<()>>,
}

/// What to ask for next.
struct Turn {
    position: Arc<Position>,
    until: Instant,
    nudges: bool,
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
        state.waiting.push(Waiting { position: Arc::clone(position), until, done: Some(done) });
        state.work(cluster, server);
    }
    // A little longer than the server, which is to have the last word.
    let _ = timeout_at(until + SHORTEST, woken).await;
    cluster.positions().known(server).covers(position) == Coverage::Reached
}

/// Has a server asked that is passed over because others are known to have `position`: it may have it as well by now, and reads
/// are to be shared again. Now and then, and nobody waits for it.
#[cold]
pub(super) fn nudge(cluster: &Cluster, server: ServerIx, position: &Arc<Position>) {
    let mut state = cluster.positions().members[server.index()].waiter.state();
    let now = Instant::now();
    let lately = state.nudged.is_some_and(|before| now.duration_since(before) < state.pause);
    if lately || !state.waiting.is_empty() || Handle::try_current().is_err() {
        return;
    }
    state.nudged = Some(now);
    state.pause = (state.pause * 2).clamp(NUDGE, LONGEST_NUDGE);
    state.waiting.push(Waiting { position: Arc::clone(position), until: now + NUDGE_LIMIT, done: None });
    state.work(cluster, server);
}

/// Asks until nobody waits.
async fn work(cluster: Cluster, server: ServerIx) {
    let waiter = &cluster.positions().members[server.index()].waiter;
    let mut own = None;
    while let Some(turn) = waiter.next() {
        if !ask(&cluster, server, &mut own, &turn).await {
            own = None;
            waiter.give_up(&turn);
        }
        let known = cluster.positions().known(server);
        let reached = |position: &Position| known.covers(position) == Coverage::Reached;
        waiter.wake(&turn, reached);
    }
}

/// One question; `false` when there is no use in another one.
async fn ask(
    cluster: &Cluster,
    server: ServerIx,
    own: &mut Option<Lease>,
    Turn { position, until, nudges }: &Turn,
) -> bool {
    let lease = match own {
        Some(lease) if lease.is_ready() => lease,
        _ => {
            let pool = &cluster.member(server).pool;
            // After an outage one at a time.
            let Ok(trial) = pool.admit() else { return false };
            cluster.count(Counter::RememberedRetried, u8::from(trial.is_half_open()));
            match pool.lease(*until).await {
                Ok(lease) => own.insert(lease),
                Err(error) => {
                    if error.blames_server() {
                        cluster.positions().known(server).forget();
                    }
                    return false;
                }
            }
        }
    };
    let Some(source) = ask::source(cluster, server, lease).await else { return false };
    let left = until.saturating_duration_since(Instant::now());
    let piece = if *nudges { SHORTEST } else { (left / 4).max(SHORTEST).min(left) };
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

impl State {
    /// Sees to it that somebody asks.
    fn work(&mut self, cluster: &Cluster, server: ServerIx) {
        if self.worker.as_ref().is_none_or(AbortHandle::is_finished) {
            self.worker = Some(tokio::spawn(work(cluster.clone(), server)).abort_handle());
        }
    }
}

impl Waiter {
    /// The one who has waited longest and still does; a nudge when nobody waits, and that once.
    fn next(&self) -> Option<Turn> {
        let mut state = self.state();
        let now = Instant::now();
        state.waiting.retain(|it| it.until > now && !it.done.as_ref().is_some_and(oneshot::Sender::is_closed));
        if let Some(first) = state.waiting.iter().find(|it| it.done.is_some()) {
            return Some(Turn { position: Arc::clone(&first.position), until: first.until, nudges: false });
        }
        let nudge = state.waiting.pop();
        if nudge.is_none() {
            // Under the lock: who comes next starts a new worker.
            state.worker = None;
        }
        nudge.map(|it| Turn { position: it.position, until: it.until, nudges: true })
    }

    /// Tells those whose wait is over.
    fn wake(&self, turn: &Turn, is_reached: impl Fn(&Position) -> bool) {
        let mut state = self.state();
        state.waiting.retain(|it| !is_reached(&it.position));
        if is_reached(&turn.position) {
            state.pause = Duration::ZERO;
        }
    }

    /// There is no use in waiting for this.
    fn give_up(&self, turn: &Turn) {
        self.state().waiting.retain(|it| !Arc::ptr_eq(&it.position, &turn.position));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
