//! One statement on its way: what was tried, and what to do next.
//!
//! Between two steps the pool waits for a server, so the state of a decision is a value that the pool carries across its
//! awaits. It is small, owns nothing, and dropping it at any moment leaves nothing behind.

use crate::{
    candidates::Candidates,
    decision::Decision,
    filter::Facts,
    reason::Reason,
    request::{Request, Split},
    server::{PerRole, Role, ServerIx},
    tally::Tally,
    warnings::Warnings,
    why::Why,
};

use ms_hints::{Access, Route};

/// What the pool does next for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a step that nobody performs leaves the statement without a server"]
pub enum Step {
    /// Run the statement there; a connection is open.
    Use(ServerIx),
    /// Open a connection there and report [`Outcome::Opened`] or [`Outcome::OpenFailed`].
    Open(ServerIx),
    /// Ask the candidate replicas for these facts, show them in the view, and report [`Outcome::Fetched`]. What could
    /// not be learnt stays unknown.
    Fetch(Facts),
    /// The statement fails with the error of this server's last failed open, which need not have happened for this
    /// statement: a server remembered as failed is not tried again.
    Give(ServerIx),
    /// The statement fails with this.
    Fail(Why),
}

/// What came of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The connection is open, made for this statement.
    Opened,
    /// A connection was at hand after all, taken from where idle ones are kept.
    Reused,
    /// The server turned out to be one that is avoided, so it was not tried; only where
    /// [`may_be_avoided`](Attempt::may_be_avoided) says so.
    Avoided,
    /// The server could not be reached or refused the login.
    OpenFailed,
    /// The view has what could be learnt.
    Fetched,
}

/// Memory for one decision, used again for the next.
///
/// It is needed from [`Router::start`](crate::Router::start) until the last step of the statement, and by nobody else
/// meanwhile. Most statements need no second step, so one per thread goes a long way: take it out for the others.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) candidates: Candidates,
    pub(crate) tried: Vec<ServerIx>,
    pub(crate) warnings: Warnings,
}

impl Scratch {
    /// What filters had to say about the statement; forgotten when the next one starts.
    #[inline]
    pub fn warnings(&mut self) -> &mut Warnings {
        &mut self.warnings
    }

    /// Where the statement may run as far as filters have had their say: whom a [`Step::Fetch`] is about.
    #[must_use]
    pub fn candidates(&self) -> &Candidates {
        &self.candidates
    }
}

/// How far a statement has got.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub(crate) phase: Phase,
    pub(crate) class: Class,
    /// The session had written when the statement started.
    pub(crate) wrote: bool,
    pub(crate) fetched: bool,
    /// The level that the session was given was met; only then filters have their turn.
    pub(crate) level_met: bool,
    /// An empty side of replicas is the doing of a service level, which a primary meets as well.
    pub(crate) primaries_stand_in: bool,
    /// Sides that table rules have emptied.
    pub(crate) emptied_by_tables: PerRole<bool>,
    /// The role that is balanced now.
    pub(crate) role: Role,
    /// The next filter; behind the last one that narrows the statement is being picked for.
    pub(crate) filter: u8,
    /// Servers looked at on this side.
    pub(crate) looked_at: u16,
    /// The server looked at last on this side.
    pub(crate) last: Option<ServerIx>,
    /// The server that could not be opened last on this side.
    pub(crate) unreachable: Option<ServerIx>,
    /// The first server of each side that was passed over, and would do if there is no other.
    pub(crate) last_resort: PerRole<Option<ServerIx>>,
    pub(crate) decision: Decision,
    pub(crate) tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Filters have yet to narrow.
    Narrowing,
    /// A side was chosen and is balanced.
    Balancing,
    /// A connection to this server is awaited.
    Opening(ServerIx, By),
    /// Facts are awaited, then this goes on.
    Fetching(Resume),
    /// The last step is out.
    Done,
}

/// Who named the server that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A load balancer: another server may take its place.
    Balance,
    /// The same, of servers that are to be avoided: nobody else is left.
    LastResort,
    /// A filter that picks by itself.
    Filter,
    /// The statement before this one.
    LastUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    Narrowing,
    Balancing,
}

/// Where a statement wants to go by itself: its hint, its text, and whether splitting is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) target: Target,
    pub(crate) hinted: bool,
    pub(crate) reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Side(Role),
    LastUsed,
}

impl Attempt {
    #[inline(always)]
    pub(crate) fn new(request: &Request<'_>, wrote: bool) -> Self {
        let class = Class::of(request);
        let guess = match class.target {
            Target::Side(role) if !class.hinted => Some(role),
            _ => None,
        };
        Attempt {
            phase: Phase::Narrowing,
            class,
            wrote,
            fetched: false,
            level_met: false,
            primaries_stand_in: false,
            emptied_by_tables: PerRole { primary: false, replica: false },
            role: Role::Replica,
            filter: 0,
            looked_at: 0,
            last: None,
            unreachable: None,
            last_resort: PerRole::default(),
            decision: Decision::new(),
            tally: Tally::of(request.statement, request.settings, guess),
        }
    }

    /// The role a filter that balances picks from.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether facts were fetched for this statement already; what is unknown now stays unknown.
    #[must_use]
    pub fn has_fetched(&self) -> bool {
        self.fetched
    }

    /// Says that primaries are as good as replicas for this statement: a read that finds no replica left goes to a
    /// primary, whatever the failover strategy. A filter for service levels says so.
    pub fn let_primaries_stand_in(&mut self) {
        self.primaries_stand_in = true;
    }

    /// Whether the server that is to be opened may be passed over instead, with [`Outcome::Avoided`]: it was picked by a load
    /// balancer, and not because nobody else is left.
    #[must_use]
    pub fn may_be_avoided(&self) -> bool {
        matches!(self.phase, Phase::Opening(_, By::Balance))
    }

    /// What was decided, complete when the last step is out.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Which statistics the statement moves, complete when the last step is out.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Why there is nobody on a side.
    pub(crate) fn none_left(&self, role: Role) -> Reason {
        match (role, *self.emptied_by_tables.of(role)) {
            (Role::Primary, true) => Reason::TableWithoutPrimary,
            (Role::Primary, false) => Reason::NoPrimary,
            (Role::Replica, true) => Reason::TableWithoutReplica,
            (Role::Replica, false) => Reason::NoReplica,
        }
    }

    /// Turns to a side from its beginning.
    pub(crate) fn balance(&mut self, role: Role) {
        self.phase = Phase::Balancing;
        self.role = role;
        self.looked_at = 0;
        self.last = None;
        self.unreachable = None;
    }
}

impl Class {
    #[inline(always)]
    fn of(request: &Request<'_>) -> Self {
        let statement = request.statement;
        let splits = request.settings.split == Split::ReadsToReplicas;
        let to = |side, reason| match splits {
            true => (Target::Side(side), reason),
            false => (Target::Side(Role::Primary), Reason::SplitDisabled),
        };
        let (target, reason) = match (statement.route, statement.access) {
            // First what most of them are.
            (None, Access::Read) => to(Role::Replica, Reason::Read),
            (None, Access::Write) => to(Role::Primary, Reason::Write),
            (Some(Route::LastUsed), _) => (Target::LastUsed, Reason::HintLastUsed),
            (Some(Route::Primary), _) => to(Role::Primary, Reason::HintPrimary),
            (Some(Route::Replica), _) => to(Role::Replica, Reason::HintReplica),
            (None, Access::Follow) if request.last_used.is_some() => (Target::LastUsed, Reason::Follow),
            (None, Access::Follow) => to(Role::Primary, Reason::FollowNothing),
        };
        Class { target, hinted: statement.route.is_some(), reason }
    }
}
