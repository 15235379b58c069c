//! Limits and deadlines of connections.
//!
//! The `pool` object of a section holds for each of its servers separately; the `pool` object of a server entry
//! overrides single keys of it. Zero means "no limit" where the type is an `Option`.

use std::{num::NonZeroU32, time::Duration};

/// How many connections to a server there may be, and how long anything may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// `max_connections`: to one server; 10.
    pub max_connections: NonZeroU32,
    /// `min_idle`: kept open when nothing is going on; 0, at most `max_connections`.
    pub min_idle: u32,
    /// `acquire_timeout_ms`: wait for a free slot; 5000.
    pub acquire_timeout: Duration,
    /// `connect_timeout_ms`: TCP, TLS and login together; 1000.
    pub connect_timeout: Duration,
    /// `idle_timeout_s`: after which an unused connection is closed; 600, 0 for never.
    pub idle_timeout: Option<Duration>,
    /// `max_lifetime_s`: after which any connection is replaced; 1800, 0 for never.
    pub max_lifetime: Option<Duration>,
    /// `lifetime_jitter_percent`: by how much lifetimes differ, 0 to 100; 15.
    pub lifetime_jitter_percent: u8,
    /// `verify_idle_after_ms`: after which an idle connection is checked before use; 1000, 0 for always. Writes: at most 100.
    pub verify_idle_after: Duration,
    /// `statement_cache`: prepared statements kept on each connection; 256, 0 for none.
    pub statement_cache: u32,
    /// `statement_timeout_ms`: for one statement; 0 for none.
    pub statement_timeout: Option<Duration>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: NonZeroU32::new(10).expect("ten is not zero"),
            min_idle: 0,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Some(Duration::from_secs(600)),
            max_lifetime: Some(Duration::from_secs(1800)),
            lifetime_jitter_percent: 15,
            verify_idle_after: Duration::from_secs(1),
            statement_cache: 256,
            statement_timeout: None,
        }
    }
}
