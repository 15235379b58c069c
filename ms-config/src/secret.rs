//! A password, or where to find it.
//!
//! A literal in the file is the original's way. `{"env": "NAME"}` and `{"file": "/path"}` keep it out of the file;
//! they are resolved by whoever connects, at every connect, so that a rotated password is picked up. No form ever
//! shows a literal: not in `Debug`, not in `Display`, not in a diagnostic.

use std::{fmt, path::PathBuf};

/// A password, or where to find it.
///
/// ```
/// use ms_config::Secret;
///
/// assert_eq!(format!("{:?}", Secret::Literal("hunter2".to_owned())), "Secret(literal)");
/// assert_eq!(Secret::Env("DB_PASSWORD".to_owned()).to_string(), "environment variable `DB_PASSWORD`");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Secret {
    /// The password itself.
    Literal(String),
    /// The environment variable that holds it.
    Env(String),
    /// The file that holds it; one trailing line break does not belong to it.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Secret(literal)"),
            Self::Env(name) => write!(f, "Secret(env {name:?})"),
            Self::File(path) => write!(f, "Secret(file {path:?})"),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("literal password"),
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}
