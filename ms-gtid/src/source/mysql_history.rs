//! MySQL's own record of what a connection committed.

use std::time::Duration;

use super::{Check, GtidSource, MysqlExecuted, Own, Row, Server, SourceError, column, mysql_check, set};
use crate::{Evidence, Position, mysql};

/// `performance_schema.events_transactions_history`: the ids of the connection's own transactions, and of no other.
///
/// The table keeps the last ten transactions of a connection, reads among them, and all ids in it are taken: having the
/// last does not mean having those before it on a server that applies in parallel. Ask right after the commit.
///
/// An empty answer does not mean that nothing was written; an administrator may have switched off recording, for all or
/// for this account. Then the [fallback](GtidSource::fallback) is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct MysqlHistory {
    executed: MysqlExecuted,
}

impl MysqlHistory {
    /// What the account needs a privilege for.
    pub(super) const TABLE: &'static str = "performance_schema.events_transactions_history";

    /// The source for MySQL 8.0.16 and later.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl GtidSource for MysqlHistory {
    fn name(&self) -> &'static str {
        "mysql transaction history"
    }

    fn own_position(&self) -> Option<&str> {
        // Other events have AUTOMATIC or nothing there. The length tells whether a short group_concat_max_len cut the list,
        // which would turn the last id into a lower one.
        Some(
            "SELECT GROUP_CONCAT(GTID), SUM(LENGTH(GTID)) + COUNT(*) - 1 \
             FROM performance_schema.events_transactions_history \
             WHERE THREAD_ID = PS_CURRENT_THREAD_ID() AND GTID LIKE '%:%'",
        )
    }

    fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        let Ok(ids) = column(row, 0, Self::TABLE) else { return Ok(Own::NotRecorded) };
        if column(row, 1, Self::TABLE)?.parse() != Ok(ids.len()) {
            return Ok(Own::NotRecorded);
        }
        let set: mysql::GtidSet = set(row, 0, Self::TABLE)?;
        Ok(if set.is_empty() { Own::NotRecorded } else { Own::At(set.into()) })
    }

    fn fallback(&self) -> Option<&dyn GtidSource> {
        Some(&self.executed)
    }

    fn whole_position(&self) -> Option<&str> {
        self.executed.whole_position()
    }

    fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        self.executed.read_whole(row)
    }

    fn check(&self, missing: &Position, _: Server, wait: Duration) -> Result<Option<Check>, SourceError> {
        Ok(mysql_check::check(missing, wait, true))
    }

    fn read_check(&self, check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
        mysql_check::read(check, row)
    }
}
