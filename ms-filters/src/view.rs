//! What is known about the servers at this moment.
//!
//! The router asks, the pool answers from memory: nothing here waits. Any of it may be unknown, and unknown is never
//! taken for good news.

use std::time::Duration;

use crate::server::ServerIx;

/// What the pool knows about the servers, for one statement of one session.
pub trait View {
    /// What is known about one server.
    fn server(&self, server: ServerIx) -> ServerState;

    /// Whether a connection to it is at hand, and whether it is remembered as failed: as [`server`](Self::server) says. Most
    /// statements need no more than that, and a view that has to look for the rest may spare it them.
    #[inline]
    fn reach(&self, server: ServerIx) -> Reach {
        let ServerState { open, failed, .. } = self.server(server);
        Reach { open, failed }
    }
}

const _: Option<&dyn View> = None; // Stays object safe.

/// What is known about one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// A connection is at hand, so using the server needs no [`Step::Open`](crate::Step::Open).
    pub open: bool,
    /// It failed before and is remembered for it; looked at with `remember_failed` only.
    pub failed: bool,
    /// How far it trails its primary; `None` is unknown, which is not a small lag.
    pub lag: Option<Duration>,
    /// Whether it has what this session must see.
    pub freshness: Freshness,
    /// Statements running on it from this process; `None` is unknown.
    pub load: Option<u32>,
}

/// The first two of [`ServerState`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// A connection is at hand.
    pub open: bool,
    /// It failed before and is remembered for it.
    pub failed: bool,
}

/// Whether a server has replayed what a session must see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It has.
    Reached,
    /// It has not.
    Behind,
    /// It has not, and the caller has said that the past will do.
    Excused,
    /// Nobody knows yet.
    #[default]
    Unknown,
}
