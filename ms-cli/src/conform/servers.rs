//! The addresses behind the placeholders.
//!
//! Scenarios speak of `@primary` or `@dead`; which servers that is, the runner's user says in a file. Scenarios that
//! need replication get other servers under the same names.

use std::{fmt, fs, io, path::Path, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

/// The file, and what it says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Servers {
    /// The account that pools and the runner itself log in with.
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    /// What the names of the first database begin with: `@db`.
    pub(crate) database: String,
    /// The same for `@db2`.
    pub(crate) database2: String,
    primary: Address,
    primary2: Address,
    replica1: Address,
    replica2: Address,
    replicating: Option<Replicating>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replicating {
    primary: Address,
    replica1: Address,
    replica2: Address,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The servers file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServersError {
    #[error("cannot read the servers file `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the servers file `{}` cannot be used", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("the servers file `{}` gives `@db` and `@db2` the same name `{name}`", path.display())]
    SameDatabase { path: PathBuf, name: String },
}

/// A server as scenarios name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Primary,
    Primary2,
    Replica1,
    Replica2,
    /// An address where nobody listens.
    Dead,
    /// Another one.
    Dead2,
}

impl Place {
    pub(crate) const ALL: [Self; 6] =
        [Self::Primary, Self::Primary2, Self::Replica1, Self::Replica2, Self::Dead, Self::Dead2];

    /// The server called `@primary`, `@dead` …
    pub(crate) fn named(placeholder: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.placeholder() == placeholder)
    }

    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Self::Primary => "@primary",
            Self::Primary2 => "@primary2",
            Self::Replica1 => "@replica1",
            Self::Replica2 => "@replica2",
            Self::Dead => "@dead",
            Self::Dead2 => "@dead2",
        }
    }

    pub(crate) fn is_dead(self) -> bool {
        matches!(self, Self::Dead | Self::Dead2)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.placeholder())
    }
}

impl Servers {
    pub(crate) fn read(path: &Path) -> Result<Self, ServersError> {
        let text = fs::read_to_string(path).map_err(|source| ServersError::Read { path: path.to_owned(), source })?;
        let servers: Self =
            serde_json::from_str(&text).map_err(|source| ServersError::Parse { path: path.to_owned(), source })?;
        if servers.database == servers.database2 {
            return Err(ServersError::SameDatabase { path: path.to_owned(), name: servers.database });
        }
        Ok(servers)
    }

    /// Whether there are servers for scenarios that need replication.
    pub(crate) fn replicate(&self) -> bool {
        self.replicating.is_some()
    }

    /// The address of `place`, for a scenario that needs replication or for one that must not have it.
    pub(crate) fn address(&self, place: Place, replicating: bool) -> Address {
        let replicating = self.replicating.as_ref().filter(|_| replicating);
        match (place, replicating) {
            (Place::Primary, Some(it)) => it.primary.clone(),
            (Place::Replica1, Some(it)) => it.replica1.clone(),
            (Place::Replica2, Some(it)) => it.replica2.clone(),
            (Place::Primary, None) => self.primary.clone(),
            (Place::Replica1, None) => self.replica1.clone(),
            (Place::Replica2, None) => self.replica2.clone(),
            (Place::Primary2, _) => self.primary2.clone(),
            // Below the ephemeral ports: a connect to a closed port among those can meet itself.
            (Place::Dead, _) => Address { host: "127.0.0.1".to_owned(), port: 4 },
            (Place::Dead2, _) => Address { host: "127.0.0.1".to_owned(), port: 6 },
        }
    }

    /// The addresses a placeholder is replaced by.
    pub(crate) fn entry(&self, place: Place, replicating: bool) -> Value {
        let Address { host, port } = self.address(place, replicating);
        json!({ "host": host, "port": port })
    }
}
