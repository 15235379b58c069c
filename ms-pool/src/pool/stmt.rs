//! A statement, taken apart.
//!
//! What applications hand over (`query`, `query_as`, a string, …) can be asked only once and only by value. The
//! router wants to look at the text, perhaps change it, and send it again elsewhere; so it is taken apart at the door.

use sqlx_core::arguments::Arguments;
use sqlx_core::error::{BoxDynError, Error};
use sqlx_core::executor::Execute;
use sqlx_core::sql_str::{SqlSafeStr, SqlStr};
use sqlx_mysql::{MySql, MySqlArguments, MySqlStatement};

/// Text, arguments and whether the prepared form is worth keeping.
pub(crate) struct Stmt {
    pub(crate) sql: SqlStr,
    /// `None` is the text protocol; `Some` is the prepared one, even without a single argument.
    pub(crate) args: Option<MySqlArguments>,
    pub(crate) persistent: bool,
}

impl Stmt {
    /// Takes a statement apart.
    ///
    /// # Errors
    ///
    /// An argument could not be encoded; nothing was sent.
    #[inline]
    pub(crate) fn take<'q, E: Execute<'q, MySql>>(mut statement: E) -> Result<Self, Error> {
        // Before `sql`, which consumes the statement.
        let args = statement.take_arguments().map_err(Error::Encode)?;
        let persistent = statement.persistent();
        Ok(Self { sql: statement.sql(), args, persistent })
    }

    /// The same once more, for a second try. Arguments can be had twice only by copying them, which is three allocations; to copy
    /// none at all takes a third of that as well.
    #[inline]
    pub(crate) fn again(&self) -> Self {
        let args = self.args.as_ref().map(|it| if it.len() == 0 { MySqlArguments::default() } else { it.clone() });
        Self { sql: self.sql.clone(), args, persistent: self.persistent }
    }

    /// SQL of our own or text the caller vouches for, by the text protocol: `BEGIN` and `XA` know no other.
    pub(crate) fn text(sql: impl SqlSafeStr) -> Self {
        Self { sql: sql.into_sql_str(), args: None, persistent: false }
    }

    /// A statement that will be prepared, for routing it as such.
    pub(crate) fn prepared(sql: SqlStr) -> Self {
        Self { sql, args: Some(MySqlArguments::default()), persistent: true }
    }
}

/// A statement by the prepared protocol, as small as can be: the driver keeps all of it in the future it makes, after it has
/// taken the arguments from where they lie.
pub(super) struct WithArguments<'a, const PERSISTENT: bool> {
    pub(super) sql: SqlStr,
    pub(super) args: &'a mut Option<MySqlArguments>,
}

impl<'a, const PERSISTENT: bool> Execute<'a, MySql> for WithArguments<'a, PERSISTENT> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&MySqlStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<MySqlArguments>, BoxDynError> {
        Ok(self.args.take())
    }

    fn persistent(&self) -> bool {
        PERSISTENT
    }
}
