//! The asynchronous part of a command: one thread is enough for one session.

use std::{future::Future, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    time::{Instant, sleep},
};

use crate::failure::Failure;

/// How long work in the background may take to end; the pool gives its own orders to stop a statement as long.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

/// Runs a command's future to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| Failure::Runtime { source })?.block_on(work)
}

/// The result of `work`, or `None` when the user interrupted it. The work is dropped then, so that what it left running
/// on servers can be stopped.
pub(crate) async fn interruptible<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        // Without a way to hear of interrupts the work goes on; the default handler is still there.
        Ok(()) = tokio::signal::ctrl_c() => None,
    }
}

/// Lets what runs in the background come to its end: an order to stop a statement that was interrupted would die with
/// the runtime.
pub(crate) async fn settle() {
    let deadline = Instant::now() + SETTLE_LIMIT;
    let tasks = Handle::current().metrics();
    while tasks.num_alive_tasks() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(5)).await;
    }
}
