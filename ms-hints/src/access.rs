//! Whether a replica may run a statement.

/// Where a statement may run by its own text, hints aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It changes nothing: a replica may run it.
    Read,
    /// It changes something, or it cannot be proven that it does not: the primary runs it.
    Write,
    /// It speaks of the connection that ran the statement before it (`FOUND_ROWS()`, `SHOW WARNINGS`): it
    /// belongs to the connection used last, and to the primary where there is none.
    Follow,
}

/// Why a statement has its [`Access`]; one code for each rule, for `ms explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The first token is `SELECT`, which is all that `classic` looks at.
    FirstToken,
}
