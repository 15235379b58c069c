//! How far a replica trails: which SQL to ask, and what its rows mean.
//!
//! Servers say how far they trail in `SHOW REPLICA STATUS`, a row per server that they follow, and what they say needs care:
//!
//! - Nothing at all comes from a server that follows nobody. That is not a lag of zero: nobody knows whose data it has.
//! - A stopped thread makes the lag NULL, as does a receiver that is trying to connect. NULL is not zero either.
//! - The lag is in whole seconds, the difference of two clocks that were both cut to seconds: it may be almost two seconds off.
//!   Only where all that was received has been applied, the zero is exact.
//! - What the receiver has not received is not in it. A primary that stands still without closing its connections looks like
//!   one at which nothing is written, and a receiver that has just connected looks like one that lacks nothing, until it is sent what it
//!   lacks. A [`Heartbeat`] shows the difference, and so does what the source has ([`Status::applied`], [`StatusQuery::whole_position`]).
//!
//! So a [`Lag`] is one of several things, and the one with a number in it ([`Behind`]) knows how far off the number may be.
//!
//! A server may follow several others. All of them must be followed, and the one it trails most counts.
//!
//! ```
//! use std::time::Duration;
//! use ms_gtid::replica::{Behind, Lag, Status, StatusQuery};
//!
//! assert_eq!(StatusQuery::new("8.0.21").sql(), "SHOW SLAVE STATUS");
//! let columns = ["Slave_IO_Running", "Slave_SQL_Running", "Seconds_Behind_Master"];
//! let status = Status::read(&columns, &[&[Some("Yes"), Some("Yes"), Some("3")]]);
//! assert_eq!(status.lag(), Lag::Behind(Behind { lag: Duration::from_secs(3), rounding: Duration::from_secs(2) }));
//!
//! let stopped = Status::read(&columns, &[&[Some("Yes"), Some("No"), None]]);
//! assert_eq!(stopped.lag().to_string(), "the applier is stopped");
//! assert_eq!(Status::read(&[], &[]).lag(), Lag::NotReplica);
//! ```

use std::{fmt, time::Duration};

use crate::{
    Evidence, Position, mariadb, mysql,
    source::{Flavor, Probe, Row, grant},
};

mod heartbeat; // a table that tells the time

pub use self::heartbeat::{Heartbeat, HeartbeatError};

/// What to ask a server of some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusQuery {
    server: Probe,
}

impl StatusQuery {
    /// For a server of this version, as `SELECT VERSION()` or its greeting has it.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self { server: Probe::new(version) }
    }

    /// The statement; a row per server that the asked one follows.
    #[must_use]
    pub fn sql(&self) -> &'static str {
        match self.server.flavor() {
            // Without ALL it is about one of several connections, the one without a name.
            Flavor::MariaDb if self.server.is_at_least((10, 0, 0)) => "SHOW ALL SLAVES STATUS",
            // Since 8.4 there is no other word for it.
            Flavor::Mysql if self.server.is_at_least((8, 0, 22)) => "SHOW REPLICA STATUS",
            _ => "SHOW SLAVE STATUS",
        }
    }

    /// A statement that tells more exactly how far behind a server is that has answered like this, if there is one.
    ///
    /// It needs `SELECT` on `performance_schema`. What its row means, [`Status::refined`] knows.
    #[must_use]
    pub fn finer(&self, status: &Status) -> Option<&'static str> {
        let knows = self.server.flavor() == Flavor::Mysql && self.server.is_at_least((8, 0, 1));
        // With a delay that was asked for, what is waited for is in nobody's hands.
        let may_help = |it: &Channel| !it.caught_up && it.delay.is_zero();
        let inexact = matches!(status.lag(), Lag::Behind(behind) if !behind.rounding.is_zero());
        (knows && inexact && status.channels.iter().all(|it| it.caught_up || may_help(it))).then_some(FINER)
    }

    /// The statement that answers how often this server was asked [`sql`](Self::sql) since it started, by anybody: its second
    /// column.
    #[must_use]
    pub fn times_asked(&self) -> &'static str {
        match self.server.flavor() {
            Flavor::Mysql if self.server.is_at_least((8, 0, 22)) => "SHOW GLOBAL STATUS LIKE 'Com_show_replica_status'",
            _ => "SHOW GLOBAL STATUS LIKE 'Com_show_slave_status'",
        }
    }

    /// The statement that answers what a source has, to be compared with what its replicas [have applied](Status::applied).
    #[must_use]
    pub fn whole_position(&self) -> &'static str {
        match self.server.flavor() {
            Flavor::MariaDb => "SELECT @@gtid_current_pos",
            Flavor::Mysql => "SELECT @@GLOBAL.gtid_executed",
        }
    }

    /// What the row of [`whole_position`](Self::whole_position) means; nothing where the server does not count its transactions.
    #[must_use]
    pub fn read_whole_position(&self, row: Option<&Row<'_>>) -> Position {
        let text = row.and_then(|row| row.first().copied().flatten()).unwrap_or_default();
        match self.server.flavor() {
            Flavor::MariaDb => text.parse::<mariadb::GtidSet>().map(Position::from),
            Flavor::Mysql => text.parse::<mysql::GtidSet>().map(Position::from),
        }
        .unwrap_or_default()
    }

    /// What allows an account to ask; `account` as `CURRENT_USER()` has it.
    #[must_use]
    pub fn grant(&self, account: Option<&str>) -> String {
        let privilege = match self.server.flavor() {
            Flavor::MariaDb if self.server.is_at_least((10, 5, 0)) => "SLAVE MONITOR",
            _ => "REPLICATION CLIENT",
        };
        grant(privilege, "*.*", account)
    }
}

/// The oldest transaction that is being applied, in microseconds since it was committed at its origin; the number of
/// transactions being applied, and of those whose age is known. The coordinator's is not with a worker yet.
const FINER: &str = "SELECT MAX(age), COUNT(*), COUNT(age) FROM (\
     SELECT TIMESTAMPDIFF(MICROSECOND, APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6)) AS age \
     FROM performance_schema.replication_applier_status_by_worker WHERE APPLYING_TRANSACTION <> '' \
     UNION ALL \
     SELECT TIMESTAMPDIFF(MICROSECOND, PROCESSING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6)) \
     FROM performance_schema.replication_applier_status_by_coordinator WHERE PROCESSING_TRANSACTION <> '') AS applying";

/// How far off a lag in whole seconds may be: three numbers were cut for it.
const ROUNDING: Duration = Duration::from_secs(2);

/// What a server says about those it follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    channels: Vec<Channel>,
    applied: Evidence,
}

/// One server that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channel {
    /// The name of the channel or connection; mostly empty.
    pub name: String,
    /// The server it follows, as `host:port`.
    pub source: String,
    /// What fetches the log of that server.
    pub receiver: Thread,
    /// What applies it.
    pub applier: Thread,
    /// How far it trails, in whole seconds; `None` where the server does not know.
    pub behind: Option<Duration>,
    /// All that was received has been applied.
    pub caught_up: bool,
    /// How far it is told to trail.
    pub delay: Duration,
}

/// One of a channel's two threads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thread {
    /// Whether it runs.
    pub state: ThreadState,
    /// The number of its last error; 0 without one.
    pub errno: u32,
    /// The text of that error.
    pub error: String,
}

/// Whether a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThreadState {
    /// It does.
    Running,
    /// The receiver tries to reach its source.
    Connecting,
    /// It does not, or says nothing that is known to mean that it does.
    Stopped,
}

impl fmt::Display for ThreadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Connecting => "connecting",
            Self::Stopped => "stopped",
        })
    }
}

/// Which of a channel's threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The one that fetches.
    Receiver,
    /// The one that applies.
    Applier,
}

/// How far a server trails, as far as it can be said. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lag {
    /// It follows nobody: there is no telling what it has.
    NotReplica,
    /// A thread does not run.
    Stopped {
        /// The channel.
        channel: String,
        /// Which one.
        part: Part,
        /// The number of its last error; 0 without one.
        errno: u32,
    },
    /// All run, and it does not say how far behind they are.
    Unknown {
        /// The channel.
        channel: String,
    },
    /// It says that it lacks nothing, and lacks what its source has: nobody knows since when.
    Unproven,
    /// By so much.
    Behind(Behind),
}

impl Lag {
    /// By no more than this.
    #[must_use]
    pub const fn at_most(lag: Duration) -> Self {
        Self::Behind(Behind { lag, rounding: Duration::ZERO })
    }
}

/// A lag, and how far off it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Behind {
    /// As it was measured.
    pub lag: Duration,
    /// By how much it may be more.
    pub rounding: Duration,
}

impl Behind {
    /// The most it can be, at the moment it was measured.
    #[must_use]
    pub fn at_most(self) -> Duration {
        self.lag.saturating_add(self.rounding)
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |f: &mut fmt::Formatter<'_>, channel: &str| match channel {
            "" => Ok(()),
            name => write!(f, " of channel `{name}`"),
        };
        match self {
            Self::NotReplica => f.write_str("it replicates from no server"),
            Self::Stopped { channel, part, errno } => {
                f.write_str(if *part == Part::Receiver { "the receiver" } else { "the applier" })?;
                of(f, channel)?;
                f.write_str(" is stopped")?;
                if *errno == 0 { Ok(()) } else { write!(f, " (error {errno})") }
            }
            Self::Unknown { channel } => {
                f.write_str("its lag")?;
                of(f, channel)?;
                f.write_str(" is not known")
            }
            Self::Unproven => f.write_str("it lacks what the primary has, and does not know it"),
            Self::Behind(Behind { lag, .. }) => write!(f, "it trails by {} ms", lag.as_millis()),
        }
    }
}

impl Status {
    /// Takes the answer to [`StatusQuery::sql`] apart, by the names of its columns in any version's words.
    ///
    /// What a row lacks is taken for bad news.
    #[must_use]
    pub fn read(columns: &[&str], rows: &[&Row<'_>]) -> Self {
        let channel = |row: &&Row<'_>| {
            Channel::read(&|name| {
                let at = columns.iter().position(|it| it.eq_ignore_ascii_case(name))?;
                row.get(at).copied().flatten()
            })
        };
        // Channels of a replication group have receivers of their own kind; nothing here is meant for them.
        let channels = rows.iter().map(channel).filter(|it| !it.name.starts_with("group_replication_"));
        // Each row has it, of all channels.
        let first = |name: &str| {
            let at = columns.iter().position(|it| it.eq_ignore_ascii_case(name))?;
            rows.first()?.get(at).copied().flatten()
        };
        let mariadb = first("Gtid_Slave_Pos").and_then(|it| it.parse().ok()).map(Evidence::applied);
        let mysql = || first("Executed_Gtid_Set").and_then(|it| it.parse().ok()).map(Evidence::executed);
        Self { channels: channels.collect(), applied: mariadb.or_else(mysql).unwrap_or_default() }
    }

    /// What it has applied, of all that it follows.
    #[must_use]
    pub fn applied(&self) -> &Evidence {
        &self.applied
    }

    /// The servers it follows.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// What it comes to: the worst of all channels.
    #[must_use]
    pub fn lag(&self) -> Lag {
        let lags = self.channels.iter().map(Channel::lag);
        lags.max_by_key(|it| match it {
            Lag::Behind(behind) => (0, behind.at_most()),
            Lag::Unknown { .. } | Lag::Unproven => (1, Duration::ZERO),
            Lag::Stopped { .. } => (2, Duration::ZERO),
            Lag::NotReplica => (3, Duration::ZERO),
        })
        .unwrap_or(Lag::NotReplica)
    }

    /// The same, with the answer to [`StatusQuery::finer`].
    ///
    /// That one is no answer by itself. It is zero where the applier stands still or was told to wait, and it compares the clocks of
    /// two machines, which the seconds make up for. So it counts where it agrees with them. That nothing is being applied counts
    /// where nothing is left to apply: appliers with several threads note only every `replica_checkpoint_period` (0.3 s) that they
    /// are done, and until then the seconds go on counting.
    #[must_use]
    pub fn refined(&self, row: Option<&Row<'_>>) -> Lag {
        let lag = self.lag();
        let Lag::Behind(coarse) = lag else { return lag };
        let number = |at: usize| row?.get(at).copied().flatten()?.parse::<i64>().ok();
        let applying = number(1);
        if applying == Some(0) && self.channels.iter().all(|it| it.caught_up) {
            return Lag::at_most(Duration::ZERO);
        }
        let (Some(age), Some(applying), Some(known)) = (number(0), applying, number(2)) else { return lag };
        let fine = Duration::from_micros(age.max(0).unsigned_abs());
        let agrees = fine <= coarse.at_most() && fine.saturating_add(ROUNDING) >= coarse.lag;
        if applying == known && agrees { Lag::Behind(Behind { lag: fine, rounding: Duration::ZERO }) } else { lag }
    }
}

impl Channel {
    fn read<'a>(column: &dyn Fn(&str) -> Option<&'a str>) -> Self {
        // The new word, or the old one.
        let either = |new: &str, old: &str| column(new).or_else(|| column(old));
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let thread = |running: Option<&str>, errno: Option<&str>, error: Option<&str>| Thread {
            state: match running {
                Some(yes) if yes.eq_ignore_ascii_case("yes") => ThreadState::Running,
                Some(it) if it.eq_ignore_ascii_case("connecting") => ThreadState::Connecting,
                _ => ThreadState::Stopped,
            },
            errno: errno.and_then(|it| it.parse().ok()).unwrap_or(0),
            error: text(error),
        };
        let seconds = |value: &str| value.parse().ok().map(Duration::from_secs);
        Self {
            name: text(either("Channel_Name", "Connection_name")),
            source: format!(
                "{}:{}",
                either("Source_Host", "Master_Host").unwrap_or_default(),
                either("Source_Port", "Master_Port").unwrap_or_default()
            ),
            receiver: thread(
                either("Replica_IO_Running", "Slave_IO_Running"),
                column("Last_IO_Errno"),
                column("Last_IO_Error"),
            ),
            applier: thread(
                either("Replica_SQL_Running", "Slave_SQL_Running"),
                column("Last_SQL_Errno"),
                column("Last_SQL_Error"),
            ),
            behind: either("Seconds_Behind_Source", "Seconds_Behind_Master").and_then(seconds),
            caught_up: caught_up(column),
            delay: column("SQL_Delay").and_then(seconds).unwrap_or_default(),
        }
    }

    fn lag(&self) -> Lag {
        for (part, thread) in [(Part::Receiver, &self.receiver), (Part::Applier, &self.applier)] {
            // A receiver that connects has stopped receiving, and it depends on the version whether the lag is NULL then.
            if thread.state != ThreadState::Running {
                return Lag::Stopped { channel: self.name.clone(), part, errno: thread.errno };
            }
        }
        match self.behind {
            None => Lag::Unknown { channel: self.name.clone() },
            Some(lag) => {
                let exact = lag.is_zero() && self.caught_up;
                Lag::Behind(Behind { lag, rounding: if exact { Duration::ZERO } else { ROUNDING } })
            }
        }
    }
}

/// Whether all that was received has been applied.
///
/// Appliers with several threads move the position when there is a gap no more (MySQL) or when any of them is done (MariaDB, with
/// several domains). So sets decide where there are any.
fn caught_up<'a>(column: &dyn Fn(&str) -> Option<&'a str>) -> bool {
    let either = |new: &str, old: &str| column(new).or_else(|| column(old)).filter(|it| !it.is_empty());
    let received = (either("Source_Log_File", "Master_Log_File"), either("Read_Source_Log_Pos", "Read_Master_Log_Pos"));
    let applied = (
        either("Relay_Source_Log_File", "Relay_Master_Log_File"),
        either("Exec_Source_Log_Pos", "Exec_Master_Log_Pos"),
    );
    let at_the_end = received.0.is_some() && received.1.is_some() && received == applied;
    if column("Using_Gtid").is_some_and(|it| !it.eq_ignore_ascii_case("no")) {
        let set = |name: &str| column(name)?.parse::<mariadb::GtidSet>().ok();
        return at_the_end
            && matches!((set("Gtid_IO_Pos"), set("Gtid_Slave_Pos")), (Some(io), Some(pos)) if pos.contains_all(&io));
    }
    let set = |name: &str| column(name)?.parse::<mysql::GtidSet>().ok().filter(|it| !it.is_empty());
    let executed = || {
        column("Auto_Position") == Some("1")
            && matches!(
                (set("Retrieved_Gtid_Set"), set("Executed_Gtid_Set")),
                (Some(retrieved), Some(executed)) if executed.contains_all(&retrieved)
            )
    };
    at_the_end || executed()
}

#[cfg(test)]
mod tests;
