//! What the router is asked about a statement.

use ms_filters::{MustSee, Quality, Request};
use ms_hints::{Access, Level, Protocol, Route, State, Transaction};

use crate::{
    Cluster, Error,
    class::Question,
    pool::{Stake, Stmt},
    session::{Core, Slot, Slots},
    transaction::control_of,
};

impl<'a> Question<'a> {
    #[inline]
    pub(super) fn new(cluster: &'a Cluster, core: &Core, stmt: &'a Stmt, route: Option<Route>) -> Self {
        let protocol = if stmt.args.is_some() { Protocol::Prepared } else { Protocol::Text };
        let mut question = cluster.read(stmt.sql.as_str(), protocol, core.sql_mode(cluster));
        if route.is_some() {
            question.statement.route = route;
        } else if core.xa.is_some() && cluster.inner.rules.is_strict() {
            // As in any transaction: what it has written is to be seen.
            question.statement.route.get_or_insert(Route::Primary);
        }
        if !question.plain {
            question.control = control_of(cluster, core, question.effect);
        }
        if cluster.wants_tables() {
            question.tables = cluster.tables_in(core, stmt.sql.as_str(), protocol);
        }
        question.group.clone_from(&core.group);
        question
    }

    #[inline]
    pub(super) fn request(&self, cluster: &Cluster, core: &Core, slots: &[Slot]) -> Request<'_> {
        let mut request = Request::new(&self.statement);
        request.settings = cluster.inner.rules.settings;
        request.last_used = core.last_used;
        request.tables = self.tables.as_tables();
        request.group = self.group.as_deref();
        let level = self.statement.level.map(quality_of).or(core.level);
        let rules = &cluster.inner.rules;
        (request.level, request.must_see) = match &core.facts.must {
            Some(must) => {
                request.stays = must.stays.as_ref().map(|stays| stays.server);
                let unasked = !rules.level_by_filter && rules.level == Quality::Session;
                (level.or(unasked.then_some(Quality::Session)), MustSee::Position { ask_all: false })
            }
            None if rules.is_strict() => (level, MustSee::Nothing),
            // As the original: without a position that was handed over only primaries have what the session wrote.
            None if core.scope.is_some() => (level, MustSee::Position { ask_all: true }),
            None => (level, MustSee::Unknown),
        };
        request.held = core.holdings.binding(cluster, slots, &self.statement);
        if core.trx.is_open() || self.control.is_some() {
            request.settings.stickiness = core.trx.stickiness(request.settings.stickiness);
            request.settings.pins_picks |= core.trx.guarded;
            request.transaction = core.trx.for_router(self.control, slots);
        }
        request
    }

    /// How fresh its answer is to be.
    #[inline]
    pub(super) fn quality(&self, cluster: &Cluster, core: &Core) -> Quality {
        let rules = &cluster.inner.rules;
        match self.statement.level.map(quality_of).or(core.level) {
            Some(quality) => quality,
            // A level that nobody asked for does not stand against a replica that somebody asks for.
            None if self.statement.route == Some(Route::Replica) && !rules.level_by_filter => Quality::Eventual,
            None => rules.level,
        }
    }

    /// What it has to lose where its connection has died: a proven read is sent again, the rest is not.
    #[inline]
    pub(super) fn stake(&self, cluster: &Cluster, core: &Core) -> Stake {
        let repeated = self.statement.access == Access::Read && cluster.inner.rules.is_strict() && core.xa.is_none();
        if repeated { Stake::Nothing } else { Stake::Failure }
    }

    /// Whether it has to run on one connection, whatever that server has: the one used last, or one that it depends on.
    #[inline]
    pub(super) fn is_tied(&self, cluster: &Cluster, core: &Core, slots: &Slots) -> bool {
        self.statement.target() == Route::LastUsed
            || (self.statement.route.is_none() && core.holdings.binding(cluster, &slots.0, &self.statement).is_some())
    }

    /// The end of a guard's transaction belongs to the guard.
    #[cold]
    pub(super) fn refused_in_guard(&self) -> Option<Error> {
        let (what, instead) = match self.effect.transaction {
            Transaction::Begin { .. } => ("a second `BEGIN`", "`savepoint()`"),
            Transaction::Commit { .. } => ("a `COMMIT` as text", "`commit()`"),
            Transaction::Rollback { .. } => ("a `ROLLBACK` as text", "`rollback()`"),
            _ if self.effect.autocommit.is_some() => ("`SET autocommit`", "`set_autocommit()` of the session"),
            _ => return None,
        };
        let why = format!("{what} would end the transaction without its knowledge: use {instead}");
        Some(Error::Refused { why: why.into() })
    }

    /// A transaction or a lock would outlive the statement, and with it the connection that it is on.
    pub(super) fn refused_without_session(&self) -> Option<&'static str> {
        match self.effect.transaction {
            Transaction::Begin { .. } => return Some("a transaction"),
            Transaction::Commit { .. } | Transaction::Rollback { .. } | Transaction::Savepoint => {
                return Some("the end of a transaction");
            }
            _ => {}
        }
        if self.effect.autocommit == Some(false) {
            return Some("`SET autocommit = 0`");
        }
        let state = self.effect.state;
        (state.contains(State::LOCK)).then_some("a lock").or(state.contains(State::XA).then_some("an XA branch"))
    }
}

/// The level that a hint asks for.
fn quality_of(level: Level) -> Quality {
    match level {
        Level::Eventual => Quality::Eventual,
        Level::Session => Quality::Session,
        Level::Strong => Quality::Strong,
    }
}
