//! How it is found out how far replicas trail.
//!
//! Asked are only replicas of which a statement wants to know it. What may be configured is what to ask, and how much of it.

use std::num::NonZeroU32;

/// The object `monitor` of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Monitor {
    /// `heartbeat`: a table that tells the time, asked in place of the server's own idea of its lag; none.
    pub heartbeat: Option<Heartbeat>,
    /// `max_per_second`: how often a server may be asked within a second, by all processes together as far as that can be
    /// known; 5.
    pub max_per_second: NonZeroU32,
}

/// A table into which something on the primary writes the time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// `table`, with or without a database in front: `ops.heartbeat`.
    pub table: String,
    /// `column`: the time in UTC; `ts`.
    pub column: String,
}

impl Default for Monitor {
    fn default() -> Self {
        Self { heartbeat: None, max_per_second: NonZeroU32::new(5).expect("five is not zero") }
    }
}

impl Heartbeat {
    /// A table and its column.
    #[must_use]
    pub fn new(table: impl Into<String>, column: impl Into<String>) -> Self {
        Self { table: table.into(), column: column.into() }
    }
}
