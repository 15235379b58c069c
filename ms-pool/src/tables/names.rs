//! Finds the tables in a text.
//!
//! Queries and changes of data are parsed by a library ([`relations`]), because a table may be anywhere in them. Of
//! everything else the first words say it all ([`heads`]), and what stands behind them is the part of MySQL's language
//! that a library for all dialects knows least. What neither of them understands is not understood: no answer is better
//! than a wrong one.

mod cursor; // token by token
mod familiar; // words that the parser does not know
mod heads; // statements whose first words name their tables
mod relations; // statements that have to be parsed
mod shape; // how much stack that takes

use std::panic::{AssertUnwindSafe, catch_unwind};

use ms_hints::SqlMode;
use sqlparser::{
    dialect::MySqlDialect,
    tokenizer::{Token, Tokenizer},
};

use self::{heads::Head, relations::Kind};

/// Longer texts are not looked at: that takes milliseconds, in the middle of somebody's task.
const LONGEST: usize = 256 << 10;

/// A table as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) database: Option<String>,
    pub(super) table: String,
}

/// The tables that all statements of `sql` name, as often as they do; `None` when one of them is not understood.
pub(super) fn in_text(sql: &str, sql_mode: SqlMode) -> Option<Vec<Name>> {
    if sql.len() > LONGEST || ends_of_strings_are_unknown(sql, sql_mode) {
        return None;
    }
    // Parsers of large languages have been known to panic, and a statement must not take its task along.
    catch_unwind(AssertUnwindSafe(|| of_statements(&tokens(sql)?))).ok().flatten()
}

/// The parser takes a backslash before a quote for an escape, as the servers do unless they are told otherwise.
fn ends_of_strings_are_unknown(sql: &str, sql_mode: SqlMode) -> bool {
    let escapes = |pair: &[u8]| pair[0] == b'\\' && matches!(pair[1], b'\'' | b'"');
    sql_mode.no_backslash_escapes != Some(false) && sql.as_bytes().windows(2).any(escapes)
}

/// White space and comments are gone; what is in an executable comment is not.
fn tokens(sql: &str) -> Option<Vec<Token>> {
    let mut tokens = Tokenizer::new(&MySqlDialect {}, sql).tokenize().ok()?;
    tokens.retain(|it| !matches!(it, Token::Whitespace(_)));
    Some(tokens)
}

fn of_statements(tokens: &[Token]) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    for statement in tokens.split(|it| *it == Token::SemiColon).filter(|it| !it.is_empty()) {
        names.extend(match heads::read(statement)? {
            Head::Names(names) => names,
            Head::Parse(rest) => relations::of(rest, Kind::Statement)?,
            Head::Calculates(rest) => relations::of(rest, Kind::Expressions)?,
        });
    }
    Some(names)
}

#[cfg(test)]
mod tests;
