//! What a scope has written, and whether a server's evidence covers it.
//!
//! A [`Position`] is collected: from every connection that wrote, from tokens of other processes, from servers of either
//! family or from a counter. It is never exact by being clever; it may ask for more than was written, never for less.
//!
//! [`Evidence`] is what a server was seen to have. It is true for as long as the server is the same one; who reconnects
//! after an error drops it. Forgetting evidence is safe, forgetting a position is not, and this decides what happens
//! where something has to be bounded.

use std::{collections::BTreeSet, fmt};

use crate::{Value, mariadb, mysql};

/// Whether a server has what was written, as far as its evidence goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coverage {
    /// All of it is there.
    Reached,
    /// Some of it was not there when the evidence was taken; waiting may help.
    Behind,
    /// The evidence does not tell. Not fresh enough, then, but asking may help.
    Unknown,
}

impl Coverage {
    /// What holds for two parts together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Behind, _) | (_, Self::Behind) => Self::Behind,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Reached, Self::Reached) => Self::Reached,
        }
    }
}

/// All that has to be visible to whoever holds it.
///
/// ```
/// use ms_gtid::{Coverage, Evidence, Position, mariadb};
///
/// let mut written = Position::from("0-1-41".parse::<mariadb::Gtid>()?);
/// written.merge(&Position::from("0-1-42".parse::<mariadb::Gtid>()?)); // another connection
///
/// let replica = |shows: &str| Evidence::applied(shows.parse().expect("a position"));
/// assert_eq!(replica("0-1-41").covers(&written), Coverage::Behind);
/// assert_eq!(replica("0-1-43").covers(&written), Coverage::Reached);
/// assert_eq!(replica("0-2-99").covers(&written), Coverage::Unknown); // of another server: proves nothing
/// # Ok::<(), ms_gtid::ParseGtidError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    mysql: mysql::GtidSet,
    mariadb: mariadb::GtidSet,
    counter: Option<u64>,
    values: BTreeSet<Value>,
    saturated: bool,
}

impl Position {
    /// The most ranges of MySQL's and entries of MariaDB's that one position keeps.
    pub const MAX_RANGES: usize = 1024;
    /// The most values of configured SQL that one position keeps.
    pub const MAX_VALUES: usize = 16;

    /// Nothing written: every server covers it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A value of configured SQL, to be given to its check and to nothing else.
    #[must_use]
    pub fn value(value: Value) -> Self {
        Self { values: BTreeSet::from([value]), ..Self::default() }
    }

    /// The state of a counter; a higher one includes the lower.
    #[must_use]
    pub fn counter(count: u64) -> Self {
        Self { counter: Some(count), ..Self::default() }
    }

    /// More was written than can be told: only a primary [covers](Self::is_saturated) it.
    #[must_use]
    pub fn saturated() -> Self {
        Self { saturated: true, ..Self::default() }
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what was written elsewhere, within bounds.
    ///
    /// Ranges beyond [`MAX_RANGES`](Self::MAX_RANGES) are [widened](mysql::GtidSet::widen). What cannot be bounded that
    /// way makes the position [saturated](Self::is_saturated).
    pub fn merge(&mut self, other: &Self) {
        self.mysql.merge(&other.mysql);
        self.mariadb.merge(&other.mariadb);
        self.counter = self.counter.max(other.counter);
        self.values.extend(other.values.iter().cloned());
        self.saturated |= other.saturated;
        self.bound();
    }

    /// Whether more was written than can be kept: no evidence covers it any more, only a primary does.
    ///
    /// It takes a thousand servers, or more than [`MAX_VALUES`](Self::MAX_VALUES) values of which only the user's SQL
    /// knows whether one includes the other.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.saturated
    }

    /// Its part in MySQL's ids.
    #[must_use]
    pub fn mysql(&self) -> &mysql::GtidSet {
        &self.mysql
    }

    /// Its part in MariaDB's ids.
    #[must_use]
    pub fn mariadb(&self) -> &mariadb::GtidSet {
        &self.mariadb
    }

    /// Its part in counts.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.counter
    }

    /// Its parts that only configured SQL understands.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    /// What `evidence` does not prove: what is left to ask for, or after a failover, what was lost.
    #[must_use]
    pub fn subtract(&self, evidence: &Evidence) -> Self {
        Self {
            mysql: self.mysql.subtract(&evidence.mysql),
            mariadb: match &evidence.mariadb {
                Some(applied) => self.mariadb.subtract(applied),
                None => self.mariadb.clone(),
            },
            counter: self.counter.filter(|count| Some(*count) > evidence.counter),
            values: self.values.difference(&evidence.values).cloned().collect(),
            saturated: self.saturated,
        }
    }

    fn bound(&mut self) {
        self.mysql.widen(Self::MAX_RANGES);
        if self.mysql.interval_count() > Self::MAX_RANGES {
            self.mysql = mysql::GtidSet::new();
            self.saturated = true;
        }
        if self.mariadb.len() > Self::MAX_RANGES {
            self.mariadb = mariadb::GtidSet::new();
            self.saturated = true;
        }
        if self.values.len() > Self::MAX_VALUES {
            self.values.clear();
            self.saturated = true;
        }
    }
}

/// Its parts as their makers write them, for people.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mysql = (!self.mysql.is_empty()).then(|| self.mysql.one_line().to_string());
        let mariadb = (!self.mariadb.is_empty()).then(|| self.mariadb.to_string());
        let counter = self.counter.map(|it| it.to_string());
        let parts = [mysql, mariadb, counter].into_iter().flatten().chain(self.values.iter().map(Value::to_string));
        let parts: Vec<String> = parts.chain(self.saturated.then(|| "and more".to_owned())).collect();
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl From<mysql::GtidSet> for Position {
    fn from(mysql: mysql::GtidSet) -> Self {
        let mut position = Self { mysql, ..Self::default() };
        position.bound();
        position
    }
}

impl From<mysql::Gtid> for Position {
    fn from(id: mysql::Gtid) -> Self {
        mysql::GtidSet::from(id).into()
    }
}

impl From<mariadb::GtidSet> for Position {
    fn from(mariadb: mariadb::GtidSet) -> Self {
        let mut position = Self { mariadb, ..Self::default() };
        position.bound();
        position
    }
}

impl From<mariadb::Gtid> for Position {
    fn from(id: mariadb::Gtid) -> Self {
        mariadb::GtidSet::from(id).into()
    }
}

/// What one server was seen to have.
///
/// It only grows: a server does not lose what it applied as long as it is the same server. Nothing seen is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    mysql: mysql::GtidSet,
    /// Whether `mysql` is all the server had at some moment, and not only what it was asked for.
    complete: bool,
    /// `None` is not seen, the empty set is seen to have nothing.
    mariadb: Option<mariadb::GtidSet>,
    counter: Option<u64>,
    values: BTreeSet<Value>,
}

impl Evidence {
    /// The most values of configured SQL that are remembered as passed.
    pub const MAX_VALUES: usize = 64;

    /// A MySQL server's whole `gtid_executed`.
    #[must_use]
    pub fn executed(set: mysql::GtidSet) -> Self {
        Self { mysql: set, complete: true, ..Self::default() }
    }

    /// A MariaDB server's position, [completed along its history](mariadb::GtidSet::along) where that is known.
    #[must_use]
    pub fn applied(set: mariadb::GtidSet) -> Self {
        Self { mariadb: Some(set), ..Self::default() }
    }

    /// A server said yes when it was asked for this.
    #[must_use]
    pub fn passed(position: &Position) -> Self {
        let Position { mysql, mariadb, counter, values, saturated: _ } = position.clone();
        let mariadb = (!mariadb.is_empty()).then_some(mariadb);
        Self { mysql, complete: false, mariadb, counter, values }
    }

    /// Adds newer or older evidence of the same server.
    pub fn learn(&mut self, other: Self) {
        self.mysql.merge(&other.mysql);
        self.complete |= other.complete;
        if let Some(theirs) = other.mariadb {
            self.mariadb.get_or_insert_default().merge(&theirs);
        }
        self.counter = self.counter.max(other.counter);
        self.values.extend(other.values);
        while self.values.len() > Self::MAX_VALUES {
            self.values.pop_first(); // Asking again is all it costs.
        }
    }

    /// The same seen along the history of another server, usually the primary.
    ///
    /// See [`mariadb::GtidSet::along`]; there is no such question for the other kinds.
    #[must_use]
    pub fn along(mut self, history: &mariadb::GtidSet) -> Self {
        self.mariadb = self.mariadb.map(|applied| applied.along(history));
        self
    }

    /// All that the server is known to have, as a position that another one can be asked for.
    #[must_use]
    pub fn to_position(&self) -> Position {
        let mut position = Position {
            mysql: self.mysql.clone(),
            mariadb: self.mariadb.clone().unwrap_or_default(),
            counter: self.counter,
            values: self.values.clone(),
            saturated: false,
        };
        position.bound();
        position
    }

    /// Whether the server has all of `position`.
    ///
    /// ```
    /// use ms_gtid::{Coverage, Evidence, Position, mysql};
    ///
    /// let id: mysql::Gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:7".parse()?;
    /// let written = Position::from(id);
    ///
    /// let mut seen = Evidence::default();
    /// assert_eq!(seen.covers(&Position::new()), Coverage::Reached);
    /// assert_eq!(seen.covers(&written), Coverage::Unknown);
    ///
    /// seen.learn(Evidence::executed("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-6:8-9".parse().expect("a set")));
    /// assert_eq!(seen.covers(&written), Coverage::Behind);
    ///
    /// seen.learn(Evidence::passed(&written));
    /// assert_eq!(seen.covers(&written), Coverage::Reached);
    /// # Ok::<(), ms_gtid::ParseGtidError>(())
    /// ```
    #[must_use]
    pub fn covers(&self, position: &Position) -> Coverage {
        let known = |reached: bool, otherwise| if reached { Coverage::Reached } else { otherwise };
        let unseen = if self.complete { Coverage::Behind } else { Coverage::Unknown };
        known(!position.saturated, Coverage::Unknown)
            .and(known(self.mysql.contains_all(&position.mysql), unseen))
            .and(self.covers_mariadb(&position.mariadb))
            .and(known(position.counter <= self.counter, Coverage::Unknown))
            .and(known(position.values.is_subset(&self.values), Coverage::Unknown))
    }

    fn covers_mariadb(&self, position: &mariadb::GtidSet) -> Coverage {
        let Some(applied) = &self.mariadb else {
            return if position.is_empty() { Coverage::Reached } else { Coverage::Unknown };
        };
        position.entries().map(|id| Self::covers_id(applied, id)).fold(Coverage::Reached, Coverage::and)
    }

    fn covers_id(applied: &mariadb::GtidSet, id: mariadb::Gtid) -> Coverage {
        if applied.contains(&id) {
            return Coverage::Reached;
        }
        match applied.highest(id.domain) {
            // The domain is this far, by another server's transactions: this one may be among those before, or lost.
            Some(highest) if highest >= id.sequence => Coverage::Unknown,
            _ => Coverage::Behind,
        }
    }
}
