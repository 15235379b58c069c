//! Bounds on the lag, on replicas that stop, wait and are asked too much: what a read with a bound returns is never older.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::print_stdout, reason = "what was measured is part of the result")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/cluster.rs"]
mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ms_pool::{
    Cluster, Counter, Role, Statistics,
    ms_gtid::replica::{Lag, Part, Status},
};
use replicas::{Acknowledged, both_run, counted, delay_both, insert, on_both};
use support::{
    address, alone, control, direct, eventually, is_mariadb, number, primary_url, replica_url, section, synced, table,
};
use tokio::task::JoinSet;

/// A cluster over the test servers, whose warnings are kept.
struct Watched {
    db: Cluster,
    statistics: Arc<Statistics>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Watched {
    fn of(text: String) -> Self {
        let (statistics, warnings) = (Arc::new(Statistics::default()), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&warnings);
        let builder = Cluster::builder().config_text("test.json", text).statistics(Arc::clone(&statistics));
        let db = builder.on_warning(move |it| heard.lock().unwrap().push(it.to_string())).build().unwrap();
        Self { db, statistics, warnings }
    }

    /// With a bound on the age of reads, in seconds, and more keys.
    fn within(age: u32, more: &str) -> Self {
        let quality = format!(r#"{{"eventual_consistency": {{"age": {age}}}}}"#);
        Self::of(section(&format!(r#", "filters": {{"quality_of_service": {quality}, "random": {{}}}} {more}"#)))
    }

    fn warned_of(&self, text: &str) -> bool {
        self.warnings.lock().unwrap().iter().any(|it| it.contains(text))
    }

    /// The side that a read runs on.
    async fn reads_on(&self) -> Role {
        let mut session = self.db.session();
        sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
        session.last_decision().unwrap().role().unwrap()
    }

    /// Reads until one runs on the primary. None that began `bound` after `stopped` may run on a replica.
    async fn last_replica_read(&self, stopped: Instant, bound: Duration) {
        loop {
            let began = stopped.elapsed();
            if self.reads_on().await != Role::Replica {
                return;
            }
            assert!(began < bound, "the bound is over since {:?}", began.saturating_sub(bound));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[track_caller]
    fn asked(&self) -> u64 {
        self.statistics.get(Counter::LagAsked)
    }
}

fn micros(time: Duration) -> i64 {
    time.as_micros().try_into().unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn many_reads_within_a_bound_cost_few_questions_faults() {
    let _turn = alone().await;
    let it = Watched::within(60, "");
    for _ in 0..200 {
        assert_eq!(it.reads_on().await, Role::Replica);
    }
    // Each replica was asked once, and how often it was asked.
    assert!((2..=4).contains(&it.asked()), "{}", it.asked());
    assert_eq!(*it.warnings.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn one_statement_may_have_its_own_bound_faults() {
    let _turn = alone().await;
    delay_both(3).await;
    synced().await;
    let name = table("lag_one", "id INT").await;
    let (builder, _) = support::builder();
    let db = builder.build().unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("INSERT INTO {name} VALUES (1)"))).execute(db.primary()).await.unwrap();
    // The replicas have it on the way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let within = async |bound: Duration| {
        let count = format!("SELECT COUNT(*) FROM {name}");
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count)).fetch_one(db.max_age(bound)).await.unwrap()
    };
    assert_eq!(within(Duration::from_millis(100)).await, 1, "the primary");
    assert_eq!(within(Duration::from_secs(60)).await, 0, "a replica");
    assert_eq!(within(Duration::from_millis(100)).await, 1);
    delay_both(0).await;
    synced().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_stopped_thread_is_found_out_in_time_faults() {
    let _turn = alone().await;
    for (thread, what) in [("SQL_THREAD", "the applier is stopped"), ("IO_THREAD", "the receiver is stopped")] {
        let it = Watched::within(2, "");
        assert_eq!(it.reads_on().await, Role::Replica);
        on_both(&format!("STOP REPLICA {thread}")).await;
        it.last_replica_read(Instant::now(), Duration::from_secs(2)).await;
        eventually("a warning", async || it.warned_of(what)).await;
        on_both(&format!("START REPLICA {thread}")).await;
        eventually("the replicas to be used again", async || it.reads_on().await == Role::Replica).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_delayed_replica_is_used_by_those_who_can_wait_faults() {
    let _turn = alone().await;
    let name = table("lag_delayed", "id INT").await;
    delay_both(3).await;
    let (near, far) = (Watched::within(2, ""), Watched::within(60, ""));
    // Something to be behind with.
    let mut primary = direct(&primary_url()).await;
    let insert = format!("INSERT INTO {name} VALUES (1)");
    let began = Instant::now();
    let mut seen_primary = 0;
    while began.elapsed() < Duration::from_secs(5) {
        sqlx::query(sqlx::AssertSqlSafe(insert.clone())).execute(&mut primary).await.unwrap();
        assert_eq!(far.reads_on().await, Role::Replica);
        // For the first seconds nobody can tell: nothing was there to be applied.
        seen_primary += u32::from(near.reads_on().await == Role::Primary);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(near.reads_on().await, Role::Primary);
    assert!(seen_primary > 10, "{seen_primary}");
    delay_both(0).await;
    synced().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_that_follows_nobody_is_no_fresh_replica_faults() {
    let _turn = alone().await;
    let (host, port) = address(&primary_url());
    let entry = format!(r#"{{"host": "{host}", "port": {port}, "user": "app", "password": "app", "db": "test"}}"#);
    let it = Watched::of(format!(
        r#"{{"shop": {{"master": {{"main": {entry}}}, "slave": {{"copy": {entry}}},
            "filters": {{"quality_of_service": {{"eventual_consistency": {{"age": 60}}}}, "random": {{}}}}}}}}"#
    ));
    for _ in 0..5 {
        assert_eq!(it.reads_on().await, Role::Primary);
    }
    assert!(it.warned_of("replica `copy` answers no reads that set a bound on its lag: it replicates from no server"));
    assert_eq!(it.warnings.lock().unwrap().iter().filter(|it| it.contains("from no server")).count(), 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_may_not_ask_is_told_the_grant_faults() {
    let _turn = alone().await;
    let mut primary = direct(&primary_url()).await;
    let create = "DROP USER IF EXISTS lagless@'%'; CREATE USER lagless@'%' IDENTIFIED BY 'lagless'; \
                  GRANT SELECT ON test.* TO lagless@'%'";
    sqlx::raw_sql(create).execute(&mut primary).await.unwrap();
    synced().await;
    for url in [replica_url(1), replica_url(2)] {
        drop(direct(&url.replace("app:app", "lagless:lagless")).await);
    }
    let text = section(
        r#", "filters": {"quality_of_service": {"eventual_consistency": {"age": 60}}, "random": {}},
            "pool": {"max_connections": 2}"#,
    );
    let it =
        Watched::of(text.replace(r#""user": "app", "password": "app""#, r#""user": "lagless", "password": "lagless""#));
    assert_eq!(it.reads_on().await, Role::Primary);
    let privilege = if is_mariadb() { "SLAVE MONITOR" } else { "REPLICATION CLIENT" };
    let grant = format!("(error 1227); to allow it: `GRANT {privilege} ON *.* TO 'lagless'@'%'`");
    eventually("a warning", async || it.warned_of(&grant)).await;
    let asked = it.asked();
    for _ in 0..20 {
        assert_eq!(it.reads_on().await, Role::Primary);
    }
    assert_eq!(it.asked(), asked, "it is not tried again and again");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_seen_before_a_restart_proves_nothing_faults() {
    let _turn = alone().await;
    let it = Watched::within(60, r#", "failover": {"strategy": "loop_before_master", "retry_after_s": 1}"#);
    assert_eq!(it.reads_on().await, Role::Replica);
    tokio::time::sleep(Duration::from_millis(1100)).await; // Runs are told apart by the second in which they began.
    for name in ["replica1", "replica2"] {
        control(&format!("kill {name}")).await;
        control(&format!("start {name}")).await;
        control(&format!("stop-replication {name}")).await;
    }
    // The evidence is young enough, but it is another run's. One statement may still meet a connection from before, and says so.
    let mut session = it.db.session();
    let _ = sqlx::query("SELECT 1").execute(&mut session).await;
    drop(session);
    for _ in 0..20 {
        assert_eq!(it.reads_on().await, Role::Primary);
    }
    for name in ["replica1", "replica2"] {
        control(&format!("start-replication {name}")).await;
    }
    synced().await;
}

/// What connections of one run are told apart from those of another by: the time less the uptime, which is one number whenever
/// it is asked for.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_run_of_a_server_has_one_number_faults() {
    let _turn = alone().await;
    let uptime = if is_mariadb() { "information_schema.GLOBAL_STATUS" } else { "performance_schema.global_status" };
    let sql =
        format!("SELECT UNIX_TIMESTAMP() - (SELECT VARIABLE_VALUE FROM {uptime} WHERE VARIABLE_NAME = 'Uptime') AS n");
    let mut connection = direct(&replica_url(1)).await;
    let mut numbers = std::collections::BTreeMap::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).fetch_one(&mut connection).await.unwrap();
        let number: String = sqlx::Row::try_get_unchecked(&row, "n").unwrap();
        *numbers.entry(number).or_insert(0) += 1;
    }
    println!("{numbers:?}");
    assert_eq!(numbers.len(), 1, "{numbers:?}");
}

/// MySQL's seconds count on until its applier notes, every 0.3 s, that it is done.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_second_that_has_passed_since_the_last_write_is_no_lag_faults() {
    let _turn = alone().await;
    let name = table("lag_second", "id INT").await;
    let it = Watched::within(60, "");
    let mut primary = direct(&primary_url()).await;
    for _ in 0..6 {
        let micros = number(&primary_url(), "SELECT MICROSECOND(NOW(6))").await;
        tokio::time::sleep(Duration::from_micros((1_900_000 - micros) % 1_000_000)).await;
        insert(&mut primary, &name).await;
        let written = Instant::now();
        synced().await;
        // The applier has its own bookkeeping.
        let left = Duration::from_millis(150).saturating_sub(written.elapsed());
        tokio::time::sleep(left.max(Duration::from_millis(50))).await;
        let lag = seen(&it.db, "replica1").await.1;
        println!("{lag:?} {:?} after a write", written.elapsed());
        assert_eq!(lag, Lag::at_most(Duration::ZERO));
    }
}

/// What an operator sees of a replica.
async fn seen(db: &Cluster, name: &str) -> (Status, Lag) {
    let seen = db.examine(name).await.unwrap();
    (seen.replication.unwrap(), seen.lag.unwrap())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_blocked_applier_shows_how_far_it_is_behind_faults() {
    let _turn = alone().await;
    let name = table("lag_blocked", "id INT").await;
    let it = Watched::within(60, "");
    // What is applied is seen before the applier has noted that it is done.
    eventually("the replica to have nothing left", async || {
        let (status, lag) = seen(&it.db, "replica1").await;
        status.channels()[0].caught_up && lag == Lag::at_most(Duration::ZERO)
    })
    .await;
    let mut blocker = direct(&replica_url(1)).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("LOCK TABLES {name} READ"))).execute(&mut blocker).await.unwrap();
    let mut primary = direct(&primary_url()).await;
    let sent = Instant::now();
    insert(&mut primary, &name).await;
    let written = Instant::now();
    eventually("the row to arrive", async || !seen(&it.db, "replica1").await.0.channels()[0].caught_up).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let least = written.elapsed().checked_sub(Duration::from_millis(250)).unwrap();
        let (status, lag) = seen(&it.db, "replica1").await;
        let most = sent.elapsed();
        let Lag::Behind(behind) = lag else { panic!("{lag:?}") };
        assert!(behind.at_most() >= least, "{behind:?}, {least:?} at least");
        assert!(!status.channels()[0].caught_up);
        if is_mariadb() {
            assert_eq!(behind.rounding, Duration::from_secs(2));
            assert!(behind.lag <= most + Duration::from_secs(1), "{behind:?}, {most:?} at most");
        } else {
            assert_eq!(behind.rounding, Duration::ZERO, "microseconds");
            assert!(behind.lag <= most, "{behind:?}, {most:?} at most");
        }
    }
    drop(blocker);
    synced().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn of_several_sources_all_must_be_followed_faults() {
    let _turn = alone().await;
    let (host, port) = address(&replica_url(2));
    let it = Watched::within(60, "");
    assert_eq!(it.reads_on().await, Role::Replica);
    let (add, remove) = if is_mariadb() {
        (
            format!(
                "CHANGE MASTER 'extra' TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='repl', MASTER_PASSWORD='repl'"
            ),
            "RESET SLAVE 'extra' ALL",
        )
    } else {
        let to = format!(
            "SOURCE_HOST='{host}', SOURCE_PORT={port}, SOURCE_USER='repl', SOURCE_PASSWORD='repl', SOURCE_AUTO_POSITION=1"
        );
        (format!("CHANGE REPLICATION SOURCE TO {to} FOR CHANNEL 'extra'"), "RESET REPLICA ALL FOR CHANNEL 'extra'")
    };
    control(&format!("sql replica1 {add}")).await;
    let (status, lag) = seen(&it.db, "replica1").await;
    control(&format!("sql replica1 {remove}")).await;
    assert_eq!(status.channels().len(), 2, "{status:?}");
    assert_eq!(lag, Lag::Stopped { channel: "extra".to_owned(), part: Part::Receiver, errno: 0 });
    assert_eq!(seen(&it.db, "replica1").await.0.channels().len(), 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_that_holds_the_last_connection_does_not_wait_for_itself_faults() {
    let _turn = alone().await;
    let it = Watched::within(2, r#", "pool": {"max_connections": 1}"#);
    let mut session = it.db.session();
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(5) {
        let sent = Instant::now();
        sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
        slowest = slowest.max(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(slowest < Duration::from_millis(1500), "{slowest:?}: two seconds if it did");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_heartbeat_needs_no_privilege_and_shows_what_seconds_hide_faults() {
    let _turn = alone().await;
    let name = table("lag_heartbeat", "id INT PRIMARY KEY, at DATETIME(6)").await;
    let mut primary = direct(&primary_url()).await;
    let beat = format!("REPLACE INTO {name} VALUES (1, UTC_TIMESTAMP(6))");
    let monitor = format!(r#", "monitor": {{"heartbeat": {{"table": "test.{name}", "column": "at"}}}}"#);
    let it = Watched::within(1, &monitor);
    assert_eq!(it.reads_on().await, Role::Primary, "nothing has beaten yet");
    eventually("a beat to be seen", async || {
        sqlx::query(sqlx::AssertSqlSafe(beat.clone())).execute(&mut primary).await.unwrap();
        it.reads_on().await == Role::Replica
    })
    .await;
    // The primary stands still: its replicas know nothing of it.
    it.last_replica_read(Instant::now(), Duration::from_secs(1)).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn classic_asks_for_every_statement_and_warns_in_the_originals_words_faults() {
    let _turn = alone().await;
    let it = Watched::within(60, r#", "compat": "classic""#);
    assert_eq!(it.reads_on().await, Role::Replica);
    control("sql replica1 STOP REPLICA SQL_THREAD").await;
    control("sql replica2 STOP REPLICA IO_THREAD").await;
    assert_eq!(it.reads_on().await, Role::Primary, "at once");
    assert_eq!(
        *it.warnings.lock().unwrap(),
        [
            "SQL error while checking slave for lag (-1): 2000/'Slave_SQL_Running is not 'Yes''",
            "SQL error while checking slave for lag (-1): 2000/'Slave_IO_Running is not 'Yes''"
        ]
    );
    control("sql replica1 START REPLICA SQL_THREAD").await;
    control("sql replica2 START REPLICA IO_THREAD").await;
    both_run().await;
    eventually("the replicas to be used again", async || it.reads_on().await == Role::Replica).await;
}

/// What a read with a bound returns is never older than the bound. Receivers are left alone: one that has just connected says
/// that it lacks nothing before it was sent what it lacks.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn no_read_is_older_than_its_bound_faults() {
    let _turn = alone().await;
    let name = table("lag_clock", "id INT PRIMARY KEY, at BIGINT").await;
    let began = Instant::now();
    let write = format!("REPLACE INTO {name} VALUES (1, ?)");
    let mut primary = direct(&primary_url()).await;
    let mut tasks = JoinSet::new();
    let written = Arc::new(Acknowledged::default());
    let told = Arc::clone(&written);
    tasks.spawn(async move {
        loop {
            let value = micros(began.elapsed());
            sqlx::query(sqlx::AssertSqlSafe(write.clone())).bind(value).execute(&mut primary).await.unwrap();
            told.note(began.elapsed(), value);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    synced().await;
    let counts = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    // Those who may ask less often than their bound would need go by what has become too old, if by anything.
    for (age, most) in [(1_u32, 5), (2, 5), (4, 5), (1, 1), (2, 1)] {
        let (counts, written) = (counts.clone(), Arc::clone(&written));
        let select = format!("SELECT at FROM {name}");
        tasks.spawn(async move {
            let it = Watched::within(age, &format!(r#", "monitor": {{"max_per_second": {most}}}"#));
            loop {
                let mut session = it.db.session();
                let sent = began.elapsed();
                let row: Option<(i64,)> =
                    sqlx::query_as(sqlx::AssertSqlSafe(select.clone())).fetch_optional(&mut session).await.unwrap();
                let replica = session.last_decision().unwrap().role() == Some(Role::Replica);
                let value = row.map_or(0, |(at,)| at);
                let behind = replica && micros(sent) - value > 200_000;
                for (count, by) in counts.iter().zip([true, replica, behind]) {
                    count.fetch_add(u64::from(by), Ordering::Relaxed);
                }
                let least = written.by(sent.saturating_sub(Duration::from_secs(age.into())));
                assert!(value >= least, "{value} at {sent:?} within {age} s, when {least} is to be seen");
                drop(session);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
    }
    let trouble = async {
        for _ in 0..4 {
            for sql in ["STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"] {
                control(&format!("sql replica1 {sql}")).await;
                tokio::time::sleep(Duration::from_millis(900)).await;
                control(&format!("sql replica2 {sql}")).await;
                tokio::time::sleep(Duration::from_millis(900)).await;
            }
        }
    };
    tokio::select! {
        () = trouble => {}
        Some(ended) = tasks.join_next() => panic!("{ended:?}"),
    }
    let [reads, on_replicas, behind] = counts.each_ref().map(|it| it.load(Ordering::Relaxed));
    println!(
        "{reads} reads, {on_replicas} on replicas, {behind} of these more than 200 ms behind; none beyond its bound"
    );
    assert!(behind > 100, "{behind} reads were behind at all");
    drop(tasks);
    synced().await;
}

/// A receiver that has just connected says that it lacks nothing, until it is sent the first of what it lacks. That takes the longer
/// the more of its log the primary has to read to find it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_receiver_that_has_just_connected_proves_nothing_faults() {
    let _turn = alone().await;
    let name = table("lag_receiver", "id INT PRIMARY KEY AUTO_INCREMENT, t LONGTEXT").await;
    let mut primary = direct(&primary_url()).await;
    let long = format!("INSERT INTO {name} (t) VALUES (REPEAT('x', 1000000))");
    for _ in 0..40 {
        sqlx::raw_sql(sqlx::AssertSqlSafe(long.clone())).execute(&mut primary).await.unwrap();
    }
    synced().await;
    let (mut missed, mut on_replicas) = (0, 0);
    for round in 1..=6_i64 {
        on_both("STOP REPLICA IO_THREAD").await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("INSERT INTO {name} (t) VALUES ('gap')")))
            .execute(&mut primary)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        on_both("START REPLICA IO_THREAD").await;
        let mut tasks = JoinSet::new();
        // MySQL's takes its time to connect.
        let apart = if is_mariadb() { 2 } else { 4 };
        for task in 0..80 {
            let count = format!("SELECT COUNT(*) FROM {name} WHERE t = 'gap'");
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(task * apart)).await;
                let patient = r#", "pool": {"connect_timeout_ms": 30000, "acquire_timeout_ms": 60000}"#;
                let it = Watched::within(1, patient);
                let mut session = it.db.session();
                let (seen,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(count)).fetch_one(&mut session).await.unwrap();
                (seen, session.last_decision().unwrap().role() == Some(Role::Replica))
            });
        }
        while let Some(read) = tasks.join_next().await {
            let (seen, replica) = read.unwrap();
            missed += usize::from(seen < round);
            on_replicas += usize::from(replica);
        }
        synced().await;
    }
    println!(
        "{on_replicas} of 480 reads on replicas; {missed} missed what was written 1.5 s before, with a bound of 1 s"
    );
    assert_eq!(missed, 0);
    let it = Watched::within(1, "");
    eventually("them to be used", async || it.reads_on().await == Role::Replica).await;
}

/// Its replicas go on saying that they lack nothing, for a minute.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_primary_that_hangs_proves_nothing_faults() {
    let _turn = alone().await;
    let it = Watched::within(1, "");
    eventually("them to be used", async || it.reads_on().await == Role::Replica).await;
    control("pause primary").await;
    // What was seen before is older than the bound by now.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let mut session = it.db.session();
    let answer = tokio::time::timeout(Duration::from_millis(1500), sqlx::query("SELECT 1").execute(&mut session)).await;
    control("resume primary").await;
    // It waits for the primary, or has given it up.
    assert!(!matches!(answer, Ok(Ok(_))), "nobody can know how old that was");
    eventually("them to be used again", async || it.reads_on().await == Role::Replica).await;
}

/// A hundred services with ten tasks each; here they are clusters of one process, which know nothing of each other either.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_hundred_services_ask_five_times_a_second_together_faults() {
    const SERVICES: usize = 100;
    const TASKS: usize = 10;
    let _turn = alone().await;
    let pool = r#", "pool": {"max_connections": 1, "acquire_timeout_ms": 60000, "connect_timeout_ms": 30000}"#;
    let services: Vec<_> = (0..SERVICES).map(|_| Watched::within(60, pool)).collect();
    let mut tasks = JoinSet::new();
    let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    for service in &services {
        for _ in 0..TASKS {
            let (db, [reads, on_replicas]) = (service.db.clone(), counts.clone());
            tasks.spawn(async move {
                loop {
                    let mut session = db.session();
                    sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
                    let replica = session.last_decision().unwrap().role() == Some(Role::Replica);
                    drop(session);
                    reads.fetch_add(1, Ordering::Relaxed);
                    on_replicas.fetch_add(u64::from(replica), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(500..1500))).await;
                }
            });
        }
    }
    // The replicas count what they are asked; the primary is asked with a `SELECT`, which only who sends it can tell from others.
    let asked = async || {
        let show = ["Com_show_slave_status", "Com_show_replica_status", "Com_show_status"];
        let proofs = services.iter().map(|it| it.statistics.get(Counter::LagSourceAsked)).sum::<u64>();
        [proofs, counted(&replica_url(1), &show).await, counted(&replica_url(2), &show).await]
    };
    // All have asked for the first time; they ask again before a minute is over.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (began, before) = (Instant::now(), asked().await);
    counts.iter().for_each(|it| it.store(0, Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(45)).await;
    let [reads, on_replicas] = counts.each_ref().map(|it| it.load(Ordering::Relaxed));
    let (after, seconds) = (asked().await, began.elapsed().as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let rates: Vec<f64> = before.iter().zip(after).map(|(before, after)| (after - before) as f64 / seconds).collect();
    println!("{rates:.2?} statements per second to primary and replicas; {on_replicas} of {reads} reads on replicas");
    assert!(rates.iter().all(|rate| *rate < 5.0), "{rates:?}");
    assert!(on_replicas * 10 >= reads * 9, "{on_replicas} of {reads}");
}
