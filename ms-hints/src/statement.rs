//! One statement as the router sees it.

use crate::{
    Access, Cause, Counts, Effect, LeadingComments, Level, Route, access, effect, hint, repeatable, scan::is_plain,
};

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
    /// Own functions that only read, as they are called in statements: `price` or `shop.price`. Case does not matter.
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
    /// The bytes that made the rule apply; empty where there is no statement.
    pub because: Span,
    /// The last routing hint of the leading comments.
    pub route: Option<Route>,
    /// The bytes of that hint, such as `ms=primary`; empty where there is none.
    pub route_span: Span,
    /// The last service-level hint of the leading comments.
    pub level: Option<Level>,
    /// The bytes of that hint; empty where there is none.
    pub level_span: Span,
    /// Routing hints seen, for the statistics.
    pub counts: Counts,
    /// Offset of the first byte behind leading white space and comments.
    pub body: usize,
    /// A read that mentions a user variable (`@name`), whose value one connection knows. Only `Strict` looks, and only
    /// at reads: a write runs on the primary, where the variable was set as well.
    pub user_variables: bool,
    compat: Compat,
    protocol: Protocol,
    sql_mode: SqlMode,
}

impl<'a> Statement<'a> {
    /// Reads `sql` by the rules of `options`.
    ///
    /// Any bytes will do; what cannot be understood is a write. The cost grows with the leading comments and, for a
    /// read under [`Compat::Strict`], with the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_hints::{Access, Options, Statement};
    ///
    /// let read = Statement::parse(b"SELECT NOW()", &Options::default());
    /// assert_eq!(read.access, Access::Read);
    ///
    /// let sql = b"SELECT next_number()";
    /// let call = Statement::parse(sql, &Options::default());
    /// assert_eq!(call.access, Access::Write);
    /// assert_eq!(&sql[call.because.start..call.because.end], b"next_number");
    /// ```
    #[must_use]
    pub fn parse(sql: &'a [u8], options: &Options<'_>) -> Self {
        let hints = hint::read(sql, options.compat);
        let verdict = match options.compat {
            Compat::Classic => access::classic(sql, hints.body, options),
            Compat::Strict => access::strict(sql, &hints, options),
        };
        Statement {
            sql,
            access: verdict.access,
            cause: verdict.cause,
            because: verdict.because,
            route: hints.route,
            route_span: hints.route_span,
            level: hints.level,
            level_span: hints.level_span,
            counts: hints.counts,
            body: hints.body,
            user_variables: verdict.user_variables,
            compat: options.compat,
            protocol: options.protocol,
            sql_mode: options.sql_mode,
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

    /// The comments in front of the statement, which may hold hints or name a node group.
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_hints::{Options, Statement};
    ///
    /// let statement = Statement::parse(b"/*ms=slave*/ /*reports*/ SELECT 1", &Options::default());
    /// assert!(statement.leading_comments().any(|comment| comment.text == b"reports"));
    /// ```
    #[must_use]
    pub fn leading_comments(&self) -> LeadingComments<'a> {
        LeadingComments::new(self.sql, self.compat)
    }

    /// What the statement does to the transaction and the state of the connection that runs it.
    ///
    /// Computed on demand, from the whole text: a large `INSERT` costs about a nanosecond for each byte. Both rule sets
    /// get the same answer, except that what `Strict` has proven to be a read needs no second look.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect_with(&[])
    }

    /// As [`effect`](Self::effect), with own functions that only read (see [`Options::read_functions`]).
    #[must_use]
    pub fn effect_with(&self, read_functions: &[&str]) -> Effect {
        if self.compat == Compat::Strict && self.access != Access::Write {
            return Effect::NONE;
        }
        if self.is_plain_select() {
            return Effect::NONE;
        }
        let (compat, protocol, sql_mode) = (self.compat, self.protocol, self.sql_mode);
        effect::of(self.sql, &Options { compat, protocol, sql_mode, read_functions })
    }
}

impl Statement<'_> {
    /// What in the text keeps its answer from being the same again while the data is the same; `None` where nothing does, so that the
    /// answer may be kept for others.
    ///
    /// Asked of what is to be kept only, and as strict as [`Compat::Strict`] whatever rules are in force. Nothing is found in a
    /// proven read without functions of time, chance, user and server, without variables, own functions and tables that tell of
    /// the server. What a view or a generated column does cannot be seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_hints::{Options, Statement};
    ///
    /// let varies = |sql: &'static str| {
    ///     let span = Statement::parse(sql.as_bytes(), &Options::default()).varies_by()?;
    ///     Some(&sql[span.start..span.end])
    /// };
    /// assert_eq!(varies("SELECT name FROM items WHERE id = ?"), None);
    /// assert_eq!(varies("SELECT name FROM items WHERE until > NOW()"), Some("NOW"));
    /// assert_eq!(varies("SELECT name FROM items FOR UPDATE"), Some("FOR UPDATE"));
    /// ```
    #[must_use]
    pub fn varies_by(&self) -> Option<Span> {
        repeatable::varies_by(self.sql, self.protocol, self.sql_mode)
    }

    /// Whether the text begins with `SELECT` and holds no byte that any effect needs. Classic looked at the first word only,
    /// and most reads need no closer look than this.
    fn is_plain_select(&self) -> bool {
        let rest = &self.sql[self.because.end..];
        // `SELECT.5` is a read to the original, and to the scanner an unknown word.
        self.cause == Cause::FirstToken && self.because.start == 0 && !rest.starts_with(b".") && is_plain(rest)
    }
}

/// The original's stand-alone function: where `sql` would go by hint and class. Nothing is counted.
///
/// # Examples
///
/// ```
/// use ms_hints::{Compat, Options, Route, query_is_select};
///
/// let classic = Options { compat: Compat::Classic, ..Options::default() };
/// assert_eq!(query_is_select(b"SELECT 1", &classic), Route::Replica);
/// assert_eq!(query_is_select(b"SHOW TABLES", &classic), Route::Primary);
/// assert_eq!(query_is_select(b"/*ms=last_used*/ SHOW TABLES", &classic), Route::LastUsed);
/// ```
#[must_use]
pub fn query_is_select(sql: &[u8], options: &Options<'_>) -> Route {
    Statement::parse(sql, options).target()
}
