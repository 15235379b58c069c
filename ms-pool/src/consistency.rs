//! How fresh a session's reads are to be.
//!
//! A replica trails its primary. The levels are the original's: `eventual` lets any server answer, perhaps within a bound,
//! `session` one that has what the session must see, `strong` only a primary. A level that is given while running takes the place
//! of the configured one, ahead of all filters.

use std::{fmt, sync::Arc, time::Duration};

use ms_config::BeyondBudget;
use ms_filters::Quality;
use ms_gtid::{Position, Value, ValueError};
use ms_hints::Level;

use crate::{Error, Session, positions::Written};

/// How fresh reads are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// Any server may answer, within bounds if there are any.
    Eventual {
        /// Replicas answer that are known to trail by no more; where there is none, a primary does.
        max_age: Option<Duration>,
        /// How long an answer may be kept. Replicas answer that are known to trail by less.
        cache: Option<Duration>,
    },
    /// A server that has everything the session wrote. Where positions cannot be compared, a primary.
    Session {
        /// What it must have in addition: a position that somebody else has handed over.
        at: Option<Position>,
    },
    /// A primary answers.
    Strong,
}

/// Any server may answer.
impl Default for Consistency {
    fn default() -> Self {
        Self::EVENTUAL
    }
}

/// An option of a level with its value, as the original's `set_qos` took them: unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelOption<'a> {
    /// The position a server must have replayed; with [`Level::Session`].
    Gtid(&'a str),
    /// The greatest lag in seconds; with [`Level::Eventual`].
    Age(i64),
    /// How many seconds an answer may be kept; with [`Level::Eventual`].
    Cache(i64),
}

impl Consistency {
    /// Any server may answer.
    pub const EVENTUAL: Self = Self::Eventual { max_age: None, cache: None };
    /// A server that has everything the session wrote.
    pub const SESSION: Self = Self::Session { at: None };

    /// Primaries, and replicas that are known to trail by no more than this.
    #[must_use]
    pub const fn max_age(age: Duration) -> Self {
        Self::Eventual { max_age: Some(age), cache: None }
    }

    /// Checks a level and an option that come from somewhere else: a file, a command line, a port of a PHP application.
    ///
    /// # Errors
    ///
    /// Fails when the option does not go with the level or its value is out of range, in the original's words.
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_hints::Level;
    /// use ms_pool::{Consistency, LevelOption};
    ///
    /// assert_eq!(Consistency::checked(Level::Strong, None)?, Consistency::Strong);
    /// assert!(Consistency::checked(Level::Strong, Some(LevelOption::Age(1))).is_err());
    /// # Ok::<(), ms_pool::ConsistencyError>(())
    /// ```
    pub fn checked(level: Level, option: Option<LevelOption<'_>>) -> Result<Self, ConsistencyError> {
        let bare = match level {
            Level::Eventual => Self::EVENTUAL,
            Level::Session => Self::SESSION,
            Level::Strong => Self::Strong,
        };
        // Checked to be no less than zero.
        let seconds = |it: i64| Some(Duration::from_secs(it.unsigned_abs()));
        Ok(match option {
            None => bare,
            Some(LevelOption::Gtid(_)) if level != Level::Session => return Err(ConsistencyError::GtidElsewhere),
            Some(LevelOption::Gtid("")) => return Err(ConsistencyError::GtidEmpty),
            Some(LevelOption::Gtid(text)) => {
                let value = Value::new(text).map_err(|source| ConsistencyError::Gtid { source })?;
                Self::Session { at: Some(Position::value(value)) }
            }
            Some(LevelOption::Age(_)) if level != Level::Eventual => return Err(ConsistencyError::AgeElsewhere),
            Some(LevelOption::Age(..0)) => return Err(ConsistencyError::AgeNegative),
            Some(LevelOption::Age(age)) => Self::Eventual { max_age: seconds(age), cache: None },
            Some(LevelOption::Cache(_)) if level != Level::Eventual => return Err(ConsistencyError::CacheElsewhere),
            Some(LevelOption::Cache(..1)) => return Err(ConsistencyError::CacheTooShort),
            Some(LevelOption::Cache(ttl)) => Self::Eventual { max_age: None, cache: seconds(ttl) },
        })
    }

    pub(crate) fn quality(&self) -> Quality {
        match *self {
            Self::Eventual { max_age: None, cache: None } => Quality::Eventual,
            Self::Eventual { max_age: Some(age), cache: None } => Quality::MaxLag(age),
            Self::Eventual { max_age: None, cache: Some(ttl) } => Quality::LagBelow(ttl),
            Self::Eventual { max_age: Some(age), cache: Some(ttl) } if age < ttl => Quality::MaxLag(age),
            Self::Eventual { max_age: Some(_), cache: Some(ttl) } => Quality::LagBelow(ttl),
            Self::Session { .. } => Quality::Session,
            Self::Strong => Quality::Strong,
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
    /// A position that cannot be one.
    Gtid {
        /// Why it cannot.
        source: ValueError,
    },
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
            Self::Gtid { .. } => "the position is none",
        })
    }
}

impl std::error::Error for ConsistencyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Gtid { source } => Some(source),
            _ => None,
        }
    }
}

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
        self.core.level = Some(consistency.quality());
        let at = match consistency {
            Consistency::Session { at } => at,
            _ => None,
        };
        let Self { cluster, core, .. } = self;
        match at {
            Some(position) if cluster.inner.rules.is_strict() => core.written_mut(cluster).require(&position),
            // As the original: the position takes the place of an earlier one, and writes add nothing to it.
            at if !cluster.inner.rules.is_strict() => {
                core.scope = at.map(|position| {
                    let written = Written::default();
                    written.require(&position);
                    Arc::new(written)
                });
            }
            _ => {}
        }
        Ok(())
    }
}

impl Session {
    /// What becomes of its reads when no replica has caught up and [the budget](crate::PrimaryBudget) for such reads on the
    /// primary is used up, in place of what is configured; as [`Scope::set_beyond_budget`](crate::Scope::set_beyond_budget).
    pub fn set_beyond_budget(&mut self, beyond: BeyondBudget) {
        self.core.beyond = Some(beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_with_their_level_and_have_ranges() {
        use Level::{Eventual, Session, Strong};
        check(Strong, LevelOption::Gtid("1"), "GTID option value must be used with MYSQLND_MS_QOS_CONSISTENCY_SESSION");
        check(Session, LevelOption::Gtid(""), "GTID is empty");
        check(Session, LevelOption::Age(1), "Maximum age option value must be used with");
        check(Eventual, LevelOption::Age(-1), "Maximum age must have a positive value");
        check(Strong, LevelOption::Cache(1), "Cache TTL option value must be used with");
        check(Eventual, LevelOption::Cache(0), "Cache TTL must be at least one");
        check(Session, LevelOption::Gtid("1' OR '1"), "the position is none");
        let quality = |level, option| Consistency::checked(level, Some(option)).unwrap().quality();
        assert_eq!(quality(Eventual, LevelOption::Age(0)), Quality::MaxLag(Duration::ZERO));
        assert_eq!(quality(Eventual, LevelOption::Cache(2)), Quality::LagBelow(Duration::from_secs(2)));
        assert_eq!(quality(Session, LevelOption::Gtid("0-1-42")), Quality::Session);
    }

    #[track_caller]
    fn check(level: Level, option: LevelOption<'_>, text: &str) {
        let error = Consistency::checked(level, Some(option)).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
