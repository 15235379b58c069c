//! What a server is called.
//!
//! In the file a server is a key of an object, its *alias*, or an element of an array, which has none. Weights and
//! node groups speak of aliases; reports must be able to speak of every server. A [`ServerName`] always has a text:
//! the alias, or the list and the place in it.

use std::fmt;

/// Which list a server is configured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It takes writes: `master`, `primary`.
    Primary,
    /// It copies a primary: `slave`, `replica`.
    Replica,
}

impl Role {
    /// The key of the list in the original's files, which is also how anonymous servers are named.
    pub fn key(self) -> &'static str {
        match self {
            Self::Primary => "master",
            Self::Replica => "slave",
        }
    }
}

/// The name of one configured server.
///
/// ```
/// use ms_config::{Role, ServerName};
///
/// assert_eq!(ServerName::new(Role::Replica, 2, Some("copy".to_owned())).to_string(), "copy");
/// assert_eq!(ServerName::new(Role::Replica, 2, None).to_string(), "slave[2]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerName {
    role: Role,
    index: usize,
    alias: Option<String>,
}

impl ServerName {
    /// The name of the `index`-th server of the list of `role`. An empty alias is no alias.
    pub fn new(role: Role, index: usize, alias: Option<String>) -> Self {
        Self { role, index, alias: alias.filter(|alias| !alias.is_empty()) }
    }

    /// The list it is configured in.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its place in that list, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its key in the file; `None` for an element of an array and for the flat single-server form.
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(alias) => f.write_str(alias),
            None => write!(f, "{}[{}]", self.role.key(), self.index),
        }
    }
}
