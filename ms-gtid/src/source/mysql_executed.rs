//! MySQL for any user: all that the server executed, the own write included.

use std::time::Duration;

use super::{Check, GtidSource, Own, Row, Server, SourceError, mysql_check, set};
use crate::{Evidence, Position, mysql};

/// `@@GLOBAL.gtid_executed`: correct, but more than was written, so that reads wait for the writes of others too.
#[derive(Clone, Copy, Debug)]
pub struct MysqlExecuted {
    can_wait: bool,
}

impl MysqlExecuted {
    /// The source for MySQL 5.7.5 and later.
    #[must_use]
    pub fn new() -> Self {
        Self { can_wait: true }
    }

    /// The source for MySQL 5.6, whose wait is another one, in whole seconds and only on a running replica: it is asked
    /// again and again instead.
    #[must_use]
    pub fn without_wait() -> Self {
        Self { can_wait: false }
    }
}

impl Default for MysqlExecuted {
    fn default() -> Self {
        Self::new()
    }
}

impl GtidSource for MysqlExecuted {
    fn name(&self) -> &'static str {
        "mysql gtid_executed"
    }

    fn own_position(&self) -> Option<&str> {
        Some("SELECT @@GLOBAL.gtid_executed")
    }

    fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        let set: mysql::GtidSet = set(row, 0, "@@GLOBAL.gtid_executed")?;
        Ok(if set.is_empty() { Own::Nothing } else { Own::At(set.into()) })
    }

    fn whole_position(&self) -> Option<&str> {
        self.own_position()
    }

    fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        self.read_own(row)
    }

    fn check(&self, missing: &Position, _: Server, wait: Duration) -> Result<Option<Check>, SourceError> {
        Ok(mysql_check::check(missing, wait, self.can_wait))
    }

    fn read_check(&self, check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
        mysql_check::read(check, row)
    }
}
