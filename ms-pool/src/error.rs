//! What can go wrong here, and one number for everything that can go wrong below.
//!
//! Three parties report errors on one statement: the server, sqlx, and this crate. Application code should not
//! have to know which of them spoke:
//!
//! - errors of servers pass through untouched, so that existing downcasts keep working;
//! - errors of ours become the `sqlx::Error` that means the same (see `From<Error>` below) and carry an [`Error`],
//!   which [`Error::of`] finds again;
//! - [`code`] gives one number for all of them, the one a C client would have reported.
//!
//! Ours never hide inside `sqlx::Error::Database`: a user's `downcast_ref::<MySqlDatabaseError>()` would panic.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ms_gtid::token::TokenError;
use sqlx_mysql::MySqlDatabaseError;

use crate::XaFailure;

mod failures; // of several servers at once

pub use self::failures::{Failure, Failures};

/// Nothing more is known than that it failed: the number of every refusal that is this crate's own.
const UNKNOWN: u16 = 2000;
/// No server behind a Unix socket.
const NO_SOCKET: u16 = 2002;
/// No server behind a host and port.
const NO_HOST: u16 = 2003;
/// The host name does not resolve.
const NO_SUCH_NAME: u16 = 2005;
/// The connection was gone before the statement could be sent.
const GONE: u16 = 2006;
/// The connection broke while an answer was awaited.
const LOST: u16 = 2013;
/// No encrypted channel could be agreed on.
const TLS: u16 = 2026;
/// What arrived is not the protocol.
const MALFORMED: u16 = 2027;

/// Something this crate could not do.
///
/// Statements report `sqlx::Error`; [`Error::of`] finds the one of ours in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server answers at the address.
    #[error("server `{server}` cannot be reached")]
    Unreachable {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// 2002 for a socket, 2003 for host and port, 2005 for a name that does not resolve.
        code: u16,
        /// What the operating system said.
        source: io::Error,
    },

    /// The server did not finish greeting, login and set-up in time.
    #[error("server `{server}` did not accept the connection within {limit:?}")]
    ConnectTimeout {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// 2002 for a socket, 2003 for host and port.
        code: u16,
        /// How long it was given.
        limit: Duration,
    },

    /// The server was reached and the connection failed all the same: wrong password, too many connections, no TLS.
    #[error("server `{server}` did not accept the connection")]
    Connect {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// What the server or the driver said.
        source: sqlx::Error,
    },

    /// A new connection could not be prepared for use.
    #[error("server `{server}` refused {statement} on a new connection")]
    Setup {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// Which of the statements, in words.
        statement: Cow<'static, str>,
        /// What the server said.
        source: sqlx::Error,
    },

    /// There is no password to log in with.
    #[error("no password for user `{user}` of server `{server}`")]
    Credentials {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// The account that wanted to log in.
        user: Arc<str>,
        /// What the provider said; it names the variable or the file.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// A file that TLS needs cannot be read.
    #[error("the {what} for server `{server}` cannot be read")]
    TlsFile {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// Certificate authority, certificate or key.
        what: &'static str,
        /// The reader's complaint; it names the file.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// All connections to a server were in use for too long.
    #[error("all {limit} connections to server `{server}` stayed in use for {waited:?}")]
    AcquireTimeout {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// How many connections the pool may have.
        limit: u32,
        /// How long it was waited.
        waited: Duration,
    },

    /// All connections were in use for too long; by whom, a warning event and [`ServerState::holders`](crate::ServerState::holders) tell.
    #[error("no connection became free in time")]
    NoSlot,

    /// A statement ran into its deadline and was abandoned together with its connection.
    #[error("server `{server}` did not finish the statement within {limit:?}")]
    StatementTimeout {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// How long it was given.
        limit: Duration,
    },

    /// The connection was left in the middle of an answer and cannot be used any more.
    #[error("the connection to server `{server}` was abandoned in the middle of an answer")]
    Abandoned {
        /// The server as the configuration names it.
        server: Arc<str>,
    },

    /// The server failed for an earlier statement of the session and, as `remember_failed` asks, is not tried again.
    #[error("server `{server}` failed before and is not tried again by this session")]
    Remembered {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// The number of that failure.
        code: u16,
    },

    /// A call that speaks to all servers of a session failed on some of them; the others have done it.
    #[error("`{call}` failed on {}", failures.names())]
    Broadcast {
        /// The function that was called.
        call: &'static str,
        /// Which servers failed, and why.
        #[source]
        failures: Failures,
    },

    /// The connection a statement was prepared on is not the session's any more.
    #[error("the connection to server `{server}` that the statement was prepared on is gone")]
    PreparedLost {
        /// The server as the configuration names it.
        server: Arc<str>,
    },

    /// The connection of an open transaction is gone: the server has rolled it back. Nothing of it is left, and the session is
    /// not in a transaction any more. (A guard goes on answering so until it is dropped.)
    #[error(
        "the transaction on server `{server}` was rolled back, its connection was lost (Automatic failover is not \
         permitted in the middle of a transaction)"
    )]
    TransactionLost {
        /// The server as the configuration names it.
        server: Arc<str>,
    },

    /// Something that was written is not on the server that is the primary now, and never will be: the one it was written on is
    /// gone. Said once to whoever has to see it; reads go on without it.
    #[error("what was written is lost: server `{server}` took over without {lost}")]
    PositionLost {
        /// The primary of this moment, as the configuration names it.
        server: Arc<str>,
        /// The part of the position that it lacks.
        lost: Box<str>,
    },

    /// The server that was written to cannot be reached, or does not count its transactions, so nobody knows which replica
    /// has what was written last. Said once where somebody reads; reads go on without it.
    #[error("what was written last on server `{server}` may be missing: nobody knows how far that was")]
    NoPosition {
        /// The server as the configuration names it.
        server: Arc<str>,
    },

    /// No replica has caught up with what the reader must see, and so many other reads have gone to a primary for that reason that
    /// this one fails, as [`BeyondBudget::Error`](crate::BeyondBudget::Error) asks. The next one may be answered.
    #[error("no replica has what must be seen, and the budget for such reads on the primary is used up")]
    BudgetSpent,

    /// A position from somewhere else cannot be used.
    #[error("the position that was handed over cannot be used")]
    Token {
        /// Why not.
        #[from]
        source: TokenError,
    },

    /// A connection was given up in the middle of an answer, and with it what the session had set up there: temporary tables,
    /// variables, locks.
    #[error("what the session had set up on server `{server}` is lost, a statement there was abandoned")]
    StateLost {
        /// The server as the configuration names it.
        server: Arc<str>,
    },

    /// A savepoint was still open when the transaction was to end; it was rolled back as a whole.
    #[error("the transaction on server `{server}` was to end at depth {depth} instead of 1, so it was rolled back")]
    TransactionDepth {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// Transactions and savepoints open by the driver's count.
        depth: usize,
    },

    /// `on_commit` of `global_transaction_id_injection` failed, so what was written, or was to be, has no number.
    ///
    /// What failed was not the caller's own statement: it must not be run again because of this, if it is done.
    #[error(
        "`on_commit` failed on server `{server}`{}",
        if *done { " after the statement had succeeded" } else { ", so what was to follow it was not sent" }
    )]
    NotCounted {
        /// The server as the configuration names it.
        server: Arc<str>,
        /// Whether the statement has succeeded, and was committed. Otherwise it, or the commit, was not sent.
        done: bool,
        /// What the server said.
        source: sqlx::Error,
    },

    /// A call about a global transaction failed, or a server could not join it.
    #[error("{text}")]
    GlobalTransaction {
        /// What has become of the transaction.
        outcome: XaFailure,
        /// The server's number where one spoke, 1399 and 1400 for what the protocol forbids, otherwise one of the 2000s.
        code: u16,
        /// The five characters that go with it.
        sqlstate: Box<str>,
        /// In the original's words where it had any.
        text: Box<str>,
    },

    /// The cluster was closed.
    #[error("the cluster is closed")]
    Closed,

    /// The configuration cannot be used.
    #[error(transparent)]
    Config {
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// The router found no server the statement may run on.
    #[error("{why}")]
    Refused {
        /// The router's words.
        why: Cow<'static, str>,
    },

    /// The statement needs a connection of its own.
    #[error("{what} needs a connection of its own: use `session()` or `begin()`")]
    NeedsSession {
        /// What the statement wanted: a transaction, a lock.
        what: Cow<'static, str>,
    },
}

/// What [`Error::of`] answers for `PoolTimedOut`, which has no room for facts.
static NO_SLOT: Error = Error::NoSlot;

impl Error {
    /// The error of this crate inside an `sqlx::Error`, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ms_pool::Error;
    /// let reported = sqlx::Error::from(Error::Closed);
    /// assert!(matches!(Error::of(&reported), Some(Error::Closed)));
    /// assert!(Error::of(&sqlx::Error::RowNotFound).is_none());
    /// ```
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<&Error> {
        match error {
            sqlx::Error::Io(error) => error.get_ref()?.downcast_ref(),
            sqlx::Error::Configuration(error) | sqlx::Error::AnyDriverError(error) => error.downcast_ref(),
            sqlx::Error::PoolTimedOut => Some(&NO_SLOT),
            _ => None,
        }
    }

    /// The number a client reports: the server's own where it spoke, otherwise one of the 2000s.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Error::Unreachable { code, .. } | Error::ConnectTimeout { code, .. } | Error::Remembered { code, .. } => {
                *code
            }
            Error::Connect { source, .. } | Error::Setup { source, .. } | Error::NotCounted { source, .. } => {
                code(source)
            }
            Error::GlobalTransaction { code, .. } => *code,
            Error::StatementTimeout { .. } => LOST,
            Error::Abandoned { .. }
            | Error::PreparedLost { .. }
            | Error::StateLost { .. }
            | Error::TransactionLost { .. } => GONE,
            Error::Broadcast { failures, .. } => code(&failures.first().source),
            _ => UNKNOWN,
        }
    }

    /// The five characters that go with [`code`](Self::code).
    #[must_use]
    pub fn sqlstate(&self) -> &str {
        match self {
            Error::Connect { source, .. } | Error::Setup { source, .. } | Error::NotCounted { source, .. } => {
                server_error(source)
                    // The servers of this family always send one; HY000 is what they send when nothing fits.
                    .and_then(MySqlDatabaseError::code)
                    .unwrap_or("HY000")
            }
            Error::GlobalTransaction { sqlstate, .. } => sqlstate,
            Error::Broadcast { failures, .. } => {
                server_error(&failures.first().source).and_then(MySqlDatabaseError::code).unwrap_or("HY000")
            }
            _ => "HY000",
        }
    }

    /// Whether the server could not be used at all, as opposed to a mistake or a limit on this side.
    pub(crate) fn blames_server(&self) -> bool {
        matches!(
            self,
            Error::Unreachable { .. } | Error::ConnectTimeout { .. } | Error::Connect { .. } | Error::Setup { .. }
        )
    }

    /// Sorts a failed login: was nobody there, or did somebody decline?
    pub(crate) fn connecting(server: Arc<str>, reach: Reach, source: sqlx::Error) -> Self {
        match source {
            sqlx::Error::Io(source) if nobody_there(&source) => {
                Error::Unreachable { server, code: reach.code_for(&source), source }
            }
            source => Error::Connect { server, source },
        }
    }
}

/// How a server is reached; it decides the number of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Tcp,
    Socket,
}

impl Reach {
    pub(crate) fn code(self) -> u16 {
        match self {
            Reach::Tcp => NO_HOST,
            Reach::Socket => NO_SOCKET,
        }
    }

    fn code_for(self, error: &io::Error) -> u16 {
        if unresolved(error) { NO_SUCH_NAME } else { self.code() }
    }
}

/// Host name lookups have no kind and no number of their own; the standard library's fixed prefix is all there is.
fn unresolved(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().starts_with("failed to lookup address information")
}

/// An error before the server said anything. A connection that was accepted and then broke is a different story:
/// somebody is there (a proxy without a backend, a server shutting down).
fn nobody_there(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::InvalidData
    )
}

impl From<Error> for sqlx::Error {
    fn from(error: Error) -> Self {
        match error {
            // A server spoke: its words, untouched. Which server it was went to the trace.
            Error::Connect { source: source @ sqlx::Error::Database(_), .. }
            | Error::Setup { source: source @ sqlx::Error::Database(_), .. } => source,
            Error::Unreachable { ref source, .. } => {
                let kind = source.kind();
                sqlx::Error::Io(io::Error::new(kind, error))
            }
            Error::ConnectTimeout { .. } | Error::StatementTimeout { .. } => {
                sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, error))
            }
            Error::Connect { ref source, .. } | Error::Setup { ref source, .. } => {
                let kind = match source {
                    sqlx::Error::Io(source) => source.kind(),
                    _ => io::ErrorKind::InvalidData,
                };
                sqlx::Error::Io(io::Error::new(kind, error))
            }
            Error::Abandoned { .. }
            | Error::Remembered { .. }
            | Error::PreparedLost { .. }
            | Error::StateLost { .. }
            | Error::TransactionLost { .. } => sqlx::Error::Io(io::Error::new(io::ErrorKind::NotConnected, error)),
            Error::AcquireTimeout { .. } | Error::NoSlot => sqlx::Error::PoolTimedOut,
            Error::Credentials { .. } | Error::TlsFile { .. } | Error::Config { .. } => {
                sqlx::Error::Configuration(Box::new(error))
            }
            // Never as the server's own: who tries again what met a deadlock would write a second time.
            Error::Closed
            | Error::NoPosition { .. }
            | Error::BudgetSpent
            | Error::Token { .. }
            | Error::PositionLost { .. }
            | Error::NotCounted { .. }
            | Error::TransactionDepth { .. }
            | Error::Refused { .. }
            | Error::NeedsSession { .. }
            | Error::GlobalTransaction { .. }
            | Error::Broadcast { .. } => sqlx::Error::AnyDriverError(Box::new(error)),
        }
    }
}

/// One number for any error of a statement: the server's, or what a C client would say.
///
/// 2002 and 2003 no server (socket, TCP), 2005 unknown host name, 2006 the connection was gone when sending, 2013 it
/// broke later, 2026 no TLS, 2027 not the protocol, 2000 for refusals of this crate and errors in the application's
/// own half (decoding, no rows). The server's ways of saying "I just closed this connection" (1927, 3169, 4031) count
/// as 2013, because that is all they mean.
///
/// # Examples
///
/// ```
/// let broken = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
/// assert_eq!(ms_pool::code(&broken), 2013);
/// ```
#[must_use]
pub fn code(error: &sqlx::Error) -> u16 {
    if let Some(ours) = Error::of(error) {
        return ours.code();
    }
    if let Some(theirs) = server_error(error) {
        return if hangs_up(theirs.number()) { LOST } else { theirs.number() };
    }
    match error {
        sqlx::Error::Io(error) => match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => GONE,
            io::ErrorKind::ConnectionRefused => NO_HOST,
            io::ErrorKind::NotFound => NO_SOCKET,
            // How TLS libraries report a certificate they do not like; sqlx itself would say `Protocol`.
            io::ErrorKind::InvalidData => TLS,
            _ if unresolved(error) => NO_SUCH_NAME,
            _ => LOST,
        },
        sqlx::Error::Tls(_) => TLS,
        sqlx::Error::Protocol(_) => MALFORMED,
        _ => UNKNOWN,
    }
}

/// Whether an error is the server's good-bye: it has closed the connection.
pub(crate) fn hangs_up(number: u16) -> bool {
    matches!(number, 1927 | 3169 | 4031)
}

/// What the server said, if it was the server.
pub(crate) fn server_error(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

#[cfg(test)]
mod tests;
