//! Closes what was idle for too long.
//!
//! Old connections are noticed when somebody takes them. A pool that nobody uses needs a task for it: one per pool,
//! born with the first idle connection, gone with the last one or with the pool.

use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::link::Link;
use super::server_pool::ServerPool;
use super::shelf::Shelf;

/// Not more often than this, however short the timeouts.
const PAUSE: Duration = Duration::from_millis(100);
/// How soon a missing `min_idle` connection is tried again.
const REFILL: Duration = Duration::from_secs(1);

/// Starts the task if there is something to watch and nobody who does.
#[inline]
pub(super) fn ensure(pool: &Arc<ServerPool>, shelf: &mut MutexGuard<'_, Shelf>) {
    // A task that is finished without saying so died with its runtime.
    if shelf.len() == 0 || shelf.reaper.as_ref().is_some_and(|it| !it.is_finished()) {
        return;
    }
    start(pool, shelf);
}

#[cold]
fn start(pool: &Arc<ServerPool>, shelf: &mut Shelf) {
    let limits = pool.limits();
    if limits.idle_timeout.is_none() && limits.max_lifetime.is_none() && limits.min_idle == 0 {
        return;
    }
    // It sleeps before it looks. One that looked at once would find, in a pool whose only connection comes and goes, nothing
    // to watch, and would have to be started again for every statement.
    let Some(first) = next_round(pool, shelf, Instant::now()) else {
        return;
    };
    if let Ok(runtime) = Handle::try_current() {
        shelf.reaper = Some(runtime.spawn(watch(Arc::downgrade(pool), first)).abort_handle());
    }
}

async fn watch(pool: Weak<ServerPool>, first: Instant) {
    let mut next = Some(first);
    while let Some(due) = next {
        sleep_until(due).await;
        refill(&pool).await;
        next = pool.upgrade().and_then(|it| round(&it));
    }
}

/// Closes what is due and says when to look again; `None` when there is nothing left to look after.
fn round(pool: &ServerPool) -> Option<Instant> {
    let limits = pool.limits();
    let now = Instant::now();
    let mut shelf = pool.shelf();
    let reaped = shelf.reap(now, limits.idle_timeout, limits.min_idle as usize);
    let due = next_round(pool, &shelf, now);
    if due.is_none() {
        // Under the lock: who puts the next one back starts a new task.
        shelf.reaper = None;
    }
    drop(shelf);
    reaped.into_iter().for_each(Link::close);
    due
}

fn next_round(pool: &ServerPool, shelf: &Shelf, now: Instant) -> Option<Instant> {
    let limits = pool.limits();
    if !shelf.is_closed() && shelf.len() < limits.min_idle as usize {
        return Some(now + REFILL);
    }
    // Those kept by `min_idle` are overdue for ever.
    shelf.next_due(limits.idle_timeout).map(|due| due.max(now + PAUSE))
}

async fn refill(pool: &Weak<ServerPool>) {
    let Some(pool) = pool.upgrade() else {
        return;
    };
    if pool.limits().min_idle > 0 && !pool.shelf().is_closed() {
        // A failure is counted there, and tried again in the next round.
        let _ = pool.warm().await;
    }
}
