//! Which source a server and an account allow.
//!
//! The rungs, best first: configured SQL, the ids the server gives itself, more than was asked for (MySQL's executed
//! set), nothing. Falling to a lower rung is safe and costs something, so each fall is a [`Degraded`] that says what to do
//! about it.

use std::fmt;

use super::{Configured, Counter, GtidSource, MariaDb, MysqlExecuted, MysqlHistory, grant::grant};

/// The two families of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// MariaDB, with `domain-server-sequence`.
    MariaDb,
    /// MySQL, and what calls itself so, with sets of `uuid:number`.
    Mysql,
}

/// What to ask a server once, to find its source.
///
/// ```
/// use ms_gtid::source::{Answer, Configured, GtidSource, Probe};
///
/// let probe = Probe::new("9.7.4");
/// let answers: Vec<Answer> = probe.questions().iter().map(|question| match question.sql() {
///     sql if sql.contains("gtid_mode") => Answer::row([Some("ON"), Some("app@%")]),
///     sql if sql.contains("events_transactions_history") => Answer::Error(1142), // SELECT command denied
///     _ => Answer::Error(1142),
/// }).collect();
///
/// let choice = probe.choose(&answers);
/// assert_eq!(choice.source().map(|it| it.name()), Some("mysql gtid_executed"));
/// assert!(choice.warnings()[0].to_string().ends_with(
///     "`GRANT SELECT ON performance_schema.events_transactions_history TO 'app'@'%'`"
/// ));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    flavor: Flavor,
    version: (u16, u16, u16),
}

/// One statement of a probe. That it fails is an answer too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    sql: &'static str,
}

impl Question {
    /// The statement.
    #[must_use]
    pub fn sql(&self) -> &'static str {
        self.sql
    }
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first row, if any, its columns as text.
    Row(Option<Vec<Option<String>>>),
    /// The number of the server's error.
    Error(u16),
}

impl Answer {
    /// An answer of one row.
    pub fn row<const N: usize>(columns: [Option<&str>; N]) -> Self {
        Self::Row(Some(columns.map(|column| column.map(str::to_owned)).to_vec()))
    }

    fn column(&self, at: usize) -> Option<&str> {
        match self {
            Self::Row(Some(columns)) => columns.get(at)?.as_deref(),
            _ => None,
        }
    }
}

/// The source that was found, and what could be better.
#[derive(Debug)]
pub struct Choice {
    source: Option<Box<dyn GtidSource>>,
    warnings: Vec<Degraded>,
}

impl Choice {
    /// What the user configured, which wins over all that a server offers.
    ///
    /// With `on_commit` the values count; without it only the SQL knows how they compare. `None` when there is nothing to
    /// ask with, and the server has to be probed.
    #[must_use]
    pub fn configured(on_commit: Option<&str>, sql: Configured) -> Option<Self> {
        let source: Box<dyn GtidSource> = match on_commit {
            _ if sql.is_empty() => return None,
            Some(on_commit) => Box::new(Counter::new(on_commit, sql)),
            None => Box::new(sql),
        };
        Some(Self { source: Some(source), warnings: Vec::new() })
    }

    /// The source; none when positions cannot be known, so that only a primary is fresh enough.
    #[must_use]
    pub fn source(&self) -> Option<&dyn GtidSource> {
        self.source.as_deref()
    }

    /// The source by value.
    #[must_use]
    pub fn into_source(self) -> Option<Box<dyn GtidSource>> {
        self.source
    }

    /// Why it is not a better one.
    #[must_use]
    pub fn warnings(&self) -> &[Degraded] {
        &self.warnings
    }
}

/// Why a server's source is not the best of its family.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Degraded {
    /// The account may not read the transaction history.
    MayNotReadHistory {
        /// The statement that changes this.
        grant: String,
    },
    /// The transaction history is not recorded.
    HistoryOff,
    /// The server is too old to have a transaction history that can be asked for one's own.
    NoHistory,
    /// `gtid_mode` is not on: transactions have no ids.
    GtidModeOff,
    /// There is no binary log: transactions have no ids.
    BinaryLogOff,
    /// The server did not answer what every server of its family can answer.
    NoAnswer {
        /// What it was asked.
        sql: &'static str,
        /// The number of its error, if it was one.
        code: Option<u16>,
    },
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MORE: &str = "so reads after a write wait for the writes of others too";
        const NONE: &str = "so reads after a write stay on the primary";
        match self {
            Self::MayNotReadHistory { grant } => {
                write!(f, "the account may not read `{}`, {MORE}; to change it: `{grant}`", MysqlHistory::TABLE)
            }
            Self::HistoryOff => write!(f, "`{}` is not recorded (see setup_consumers), {MORE}", MysqlHistory::TABLE),
            Self::NoHistory => write!(f, "the server cannot tell the own transactions (MySQL 8.0.16 can), {MORE}"),
            Self::GtidModeOff => write!(f, "`gtid_mode` is not ON, {NONE}"),
            Self::BinaryLogOff => write!(f, "the server writes no binary log, {NONE}"),
            Self::NoAnswer { sql, code: Some(code) } => write!(f, "`{sql}` failed with error {code}, {NONE}"),
            Self::NoAnswer { sql, code: None } => write!(f, "`{sql}` returned nothing, {NONE}"),
        }
    }
}

const MARIADB: Question =
    Question { sql: "SELECT @@GLOBAL.log_bin, @@last_gtid, @@gtid_slave_pos, @@gtid_binlog_state" };
const MODE: Question = Question { sql: "SELECT @@GLOBAL.gtid_mode, CURRENT_USER()" };
const HISTORY: Question = Question {
    sql: "SELECT COUNT(*), PS_CURRENT_THREAD_ID() FROM performance_schema.events_transactions_history \
          WHERE THREAD_ID = PS_CURRENT_THREAD_ID()",
};
/// Another table with a privilege of its own; without it the history itself shows whether it is recorded.
const CONSUMER: Question = Question {
    sql: "SELECT ENABLED FROM performance_schema.setup_consumers WHERE NAME = 'events_transactions_history'",
};

impl Probe {
    /// A probe for a server of this version, as `SELECT VERSION()` or its greeting has it.
    ///
    /// What cannot be read is taken for an old MySQL, which is asked least.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let flavor = if version.to_ascii_lowercase().contains("mariadb") { Flavor::MariaDb } else { Flavor::Mysql };
        // MariaDB's greeting has this in front, for old replicas' sake.
        let numbers = if flavor == Flavor::MariaDb { version.trim_start_matches("5.5.5-") } else { version };
        let mut numbers = numbers.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { flavor, version: (next(), next(), next()) }
    }

    /// The family.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    pub(crate) fn is_at_least(&self, version: (u16, u16, u16)) -> bool {
        self.version >= version
    }

    /// What to ask, in this order; each alone, because each may fail.
    #[must_use]
    pub fn questions(&self) -> &'static [Question] {
        match self.flavor {
            Flavor::MariaDb => &[MARIADB],
            Flavor::Mysql if self.has_history() => &[MODE, HISTORY, CONSUMER],
            Flavor::Mysql => &[MODE],
        }
    }

    /// Chooses by the answers, one per question; missing ones count as not answered.
    #[must_use]
    pub fn choose(&self, answers: &[Answer]) -> Choice {
        let mut warnings = Vec::new();
        let source = match self.flavor {
            Flavor::MariaDb => mariadb(answers, &mut warnings),
            Flavor::Mysql => self.mysql(answers, &mut warnings),
        };
        Choice { source, warnings }
    }

    fn mysql(&self, answers: &[Answer], warnings: &mut Vec<Degraded>) -> Option<Box<dyn GtidSource>> {
        let account = match answers.first() {
            // ON_PERMISSIVE gives ids to new transactions as well; OFF_PERMISSIVE does not.
            Some(answer) if answer.column(0).is_some_and(|mode| mode.to_ascii_uppercase().starts_with("ON")) => {
                answer.column(1)
            }
            // 1193: a server from before there were ids.
            Some(Answer::Row(Some(_)) | Answer::Error(1193)) => {
                warnings.push(Degraded::GtidModeOff);
                return None;
            }
            other => {
                warnings.push(no_answer(MODE, other));
                return None;
            }
        };
        let degraded = if self.has_history() {
            history(answers.get(1), answers.get(2), account)
        } else {
            Some(Degraded::NoHistory)
        };
        let Some(degraded) = degraded else { return Some(Box::new(MysqlHistory::new())) };
        warnings.push(degraded);
        let executed = if self.is_at_least((5, 7, 5)) { MysqlExecuted::new() } else { MysqlExecuted::without_wait() };
        Some(Box::new(executed))
    }

    fn has_history(&self) -> bool {
        self.is_at_least((8, 0, 16))
    }
}

fn mariadb(answers: &[Answer], warnings: &mut Vec<Degraded>) -> Option<Box<dyn GtidSource>> {
    match answers.first() {
        Some(answer) if matches!(answer.column(0), Some("1" | "ON")) => Some(Box::new(MariaDb::new())),
        Some(Answer::Row(Some(_))) => {
            warnings.push(Degraded::BinaryLogOff);
            None
        }
        other => {
            warnings.push(no_answer(MARIADB, other));
            None
        }
    }
}

/// Why the history cannot be used, if it cannot.
fn history(table: Option<&Answer>, consumer: Option<&Answer>, account: Option<&str>) -> Option<Degraded> {
    // 1142: no privilege for the table; 1044 and 1227 are the same said of the schema and of everything.
    if let Some(Answer::Error(1044 | 1142 | 1227)) = table {
        return Some(Degraded::MayNotReadHistory { grant: grant("SELECT", MysqlHistory::TABLE, account) });
    }
    // Without the thread's number (performance_schema=OFF: NULL or an error) there is nothing to look for.
    if table.and_then(|answer| answer.column(1)).is_none() {
        return Some(Degraded::HistoryOff);
    }
    let off = consumer.and_then(|answer| answer.column(0)).is_some_and(|enabled| enabled.eq_ignore_ascii_case("NO"));
    off.then_some(Degraded::HistoryOff)
}

fn no_answer(question: Question, answer: Option<&Answer>) -> Degraded {
    let code = match answer {
        Some(Answer::Error(code)) => Some(*code),
        _ => None,
    };
    Degraded::NoAnswer { sql: question.sql, code }
}
