//! A session's open global transaction.
//!
//! A server joins with the first statement that is sent to it: a branch is started there ahead of the statement, and the
//! connection is the transaction's until the end. What comes after the end is on connections that are as they were.

use ms_filters::ServerIx;
use ms_xa::{BranchIx, BranchState, Coordinator, Ending, Failure, Finished, Gtrid, StateStore, TrxId};
use tokio::{
    runtime::Handle,
    sync::OwnedSemaphorePermit,
    time::{Duration, Instant},
};

use super::{
    XaFailure,
    stage::{Party, Stage},
    store,
};
use crate::{
    Cluster, Counter, Error, Session,
    pool::Phase,
    route::open,
    session::{Core, Slots},
};

/// Why a connection in a global transaction is not for others.
const IN_GLOBAL: &str = "global transaction";

/// The transaction as its session knows it.
pub(crate) struct Global {
    pub(super) cluster: Cluster,
    pub(super) coordinator: Coordinator,
    pub(super) trx: Option<TrxId>,
    /// By [`BranchIx`]: who has joined, or has tried. Their connections are the session's.
    pub(super) servers: Vec<ServerIx>,
    /// After it nothing is committed.
    pub(super) until: Option<Instant>,
    /// It is being ended, or has ended: nothing is left to do when it is dropped.
    pub(super) ending: bool,
    pub(super) _place: OwnedSemaphorePermit,
}

impl Global {
    pub(super) fn gtrid(&self) -> &Gtrid {
        self.coordinator.gtrid()
    }

    /// Whether the server takes part.
    pub(crate) fn has(&self, server: ServerIx) -> bool {
        self.branch_on(server).is_some()
    }

    fn branch_on(&self, server: ServerIx) -> Option<BranchIx> {
        let joined = |at: usize| self.coordinator.branches()[at].state == BranchState::Active;
        let at = (0..self.servers.len()).find(|at| self.servers[*at] == server && joined(*at))?;
        u16::try_from(at).ok().map(BranchIx)
    }

    /// The connections of those who take part leave the session.
    pub(super) fn stage(&self, slots: &mut Slots) -> Stage {
        let parties = self.servers.iter().map(|server| Party {
            server: *server,
            slot: self.has(*server).then(|| slots.remove(*server)).flatten(),
            prepared_on: None,
        });
        Stage { cluster: self.cluster.clone(), trx: self.trx, parties: parties.collect() }
    }

    /// And come back.
    pub(super) fn unstage(stage: Stage, slots: &mut Slots) {
        for party in stage.parties {
            if let Some(slot) = party.slot {
                slots.0.retain(|it| it.server != slot.server);
                slots.0.push(slot);
            }
        }
    }
}

/// Nobody is going to end it any more: its connections are closed by whoever held them, which rolls back, and the store is told
/// that there is nothing to wait for.
impl Drop for Global {
    fn drop(&mut self) {
        self.cluster.inner.globals.closed(self.trx);
        if self.ending {
            return;
        }
        self.cluster.count(Counter::XaRollbackOnClose, 1);
        let (Some(trx), Ok(runtime)) = (self.trx, Handle::try_current()) else { return };
        let cluster = self.cluster.clone();
        runtime.spawn(async move {
            if let Some(store) = &cluster.inner.globals.store {
                _ = store.finish(trx, &given_up()).await;
            }
        });
    }
}

/// Nothing was prepared, so there is nothing to wait for.
pub(super) fn given_up() -> Ending {
    Ending {
        state: BranchState::NonExisting,
        intend: BranchState::RolledBack,
        finished: Finished::Failure,
        decision: None,
        branches: Vec::new(),
    }
}

/// Local and global transactions exclude each other.
pub(crate) fn check(core: &Core) -> Result<(), Error> {
    if core.xa.is_some() && core.trx.is_open() {
        return Err(outside());
    }
    Ok(())
}

/// A local transaction is open.
pub(super) fn outside() -> Error {
    let text = "Some work is done outside global transaction. You must end the active local transaction first";
    Error::xa(XaFailure::Unchanged, 1400, "XAE09", text)
}

/// A statement is about to be sent to `server`, which takes part from then on.
///
/// # Errors
///
/// The transaction goes on without the server, and the statement is not to be sent.
///
/// # Cancel safety
///
/// Cancel safe: a branch that was being started is lost with its connection, which is closed.
pub(crate) async fn join_at(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    server: ServerIx,
) -> Result<(), Error> {
    let untried = cluster.inner.rules.is_strict() && slots.get(server).is_some_and(|slot| slot.lease.is_untried());
    let joined = join_once(cluster, core, slots, server).await;
    let broken = slots.get(server).is_none_or(|slot| slot.lease.phase() == Phase::Broken);
    if joined.is_ok() || !untried || !broken {
        return joined;
    }
    // It died on the idle stack; nothing was begun on it.
    slots.remove(server);
    open(cluster, core, slots, server).await?;
    join_once(cluster, core, slots, server).await
}

async fn join_once(cluster: &Cluster, core: &mut Core, slots: &mut Slots, server: ServerIx) -> Result<(), Error> {
    let Some(global) = core.xa.as_deref_mut().filter(|it| !it.has(server)) else { return Ok(()) };
    let Some(branch) = global.coordinator.join() else {
        return Err(Error::xa_unchanged("no more servers can join the global transaction"));
    };
    global.servers.push(server);
    let mut slot = slots.remove(server);
    if let Some(slot) = &mut slot {
        // Until the end; and if this future is dropped half-way, for good.
        slot.lease.taint(IN_GLOBAL);
    }
    let parties = global.servers.iter().map(|server| Party { server: *server, slot: None, prepared_on: None });
    let mut stage = Stage { cluster: cluster.clone(), trx: global.trx, parties: parties.collect() };
    stage.parties[branch.index()].slot = slot;
    stage.perform(&mut global.coordinator).await;
    let it = &global.coordinator.branches()[branch.index()];
    let (joined, failure) = (it.state == BranchState::Active, it.failure.clone());
    Global::unstage(stage, slots);
    if joined {
        cluster.count(Counter::XaParticipants, 1);
        return Ok(());
    }
    if let Some(slot) = slots.get(server)
        && slot.lease.phase() == Phase::Ready
    {
        // Whether it has begun is not certain.
        slots.remove(server);
    }
    Err(not_joined(failure))
}

impl Session {
    /// A statement that stays with `server` is about to run there.
    ///
    /// # Errors
    ///
    /// As [`check`] and [`join_at`].
    pub(crate) async fn join_global(&mut self, server: ServerIx) -> Result<(), Error> {
        let Self { cluster, slots, core } = self;
        check(core)?;
        match slots.get(server) {
            Some(_) => join_at(cluster, core, slots, server).await,
            // The statement will say that its connection is gone.
            None => Ok(()),
        }
    }
}

/// A participant's connection is gone, and its branch with it.
pub(crate) fn lost(cluster: &Cluster, server: ServerIx) -> Error {
    let name = cluster.member(server).pool.server();
    let text = format!(
        "the part of the global transaction on server `{name}` was rolled back, its connection was lost: the transaction can \
         only be rolled back"
    );
    Error::xa(XaFailure::Unchanged, 2006, "HY000", text)
}

fn not_joined(failure: Option<Failure>) -> Error {
    let Some(failure) = failure else {
        return Error::xa_unchanged("Failed to add participant and switch to XA_BEGIN state");
    };
    if failure.towards == BranchState::NonExisting {
        // It could not be written down, so it was not begun.
        return store::failed_as(XaFailure::Unchanged, &failure);
    }
    let mut text = format!("Failed to add participant and switch to XA_BEGIN state: {}", failure.text);
    if failure.code == GALERA {
        text.push_str(" (synchronous clusters of this kind have no global transactions)");
    }
    Error::xa(XaFailure::Unchanged, failure.code, &failure.sqlstate, text)
}

/// `ER_NOT_SUPPORTED_YET`: Galera's answer.
const GALERA: u16 = 1235;

/// Time that is left; zero when it is over.
pub(super) fn is_in_time(until: Option<Instant>) -> bool {
    until.is_none_or(|until| until.saturating_duration_since(Instant::now()) > Duration::ZERO)
}

/// The connection is as it was before it joined, if nobody else had marked it.
pub(super) fn let_go(slot: &mut crate::session::Slot) {
    if slot.lease.marks() == 1 && slot.lease.dirty() == Some(IN_GLOBAL) && slot.lease.is_ready() {
        slot.lease.untaint();
    }
}
