//! The asynchronous part of a command: one thread is enough for one session.

use std::future::Future;

use crate::failure::Failure;

/// Runs a command's future to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
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
