//! Where statements run on a real cluster, and what is said about it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use ms_pool::{Cluster, Counter, Error};
use sqlx::{Acquire, AssertSqlSafe, Connection, Executor, Row};
use support::{address, cluster, configured, port_of, primary_url, replica_url};

fn primary_port() -> u16 {
    address(&primary_url()).1
}

fn replica_ports() -> [u16; 2] {
    [address(&replica_url(1)).1, address(&replica_url(2)).1]
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn reads_go_to_replicas_and_writes_to_the_primary() {
    let db = cluster();
    let table = support::table("routing_basic", "id INT PRIMARY KEY, at INT").await;
    for _ in 0..20 {
        assert!(replica_ports().contains(&port_of(&db, "").await));
    }
    let insert = format!("INSERT INTO {table} VALUES (1, @@port)");
    sqlx::query(AssertSqlSafe(insert)).execute(&db).await.unwrap();
    let select = format!("/*ms=primary*/ SELECT at FROM {table}");
    let (at,): (i32,) = sqlx::query_as(AssertSqlSafe(select)).fetch_one(&db).await.unwrap();
    assert_eq!(u16::try_from(at).unwrap(), primary_port());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn hints_win_over_the_text() {
    let db = cluster();
    let mut session = db.session();
    assert_eq!(port_of(&mut session, "/*ms=master*/").await, primary_port());
    assert_eq!(port_of(&mut session, "/*ms=last_used*/").await, primary_port());
    assert!(replica_ports().contains(&port_of(&mut session, "# ms=replica\n").await));
    assert_eq!(port_of(db.primary(), "").await, primary_port());
    assert!(replica_ports().contains(&port_of(db.replica(), "").await));
    let refused = sqlx::query("/*ms=last_used*/ SELECT 1").execute(&mut db.session()).await.unwrap_err();
    assert!(refused.to_string().contains("no connection was used before"), "{refused}");
    assert_eq!(ms_pool::code(&refused), 2000);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn every_front_end_of_sqlx_works() {
    let db = cluster();
    let mut session = db.session();

    let (one,): (i64,) = sqlx::query_as("SELECT 1").fetch_one(&db).await.unwrap();
    assert_eq!(one, 1);
    let sum: i64 =
        sqlx::query_scalar("SELECT CAST(? + ? AS SIGNED)").bind(40).bind(2).fetch_one(&mut session).await.unwrap();
    assert_eq!(sum, 42);
    let mut builder = sqlx::QueryBuilder::<sqlx::MySql>::new("SELECT 3 IN (");
    let mut list = builder.separated(", ");
    for n in [1, 2, 3] {
        list.push_bind(n);
    }
    builder.push(")");
    let found: i64 = builder.build_query_scalar().fetch_one(&db).await.unwrap();
    assert_eq!(found, 1);

    let results = sqlx::raw_sql("SELECT 1; SELECT 2").fetch_all(&mut session).await.unwrap();
    assert_eq!(results.len(), 2);
    assert!(sqlx::query("SELECT 1 FROM DUAL WHERE 1 = 0").fetch_optional(&db).await.unwrap().is_none());
    let statement = (&db).prepare(sqlx::SqlSafeStr::into_sql_str("SELECT ?")).await.unwrap();
    assert_eq!(sqlx::Statement::parameters(&statement).map(|it| it.right()), Some(Some(1)));

    let spawned = db.clone();
    let task = tokio::spawn(async move { sqlx::query("SELECT 1").fetch_all(&spawned).await.map(|rows| rows.len()) });
    assert_eq!(task.await.unwrap().unwrap(), 1);

    async fn generic<'e, E: Executor<'e, Database = sqlx::MySql>>(executor: E) -> i64 {
        sqlx::query_scalar("SELECT 7").fetch_one(executor).await.unwrap()
    }
    assert_eq!(generic(&db).await + generic(&mut session).await + generic(db.primary()).await, 21);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn decisions_say_why() {
    let (db, _) = configured(r#", "filters": {"roundrobin": []}"#);
    let mut session = db.session();
    for _ in 0..3 {
        port_of(&mut session, "").await;
    }
    let shown = session.last_decision().unwrap().to_string();
    assert!(shown.ends_with("-> 2 replicas -> roundrobin -> replica1"), "{shown}");
    assert_eq!(session.last_used().unwrap().name, "replica1");
    assert_eq!(session.dump_servers().iter().filter(|it| it.connection_id.is_some()).count(), 2);
    port_of(&mut session, "").await;
    assert_eq!(session.last_used().unwrap().name, "replica2");
    sqlx::query("SELECT 1 FOR UPDATE").execute(&mut session).await.unwrap();
    let decision = session.last_decision().unwrap();
    assert_eq!((decision.server(), decision.cause.code()), (Some("primary"), "locking"));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn statistics_count_each_statement_once() {
    let (db, statistics) = configured("");
    let mut session = db.session();
    for _ in 0..3 {
        port_of(&mut session, "").await;
    }
    port_of(&mut session, "/*ms=slave*/ /*ms=master*/").await;
    port_of(&mut session, "/*ms=last_used*/").await;
    sqlx::query("DO 1").execute(&mut session).await.unwrap();
    let expected = [
        (Counter::UseReplica, 3),
        (Counter::UseReplicaGuess, 3),
        (Counter::UsePrimary, 2),
        (Counter::UsePrimaryGuess, 1),
        (Counter::UsePrimaryHint, 1),
        (Counter::UseReplicaHint, 1),
        (Counter::UseLastUsedHint, 1),
        (Counter::LazyReplicaSuccess, 1),
        (Counter::LazyPrimarySuccess, 1),
    ];
    for (counter, count) in expected {
        assert_eq!(statistics.get(counter), count, "{}", counter.name());
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn random_once_keeps_a_session_on_its_replica_and_spreads_sessions() {
    let (db, _) = configured("");
    let mut seen = Vec::new();
    for _ in 0..20 {
        let mut session = db.session();
        let first = port_of(&mut session, "").await;
        for _ in 0..5 {
            assert_eq!(port_of(&mut session, "").await, first);
        }
        seen.push(first);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2, "twenty sessions all drew the same replica");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn weights_are_shares() {
    let (db, _) =
        configured(r#", "filters": {"roundrobin": {"weights": {"primary": 1, "replica1": 3, "replica2": 1}}}"#);
    let mut session = db.session();
    let mut first = 0;
    for _ in 0..8 {
        first += usize::from(port_of(&mut session, "").await == replica_ports()[0]);
    }
    assert_eq!(first, 6);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn master_on_write_and_disable_rw_split() {
    let (db, _) = configured(r#", "master_on_write": true"#);
    let mut session = db.session();
    assert_ne!(port_of(&mut session, "").await, primary_port());
    sqlx::query("DO 1").execute(&mut session).await.unwrap();
    assert_eq!(port_of(&mut session, "").await, primary_port());
    assert_ne!(port_of(&mut session, "/*ms=slave*/").await, primary_port());

    let (db, _) = configured(r#", "disable_rw_split": true"#);
    assert_eq!(port_of(&mut db.session(), "").await, primary_port());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn classic_looks_at_the_first_token_only() {
    let (db, _) = configured(r#", "compat": "classic""#);
    let mut session = db.session();
    sqlx::query("SELECT 1 FOR UPDATE").execute(&mut session).await.unwrap();
    assert_ne!(session.last_used().unwrap().name, "primary");
    sqlx::query("(SELECT 1)").execute(&mut session).await.unwrap();
    assert_eq!(session.last_used().unwrap().name, "primary");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_belt_refuses_stray_writes_and_reroutes_reads_that_write() {
    let table = support::table("routing_belt", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let mut primary = support::direct(&primary_url()).await;
    let function = format!(
        "DROP FUNCTION IF EXISTS routing_count; \
         CREATE FUNCTION routing_count() RETURNS INT NOT DETERMINISTIC MODIFIES SQL DATA \
         BEGIN INSERT INTO {table} VALUES (NULL); RETURN @@port; END"
    );
    for server in ["primary", "replica1", "replica2"] {
        support::control(&format!("sql {server} SET GLOBAL log_bin_trust_function_creators = 1")).await;
    }
    sqlx::raw_sql(AssertSqlSafe(function)).execute(&mut primary).await.unwrap();
    support::synced().await;

    // Somebody promised that the function only reads, so the statement goes to a replica, whose belt refuses it.
    let (db, statistics) = configured(&format!(r#", "read_functions": ["routing_count"]{}"#, support::PATIENT));
    let count = "SELECT routing_count() AS port";
    let rows = sqlx::raw_sql(count).fetch_all(&db).await.unwrap();
    assert_eq!(rows[0].try_get_unchecked::<String, _>(0).unwrap(), primary_port().to_string());
    assert_eq!(statistics.get(Counter::BeltRerouted), 1);
    assert_eq!(statistics.get(Counter::UseReplica), 1);

    // On a session's open connection, with no connection to the primary yet and with one.
    let mut session = db.session();
    port_of(&mut session, "").await;
    for round in 2..=3 {
        let rows = sqlx::raw_sql(count).fetch_all(&mut session).await.unwrap();
        assert_eq!(rows[0].try_get_unchecked::<String, _>(0).unwrap(), primary_port().to_string());
        assert_eq!(statistics.get(Counter::BeltRerouted), round);
        assert_eq!(session.last_used().unwrap().name, "primary");
        assert_eq!(session.last_decision().unwrap().server(), Some("primary"), "round {round}");
        assert_eq!(statistics.get(Counter::UsePrimary), round, "a reroute is a use of the primary");
        port_of(&mut session, "").await;
    }
    drop(session);
    let rows: Vec<(i32,)> =
        sqlx::query_as(AssertSqlSafe(format!("SELECT id FROM {table}"))).fetch_all(db.primary()).await.unwrap();
    assert_eq!(rows.len(), 3, "every call ran exactly once");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_hinted_write_lifts_the_belt_with_a_warning() {
    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&warnings);
    let db = support::builder().0.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
    let mut session = db.session();
    sqlx::raw_sql("/*ms=replica*/ CREATE TEMPORARY TABLE scratch (id INT)").execute(&mut session).await.unwrap();
    sqlx::raw_sql("/*ms=last_used*/ INSERT INTO scratch VALUES (1), (2)").execute(&mut session).await.unwrap();
    let rows = sqlx::raw_sql("/*ms=last_used*/ SELECT id FROM scratch").fetch_all(&mut session).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert!(warnings.lock().unwrap()[0].contains("accepts it from now on"), "{:?}", warnings.lock().unwrap());
    let open = db.size();
    drop(session);
    assert_eq!(db.size(), open - 1, "the connection without its belt was closed");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_needs_a_session_is_refused_through_the_cluster() {
    for compat in ["classic", "strict"] {
        let (db, _) = configured(&format!(r#", "compat": "{compat}""#));
        for sql in ["BEGIN", "START TRANSACTION READ ONLY", "SET autocommit = 0", "LOCK TABLES t READ", "COMMIT"] {
            let error = sqlx::raw_sql(sql).execute(&db).await.unwrap_err();
            assert!(matches!(Error::of(&error), Some(Error::NeedsSession { .. })), "{compat} {sql}: {error}");
            assert!(error.to_string().contains("session()"), "{error}");
        }
        let error = sqlx::raw_sql("SELECT GET_LOCK('a', 0)").execute(&db).await.unwrap_err();
        assert!(matches!(Error::of(&error), Some(Error::NeedsSession { .. })), "{compat}: {error}");
        assert_eq!(db.size(), 0, "nothing was sent anywhere");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn changed_connections_are_not_given_to_others() {
    let (db, statistics) = configured("");
    let mut session = db.session();
    sqlx::raw_sql("SET @mine = 1").execute(&mut session).await.unwrap();
    let mine: Option<i64> = sqlx::query_scalar("/*ms=last_used*/ SELECT @mine").fetch_one(&mut session).await.unwrap();
    assert_eq!(mine, Some(1));
    drop(session);
    assert_eq!(db.num_idle(), 0);
    assert_eq!(statistics.get(Counter::DirtyClosed), 1);

    sqlx::raw_sql("SET @mine = 2").execute(&db).await.unwrap();
    assert_eq!(db.num_idle(), 0);
    sqlx::raw_sql("DO 1").execute(&db).await.unwrap();
    assert_eq!(db.num_idle(), 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_commits_rolls_back_and_nests() {
    let db = cluster();
    let table = support::table("routing_tx", "id INT PRIMARY KEY").await;
    let insert = |id: i32| AssertSqlSafe(format!("INSERT INTO {table} VALUES ({id})"));
    let count = || async {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_scalar::<_, i64>(sql).fetch_one(db.primary()).await.unwrap()
    };

    let mut tx = db.begin().await.unwrap();
    sqlx::query(insert(1)).execute(&mut tx).await.unwrap();
    assert_eq!(count().await, 0);
    tx.commit().await.unwrap();
    assert_eq!(count().await, 1);

    let mut tx = db.begin().await.unwrap();
    sqlx::query(insert(2)).execute(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    sqlx::query(insert(3)).execute(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(count().await, 1);

    // A function that begins on its own gets a savepoint.
    let mut tx = db.begin().await.unwrap();
    sqlx::query(insert(4)).execute(&mut *tx).await.unwrap();
    let mut nested = Connection::begin(&mut *tx).await.unwrap();
    sqlx::query(insert(5)).execute(&mut *nested).await.unwrap();
    nested.rollback().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count().await, 2);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_gives_its_connection_back_unless_it_was_bare() {
    let (db, statistics) = configured("");
    for round in 0..3 {
        let mut tx = db.begin().await.unwrap();
        sqlx::query("DO 1").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((db.num_idle(), db.state()[0].opened), (1, 1), "round {round}");
    }
    assert_eq!(statistics.get(Counter::DirtyClosed), 0);
    let mut tx = db.begin().await.unwrap();
    sqlx::query("DO 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.size(), 0, "nobody saw what was sent on the bare connection");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_seed_repeats_the_choices_of_a_cluster_and_still_spreads_them() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let db = support::builder().0.seed(7).build().unwrap();
        let mut ports = Vec::new();
        for _ in 0..12 {
            ports.push(port_of(&db, "").await);
        }
        runs.push(ports);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(replica_ports().iter().all(|port| runs[0].contains(port)), "{:?}", runs[0]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_dropped_transaction_rolls_back_before_its_connection_is_used_again() {
    let pool = r#", "pool": {"max_connections": 1}"#;
    let (db, _) = configured(pool);
    let table = support::table("routing_drop", "id INT PRIMARY KEY").await;
    for round in 0..20 {
        let mut tx = db.begin().await.unwrap();
        sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} VALUES (1)"))).execute(&mut tx).await.unwrap();
        drop(tx);
        // The only slot comes back when the rollback was answered; a leftover transaction would show its row.
        let sql = AssertSqlSafe(format!("/*ms=primary*/ SELECT COUNT(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&db).await.unwrap();
        assert_eq!(rows, 0, "round {round}");
    }
    assert_eq!(db.state()[0].opened, 1, "the connection was kept");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn acquire_gives_a_bare_primary_connection_that_is_closed_afterwards() {
    let db = cluster();
    let mut conn = (&db).acquire().await.unwrap();
    let port: u16 = sqlx::query_scalar("SELECT CAST(@@port AS UNSIGNED)")
        .fetch_one(&mut *conn)
        .await
        .map(|it: u64| u16::try_from(it).unwrap())
        .unwrap();
    assert_eq!(port, primary_port());
    drop(conn);
    assert_eq!(db.size(), 0);
    let refused = Acquire::begin(&db).await.unwrap_err();
    assert!(refused.to_string().contains("begin()"), "{refused}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn lazy_opens_what_its_mode_says() {
    for (extra, open) in [
        (r#", "compat": "classic""#, 0),
        (r#", "compat": "strict""#, 1),
        (r#", "lazy_connections": false"#, 3),
        (r#", "lazy_connections": false, "compat": "classic""#, 3),
    ] {
        let db = Cluster::builder().config_text("test.json", support::section(extra)).connect().await.unwrap();
        assert_eq!(db.size(), open, "{extra}");
        db.close().await;
        assert_eq!(db.size(), 0);
        let error = sqlx::query("SELECT 1").execute(&db).await.unwrap_err();
        assert!(matches!(Error::of(&error), Some(Error::Closed)), "{error}");
    }
}
