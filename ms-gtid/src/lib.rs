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
//! This crate has the single ids today: [`mariadb::Gtid`] and [`mysql::Gtid`]. Sets, positions of sessions and the
//! question "has this server what I wrote?" build on them and come with the consistency levels; nothing here pretends
//! to answer it yet.
//!
//! Nothing in this crate reads a clock, the environment or the network.
#![forbid(unsafe_code)]

pub mod mariadb; // domain-server-sequence
pub mod mysql; // uuid[:tag]:sequence
mod parse; // what a text must look like to be an id

pub use self::parse::ParseGtidError;
