//! Whether a MySQL server executed a set, as both of its sources ask.

use std::time::Duration;

use super::{Check, Row, SourceError, column, seconds, set};
use crate::{Evidence, Position};

/// Makes the check. The whole executed set is asked for along with the answer: it answers the next questions for free.
pub(super) fn check(missing: &Position, wait: Duration, can_wait: bool) -> Option<Check> {
    let missing = missing.mysql();
    if missing.is_empty() {
        return None;
    }
    let ids = missing.one_line();
    let waits = can_wait && !wait.is_zero();
    let sql = if waits {
        format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{ids}', {}) = 0, @@GLOBAL.gtid_executed", seconds(wait))
    } else {
        format!("SELECT GTID_SUBSET('{ids}', @@GLOBAL.gtid_executed), @@GLOBAL.gtid_executed")
    };
    Some(Check { sql, asks: missing.clone().into(), waits })
}

pub(super) fn read(check: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
    let mut evidence = Evidence::executed(set(row, 1, "@@GLOBAL.gtid_executed")?);
    // The server may have read its set before it waited; the answer to the wait is newer.
    if column(row, 0, "WAIT_FOR_EXECUTED_GTID_SET")? == "1" {
        evidence.learn(Evidence::passed(check.asks()));
    }
    Ok(evidence)
}
