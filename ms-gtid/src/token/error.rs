//! Why a token is refused.

use std::{error, fmt, time::Duration};

use super::{KeyId, Tokens};

/// Why a token is refused. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is longer than [`Tokens::MAX_TEXT`].
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is no token: cut off, changed by a proxy, or something else altogether.
    Malformed {
        /// The part of it that is not what it has to be.
        part: &'static str,
    },
    /// A later version of this library has made it.
    UnknownVersion {
        /// Its version.
        found: u8,
    },
    /// It is of another cluster, or this one is called something else where it was made.
    Foreign {
        /// The name of the cluster here.
        expected: Box<str>,
    },
    /// It has no signature, and has to have one.
    Unsigned,
    /// It was signed with a key that is not, or not any more, accepted.
    UnknownKey {
        /// What it calls the key; see [`Key::id`](super::Key::id).
        id: KeyId,
    },
    /// Its signature is not right: it was changed, or somebody has made it up.
    Tampered,
    /// It was good once.
    Expired {
        /// For so long it has not been.
        ago: Duration,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(f, "the token has {length} bytes, more than {}", Tokens::MAX_TEXT)
            }
            Self::Malformed { part } => write!(f, "the token is malformed, its `{part}` is none"),
            Self::UnknownVersion { found } => write!(f, "the token has version `{found}`, which is not known"),
            Self::Foreign { expected } => write!(f, "the token is of another cluster than `{expected}`"),
            Self::Unsigned => f.write_str("the token has no signature"),
            Self::UnknownKey { id } => write!(f, "the token was signed with the key `{id}`, which is not accepted"),
            Self::Tampered => f.write_str("the token's signature is not right"),
            Self::Expired { ago } => write!(f, "the token has expired, {} s ago", ago.as_secs()),
        }
    }
}

impl error::Error for TokenError {}
