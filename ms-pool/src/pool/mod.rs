//! Connections to one server, for as long as they are of use.
//!
//! sqlx has a pool; this is not a wrapper around it. Three of its properties do not fit a router: it pings on every
//! release, a statement that was cancelled at the wrong byte can cost a slot for ever, and a refused connect is
//! retried in silence until all that is left to say is "timed out". A router lives on connections that are cheap to
//! take, on slots that always come back and on the *reason* a server cannot be used.
//!
//! Life of a connection:
//!
//! ```text
//!             ┌──────────── idle stack ◄───────────┐  settled: its answer was read to the end
//!   dial ──►  Lease ──► Guarded stream ──► Lease ──┤
//!             ▲                                    └─ closed: broken, dirty, old, or left in mid-answer
//!             └─ FIFO of waiters (a slot per connection)                └─► `KILL` on the side
//! ```
//!
//! The law of this module: **a connection whose answer was not read to the end is not a connection.** sqlx notes that
//! an answer is awaited only in passing; a future dropped between header and payload leaves the stream out of step,
//! and the next statement waits for ever or is told about somebody else's error. So every await on a connection is
//! preceded by a mark that only a complete answer takes away again ([`phase`]).

mod apart; // what sets a connection apart
mod dial; // one connect, from address to identity
mod first_row; // one row, and the end of its answer
mod guarded; // a statement's answer, watched
mod holders; // who holds a connection, and since when
mod kill; // tells the server that nobody is listening any more
mod lease; // the right to use a connection
mod lend; // slots and set-up for connections that sqlx's pool makes
mod limits; // how many, how long
mod link; // a connection and what is known about it
mod outage; // a server that could not be reached
mod phase; // where the conversation stands
mod pool_state; // what there is to see from outside
mod reaper; // closes what was idle for too long
mod server_pool; // slots, waiters, idle stack
mod settle; // reads the rest of an answer nobody wanted
mod setup; // the first words on a new connection
mod shelf; // the idle stack itself
mod stmt; // a statement, taken apart
mod target; // what to dial
mod watch; // what the cluster makes of a server
mod whereabouts; // where an address leads

pub use self::holders::{HeldBy, Holder};
pub(crate) use self::{
    apart::Apart,
    first_row::first_row,
    guarded::Guarded,
    lease::Lease,
    lend::ReservedSlots,
    limits::{Limits, Stake},
    phase::Phase,
    server_pool::ServerPool,
    stmt::Stmt,
    target::{Address, Belt, Charset, Configured, Dial, Target, Tls, TlsMode},
    watch::Watch,
};

#[cfg(test)]
mod tests;
