//! Every public future, dropped at each of its first polls: no slot is lost, no transaction stays open on any server, and
//! whoever gets a connection next finds it as new.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use futures_util::future::BoxFuture;
use ms_pool::{Cluster, Password, Session, Tx, TxOptions};
use sqlx::{Acquire, AssertSqlSafe, Connection, Executor, Row};
use support::{account, eventually, no_transaction, number, primary_url, replica_url, table};

/// How far into a future it is dropped.
const POLLS: usize = 64;

/// Polls a future so many times and then drops it; whether it came to its end before.
async fn cut<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        // Woken again at once: what is to be cut is the future, not the waiting in between.
        future.as_mut().poll(cx).map(|_| true)
    })
    .await
}

/// A cluster with an account of its own, so that its connections can be told from those of other tests.
async fn cluster(name: &str) -> Cluster {
    account(name).await;
    let user = |url: String| url.replace("app:app", &format!("{name}:{name}"));
    let replicas = [user(replica_url(1)), user(replica_url(2))];
    Cluster::builder().primary(user(primary_url())).replicas(replicas).build().unwrap()
}

/// Nothing is left of what was cut.
async fn is_sound(db: &Cluster, what: &str) {
    eventually(&format!("the slots of `{what}`"), async || db.state().iter().all(|it| it.in_use == 0)).await;
    for side in [db.primary(), db.replica()] {
        let sql = "SELECT CONCAT(@@autocommit + 0, ' ', DATABASE(), ' ', COALESCE(@polled, 'none'), ' ', @@character_set_client)";
        let row = sqlx::raw_sql(sql).fetch_one(side).await.unwrap();
        let is: String = row.try_get_unchecked(0).unwrap();
        assert_eq!(is, "1 test none utf8mb4", "{what}");
    }
}

async fn has_no_transaction(name: &str, what: &str) {
    for url in [primary_url(), replica_url(1), replica_url(2)] {
        no_transaction(&url, &format!("p.user = '{name}'"), what).await;
    }
}

type Call = for<'s> fn(&'s mut Session) -> BoxFuture<'s, ()>;

/// Calls of a session, each in a session that is in the middle of a transaction.
const CALLS: [(&str, Call); 14] = [
    ("start_transaction", |s| Box::pin(async { drop(s.start_transaction(TxOptions::default()).await) })),
    ("begin", |s| Box::pin(async { drop(s.begin(TxOptions::default()).await) })),
    ("a write", |s| Box::pin(async { drop(s.execute("INSERT INTO polls VALUES ()").await) })),
    ("a read", |s| Box::pin(async { drop(s.fetch_all("SELECT * FROM polls").await) })),
    ("commit", |s| Box::pin(async { drop(s.commit().await) })),
    ("rollback", |s| Box::pin(async { drop(s.rollback().await) })),
    ("savepoint", |s| Box::pin(async { drop(s.savepoint("a").await) })),
    ("COMMIT as text", |s| Box::pin(async { drop(s.execute("COMMIT").await) })),
    ("set_autocommit", |s| Box::pin(async { drop(s.set_autocommit(false).await) })),
    ("select_db", |s| Box::pin(async { drop(s.select_db("mysql").await) })),
    ("set_charset", |s| Box::pin(async { drop(s.set_charset("latin1").await) })),
    ("prepare", |s| Box::pin(async { drop(Session::prepare(s, "SELECT 1").await) })),
    ("warning_count", |s| Box::pin(async { drop(s.warning_count().await) })),
    ("ping and server_info", |s| {
        Box::pin(async {
            drop(s.ping().await);
            drop(s.server_info().await);
        })
    }),
];

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn calls_of_a_session_can_be_dropped_at_any_poll() {
    table("polls", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let name = "polls_session";
    let db = cluster(name).await;
    for (what, call) in CALLS {
        for polls in 0..POLLS {
            let mut session = db.session();
            session.execute("SELECT 1").await.unwrap();
            session.start_transaction(TxOptions::default()).await.unwrap();
            session.execute("INSERT INTO polls VALUES ()").await.unwrap();
            session.execute("SET @polled = 1").await.unwrap();
            let ended = cut(call(&mut session), polls).await;
            drop(session);
            is_sound(&db, &format!("{what}, {polls} polls")).await;
            if ended {
                break;
            }
        }
        has_no_transaction(name, what).await;
    }
    // What was in the middle of a transaction is gone, but for what was committed.
    let committing = CALLS.iter().filter(|(what, _)| !matches!(*what, "rollback" | "a write" | "a read")).count();
    let left = number(&primary_url(), "SELECT COUNT(*) FROM polls").await;
    assert!(left <= (committing * POLLS) as u64, "{left}");
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_an_abandoned_statement_did_in_a_transaction_is_undone() {
    let (name, table) = ("polls_undone", table("polls_undone", "id INT PRIMARY KEY AUTO_INCREMENT").await);
    let db = cluster(name).await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    for polls in 0..POLLS {
        let mut session = db.session();
        session.start_transaction(TxOptions::default()).await.unwrap();
        session.execute(AssertSqlSafe(insert.clone())).await.unwrap();
        cut(session.execute(AssertSqlSafe(insert.clone())), polls).await;
        drop(session);
        let mut tx = db.begin().await.unwrap();
        cut((&mut tx).execute(AssertSqlSafe(insert.clone())), polls).await;
        cut(tx.rollback(), polls).await;
    }
    has_no_transaction(name, "abandoned statements").await;
    assert_eq!(number(&primary_url(), &format!("SELECT COUNT(*) FROM {table}")).await, 0);
    is_sound(&db, "abandoned statements").await;
}

type Handle = fn(Cluster) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Futures of the shared handle.
const HANDLES: [(&str, Handle); 8] = [
    ("begin and drop", |db| Box::pin(async move { drop(db.begin().await) })),
    ("begin and commit", |db| {
        Box::pin(async move {
            let mut tx: Tx = db.begin().await.unwrap();
            drop((&mut tx).execute("DO 1").await);
            drop(tx.commit().await);
        })
    }),
    ("begin, nest and roll back", |db| {
        Box::pin(async move {
            let mut tx: Tx = db.begin().await.unwrap();
            let nested = Connection::begin(&mut *tx).await.unwrap();
            drop(nested.commit().await);
            drop(tx.rollback().await);
        })
    }),
    ("begin read-only", |db| {
        Box::pin(async move { drop(db.begin_with(TxOptions { read_only: true, ..TxOptions::default() }).await) })
    }),
    ("a read", |db| Box::pin(async move { drop((&db).fetch_all("SELECT 1").await) })),
    ("a write", |db| Box::pin(async move { drop((&db).execute("DO 1").await) })),
    ("acquire", |db| Box::pin(async move { drop((&db).acquire().await) })),
    ("probe and change_user", |db| {
        Box::pin(async move {
            drop(db.probe("replica1").await);
            let mut session = db.session();
            drop(session.execute("SELECT 1").await);
            drop(session.change_user("app", Password::new("app"), Some("test")).await);
        })
    }),
];

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn futures_of_the_cluster_can_be_dropped_at_any_poll() {
    let name = "polls_cluster";
    for (what, handle) in HANDLES {
        // Once with connections to be made, then with some in the pool.
        let db = cluster(name).await;
        for polls in 0..POLLS {
            let ended = cut(handle(db.clone()), polls).await;
            is_sound(&db, &format!("{what}, {polls} polls")).await;
            if ended {
                break;
            }
        }
        has_no_transaction(name, what).await;
        db.close().await;
    }
}
