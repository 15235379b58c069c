//! One statement as the router sees it.

use crate::{Access, Cause, Counts, Level, Route};

/// Which rules decide: those of the original plugin, or those that a modern cluster needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compat {
    /// The rules of the original: a first token `SELECT` is a read.
    Classic,
    /// A read is what provably changes nothing.
    #[default]
    Strict,
}

/// How the statement reaches the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// As text, which may hold several statements.
    #[default]
    Text,
    /// Prepared, which cannot.
    Prepared,
}

/// The parts of `sql_mode` that change what a text means; `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SqlMode {
    /// `NO_BACKSLASH_ESCAPES`: a backslash in a string is a backslash.
    pub no_backslash_escapes: Option<bool>,
    /// `ANSI_QUOTES`: double quotes hold a name.
    pub ansi_quotes: Option<bool>,
}

/// A byte range of the statement's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What classification depends on besides the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'o> {
    /// The rule set.
    pub compat: Compat,
    /// How the statement reaches the server.
    pub protocol: Protocol,
    /// The session's mode as far as it is known.
    pub sql_mode: SqlMode,
    /// Own functions that only read, lower case.
    pub read_functions: &'o [&'o str],
}

/// What one statement asks for. Borrows the text; nothing is allocated.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Statement<'a> {
    /// The text, whole.
    pub sql: &'a [u8],
    /// Where its text lets it run.
    pub access: Access,
    /// The rule that said so.
    pub cause: Cause,
    /// The bytes that made the rule apply; empty where it is the whole text.
    pub because: Span,
    /// The last routing hint of the leading comments.
    pub route: Option<Route>,
    /// The last service-level hint of the leading comments.
    pub level: Option<Level>,
    /// Routing hints seen, for the statistics.
    pub counts: Counts,
    /// Offset of the first byte behind leading white space and comments.
    pub body: usize,
}

impl<'a> Statement<'a> {
    /// Reads `sql` by the rules of `options`.
    pub fn parse(sql: &'a [u8], options: &Options<'_>) -> Self {
        let _ = options;
        Statement {
            sql,
            access: Access::Write,
            cause: Cause::FirstToken,
            because: Span::default(),
            route: None,
            level: None,
            counts: Counts::default(),
            body: 0,
        }
    }

    /// What the original's `query_is_select` answers: the hint when there is one, else the class.
    #[must_use]
    pub fn target(&self) -> Route {
        match (self.route, self.access) {
            (Some(route), _) => route,
            (None, Access::Read) => Route::Replica,
            (None, Access::Write) => Route::Primary,
            (None, Access::Follow) => Route::LastUsed,
        }
    }
}
