//! Where positions come from: which SQL to run, and what its rows mean.
//!
//! Servers differ in how they tell what a connection wrote and what they have; what is to be done with the answers does
//! not differ. A [`GtidSource`] is one way of asking. It does no I/O: it hands out statements and is handed the first row
//! of what they return, so that all of it can be tested without a server and driven by any client.
//!
//! | source | own position | "has it?" | what it costs |
//! |---|---|---|---|
//! | [`MariaDb`] | `@@last_gtid` | `MASTER_GTID_WAIT`, positions compared here | any user may |
//! | [`MysqlHistory`] | `performance_schema.events_transactions_history` | `WAIT_FOR_EXECUTED_GTID_SET` | a `GRANT` |
//! | [`MysqlExecuted`] | `@@GLOBAL.gtid_executed` | the same | waits for the writes of others too |
//! | [`Configured`] | `fetch_last_gtid` | `check_for_gtid` | whatever the user wrote |
//! | [`Counter`] | the same, counting by `on_commit` | the same | a write per write |
//!
//! [`Probe`] finds the first of them that a server and an account allow.
//!
//! One round of it, with the pool's part left out:
//!
//! ```
//! use std::time::Duration;
//! use ms_gtid::{Coverage, Evidence, source::{GtidSource, MariaDb, Own, Server}};
//!
//! let source = MariaDb::new();
//! assert_eq!(source.own_position(), Some("SELECT @@last_gtid"));
//! let Own::At(written) = source.read_own(Some(&[Some("0-1-42")]))? else { panic!("it wrote") };
//!
//! let replica = Server { replicates: true };
//! let check = source.check(&written, replica, Duration::from_millis(100))?.expect("it can be asked");
//! assert_eq!(check.sql(), "SELECT MASTER_GTID_WAIT('0-1-42', 0.100), @@gtid_slave_pos, @@gtid_binlog_state");
//!
//! let mut evidence = Evidence::default();
//! evidence.learn(source.read_check(&check, Some(&[Some("0"), Some("0-1-43"), Some("0-1-43")]))?);
//! assert_eq!(evidence.covers(&written), Coverage::Reached);
//! # Ok::<(), ms_gtid::source::SourceError>(())
//! ```

use std::{error, fmt, sync::Arc, time::Duration};

use crate::{Evidence, ParseSetError, Position, ValueError};

mod configured; // the user's SQL
mod counter; // the user's SQL that counts
mod grant; // what to give to whom
mod mariadb; // @@last_gtid, MASTER_GTID_WAIT
mod mysql_check; // what both sources of MySQL ask a server
mod mysql_executed; // all that the server executed
mod mysql_history; // what the connection committed
mod probe; // which of them a server allows

pub(crate) use self::grant::grant;

pub use self::{
    configured::Configured,
    counter::Counter,
    mariadb::MariaDb,
    mysql_executed::MysqlExecuted,
    mysql_history::MysqlHistory,
    probe::{Answer, Choice, Degraded, Flavor, Probe, Question},
};

/// The first row of a result, its columns as text; `None` is NULL.
pub type Row<'a> = [Option<&'a str>];

/// What is known of a server that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether it follows another server. One that follows nobody will not come to have what it lacks.
    pub replicates: bool,
}

/// One way to learn positions.
///
/// The functions come in pairs, a statement and the reading of its answer. When a statement fails, the error belongs to
/// the caller: nothing was learned, and a server of which nothing is known counts as stale.
pub trait GtidSource: fmt::Debug + Send + Sync {
    /// The name this source has in reports.
    fn name(&self) -> &'static str;

    /// The statement that has to be run with every write, on its connection, so that there is something to ask for.
    fn on_commit(&self) -> Option<&str> {
        None
    }

    /// The statement that gives the position of the last write, to be run on the connection that wrote, right after.
    fn own_position(&self) -> Option<&str>;

    /// What the answer to [`own_position`](Self::own_position) means; `None` is an empty result.
    ///
    /// # Errors
    ///
    /// Fails when the answer is not of the form that the statement promised.
    fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError>;

    /// Who knows the position when the answer was [`Own::NotRecorded`].
    fn fallback(&self) -> Option<&dyn GtidSource> {
        None
    }

    /// The statement that gives all that the server has, on whatever connection: a position that includes what any
    /// connection wrote there so far.
    fn whole_position(&self) -> Option<&str>;

    /// What the answer to [`whole_position`](Self::whole_position) means; `None` is an empty result.
    ///
    /// # Errors
    ///
    /// As [`read_own`](Self::read_own).
    fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError>;

    /// The statement that asks a server for `missing`, waiting no longer than `wait` and not at all for zero.
    ///
    /// `None` when there is nothing in it that this source can ask for. A check may ask for a part only: learn its
    /// answer, [subtract](Position::subtract), and ask for the rest.
    ///
    /// # Errors
    ///
    /// Fails when no such statement can be made.
    fn check(&self, missing: &Position, of: Server, wait: Duration) -> Result<Option<Check>, SourceError>;

    /// What the answer to a check shows; `None` is an empty result.
    ///
    /// # Errors
    ///
    /// Fails when the answer is not of the form that the statement promised. The server counts as not having it.
    fn read_check(&self, check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError>;
}

const _: Option<&dyn GtidSource> = None; // Stays object safe.

/// Whatever forwards to a source is one.
macro_rules! forward {
    ($($pointer:ident),+) => {$(
        impl<S: GtidSource + ?Sized> GtidSource for $pointer<S> {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn on_commit(&self) -> Option<&str> {
                (**self).on_commit()
            }

            fn own_position(&self) -> Option<&str> {
                (**self).own_position()
            }

            fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
                (**self).read_own(row)
            }

            fn fallback(&self) -> Option<&dyn GtidSource> {
                (**self).fallback()
            }

            fn whole_position(&self) -> Option<&str> {
                (**self).whole_position()
            }

            fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
                (**self).read_whole(row)
            }

            fn check(&self, missing: &Position, of: Server, wait: Duration) -> Result<Option<Check>, SourceError> {
                (**self).check(missing, of, wait)
            }

            fn read_check(&self, check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
                (**self).read_check(check, row)
            }
        }
    )+};
}
forward!(Arc, Box);

/// Where a connection's last write is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// Here.
    At(Position),
    /// Nothing was written that will be replicated.
    Nothing,
    /// There is no telling; ask the [`fallback`](GtidSource::fallback).
    NotRecorded,
}

/// A statement that asks a server whether it has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    sql: String,
    asks: Position,
    waits: bool,
}

impl Check {
    /// The statement.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// What it asks for.
    #[must_use]
    pub fn asks(&self) -> &Position {
        &self.asks
    }

    /// Whether the server waits; otherwise who wants to wait has to ask again.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }
}

/// An answer is not what its statement promised, or the statement could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// A row or a column is missing, or NULL.
    NoValue {
        /// What was asked for.
        of: &'static str,
    },
    /// A position is not one.
    Position {
        /// What was asked for.
        of: &'static str,
        /// Why it is not.
        source: ParseSetError,
    },
    /// A value is not fit to be put into a statement.
    Value {
        /// What was asked for.
        of: &'static str,
        /// Why it is not.
        source: ValueError,
    },
    /// `check_for_gtid` has no `#GTID` in it.
    NoPlaceholder,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue { of } => write!(f, "`{of}` returned no value"),
            Self::Position { of, .. } => write!(f, "`{of}` returned no position"),
            Self::Value { of, .. } => write!(f, "`{of}` returned no usable GTID"),
            Self::NoPlaceholder => f.write_str("`check_for_gtid` has no `#GTID` placeholder"),
        }
    }
}

impl error::Error for SourceError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Position { source, .. } => Some(source),
            Self::Value { source, .. } => Some(source),
            Self::NoValue { .. } | Self::NoPlaceholder => None,
        }
    }
}

/// A column that has to be there.
fn column<'a>(row: Option<&Row<'a>>, at: usize, of: &'static str) -> Result<&'a str, SourceError> {
    row.and_then(|row| row.get(at).copied().flatten()).ok_or(SourceError::NoValue { of })
}

/// A column that has to be a position.
fn set<S>(row: Option<&Row<'_>>, at: usize, of: &'static str) -> Result<S, SourceError>
where
    S: std::str::FromStr<Err = ParseSetError>,
{
    column(row, at, of)?.parse().map_err(|source| SourceError::Position { of, source })
}

/// A time as servers take it. Never zero, which lets MySQL wait for ever, and never longer than a day.
fn seconds(wait: Duration) -> String {
    let millis = wait.as_micros().div_ceil(1000).clamp(1, 86_400_000);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests;
