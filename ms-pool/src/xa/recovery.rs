//! Finishes what a crash has left behind.
//!
//! What is to be done about one transaction is decided by [`ms_xa::Recovery`] from its record alone, so any process with the
//! section's configuration can do it, and several at once do no harm.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use ms_xa::{
    Attempt, BranchIx, BranchState, Decision, Failure, Gtrid, Obstacle, Place, Record, Recovered, Recovery,
    RecoveryAction, RecoveryAnswer, StoreError, TrxId, Xid, sql,
};

use tokio::time::sleep;

use super::{
    Keeper, LIMIT, XaFailure, name, participant,
    stage::{failure_of, listed, send},
    store::{failed, words},
};
use crate::{
    Cluster, Error,
    error::server_error,
    pool::{Lease, ServerPool, Stake},
};

/// `ER_NO_SUCH_THREAD`: the connection has ended already.
const NO_SUCH_THREAD: u16 = 1094;
/// How long a connection may take to end, and how often that is looked at.
const ENDING: Duration = Duration::from_millis(20);
const ENDINGS: u32 = 250;
/// `ER_XAER_RMERR`: MySQL hides prepared branches from accounts that may not recover them.
const NOT_ALLOWED: u16 = 1401;

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
    /// touched. At most `max_transactions_per_run` records are looked at. Without a store there is nothing to do.
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
        let mut collected = XaCollected::default();
        let mut pools = Pools::default();
        for record in records {
            let gtrid = record.gtrid.clone();
            let left = match store.attempt(record.trx, attempts).await {
                Ok(Attempt::Go(_)) => self.recover(store, record, &mut pools, &mut collected).await,
                Ok(Attempt::TooMany { attempts: done }) => {
                    let most = attempts.unwrap_or(done);
                    let why = format!(
                        "Garbage collection failed. Maximum number of GC attempts reached: {done} retries done, maximum number \
                         of {most} retries allowed. Please, handle manually"
                    );
                    Some((why, true))
                }
                Err(StoreError::Refused(error) | StoreError::Lost(error)) => Some((words(&*error), false)),
            };
            if let Some((why, given_up)) = left {
                let left = XaLeft { gtrid, why, given_up };
                self.inner.hooks.warn(left.to_string());
                collected.left.push(left);
            }
        }
        collected
    }

    /// One transaction. What stands in the way, if anything does.
    async fn recover(
        &self,
        store: &Arc<dyn Keeper>,
        record: Record,
        pools: &mut Pools,
        collected: &mut XaCollected,
    ) -> Option<(String, bool)> {
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
        match recovery.outcome() {
            Some(Recovered::Finished { decision, presumed }) => {
                collected.removed += 1;
                match decision {
                    Decision::Commit => collected.committed += 1,
                    Decision::Abort => collected.rolled_back += 1,
                }
                for branch in presumed {
                    collected.presumed += 1;
                    let place = branches.get(branch).map_or("?", |(_, place)| &place.scheme);
                    self.inner.hooks.warn(format!(
                        "the part of the global transaction `{gtrid}` on `{place}` was not there any more: most likely its \
                         owner had committed it before it died"
                    ));
                }
                None
            }
            Some(Recovered::Cleared) => {
                collected.removed += 1;
                None
            }
            Some(Recovered::Left { why }) => {
                let at = |it: &Obstacle| Some(&branches.get(&it.branch()?)?.1.scheme);
                let why = why.iter().map(|it| match at(it) {
                    Some(scheme) => format!("{it} ({scheme})"),
                    None => it.to_string(),
                });
                Some((why.collect::<Vec<_>>().join("; "), false))
            }
            // Another process was faster.
            Some(Recovered::Taken) | None => None,
        }
    }
}

/// The pools of one run: those that had to be made for servers that the section does not name are not made twice.
#[derive(Default)]
struct Pools(HashMap<String, Option<Arc<ServerPool>>>);

impl Pools {
    fn at(&mut self, cluster: &Cluster, place: &Place) -> Option<Arc<ServerPool>> {
        let made = self.0.entry(place.scheme.clone());
        made.or_insert_with(|| participant::pool_at(cluster, place)).clone()
    }
}

fn branch_of(action: RecoveryAction) -> Option<BranchIx> {
    match action {
        RecoveryAction::List(branch)
        | RecoveryAction::EndOwner(branch)
        | RecoveryAction::Commit(branch)
        | RecoveryAction::RollBack(branch) => Some(branch),
        RecoveryAction::Claim | RecoveryAction::Settle(..) | RecoveryAction::Remove => None,
    }
}

async fn perform(
    store: Arc<dyn Keeper>,
    trx: TrxId,
    action: RecoveryAction,
    branch: Option<(Xid, Place)>,
    pool: Option<Arc<ServerPool>>,
) -> (RecoveryAction, RecoveryAnswer) {
    let answer = match action {
        RecoveryAction::Claim => match store.decide(trx, Decision::Abort).await {
            Ok(stands) => RecoveryAnswer::Decided(stands),
            Err(error) => of_store(&error),
        },
        RecoveryAction::Settle(branch, settlement) => done(store.settle(trx, branch, settlement).await),
        RecoveryAction::Remove => match store.remove(trx).await {
            Ok(true) => RecoveryAnswer::Done,
            Ok(false) => RecoveryAnswer::Unsettled,
            Err(error) => of_store(&error),
        },
        _ => match (branch, pool) {
            (Some((xid, place)), Some(pool)) => at_server(action, &xid, &place, &pool).await,
            _ => RecoveryAnswer::Lost(failure("nobody knows how to connect to that server")),
        },
    };
    (action, answer)
}

async fn at_server(action: RecoveryAction, xid: &Xid, place: &Place, pool: &Arc<ServerPool>) -> RecoveryAnswer {
    let mut lease = match pool.lease_for(pool.acquire_deadline(), Stake::Failure).await {
        Ok(lease) => lease,
        Err(error) => return RecoveryAnswer::Lost(failure(&words(&error))),
    };
    let identity = lease.identity().key.to_string();
    if identity != place.identity {
        return RecoveryAnswer::OtherServer { identity };
    }
    match action {
        RecoveryAction::List(_) => match listed(&mut lease).await {
            Ok(xids) => RecoveryAnswer::Listed(xids),
            Err(error) => of_server(&error, &lease),
        },
        RecoveryAction::EndOwner(_) => {
            // After a restart the number may be anybody's, and of the connection that had it nothing is left.
            if !participant::is_same_run(&participant::run_of(lease.identity()), &place.run) {
                return RecoveryAnswer::Done;
            }
            end_connection(&mut lease, place.connection_id).await
        }
        RecoveryAction::Commit(_) => said(send(&mut lease, sql::commit(xid)).await, &lease),
        RecoveryAction::RollBack(_) => said(send(&mut lease, sql::rollback(xid)).await, &lease),
        RecoveryAction::Claim | RecoveryAction::Settle(..) | RecoveryAction::Remove => {
            unreachable!("it is done at the store")
        }
    }
}

/// Ends a connection, and waits until the server has forgotten it: only then can nothing more be prepared on it.
async fn end_connection(lease: &mut Lease, id: u64) -> RecoveryAnswer {
    match lease.run_text(&format!("KILL {id}"), LIMIT).await {
        Ok(_) => {}
        Err(error) if server_error(&error).is_some_and(|it| it.number() == NO_SUCH_THREAD) => {
            return RecoveryAnswer::Done;
        }
        Err(error) => return of_server(&error, lease),
    }
    let listed = format!("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {id}");
    for _ in 0..ENDINGS {
        match lease.run_text(&listed, LIMIT).await {
            Ok(rows) if rows.is_empty() => return RecoveryAnswer::Done,
            Ok(_) => sleep(ENDING).await,
            Err(error) => return of_server(&error, lease),
        }
    }
    RecoveryAnswer::Lost(failure("the owner's connection does not end"))
}

fn said(answer: Result<(), (usize, sqlx::Error)>, lease: &Lease) -> RecoveryAnswer {
    match answer {
        Ok(()) => RecoveryAnswer::Done,
        Err((_, error)) => of_server(&error, lease),
    }
}

fn of_server(error: &sqlx::Error, lease: &Lease) -> RecoveryAnswer {
    let failure = explained(error, lease);
    match server_error(error) {
        Some(_) => RecoveryAnswer::Refused(failure),
        None => RecoveryAnswer::Lost(failure),
    }
}

/// What a server answered, with what would help where that is known.
pub(super) fn explained(error: &sqlx::Error, lease: &Lease) -> Failure {
    let mut failure = failure_of(error, BranchState::NonExisting);
    if failure.code == NOT_ALLOWED {
        let text = format!(" (the account that logs in to `{}` needs `GRANT XA_RECOVER_ADMIN ON *.*`)", lease.server());
        failure.text.push_str(&text);
    }
    failure
}

fn done(answer: Result<(), StoreError>) -> RecoveryAnswer {
    match answer {
        Ok(()) => RecoveryAnswer::Done,
        Err(error) => of_store(&error),
    }
}

fn of_store(error: &StoreError) -> RecoveryAnswer {
    match error {
        StoreError::Refused(error) => RecoveryAnswer::Refused(failure(&words(&**error))),
        StoreError::Lost(error) => RecoveryAnswer::Lost(failure(&words(&**error))),
    }
}

fn failure(text: &str) -> Failure {
    Failure { towards: BranchState::NonExisting, code: 2000, sqlstate: "HY000".to_owned(), text: text.to_owned() }
}
