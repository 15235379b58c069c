//! Every statement and what its answers mean.

use super::*;
use crate::{Coverage, Value, mariadb, mysql};

const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const V: &str = "00000000-0000-0000-0000-000000000001";
const PRIMARY: Server = Server { replicates: false };
const REPLICA: Server = Server { replicates: true };
const WAIT: Duration = Duration::from_millis(100);

fn mysql(text: &str) -> Position {
    text.replace('U', U).replace('V', V).parse::<mysql::GtidSet>().unwrap().into()
}

fn mariadb(text: &str) -> Position {
    text.parse::<mariadb::GtidSet>().unwrap().into()
}

fn value(text: &str) -> Position {
    Position::value(Value::new(text).unwrap())
}

/// The statement a source asks with.
#[track_caller]
fn asks(source: &dyn GtidSource, missing: &Position, of: Server, wait: Duration, expected: Option<(&str, bool)>) {
    let check = source.check(missing, of, wait).unwrap();
    let found = check.as_ref().map(|check| (check.sql().replace(U, "U").replace(V, "V"), check.waits()));
    assert_eq!(found, expected.map(|(sql, waits)| (sql.to_owned(), waits)));
}

/// What an answer shows about the position that was asked for.
#[track_caller]
fn shows(source: &dyn GtidSource, position: &Position, row: Option<&Row<'_>>, expected: Coverage) {
    let check = source.check(position, REPLICA, WAIT).unwrap().expect("it can be asked");
    let evidence = source.read_check(&check, row).unwrap();
    assert_eq!(evidence.covers(position), expected, "{row:?}");
}

#[track_caller]
fn own(source: &dyn GtidSource, row: Option<&Row<'_>>, expected: Result<Own, &str>) {
    let found = source.read_own(row).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{row:?}");
}

#[test]
fn mariadb_never_waits_on_a_server_that_follows_nobody() {
    let (source, written) = (MariaDb::new(), mariadb("0-1-42,0-2-50,7-1-3"));
    asks(
        &source,
        &written,
        REPLICA,
        WAIT,
        Some(("SELECT MASTER_GTID_WAIT('0-2-50,7-1-3', 0.100), @@gtid_slave_pos, @@gtid_binlog_state", true)),
    );
    asks(
        &source,
        &written,
        REPLICA,
        Duration::ZERO,
        Some(("SELECT NULL, @@gtid_slave_pos, @@gtid_binlog_state", false)),
    );
    for wait in [Duration::ZERO, WAIT] {
        asks(&source, &written, PRIMARY, wait, Some(("SELECT NULL, @@gtid_binlog_state, @@gtid_binlog_state", false)));
    }
    asks(&source, &mysql("U:1"), REPLICA, WAIT, None);
    asks(&source, &Position::new(), REPLICA, WAIT, None);
}

#[test]
fn mariadb_does_not_believe_a_wait() {
    let (source, written) = (MariaDb::new(), mariadb("0-1-42"));
    shows(&source, &written, Some(&[Some("0"), Some("0-1-42"), Some("")]), Coverage::Reached);
    shows(&source, &written, Some(&[Some("-1"), Some("0-1-42"), None]), Coverage::Reached);
    shows(&source, &written, Some(&[Some("-1"), Some("0-1-41"), Some("0-1-41")]), Coverage::Behind);
    shows(&source, &written, Some(&[Some("-1"), Some(""), Some("")]), Coverage::Behind);
    shows(&source, &written, Some(&[Some("-1"), Some("7-1-99"), Some("")]), Coverage::Behind);
    // The wait was for the number; whose it is shows in the position.
    shows(&source, &written, Some(&[Some("0"), Some("0-2-50"), Some("")]), Coverage::Unknown);
    shows(&source, &written, Some(&[Some("0"), Some("0-2-50"), Some("0-1-42,0-2-50")]), Coverage::Reached);
    shows(&source, &written, Some(&[Some("0"), Some("0-2-50"), Some("0-1-40,0-2-50")]), Coverage::Unknown);
}

#[test]
fn mariadb_knows_what_the_session_wrote() {
    let source = MariaDb::new();
    own(&source, Some(&[Some("0-1-42")]), Ok(Own::At(mariadb("0-1-42"))));
    own(&source, Some(&[Some("")]), Ok(Own::Nothing));
    own(&source, Some(&[None]), Err("`@@last_gtid` returned no value"));
    own(&source, None, Err("`@@last_gtid` returned no value"));
    own(&source, Some(&[Some("U:1")]), Err("`@@last_gtid` returned no position"));
}

#[test]
fn mysql_never_waits_for_ever() {
    for source in [&MysqlHistory::new() as &dyn GtidSource, &MysqlExecuted::new()] {
        let poll = Some(("SELECT GTID_SUBSET('V:2,U:1-3', @@GLOBAL.gtid_executed), @@GLOBAL.gtid_executed", false));
        asks(source, &mysql("U:1-3,V:2"), REPLICA, Duration::ZERO, poll);
        for (wait, printed) in [
            (Duration::from_nanos(1), "0.001"),
            (Duration::from_micros(1001), "0.002"),
            (WAIT, "0.100"),
            (Duration::from_millis(12_345), "12.345"),
            (Duration::MAX, "86400.000"),
        ] {
            let sql = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('U:5', {printed}) = 0, @@GLOBAL.gtid_executed");
            asks(source, &mysql("U:5"), PRIMARY, wait, Some((&sql, true)));
        }
        asks(source, &mariadb("0-1-1"), REPLICA, WAIT, None);
    }
    let old = MysqlExecuted::without_wait();
    let poll = Some(("SELECT GTID_SUBSET('U:5', @@GLOBAL.gtid_executed), @@GLOBAL.gtid_executed", false));
    asks(&old, &mysql("U:5"), REPLICA, WAIT, poll);
}

#[test]
fn mysql_compares_sets() {
    for source in [&MysqlHistory::new() as &dyn GtidSource, &MysqlExecuted::new()] {
        let written = mysql("U:5");
        let executed = |rest: &str| format!("{U}:{rest}");
        shows(source, &written, Some(&[Some("1"), Some(&executed("1-5"))]), Coverage::Reached);
        // Read before the wait was over.
        shows(source, &written, Some(&[Some("1"), Some(&executed("1-4"))]), Coverage::Reached);
        shows(source, &written, Some(&[Some("0"), Some(&executed("1-4:6-99"))]), Coverage::Behind);
        shows(source, &written, Some(&[Some("0"), Some(&executed("tag:5"))]), Coverage::Behind);
        shows(source, &written, Some(&[Some("0"), Some("")]), Coverage::Behind);

        let check = source.check(&written, REPLICA, WAIT).unwrap().unwrap();
        for broken in [None, Some(&[None, None][..]), Some(&[Some("1")]), Some(&[Some("1"), Some("x")])] {
            assert!(source.read_check(&check, broken).is_err(), "{broken:?}");
        }
    }
}

#[test]
fn mysql_history_admits_what_it_did_not_record() {
    let source = MysqlHistory::new();
    let two = format!("{U}:7,{U}:9");
    let length = two.len().to_string();
    own(&source, Some(&[Some(&two), Some(&length)]), Ok(Own::At(mysql("U:7:9"))));
    // The server cut the list: the last id may be the beginning of a longer one.
    own(&source, Some(&[Some(&two), Some("1023")]), Ok(Own::NotRecorded));
    assert!(source.read_own(Some(&[Some(&two), None])).is_err());
    for empty in [None, Some(&[None, None][..]), Some(&[Some(""), Some("0")])] {
        own(&source, empty, Ok(Own::NotRecorded));
    }
    let fallback = source.fallback().unwrap();
    assert_eq!(fallback.own_position(), Some("SELECT @@GLOBAL.gtid_executed"));
    let all = format!("{U}:1-9,\n{V}:1");
    own(fallback, Some(&[Some(&all)]), Ok(Own::At(mysql("U:1-9,V:1"))));
    own(fallback, Some(&[Some("")]), Ok(Own::Nothing));
}

#[test]
fn configured_sql_is_believed_by_its_value() {
    let source = Configured::new().fetch_last_gtid("SELECT f").check_for_gtid("SELECT c('#GTID') /* #GTID */");
    assert_eq!((source.own_position(), source.on_commit()), (Some("SELECT f"), None));
    asks(&source, &value("a:1-2"), REPLICA, WAIT, Some(("SELECT c('a:1-2') /* #GTID */", false)));
    for yes in ["1", "42", "0.5", "yes", " 1 ", "0-1-42"] {
        shows(&source, &value("7"), Some(&[Some(yes)]), Coverage::Reached);
    }
    for no in ["0", "", " ", "0.0", "00", "-1", "-0"] {
        shows(&source, &value("7"), Some(&[Some(no)]), Coverage::Unknown);
    }
    for no in [None, Some(&[][..]), Some(&[None]), Some(&[None, Some("1")])] {
        shows(&source, &value("7"), no, Coverage::Unknown);
    }
}

#[test]
fn configured_values_do_not_include_each_other() {
    let source = Configured::new().check_for_gtid("SELECT #GTID");
    let mut both = value("7");
    both.merge(&value("9"));
    let mut seen = Evidence::default();
    for expected in ["SELECT 7", "SELECT 9"] {
        assert_eq!(seen.covers(&both), Coverage::Unknown);
        let check = source.check(&both.subtract(&seen), REPLICA, WAIT).unwrap().unwrap();
        assert_eq!(check.sql(), expected);
        seen.learn(source.read_check(&check, Some(&[Some("1")])).unwrap());
    }
    assert_eq!(seen.covers(&both), Coverage::Reached);
    assert_eq!(seen.covers(&value("8")), Coverage::Unknown);
    assert_eq!(source.check(&both.subtract(&seen), REPLICA, WAIT), Ok(None));
}

#[test]
fn configured_sql_may_be_incomplete() {
    let written = value("7");
    asks(&Configured::new(), &written, REPLICA, WAIT, None);
    let without = Configured::new().check_for_gtid("SELECT 1");
    let error = without.check(&written, REPLICA, WAIT).unwrap_err();
    assert_eq!(error.to_string(), "`check_for_gtid` has no `#GTID` placeholder");
    assert_eq!(Configured::new().own_position(), None);
}

#[test]
fn configured_values_are_checked_before_use() {
    let source = Configured::new().fetch_last_gtid("SELECT f");
    let set = format!("{U}:1-5,\n{V}:7");
    own(&source, Some(&[Some(&set)]), Ok(Own::At(value(&format!("{U}:1-5,{V}:7")))));
    own(&source, Some(&[Some("")]), Ok(Own::Nothing));
    own(&source, Some(&[None]), Err("`fetch_last_gtid` returned no value"));
    own(&source, None, Err("`fetch_last_gtid` returned no value"));
    own(&source, Some(&[Some("1' OR '1")]), Err("`fetch_last_gtid` returned no usable GTID"));
    let error = source.read_own(Some(&[Some("1;")])).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the GTID has the character `;`, only [0-9A-Za-z:,._-] may be in one");
}

#[test]
fn a_counter_includes_what_it_counted() {
    let sql = Configured::new().fetch_last_gtid("SELECT f").check_for_gtid("SELECT n FROM t WHERE n >= #GTID");
    let source = Counter::new("UPDATE t SET n = n + 1", sql);
    own(&source, Some(&[Some("42")]), Ok(Own::At(Position::counter(42))));
    own(&source, Some(&[Some("x42")]), Ok(Own::At(value("x42"))));
    asks(&source, &Position::counter(42), REPLICA, WAIT, Some(("SELECT n FROM t WHERE n >= 42", false)));
    asks(&source, &value("x42"), REPLICA, WAIT, Some(("SELECT n FROM t WHERE n >= x42", false)));
    shows(&source, &Position::counter(42), Some(&[Some("42")]), Coverage::Reached);
    shows(&source, &Position::counter(42), None, Coverage::Unknown);
}

mod probing {
    use super::*;

    fn row<const N: usize>(columns: [Option<&str>; N]) -> Answer {
        Answer::row(columns)
    }

    #[track_caller]
    fn chooses(version: &str, answers: &[Answer], source: Option<&str>, warnings: &[&str]) {
        let choice = Probe::new(version).choose(answers);
        let found: Vec<_> = choice.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(choice.source().map(GtidSource::name), source, "{found:?}");
        assert_eq!(found.len(), warnings.len(), "{found:?}");
        for (found, expected) in found.iter().zip(warnings) {
            assert!(found.contains(expected), "{found}");
        }
    }

    fn on() -> Answer {
        row([Some("ON"), Some("app@%")])
    }

    fn read() -> Answer {
        row([Some("0"), Some("94")])
    }

    const HISTORY: Option<&str> = Some("mysql transaction history");
    const EXECUTED: Option<&str> = Some("mysql gtid_executed");

    #[test]
    fn mysql_has_its_history() {
        chooses("9.7.4-2", &[on(), read(), row([Some("YES")])], HISTORY, &[]);
        chooses("8.0.16", &[on(), read(), Answer::Error(1142)], HISTORY, &[]);
        chooses("8.4.1", &[row([Some("ON_PERMISSIVE"), None]), read(), Answer::Row(None)], HISTORY, &[]);
    }

    #[test]
    fn mysql_falls_to_the_executed_set_and_says_why() {
        let grant = "`GRANT SELECT ON performance_schema.events_transactions_history TO 'app'@'%'`";
        chooses("9.7.4", &[on(), Answer::Error(1142), Answer::Error(1142)], EXECUTED, &[grant]);
        let odd = row([Some("ON"), Some("o'n@e@10.0.%")]);
        chooses("9.7.4", &[odd, Answer::Error(1142)], EXECUTED, &["TO 'o''n@e'@'10.0.%'`"]);
        let nobody = row([Some("ON"), None]);
        chooses("9.7.4", &[nobody, Answer::Error(1142)], EXECUTED, &["TO CURRENT_USER`"]);
        chooses("9.7.4", &[on(), read(), row([Some("NO")])], EXECUTED, &["not recorded"]);
        chooses("9.7.4", &[on(), row([Some("0"), None])], EXECUTED, &["not recorded"]);
        chooses("9.7.4", &[on(), Answer::Error(3182)], EXECUTED, &["not recorded"]);
        chooses("9.7.4", &[on()], EXECUTED, &["not recorded"]);
        chooses("8.0.15", &[on()], EXECUTED, &["8.0.16"]);
        chooses("5.7.44-log", &[on()], EXECUTED, &["8.0.16"]);
    }

    #[test]
    fn mysql_without_ids_has_no_source() {
        let stays = "stay on the primary";
        for mode in ["OFF", "OFF_PERMISSIVE"] {
            chooses("9.7.4", &[row([Some(mode), None]), read()], None, &["`gtid_mode` is not ON"]);
        }
        chooses("5.5.62", &[Answer::Error(1193)], None, &["`gtid_mode` is not ON"]);
        chooses("9.7.4", &[Answer::Error(1105)], None, &["failed with error 1105"]);
        chooses("9.7.4", &[Answer::Row(None)], None, &[stays]);
        chooses("9.7.4", &[], None, &[stays]);
        chooses("", &[], None, &[stays]);
    }

    #[test]
    fn mysql_5_6_is_asked_again_and_again() {
        for (version, waits) in [("5.6.24", false), ("5.7.4-m14", false), ("5.7.5", true)] {
            let choice = Probe::new(version).choose(&[on()]);
            let check = choice.source().unwrap().check(&mysql("U:1"), REPLICA, WAIT).unwrap().unwrap();
            assert_eq!(check.waits(), waits, "{version}");
        }
    }

    #[test]
    fn mariadb_needs_a_binary_log() {
        let answer = |log: &str| row([Some(log), Some(""), Some(""), Some("0-1-5")]);
        for version in ["10.11.19-MariaDB-log", "5.5.5-10.11.6-MariaDB-0+deb12u1", "11.4.2-mariadb"] {
            assert_eq!(Probe::new(version).flavor(), Flavor::MariaDb);
            chooses(version, &[answer("1")], Some("mariadb last_gtid"), &[]);
        }
        chooses("10.11.19-MariaDB", &[answer("0")], None, &["no binary log"]);
        chooses("5.5.68-MariaDB", &[Answer::Error(1193)], None, &["failed with error 1193"]);
        chooses("10.11.19-MariaDB", &[], None, &["returned nothing"]);
    }

    #[test]
    fn what_is_configured_wins() {
        let name = |choice: Option<Choice>| choice.map(|it| it.into_source().unwrap().name());
        let sql = || Configured::new().fetch_last_gtid("SELECT 1");
        assert_eq!(name(Choice::configured(None, sql())), Some("configured SQL"));
        assert_eq!(name(Choice::configured(Some("UPDATE t"), sql())), Some("client-side counter"));
        assert_eq!(name(Choice::configured(None, Configured::new())), None);
    }
}
