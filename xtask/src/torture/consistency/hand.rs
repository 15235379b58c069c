//! What statements go through: the library's ways to send them, under one face.

use ms_gtid::Position;
use ms_pool::{Cluster as Db, Consistency, Error, Scope, Session, TxOptions};
use sqlx::Row;

use super::history::{Deed, Key, Version};

// A write whose answer never came may still run when the next one is done; it must not win then.
const WRITE: &str = "UPDATE torture SET version = ? WHERE id = ? AND version < ?";
const READ: &str = "SELECT version, @@port FROM torture WHERE id = ?";

/// How a write is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By itself.
    Alone,
    /// In a transaction.
    InTransaction,
}

/// One of the library's ways to send statements.
pub(crate) enum Hand {
    Scope(Scope),
    Session(Box<Session>),
    /// The cluster's own handle, which all that use it share.
    Process(Db),
}

/// A position on its way.
#[derive(Debug, Clone)]
pub(crate) enum Handed {
    Position(Position),
    Token(String),
}

impl Hand {
    /// A scope of that level.
    pub(crate) fn scope(db: &Db, consistency: Consistency) -> Self {
        let scope = db.scope();
        scope.set_consistency(consistency);
        Self::Scope(scope)
    }

    /// A scope that has to see what another one had to.
    pub(crate) fn scope_with(db: &Db, handed: &Handed) -> Result<Self, Error> {
        Ok(Self::Scope(match handed {
            Handed::Position(it) => db.scope_at(it),
            Handed::Token(it) => db.at(it)?,
        }))
    }

    /// A session of that level.
    pub(crate) fn session(db: &Db, consistency: Consistency) -> Self {
        let mut session = db.session();
        session.set_consistency(consistency).expect("no transaction has begun");
        Self::Session(Box::new(session))
    }

    /// A session of a scope of that level.
    pub(crate) fn session_of_scope(db: &Db, consistency: Consistency) -> Self {
        let scope = db.scope();
        scope.set_consistency(consistency);
        Self::Session(Box::new(scope.session()))
    }

    /// Another hand of the same scope; `None` where there can be only one.
    pub(crate) fn another(&self) -> Option<Self> {
        match self {
            Self::Scope(it) => Some(Self::Scope(it.clone())),
            Self::Process(it) => Some(Self::Process(it.clone())),
            Self::Session(_) => None,
        }
    }

    /// What somebody else has to see to see all of it; `None` where there is nothing, or nobody can ask.
    pub(crate) async fn hand_over(&self, as_token: bool) -> Result<Option<Handed>, Error> {
        Ok(match self {
            Self::Scope(it) if as_token => it.token().await?.map(Handed::Token),
            Self::Scope(it) => Some(Handed::Position(it.position().await?)),
            _ => None,
        })
    }

    pub(crate) async fn write(&mut self, key: Key, version: Version, manner: Manner) -> Result<(), sqlx::Error> {
        let query = || sqlx::query(WRITE).bind(version).bind(key).bind(version);
        match (self, manner) {
            (Self::Scope(it), Manner::Alone) => query().execute(&*it).await.map(drop),
            (Self::Session(it), Manner::Alone) => query().execute(&mut **it).await.map(drop),
            (Self::Process(it), Manner::Alone) => query().execute(&*it).await.map(drop),
            (Self::Scope(it), Manner::InTransaction) => {
                let mut tx = it.begin().await?;
                query().execute(&mut tx).await?;
                tx.commit().await
            }
            (Self::Process(it), Manner::InTransaction) => {
                let mut tx = it.begin().await?;
                query().execute(&mut tx).await?;
                tx.commit().await
            }
            (Self::Session(it), Manner::InTransaction) => {
                let mut tx = it.begin(TxOptions::default()).await?;
                query().execute(&mut tx).await?;
                tx.commit().await
            }
        }
    }

    /// The version, and the port of the server that answered.
    pub(crate) async fn read(&mut self, key: Key) -> Result<(Version, u16), sqlx::Error> {
        let query = sqlx::query(READ).bind(key);
        let row = match self {
            Self::Scope(it) => query.fetch_one(&*it).await?,
            Self::Session(it) => query.fetch_one(&mut **it).await?,
            Self::Process(it) => query.fetch_one(&*it).await?,
        };
        let port: u64 = row.try_get_unchecked(1)?;
        Ok((row.try_get_unchecked::<i64, _>(0)?.unsigned_abs(), u16::try_from(port).unwrap_or_default()))
    }
}

/// What an error says of what had to be seen, if it does.
pub(crate) fn told_by(error: &Error) -> Option<Deed> {
    match error {
        Error::PositionLost { .. } => Some(Deed::ToldOfLoss),
        Error::NoPosition { .. } => Some(Deed::ToldOfDoubt),
        _ => None,
    }
}

/// The same for a warning, which is how those are told who share the cluster's own handle. It has the text of the error.
pub(crate) fn told_by_warning(text: &str) -> Option<Deed> {
    let lost = text.starts_with("what was written is lost: ");
    let doubt = text.starts_with("what was written last on server ");
    if lost { Some(Deed::ToldOfLoss) } else { doubt.then_some(Deed::ToldOfDoubt) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_told_by_the_text_of_their_errors() {
        check(&Error::PositionLost { server: "s".into(), lost: "0-1-2".into() }, Some(Deed::ToldOfLoss));
        check(&Error::NoPosition { server: "s".into() }, Some(Deed::ToldOfDoubt));
        check(&Error::Closed, None);
    }

    #[track_caller]
    fn check(error: &Error, expected: Option<Deed>) {
        assert_eq!(told_by(error), expected);
        assert_eq!(told_by_warning(&error.to_string()), expected);
    }
}
