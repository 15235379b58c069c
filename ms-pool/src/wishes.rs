//! What a session wants of its connections, those it has and those to come.
//!
//! The original's calls for a default database, a character set or the autocommit mode speak to all servers at once: open
//! connections are changed in place, and later ones begin with the latest value of each kind. A wish that is what the pool's
//! connections have anyway costs nothing on a new connection.

use std::{sync::Arc, time::Duration};

use crate::{
    Error,
    account::Account,
    error::server_error,
    pool::{Apart, Charset, Lease, Target},
    transaction::{END_LIMIT, End},
    transient::Tried,
};

/// How long a server may take to change one setting of its connection.
pub(crate) const SETTING_LIMIT: Duration = Duration::from_secs(5);

/// The latest wish of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) account: Option<Account>,
    pub(crate) database: Option<Wish>,
    pub(crate) charset: Option<Wish>,
    pub(crate) autocommit: Option<Wish>,
}

/// One setting of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Database(Arc<str>),
    Charset(Charset),
    Autocommit(bool),
}

impl Wishes {
    pub(crate) fn record(&mut self, wish: Wish) {
        match wish {
            Wish::Database(_) => self.database = Some(wish),
            Wish::Charset(_) => self.charset = Some(wish),
            Wish::Autocommit(_) => self.autocommit = Some(wish),
        }
    }

    /// The name of the wanted character set.
    pub(crate) fn charset(&self) -> Option<&Charset> {
        match &self.charset {
            Some(Wish::Charset(charset)) => Some(charset),
            _ => None,
        }
    }

    /// The default database, where a call of the session has set it: an account may have none.
    pub(crate) fn database_of_session(&self) -> Option<Option<&str>> {
        match (&self.database, &self.account) {
            (Some(Wish::Database(name)), _) => Some(Some(name)),
            (_, Some(account)) => Some(account.database()),
            _ => None,
        }
    }

    pub(crate) fn is_autocommit_off(&self) -> bool {
        self.autocommit == Some(Wish::Autocommit(false))
    }

    /// Makes a connection fresh from its pool what the session wants.
    ///
    /// # Errors
    ///
    /// A server's refusal is an [`Error::Setup`], as if it had been told so at its first words.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    pub(crate) async fn fulfil_on(&self, lease: &mut Lease) -> Result<(), Error> {
        if self.account.is_some() {
            lease.set_apart(Apart::ACCOUNT);
        }
        for wish in [&self.charset, &self.database, &self.autocommit].into_iter().flatten() {
            if wish.is_the_pools(lease.pool().target()) {
                continue;
            }
            wish.fulfil_on(lease).await.map_err(|source| Error::Setup {
                server: Arc::clone(lease.server()),
                statement: wish.described().into(),
                source,
            })?;
        }
        Ok(())
    }
}

impl Wish {
    /// The function that asked for it.
    pub(crate) fn call(&self) -> &'static str {
        match self {
            Wish::Database(_) => "select_db",
            Wish::Charset(_) => "set_charset",
            Wish::Autocommit(_) => "set_autocommit",
        }
    }

    /// What it is, should it fail.
    pub(crate) fn tried(&self) -> Tried<'static> {
        match self {
            Wish::Autocommit(true) => Tried::Commit,
            Wish::Autocommit(false) | Wish::Database(_) | Wish::Charset(_) => Tried::Call,
        }
    }

    fn described(&self) -> &'static str {
        match self {
            Wish::Database(_) => "the session's default database",
            Wish::Charset(_) => "the session's character set",
            Wish::Autocommit(_) => "the session's autocommit mode",
        }
    }

    pub(crate) fn sql(&self) -> String {
        match self {
            Wish::Database(name) => format!("USE `{}`", name.replace('`', "``")),
            Wish::Charset(charset) => format!("SET NAMES {charset}"),
            Wish::Autocommit(on) => format!("SET autocommit = {}", u8::from(*on)),
        }
    }

    fn apart(&self) -> Apart {
        match self {
            Wish::Database(_) => Apart::DATABASE,
            Wish::Charset(_) => Apart::CHARSET,
            Wish::Autocommit(_) => Apart::AUTOCOMMIT,
        }
    }

    /// Whether new connections of the pool have it that way.
    fn is_the_pools(&self, target: &Target) -> bool {
        match self {
            Wish::Database(name) => target.database() == Some(name),
            Wish::Charset(charset) => target.charset() == Some(charset),
            // The section's own statements may have switched it off.
            Wish::Autocommit(on) => *on && target.init.is_empty(),
        }
    }

    /// Changes the setting of one connection.
    ///
    /// # Errors
    ///
    /// After the server's own error the connection is as it was; any other leaves it unusable.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    pub(crate) async fn fulfil_on(&self, lease: &mut Lease) -> Result<(), sqlx::Error> {
        if *self == Wish::Autocommit(true) && lease.transaction_depth() > 0 {
            // The setting would commit it as well, and sqlx would go on counting it.
            lease.end_transaction(End::Commit, END_LIMIT).await?;
        }
        let before = lease.apart();
        // Before it is sent: a future that is dropped must not leave a changed connection that nobody knows of.
        lease.set_apart(before.with(self.apart()));
        if let Err(error) = lease.run_text(&self.sql(), SETTING_LIMIT).await {
            if server_error(&error).is_some() {
                lease.set_apart(before);
            }
            return Err(error);
        }
        if self.is_the_pools(lease.pool().target()) {
            lease.set_apart(before.without(self.apart()));
        }
        if let Wish::Autocommit(on) = self {
            lease.set_transaction(lease.has_transaction() && !on);
        }
        if let Wish::Database(_) | Wish::Charset(_) = self {
            // A prepared statement means the tables of the database it was prepared in, for ever.
            lease.forget_statements(SETTING_LIMIT).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_smuggle_sql() {
        check(Wish::Database("shop".into()), "USE `shop`");
        check(Wish::Database("a`; DROP DATABASE `b".into()), "USE `a``; DROP DATABASE ``b`");
        check(Wish::Database("back\\".into()), "USE `back\\`");
        check(Wish::Charset(Charset::new("latin1", None).unwrap()), "SET NAMES latin1");
        check(Wish::Autocommit(false), "SET autocommit = 0");
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "wishes are made for the row")]
    fn check(wish: Wish, sql: &str) {
        assert_eq!(wish.sql(), sql);
    }

    #[test]
    fn only_the_latest_of_a_kind_is_kept() {
        let mut wishes = Wishes::default();
        wishes.record(Wish::Autocommit(false));
        wishes.record(Wish::Database("a".into()));
        assert!(wishes.is_autocommit_off());
        wishes.record(Wish::Autocommit(true));
        wishes.record(Wish::Database("b".into()));
        assert!(!wishes.is_autocommit_off());
        assert_eq!(wishes.database, Some(Wish::Database("b".into())));
    }
}
