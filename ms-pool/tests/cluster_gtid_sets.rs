//! ms-gtid's sets of ids against those of real servers: what is a set, how it is printed, and what the operations give.
//!
//! The tests are here because ms-gtid knows no driver.
#![allow(clippy::unwrap_used, reason = "a broken set-up is a failed test")]

#[path = "support/cluster.rs"]
mod support;

use ms_gtid::{mariadb, mysql};
use sqlx::{Connection, MySqlConnection};
use support::{is_mariadb, primary_url, replica_url, variable};

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
            let part = left.intersect(&right);
            (part.one_line().to_string(), part)
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
                0 => text.insert(at, rng.choice(":-, \n\t019azG_{}+;.'".chars()).unwrap()),
                1 if at < text.len() => drop(text.remove(at)),
                _ if at < text.len() => {
                    text.replace_range(at..=at, rng.choice([":", "-", "0", "e", "x", "\u{b}"]).unwrap())
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
    assert_eq!(ours.split(',').last(), server.last().copied(), "the latest of a domain is the last");

    let mut replica = MySqlConnection::connect(&replica_url(1)).await.unwrap();
    let wait =
        value(&mut replica, "SELECT CAST(MASTER_GTID_WAIT(?, 10) AS CHAR)", &[&set.last_per_domain().to_string()]);
    assert_eq!(wait.await.unwrap(), "0");
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
