//! What somebody answered instead of doing it.

use std::{error, fmt};

use crate::BranchState;

/// A state was not reached, and why.
///
/// Servers and stores speak in numbers and texts; both are kept, because the caller is told the first of them and the record all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The state that could not be reached. An `XA END` and an `XA PREPARE` that are sent together fail towards
    /// [`BranchState::Idle`] or [`BranchState::Prepared`], whichever of them was refused.
    pub towards: BranchState,
    /// The number of the error: the server's, or the client's for a connection that broke (2013) or could not be made.
    pub code: u16,
    /// Its SQLSTATE.
    pub sqlstate: String,
    /// Its text.
    pub text: String,
}

impl Failure {
    /// A failure with all its parts.
    #[must_use]
    pub fn new(towards: BranchState, code: u16, sqlstate: impl Into<String>, text: impl Into<String>) -> Self {
        Self { towards, code, sqlstate: sqlstate.into(), text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was not reached: error {} ({}): {}", self.towards, self.code, self.sqlstate, self.text)
    }
}

impl error::Error for Failure {}
