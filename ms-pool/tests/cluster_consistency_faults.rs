//! Reading what was written, on replicas whose replication is stopped and started: real servers, real replication.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "what was measured is part of the result")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/cluster.rs"]
mod support;

use std::time::Duration;

use ms_pool::{Cluster, Consistency, Scope};
use replicas::{all_well, count, counted, eventually_from_a_replica, freeze, insert, port};
use sqlx::{AssertSqlSafe, Row};
use support::{is_mariadb, primary_url, replica_url};

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_scope_reads_its_writes_wherever_they_are() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("read_own", "n INT").await;
    let (db, patient) = (support::cluster(), support::patient());
    let scope = patient.scope();

    // All is well: the replicas have it, or get it in time.
    for wrote in 1..=20 {
        insert(&scope, &table).await;
        let (seen, at) = count(&scope, &table).await;
        assert_eq!(seen, wrote);
        assert_ne!(at, port(&primary_url()), "a replica has it soon");
    }

    // One cannot get it, the other can.
    freeze(1).await;
    let scope = db.scope();
    insert(&scope, &table).await;
    for _ in 0..10 {
        assert_eq!(count(&scope, &table).await, (21, port(&replica_url(2))));
    }

    // None can: a primary answers.
    freeze(2).await;
    insert(&scope, &table).await;
    for _ in 0..3 {
        assert_eq!(count(&scope, &table).await, (22, port(&primary_url())));
    }
    // Who does not mind the past gets it from a replica.
    scope.set_consistency(Consistency::EVENTUAL);
    assert_ne!(count(&scope, &table).await.1, port(&primary_url()));

    all_well().await;
    scope.set_consistency(Consistency::SESSION);
    eventually_from_a_replica(&scope, &table, 22).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn every_handle_reads_its_writes() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("read_handles", "n INT").await;
    let db = support::cluster();
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let mut written = 0;
    insert(&db, &table).await;
    written += 1;
    assert_eq!(count(&db, &table).await.0, written, "the cluster's own");

    let mut session = db.session();
    insert(&mut session, &table).await;
    written += 1;
    assert_eq!(count(&mut session, &table).await.0, written, "a session");
    session.start_transaction(ms_pool::TxOptions::default()).await.unwrap();
    insert(&mut session, &table).await;
    session.commit().await.unwrap();
    written += 1;
    assert_eq!(count(&mut session, &table).await.0, written, "its transaction");

    let mut tx = db.begin().await.unwrap();
    insert(&mut tx, &table).await;
    tx.commit().await.unwrap();
    written += 1;
    assert_eq!(count(&db, &table).await.0, written, "a transaction of the cluster");

    let other = support::cluster();
    let scope = other.scope();
    let mut tx = scope.begin().await.unwrap();
    insert(&mut *tx, &table).await;
    tx.commit().await.unwrap();
    written += 1;
    assert_eq!(count(&scope, &table).await.0, written, "a transaction of a scope, through the bare connection");

    // Somebody else is not concerned.
    let stranger = support::cluster();
    assert_ne!(count(&stranger, &table).await.1, port(&primary_url()));
    // Unless it is told.
    let told = stranger.scope_at(&scope.position().await.unwrap());
    assert_eq!(count(&told, &table).await.0, written, "a position that was handed over");
    all_well().await;
    eventually_from_a_replica(&told, &table, written).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_scope_never_goes_back_in_time() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("monotonic", "n INT").await;
    let db = support::cluster();
    freeze(2).await;
    insert(db.primary(), &table).await;
    support::eventually("replica1 to have it", async || {
        support::number(&replica_url(1), &format!("SELECT COUNT(*) FROM {table}")).await == 1
    })
    .await;

    // It has written nothing, and reads from both kinds; once it has seen the row it goes on seeing it.
    for _ in 0..20 {
        let scope = db.scope();
        let mut seen = 0;
        for _ in 0..4 {
            let (now, _) = count(&scope, &table).await;
            assert!(now >= seen, "{seen} rows, and then {now}");
            seen = now;
        }
    }

    // Its replica goes away: only somebody who has all of that may take its place.
    let scope = on_replica(&db, 1, &table).await;
    support::control("kill replica1").await;
    for _ in 0..3 {
        assert_eq!(count(&scope, &table).await.0, 1);
    }
    support::control("start replica1").await;
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_belongs_to_a_connection_goes_there_whatever_the_server_has() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("tied", "n INT").await;
    let db = support::cluster();
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let mut session = db.session();
    sqlx::raw_sql("/*ms=replica*/CREATE TEMPORARY TABLE mine (n INT)").execute(&mut session).await.unwrap();
    let here = session.last_used().unwrap().name.to_owned();
    insert(&mut session, &table).await;
    // Its own table is on a replica that does not have what it wrote.
    assert_eq!(count(&mut session, "mine").await.0, 0);
    assert_eq!(session.last_used().unwrap().name, here);
    insert(&mut session, &table).await;
    assert_eq!(count(&mut session, "mine").await.0, 0);
    sqlx::raw_sql("/*ms=last_used*/SELECT COUNT(*) FROM mine").execute(&mut session).await.unwrap();
    assert_eq!(session.last_used().unwrap().name, here);
    drop(session);
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_open_read_view_is_no_evidence() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("read_view", "n INT").await;
    // With autocommit off a replica that answers has a transaction open, and reads as of its beginning until that ends.
    let (db, _) =
        support::configured(r#", "compat": "strict", "trx_stickiness": "disabled", "filters": {"roundrobin": []}"#);
    for wrote in 1..=4 {
        let mut session = db.session();
        session.set_autocommit(false).await.unwrap();
        count(&mut session, &table).await;
        insert(&mut session, &table).await;
        session.commit().await.unwrap();
        support::synced().await;
        for _ in 0..3 {
            let (seen, at) = count(&mut session, &table).await;
            assert_eq!(seen, wrote, "on port {at}");
        }
        session.rollback().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_replica_that_was_away_gets_its_part_again() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("away", "n INT").await;
    let keys = r#", "failover": {"strategy": "loop_before_master", "retry_after_s": 1}, "filters": {"roundrobin": []}"#;
    let (db, _) = support::configured(keys);
    // From now on there is a position that replicas are asked for.
    insert(&db, &table).await;
    support::synced().await;
    support::control("kill replica1").await;
    for _ in 0..20 {
        assert_eq!(count(&db, &table).await.0, 1);
    }
    support::control("start replica1").await;
    all_well().await;
    // The other one is known to have it, and yet it is asked.
    support::eventually("replica1 to be read from", async || count(&db, &table).await == (1, port(&replica_url(1))))
        .await;
}

/// A scope that has read from that replica.
async fn on_replica(db: &Cluster, replica: usize, table: &str) -> Scope {
    for _ in 0..100 {
        let scope = db.scope();
        if count(&scope, table).await.1 == port(&replica_url(replica)) {
            return scope;
        }
    }
    panic!("replica {replica} was never drawn");
}

/// Statements that all servers together were sent, whatever they are.
async fn statements() -> u64 {
    let mut sum = 0;
    for url in [primary_url(), replica_url(1), replica_url(2)] {
        sum += counted(&url, &["Questions"]).await;
    }
    sum
}

/// What requests ask of all servers beside what they are there for, and where their reads run; by the servers' own count.
///
/// Eight tasks make ten requests each, of one write and thirty reads; then as many that have a position handed over and only read.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn nine_of_ten_reads_are_on_replicas_for_a_tenth_of_a_question_each() {
    const TASKS: usize = 8;
    const REQUESTS: usize = 10;
    const READS: usize = 30;
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("shares", "n INT").await;
    let db = support::cluster();
    let writer = db.scope();
    insert(&writer, &table).await;
    let position = writer.position().await.unwrap();
    let work = async |writes: bool| {
        let tasks = (0..TASKS).map(async |_| {
            let mut on_replicas = 0;
            for _ in 0..REQUESTS {
                let scope = if writes { db.scope() } else { db.scope_at(&position) };
                if writes {
                    insert(&scope, &table).await;
                    // A form is sent, and then a page is asked for: meanwhile the replicas have it.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                for _ in 0..READS {
                    on_replicas += usize::from(count(&scope, &table).await.1 != port(&primary_url()));
                }
            }
            on_replicas
        });
        futures_util::future::join_all(tasks).await.into_iter().sum::<usize>()
    };
    // Connections are made, statements prepared, servers asked what they allow.
    work(true).await;
    for (what, writes) in [("one write and thirty reads", true), ("a position and thirty reads", false)] {
        let before = statements().await;
        let around = statements().await - before;
        let begin = statements().await;
        let on_replicas = work(writes).await;
        let all = statements().await - begin - around;
        let reads = TASKS * REQUESTS * READS;
        let own = reads + if writes { TASKS * REQUESTS } else { 0 };
        let extra = usize::try_from(all).unwrap().saturating_sub(own);
        println!("{what}: {on_replicas} of {reads} reads on replicas, {extra} more statements than were asked for");
        assert!(on_replicas * 10 >= reads * 9, "{what}: {on_replicas} of {reads}");
        assert!(extra * 10 <= reads, "{what}: {extra} more statements for {reads} reads");
    }
}

/// Statements that all servers together were sent by this account.
async fn questions() -> u64 {
    let mut sum = 0;
    for url in [primary_url(), replica_url(1), replica_url(2)] {
        sum += support::number(
            &url,
            "SELECT SUM(VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_SELECT'",
        )
        .await;
    }
    sum
}

/// Waits until both replicas have what the primary has, without a `SELECT`.
async fn applied() {
    let position = async |url: &str, name: &str| {
        let sql = AssertSqlSafe(format!("SHOW GLOBAL VARIABLES LIKE '{name}'"));
        let row = sqlx::raw_sql(sql).fetch_one(&mut support::direct(url).await).await.unwrap();
        row.try_get_unchecked::<String, _>(1).unwrap()
    };
    let written = position(&primary_url(), "gtid_binlog_pos").await;
    for replica in [1, 2] {
        support::eventually("the replicas to have it", async || {
            position(&replica_url(replica), "gtid_slave_pos").await == written
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_only_writes_is_asked_nothing_and_who_reads_is_asked_little() {
    if !is_mariadb() {
        return;
    }
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("questions", "n INT").await;
    let db = support::cluster();
    let scope = db.scope();
    insert(&scope, &table).await;
    count(&scope, &table).await;

    let before = questions().await;
    let around = questions().await - before;
    let asked = async |what: &str, most: u64| {
        let now = questions().await;
        (now, what.to_owned(), most)
    };
    let (start, ..) = asked("", 0).await;
    for _ in 0..50 {
        insert(&scope, &table).await;
    }
    let (end, ..) = asked("", 0).await;
    assert_eq!(end - start, around, "writes alone");

    // The same through the cluster, whose position is known and sought on replicas only.
    insert(&db, &table).await;
    count(&db, &table).await;
    let (start, ..) = asked("", 0).await;
    for _ in 0..50 {
        insert(&db, &table).await;
    }
    let (end, ..) = asked("", 0).await;
    assert_eq!(end - start, around, "writes alone, through the cluster");

    // A write, then ten reads: one question for the position, one to the replica.
    count(&scope, &table).await;
    let (start, ..) = asked("", 0).await;
    for _ in 0..10 {
        insert(&scope, &table).await;
        applied().await;
        for _ in 0..10 {
            count(&scope, &table).await;
        }
    }
    let (end, ..) = asked("", 0).await;
    let extra = end - start - around - 100;
    assert!(extra <= 20, "{extra} questions for 10 writes and 100 reads");
}
