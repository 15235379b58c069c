//! What was found out about prepared statements, for the next time they come.
//!
//! Proving that a statement only reads means looking at all of its text, which costs about a nanosecond for two bytes. A
//! program prepares the same few texts over and over, so the answer is kept with the cluster and found again by the whole text
//! in a fraction of that ([`ByText`]). Text statements are not kept: their values are in the text, and hardly one comes twice.

use std::sync::Arc;

use ms_hints::{Effect, Options, Protocol, SqlMode, Statement};

use crate::{
    by_text::{ByText, Key},
    tables::StatementTables,
    transaction::Control,
};

/// The classes of statements seen; see the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Classes {
    known: ByText<Known>,
}

/// A statement as the router is asked about it.
pub(crate) struct Question<'a> {
    pub(crate) statement: Statement<'a>,
    /// Only for statements that are not proven reads: what they leave behind.
    pub(crate) effect: Effect,
    /// That is nothing at all, as with nearly every statement.
    pub(crate) plain: bool,
    /// The session has to know of its success.
    pub(crate) control: Option<Control>,
    pub(crate) tables: StatementTables<'a>,
    /// The group of servers that the program asks for.
    pub(crate) group: Option<Arc<str>>,
}

impl<'a> Question<'a> {
    #[inline]
    pub(crate) fn of(statement: Statement<'a>, effect: Effect) -> Self {
        Self::known(statement, effect, effect == Effect::NONE)
    }

    #[inline]
    fn known(statement: Statement<'a>, effect: Effect, plain: bool) -> Self {
        Self { statement, effect, plain, control: None, tables: StatementTables::default(), group: None }
    }
}

#[derive(Debug)]
struct Known {
    sql_mode: SqlMode,
    /// Its text is taken out: that would have to be borrowed.
    statement: Statement<'static>,
    effect: Effect,
    plain: bool,
}

impl Classes {
    /// Under what a statement is kept; `None` for one that is not.
    #[inline]
    pub(crate) fn key(text: &[u8], protocol: Protocol, sql_mode: SqlMode) -> Option<Key<'_>> {
        let salt = u64::from(sql_mode.no_backslash_escapes.is_some());
        if protocol == Protocol::Prepared { Key::new(text, salt) } else { None }
    }

    /// What a statement is and what it leaves behind, as it was found the first time.
    #[inline]
    pub(crate) fn find<'a>(&self, key: Key<'a>, sql_mode: SqlMode) -> Option<Question<'a>> {
        let known = self.known.find(key, |known| known.sql_mode == sql_mode)?;
        let mut question: Question<'a> = Question::known(known.statement, known.effect, known.plain);
        question.statement.sql = key.text();
        Some(question)
    }

    /// Keeps what was found; the options other than protocol and mode have to be the same with every call.
    #[cold]
    pub(crate) fn keep(&self, key: Key<'_>, question: &Question<'_>, options: &Options<'_>) {
        let statement = without_text(&question.statement, options);
        let Question { effect, plain, .. } = *question;
        // Without room for it, it is classified the next time, too.
        let _ = self.known.keep(key, 0, Known { sql_mode: options.sql_mode, statement, effect, plain });
    }
}

/// The same statement but for its text.
fn without_text(statement: &Statement<'_>, options: &Options<'_>) -> Statement<'static> {
    let mut bare = Statement::parse(b"", options);
    bare.access = statement.access;
    bare.cause = statement.cause;
    bare.because = statement.because;
    bare.route = statement.route;
    bare.route_span = statement.route_span;
    bare.level = statement.level;
    bare.level_span = statement.level_span;
    bare.counts = statement.counts;
    bare.body = statement.body;
    bare.user_variables = statement.user_variables;
    bare
}

#[cfg(test)]
mod tests {
    use ms_hints::Compat;

    use super::*;
    use crate::by_text::{CAPACITY, LONGEST};

    const TEXTS: [&str; 8] = [
        "",
        "SELECT 1",
        "SELECT a FROM t WHERE id = ?",
        "/*ms=master*/SELECT a FROM t WHERE id = ?",
        "SELECT @a, LAST_INSERT_ID()",
        "SELECT GET_LOCK(?, 1)",
        "INSERT INTO t (a) VALUES (?)",
        "SET autocommit = 0",
    ];

    #[test]
    fn a_known_statement_is_what_it_was_the_first_time() {
        for compat in [Compat::Classic, Compat::Strict] {
            let classes = Classes::default();
            let options = Options { compat, ..prepared() };
            for text in TEXTS {
                let (fresh, found) = find(&classes, text, &options);
                assert_eq!(found, Found::Anew, "{text}");
                assert_eq!(find(&classes, text, &options), (fresh, Found::Known), "{text}");
            }
        }
    }

    #[test]
    fn another_mode_is_another_statement() {
        let classes = Classes::default();
        let mut options = prepared();
        let text = r#"SELECT "a\" FROM t"#;
        assert_eq!(find(&classes, text, &options).1, Found::Anew);
        options.sql_mode = SqlMode { no_backslash_escapes: Some(false), ansi_quotes: Some(false) };
        assert_eq!(find(&classes, text, &options).1, Found::Anew);
        options.sql_mode.ansi_quotes = Some(true);
        assert_eq!(find(&classes, text, &options).1, Found::Anew);
        assert_eq!(find(&classes, text, &options).1, Found::Known);
    }

    #[test]
    fn what_will_hardly_come_again_is_not_kept() {
        let classes = Classes::default();
        for (text, options) in [("SELECT 1", Options::default()), (&*" ".repeat(LONGEST + 1), prepared())] {
            find(&classes, text, &options);
            assert_eq!(find(&classes, text, &options).1, Found::Anew);
        }
    }

    #[test]
    fn the_bytes_kept_are_bounded_and_what_is_kept_stays() {
        let classes = Classes::default();
        find(&classes, "SELECT 1", &prepared());
        for number in 0..10_000 {
            find(&classes, &format!("SELECT {number}{}", " ".repeat(1_000)), &prepared());
        }
        let bytes = classes.known.bytes();
        assert!((CAPACITY / 2..=CAPACITY).contains(&bytes), "{bytes}");
        assert_eq!(find(&classes, "SELECT 1", &prepared()).1, Found::Known);
    }

    fn prepared() -> Options<'static> {
        Options { protocol: Protocol::Prepared, ..Options::default() }
    }

    #[derive(Debug, PartialEq)]
    enum Found {
        Known,
        Anew,
    }

    /// All there is to a statement, and whether it had to be classified.
    #[track_caller]
    fn find(classes: &Classes, text: &str, options: &Options<'_>) -> (String, Found) {
        let key = Classes::key(text.as_bytes(), options.protocol, options.sql_mode);
        let (question, found) = match key.and_then(|key| classes.find(key, options.sql_mode)) {
            Some(question) => (question, Found::Known),
            None => {
                let statement = Statement::parse(text.as_bytes(), options);
                let question = Question::of(statement, statement.effect());
                key.into_iter().for_each(|key| classes.keep(key, &question, options));
                (question, Found::Anew)
            }
        };
        let Question { statement, effect, plain, .. } = question;
        assert_eq!(plain, effect == Effect::NONE);
        assert_eq!(statement.sql, text.as_bytes());
        (format!("{statement:?} {effect:?}"), found)
    }
}
