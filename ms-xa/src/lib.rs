//! Two-phase commit over several servers: all of them commit, or none does.
//!
//! MySQL and MariaDB speak the XA protocol: a *branch* is opened on each server, prepared, and then committed or rolled
//! back by a coordinator. What makes a coordinator correct is not the happy path but what it wrote down, and when:
//! the decision to commit must be durable before the first `XA COMMIT` leaves, or a crash in between tears the
//! transaction apart.
//!
//! Here is that coordinator without its hands: two state machines and what they need. A [`Coordinator`] is one transaction as its
//! owner sees it, a [`Recovery`] is one that its owner left behind. Both say what has to be done and are told what came of it; whoever
//! drives them has the connections, the clock and the [`StateStore`]. So all that can be lost, late or doubled can be tried out, and is:
//! the tests enumerate it.
//!
//! **Atomic commit is not atomic visibility.** Somebody who reads while a transaction is being committed may see it on one server and
//! not yet on the other.
//!
//! Nothing in this crate reads a clock, draws random numbers or does I/O.
#![forbid(unsafe_code)]

mod action; // what a coordinator wants done, and what comes back
mod branch; // one server's part, and how far it is
mod coordinator; // a transaction as its owner sees it
mod failure; // what somebody answered instead of doing it
mod gtrid; // what the application calls a transaction
mod memory; // a store that forgets
mod recovery;
pub mod sql; // the statements, and what servers say to them
mod store; // what is written down
mod xid; // how a branch is named on the wire // a transaction that its owner left behind

pub use self::{
    action::{Action, Answer, Outcome, Why},
    branch::{BranchIx, BranchState},
    coordinator::{Branch, Coordinator},
    failure::Failure,
    gtrid::Gtrid,
    memory::MemoryStore,
    recovery::{Obstacle, Recovered, Recovery, RecoveryAction, RecoveryAnswer},
    store::{
        Attempt, Begin, Decision, Ending, Enlisted, Finished, Known, Place, Record, RecordedBranch, Settlement,
        StateStore, StoreError, TrxId, Verdict,
    },
    xid::{InvalidXid, Tag, Xid},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
