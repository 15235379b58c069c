//! What the cluster makes of one of its servers, beside connecting to it.
//!
//! Everybody who dials finds out whether the server can be reached, and every answer may say that it has changed its role; so
//! that is where it is noticed, whoever asked. What follows from it is for the cluster to say. A pool that nobody routes by,
//! such as that of an account that one session has for itself, draws no conclusions.

use std::time::Duration;

/// What is looked at; nothing unless somebody asks for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// How long the server is avoided after a connect that failed for the first time.
    pub(crate) retry_after: Option<Duration>,
}
