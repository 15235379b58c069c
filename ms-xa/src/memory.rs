//! A store that forgets.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    Attempt, Begin, BranchIx, BranchState, Decision, Ending, Enlisted, Finished, Gtrid, Known, Record, RecordedBranch,
    Settlement, StateStore, StoreError, TrxId,
};

/// Keeps everything in this process, and loses it with it.
///
/// For tests, and for services that want no durability: what a lost connection left is still found, what a crash left is not. Its clock
/// stands still until somebody [moves it](Self::advance).
///
/// ```
/// use std::time::Duration;
/// use ms_xa::{Begin, Gtrid, MemoryStore, StateStore, Tag};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new(Duration::from_secs(10));
/// let gtrid = Gtrid::try_from("order-7")?;
/// store.begin(&Begin { gtrid: &gtrid, tag: Tag(42), timeout_secs: None, owner: "shop-1" }).await?;
/// assert_eq!(store.recoverable(None, 100).await?, []);
///
/// store.advance(Duration::from_secs(11)); // nobody has renewed the lease
/// assert_eq!(store.recoverable(None, 100).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    lease: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    last: u64,
    rows: BTreeMap<TrxId, Row>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    /// When recovery may decide although the owner is alive.
    deadline: Option<Duration>,
    /// Until when the owner is taken to be at work.
    leased: Duration,
    attempts: u16,
}

impl Row {
    fn is_recoverable(&self, now: Duration) -> bool {
        let late = self.record.decision.is_none() && self.deadline.is_some_and(|at| at < now);
        self.record.finished != Finished::No || self.leased < now || late
    }
}

impl MemoryStore {
    /// An empty store, whose leases last that long.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self { lease, inner: Mutex::default() }
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.lock().now += by;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn begin(&self, new: &Begin<'_>) -> Result<TrxId, StoreError> {
        let mut inner = self.lock();
        inner.last += 1;
        let trx = TrxId(inner.last);
        let record = Record {
            trx,
            gtrid: new.gtrid.clone(),
            tag: Some(new.tag),
            decision: None,
            finished: Finished::No,
            state: BranchState::NonExisting,
            branches: Vec::new(),
        };
        let deadline = new.timeout_secs.map(|secs| inner.now + Duration::from_secs(secs.into()));
        let leased = inner.now + self.lease;
        inner.rows.insert(trx, Row { record, deadline, leased, attempts: 0 });
        Ok(trx)
    }

    async fn enlist(&self, trx: TrxId, branch: &Enlisted<'_>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let record = &mut inner.row(trx)?.record;
        if record.decision.is_some() || record.finished != Finished::No {
            return refused("the transaction takes no more branches");
        }
        if record.branches.iter().any(|it| it.branch == branch.branch) {
            return refused("the branch is on record already");
        }
        record.branches.push(RecordedBranch {
            branch: branch.branch,
            xid: branch.xid.clone(),
            place: branch.place.clone(),
            state: BranchState::Active,
            settled: None,
        });
        Ok(())
    }

    async fn decide(&self, trx: TrxId, decision: Decision) -> Result<Option<Decision>, StoreError> {
        Ok(self.lock().rows.get_mut(&trx).map(|row| *row.record.decision.get_or_insert(decision)))
    }

    async fn finish(&self, trx: TrxId, ending: &Ending) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let row = inner.row(trx)?;
        if row.record.decision != ending.decision {
            return refused("somebody else has decided");
        }
        row.record.state = ending.state;
        row.record.finished = ending.finished;
        for &(branch, state, _) in &ending.branches {
            if let Some(it) = row.record.branches.iter_mut().find(|it| it.branch == branch) {
                it.state = state;
            }
        }
        Ok(())
    }

    async fn renew(&self, open: &[TrxId]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let leased = inner.now + self.lease;
        for trx in open {
            if let Some(row) = inner.rows.get_mut(trx) {
                row.leased = leased;
            }
        }
        Ok(())
    }

    async fn known(&self, gtrid: &Gtrid) -> Result<Option<Known>, StoreError> {
        let inner = self.lock();
        let row = inner.rows.values().rev().find(|it| it.record.gtrid == *gtrid);
        Ok(row.map(|row| Known {
            trx: row.record.trx,
            state: row.record.state,
            decision: row.record.decision,
            finished: row.record.finished,
            branches: row.record.branches.len(),
        }))
    }

    async fn recoverable(&self, only: Option<&Gtrid>, limit: u32) -> Result<Vec<Record>, StoreError> {
        let inner = self.lock();
        let wanted = |row: &&Row| only.is_none_or(|only| row.record.gtrid == *only) && row.is_recoverable(inner.now);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(inner.rows.values().filter(wanted).take(limit).map(|it| it.record.clone()).collect())
    }

    async fn attempt(&self, trx: TrxId, limit: Option<u16>) -> Result<Attempt, StoreError> {
        let mut inner = self.lock();
        let Some(row) = inner.rows.get_mut(&trx) else { return Ok(Attempt::Go(1)) };
        row.attempts = row.attempts.saturating_add(1);
        let attempts = row.attempts;
        Ok(if limit.is_some_and(|limit| attempts > limit) {
            Attempt::TooMany { attempts }
        } else {
            Attempt::Go(attempts)
        })
    }

    async fn settle(&self, trx: TrxId, branch: BranchIx, settlement: Settlement) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let branches = inner.rows.get_mut(&trx).into_iter().flat_map(|row| &mut row.record.branches);
        for it in branches.filter(|it| it.branch == branch) {
            if matches!(it.settled, None | Some(Settlement::Presumed)) {
                it.settled = Some(settlement);
            }
        }
        Ok(())
    }

    async fn remove(&self, trx: TrxId) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let is_over = |row: &Row| {
            row.record.finished == Finished::Success || row.record.branches.iter().all(|it| it.settled.is_some())
        };
        if inner.rows.get(&trx).is_some_and(|row| !is_over(row)) {
            return Ok(false);
        }
        inner.rows.remove(&trx);
        Ok(true)
    }
}

impl Inner {
    fn row(&mut self, trx: TrxId) -> Result<&mut Row, StoreError> {
        self.rows.get_mut(&trx).ok_or_else(|| StoreError::Refused("there is no such transaction on record".into()))
    }
}

fn refused(why: &'static str) -> Result<(), StoreError> {
    Err(StoreError::Refused(why.into()))
}

#[cfg(test)]
mod tests;
