//! Reads the rest of an answer nobody wanted.
//!
//! `fetch` streams are left early all the time: a page is full, a row was found. The rows still on the wire belong to
//! nobody, and the next user must not meet them. Reading them is cheap when they are few and hopeless when they are
//! many; so a task reads for a moment, and what is not finished by then is cut off.

use std::time::Duration;

use tokio::runtime::Handle;

use super::lease::Lease;

/// About a hundred thousand small rows from a near server.
const LIMIT: Duration = Duration::from_millis(100);

/// Takes a lease whose answer was left between two rows. Its slot stays taken until the answer is read or cut off.
pub(super) fn in_background(mut unread: Lease) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { unread.drain(LIMIT).await });
    }
    // Without a runtime the lease is dropped here, marked as it is: the connection is closed.
}
