//! What only a real server can show. `cargo xtask test` starts a cluster and names it in the environment.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::run::{Ended, Folder, nobody_reads};

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn statements_are_split_and_values_are_shown_as_the_server_prints_them() {
    let sql = "DROP TABLE IF EXISTS cli_values;
        CREATE TABLE cli_values (id INT PRIMARY KEY AUTO_INCREMENT, big BIGINT UNSIGNED, price DECIMAL(8,2), ratio DOUBLE,
            item VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, raw VARBINARY(8), flags BIT(9), born DATE,
            at DATETIME(3), doc JSON, gone INT);
        INSERT INTO cli_values VALUES (NULL, 18446744073709551615, 2.50, -0.5, 'gr\u{fc}n', x'00ff', b'100000001',
            '2026-02-28', '2026-02-28 13:14:15.167', '[1]', NULL);
        /*ms=primary*/ SELECT * FROM cli_values;
        DROP TABLE cli_values; SELECT 1 AS one";
    let ended = exec(&["--json", "-D", "test", "-e", sql]);
    let [_, _, insert, select, _, one] = ended.json().try_into().unwrap();
    assert_eq!(
        (&insert["affected"], &insert["last_insert_id"], &insert["role"]),
        (&json!(1), &json!(1), &json!("primary"))
    );
    let values = json!([[
        1,
        u64::MAX,
        "2.50",
        -0.5,
        "grün",
        "0x00ff",
        "0x0101",
        "2026-02-28",
        "2026-02-28 13:14:15.167",
        "[1]",
        null
    ]]);
    assert_eq!(select["rows"], values);
    assert_eq!((&select["role"], &one["role"]), (&json!("primary"), &json!("replica")));
    assert_eq!((&one["columns"], &one["rows"], &one["error"]), (&json!(["one"]), &json!([[1]]), &Value::Null));
    assert_eq!(one["reasons"][0]["reason"], "read");
    assert_eq!(ended.code, Some(0));
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_call_has_several_results() {
    let sql =
        "DELIMITER //\nCREATE OR REPLACE PROCEDURE cli_two() BEGIN SELECT 1 AS a; SELECT 2 AS b; END//\nDELIMITER ;
        CALL cli_two(); DROP PROCEDURE cli_two";
    let sql = sql.replace("CREATE OR REPLACE", "DROP PROCEDURE IF EXISTS cli_two//\nCREATE");
    let ended = exec(&["--json", "-D", "test", "-e", &sql]);
    let call = &ended.json()[2];
    assert_eq!((&call["rows"], &call["more_results"][0]["rows"]), (&json!([[1]]), &json!([[2]])), "{ended:#?}");
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_sql_error_ends_the_script_unless_forced() {
    let sql = "SELECT 1; SELECT * FROM test.cli_nothing; SELECT 2";
    let ended = exec(&["-e", sql]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("line 1: 1146 (42S02) on `"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "1\n1\n1 row\n");

    let ended = exec(&["--force", "-e", sql]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "1\n1\n1 row\n2\n2\n1 row\n"));
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_session_keeps_its_variables_on_the_primary() {
    let ended = exec(&["-e", "/*ms=primary*/ SET @cli = 41; /*ms=primary*/ SELECT @cli + 1 AS answer"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done\nanswer\n    42\n1 row\n"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn verbose_says_where_and_why() {
    let ended = exec(&["-v", "-e", "SELECT 1 AS one"]);
    assert!(ended.stdout.contains("(replica), "), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("\n  read (it reads and mentions nothing that has an effect) -> "),
        "{}",
        ended.stdout
    );
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn servers_tell_who_they_are() {
    let folder = Folder::new("cluster-servers");
    let ended = Ended::of(folder.ms(&["servers", "-s", "test", "--json"]).env(FILE, config_file()).output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let answer = ended.json().remove(0);
    let servers = answer["servers"].as_array().unwrap();
    assert!(servers.len() >= 2 && servers[0]["role"] == "primary", "{answer:#}");
    for server in servers {
        assert_eq!((&server["reachable"], &server["error"]), (&json!(true), &Value::Null));
        assert!(
            server["version"].as_str().is_some_and(|it| !it.is_empty()) && server["connect_us"].is_u64(),
            "{server:#}"
        );
    }
    assert_eq!(servers[0]["read_only"], false);
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_wrong_password_is_no_server_and_is_not_shown() {
    let folder = Folder::new("cluster-password");
    let url = env::var("MS_TEST_PRIMARY").expect("cargo xtask test sets MS_TEST_PRIMARY");
    let address = url.split_once('@').unwrap().1.split('/').next().unwrap();
    let (host, port) = address.rsplit_once(':').unwrap();
    folder.write(
        "ms.json",
        format!(r#"{{"s": {{"master": {{"main": {{"host": "{host}", "port": {port}}}}}, "slave": []}}}}"#),
    );
    folder.write("secret", "wrong-hunter2\n");
    let account = ["-c", "ms.json", "-u", "app", "--password-file", "secret"];
    let ended = folder.run(&[&["exec", "-e", "DO 1"], &account[..]].concat());
    assert_eq!(ended.code, Some(4), "{ended:#?}");
    assert!(ended.stderr.contains("1045 (28000) on `main`: Access denied"), "{}", ended.stderr);
    let servers = folder.run(&[&["servers"], &account[..]].concat());
    assert_eq!(servers.code, Some(4));
    assert!(!format!("{ended:?}{servers:?}").contains("hunter2"));
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_interrupted_statement_stops_on_its_server() {
    let folder = Folder::new("cluster-interrupt");
    let mark = format!("cli-interrupt-{}", std::process::id());
    let sql = format!("/*ms=primary*/ SELECT SLEEP(60) AS '{mark}'");
    let mut command = folder.ms(&["exec", "-s", "test", "-e", &sql]);
    let child = command.env(FILE, config_file()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let count = format!(
        "/*ms=primary*/ SELECT COUNT(*) FROM information_schema.PROCESSLIST \
         WHERE INFO LIKE '%{mark}%' AND INFO NOT LIKE '%PROCESSLIST%'"
    );
    let running = || exec(&["--json", "-e", &count]).json()[0]["rows"][0][0] == json!(1);
    assert!(within(Duration::from_secs(10), &running), "the statement has started");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
    // MariaDB looks every five seconds whether a sleeper's client is still there.
    assert!(within(Duration::from_secs(3), &|| !running()), "the server was told to stop");
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn output_that_nobody_reads_ends_the_command() {
    let folder = Folder::new("cluster-pipe");
    let mut command = folder.ms(&["exec", "-s", "test", "-e", "SELECT REPEAT('x', 1000000); SELECT 1"]);
    let ended = Ended::of(command.env(FILE, config_file()).stdout(nobody_reads()).output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
}

const FILE: &str = "MYSQL_MS_CONFIG_FILE";

fn config_file() -> String {
    env::var(FILE).expect("cargo xtask test sets MYSQL_MS_CONFIG_FILE")
}

fn exec(arguments: &[&str]) -> Ended {
    let folder = Folder::new(&format!("cluster-exec-{:?}", thread::current().id()));
    let mut command = folder.ms(&[&["exec", "-s", "test"], arguments].concat());
    Ended::of(command.env(FILE, config_file()).output().unwrap())
}

fn within(limit: Duration, holds: &dyn Fn() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < limit {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn status_tells_roles_positions_and_lag() {
    let folder = Folder::new("cluster-status");
    assert_eq!(exec(&["-e", "CREATE DATABASE IF NOT EXISTS test"]).code, Some(0));
    let ended = Ended::of(folder.ms(&["status", "-s", "test", "--json"]).env(FILE, config_file()).output().unwrap());
    let answer = ended.json().remove(0);
    assert_eq!(ended.code, Some(0), "{answer:#}");
    let servers = answer["servers"].as_array().unwrap();
    assert!(servers.len() >= 2 && servers[0]["role"] == "primary", "{answer:#}");
    for (at, server) in servers.iter().enumerate() {
        assert_eq!(
            (&server["finding"], &server["error"], &server["read_only"]),
            (&Value::Null, &Value::Null, &json!(at > 0))
        );
        // What was just written may not be on the replicas yet.
        assert!(server["position"].as_str().is_some_and(|it| at > 0 || !it.is_empty()), "{server:#}");
        assert!(server["identity"].is_string() && server["uptime_s"].is_u64(), "{server:#}");
        let channels = server["channels"].as_array().unwrap();
        assert_eq!((channels.len(), server["lag_us"].is_u64()), (usize::from(at > 0), at > 0), "{server:#}");
        for channel in channels {
            assert_eq!((&channel["receiver"]["state"], &channel["applier"]["errno"]), (&json!("running"), &json!(0)));
        }
    }
    let ended = Ended::of(folder.ms(&["status", "-s", "test"]).env(FILE, config_file()).output().unwrap());
    assert!(ended.stdout.starts_with("role     name      identity"), "{}", ended.stdout);
    assert_eq!(
        (ended.code, ended.stdout.matches("  running  ").count()),
        (Some(0), servers.len() - 1),
        "{}",
        ended.stdout
    );
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn status_goes_on_until_it_is_interrupted() {
    let folder = Folder::new("cluster-watch");
    let mut command = folder.ms(&["status", "-s", "test", "--json", "--watch", "1"]);
    let child = command.env(FILE, config_file()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(2500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
    assert!((2..=3).contains(&ended.json().len()), "{}", ended.stdout);
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_stopped_replica_is_a_finding_faults() {
    let folder = Folder::new("cluster-status-stopped");
    let status = || Ended::of(folder.ms(&["status", "-s", "test"]).env(FILE, config_file()).output().unwrap());
    control("sql replica1 STOP REPLICA SQL_THREAD");
    let stopped = status();
    control("sql replica1 START REPLICA SQL_THREAD");
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert!(stopped.stdout.contains("applier stopped"), "{}", stopped.stdout);
    assert!(stopped.stdout.ends_with("replica1: the applier is stopped\n"), "{}", stopped.stdout);
    assert_eq!(status().code, Some(0));
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn gtid_names_the_source_and_what_would_be_better() {
    let folder = Folder::new("cluster-gtid");
    let mariadb = env::var("MS_TEST_FLAVOR").unwrap() == "mariadb";
    let best = if mariadb { "mariadb last_gtid" } else { "mysql transaction history" };
    let ended = Ended::of(folder.ms(&["gtid", "-s", "test", "--json"]).env(FILE, config_file()).output().unwrap());
    let answer = ended.json().remove(0);
    assert_eq!(ended.code, Some(0), "{answer:#}");
    for server in answer["servers"].as_array().unwrap() {
        assert_eq!((&server["source"], &server["warnings"]), (&json!(best), &json!([])));
    }

    let sql = "/*ms=primary*/ DROP USER IF EXISTS gtidless@'%'; CREATE USER gtidless@'%' IDENTIFIED BY 'gtidless'";
    assert_eq!(exec(&["-e", sql]).code, Some(0));
    let url = env::var("MS_TEST_PRIMARY").unwrap();
    let (host, port) = url.split_once('@').unwrap().1.split('/').next().unwrap().rsplit_once(':').unwrap();
    let entry = format!(r#"{{"host": "{host}", "port": {port}, "user": "gtidless", "password": "gtidless"}}"#);
    folder.write("ms.json", format!(r#"{{"s": {{"master": {{"main": {entry}}}, "slave": []}}}}"#));
    let ended = folder.run(&["gtid", "-c", "ms.json"]);
    let expected = if mariadb {
        "role     name  positions from\nprimary  main  mariadb last_gtid\n".to_owned()
    } else {
        "role     name  positions from\nprimary  main  mysql gtid_executed\n\
         main: the account may not read `performance_schema.events_transactions_history`, so reads after a write wait for the \
         writes of others too; to change it: `GRANT SELECT ON performance_schema.events_transactions_history TO \
         'gtidless'@'%'`\n"
        .to_owned()
    };
    assert_eq!((ended.code, ended.stdout), (Some(i32::from(!mariadb)), expected));
}

/// Tells the owner of the servers to do something.
fn control(command: &str) {
    let mut stream = UnixStream::connect(env::var("MS_TEST_CONTROL").unwrap()).unwrap();
    writeln!(stream, "{command}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("ok"), "{answer}");
}
