//! What statements go through.

use ms_pool::{Cluster as Db, Consistency, Session};
use sqlx::{Row, mysql::MySqlRow};

use super::history::{Key, Version};

// A write whose answer never came may still run when the next one is done; it must not win then.
const WRITE: &str = "UPDATE torture SET version = ? WHERE id = ? AND version < ?";
const READ: &str = "SELECT version, @@port FROM torture WHERE id = ?";

/// One of the library's ways to send statements.
pub(crate) enum Hand {
    Session(Box<Session>),
}

impl Hand {
    /// A session of that level.
    pub(crate) fn session(db: &Db, consistency: &Consistency) -> Self {
        let mut session = db.session();
        session.set_consistency(consistency.clone()).expect("no transaction has begun");
        Self::Session(Box::new(session))
    }

    pub(crate) async fn write(&mut self, key: Key, version: Version) -> Result<(), sqlx::Error> {
        let query = sqlx::query(WRITE).bind(version).bind(key).bind(version);
        match self {
            Self::Session(it) => query.execute(&mut **it).await.map(drop),
        }
    }

    /// The version, and the port of the server that answered.
    pub(crate) async fn read(&mut self, key: Key) -> Result<(Version, u16), sqlx::Error> {
        let query = sqlx::query(READ).bind(key);
        let row: MySqlRow = match self {
            Self::Session(it) => query.fetch_one(&mut **it).await?,
        };
        let port: u64 = row.try_get_unchecked(1)?;
        Ok((row.try_get_unchecked::<i64, _>(0)?.unsigned_abs(), u16::try_from(port).unwrap_or_default()))
    }
}
