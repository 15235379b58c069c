//! What to dial and what to say first.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx_mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::credentials::Credentials;
use crate::error::Reach;

/// One configured server as one account sees it: everything that makes two connections interchangeable.
#[derive(Debug)]
pub(crate) struct Target {
    /// The name used in messages.
    pub(crate) server: Arc<str>,
    pub(crate) dial: Dial,
    pub(crate) belt: Belt,
    /// The section's own statements for a new connection.
    pub(crate) init: Vec<Arc<str>>,
}

impl Target {
    /// The same server, dialled otherwise.
    pub(crate) fn dialled(&self, dial: Dial) -> Self {
        Self { server: Arc::clone(&self.server), dial, belt: self.belt, init: self.init.clone() }
    }

    /// The default database of new connections.
    pub(crate) fn database(&self) -> Option<&str> {
        match &self.dial {
            Dial::Configured(it) => it.database.as_deref(),
            Dial::Ready(it) => it.0.get_database(),
        }
    }

    /// The name of the character set of new connections.
    pub(crate) fn charset_name(&self) -> &str {
        match &self.dial {
            Dial::Configured(it) => it.charset.name(),
            Dial::Ready(it) => it.0.get_charset(),
        }
    }

    /// The character set of new connections; `None` when only the application knows it.
    pub(crate) fn charset(&self) -> Option<&Charset> {
        match &self.dial {
            Dial::Configured(it) => Some(&it.charset),
            Dial::Ready(_) => None,
        }
    }
}

/// Where the connection options come from.
#[derive(Debug)]
pub(crate) enum Dial {
    /// From a configuration: put together at every connect, with the password of the day.
    Configured(Box<Configured>),
    /// From the application, as it made them: sqlx's own first `SET` stays as they say.
    Ready(Ready),
}

impl Dial {
    pub(crate) fn ready(options: MySqlConnectOptions) -> Self {
        Self::Ready(Ready(Box::new(options)))
    }

    /// The same address for another account. Ready-made options hold a password, not a provider, and stay as they are.
    pub(crate) fn for_account(
        &self,
        user: &Arc<str>,
        credentials: &Arc<dyn Credentials>,
        database: Option<&str>,
    ) -> Self {
        match self {
            Dial::Configured(it) => Self::Configured(Box::new(Configured {
                address: it.address.clone(),
                user: Arc::clone(user),
                credentials: Arc::clone(credentials),
                database: database.map(str::to_owned),
                charset: it.charset.clone(),
                tls: it.tls.clone(),
            })),
            Dial::Ready(it) => Self::Ready(Ready(it.0.clone())),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        let socket = match self {
            Dial::Configured(it) => matches!(it.address, Address::Socket(_)),
            Dial::Ready(it) => it.0.get_socket().is_some(),
        };
        if socket { Reach::Socket } else { Reach::Tcp }
    }
}

/// As a URI: `tcp://host:port` or `unix://path`.
impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dial::Configured(it) => match &it.address {
                Address::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
                Address::Socket(path) => write!(f, "unix://{}", path.display()),
            },
            Dial::Ready(it) => match it.0.get_socket() {
                Some(path) => write!(f, "unix://{}", path.display()),
                None => write!(f, "tcp://{}:{}", it.0.get_host(), it.0.get_port()),
            },
        }
    }
}

/// Options handed in ready-made. sqlx's `Debug` for them prints the password and the key; this one does not.
pub(crate) struct Ready(pub(crate) Box<MySqlConnectOptions>);

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlConnectOptions")
            .field("host", &self.0.get_host())
            .field("port", &self.0.get_port())
            .field("socket", &self.0.get_socket())
            .field("username", &self.0.get_username())
            .field("database", &self.0.get_database())
            .finish_non_exhaustive()
    }
}

/// A server of a configuration file.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) address: Address,
    pub(crate) user: Arc<str>,
    pub(crate) credentials: Arc<dyn Credentials>,
    pub(crate) database: Option<String>,
    pub(crate) charset: Charset,
    pub(crate) tls: Tls,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Socket(PathBuf),
}

/// Whether a new connection promises not to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Belt {
    /// `SET SESSION TRANSACTION READ ONLY`: a write that strays here is refused by the server itself (1792).
    ReadOnly,
    Off,
}

/// The character set of statements and results, fit to be put into SQL text.
///
/// sqlx speaks UTF-8; a set that is not binary compatible with it will garble what is not ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Charset {
    name: String,
    collation: Option<String>,
}

/// A name that cannot be a character set or collation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a character set or collation")]
pub(crate) struct InvalidCharset(String);

impl Charset {
    /// # Errors
    ///
    /// A name with anything but letters, digits and underscores in it: names are pasted into `SET NAMES`.
    pub(crate) fn new(name: &str, collation: Option<&str>) -> Result<Self, InvalidCharset> {
        let fine = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if let Some(wrong) = [Some(name), collation].into_iter().flatten().find(|it| !fine(it)) {
            return Err(InvalidCharset(wrong.to_owned()));
        }
        Ok(Self { name: name.to_owned(), collation: collation.map(str::to_owned) })
    }
}

impl Charset {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the second byte of a character can be that of a quote or backslash: such a set turns what protects SQL text
    /// into half of something else.
    pub(crate) fn hides_ascii(name: &str) -> bool {
        ["big5", "cp932", "gb18030", "gbk", "sjis"].iter().any(|it| it.eq_ignore_ascii_case(name))
    }
}

impl Default for Charset {
    fn default() -> Self {
        Self { name: "utf8mb4".to_owned(), collation: None }
    }
}

/// As `SET` takes it: `utf8mb4`, `utf8mb4 COLLATE utf8mb4_bin`.
impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.collation.as_ref().map_or(Ok(()), |it| write!(f, " COLLATE {it}"))
    }
}

/// How the channel is protected. The files are read anew at every connect: certificates rotate, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tls {
    pub(crate) mode: TlsMode,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// The five modes every client of these servers knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum TlsMode {
    Disabled,
    #[default]
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

impl From<TlsMode> for MySqlSslMode {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::Disabled => MySqlSslMode::Disabled,
            TlsMode::Preferred => MySqlSslMode::Preferred,
            TlsMode::Required => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_cannot_smuggle_sql() {
        check("utf8mb4", None, Some("utf8mb4"));
        check("utf8mb4", Some("utf8mb4_bin"), Some("utf8mb4 COLLATE utf8mb4_bin"));
        check("", None, None);
        check("utf8; DROP TABLE t", None, None);
        check("utf8mb4", Some("x'"), None);
    }

    #[track_caller]
    fn check(name: &str, collation: Option<&str>, expected: Option<&str>) {
        let charset = Charset::new(name, collation).ok().map(|it| it.to_string());
        assert_eq!(charset.as_deref(), expected);
    }

    #[test]
    fn debug_of_ready_made_options_keeps_the_secrets() {
        let options = MySqlConnectOptions::new().username("app").password("hunter2").ssl_client_key_from_pem("PEM-KEY");
        let shown = format!("{:?}", Dial::ready(options));
        assert!(shown.contains("app"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("PEM-KEY"), "{shown}");
    }
}
