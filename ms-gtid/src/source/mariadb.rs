//! MariaDB tells both: what the session wrote, and where replication is.

use std::time::Duration;

use super::{Check, GtidSource, Own, Row, Server, SourceError, column, seconds, set};
use crate::{Evidence, Position, mariadb};

/// `@@last_gtid` for what was written, `MASTER_GTID_WAIT` and positions for what a server has.
///
/// The wait compares sequences alone: on a server that shows `0-2-50` a wait for `0-1-42` succeeds, and so would one for
/// a server that never existed (measured). So its answer is not evidence; the position that is read behind it is, along
/// the server's own binary log where that has the replicated transactions (`log_slave_updates`). Without it, and after a
/// failover, only the primary's history can tell: [`Evidence::along`].
///
/// On a primary the wait would time out even for the primary's own transactions, so it is never sent there.
///
/// `@@last_gtid` is the last write's alone: a session that sets `gtid_domain_id` has to ask before.
#[derive(Clone, Copy, Debug, Default)]
pub struct MariaDb(());

impl MariaDb {
    /// The source for any MariaDB server that writes a binary log.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl GtidSource for MariaDb {
    fn name(&self) -> &'static str {
        "mariadb last_gtid"
    }

    fn own_position(&self) -> Option<&str> {
        Some("SELECT @@last_gtid")
    }

    fn read_own(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        let set: mariadb::GtidSet = set(row, 0, "@@last_gtid")?;
        Ok(if set.is_empty() { Own::Nothing } else { Own::At(set.into()) })
    }

    fn whole_position(&self) -> Option<&str> {
        // Of each domain what was applied last or, if that came later, written here.
        Some("SELECT @@gtid_current_pos")
    }

    fn read_whole(&self, row: Option<&Row<'_>>) -> Result<Own, SourceError> {
        let set: mariadb::GtidSet = set(row, 0, "@@gtid_current_pos")?;
        Ok(if set.is_empty() { Own::Nothing } else { Own::At(set.into()) })
    }

    fn check(&self, missing: &Position, of: Server, wait: Duration) -> Result<Option<Check>, SourceError> {
        let missing = missing.mariadb();
        if missing.is_empty() {
            return Ok(None);
        }
        let waits = of.replicates && !wait.is_zero();
        let sql = if waits {
            let ids = missing.last_per_domain();
            format!("SELECT MASTER_GTID_WAIT('{ids}', {}), @@gtid_slave_pos, @@gtid_binlog_state", seconds(wait))
        } else if of.replicates {
            "SELECT NULL, @@gtid_slave_pos, @@gtid_binlog_state".to_owned()
        } else {
            // What the log has may not be visible yet, but a position is made of writes that were answered: those are.
            "SELECT NULL, @@gtid_binlog_state, @@gtid_binlog_state".to_owned()
        };
        Ok(Some(Check { sql, asks: missing.clone().into(), waits }))
    }

    fn read_check(&self, _: &Check, row: Option<&Row<'_>>) -> Result<Evidence, SourceError> {
        let applied: mariadb::GtidSet = set(row, 1, "@@gtid_slave_pos")?;
        // NULL without a binary log on some builds: then there is no history to see it along.
        let history = match column(row, 2, "@@gtid_binlog_state") {
            Ok(_) => set(row, 2, "@@gtid_binlog_state")?,
            Err(_) => mariadb::GtidSet::new(),
        };
        Ok(Evidence::applied(applied).along(&history))
    }
}
