//! What one statement asks for: its text as ms-hints read it, and the facts of the session it belongs to.

use ms_hints::Statement;

use crate::{mode::Mode, quality_of_service::Quality, reason::Reason, server::ServerIx, tables::Tables};

/// One statement with all that decides where it may run.
///
/// ```
/// use ms_filters::{Request, Transaction};
///
/// let statement = ms_hints::Statement::parse(b"SELECT 1", &ms_hints::Options::default());
/// let mut request = Request::new(&statement);
/// request.transaction = Transaction::Begun { read_only: true };
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The statement's hints and class.
    pub statement: &'a Statement<'a>,
    /// The server the statement before this one went to, also when it could not be reached.
    pub last_used: Option<ServerIx>,
    /// The transaction the session is in.
    pub transaction: Transaction,
    /// What the session has set up on one of its connections, if the statement may depend on it.
    pub held: Option<Held>,
    /// What the section says about splitting.
    pub settings: Settings,
    /// The service level that the session was given while running; it takes the place of the configured one.
    pub level: Option<Quality>,
    /// What a server must have for [`Quality::Session`].
    pub must_see: MustSee,
    /// The replica the session has read from. At [`Quality::Session`] it is kept to while it has what must be seen.
    pub stays: Option<ServerIx>,
    /// The group of servers that the program asks for, in place of whatever a comment names.
    pub group: Option<&'a str>,
    /// The tables it names; looked for only where [`Pipeline::wants_tables`](crate::Pipeline::wants_tables).
    pub tables: Tables<'a>,
}

impl<'a> Request<'a> {
    /// The first statement of a session, outside transactions, with the settings of an empty section.
    #[must_use]
    pub fn new(statement: &'a Statement<'a>) -> Self {
        let settings = Settings::default();
        Request {
            statement,
            last_used: None,
            transaction: Transaction::None,
            held: None,
            settings,
            level: None,
            must_see: MustSee::Unknown,
            stays: None,
            group: None,
            tables: Tables::NotAsked,
        }
    }

    /// Whether a transaction binds the statement to its server, so that there is nothing to narrow.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.settings.stickiness != Stickiness::Disabled && matches!(self.transaction, Transaction::Pinned(_))
    }

    /// Whether not even a filter that picks by itself is asked.
    pub(crate) fn is_pinned_for_all(&self) -> bool {
        self.settings.pins_picks && self.is_pinned()
    }
}

/// How far a transaction has got, as far as routing is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transaction {
    /// None is open.
    #[default]
    None,
    /// One was begun; its first statement will choose the server.
    Begun {
        /// It was begun read-only.
        read_only: bool,
    },
    /// It runs on this server and can run on no other.
    Pinned(ServerIx),
}

/// What a server must have before the session may read from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MustSee {
    /// Nobody can compare: only primaries surely have it.
    #[default]
    Unknown,
    /// Nothing in particular.
    Nothing,
    /// A position. [`ServerState::freshness`](crate::ServerState::freshness) says who has it.
    Position {
        /// Every candidate replica that is not known to have it is asked, although another one has it already. Otherwise
        /// nobody is asked while one has it.
        ask_all: bool,
    },
}

/// State of a session that lives on one connection: variables, temporary tables, locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it is.
    pub server: ServerIx,
    /// What it is: one of the reasons whose codes begin with `held`.
    pub reason: Reason,
    /// Statements that write may go there, too; otherwise reads only.
    pub takes_writes: bool,
}

/// What the section says about splitting reads from writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Whether reads leave the primaries at all.
    pub split: Split,
    /// `master_on_write`: after its first write a session reads from the primaries.
    pub primary_on_write: bool,
    /// `trx_stickiness`: what a transaction means for routing.
    pub stickiness: Stickiness,
    /// A transaction binds filters that pick by themselves (`user`), too. In the original it does not.
    pub pins_picks: bool,
    /// How far statements leave the primaries at all.
    pub mode: Mode,
}

/// Whether reads leave the primaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Reads go to replicas.
    #[default]
    ReadsToReplicas,
    /// `disable_rw_split`: all goes to primaries but what asks for the connection used last.
    Disabled,
}

/// `trx_stickiness`: where the statements of a transaction go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stickiness {
    /// Each where it would go without a transaction.
    #[default]
    Disabled,
    /// All to one primary.
    Primary,
    /// All to one server; to a replica when the transaction is read-only and there is one.
    On,
}
