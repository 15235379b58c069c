//! How fresh a session's reads are to be.
//!
//! A replica trails its primary. The levels are the original's: `eventual` lets any server answer, `session` one that has what
//! the session wrote, `strong` only a primary. A level that is given while running takes the place of the configured one, ahead
//! of all filters. Positions, ages and caching are being built; until then `session` means primaries.

use std::fmt;

use ms_hints::Level;

use crate::{Error, Session};

/// How fresh reads are to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consistency {
    /// Any server may answer.
    #[default]
    Eventual,
    /// A server that has everything the session wrote. Without a position to compare, only primaries surely do.
    Session,
    /// A primary answers.
    Strong,
}

/// An option of a level with its value, as the original's `set_qos` took them: unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelOption<'a> {
    /// The position a server must have replayed; with [`Consistency::Session`].
    Gtid(&'a str),
    /// The greatest lag in seconds; with [`Consistency::Eventual`].
    Age(i64),
    /// How many seconds an answer may be kept; with [`Consistency::Eventual`].
    Cache(i64),
}

impl Consistency {
    /// Checks a level and an option that come from somewhere else: a file, a command line, a port of a PHP application.
    ///
    /// # Errors
    ///
    /// Fails when the option does not go with the level or its value is out of range, in the original's words; and for options
    /// that are right, because none has an effect yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_pool::{Consistency, LevelOption};
    ///
    /// assert_eq!(Consistency::checked(Consistency::Strong, None)?, Consistency::Strong);
    /// assert!(Consistency::checked(Consistency::Strong, Some(LevelOption::Age(1))).is_err());
    /// # Ok::<(), ms_pool::ConsistencyError>(())
    /// ```
    pub fn checked(level: Consistency, option: Option<LevelOption<'_>>) -> Result<Self, ConsistencyError> {
        let Some(option) = option else {
            return Ok(level);
        };
        Err(match option {
            LevelOption::Gtid(_) if level != Consistency::Session => ConsistencyError::GtidElsewhere,
            LevelOption::Gtid("") => ConsistencyError::GtidEmpty,
            LevelOption::Age(_) if level != Consistency::Eventual => ConsistencyError::AgeElsewhere,
            LevelOption::Age(..0) => ConsistencyError::AgeNegative,
            LevelOption::Cache(_) if level != Consistency::Eventual => ConsistencyError::CacheElsewhere,
            LevelOption::Cache(..1) => ConsistencyError::CacheTooShort,
            _ => ConsistencyError::NotYet,
        })
    }

    fn level(self) -> Level {
        match self {
            Consistency::Eventual => Level::Eventual,
            Consistency::Session => Level::Session,
            Consistency::Strong => Level::Strong,
        }
    }
}

/// A level and an option that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// A position with another level than `session`.
    GtidElsewhere,
    /// An empty position.
    GtidEmpty,
    /// An age with another level than `eventual`.
    AgeElsewhere,
    /// An age below zero.
    AgeNegative,
    /// A time to live with another level than `eventual`.
    CacheElsewhere,
    /// A time to live below one second.
    CacheTooShort,
    /// Options have no effect yet.
    NotYet,
}

impl fmt::Display for ConsistencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GtidElsewhere => {
                "a position goes with `session` only (GTID option value must be used with \
                 MYSQLND_MS_QOS_CONSISTENCY_SESSION only)"
            }
            Self::GtidEmpty => "a position has at least one character (GTID is empty)",
            Self::AgeElsewhere => {
                "an age goes with `eventual` only (Maximum age option value must be used with \
                 MYSQLND_MS_QOS_CONSISTENCY_EVENTUAL only)"
            }
            Self::AgeNegative => "an age is zero or more (Maximum age must have a positive value)",
            Self::CacheElsewhere => {
                "a time to live goes with `eventual` only (Cache TTL option value must be used with \
                 MYSQLND_MS_QOS_CONSISTENCY_EVENTUAL only)"
            }
            Self::CacheTooShort => "a time to live is one second or more (Cache TTL must be at least one)",
            Self::NotYet => "options of service levels have no effect yet",
        })
    }
}

impl std::error::Error for ConsistencyError {}

impl Session {
    /// Gives the session another service level, in place of the configured one; [`Consistency::Eventual`] goes back to any
    /// server.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while a transaction is bound to its server: it has begun to read there.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use ms_pool::Consistency;
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut session = db.session();
    /// session.set_consistency(Consistency::Strong)?;
    /// sqlx::query("SELECT balance FROM accounts").fetch_all(&mut session).await?; // the primary
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_consistency(&mut self, consistency: Consistency) -> Result<(), Error> {
        if self.core.trx.bound().is_some() {
            let why = "the service level stays while a transaction is bound to its server \
                       (No change allowed in the middle of a transaction)";
            return Err(Error::Refused { why: why.into() });
        }
        self.core.level = Some(consistency.level());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_with_their_level_and_have_ranges() {
        use Consistency::{Eventual, Session, Strong};
        check(Strong, LevelOption::Gtid("1"), "GTID option value must be used with MYSQLND_MS_QOS_CONSISTENCY_SESSION");
        check(Session, LevelOption::Gtid(""), "GTID is empty");
        check(Session, LevelOption::Age(1), "Maximum age option value must be used with");
        check(Eventual, LevelOption::Age(-1), "Maximum age must have a positive value");
        check(Strong, LevelOption::Cache(1), "Cache TTL option value must be used with");
        check(Eventual, LevelOption::Cache(0), "Cache TTL must be at least one");
        check(Eventual, LevelOption::Age(0), "no effect yet");
    }

    #[track_caller]
    fn check(level: Consistency, option: LevelOption<'_>, text: &str) {
        let error = Consistency::checked(level, Some(option)).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
