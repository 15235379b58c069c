//! A connection and what is known about it.

use std::sync::Arc;

use futures_util::FutureExt;
use sqlx_core::connection::Connection;
use sqlx_mysql::MySqlConnection;
use tokio::time::Instant;

use super::holders::Held;
use crate::probe::Identity;

/// One connection, set up and identified.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) conn: MySqlConnection,
    pub(crate) identity: Arc<Identity>,
    /// Not to be used from then on.
    pub(crate) expires: Option<Instant>,
    /// The pool's epoch it was made in; see [`ServerPool::retire`](super::ServerPool::retire).
    pub(crate) epoch: u64,
    pub(super) held: Arc<Held>,
    /// The pool's generation it was made in; see [`ServerPool::start_anew`](super::ServerPool::start_anew).
    pub(crate) generation: u64,
    /// Transactions that may have been written on it, going round at the end.
    pub(crate) writes: u32,
}

impl Link {
    pub(crate) fn expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|it| it <= now)
    }

    /// Says good-bye and hangs up, now, without waiting: servers count and log connections that just vanish.
    ///
    /// The good-bye is five bytes into an empty send buffer, so one poll is as good as a task. Where it is not (full
    /// buffer, runtime gone) the socket is closed all the same.
    pub(crate) fn close(self) {
        let _ = self.conn.close().now_or_never();
    }
}
