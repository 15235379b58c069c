//! Finishes what was left unfinished: reads the rest of an answer nobody wanted, rolls back what nobody ended.
//!
//! `fetch` streams are left early all the time: a page is full, a row was found. The rows still on the wire belong to
//! nobody, and the next user must not meet them. Reading them is cheap when they are few and hopeless when they are
//! many; so a task reads for a moment, and what is not finished by then is cut off.

use std::time::Duration;

use tokio::runtime::Handle;

use super::lease::Lease;
use crate::transaction::End;

/// About a hundred thousand small rows from a near server.
const LIMIT: Duration = Duration::from_millis(100);
/// How long a rollback may take before the connection is closed instead, which has the same effect.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// Takes a lease whose answer was left between two rows. Its slot stays taken until the answer is read or cut off, and what is
/// owed for it was done.
pub(super) fn in_background(mut unread: Lease) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            unread.drain(LIMIT).await;
            unread.pay().await;
        });
    }
    // Without a runtime the lease is dropped here, marked as it is: the connection is closed.
}

/// Takes a lease with an open transaction. It is tainted until the transaction has ended, so that the connection is closed
/// when the task never gets that far.
pub(super) fn roll_back_in_background(mut open: Lease) {
    open.taint("open transaction");
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            let rolled_back = open.end_transaction(End::Rollback, ROLLBACK_LIMIT).await;
            if rolled_back.is_ok() && !open.has_transaction() {
                open.untaint();
            }
        });
    }
}
