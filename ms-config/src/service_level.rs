//! How fresh reads must be.

use std::time::Duration;

/// The level that a `quality_of_service` filter asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceLevel {
    /// Primaries only.
    Strong,
    /// Servers that have what the session wrote.
    Session,
    /// Any server, perhaps within a bound.
    Eventual(Eventual),
}

/// What eventual consistency is bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eventual {
    /// Nothing.
    Unbounded,
    /// The lag of a replica.
    MaxAge(Duration),
    /// The age of an entry of a result cache.
    CacheTtl(Duration),
}
