//! Which server is this? Asked once per connection, as the last thing of its set-up.
//!
//! A configured name is not a server: an address may move to another machine between two connects. Everything that
//! is known about a server (its position, its role) is therefore filed under the identity the *connection* reported.
//!
//! The two families have different words for it, and a variable the server does not know is an error (1193). The
//! probe is one `SELECT` for both all the same: MySQL from 5.7 on executes `/*!50700 … */`, MariaDB skips comments
//! with numbers from 50700 on, and executes `/*M! … */`, which MySQL takes for a comment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx_core::row::Row;
use sqlx_mysql::MySqlRow;

/// One row for every server of the family; [`Identity::read`] knows the order of the columns.
pub(crate) const PROBE: &str = "SELECT CONNECTION_ID(), @@version, @@server_id, @@port, @@hostname, \
     @@global.read_only, @@session.sql_mode\
     /*!50700 , @@server_uuid, @@global.super_read_only, (SELECT VARIABLE_VALUE FROM performance_schema.global_status \
     WHERE VARIABLE_NAME = 'Uptime'), UNIX_TIMESTAMP() */\
     /*M! , NULL, NULL, (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
     WHERE VARIABLE_NAME = 'UPTIME'), UNIX_TIMESTAMP() */";

/// What is left of it for servers and proxies that stumble over the rest.
pub(crate) const PROBE_PLAIN: &str =
    "SELECT CONNECTION_ID(), @@version, @@server_id, @@port, @@hostname, @@global.read_only, @@session.sql_mode";

/// The family a server belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flavour {
    MySql,
    MariaDb,
}

/// Names one server process' data, wherever it is reached: its UUID on MySQL, number, port and host on MariaDB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServerKey(Arc<str>);

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a server said about itself on one connection.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) flavour: Flavour,
    /// As the server spells it: `10.11.6-MariaDB-log`, `9.1.0`.
    pub(crate) version: Arc<str>,
    pub(crate) key: ServerKey,
    pub(crate) server_id: u32,
    pub(crate) connection_id: u64,
    /// `read_only`, or `super_read_only` where it exists: nobody may write here.
    pub(crate) read_only: bool,
    /// Of this session, after its set-up: what the scanner needs to read quotes and backslashes.
    pub(crate) sql_mode: Arc<str>,
    /// When the server process started; `None` where it would not say.
    pub(crate) started: Option<Started>,
}

/// A server's age, and what tells its runs apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) uptime: Duration,
    /// The second in which it started, by the server's own clock at that time.
    ///
    /// A server counts its uptime from the beginning of the statement that asks, in whole seconds since a number that it keeps
    /// (measured on both families). So the time at the beginning of the same statement less the uptime is that number: whatever
    /// becomes of its clock meanwhile, and whatever ours says.
    pub(crate) second: i64,
}

impl Started {
    /// From the uptime and the time, which has a fraction where the session's time was set to one.
    fn read(uptime: Option<String>, now: Option<String>) -> Option<Self> {
        let seconds: u32 = uptime?.parse().ok()?;
        let now: i64 = now?.split('.').next()?.parse().ok()?;
        Some(Self { uptime: Duration::from_secs(seconds.into()), second: now - i64::from(seconds) })
    }

    /// Whether both sightings are of the same run of the server.
    pub(crate) fn same_run(self, other: Started) -> bool {
        self.second == other.second
    }
}

impl Identity {
    /// Whether both are the same run of the same server. A restart may have lost what was not on disk, so what was seen
    /// before it proves nothing; a server that hides its age may have been restarted.
    pub(crate) fn is_same_run(&self, other: &Identity) -> bool {
        let same_run = self.started.zip(other.started).is_some_and(|(one, other)| one.same_run(other));
        self.key == other.key && same_run
    }

    /// Whether both are certainly not the same run of the same server. One that hides its age is taken for what it was.
    pub(crate) fn is_surely_another(&self, other: &Identity) -> bool {
        let same_run = self.started.zip(other.started).is_none_or(|(one, other)| one.same_run(other));
        self.key != other.key || !same_run
    }

    /// Takes the probe's row apart; `None` when it is not that row (a proxy that answers for the server).
    pub(crate) fn read(row: &MySqlRow) -> Option<Self> {
        Self::from_columns(|column| row.try_get_unchecked::<Option<String>, _>(column).ok().flatten())
    }

    /// Every column is read as text: families and versions disagree about the types.
    fn from_columns(mut column: impl FnMut(usize) -> Option<String>) -> Option<Self> {
        let connection_id = column(0)?.parse().ok()?;
        let version: Arc<str> = column(1)?.into();
        let server_id = column(2)?.parse().ok()?;
        let port = column(3)?;
        let host = column(4).unwrap_or_default();
        let key = match column(7) {
            Some(uuid) => uuid.into(),
            None => format!("{server_id}:{port}@{host}").into(),
        };
        Some(Self {
            flavour: if version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql },
            version,
            key: ServerKey(key),
            server_id,
            connection_id,
            read_only: is_on(column(5)) || is_on(column(8)),
            sql_mode: column(6).unwrap_or_default().into(),
            started: Started::read(column(9), column(10)),
        })
    }
}

/// MariaDB 11 has more than two values for `read_only` (`NO_LOCK` and the like); all but these let writes through.
fn is_on(value: Option<String>) -> bool {
    value.is_some_and(|it| !matches!(it.to_ascii_uppercase().as_str(), "0" | "OFF" | "FALSE" | ""))
}

#[cfg(test)]
impl Identity {
    /// A server of tests.
    pub(crate) fn example(uuid: &str, connection_id: u64, uptime: Option<Duration>) -> Self {
        Self::from_columns(|column| match column {
            0 => Some(connection_id.to_string()),
            7 => Some(uuid.to_owned()),
            9 => uptime.map(|it| it.as_secs().to_string()),
            10 => Some("1700000000".to_owned()),
            _ => Some("1".to_owned()),
        })
        .expect("a complete row")
    }
}

#[cfg(test)]
mod tests;
