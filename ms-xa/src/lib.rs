//! Two-phase commit over several servers: all of them commit, or none does.
//!
//! MySQL and MariaDB speak the XA protocol: a *branch* is opened on each server, prepared, and then committed or rolled
//! back by a coordinator. What makes a coordinator correct is not the happy path but what it wrote down, and when:
//! the decision to commit must be durable before the first `XA COMMIT` leaves, or a crash in between tears the
//! transaction apart.
//!
//! This crate holds the identifier of a branch, [`Xid`], today. The state machine, the store and the recovery come with the
//! coordinator; nothing here pretends to be one.
#![forbid(unsafe_code)]

mod xid; // how a branch is named on the wire

pub use self::xid::{InvalidXid, Xid};
