//! How a transaction is to begin.

use crate::Error;

/// How a transaction is to begin; the default is `START TRANSACTION` and what the session's settings make of it.
///
/// # Examples
///
/// ```no_run
/// use ms_pool::TxOptions;
///
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let report = TxOptions { read_only: true, snapshot: true, ..TxOptions::default() };
/// let mut tx = db.begin_with(report).await?; // a replica, if there is one
/// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(&mut tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TxOptions {
    /// It writes nothing, so it may run on a replica; where it does, `trx_stickiness` says (`on`, the default in `strict`).
    pub read_only: bool,
    /// `WITH CONSISTENT SNAPSHOT`: it sees the data of its beginning, not that of its first read.
    pub snapshot: bool,
    /// The isolation level of this transaction alone; `None` leaves the session's.
    pub isolation: Option<Isolation>,
    /// Goes with it as a comment, for the server's logs: letters, digits, `-`, `_` and `=`, at most 64 of them.
    pub name: Option<Box<str>>,
}

/// How much of other transactions a transaction sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Also what is not committed.
    ReadUncommitted,
    /// What is committed when it reads.
    ReadCommitted,
    /// What was committed when it read first.
    RepeatableRead,
    /// As if it ran alone.
    Serializable,
}

/// Long enough for any label, short enough for any log.
const LONGEST_NAME: usize = 64;

impl Isolation {
    fn sql(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "READ UNCOMMITTED",
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        }
    }
}

impl TxOptions {
    /// The SQL that begins it: one text, so one round trip, also where a setting has to go first.
    ///
    /// # Errors
    ///
    /// Refuses a name that could end the comment it travels in.
    pub(crate) fn sql(&self) -> Result<String, Error> {
        let mut sql = String::new();
        if let Some(isolation) = self.isolation {
            sql = format!("SET TRANSACTION ISOLATION LEVEL {}; ", isolation.sql());
        }
        sql.push_str("START TRANSACTION");
        if let Some(name) = &self.name {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
                let allowed = "letters, digits, `-`, `_` and `=`";
                let why = format!("`{name}` cannot name a transaction: up to {LONGEST_NAME} {allowed} can");
                return Err(Error::Refused { why: why.into() });
            }
            sql.push_str(&format!(" /*{name}*/"));
        }
        let clauses = [(self.snapshot, "WITH CONSISTENT SNAPSHOT"), (self.read_only, "READ ONLY")];
        let clauses: Vec<_> = clauses.iter().filter(|(wanted, _)| *wanted).map(|(_, clause)| *clause).collect();
        if !clauses.is_empty() {
            sql.push(' ');
            sql.push_str(&clauses.join(", "));
        }
        Ok(sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_clauses() {
        check(TxOptions::default(), "START TRANSACTION");
        check(TxOptions { read_only: true, ..TxOptions::default() }, "START TRANSACTION READ ONLY");
        let all = TxOptions {
            read_only: true,
            snapshot: true,
            isolation: Some(Isolation::ReadCommitted),
            name: Some("nightly-1".into()),
        };
        check(
            all,
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             START TRANSACTION /*nightly-1*/ WITH CONSISTENT SNAPSHOT, READ ONLY",
        );
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "options are made for the row")]
    fn check(options: TxOptions, sql: &str) {
        assert_eq!(options.sql().unwrap(), sql);
    }

    #[test]
    fn names_cannot_smuggle_sql() {
        for name in ["", "a*/; DROP TABLE t; /*", "a b", "!1", "ä", &"x".repeat(65)] {
            let options = TxOptions { name: Some(name.into()), ..TxOptions::default() };
            assert!(options.sql().is_err(), "{name}");
        }
    }
}
