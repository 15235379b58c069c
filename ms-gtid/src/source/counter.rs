//! A counter in a table, for servers without ids of their own.

use std::time::Duration;

use super::{Check, Configured, GtidSource, Own, Row, Server, SourceError};
use crate::{Evidence, Position, Value};

/// A number that `on_commit` raises with every write and that is replicated along.
///
/// The number orders the writes: who has 42 has 41, so positions and evidence are one number each. There is one counter
/// per cluster; two primaries that count for themselves have no common order, and need ids of their own.
///
/// ```
/// use std::time::Duration;
/// use ms_gtid::{Coverage, Position, source::{Configured, Counter, GtidSource, Server}};
///
/// let source = Counter::new(
///     "UPDATE test.trx SET trx_id = trx_id + 1",
///     Configured::new()
///         .fetch_last_gtid("SELECT MAX(trx_id) FROM test.trx")
///         .check_for_gtid("SELECT trx_id FROM test.trx WHERE trx_id >= #GTID"),
/// );
/// assert_eq!(source.on_commit(), Some("UPDATE test.trx SET trx_id = trx_id + 1"));
///
/// let replica = Server { replicates: true };
/// let check = source.check(&Position::counter(42), replica, Duration::ZERO)?.expect("it can be asked");
/// assert_eq!(check.sql(), "SELECT trx_id FROM test.trx WHERE trx_id >= 42");
/// let seen = source.read_check(&check, Some(&[Some("50")]))?;
/// assert_eq!(seen.covers(&Position::counter(41)), Coverage::Reached);
/// # Ok::<(), ms_gtid::source::SourceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    on_commit: String,
    sql: Configured,
}

impl Counter {
    /// A counter that `on_commit` raises and `sql` reads.
    #[must_use]
    pub fn new(on_commit: impl Into<String>, sql: Configured) -> Self {
        Self { on_commit: on_commit.into(), sql }
    }

    /// A number is the state of the counter; what is no number, the SQL has to know.
    fn position(value: &Value) -> Position {
        value.number().map_or_else(|| Position::value(value.clone()), Position::counter)
    }
}

impl GtidSource for Counter {
    fn name(&self) -> &'static str {
        "client-side counter"
    }

    fn on_commit(&self) -> Option<&str> {
        Some(&self.on_commit)
    }

    fn own_position(&self) -> Option<&str> {
        self.sql.own_position()
    }

    fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        Ok(Configured::fetched(row)?.map_or(Own::Nothing, |value| Own::At(Self::position(&value))))
    }

    fn whole_position(&self) -> Option<&str> {
        self.own_position()
    }

    fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        self.read_own(row)
    }

    fn check(&self, missing: &Position, of: Server, wait: Duration) -> Result<Option<Check>, SourceError> {
        match missing.count() {
            Some(count) => self.sql.check_of(&count.to_string(), Position::counter(count)),
            None => self.sql.check(missing, of, wait),
        }
    }

    fn read_check(&self, check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
        self.sql.read_check(check, row)
    }
}
