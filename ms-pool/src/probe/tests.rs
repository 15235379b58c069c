use super::*;

const MARIADB: [&str; 11] =
    ["7", "10.11.6-MariaDB-log", "2", "3307", "db1", "1", "STRICT_TRANS_TABLES", "", "", "90", "1700000000"];

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
    assert!(Identity::from_columns(|_| None).is_none());
    assert!(Identity::from_columns(|_| Some("one".to_owned())).is_none());
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
fn a_restart_is_seen_in_the_second_of_the_start() {
    check_run(("90", "1700000000"), ("90", "1700000000"), true);
    check_run(("90", "1700000000"), ("190", "1700000100"), true);
    check_run(("90", "1700000000"), ("91", "1700000001.250000"), true);
    // It was away for a second.
    check_run(("90", "1700000000"), ("0", "1700000001"), false);
    check_run(("0", "1700000000"), ("0", "1700000001"), false);
    // Its clock was set back by an hour, which makes its uptime less than nothing.
    check_run(("90", "1700000000"), ("-3420", "1699996490"), false);
    check_run(("9000", "1700000000"), ("5400", "1699996400"), true);
}

/// Uptime and time of two connections to one server.
#[track_caller]
fn check_run(first: (&str, &str), second: (&str, &str), same: bool) {
    let identity = |(uptime, now): (&str, &str)| {
        let mut row = MARIADB;
        (row[9], row[10]) = (uptime, now);
        read(&row)
    };
    assert_eq!(identity(first).is_same_run(&identity(second)), same);
    let known = identity(second).started.is_some();
    assert_eq!(identity(first).is_surely_another(&identity(second)), !same && known);
}

/// The empty string stands for NULL.
fn read(row: &[&str]) -> Identity {
    let column = |ix: usize| row.get(ix).filter(|it| !it.is_empty()).map(|it| (*it).to_owned());
    Identity::from_columns(column).unwrap()
}
