//! What a MySQL or MariaDB statement asks for, read from its text.
//!
//! A client that spreads statements over a primary and its replicas must know three things before it picks a server:
//!
//! - what the statement **is**: a read that any replica may answer, or something that changes data ([`Access`]);
//! - what its author **wishes**: the comments in front of it may hold routing hints such as `/*ms=primary*/`
//!   ([`Route`], [`Level`]);
//! - what it **leaves behind** on the connection: an open transaction, a variable, a lock ([`Effect`]).
//!
//! A full SQL parser would answer all three and cost microseconds. This crate has a scanner instead: it knows where
//! strings, comments and names end, and a list of the things that may have an effect. Whatever it is not certain of is
//! a write: sent to the primary, a read costs a little; sent to a replica, a write costs data.
//!
//! Two rule sets decide, chosen by [`Compat`]: `Classic` looks at the first token alone, `Strict` at the whole text.
//! [`Statement::parse`] is the entry; everything it answers comes with the byte range that made it so.
//!
//! # No allocation
//!
//! The crate is `no_std` and does not link `alloc`, so no code path of classification is able to allocate. The feature
//! `lint` links it, for the report of the function of that name alone.
//!
//! # Examples
//!
//! ```
//! use ms_hints::{Access, Options, Route, Statement};
//!
//! let statement = Statement::parse(b"/*ms=last_used*/ SELECT id FROM orders FOR UPDATE", &Options::default());
//! assert_eq!(statement.access, Access::Write);
//! assert_eq!(statement.cause.code(), "locking");
//! assert_eq!(statement.target(), Route::LastUsed);
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "lint"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod statement; // one statement, all answers together

mod access; // may a replica run it
mod cause; // why, or why not
mod effect; // what it leaves behind on the connection
mod hint; // what its leading comments ask for

mod repeatable; // would it answer the same again

mod functions; // names that may stand before a parenthesis
mod scan; // where tokens begin and end
mod walk; // what a text mentions that may have an effect

#[cfg(feature = "lint")]
mod lint; // hints that will not work
mod wildcard; // patterns of table names

#[cfg(feature = "lint")]
pub use self::lint::{Finding, Problem, lint};
pub use self::{
    access::Access,
    cause::Cause,
    effect::{Effect, State, Transaction},
    hint::{
        Comment, CommentStyle, Counts, EVENTUAL_LEVEL, LAST_USED_SWITCH, LeadingComments, Level, MASTER_SWITCH,
        PRIMARY_SWITCH, REPLICA_SWITCH, Route, SESSION_LEVEL, SLAVE_SWITCH, STRONG_LEVEL,
    },
    statement::{Compat, Options, Protocol, Span, SqlMode, Statement, query_is_select},
    wildcard::match_wild,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
