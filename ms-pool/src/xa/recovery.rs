//! Finishes what a crash has left behind.
//!
//! What is to be done about one transaction is decided by [`ms_xa::Recovery`] from its record alone, so any process with the
//! section's configuration can do it, and several at once do no harm.

use std::{
    collections::HashMap,
    fmt,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use ms_xa::{
    Attempt, BranchIx, Decision, Gtrid, Obstacle, Place, Record, Recovered, Recovery, RecoveryAction, StoreError, Xid,
};

use self::perform::perform;
use super::{
    Keeper, XaFailure, name, participant,
    store::{failed, words},
};
use crate::{Cluster, Error, pool::ServerPool};

pub(super) mod perform; // at the store and at the servers

/// Records that are worked on at the same time: much of it is waiting for servers to write their logs.
const ABREAST: usize = 8;
/// What [`Cluster::xa_gc`] is to look at.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct XaGcOptions {
    only: Option<Box<[u8]>>,
    ignore_max_retries: bool,
}

impl XaGcOptions {
    /// The transactions of this name only.
    #[must_use]
    pub fn only(mut self, gtrid: impl AsRef<[u8]>) -> Self {
        self.only = Some(gtrid.as_ref().into());
        self
    }

    /// Also those that were tried as often as `max_retries` allows.
    #[must_use]
    pub fn ignore_max_retries(mut self, ignore: bool) -> Self {
        self.ignore_max_retries = ignore;
        self
    }
}

/// What a run of recovery has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaCollected {
    /// Records that are gone because there is nothing left to do.
    pub removed: u32,
    /// Of these, transactions that were finished by this run, by committing what was prepared.
    pub committed: u32,
    /// And by rolling back.
    pub rolled_back: u32,
    /// Branches that were to be committed and were not there any more: their owner has done it most likely, but an
    /// operator could have rolled them back.
    pub presumed: u32,
    /// Those that have to be tried again, and why.
    pub left: Vec<XaLeft>,
}

/// A transaction that could not be finished yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaLeft {
    /// Its name.
    pub gtrid: Gtrid,
    /// What stands in the way, server by server.
    pub why: String,
    /// Nobody is going to try again by himself: it was tried as often as `max_retries` allows.
    pub given_up: bool,
}

impl fmt::Display for XaLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the global transaction `{}` is not finished: {}", self.gtrid, self.why)
    }
}

impl Cluster {
    /// Finishes global transactions that were left behind, and removes the records of those that have ended: the original's
    /// garbage collection.
    ///
    /// One with a decision to commit is committed wherever it is still prepared; one without is rolled back, after its owner was
    /// kept from committing it. Only what has failed, or is past its time, or whose owner has not shown up for half a minute is
    /// touched. At most `max_transactions_per_run` records are looked at. Without a store there is nothing to do. Where MariaDB has
    /// not written yet that a branch is rolled back it is waited for, which takes a second at most.
    ///
    /// Wherever a store is configured this happens by itself about every ten seconds, in one process of those that share it; calling
    /// it is for those who do not want to wait, or have ended a failure by hand.
    ///
    /// # Errors
    ///
    /// [`Error::GlobalTransaction`] when the store cannot be asked, and, with [`XaGcOptions::only`], when that transaction was
    /// tried too often already.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was begun is found by the next run.
    pub async fn xa_gc(&self, options: XaGcOptions) -> Result<XaCollected, Error> {
        let only = options.only.as_deref().map(|it| name(it, XaFailure::Unchanged)).transpose()?;
        let globals = &self.inner.globals;
        let Some(store) = &globals.store else { return Ok(XaCollected::default()) };
        self.keep_up();
        let limit = globals.collection.max_transactions_per_run.get().into();
        let records = store.recoverable(only.as_ref(), limit).await;
        let records = records.map_err(|error| failed(XaFailure::Unchanged, &error))?;
        let attempts = if options.ignore_max_retries { None } else { globals.max_attempts() };
        let collected = self.collect(store, records, attempts).await;
        match collected.left.iter().find(|it| it.given_up && only.is_some()) {
            Some(left) => {
                let text = format!("MySQL XA state store error: {}", left.why);
                Err(Error::xa(XaFailure::Unchanged, 2000, "HY000", text))
            }
            None => Ok(collected),
        }
    }

    /// The automatic run.
    pub(super) async fn collect_due(&self) {
        let globals = &self.inner.globals;
        let Some(store) = &globals.store else { return };
        let Ok(records) = store.due(globals.collection.max_transactions_per_run.get().into()).await else { return };
        self.collect(store, records, globals.max_attempts()).await;
    }

    async fn collect(&self, store: &Arc<dyn Keeper>, records: Vec<Record>, attempts: Option<u16>) -> XaCollected {
        let pools = Pools::default();
        let all = records.into_iter().map(|record| self.collect_one(store, record, attempts, &pools));
        stream::iter(all).buffered(ABREAST).fold(XaCollected::default(), |all, one| ready(all.and(one))).await
    }

    async fn collect_one(
        &self,
        store: &Arc<dyn Keeper>,
        record: Record,
        attempts: Option<u16>,
        pools: &Pools,
    ) -> XaCollected {
        let gtrid = record.gtrid.clone();
        let (why, given_up) = match store.attempt(record.trx, attempts).await {
            Ok(Attempt::Go(_)) => match self.recover(store, record, pools).await {
                Ok(collected) => return collected,
                Err(why) => (why, false),
            },
            Ok(Attempt::TooMany { attempts: done }) => {
                let most = attempts.unwrap_or(done);
                let why = format!(
                    "Garbage collection failed. Maximum number of GC attempts reached: {done} retries done, maximum number of \
                     {most} retries allowed. Please, handle manually"
                );
                (why, true)
            }
            Err(StoreError::Refused(error) | StoreError::Lost(error)) => (words(&*error), false),
        };
        let left = XaLeft { gtrid, why, given_up };
        self.inner.hooks.warn(left.to_string());
        XaCollected { left: vec![left], ..XaCollected::default() }
    }

    /// One transaction.
    ///
    /// # Errors
    ///
    /// What stands in the way, if anything does.
    async fn recover(&self, store: &Arc<dyn Keeper>, record: Record, pools: &Pools) -> Result<XaCollected, String> {
        let (trx, gtrid) = (record.trx, record.gtrid.clone());
        let branches: HashMap<BranchIx, (Xid, Place)> =
            record.branches.iter().map(|it| (it.branch, (it.xid.clone(), it.place.clone()))).collect();
        let mut recovery = Recovery::new(record);
        let mut running = FuturesUnordered::new();
        loop {
            for action in recovery.actions() {
                let branch = branch_of(action).and_then(|it| branches.get(&it)).cloned();
                let pool = branch.as_ref().and_then(|(_, place)| pools.at(self, place));
                running.push(perform(Arc::clone(store), trx, action, branch, pool));
            }
            let Some((action, answer)) = running.next().await else { break };
            recovery.on(action, answer);
        }
        drop(running);
        let mut collected = XaCollected::default();
        match recovery.outcome() {
            Some(Recovered::Finished { decision, presumed }) => {
                collected.removed = 1;
                match decision {
                    Decision::Commit => collected.committed = 1,
                    Decision::Abort => collected.rolled_back = 1,
                }
                for branch in presumed {
                    collected.presumed += 1;
                    let place = branches.get(branch).map_or("?", |(_, place)| &place.scheme);
                    self.inner.hooks.warn(format!(
                        "the part of the global transaction `{gtrid}` on `{place}` was not there any more: most likely its \
                         owner had committed it before it died"
                    ));
                }
            }
            Some(Recovered::Cleared) => collected.removed = 1,
            Some(Recovered::Left { why }) => {
                let at = |it: &Obstacle| Some(&branches.get(&it.branch()?)?.1.scheme);
                let why = why.iter().map(|it| match at(it) {
                    Some(scheme) => format!("{it} ({scheme})"),
                    None => it.to_string(),
                });
                return Err(why.collect::<Vec<_>>().join("; "));
            }
            // Another process was faster.
            Some(Recovered::Taken) | None => {}
        }
        Ok(collected)
    }
}

impl XaCollected {
    /// Both together.
    fn and(mut self, other: Self) -> Self {
        self.removed += other.removed;
        self.committed += other.committed;
        self.rolled_back += other.rolled_back;
        self.presumed += other.presumed;
        self.left.extend(other.left);
        self
    }
}

/// The pools of one run: those that had to be made for servers that the section does not name are not made twice.
#[derive(Default)]
struct Pools(Mutex<HashMap<String, Option<Arc<ServerPool>>>>);

impl Pools {
    fn at(&self, cluster: &Cluster, place: &Place) -> Option<Arc<ServerPool>> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(place.scheme.clone()).or_insert_with(|| participant::pool_at(cluster, place)).clone()
    }
}

fn branch_of(action: RecoveryAction) -> Option<BranchIx> {
    match action {
        RecoveryAction::List(branch)
        | RecoveryAction::Confirm(branch)
        | RecoveryAction::EndOwner(branch)
        | RecoveryAction::Commit(branch)
        | RecoveryAction::RollBack(branch) => Some(branch),
        RecoveryAction::Claim | RecoveryAction::Settle(..) | RecoveryAction::Remove => None,
    }
}
