//! The rules of classification, by name.
//!
//! Where a statement went is half an answer; `ms explain` and the log also say why. Each rule has a code that scripts
//! may compare, which never changes, and a sentence for people, which may get better.

use core::fmt;

/// Why a statement has its [`Access`](crate::Access); one code for each rule, for `ms explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The first token is `SELECT`, which is all that `classic` looks at.
    FirstToken,
    /// `classic`: the first token is something else.
    NotSelect,
    /// There is no statement, only white space and comments.
    Empty,
    /// A reading statement that mentions nothing with an effect.
    OnlyReads,
    /// A kind of statement that is not on the list of reads.
    Verb,
    /// `EXPLAIN` or `DESCRIBE` of something that is not a read.
    Explained,
    /// `FOR UPDATE`, `FOR SHARE`, `LOCK IN SHARE MODE`.
    Locking,
    /// `INTO` a variable or a file.
    Into,
    /// `:=` sets a variable.
    Assignment,
    /// `NEXT VALUE FOR` and its relatives advance or depend on a sequence.
    Sequence,
    /// `/*! … */` or `/*M! … */`: the server runs what is inside, depending on its version.
    ExecutableComment,
    /// A word of a writing statement inside a read, such as `WITH … DELETE`.
    InnerWrite,
    /// A function that is not known to be free of effects.
    Function,
    /// `LAST_INSERT_ID()` and variables like it: only the connection that wrote knows.
    LastInsertId,
    /// `FOUND_ROWS()`, `ROW_COUNT()`, `SHOW WARNINGS`: only the connection used last knows.
    LastResult,
    /// A later statement of the same text is not a read.
    SecondStatement,
    /// `SET STATEMENT` with a part that is more than a plain setting for a read.
    SetStatement,
    /// A string, a quoted name or a comment has no end.
    Unterminated,
    /// The text means different things under different `sql_mode`s, and the session's is not known.
    UnknownSqlMode,
    /// The end of a comment where none is open: comments were nested, which servers do not do.
    NestedComment,
    /// Characters that servers read in different ways: `[`, or a name that begins with `$`.
    Unclear,
}

impl Cause {
    /// A short name for scripts; never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Cause::FirstToken => "first_token",
            Cause::NotSelect => "not_select",
            Cause::Empty => "empty",
            Cause::OnlyReads => "only_reads",
            Cause::Verb => "verb",
            Cause::Explained => "explained",
            Cause::Locking => "locking",
            Cause::Into => "into",
            Cause::Assignment => "assignment",
            Cause::Sequence => "sequence",
            Cause::ExecutableComment => "executable_comment",
            Cause::InnerWrite => "inner_write",
            Cause::Function => "function",
            Cause::LastInsertId => "last_insert_id",
            Cause::LastResult => "last_result",
            Cause::SecondStatement => "second_statement",
            Cause::SetStatement => "set_statement",
            Cause::Unterminated => "unterminated",
            Cause::UnknownSqlMode => "unknown_sql_mode",
            Cause::NestedComment => "nested_comment",
            Cause::Unclear => "unclear",
        }
    }

    /// What the rule says, for people: lower case, no full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Cause::FirstToken => "the first token is `SELECT`",
            Cause::NotSelect => "the first token is not `SELECT`",
            Cause::Empty => "there is no statement to run",
            Cause::OnlyReads => "it reads and mentions nothing that has an effect",
            Cause::Verb => "this kind of statement is not on the list of reads",
            Cause::Explained => "what is explained is not a read",
            Cause::Locking => "it locks the rows it reads",
            Cause::Into => "it stores its result with `INTO`",
            Cause::Assignment => "it sets a variable with `:=`",
            Cause::Sequence => "it uses a sequence",
            Cause::ExecutableComment => "it holds a comment that the server executes",
            Cause::InnerWrite => "a writing statement is part of it",
            Cause::Function => "it calls a function that is not known to only read",
            Cause::LastInsertId => "it asks what the last write left behind, which only the primary's connection knows",
            Cause::LastResult => "it speaks of the statement before it, on the same connection",
            Cause::SecondStatement => "a later statement in the same text is not a read",
            Cause::SetStatement => "the settings of `SET STATEMENT` are more than plain values",
            Cause::Unterminated => "a string, name or comment has no end",
            Cause::UnknownSqlMode => "a quote can be read in two ways and the session's `sql_mode` is not known",
            Cause::NestedComment => "a comment ends that was not open: comments do not nest",
            Cause::Unclear => "it holds a character that servers read in different ways",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
