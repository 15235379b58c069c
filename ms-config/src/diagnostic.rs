//! A problem, and where it is.
//!
//! Where the original had a text for a problem, the message contains it word for word: people search for it.
//! A message never contains a value that may be a password.

use std::{fmt, sync::Arc};

use crate::Position;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The section, or the file, cannot be used.
    Error,
    /// It can, but probably does not do what its author thinks.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem of a configuration.
///
/// Displays as `FILE:LINE:COLUMN: error: PATH: MESSAGE; accepted: …; did you mean …?`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, or `environment`.
    pub file: Arc<str>,
    /// Where in the file; `None` for the environment.
    pub position: Option<Position>,
    /// Where in the tree, such as `shop.slave.replica1.port`; the variable for the environment; empty for the file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub accepted: Option<String>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// Whether it makes its section or file unusable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(position) = self.position {
            write!(f, "{position}:")?;
        }
        write!(f, " {}: ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(accepted) = &self.accepted {
            write!(f, "; accepted: {accepted}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}
