//! The session's calls: begin, commit, roll back.

use std::sync::Arc;

use ms_config::XaOnClose;
use ms_xa::{BranchIx, Coordinator, Failure, Gtrid, Outcome, StateStore, Tag, Why};
use tokio::time::{Instant, timeout};

use super::{
    Global, XaFailure, XaOptions, global, name,
    store::{self, failed},
};
use crate::{
    Cluster, Counter, Error, Session,
    pool::{HeldBy, Phase},
};

/// What the session's call asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Commit,
    RollBack,
}

impl Session {
    /// Begins a global transaction: the servers that statements are sent to from now on take part in it, and
    /// [`xa_commit`](Self::xa_commit) commits on all of them or on none. `gtrid` names it: 1 to 64 bytes.
    ///
    /// Nothing is sent to the servers yet. With an `xa.state_store` it is recorded there. In `strict` statements without a hint
    /// go to primaries, as in any transaction; in `classic` where they would go outside of it, so that replicas take part too.
    ///
    /// Atomic is the commit, not what is seen of it: for a moment others may see it on one server and not yet on another.
    ///
    /// # Errors
    ///
    /// [`Error::GlobalTransaction`]: 1399 when one is open, 1400 when a local transaction is, the store's number when it cannot
    /// be written to. [`Error::AcquireTimeout`] when as many are open already as the smallest pool of the cluster has
    /// connections, and none of them ends in time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it was not begun. A record of it in the store is removed by recovery.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use ms_pool::XaOptions;
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let mut session = db.session();
    /// session.xa_begin("order-4711", XaOptions::default()).await?;
    /// sqlx::query("/*ms=primary*/ UPDATE account SET cents = cents - 100 WHERE id = 1").execute(&mut session).await?;
    /// session.xa_commit("order-4711").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn xa_begin(&mut self, gtrid: impl AsRef<[u8]>, options: XaOptions) -> Result<(), Error> {
        self.take_in_spare();
        let gtrid = name(gtrid, XaFailure::NotStarted)?;
        if self.core.xa.is_some() {
            let text = "The command cannot be executed when global transaction is in the  ACTIVE state. You must end the \
                        global/XA transaction first";
            return Err(Error::xa(XaFailure::Unchanged, 1399, "XAE07", text));
        }
        if self.core.trx.is_open() {
            return Err(global::outside());
        }
        let globals = &self.cluster.inner.globals;
        let limit = self.cluster.inner.members.iter().map(|it| it.pool.limits().acquire_timeout).max();
        let limit = limit.unwrap_or_default();
        let place = timeout(limit, globals.budget.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            self.cluster.inner.hooks.warn(
                "no place for one more global transaction: as many are open as the smallest pool has connections"
                    .to_owned(),
            );
            return Err(Error::NoSlot);
        };
        self.cluster.keep_up();
        let tag = Tag(fastrand::u64(..));
        let seconds = options.timeout.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX));
        let until = options.timeout.and_then(|it| Instant::now().checked_add(it));
        let trx = match &globals.store {
            None => None,
            Some(store) => {
                let new = ms_xa::Begin { gtrid: &gtrid, tag, timeout_secs: seconds, owner: &globals.owner };
                let begun = store.begin(&new).await.map_err(|error| failed(XaFailure::NotStarted, &error))?;
                globals.opened(begun);
                Some(begun)
            }
        };
        let coordinator = Coordinator::new(gtrid, tag, trx.is_some());
        let cluster = self.cluster.clone();
        let servers = Vec::new();
        self.core.xa =
            Some(Box::new(Global { cluster, coordinator, trx, servers, until, ending: false, _place: place }));
        self.cluster.count(Counter::XaBegin, 1);
        Ok(())
    }

    /// Commits the global transaction of that name on all of its servers.
    ///
    /// All are asked to prepare at the same time, then the decision is written to the store if there is one, then all are told to
    /// commit at the same time. With one server there is nothing to agree on, and it commits in one phase.
    ///
    /// `Ok` means that it is committed. A server that could not be told yet will be, by recovery, which a warning says.
    ///
    /// # Errors
    ///
    /// [`Error::GlobalTransaction`]; whatever is left of the transaction, the session has none any more, except with
    /// [`XaFailure::Unchanged`]. With [`XaFailure::RolledBack`] it is committed nowhere. With [`XaFailure::InDoubt`] nobody
    /// knows yet; see [`Cluster::xa_outcome`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background, and its connections are not the session's any more. What came of it
    /// [`Cluster::xa_outcome`] can tell where there is a store.
    pub async fn xa_commit(&mut self, gtrid: impl AsRef<[u8]>) -> Result<(), Error> {
        self.xa_end(gtrid, How::Commit).await
    }

    /// Rolls the global transaction of that name back, on all of its servers.
    ///
    /// # Errors
    ///
    /// [`Error::GlobalTransaction`]: [`XaFailure::Unchanged`] when there is none of that name, otherwise when a server could
    /// not be told. It is rolled back there all the same, with the connection that was lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn xa_rollback(&mut self, gtrid: impl AsRef<[u8]>) -> Result<(), Error> {
        self.xa_end(gtrid, How::RollBack).await
    }

    /// The name of the global transaction that is open.
    #[must_use]
    pub fn global_transaction(&self) -> Option<&Gtrid> {
        self.core.xa.as_ref().map(|it| it.gtrid())
    }

    /// Ends the session in an orderly way: an open global transaction is rolled back, or only recorded as failed where
    /// `xa.rollback_on_close` is off.
    ///
    /// Dropping a session does that too, but nobody waits for it, and nobody hears that it failed.
    ///
    /// # Errors
    ///
    /// As [`xa_rollback`](Self::xa_rollback).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: as dropping the session.
    pub async fn close(mut self) -> Result<(), Error> {
        self.take_in_spare();
        let Some(global) = self.core.xa.take() else { return Ok(()) };
        if self.cluster.inner.globals.on_close == XaOnClose::RollBack {
            self.cluster.count(Counter::XaRollbackOnClose, 1);
            return self.end_global(global, How::RollBack).await;
        }
        let mut global = global;
        global.ending = true;
        // With their connections the branches are gone.
        drop(global.stage(&mut self.slots));
        let (Some(store), Some(trx)) = (&self.cluster.inner.globals.store, global.trx) else { return Ok(()) };
        let ended = store.finish(trx, &global::given_up()).await;
        ended.map_err(|error| failed(XaFailure::RolledBack, &error))
    }

    async fn xa_end(&mut self, gtrid: impl AsRef<[u8]>, how: How) -> Result<(), Error> {
        self.take_in_spare();
        let gtrid = name(gtrid, XaFailure::Unchanged)?;
        let Some(global) = self.core.xa.take() else {
            return Err(Error::xa_unchanged(match how {
                How::Commit => "There is no active XA transaction to commit",
                How::RollBack => "There is no active XA transaction to rollback",
            }));
        };
        if *global.gtrid() != gtrid {
            self.core.xa = Some(global);
            return Err(Error::xa_unchanged("The XA transaction id does not match the one of from XA begin"));
        }
        self.end_global(global, how).await
    }

    /// Ends it in a task of its own, because what is prepared must not be left in the middle.
    pub(super) async fn end_global(&mut self, mut global: Box<Global>, how: How) -> Result<(), Error> {
        global.ending = true;
        let mut stage = global.stage(&mut self.slots);
        let written = self.cluster.inner.rules.is_strict().then(|| Arc::clone(self.core.written_mut(&self.cluster)));
        let task = tokio::spawn(async move {
            let in_time = global::is_in_time(global.until);
            match how {
                How::Commit => global.coordinator.commit(in_time),
                How::RollBack => global.coordinator.rollback(),
            }
            stage.perform(&mut global.coordinator).await;
            let ended = ended(&stage.cluster, &global, how);
            let committed = matches!(global.coordinator.outcome(), Some(Outcome::Committed { .. }));
            if let Some(written) = written.filter(|_| committed) {
                stage.owe(&written);
            }
            for (party, branch) in stage.parties.iter_mut().zip((0..).map(BranchIx)) {
                match &mut party.slot {
                    Some(slot) if global.coordinator.is_reusable(branch) && slot.lease.phase() == Phase::Ready => {
                        global::let_go(slot);
                    }
                    // Whoever still holds a branch, prepared or not, is closed and never used again.
                    slot => *slot = None,
                }
            }
            if let Some(Outcome::RolledBack { left, .. }) = global.coordinator.outcome() {
                // With their connections closed they are for others: nobody has to wait for recovery.
                stage.roll_back_left(&global.coordinator, left).await;
            }
            (stage, ended)
        });
        let Ok((stage, ended)) = task.await else {
            // The runtime is going down.
            return Err(Error::xa(XaFailure::InDoubt, 2000, "HY000", "the runtime ended before the transaction did"));
        };
        for slot in stage.parties.iter().filter_map(|it| it.slot.as_ref()) {
            slot.lease.hold_by(HeldBy::Session);
        }
        Global::unstage(stage, &mut self.slots);
        ended
    }
}

/// What the caller is told, and the statistics.
fn ended(cluster: &Cluster, global: &Global, how: How) -> Result<(), Error> {
    let (success, failure) = match how {
        How::Commit => (Counter::XaCommitSuccess, Counter::XaCommitFailure),
        How::RollBack => (Counter::XaRollbackSuccess, Counter::XaRollbackFailure),
    };
    let result = match global.coordinator.outcome() {
        Some(Outcome::Committed { left }) => {
            left_behind(cluster, global, left);
            Ok(())
        }
        Some(Outcome::RolledBack { why: Why::Asked, .. }) => Ok(()),
        Some(Outcome::RolledBack { why, .. }) => Err(rolled_back(why)),
        Some(Outcome::InDoubt { why, .. }) => Err(in_doubt(global, why)),
        None => Err(Error::xa(XaFailure::InDoubt, 2000, "HY000", "the transaction did not come to its end")),
    };
    cluster.count(if result.is_ok() { success } else { failure }, 1);
    result
}

fn rolled_back(why: &Why) -> Error {
    let outcome = XaFailure::RolledBack;
    let text = match why {
        Why::Participant(_, failure) => {
            let text = format!("Failed to switch participant to {} state: {}", failure.towards.word(), failure.text);
            return Error::xa(outcome, failure.code, &failure.sqlstate, text);
        }
        Why::Store(failure) => return store::failed_as(outcome, failure),
        Why::Late => "the global transaction was rolled back: its time was over",
        Why::Overruled => {
            "the global transaction was rolled back: recovery had taken it over, because its owner did not show up in time"
        }
        _ => "the global transaction was rolled back",
    };
    Error::xa(outcome, 2000, "HY000", text)
}

fn in_doubt(global: &Global, why: &Failure) -> Error {
    let gtrid = global.gtrid();
    let text = format!("nobody knows yet whether the global transaction `{gtrid}` is committed: {}", why.text);
    Error::xa(XaFailure::InDoubt, why.code, &why.sqlstate, text)
}

/// Servers that do not know yet.
fn left_behind(cluster: &Cluster, global: &Global, left: &[BranchIx]) {
    if left.is_empty() {
        return;
    }
    let names: Vec<&str> = left.iter().map(|it| &**cluster.member(global.servers[it.index()]).pool.server()).collect();
    cluster.inner.hooks.warn(format!(
        "the global transaction `{}` is committed, and {} could not be told: recovery tells them",
        global.gtrid(),
        names.join(", ")
    ));
}
