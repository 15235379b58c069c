//! Tells the server that nobody is listening any more.
//!
//! Closing a socket does not stop the statement behind it: the server notices when it tries to answer, which for a
//! long query is too late. So an abandoned statement is followed by `KILL` over another connection. (Not by `KILL QUERY`:
//! that stops what is running, so it is lost when it overtakes a statement that was sent a moment ago. The connection
//! is closed on our side, nobody will miss it.)
//!
//! That is a courtesy with a budget, not a duty: one worker per pool, a short queue, a second for each. And it is a
//! courtesy to *one* server: connection numbers mean something else on every server and after every restart, so the
//! order is carried out only where the same run of the same server answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx_core::executor::Executor;
use sqlx_core::sql_str::AssertSqlSafe;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::link::Link;
use super::server_pool::ServerPool;
use crate::error::server_error;
use crate::probe::Identity;

/// Orders that wait; further ones are not taken.
const QUEUE: usize = 64;
/// After that the statement has ended by itself or the server has other worries.
const BUDGET: Duration = Duration::from_secs(1);
/// How often somebody who closes the pool looks whether the worker is done.
const POLL: Duration = Duration::from_millis(2);
/// There is no such connection: it ended by itself.
const NO_SUCH_THREAD: u16 = 1094;

/// One statement to be stopped.
#[derive(Debug)]
pub(super) struct Order {
    victim: Arc<Identity>,
    given: Instant,
}

impl Order {
    pub(super) fn new(victim: &Arc<Identity>, given: Instant) -> Self {
        Self { victim: Arc::clone(victim), given }
    }

    fn sql(&self) -> String {
        format!("KILL {}", self.victim.connection_id)
    }

    /// Whether the connection number means the same to both.
    fn understood_by(&self, messenger: &Identity) -> bool {
        let same_run = match (self.victim.started, messenger.started) {
            (Some(victim), Some(messenger)) => victim.same_run(messenger),
            // Numbers only grow: one below ours was given before, so this is not a younger server.
            _ => messenger.connection_id > self.victim.connection_id,
        };
        self.victim.key == messenger.key && same_run
    }
}

/// The orders of one pool.
#[derive(Debug, Default)]
pub(super) struct KillQueue {
    inner: Mutex<Inner>,
    sent: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    orders: VecDeque<Order>,
    worker: Option<AbortHandle>,
}

impl KillQueue {
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Queues an order and wakes the worker; returns at once.
    pub(super) fn request(&self, pool: &Arc<ServerPool>, order: Order) {
        // Without a runtime there is nobody to carry it out.
        let Ok(runtime) = Handle::try_current() else {
            self.lose();
            return;
        };
        let mut inner = self.inner();
        if inner.orders.len() >= QUEUE {
            drop(inner);
            self.lose();
            return;
        }
        inner.orders.push_back(order);
        // A worker that is finished without saying so died with its runtime.
        if inner.worker.as_ref().is_none_or(AbortHandle::is_finished) {
            inner.worker = Some(runtime.spawn(work(Arc::clone(pool))).abort_handle());
        }
    }

    /// Waits until all orders were carried out or given up; each has its own budget.
    pub(super) async fn drained(&self) {
        while self.inner().worker.as_ref().is_some_and(|it| !it.is_finished()) {
            tokio::time::sleep(POLL).await;
        }
    }

    fn next(&self) -> Option<Order> {
        let mut inner = self.inner();
        let order = inner.orders.pop_front();
        if order.is_none() {
            // Under the lock: who queues next starts a new worker.
            inner.worker = None;
        }
        order
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out orders until there are none. A connection dialled for one serves the next as well.
async fn work(pool: Arc<ServerPool>) {
    let mut own = None;
    while let Some(order) = pool.kills().next() {
        match timeout_at(order.given + BUDGET, carry_out(&pool, &mut own, &order)).await {
            Ok(true) => pool.kills().sent.fetch_add(1, Ordering::Relaxed),
            Ok(false) | Err(_) => pool.kills().lost.fetch_add(1, Ordering::Relaxed),
        };
    }
    if let Some(link) = own {
        link.close();
    }
}

/// Whether the order reached the server it is for.
async fn carry_out(pool: &Arc<ServerPool>, own: &mut Option<Link>, order: &Order) -> bool {
    // An idle connection is the cheapest messenger.
    if let Some(mut lease) = pool.try_lease()
        && order.understood_by(lease.identity())
        && is_delivered(&lease.run_text(&order.sql(), BUDGET).await)
    {
        return true;
    }
    // With all connections in use there is no slot to wait for: this one comes on top, and there is only one.
    let mut link = match own.take() {
        Some(link) => link,
        None => match Box::pin(pool.dial(order.given + BUDGET)).await {
            Ok(link) => link,
            Err(_) => return false,
        },
    };
    if !order.understood_by(&link.identity) {
        link.close();
        return false;
    }
    let delivered = is_delivered(&link.conn.execute(AssertSqlSafe(order.sql())).await);
    if delivered {
        *own = Some(link);
    }
    delivered
}

fn is_delivered<T>(answer: &Result<T, sqlx::Error>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => server_error(error).is_some_and(|it| it.number() == NO_SUCH_THREAD),
    }
}

#[cfg(test)]
mod tests;
