use super::*;

const MARIADB: [&str; 10] = ["7", "10.11.6-MariaDB-log", "2", "3307", "db1", "1", "STRICT_TRANS_TABLES", "", "", "90"];

#[test]
fn mariadb_is_known_by_number_port_and_host() {
    let it = read(&MARIADB);
    assert_eq!((it.flavour, &*it.version), (Flavour::MariaDb, "10.11.6-MariaDB-log"));
    assert_eq!(it.key.to_string(), "2:3307@db1");
    assert_eq!((it.connection_id, it.server_id, it.read_only), (7, 2, true));
    assert_eq!(it.started.unwrap().uptime, Duration::from_secs(90));
}

#[test]
fn mysql_is_known_by_its_uuid() {
    let it = read(&["8", "9.1.0", "2", "3306", "db1", "0", "", "uuid-of-db1", "0", "5"]);
    assert_eq!((it.flavour, it.read_only), (Flavour::MySql, false));
    assert_eq!(it.key.to_string(), "uuid-of-db1");
}

#[test]
fn super_read_only_alone_is_read_only() {
    assert!(read(&["8", "9.1.0", "2", "3306", "db1", "0", "", "uuid", "1", "5"]).read_only);
}

#[test]
fn the_plain_probe_is_enough() {
    let it = read(&MARIADB[..7]);
    assert_eq!(it.key.to_string(), "2:3307@db1");
    assert!(it.started.is_none());
}

#[test]
fn a_row_of_something_else_is_not_an_identity() {
    assert!(Identity::from_columns(|_| None, Instant::now()).is_none());
    assert!(Identity::from_columns(|_| Some("one".to_owned()), Instant::now()).is_none());
}

#[test]
fn read_only_has_many_spellings() {
    for (value, expected) in
        [("0", false), ("OFF", false), ("off", false), ("1", true), ("ON", true), ("NO_LOCK", true)]
    {
        assert_eq!(is_on(Some(value.to_owned())), expected, "{value}");
    }
}

#[test]
fn a_restart_is_seen_in_the_uptime() {
    run(100, 0, 100, true);
    run(100, 10, 110, true);
    run(100, 10, 109, true); // Whole seconds on their side.
    run(100, 10, 108, true);
    run(100, 10, 4, false);
    run(100, 1000, 900, false);
}

#[track_caller]
fn run(uptime: u64, later: u64, uptime_later: u64, same: bool) {
    let now = Instant::now();
    let first = Started { uptime: Duration::from_secs(uptime), seen: now };
    let seen = now + Duration::from_secs(later);
    let second = Started { uptime: Duration::from_secs(uptime_later), seen };
    assert_eq!((first.same_run(second), second.same_run(first)), (same, same));
}

/// The empty string stands for NULL.
fn read(row: &[&str]) -> Identity {
    let column = |ix: usize| row.get(ix).filter(|it| !it.is_empty()).map(|it| (*it).to_owned());
    Identity::from_columns(column, Instant::now()).unwrap()
}
