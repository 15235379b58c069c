//! What an action did.

use ms_filters::Role;
use serde_json::{Value, json};

use crate::failure::chain;

/// Rows as the servers print them.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// What came of one action; what it has no answer to is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) error: Option<Failed>,
    pub(crate) used: Option<Used>,
    pub(crate) rows: Option<Rows>,
    pub(crate) affected: Option<u64>,
    pub(crate) value: Option<Value>,
    /// What was emitted meanwhile.
    pub(crate) warnings: Vec<String>,
    /// Whether a server saw the statement; `None` where nobody can tell.
    pub(crate) sent: Option<bool>,
}

/// A connection that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) alias: String,
    pub(crate) role: Role,
    pub(crate) connection: Option<u64>,
    /// How often the user was changed before: that may replace connections.
    pub(crate) generation: u32,
}

/// An error of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) code: u16,
    pub(crate) sqlstate: String,
    pub(crate) message: String,
}

impl Outcome {
    pub(crate) fn value(value: impl Into<Value>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    pub(crate) fn failed(error: Failed) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

impl Used {
    pub(crate) fn is_master(&self) -> bool {
        self.role == Role::Primary
    }
}

impl From<&sqlx::Error> for Failed {
    fn from(error: &sqlx::Error) -> Self {
        let code = ms_pool::code(error);
        match error.as_database_error() {
            Some(theirs) => {
                let sqlstate = theirs.code().map_or_else(|| "HY000".to_owned(), |it| it.into_owned());
                Self { code, sqlstate, message: theirs.message().to_owned() }
            }
            None => {
                let sqlstate = ms_pool::Error::of(error).map_or("HY000", ms_pool::Error::sqlstate);
                Self { code, sqlstate: sqlstate.to_owned(), message: chain(error) }
            }
        }
    }
}

impl From<&ms_pool::Error> for Failed {
    fn from(error: &ms_pool::Error) -> Self {
        Self { code: error.code(), sqlstate: error.sqlstate().to_owned(), message: chain(error) }
    }
}

impl From<&ms_pool::ConsistencyError> for Failed {
    fn from(error: &ms_pool::ConsistencyError) -> Self {
        Self { code: 2000, sqlstate: "HY000".to_owned(), message: error.to_string() }
    }
}

impl Failed {
    pub(crate) fn json(&self) -> Value {
        json!({ "code": self.code, "sqlstate": self.sqlstate, "message": self.message })
    }
}
