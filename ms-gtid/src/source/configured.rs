//! The user's own SQL.

use std::time::Duration;

use super::{Check, GtidSource, Own, Row, Server, SourceError, column};
use crate::{Evidence, Position, Value};

/// `fetch_last_gtid` and `check_for_gtid` of `global_transaction_id_injection`.
///
/// What the values mean is known to the SQL alone: one that passed says nothing about another. [`Counter`](super::Counter)
/// is the case where it does.
///
/// ```
/// use std::time::Duration;
/// use ms_gtid::{Coverage, Position, Value, source::{Configured, GtidSource, Server}};
///
/// let source = Configured::new()
///     .fetch_last_gtid("SELECT id FROM log WHERE con = CONNECTION_ID()")
///     .check_for_gtid("SELECT COUNT(*) FROM log WHERE id = '#GTID'");
/// let written = Position::value(Value::new("job-7").expect("a value"));
/// let check = source.check(&written, Server { replicates: true }, Duration::ZERO)?.expect("it can be asked");
/// assert_eq!(check.sql(), "SELECT COUNT(*) FROM log WHERE id = 'job-7'");
///
/// // A row is not enough, what is in it counts.
/// let no = source.read_check(&check, Some(&[Some("0")]))?;
/// assert_eq!(no.covers(&written), Coverage::Unknown);
/// # Ok::<(), ms_gtid::source::SourceError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    fetch: Option<String>,
    check: Option<String>,
}

impl Configured {
    /// The name of the setting, in errors.
    pub(super) const FETCH: &'static str = "fetch_last_gtid";
    const PLACEHOLDER: &'static str = "#GTID";

    /// Nothing configured: nothing can be asked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The statement whose first column is the id of the last write.
    #[must_use]
    pub fn fetch_last_gtid(mut self, sql: impl Into<String>) -> Self {
        self.fetch = Some(sql.into());
        self
    }

    /// The statement whose first column is true on a server that has `#GTID`.
    #[must_use]
    pub fn check_for_gtid(mut self, sql: impl Into<String>) -> Self {
        self.check = Some(sql.into());
        self
    }

    /// Whether there is nothing to ask with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The value that was fetched; `None` when nothing was written.
    pub(super) fn fetched(row: Option<&Row<'_>>) -> Result<Option<Value>, SourceError> {
        let text = column(row, 0, Self::FETCH)?;
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        Value::new(text).map(Some).map_err(|source| SourceError::Value { of: Self::FETCH, source })
    }

    /// The statement that asks for one value, standing for `asks`.
    pub(super) fn check_of(&self, value: &str, asks: Position) -> Result<Option<Check>, SourceError> {
        let Some(check) = &self.check else { return Ok(None) };
        if !check.contains(Self::PLACEHOLDER) {
            return Err(SourceError::NoPlaceholder);
        }
        // The first one only, as the original does.
        let sql = check.replacen(Self::PLACEHOLDER, value, 1);
        Ok(Some(Check { sql, asks, waits: false }))
    }
}

impl GtidSource for Configured {
    fn name(&self) -> &'static str {
        "configured SQL"
    }

    fn own_position(&self) -> Option<&str> {
        self.fetch.as_deref()
    }

    fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        Ok(Self::fetched(row)?.map_or(Own::Nothing, |value| Own::At(Position::value(value))))
    }

    fn whole_position(&self) -> Option<&str> {
        self.own_position()
    }

    fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        self.read_own(row)
    }

    fn check(&self, missing: &Position, _: Server, _: Duration) -> Result<Option<Check>, SourceError> {
        let Some(value) = missing.values().next() else { return Ok(None) };
        self.check_of(value.as_str(), Position::value(value.clone()))
    }

    fn read_check(&self, check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
        // No row and NULL are the ways to say no in SQL; the original took any row for a yes.
        let yes = row.and_then(|row| row.first().copied().flatten()).is_some_and(is_true);
        Ok(if yes { Evidence::passed(check.asks()) } else { Evidence::default() })
    }
}

/// Whether a value means yes: not empty, not zero, and no negative number, which waiting functions return for "no".
fn is_true(text: &str) -> bool {
    let text = text.trim_ascii();
    match text.parse::<f64>() {
        Ok(number) => number > 0.0,
        Err(_) => !text.is_empty(),
    }
}
