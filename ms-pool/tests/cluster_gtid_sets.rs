//! ms-gtid's sets of ids against those of real servers: what is a set, how it is printed, and what the operations give.
//!
//! The tests are here because ms-gtid knows no driver.
#![allow(clippy::unwrap_used, reason = "a broken set-up is a failed test")]

#[path = "support/cluster.rs"]
mod support;

use std::time::Duration;

use ms_gtid::{
    Coverage, Evidence, Position, mariadb, mysql,
    source::{Answer, GtidSource, Own, Probe, Server},
};
use sqlx::{Column, Connection, Executor, MySqlConnection, Row, TypeInfo};
use support::{address, is_mariadb, primary_url, replica_url, variable};

const UUIDS: [&str; 3] = [
    "3E11FA47-71CA-11E1-9E33-C80AA9429562",
    "00000000-0000-0000-0000-000000000001",
    "ffffffff-0000-0000-0000-000000000001",
];

/// Whether the servers know tags.
fn has_tags() -> bool {
    let version = variable("MS_TEST_VERSION");
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(8), Some(3))
}

/// A set in a needlessly complicated spelling; numbers up to 60, so that sets overlap.
fn random_set(rng: &mut fastrand::Rng, tags: bool) -> String {
    let mut text = String::new();
    for _ in 0..rng.usize(0..4) {
        text.push_str(rng.choice([",", " , ", ",\n", ",,"]).unwrap());
        text.push_str(rng.choice(UUIDS).unwrap());
        for _ in 0..rng.usize(0..8) {
            if tags && rng.u8(0..4) == 0 {
                text.push_str(rng.choice([":tag", ":a", ": B ", ":_2"]).unwrap());
            }
            let first = rng.u64(1..60);
            // Every tenth ends before it starts.
            match rng.u64(0..10) {
                0 => text.push_str(&format!(":{first}-{}", first.saturating_sub(1).max(1))),
                1..=3 => text.push_str(&format!(": {first}")),
                more => text.push_str(&format!(":{first} - {}", first + more)),
            }
        }
    }
    text
}

async fn value(connection: &mut MySqlConnection, sql: &str, of: &[&str]) -> Result<String, sqlx::Error> {
    let statement = of.iter().fold(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)), |statement, it| statement.bind(*it));
    statement.fetch_one(connection).await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn operations_give_what_mysql_gives() {
    if is_mariadb() {
        return; // It has no such functions.
    }
    let mut connection = MySqlConnection::connect(&primary_url()).await.unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    let mut subsets = 0;
    for _ in 0..400 {
        let (a, b) = (random_set(&mut rng, has_tags()), random_set(&mut rng, has_tags()));
        let (left, right): (mysql::GtidSet, mysql::GtidSet) = (a.parse().unwrap(), b.parse().unwrap());
        // A subset by construction every second time: two random sets hardly ever are one.
        let (b, right) = if rng.bool() {
            let part = left.subtract(&right);
            let text = part.one_line().to_string();
            (text, part)
        } else {
            (b, right)
        };
        let server = value(&mut connection, "SELECT CAST(GTID_SUBTRACT(?, ?) AS CHAR)", &[&a, &b]).await.unwrap();
        assert_eq!(left.subtract(&right).to_string(), server, "{a:?} - {b:?}");
        let server = value(&mut connection, "SELECT CAST(GTID_SUBSET(?, ?) AS CHAR)", &[&b, &a]).await.unwrap();
        assert_eq!(left.contains_all(&right), server == "1", "{b:?} of {a:?}");
        subsets += usize::from(server == "1" && !right.is_empty());
        // The server reads a list as the union of its parts; subtracting nothing prints it.
        let both = format!("{a},{b}");
        let server = value(&mut connection, "SELECT CAST(GTID_SUBTRACT(?, '') AS CHAR)", &[&both]).await.unwrap();
        assert_eq!(left.union(&right).to_string(), server, "{a:?} + {b:?}");
    }
    assert!(subsets > 50, "only {subsets} of the pairs were subsets");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_text_is_a_set_where_it_is_one_for_mysql() {
    if is_mariadb() || !has_tags() {
        return; // The grammar is that of servers with tags.
    }
    let mut connection = MySqlConnection::connect(&primary_url()).await.unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut sets, mut others) = (0, 0);
    for round in 0..1500 {
        let mut text = match round % 3 {
            0 => UUIDS[0].replace('-', "") + ":1-0",
            1 => format!("{{{}}}:3:tag:4-7", UUIDS[1]),
            _ => random_set(&mut rng, true),
        };
        // One or two characters changed, lost or doubled.
        for _ in 0..rng.usize(0..3) {
            let at = rng.usize(0..=text.len());
            match rng.u8(0..3) {
                0 => text.insert(at, rng.choice(*b":-, \n\t019azG_{}+;.'").map(char::from).unwrap()),
                1 if at < text.len() => drop(text.remove(at)),
                _ if at < text.len() => {
                    text.replace_range(at..=at, rng.choice([":", "-", "0", "e", "x", "\u{b}"]).unwrap());
                }
                _ => {}
            }
        }
        match (
            text.parse::<mysql::GtidSet>(),
            value(&mut connection, "SELECT CAST(GTID_SUBTRACT(?, '') AS CHAR)", &[&text]).await,
        ) {
            (Ok(ours), Ok(server)) => {
                assert_eq!(ours.to_string(), server, "{text:?}");
                sets += 1;
            }
            (Err(_), Err(error)) => {
                assert_eq!(ms_pool::code(&error), 1772, "{text:?}: {error}");
                others += 1;
            }
            (ours, server) => panic!("{text:?}: {ours:?}, but for the server {server:?}"),
        }
    }
    assert!(sets > 300 && others > 300, "{sets} sets, {others} others");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn positions_of_mariadb_are_read_and_printed_as_they_are() {
    if !is_mariadb() {
        return;
    }
    let mut primary = MySqlConnection::connect(&primary_url()).await.unwrap();
    sqlx::raw_sql("CREATE OR REPLACE TABLE gtid_sets (a INT)").execute(&mut primary).await.unwrap();
    // As after failovers: several servers wrote in one domain, the one with the lowest number last.
    for server in [77, 3, 50, 2] {
        let insert = format!("SET @@gtid_domain_id = 9, @@server_id = {server}; INSERT INTO gtid_sets VALUES (1)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut primary).await.unwrap();
    }
    let written = value(&mut primary, "SELECT @@last_gtid", &[]).await.unwrap();
    let state = value(&mut primary, "SELECT @@gtid_binlog_state", &[]).await.unwrap();
    let set: mariadb::GtidSet = state.parse().unwrap();
    assert!(set.contains_all(&written.parse().unwrap()), "{written} in {state}");
    assert!(set.len() >= 5, "{state}");
    let (ours, server) = (set.to_string(), state.split(',').collect::<Vec<_>>());
    assert_eq!(ours.split(',').next_back(), server.last().copied(), "the latest of a domain is the last");

    let mut replica = MySqlConnection::connect(&replica_url(1)).await.unwrap();
    let last = set.last_per_domain().to_string();
    let wait = value(&mut replica, "SELECT CAST(MASTER_GTID_WAIT(?, 10) AS CHAR)", &[&last]).await.unwrap();
    assert_eq!(wait, "0");
    let position: mariadb::GtidSet =
        value(&mut replica, "SELECT @@gtid_slave_pos", &[]).await.unwrap().parse().unwrap();
    // One entry per domain does not prove what the others wrote; along the primary's history it does.
    assert!(position.contains_all(&written.parse().unwrap()));
    assert!(!position.contains_all(&set), "{position} against {state}");
    assert!(position.along(&set).contains_all(&set), "{position} along {state}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_wait_on_mariadb_looks_at_the_sequence_alone() {
    if !is_mariadb() {
        return;
    }
    // Why a successful wait is no proof for this crate.
    let mut primary = MySqlConnection::connect(&primary_url()).await.unwrap();
    sqlx::raw_sql("CREATE OR REPLACE TABLE gtid_wait (a INT)").execute(&mut primary).await.unwrap();
    let written: mariadb::Gtid = value(&mut primary, "SELECT @@last_gtid", &[]).await.unwrap().parse().unwrap();
    let never = mariadb::Gtid { server: 999, ..written }.to_string();
    let mut replica = MySqlConnection::connect(&replica_url(1)).await.unwrap();
    let wait = value(&mut replica, "SELECT CAST(MASTER_GTID_WAIT(?, 10) AS CHAR)", &[&never]).await.unwrap();
    assert_eq!(wait, "0", "no server 999 ever wrote");
    let position: mariadb::GtidSet =
        value(&mut replica, "SELECT @@gtid_slave_pos", &[]).await.unwrap().parse().unwrap();
    assert!(position.contains(&written) && !position.contains_all(&never.parse().unwrap()));
}

/// The first row as text, over the text protocol, as a client of the sources needs it.
async fn first_row(connection: &mut MySqlConnection, sql: &str) -> Result<Option<Vec<Option<String>>>, sqlx::Error> {
    let row = connection.fetch_optional(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await?;
    Ok(row.map(|row| {
        let text = |column: &sqlx::mysql::MySqlColumn| {
            let at = column.ordinal();
            let bytes: Option<Vec<u8>> = row.try_get_unchecked(at).unwrap();
            // Numbers are digits in this protocol, but sqlx decodes them by type.
            assert!(!column.type_info().name().is_empty());
            bytes.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        row.columns().iter().map(text).collect()
    }))
}

async fn probe(connection: &mut MySqlConnection) -> ms_gtid::source::Choice {
    let version = value(connection, "SELECT VERSION()", &[]).await.unwrap();
    let probe = Probe::new(&version);
    let mut answers = Vec::new();
    for question in probe.questions() {
        answers.push(match first_row(connection, question.sql()).await {
            Ok(row) => Answer::Row(row),
            Err(error) => Answer::Error(ms_pool::code(&error)),
        });
    }
    probe.choose(&answers)
}

async fn ask_own(source: &dyn GtidSource, connection: &mut MySqlConnection) -> Own {
    let row = first_row(connection, source.own_position().unwrap()).await.unwrap();
    let row: Option<Vec<_>> = row.as_ref().map(|row| row.iter().map(Option::as_deref).collect());
    source.read_own(row.as_deref()).unwrap()
}

async fn ask(source: &dyn GtidSource, missing: &Position, of: Server, connection: &mut MySqlConnection) -> Evidence {
    let check = source.check(missing, of, Duration::from_secs(10)).unwrap().unwrap();
    let row = first_row(connection, check.sql()).await.unwrap();
    let row: Option<Vec<_>> = row.as_ref().map(|row| row.iter().map(Option::as_deref).collect());
    source.read_check(&check, row.as_deref()).unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_probed_source_finds_the_own_writes_on_a_replica() {
    let mut primary = MySqlConnection::connect(&primary_url()).await.unwrap();
    let mut replica = MySqlConnection::connect(&replica_url(1)).await.unwrap();
    let choice = probe(&mut primary).await;
    assert_eq!(choice.warnings(), []);
    let source = choice.source().unwrap();
    assert_eq!(source.name(), if is_mariadb() { "mariadb last_gtid" } else { "mysql transaction history" });

    let nothing = ask_own(source, &mut primary).await;
    assert_eq!(nothing, if is_mariadb() { Own::Nothing } else { Own::NotRecorded });
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS gtid_source (a INT)").execute(&mut primary).await.unwrap();
    let mut written = Position::new();
    for _ in 0..3 {
        sqlx::raw_sql("INSERT INTO gtid_source VALUES (1)").execute(&mut primary).await.unwrap();
        let Own::At(position) = ask_own(source, &mut primary).await else { panic!("it wrote") };
        written.merge(&position);
    }
    let seen = ask(source, &written, Server { replicates: true }, &mut replica).await;
    assert_eq!(seen.covers(&written), Coverage::Reached, "{seen:?} {written:?}");
    let seen = ask(source, &written, Server { replicates: false }, &mut primary).await;
    assert_eq!(seen.covers(&written), Coverage::Reached, "{seen:?} {written:?}");
    // What nobody wrote is nowhere, whatever a wait says.
    let never = match written.mariadb().entries().next() {
        Some(id) => Position::from(mariadb::Gtid { sequence: id.sequence + 1_000_000, ..id }),
        None => Position::from(format!("{}:7", UUIDS[0]).parse::<mysql::Gtid>().unwrap()),
    };
    assert_eq!(seen.covers(&never), Coverage::Behind);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_account_without_privileges_gets_a_lower_rung_and_the_grant() {
    let mut root = MySqlConnection::connect(&primary_url()).await.unwrap();
    for sql in [
        "DROP USER IF EXISTS gtid_poor",
        "CREATE USER gtid_poor IDENTIFIED BY 'x'",
        "GRANT SELECT, INSERT, CREATE ON test.* TO gtid_poor",
    ] {
        sqlx::raw_sql(sql).execute(&mut root).await.unwrap();
    }
    let (host, port) = address(&primary_url());
    let mut poor = MySqlConnection::connect(&format!("mysql://gtid_poor:x@{host}:{port}/test")).await.unwrap();
    let choice = probe(&mut poor).await;
    if is_mariadb() {
        assert_eq!(choice.warnings(), []);
    } else {
        assert_eq!(choice.source().unwrap().name(), "mysql gtid_executed");
        let warning = choice.warnings()[0].to_string();
        // The grant is the remedy, as it stands there.
        let grant = warning.rsplit('`').nth(1).unwrap().to_owned();
        sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&mut root).await.unwrap();
        assert_eq!(probe(&mut poor).await.source().unwrap().name(), "mysql transaction history");
    }
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS gtid_poor (a INT)").execute(&mut poor).await.unwrap();
    let source = choice.source().unwrap();
    let Own::At(written) = ask_own(source, &mut poor).await else { panic!("it wrote") };
    let seen = ask(source, &written, Server { replicates: false }, &mut poor).await;
    assert_eq!(seen.covers(&written), Coverage::Reached);
    sqlx::raw_sql("DROP USER gtid_poor").execute(&mut root).await.unwrap();
}
