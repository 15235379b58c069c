//! One configured server, and what the connect call adds to it.
//!
//! A server entry may leave out everything but its host. What it leaves out comes from the connect call, as in the
//! original: [`Server::resolve`] merges the two. The host decides the transport: `localhost` means the socket and
//! nothing else does.

use std::{fmt, net::Ipv6Addr};

use crate::{PoolSettings, Position, Secret, ServerName, Tls};

/// The host that means the socket, in any case.
pub(crate) const LOCALHOST: &str = "localhost";

/// The port of a server that nobody gave one.
pub(crate) const DEFAULT_PORT: u16 = 3306;

/// The socket of a `localhost` that nobody gave one; the original's default.
const DEFAULT_SOCKET: &str = "/tmp/mysql.sock";

/// One server of a section, as configured: what is `None` is inherited from the connect call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// What it is called.
    pub name: ServerName,
    /// Host name or address, never empty. `localhost`, in any case, means the socket.
    pub host: String,
    /// TCP port; 0 in the file has become 3306 here.
    pub port: Option<u16>,
    /// Path of the socket, used with host `localhost` only.
    pub socket: Option<String>,
    /// User to log in as.
    pub user: Option<String>,
    /// Password, or where to find it.
    pub password: Option<Secret>,
    /// Database to select.
    pub db: Option<String>,
    /// Capability flags of the login.
    pub connect_flags: Option<u32>,
    /// Limits and deadlines for this server: the section's, where the entry has none of its own.
    pub pool: PoolSettings,
    /// Encryption towards this server: the section's, where the entry has none of its own.
    pub tls: Tls,
    /// Where the entry stands in the file.
    pub position: Position,
}

impl Server {
    /// This server with everything that it leaves open taken from `args`.
    pub fn resolve(&self, args: &ConnectArgs) -> ResolvedServer {
        let socket = self.socket.as_deref().or(args.socket.as_deref());
        ResolvedServer {
            name: self.name.clone(),
            endpoint: Endpoint::new(&self.host, self.port.or(args.port), socket),
            user: self.user.clone().or_else(|| args.user.clone()),
            password: self.password.clone().or_else(|| args.password.clone()),
            db: self.db.clone().or_else(|| args.db.clone()),
            connect_flags: self.connect_flags.or(args.connect_flags).unwrap_or(0),
        }
    }
}

/// What the connect call was given: used for every server that does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectArgs {
    /// User to log in as.
    pub user: Option<String>,
    /// Password, or where to find it.
    pub password: Option<Secret>,
    /// Database to select.
    pub db: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Path of the socket.
    pub socket: Option<String>,
    /// Capability flags of the login.
    pub connect_flags: Option<u32>,
}

/// Where and as whom to connect; nothing is left open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedServer {
    /// What the server is called.
    pub name: ServerName,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// User to log in as; `None` where neither entry nor connect call named one.
    pub user: Option<String>,
    /// Password, or where to find it.
    pub password: Option<Secret>,
    /// Database to select.
    pub db: Option<String>,
    /// Capability flags of the login.
    pub connect_flags: u32,
}

/// Where a server listens. Displays as the URI that callbacks and reports see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Over the network.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port, never 0.
        port: u16,
    },
    /// A socket on this machine.
    Socket {
        /// Its path.
        path: String,
    },
}

impl Endpoint {
    /// Port 0 and the empty path are as if they were not given.
    pub(crate) fn new(host: &str, port: Option<u16>, socket: Option<&str>) -> Self {
        if host.eq_ignore_ascii_case(LOCALHOST) {
            let path = socket.filter(|path| !path.is_empty()).unwrap_or(DEFAULT_SOCKET);
            return Self::Socket { path: path.to_owned() };
        }
        Self::Tcp { host: host.to_owned(), port: port.filter(|&port| port != 0).unwrap_or(DEFAULT_PORT) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Without brackets the port could not be told from the address.
            Self::Tcp { host, port } if host.parse::<Ipv6Addr>().is_ok() => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Socket { path } => write!(f, "unix://{path}"),
        }
    }
}
