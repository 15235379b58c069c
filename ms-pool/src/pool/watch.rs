//! What the cluster makes of one of its servers, beside connecting to it.
//!
//! Everybody who dials finds out whether the server can be reached and who answers, and every answer may say that it has
//! changed its role; so that is where it is noticed, whoever asked. What follows from it is for the cluster to say. A pool
//! that nobody routes by, such as that of an account that one session has for itself, draws no conclusions.
//!
//! # Roles
//!
//! Certain is only what a server does: it refuses a write, or another one answers at its address. On that the pool acts by
//! itself. What a server *says* of itself (`read_only`) is worth a warning and no more. Replicas that accept writes are
//! common, because nobody switched `read_only` on or a restart switched it off, and what was heard is as old as the latest
//! connect. To refuse all writes of a service on that ground, because two servers seem writable where one is expected, would
//! make an outage of a maintenance.

use std::sync::Arc;
use std::time::Duration;

use ms_filters::Role;

use super::server_pool::ServerPool;
use crate::error::server_error;
use crate::events::Hooks;
use crate::probe::Identity;
use crate::statistics::{Counter, Statistics};

/// What is looked at; nothing unless somebody asks for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// How long the server is avoided after a connect that failed for the first time.
    pub(crate) retry_after: Option<Duration>,
    /// What the server is used as, where that is checked.
    pub(crate) role: Option<Role>,
    /// For a replica of a cluster with one primary: that.
    pub(crate) primary: Option<Arc<ServerPool>>,
    pub(crate) hooks: Hooks,
    pub(crate) statistics: Option<Arc<Statistics>>,
}

impl Watch {
    pub(super) fn count(&self, counter: Counter) {
        if let Some(statistics) = &self.statistics {
            statistics.add(counter, 1);
        }
    }

    /// Says it if the server has changed its mind about writes since the connect before.
    pub(super) fn compare(&self, server: &str, before: &Identity, now: &Identity) {
        if before.key != now.key || before.read_only == now.read_only {
            return;
        }
        let takes = if now.read_only { "is read-only now" } else { "takes writes now" };
        match self.role {
            Some(Role::Primary) => self.hooks.warn(format!("primary `{server}` {takes}")),
            Some(Role::Replica) if !now.read_only => match self.other_writable(now) {
                Some(primary) => self.hooks.warn(format!(
                    "replica `{server}` {takes} and so does primary `{primary}`: two servers where one is expected; \
                     if `{server}` was promoted, writes to `{primary}` will be lost"
                )),
                None => self.hooks.warn(format!("replica `{server}` {takes}")),
            },
            _ => {}
        }
    }

    /// The primary, if it is another server than this and takes writes, as far as it is known.
    fn other_writable(&self, this: &Identity) -> Option<Arc<str>> {
        let primary = self.primary.as_ref()?;
        let identity = primary.identity()?;
        (identity.key != this.key && !identity.read_only).then(|| Arc::clone(primary.server()))
    }
}

/// The number of an error by which a server says that it takes no writes. `read_only_asked` is whether the client itself may
/// have asked for that, which the server's 1792 does not tell.
pub(super) fn refused_write(error: &sqlx_core::error::Error, read_only_asked: bool) -> Option<u16> {
    let error = server_error(error)?;
    let refused = match error.number() {
        // One number for every option that forbids something: `--secure-file-priv` as well.
        1290 => error.message().contains("read-only") || error.message().contains("read_only"),
        1836 => true,
        1792 => !read_only_asked,
        _ => false,
    };
    refused.then(|| error.number())
}
