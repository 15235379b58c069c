//! A table that tells the time.
//!
//! Something on the primary writes the time into a row, every second or more often; the row comes to a replica with the rest of the
//! data. How old it is there is how far the replica trails: over any number of servers in between, with a primary that stands
//! still, and for every account that may read the table. It is at most the interval of the writer more than the lag, never less, as
//! long as the clocks of the machines agree.

use std::{fmt, time::Duration};

use super::{Behind, Lag};
use crate::source::Row;

/// Where the time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    sql: String,
}

impl Heartbeat {
    /// The column `column` of `table`, which may have a database in front: `ops.heartbeat`. Its latest value counts; it is in UTC,
    /// with microseconds.
    ///
    /// ```
    /// use ms_gtid::replica::Heartbeat;
    ///
    /// assert_eq!(
    ///     Heartbeat::new("ops.heartbeat", "ts")?.sql(),
    ///     "SELECT TIMESTAMPDIFF(MICROSECOND, MAX(`ts`), UTC_TIMESTAMP(6)) FROM `ops`.`heartbeat`"
    /// );
    /// assert!(Heartbeat::new("ops.", "ts").is_err());
    /// # Ok::<(), ms_gtid::replica::HeartbeatError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails for what no table or column can be called.
    pub fn new(table: &str, column: &str) -> Result<Self, HeartbeatError> {
        let parts: Vec<_> = table.splitn(2, '.').map(quoted).collect::<Option<_>>().ok_or(HeartbeatError::Table)?;
        let column = quoted(column).ok_or(HeartbeatError::Column)?;
        let table = parts.join(".");
        Ok(Self { sql: format!("SELECT TIMESTAMPDIFF(MICROSECOND, MAX({column}), UTC_TIMESTAMP(6)) FROM {table}") })
    }

    /// The statement.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// What its answer means; `None` is an empty result.
    #[must_use]
    pub fn read(row: Option<&Row<'_>>) -> Lag {
        let micros = row.and_then(|row| row.first().copied().flatten()?.parse::<i64>().ok());
        match micros {
            // A clock that is ahead makes no replica fresher than fresh.
            Some(micros) => Lag::Behind(Behind {
                lag: Duration::from_micros(micros.max(0).unsigned_abs()),
                rounding: Duration::ZERO,
            }),
            None => Lag::Unknown { channel: String::new() },
        }
    }
}

fn quoted(name: &str) -> Option<String> {
    let legal = !name.is_empty() && name.len() <= 256 && !name.contains(['\0', '\n']);
    legal.then(|| format!("`{}`", name.replace('`', "``")))
}

/// What cannot be a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatError {
    /// The table has no usable name.
    Table,
    /// The column has none.
    Column,
}

impl fmt::Display for HeartbeatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "no table can be called that",
            Self::Column => "no column can be called that",
        })
    }
}

impl std::error::Error for HeartbeatError {}
