//! What every store has to do, shown on this one.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::{Failure, Place, Tag, Xid};

const A: BranchIx = BranchIx(0);

/// Nothing in here waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(it) => it,
        Poll::Pending => unreachable!("the memory answers at once"),
    }
}

struct Rig {
    store: MemoryStore,
    gtrid: Gtrid,
}

impl Rig {
    fn new() -> Self {
        Self { store: MemoryStore::new(Duration::from_secs(10)), gtrid: Gtrid::from(12) }
    }

    fn begin(&self, timeout_secs: Option<u32>) -> TrxId {
        now(self.store.begin(&Begin { gtrid: &self.gtrid, tag: Tag(7), timeout_secs, owner: "me" })).unwrap()
    }

    fn enlist(&self, trx: TrxId, branch: BranchIx) -> Result<(), StoreError> {
        let xid = Xid::of(&self.gtrid, Tag(7), branch);
        now(self.store.enlist(trx, &Enlisted { branch, xid: &xid, place: &Place::default() }))
    }

    fn finish(&self, trx: TrxId, finished: Finished, decision: Option<Decision>) -> Result<(), StoreError> {
        let state = if finished == Finished::Success { BranchState::Committed } else { BranchState::Idle };
        let failure = Failure::new(state, 1, "HY000", "no");
        let branches = vec![(A, BranchState::Prepared, Some(failure))];
        let ending = Ending { state, intend: BranchState::Committed, finished, decision, branches };
        now(self.store.finish(trx, &ending))
    }

    fn recoverable(&self) -> Vec<TrxId> {
        now(self.store.recoverable(None, 100)).unwrap().into_iter().map(|it| it.trx).collect()
    }

    fn decide(&self, trx: TrxId, decision: Decision) -> Option<Decision> {
        now(self.store.decide(trx, decision)).unwrap()
    }
}

#[test]
fn the_first_decision_stands() {
    let it = Rig::new();
    let trx = it.begin(None);
    assert_eq!(it.decide(trx, Decision::Abort), Some(Decision::Abort));
    assert_eq!(it.decide(trx, Decision::Commit), Some(Decision::Abort));
    assert_eq!(it.decide(TrxId(99), Decision::Commit), None);
}

#[test]
fn recovery_sees_what_is_over_and_nothing_else() {
    let it = Rig::new();
    let [open, late, slow, done] = [it.begin(None), it.begin(Some(5)), it.begin(Some(5)), it.begin(None)];
    it.finish(done, Finished::Failure, None).unwrap();
    assert_eq!(it.recoverable(), [done]);
    it.decide(slow, Decision::Commit);
    it.store.advance(Duration::from_secs(6));
    assert_eq!(it.recoverable(), [late, done]); // the slow one is decided, and its owner alive
    now(it.store.renew(&[open, TrxId(99)])).unwrap();
    it.store.advance(Duration::from_secs(6));
    assert_eq!(it.recoverable(), [late, slow, done]);

    assert_eq!(now(it.store.recoverable(Some(&Gtrid::from(1)), 100)).unwrap(), []);
    assert_eq!(now(it.store.recoverable(Some(&it.gtrid), 1)).unwrap().len(), 1);
}

#[test]
fn nobody_joins_what_is_decided_finished_or_gone() {
    let it = Rig::new();
    let [decided, finished] = [it.begin(None), it.begin(None)];
    assert!(it.enlist(decided, A).is_ok());
    assert!(matches!(it.enlist(decided, A), Err(StoreError::Refused(_)))); // twice
    it.decide(decided, Decision::Abort);
    it.finish(finished, Finished::Failure, None).unwrap();
    for trx in [decided, finished, TrxId(99)] {
        assert!(matches!(it.enlist(trx, BranchIx(1)), Err(StoreError::Refused(_))));
    }
}

#[test]
fn only_who_knows_the_decision_writes_the_end() {
    let it = Rig::new();
    let trx = it.begin(None);
    it.decide(trx, Decision::Abort);
    assert!(it.finish(trx, Finished::Success, None).is_err());
    assert!(it.finish(trx, Finished::Success, Some(Decision::Commit)).is_err());
    assert!(it.finish(trx, Finished::Success, Some(Decision::Abort)).is_ok());
    assert!(it.finish(TrxId(99), Finished::Success, None).is_err());
}

#[test]
fn a_name_means_its_newest_transaction() {
    let it = Rig::new();
    assert_eq!(now(it.store.known(&it.gtrid)).unwrap(), None);
    let first = it.begin(None);
    it.enlist(first, A).unwrap();
    it.finish(first, Finished::Success, None).unwrap();
    let known = now(it.store.known(&it.gtrid)).unwrap().unwrap();
    assert_eq!((known.trx, known.state, known.branches), (first, BranchState::Committed, 1));
    let second = it.begin(None);
    assert_eq!(now(it.store.known(&it.gtrid)).unwrap().unwrap().trx, second);
}

#[test]
fn attempts_are_counted_for_each_transaction() {
    let it = Rig::new();
    let [trx, other] = [it.begin(None), it.begin(None)];
    let attempt = |trx, limit| now(it.store.attempt(trx, limit)).unwrap();
    assert_eq!(attempt(trx, Some(2)), Attempt::Go(1));
    assert_eq!(attempt(other, Some(2)), Attempt::Go(1));
    assert_eq!(attempt(trx, Some(2)), Attempt::Go(2));
    assert_eq!(attempt(trx, Some(2)), Attempt::TooMany { attempts: 3 });
    assert_eq!(attempt(trx, None), Attempt::Go(4));
    assert_eq!(attempt(TrxId(99), Some(0)), Attempt::Go(1));
}

#[test]
fn a_presumption_gives_way_to_knowledge() {
    let it = Rig::new();
    let trx = it.begin(None);
    it.enlist(trx, A).unwrap();
    it.finish(trx, Finished::Failure, None).unwrap();
    for (settlement, is) in [
        (Settlement::Presumed, Settlement::Presumed),
        (Settlement::Committed, Settlement::Committed),
        (Settlement::Presumed, Settlement::Committed),
    ] {
        now(it.store.settle(trx, A, settlement)).unwrap();
        let record = now(it.store.recoverable(None, 1)).unwrap().remove(0);
        assert_eq!(record.branches[0].settled, Some(is));
        assert_eq!(record.branches[0].state, BranchState::Prepared);
    }
    assert!(now(it.store.settle(TrxId(99), A, Settlement::Presumed)).is_ok());
}

#[test]
fn a_record_goes_when_all_its_branches_are_settled() {
    let it = Rig::new();
    let [trx, success] = [it.begin(None), it.begin(None)];
    for trx in [trx, success] {
        it.enlist(trx, A).unwrap();
    }
    it.finish(success, Finished::Success, None).unwrap();
    let remove = |trx| now(it.store.remove(trx)).unwrap();
    assert!(!remove(trx));
    now(it.store.settle(trx, A, Settlement::RolledBack)).unwrap();
    assert!(remove(trx) && remove(success) && remove(TrxId(99)));
    assert_eq!(it.recoverable(), []);
}
