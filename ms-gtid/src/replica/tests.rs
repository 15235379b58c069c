use super::*;

/// A row of MySQL's newer words, or of MariaDB's.
#[derive(Clone)]
struct Answer {
    columns: Vec<&'static str>,
    row: Vec<Option<String>>,
}

impl Answer {
    fn mysql() -> Self {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        Self { columns: Vec::new(), row: Vec::new() }
            .with("Source_Host", "10.0.0.1")
            .with("Source_Port", "3306")
            .with("Source_Log_File", "binlog.000002")
            .with("Read_Source_Log_Pos", "158")
            .with("Relay_Source_Log_File", "binlog.000002")
            .with("Exec_Source_Log_Pos", "158")
            .with("Replica_IO_Running", "Yes")
            .with("Replica_SQL_Running", "Yes")
            .with("Seconds_Behind_Source", "0")
            .with("Last_IO_Errno", "0")
            .with("Last_SQL_Errno", "0")
            .with("SQL_Delay", "0")
            .with("Auto_Position", "1")
            .with("Retrieved_Gtid_Set", &format!("{uuid}:1-9"))
            .with("Executed_Gtid_Set", &format!("{uuid}:1-9"))
            .with("Channel_Name", "")
    }

    fn mariadb() -> Self {
        Self { columns: Vec::new(), row: Vec::new() }
            .with("Connection_name", "")
            .with("Master_Log_File", "bin.000001")
            .with("Read_Master_Log_Pos", "342")
            .with("Relay_Master_Log_File", "bin.000001")
            .with("Exec_Master_Log_Pos", "342")
            .with("Slave_IO_Running", "Yes")
            .with("Slave_SQL_Running", "Yes")
            .with("Seconds_Behind_Master", "0")
            .with("Last_IO_Errno", "0")
            .with("Last_SQL_Errno", "0")
            .with("SQL_Delay", "0")
            .with("Using_Gtid", "Slave_Pos")
            .with("Gtid_IO_Pos", "0-1-42")
            .with("Gtid_Slave_Pos", "0-1-42")
    }

    fn with(mut self, column: &'static str, value: &str) -> Self {
        self.set(column, Some(value.to_owned()));
        self
    }

    fn null(mut self, column: &'static str) -> Self {
        self.set(column, None);
        self
    }

    fn set(&mut self, column: &'static str, value: Option<String>) {
        match self.columns.iter().position(|it| *it == column) {
            Some(at) => self.row[at] = value,
            None => {
                self.columns.push(column);
                self.row.push(value);
            }
        }
    }
}

fn status(answers: &[Answer]) -> Status {
    let rows: Vec<Vec<Option<&str>>> = answers.iter().map(|it| it.row.iter().map(Option::as_deref).collect()).collect();
    let rows: Vec<&Row<'_>> = rows.iter().map(Vec::as_slice).collect();
    Status::read(answers.first().map_or(&[], |it| &it.columns), &rows)
}

fn exactly(micros: u64) -> Lag {
    Lag::Behind(Behind { lag: Duration::from_micros(micros), rounding: Duration::ZERO })
}

fn about(seconds: u64) -> Lag {
    Lag::Behind(Behind { lag: Duration::from_secs(seconds), rounding: ROUNDING })
}

#[track_caller]
fn check(answers: &[Answer], lag: &Lag) {
    assert_eq!(status(answers).lag(), *lag);
}

#[test]
fn each_version_is_asked_in_its_words() {
    for (version, sql) in [
        ("9.7.4", "SHOW REPLICA STATUS"),
        ("8.0.22", "SHOW REPLICA STATUS"),
        ("8.0.21", "SHOW SLAVE STATUS"),
        ("5.6.24-log", "SHOW SLAVE STATUS"),
        ("10.11.19-MariaDB-log", "SHOW ALL SLAVES STATUS"),
        ("5.5.5-10.3.39-MariaDB", "SHOW ALL SLAVES STATUS"),
        ("5.5.68-MariaDB", "SHOW SLAVE STATUS"),
        ("", "SHOW SLAVE STATUS"),
    ] {
        assert_eq!(StatusQuery::new(version).sql(), sql, "{version}");
    }
}

#[test]
fn a_replica_that_has_applied_all_it_received_trails_by_nothing() {
    check(&[Answer::mysql()], &exactly(0));
    check(&[Answer::mariadb()], &exactly(0));
    // The position waits for gaps to close; the sets know better.
    check(&[Answer::mysql().with("Exec_Source_Log_Pos", "4")], &exactly(0));
    check(&[Answer::mysql().with("Auto_Position", "0")], &exactly(0));
}

#[test]
fn a_zero_that_was_rounded_is_not_exact() {
    let behind = Answer::mysql().with("Exec_Source_Log_Pos", "4");
    check(&[behind.clone().with("Auto_Position", "0")], &about(0));
    check(&[behind.clone().with("Executed_Gtid_Set", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-8")], &about(0));
    check(&[behind.with("Retrieved_Gtid_Set", "")], &about(0));
    let behind = Answer::mariadb().with("Exec_Master_Log_Pos", "300");
    check(&[behind], &about(0));
    check(&[Answer::mariadb().with("Gtid_Slave_Pos", "0-1-41")], &about(0));
    // Another domain is behind, although the position is at the end.
    check(&[Answer::mariadb().with("Gtid_IO_Pos", "0-1-42,7-1-3")], &about(0));
    check(&[Answer::mariadb().with("Using_Gtid", "No").null("Gtid_IO_Pos")], &exactly(0));
    check(&[Answer::mariadb().with("Master_Log_File", "").with("Relay_Master_Log_File", "")], &about(0));
}

#[test]
fn seconds_are_at_most_two_off() {
    check(&[Answer::mysql().with("Seconds_Behind_Source", "3")], &about(3));
    check(&[Answer::mariadb().with("Seconds_Behind_Master", "86400")], &about(86_400));
    assert_eq!(Behind { lag: Duration::from_secs(3), rounding: ROUNDING }.at_most(), Duration::from_secs(5));
}

#[test]
fn null_is_not_zero() {
    check(&[Answer::mysql().null("Seconds_Behind_Source")], &Lag::Unknown { channel: String::new() });
    check(&[Answer::mariadb().null("Seconds_Behind_Master")], &Lag::Unknown { channel: String::new() });
    check(&[Answer::mysql().with("Seconds_Behind_Source", "soon")], &Lag::Unknown { channel: String::new() });
    check(&[Answer::mysql().with("Seconds_Behind_Source", "-1")], &Lag::Unknown { channel: String::new() });
}

#[test]
fn a_stopped_thread_has_a_name_and_an_error() {
    let stopped = |part, errno| Lag::Stopped { channel: String::new(), part, errno };
    let sql = Answer::mysql().with("Replica_SQL_Running", "No").with("Last_SQL_Errno", "1032");
    // Some versions go on counting.
    check(std::slice::from_ref(&sql), &stopped(Part::Applier, 1032));
    assert_eq!(status(&[sql]).lag().to_string(), "the applier is stopped (error 1032)");
    check(&[Answer::mariadb().with("Slave_IO_Running", "No")], &stopped(Part::Receiver, 0));
    check(
        &[Answer::mariadb().with("Slave_IO_Running", "Connecting").with("Last_IO_Errno", "2003")],
        &stopped(Part::Receiver, 2003),
    );
    check(&[Answer::mysql().null("Replica_IO_Running")], &stopped(Part::Receiver, 0));
    check(&[Answer::mysql().with("Replica_SQL_Running", "perhaps")], &stopped(Part::Applier, 0));
}

#[test]
fn who_follows_nobody_is_no_replica() {
    check(&[], &Lag::NotReplica);
    check(&[Answer::mysql().with("Channel_Name", "group_replication_recovery")], &Lag::NotReplica);
}

#[test]
fn the_worst_of_several_channels_counts() {
    let named = |name: &str| Answer::mariadb().with("Connection_name", name);
    check(&[named("a"), named("b").with("Seconds_Behind_Master", "7"), named("c")], &about(7));
    let unknown = named("b").null("Seconds_Behind_Master");
    check(&[named("a").with("Seconds_Behind_Master", "7"), unknown.clone()], &Lag::Unknown { channel: "b".into() });
    let stopped = named("c").with("Slave_SQL_Running", "No");
    let lag = Lag::Stopped { channel: "c".into(), part: Part::Applier, errno: 0 };
    check(&[named("a"), stopped, unknown], &lag);
    assert_eq!(lag.to_string(), "the applier of channel `c` is stopped");
}

#[test]
fn microseconds_are_asked_for_where_they_can_help() {
    let asks = |version: &str, answer: Answer| StatusQuery::new(version).finer(&status(&[answer])).is_some();
    let behind = || {
        Answer::mysql().with("Seconds_Behind_Source", "1").with("Auto_Position", "0").with("Exec_Source_Log_Pos", "4")
    };
    assert!(asks("9.7.4", behind()));
    assert!(!asks("5.7.44", behind()));
    assert!(!asks("10.11.19-MariaDB", behind()));
    assert!(!asks("9.7.4", Answer::mysql()), "it is exact already");
    assert!(!asks("9.7.4", behind().with("SQL_Delay", "2")), "nobody has in hand what is waited for");
    assert!(!asks("9.7.4", behind().with("Replica_SQL_Running", "No")));
}

#[test]
fn seconds_of_a_replica_with_nothing_left_to_apply_are_of_its_last_checkpoint() {
    let idle = [None, Some("0"), Some("0")];
    let since = Answer::mysql().with("Seconds_Behind_Source", "1").with("Exec_Source_Log_Pos", "4");
    assert_eq!(status(std::slice::from_ref(&since)).refined(Some(&idle)), exactly(0));
    // A transaction that is not complete yet is in none of the sets.
    assert_eq!(status(std::slice::from_ref(&since)).refined(Some(&[None, Some("1"), Some("0")])), about(1));
    let executed = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-8";
    let left = since.clone().with("Channel_Name", "other").with("Executed_Gtid_Set", executed);
    assert_eq!(status(&[since.clone(), left]).refined(Some(&idle)), about(1));
    // Without sets there are only the positions.
    assert_eq!(status(&[since.clone().with("Auto_Position", "0")]).refined(Some(&idle)), about(1));
    assert_eq!(status(&[since]).refined(None), about(1));
}

#[test]
fn microseconds_count_where_they_agree_with_the_seconds() {
    let executed = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-8";
    let behind = Answer::mysql().with("Seconds_Behind_Source", "3").with("Exec_Source_Log_Pos", "4");
    let behind = status(&[behind.with("Executed_Gtid_Set", executed)]);
    for (row, lag) in [
        ([Some("2302000"), Some("4"), Some("4")], exactly(2_302_000)),
        ([Some("4999999"), Some("1"), Some("1")], exactly(4_999_999)),
        // The clocks of the machines are apart.
        ([Some("5000001"), Some("1"), Some("1")], about(3)),
        ([Some("900000"), Some("1"), Some("1")], about(3)),
        ([Some("-1"), Some("1"), Some("1")], about(3)),
        // One of them came from a server that does not say when.
        ([Some("2302000"), Some("4"), Some("3")], about(3)),
        ([None, Some("0"), Some("0")], about(3)),
    ] {
        assert_eq!(behind.refined(Some(&row)), lag, "{row:?}");
    }
    assert_eq!(behind.refined(None), about(3));
    let stopped = status(&[Answer::mysql().with("Replica_SQL_Running", "No")]);
    assert_eq!(stopped.refined(Some(&[Some("0"), Some("1"), Some("1")])), stopped.lag());
}

#[test]
fn a_heartbeat_tells_the_age_of_the_data() {
    assert_eq!(Heartbeat::read(Some(&[Some("1500000")])), exactly(1_500_000));
    assert_eq!(Heartbeat::read(Some(&[Some("-20")])), exactly(0));
    for nothing in [None, Some(&[None][..]), Some(&[]), Some(&[Some("")])] {
        assert_eq!(Heartbeat::read(nothing), Lag::Unknown { channel: String::new() }, "{nothing:?}");
    }
    let odd = Heartbeat::new("o`ps.he.at", "t`s").unwrap();
    assert!(odd.sql().ends_with("MAX(`t``s`), UTC_TIMESTAMP(6)) FROM `o``ps`.`he.at`"), "{}", odd.sql());
    assert_eq!(Heartbeat::new("", "ts"), Err(HeartbeatError::Table));
    assert_eq!(Heartbeat::new("a.b", "t\0s"), Err(HeartbeatError::Column));
}

#[test]
fn the_grant_has_the_words_of_the_version() {
    let grant = |version: &str| StatusQuery::new(version).grant(Some("app@%"));
    assert_eq!(grant("9.7.4"), "GRANT REPLICATION CLIENT ON *.* TO 'app'@'%'");
    assert_eq!(grant("10.4.1-MariaDB"), "GRANT REPLICATION CLIENT ON *.* TO 'app'@'%'");
    assert_eq!(grant("10.11.19-MariaDB"), "GRANT SLAVE MONITOR ON *.* TO 'app'@'%'");
}

#[test]
fn what_was_applied_is_compared_with_what_the_source_has() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let check = |answer: Answer, version: &str, source: Option<&str>, expected| {
        let position = StatusQuery::new(version).read_whole_position(Some(&[source]));
        let applied = status(&[answer]);
        assert_eq!(applied.applied().covers(&position), expected, "{source:?}");
    };
    check(Answer::mysql(), "9.7.0", Some(&format!("{uuid}:1-9")), crate::Coverage::Reached);
    check(Answer::mysql(), "9.7.0", Some(&format!("{uuid}:1-10")), crate::Coverage::Behind);
    check(Answer::mysql(), "9.7.0", Some(""), crate::Coverage::Reached);
    check(Answer::mariadb(), "10.11.6-MariaDB", Some("0-1-42"), crate::Coverage::Reached);
    check(Answer::mariadb(), "10.11.6-MariaDB", Some("0-1-43"), crate::Coverage::Behind);
    check(Answer::mariadb(), "10.11.6-MariaDB", Some("0-2-42"), crate::Coverage::Unknown);
    check(Answer::mariadb().null("Gtid_Slave_Pos"), "10.11.6-MariaDB", Some("0-1-1"), crate::Coverage::Unknown);
}
