//! The seam: what a filter is.
//!
//! Filters stand in a row. Each takes away the servers that are unfit for the statement, and the last one picks among
//! those that are left. None of them connects, waits, or asks the clock: whatever a filter needs is in its [`Cx`], and
//! what it needs and cannot find there it asks for with [`Verdict::Needs`].

use std::{any::Any, fmt, time::Duration};

use crate::{
    attempt::Attempt,
    candidates::Candidates,
    memory::{ClusterSlot, SessionSlot},
    reason::Reason,
    record::Sink,
    request::Request,
    rng::Rng,
    server::{Role, ServerIx},
    share::Shares,
    topology::Topology,
    view::View,
    warnings::Warnings,
    why::Why,
};

/// One rule about where statements may run.
///
/// Implementations keep no state of their own that depends on statements: what a session chose goes to
/// [`Cx::session`], what sessions share goes to [`Cx::cluster`], so one pipeline can serve any number of them.
///
/// # Examples
///
/// A filter that keeps statements away from busy replicas:
///
/// ```
/// use ms_filters::{Candidates, Cx, Filter, Kind, Reason, Role, Verdict};
///
/// #[derive(Debug)]
/// struct NotTooBusy(u32);
///
/// impl Filter for NotTooBusy {
///     fn name(&self) -> &str {
///         "not_too_busy"
///     }
///
///     fn kind(&self) -> Kind {
///         Kind::Narrows
///     }
///
///     fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
///         // A load that nobody knows is no reason to stay away.
///         let fits = |it| cx.view.server(it).load.is_none_or(|load| load <= self.0);
///         candidates.retain(|role, it| role == Role::Primary || fits(it));
///         Verdict::Keep(Reason::Narrowed)
///     }
/// }
/// ```
pub trait Filter: fmt::Debug + Send + Sync + Any {
    /// The name it has in configuration files and decisions.
    fn name(&self) -> &str;

    /// What it does with candidates; the same at every call.
    fn kind(&self) -> Kind;

    /// Looks at one statement.
    ///
    /// A filter that narrows is called once per statement, or twice when it asked for facts. One that picks is called
    /// again for every server that could not be used; those are in [`Cx::tried`].
    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict;

    /// Told once per statement that `server`, which this filter picked, has a working connection.
    fn picked(&self, cx: &mut Cx<'_>, candidates: &Candidates, server: ServerIx) {
        let _ = (cx, candidates, server);
    }

    /// For a filter that picks by itself: told that `server`, which it picked, could not be opened.
    fn not_reached(&self, cx: &mut Cx<'_>, server: ServerIx) {
        let _ = (cx, server);
    }

    /// For a filter that balances: which part of such statements each candidate of `role` gets. For people only.
    fn shares(&self, cx: &mut Cx<'_>, candidates: &Candidates, role: Role) -> Shares {
        let _ = (cx, candidates, role);
        Shares::unknown()
    }

    /// Whether it looks at [`Request::tables`]; the same at every call. Finding them means parsing the text.
    fn wants_tables(&self) -> bool {
        false
    }

    /// Whether it knows a group of servers by this name, which [`Request::group`] may ask for.
    fn knows_group(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Told that a statement got no server: what there is to say about that beside the reason, when it was this filter's
    /// doing.
    fn explain(&self, request: &Request<'_>, why: Why) -> Option<String> {
        let _ = (request, why);
        None
    }
}

const _: Option<&dyn Filter> = None; // Stays object safe.

/// What a filter does with candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes some away; the original's multi filters.
    Narrows,
    /// Picks one of the role the router names: hints, stickiness, `master_on_write` and failover are the router's.
    Balances,
    /// Picks any candidate by itself, whatever the statement is, and nothing is tried in its place: the original's
    /// `user` filter.
    Picks,
}

impl Kind {
    /// Whether it picks, so that nothing may follow it.
    #[must_use]
    pub const fn ends_the_pipeline(self) -> bool {
        matches!(self, Kind::Balances | Kind::Picks)
    }
}

/// What a filter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with the candidates. What a filter that picks never says.
    Keep(Reason),
    /// This candidate. What only a filter that picks says.
    Pick(ServerIx, Reason),
    /// It must know these first. Only before anything is picked, and once per statement.
    Needs(Facts),
    /// No server. A filter that balances says so when every candidate of the role was tried.
    Refuse(Reason),
}

/// Facts that cost a question to the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// [`ServerState::lag`](crate::ServerState::lag) of every candidate replica.
    pub lag: bool,
    /// A lag above this is of no use, so how much above it is does not matter; `None` where every lag is of use.
    pub within: Option<Duration>,
    /// [`ServerState::freshness`](crate::ServerState::freshness) of every candidate replica.
    pub freshness: bool,
}

impl Facts {
    /// How far the candidate replicas trail.
    pub const LAG: Facts = Facts { lag: true, within: None, freshness: false };
    /// Whether the candidate replicas have what the session must see.
    pub const FRESHNESS: Facts = Facts { lag: false, within: None, freshness: true };
}

/// All a filter may look at and touch. The fields are public so that several can be borrowed at once.
#[derive(Debug)]
pub struct Cx<'a> {
    /// What the statement asks for.
    pub request: &'a Request<'a>,
    /// The servers as configured.
    pub topology: &'a Topology,
    /// What is known about them now.
    pub view: &'a dyn View,
    /// Time since some fixed moment of the process.
    pub now: Duration,
    /// Randomness.
    pub rng: &'a mut Rng,
    /// How far this statement has got.
    pub attempt: &'a mut Attempt,
    /// Servers that could not be used for this statement; empty at the first pick.
    pub tried: &'a [ServerIx],
    /// What this filter remembers for the session.
    pub session: &'a mut SessionSlot,
    /// What this filter remembers for the cluster.
    pub cluster: &'a ClusterSlot,
    /// What a user should know although the statement may succeed.
    pub warnings: &'a mut Warnings,
    /// Somebody who wants to know who is taken away and why.
    pub sink: Option<&'a mut dyn Sink>,
}

impl fmt::Debug for dyn View + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

impl fmt::Debug for dyn Sink + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
