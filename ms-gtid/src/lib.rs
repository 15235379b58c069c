//! Positions in a replication stream: what was written, and what a server has.
//!
//! A global transaction id (GTID) names one committed transaction wherever it is replicated to. Both server
//! families have them and agree on nothing else:
//!
//! - MariaDB writes `domain-server-sequence`, for example `0-1-42`. Within a domain the sequence only grows, so
//!   one number per domain says how far a server is, as long as the number was not made twice by two servers.
//! - MySQL writes `uuid:sequence` or `uuid:tag:sequence`. Transactions of one source may be missing in the
//!   middle, so how far a server is takes a *set* of intervals; comparing the highest numbers is wrong.
//!
//! So there are two kinds of ids and of sets, [`mariadb::GtidSet`] and [`mysql::GtidSet`], with the same operations where
//! these mean something: read, print, union, intersect, subtract, `contains_all`.
//!
//! On top of these, what was written is a [`Position`], what a server was seen to have is [`Evidence`], and both come
//! from a [`source::GtidSource`]: one way of asking a server, as statements and the meaning of their rows. How far a server
//! trails is another question, with less exact answers: [`replica`].
//!
//! Nothing in this crate reads a clock, the environment or the network.
#![forbid(unsafe_code)]

pub mod mariadb; // domain-server-sequence
pub mod mysql; // uuid[:tag]:sequence
mod parse; // what a text must look like to be an id or a set
mod position; // what was written, and whether a server's evidence covers it
pub mod replica; // how far a replica trails
pub mod source; // which SQL to run, and what its rows mean
#[cfg(feature = "token")]
pub mod token; // a position as text that leaves the process
mod value; // ids that only the user's SQL understands

pub use self::{
    parse::{MAX_PARTS, MAX_TEXT, ParseGtidError, ParseSetError},
    position::{Coverage, Evidence, Position},
    value::{Value, ValueError},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
