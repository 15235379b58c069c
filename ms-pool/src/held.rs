//! What a session has set up on its connections, and who depends on it.
//!
//! A connection remembers: user variables, temporary tables, locks, changed settings. In `strict` a statement that may
//! depend on such state goes where it is; which kind it was stands in the decision. Where that cannot be told from the text, it
//! may. A hint is the way out, for it is obeyed.
//!
//! A few settings that applications choose once for all they do (time zone, SQL mode, isolation level, time limits,
//! character set, default database) bind nothing: the session's other connections are told the same before
//! they are used next.
//!
//! When a connection with such state is given up because its caller stopped waiting, the next statement says so once;
//! a statement that meets a broken connection says so itself.

use std::sync::Arc;

use ms_filters::{Decision, Held, Reason, Role, ServerIx};
use ms_hints::{Access, Effect, State, Statement};

use crate::{
    Cluster, Counter, Error,
    pool::Phase,
    session::{Core, Slot, Slots},
    wishes::SETTING_LIMIT,
};

/// What binds statements that do not mention it.
const BINDS_ALL: [(State, Reason); 4] = [
    (State::TEMPORARY_TABLE, Reason::HeldTable),
    (State::LOCK, Reason::HeldLock),
    (State::SESSION_VARIABLE, Reason::HeldSetting),
    (State::UNKNOWN, Reason::HeldUnknown),
];

/// More settings than any application has; one that sets them in a loop is bound to its connection.
const MOST_SETTINGS: usize = 64;

/// What a session holds on its connections altogether.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// At least one connection holds something that binds.
    any: bool,
    /// The settings so far, in their order; each may be made twice, but none after a later one.
    settings: Vec<Arc<str>>,
    /// One that was sent and not answered yet.
    pending: Option<Arc<str>>,
}

/// What one connection holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hold {
    pub(crate) state: State,
    /// How many of the session's settings it was told.
    told: usize,
    /// What was prepared on it means another database.
    outdated: bool,
}

/// Whether `effect` is that of a setting that other connections can be told.
#[inline]
pub(crate) fn is_setting(effect: Effect) -> bool {
    effect.state == State::SETTING || effect.state == State::DATABASE
}

impl Holdings {
    /// Whether a statement can depend on anything.
    #[inline]
    pub(crate) fn bind_any(&self) -> bool {
        self.any
    }

    /// Whether a connection must be told something before it is used.
    #[inline]
    pub(crate) fn is_behind(&self, hold: Hold) -> bool {
        hold.told < self.settings.len() || hold.outdated
    }

    /// Where a statement has to go for what it may depend on.
    #[inline]
    pub(crate) fn binding(&self, cluster: &Cluster, slots: &[Slot], statement: &Statement<'_>) -> Option<Held> {
        if self.any { binding(cluster, slots, statement) } else { None }
    }

    /// The same settings, for a session that stands in for this one.
    pub(crate) fn for_another(&self) -> Self {
        Self { any: false, settings: self.settings.clone(), pending: None }
    }

    /// Whether the decision was made for what the session holds.
    #[inline]
    pub(crate) fn decided(&self, decision: &Decision) -> bool {
        self.any && decision.steps().any(|step| step.reason.is_held())
    }

    /// A statement with this effect is about to be sent on a connection.
    pub(crate) fn note(&mut self, hold: &mut Hold, effect: Effect, sql: &[u8]) {
        let mut state = effect.state;
        if is_setting(effect) && self.settings.len() < MOST_SETTINGS {
            self.pending = Some(String::from_utf8_lossy(sql).into());
            return;
        }
        if state.intersects(State::SETTING | State::DATABASE) {
            // What is set in passing is not told to others.
            state |= State::SESSION_VARIABLE;
        }
        hold.state |= state;
        self.any |= binds(state);
    }

    /// The setting was made on the session's connection to `server`, or refused.
    pub(crate) fn answered(&mut self, slots: &mut Slots, server: ServerIx, done: bool) {
        let Some(sql) = self.pending.take().filter(|_| done) else {
            return;
        };
        self.add(slots, sql);
        if let Some(slot) = slots.use_now(server) {
            // It was up to date before, or the statement would not have been sent.
            slot.hold.told = self.settings.len();
            slot.hold.outdated = true;
        }
    }

    /// All connections were told something that later ones must not take back by catching up.
    pub(crate) fn told_all(&mut self, slots: &mut Slots, sql: &str) {
        if !self.settings.is_empty() {
            self.add(slots, sql.into());
        }
    }

    fn add(&mut self, slots: &mut Slots, sql: Arc<str>) {
        let before = self.settings.len();
        self.settings.retain(|it| *it != sql);
        if self.settings.len() < before {
            // What the others were told is no longer the beginning of the list. Once more from there does no harm.
            slots.0.iter_mut().for_each(|slot| slot.hold.told = 0);
        }
        self.settings.push(sql);
    }
}

/// Whether statements can depend on it.
fn binds(state: State) -> bool {
    let all = [State::USER_VARIABLE, State::PREPARED].into_iter().chain(BINDS_ALL.map(|(kind, _)| kind));
    all.into_iter().any(|kind| state.intersects(kind))
}

#[cold]
fn binding(cluster: &Cluster, slots: &[Slot], statement: &Statement<'_>) -> Option<Held> {
    let writes = statement.access == Access::Write;
    // The one used last first: what was set there is the latest.
    slots.iter().rev().find_map(|slot| {
        let state = slot.hold.state;
        let by_itself = BINDS_ALL.iter().find(|(kind, _)| state.intersects(*kind)).map(|(_, reason)| *reason);
        // Writes are not looked through for variables and `EXECUTE`.
        let variable = (state.contains(State::USER_VARIABLE) && (statement.user_variables || writes))
            .then_some(Reason::HeldVariable);
        let prepared = (state.contains(State::PREPARED) && writes).then_some(Reason::HeldPrepared);
        let reason = by_itself.or(variable).or(prepared)?;
        let takes_writes = cluster.member(slot.server).role == Role::Primary;
        (takes_writes || !writes).then_some(Held { server: slot.server, reason, takes_writes })
    })
}

/// Gives up connections whose caller stopped waiting.
///
/// # Errors
///
/// [`Error::StateLost`], once, if one of them held something.
#[cold]
pub(crate) fn check(slots: &mut Slots) -> Result<(), Error> {
    let abandoned = |slot: &Slot| slot.lease.phase() == Phase::Asking && binds(slot.hold.state);
    let lost = slots
        .0
        .iter()
        .find(|slot| abandoned(slot))
        .map(|slot| Error::StateLost { server: Arc::clone(slot.lease.server()) });
    slots.0.retain(|slot| !abandoned(slot));
    lost.map_or(Ok(()), Err)
}

/// Tells a connection the settings it does not know yet.
///
/// # Errors
///
/// A server's refusal is an [`Error::Setup`], as if it had been told so at its first words.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(crate) async fn catch_up(
    cluster: &Cluster,
    core: &Core,
    slots: &mut Slots,
    server: ServerIx,
) -> Result<(), sqlx::Error> {
    let Some(slot) = slots.use_now(server) else {
        return Ok(());
    };
    let settings = &core.holdings.settings;
    if let Some(missing @ [_, ..]) = settings.get(slot.hold.told..) {
        if slot.lease.dirty().is_none() {
            cluster.count(Counter::DirtyClosed, 1);
        }
        slot.lease.taint("setting");
        slot.lease.run_text(&missing.join("; "), SETTING_LIMIT).await.map_err(|source| Error::Setup {
            server: Arc::clone(slot.lease.server()),
            statement: "a setting of the session".into(),
            source,
        })?;
        slot.hold = Hold { told: settings.len(), outdated: true, ..slot.hold };
    }
    if slot.hold.outdated {
        // A prepared statement means the tables of the database it was prepared in, for ever.
        slot.lease.forget_statements(SETTING_LIMIT).await?;
        slot.hold.outdated = false;
    }
    Ok(())
}
