//! Clusters of real servers, tried for real.
//!
//! They start servers, so they are ignored by plain `cargo test` and run by `cargo xtask test`, which says in
//! `MS_TEST_FLAVOR` which ones. They leave the cluster that runs there alone and start their own.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{env, panic, path::Path};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    runtime::Runtime,
};
use xtask::{
    cluster::{Cluster, Error, Spec, State, Topology},
    progress::Progress,
    provision::Flavor,
};

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn replicas_get_what_the_primary_writes_and_refuse_writes() {
    with_cluster(2, async |cluster| {
        cluster.server("primary")?.sql("CREATE TABLE test.t (id INT PRIMARY KEY)").await?;
        cluster.server("primary")?.sql("INSERT INTO test.t VALUES (7)").await?;
        cluster.wait_sync().await?;
        for name in ["replica1", "replica2"] {
            let replica = cluster.server(name)?;
            assert_eq!(replica.sql("SELECT id FROM test.t").await?.first(), Some("7"), "on {name}");
            assert_eq!(replica.sql("SELECT @@read_only").await?.first(), Some("1"), "on {name}");
            // Only MySQL can refuse those who have every privilege.
            let refuses_root = replica.sql("INSERT INTO test.t VALUES (8)").await.is_err();
            assert_eq!(refuses_root, cluster.flavor() == Flavor::MySql, "on {name}");
        }
        Ok(())
    });
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn committed_rows_survive_a_kill_and_replication_goes_on() {
    with_cluster(1, async |cluster| {
        let (primary, replica) = (cluster.server("primary")?, cluster.server("replica1")?);
        primary.sql("CREATE TABLE test.t (id INT PRIMARY KEY)").await?;
        primary.sql("INSERT INTO test.t VALUES (1)").await?;
        let before = primary.pid();

        primary.kill9().await?;
        assert_eq!(primary.state().await, State::Stopped);
        assert!(primary.sql("SELECT 1").await.is_err());
        primary.start().await?;
        assert_ne!(primary.pid(), before);
        assert!(matches!(primary.start().await, Err(Error::Running { .. })));

        replica.restart().await?;
        primary.sql("INSERT INTO test.t VALUES (2)").await?;
        cluster.wait_sync().await?;
        assert_eq!(replica.sql("SELECT COUNT(*) FROM test.t").await?.first(), Some("2"));
        Ok(())
    });
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn a_replica_without_replication_answers_with_what_it_has() {
    with_cluster(1, async |cluster| {
        cluster.server("primary")?.sql("CREATE TABLE test.t (id INT PRIMARY KEY)").await?;
        cluster.wait_sync().await?;
        cluster.stop_replication("replica1").await?;
        cluster.server("primary")?.sql("INSERT INTO test.t VALUES (1)").await?;
        let count = "SELECT COUNT(*) FROM test.t";
        assert_eq!(cluster.server("replica1")?.sql(count).await?.first(), Some("0"));
        cluster.start_replication("replica1").await?;
        cluster.wait_sync().await?;
        assert_eq!(cluster.server("replica1")?.sql(count).await?.first(), Some("1"));
        Ok(())
    });
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn a_promoted_replica_is_followed_and_the_former_primary_made_anew() {
    with_cluster(2, async |cluster| {
        let count = "SELECT COUNT(*) FROM test.t";
        let [primary, replica1, replica2] = ["primary", "replica1", "replica2"].map(|it| cluster.server(it).unwrap());
        primary.sql("CREATE TABLE test.t (id INT PRIMARY KEY)").await?;
        cluster.wait_sync().await?;
        cluster.stop_replication("replica1").await?;
        primary.sql("INSERT INTO test.t VALUES (1)").await?;
        cluster.stop_replication("replica2").await?;
        primary.sql("INSERT INTO test.t VALUES (2)").await?;
        primary.kill9().await?;
        // One of them may not have got the first row in time; who has it is the one to promote.
        let had = replica2.sql(count).await?;
        let chosen = cluster.most_advanced(&["replica1", "replica2"]).await?;
        assert_eq!(chosen, if had.first() == Some("1") { "replica2" } else { "replica1" });

        cluster.promote("replica2").await?;
        assert!(matches!(cluster.promote("replica2").await, Err(Error::Primary { .. })));
        replica2.sql("INSERT INTO test.t VALUES (3)").await?;
        cluster.renew("primary", "replica1").await?;
        cluster.wait_sync().await?;
        let rows = "SELECT GROUP_CONCAT(id ORDER BY id) FROM test.t";
        let expected = replica2.sql(rows).await?;
        assert!(!expected.first().unwrap().contains('2'), "what only the dead one had is lost: {expected:?}");
        for it in [primary, replica1] {
            assert_eq!(it.sql(rows).await?, expected, "on {}", it.name());
            assert_eq!(it.sql("SELECT @@read_only").await?.first(), Some("1"), "on {}", it.name());
        }
        // Roles outlive a restart, and the one that was made anew is somebody else.
        replica2.restart().await?;
        assert_eq!(replica2.sql("SELECT @@read_only").await?.first(), Some("0"));
        assert_eq!(primary.sql("SELECT @@server_id").await?.first(), Some("1001"));
        Ok(())
    });
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn a_replica_that_is_set_back_has_what_it_had() {
    with_cluster(1, async |cluster| {
        let (primary, replica) = (cluster.server("primary")?, cluster.server("replica1")?);
        let count = "SELECT COUNT(*) FROM test.t";
        primary.sql("CREATE TABLE test.t (id INT PRIMARY KEY)").await?;
        cluster.wait_sync().await?;
        cluster.save("replica1").await?;
        primary.sql("INSERT INTO test.t VALUES (1)").await?;
        cluster.wait_sync().await?;
        let identity = replica.sql("SELECT @@server_id").await?;
        cluster.restore("replica1").await?;
        assert_eq!(replica.sql(count).await?.first(), Some("0"));
        assert_eq!(replica.sql("SELECT @@server_id").await?, identity);
        cluster.start_replication("replica1").await?;
        cluster.wait_sync().await?;
        assert_eq!(replica.sql(count).await?.first(), Some("1"));

        cluster.delay_replication("replica1", 2).await?;
        primary.sql("INSERT INTO test.t VALUES (2)").await?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(replica.sql(count).await?.first(), Some("1"));
        cluster.delay_replication("replica1", 0).await?;
        cluster.wait_sync().await?;
        assert_eq!(replica.sql(count).await?.first(), Some("2"));
        Ok(())
    });
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn other_processes_ask_for_faults_by_socket() {
    with_cluster(1, async |cluster| {
        let stream = UnixStream::connect(cluster.control_socket()).await.unwrap();
        let (input, mut output) = stream.into_split();
        let mut lines = BufReader::new(input).lines();
        let mut ask = async |request: &str| {
            output.write_all(format!("{request}\n").as_bytes()).await.unwrap();
            lines.next_line().await.unwrap().unwrap()
        };

        assert_eq!(ask("sql primary SELECT 1, NULL").await, r#"ok [["1",null]]"#);
        assert_eq!(ask("pause replica1").await, "ok");
        assert_eq!(cluster.server("replica1")?.state().await, State::Paused);
        assert_eq!(ask("resume replica1").await, "ok");
        assert_eq!(ask("kill primary").await, "ok");
        assert_eq!(ask("pause primary").await, "error `primary` is not running");
        assert_eq!(ask("start primary").await, "ok");
        assert_eq!(ask("wait-sync").await, "ok");
        assert_eq!(ask("kill nobody").await, "error no server `nobody`; there are `primary`, `replica1`");
        let list = ask("list").await;
        assert!(list.contains(r#""name":"replica1","role":"replica""#), "{list}");
        Ok(())
    });
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn nothing_is_left_after_a_panic() {
    let flavor = flavor();
    let (report, facts) = std::sync::mpsc::channel();
    let outcome = panic::catch_unwind(|| {
        Runtime::new().unwrap().block_on(async {
            let cluster = start(flavor, 1).await;
            let pids: Vec<_> = cluster.servers().iter().filter_map(|it| it.pid()).collect();
            report.send((pids, cluster.folder().to_owned())).unwrap();
            panic!("as a failing test does");
        })
    });
    assert!(outcome.is_err());
    let (pids, folder) = facts.recv().unwrap();
    assert_eq!(pids.len(), 2);
    assert_gone(&pids, &folder);
}

/// Runs a test body beside its own cluster, and checks that stopping leaves nothing.
#[track_caller]
fn with_cluster(replicas: usize, body: impl AsyncFnOnce(&Cluster) -> Result<(), Error>) {
    let flavor = flavor();
    Runtime::new().unwrap().block_on(async {
        let cluster = start(flavor, replicas).await;
        body(&cluster).await.unwrap();
        let pids: Vec<_> = cluster.servers().iter().filter_map(|it| it.pid()).collect();
        let folder = cluster.folder().to_owned();
        cluster.stop().await.unwrap();
        assert_gone(&pids, &folder);
    });
}

async fn start(flavor: Flavor, replicas: usize) -> Cluster {
    let spec = Spec::new(flavor).topology(Topology::Replicated { primaries: 1, replicas });
    Cluster::start(&spec, &Progress::hidden()).await.unwrap()
}

fn flavor() -> Flavor {
    let key = env::var("MS_TEST_FLAVOR").expect("`MS_TEST_FLAVOR` says which servers to try: run `cargo xtask test`");
    Flavor::ALL.into_iter().find(|it| it.key() == key).expect("`MS_TEST_FLAVOR` is `mariadb` or `mysql`")
}

/// Neither running nor unreaped: an unreaped process still has its folder in `/proc`.
#[track_caller]
fn assert_gone(pids: &[i32], folder: &Path) {
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    }
    assert!(!folder.exists(), "`{}` is still there", folder.display());
}
