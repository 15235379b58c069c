//! Why a statement gets no server.
//!
//! The original says such things twice: as a warning that names the cause, and as the error of the statement, which is
//! mostly `No connection selected by the last filter`. Applications and tests look for these texts, so they are kept
//! word for word beside a sentence of our own.

use std::fmt;

use crate::reason::Reason;

/// Why a statement gets no server; the error of that statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    reason: Reason,
    /// Before any server was to be picked.
    narrowing: bool,
}

impl Why {
    pub(crate) fn new(reason: Reason) -> Self {
        Why { reason, narrowing: false }
    }

    pub(crate) fn while_narrowing(reason: Reason) -> Self {
        Why { reason, narrowing: true }
    }

    /// The cause, for code that decides by it.
    #[must_use]
    pub fn reason(self) -> Reason {
        self.reason
    }

    /// The original's warning, where it had one.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        Some(match self.reason {
            Reason::NoReplica | Reason::TableWithoutReplica => {
                "Couldn't find the appropriate slave connection. 0 slaves to choose from. Something is wrong"
            }
            Reason::NoPrimary => {
                "Couldn't find the appropriate master connection. 0 masters to choose from. Something is wrong"
            }
            Reason::NoLastUsed => {
                "Last used SQL hint cannot be used because last used connection has not been set yet. \
                 Statement will fail"
            }
            Reason::PinnedLost => "Automatic failover is not permitted in the middle of a transaction",
            Reason::TableWithoutDatabase => "Failed to parse table name",
            _ => return None,
        })
    }

    /// The original's error text for the statement.
    #[must_use]
    pub fn original(self) -> &'static str {
        match self.reason {
            _ if self.narrowing => "Couldn't find the appropriate master connection. Something is wrong",
            Reason::NoCandidate | Reason::TableWithoutPrimary => {
                "Couldn't find the appropriate master connection. Something is wrong"
            }
            Reason::PinnedLost => "Automatic failover is not permitted in the middle of a transaction",
            _ => "No connection selected by the last filter",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason.sentence(), self.original())
    }
}

impl std::error::Error for Why {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_says_it_in_our_words_and_in_the_originals() {
        assert_eq!(
            Why::new(Reason::NoReplica).to_string(),
            "no replica is left to choose from (No connection selected by the last filter)"
        );
        assert_eq!(
            Why::new(Reason::NoCandidate).to_string(),
            "the filters left no server (Couldn't find the appropriate master connection. Something is wrong)"
        );
    }
}
