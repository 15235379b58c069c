//! What every store has to do, shown on this one, by two processes that share the file.

use std::env;

use ms_xa::Failure;

use super::*;

const A: BranchIx = BranchIx(0);

/// Two stores on one file.
struct Rig {
    path: PathBuf,
    one: FileStore,
    other: FileStore,
    gtrid: Gtrid,
}

impl Rig {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("ms-pool-{}-{test}.sqlite", std::process::id()));
        remove(&path);
        let (one, other) = (FileStore::new(&path), FileStore::new(&path));
        Self { path, one, other, gtrid: Gtrid::new([0, 255, 39]).unwrap() }
    }

    async fn begin(&self, timeout_secs: Option<u32>) -> TrxId {
        let new = Begin { gtrid: &self.gtrid, tag: Tag(u64::MAX), timeout_secs, owner: "me" };
        self.one.begin(&new).await.unwrap()
    }

    async fn enlist(&self, trx: TrxId, branch: BranchIx) -> Result<(), StoreError> {
        let xid = Xid::of(&self.gtrid, Tag(u64::MAX), branch);
        self.one.enlist(trx, &Enlisted { branch, xid: &xid, place: &place() }).await
    }

    async fn finish(&self, trx: TrxId, finished: Finished, decision: Option<Decision>) -> Result<(), StoreError> {
        let failure = Failure::new(BranchState::Idle, 1213, "40001", "it's a deadlock");
        let branches = vec![(A, BranchState::Prepared, Some(failure))];
        let state = BranchState::Idle;
        self.one.finish(trx, &Ending { state, intend: BranchState::Committed, finished, decision, branches }).await
    }

    /// Changes what no call can.
    async fn change(&self, sql: &'static str) {
        self.other.run(query(sql)).await.unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // It need not be there.
        _ = std::fs::remove_file(name);
    }
}

fn place() -> Place {
    Place {
        scheme: "tcp://east:3306".to_owned(),
        port: Some(3306),
        user: Some("o'neil".to_owned()),
        identity: "1:3306@east".to_owned(),
        run: "1000".to_owned(),
        connection_id: u64::MAX,
        ..Place::default()
    }
}

#[tokio::test]
async fn the_first_decision_stands_for_every_process() {
    let it = Rig::new("decide");
    let trx = it.begin(None).await;
    assert_eq!(it.other.decide(trx, Decision::Abort).await.unwrap(), Some(Decision::Abort));
    assert_eq!(it.one.decide(trx, Decision::Commit).await.unwrap(), Some(Decision::Abort));
    assert!(matches!(it.enlist(trx, A).await, Err(StoreError::Refused(_))), "recovery may have looked already");
    let late = it.finish(trx, Finished::Success, None).await;
    assert!(matches!(late, Err(StoreError::Refused(_))), "{late:?}");
    assert_eq!(it.one.decide(TrxId(77), Decision::Commit).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_written_is_there_for_a_successor_byte_by_byte() {
    let it = Rig::new("successor");
    let trx = it.begin(Some(60)).await;
    it.enlist(trx, A).await.unwrap();
    it.one.decide(trx, Decision::Commit).await.unwrap();
    assert_eq!(it.other.recoverable(None, 10).await.unwrap(), [], "its owner is at work");
    it.change("UPDATE trx SET lease = unixepoch() - 1").await;
    let records = it.other.recoverable(Some(&it.gtrid), 10).await.unwrap();
    let branch = RecordedBranch {
        branch: A,
        xid: Xid::of(&it.gtrid, Tag(u64::MAX), A),
        place: place(),
        state: BranchState::Active,
        settled: None,
    };
    let record = Record {
        trx,
        gtrid: it.gtrid.clone(),
        tag: Some(Tag(u64::MAX)),
        decision: Some(Decision::Commit),
        finished: Finished::No,
        state: BranchState::NonExisting,
        branches: vec![branch],
    };
    assert_eq!(records, [record]);
    it.one.renew(&[trx]).await.unwrap();
    assert_eq!(it.other.recoverable(None, 10).await.unwrap(), []);
    assert_eq!(it.other.recoverable(Some(&Gtrid::from(1)), 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_late_is_for_recovery_unless_it_is_decided() {
    let it = Rig::new("late");
    let trx = it.begin(Some(60)).await;
    it.change("UPDATE trx SET timeout = unixepoch() - 1").await;
    assert_eq!(it.other.recoverable(None, 10).await.unwrap().len(), 1);
    let (kept, more) = it.other.overview(10).await.unwrap();
    assert_eq!((kept[0].is_late, kept[0].is_left, kept[0].owner.as_deref(), more), (true, true, Some("me"), 0));
    it.one.decide(trx, Decision::Commit).await.unwrap();
    assert_eq!(it.other.recoverable(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_record_goes_when_all_its_branches_are_settled() {
    let it = Rig::new("remove");
    let trx = it.begin(None).await;
    for branch in [A, BranchIx(1)] {
        it.enlist(trx, branch).await.unwrap();
    }
    it.finish(trx, Finished::Failure, None).await.unwrap();
    assert_eq!(it.one.known(&it.gtrid).await.unwrap().unwrap().branches, 2);
    it.other.settle(trx, A, Settlement::Presumed).await.unwrap();
    it.other.settle(trx, A, Settlement::RolledBack).await.unwrap();
    it.other.settle(trx, A, Settlement::Presumed).await.unwrap();
    let settled = it.one.recoverable(None, 10).await.unwrap()[0].branches[0].settled;
    assert_eq!(settled, Some(Settlement::RolledBack), "a presumption gives way to knowledge");
    assert!(!it.other.remove(trx).await.unwrap());
    it.other.settle(trx, BranchIx(1), Settlement::Presumed).await.unwrap();
    assert!(it.other.remove(trx).await.unwrap());
    assert_eq!(it.one.known(&it.gtrid).await.unwrap(), None);
    let left: i64 = it.other.rows(query("SELECT COUNT(*) FROM branch")).await.unwrap()[0].get(0);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn success_is_remembered_for_an_hour() {
    let it = Rig::new("success");
    let trx = it.begin(None).await;
    it.finish(trx, Finished::Success, None).await.unwrap();
    assert_eq!(it.one.due(10).await.unwrap(), []);
    it.change("UPDATE trx SET started = started - 3601").await;
    assert_eq!(it.one.due(10).await.unwrap().len(), 1);
    assert!(it.one.remove(trx).await.unwrap());
}

#[tokio::test]
async fn attempts_and_turns_are_counted_for_all_processes() {
    let it = Rig::new("attempts");
    let trx = it.begin(None).await;
    assert_eq!(it.one.attempt(trx, Some(2)).await.unwrap(), Attempt::Go(1));
    assert_eq!(it.other.attempt(trx, Some(2)).await.unwrap(), Attempt::Go(2));
    assert_eq!(it.one.attempt(trx, Some(2)).await.unwrap(), Attempt::TooMany { attempts: 2 });
    assert!(it.one.take_turn().await.unwrap().is_some());
    assert!(it.other.take_turn().await.unwrap().is_none());
    it.change("UPDATE turn SET until = unixepoch()").await;
    assert!(it.other.take_turn().await.unwrap().is_some());
}

#[tokio::test]
async fn it_is_set_to_be_durable() {
    let it = Rig::new("durable");
    for (pragma, is) in [("PRAGMA synchronous", "2"), ("PRAGMA journal_mode", "wal"), ("PRAGMA foreign_keys", "1")] {
        let row = it.one.rows(query(pragma)).await.unwrap().remove(0);
        let value = row
            .try_get_unchecked::<String, _>(0)
            .or_else(|_| row.try_get_unchecked::<i64, _>(0).map(|it| it.to_string()));
        assert_eq!(value.unwrap(), is, "{pragma}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_starts_nothing() {
    let store = FileStore::new(Path::new("/nonexistent/folder/store.sqlite"));
    let gtrid = Gtrid::from(1);
    let begun = store.begin(&Begin { gtrid: &gtrid, tag: Tag(1), timeout_secs: None, owner: "me" }).await;
    let Err(StoreError::Refused(error)) = begun else { panic!("{begun:?}") };
    assert_eq!(error.to_string(), "the file `/nonexistent/folder/store.sqlite`");
}
