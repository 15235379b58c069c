use super::*;

#[test]
fn errors_of_ours_become_the_sqlx_error_that_means_the_same() {
    check(unreachable(2003), "Io", 2003);
    check(Error::ConnectTimeout { server: "db".into(), code: 2002, limit: Duration::from_secs(1) }, "Io", 2002);
    check(Error::StatementTimeout { server: "db".into(), limit: Duration::from_secs(1) }, "Io", 2013);
    check(Error::Abandoned { server: "db".into() }, "Io", 2006);
    check(Error::Connect { server: "db".into(), source: sqlx::Error::Protocol(String::new()) }, "Io", 2027);
    check(Error::Connect { server: "db".into(), source: sqlx::Error::Tls("no".into()) }, "Io", 2026);
    check(Error::Connect { server: "db".into(), source: io_error(io::ErrorKind::UnexpectedEof) }, "Io", 2013);
    check(Error::Config { source: "broken".into() }, "Configuration", 2000);
    let source = "environment variable `X` is not set".into();
    check(Error::Credentials { server: "db".into(), user: "app".into(), source }, "Configuration", 2000);
    check(Error::Refused { why: "nowhere to go".into() }, "AnyDriverError", 2000);
    check(Error::NeedsSession { what: "a lock".into() }, "AnyDriverError", 2000);
    check(Error::Closed, "AnyDriverError", 2000);
    let waited = Duration::from_secs(5);
    check(Error::AcquireTimeout { server: "db".into(), limit: 10, waited }, "PoolTimedOut", 2000);
}

#[track_caller]
fn check(error: Error, variant: &str, number: u16) {
    assert_eq!((error.code(), error.sqlstate()), (number, "HY000"));
    let text = error.to_string();
    let reported = sqlx::Error::from(error);
    let shown = format!("{reported:?}");
    assert!(shown.starts_with(variant), "{shown}");
    assert_eq!(code(&reported), number);
    let found = Error::of(&reported).expect("ours can be found again");
    if variant != "PoolTimedOut" {
        assert_eq!(found.to_string(), text);
    }
}

#[test]
fn the_chain_of_causes_says_nothing_twice() {
    let reported = sqlx::Error::from(unreachable(2003));
    let mut texts = Vec::new();
    let mut cause: Option<&dyn StdError> = Some(&reported);
    while let Some(it) = cause {
        texts.push(it.to_string());
        cause = it.source();
    }
    assert!(texts[0].ends_with("server `db` cannot be reached"), "{texts:?}");
    assert_eq!(texts.last().map(String::as_str), Some("connection refused"));
    assert_eq!(texts.iter().filter(|it| it.contains("connection refused")).count(), 1, "{texts:?}");
}

#[test]
fn errors_of_others_have_numbers_too() {
    number(io_error(io::ErrorKind::BrokenPipe), 2006);
    number(io_error(io::ErrorKind::UnexpectedEof), 2013);
    number(io_error(io::ErrorKind::ConnectionReset), 2013);
    number(io_error(io::ErrorKind::ConnectionRefused), 2003);
    number(sqlx::Error::Io(io::Error::other("failed to lookup address information: Name or service not known")), 2005);
    number(io_error(io::ErrorKind::InvalidData), 2026);
    number(sqlx::Error::RowNotFound, 2000);
    number(sqlx::Error::Protocol(String::new()), 2027);
}

#[track_caller]
#[allow(clippy::needless_pass_by_value)] // Errors are made for the row.
fn number(error: sqlx::Error, expected: u16) {
    assert_eq!(code(&error), expected);
    assert!(Error::of(&error).is_none());
}

#[test]
fn a_failed_login_is_sorted_by_whether_somebody_was_there() {
    sort(Reach::Tcp, io_error(io::ErrorKind::ConnectionRefused), true, 2003);
    sort(Reach::Tcp, io_error(io::ErrorKind::TimedOut), true, 2003);
    sort(Reach::Socket, io_error(io::ErrorKind::NotFound), true, 2002);
    sort(Reach::Socket, io_error(io::ErrorKind::PermissionDenied), true, 2002);
    let unknown = io::Error::other("failed to lookup address information: Name or service not known");
    sort(Reach::Tcp, sqlx::Error::Io(unknown), true, 2005);
    sort(Reach::Tcp, io_error(io::ErrorKind::UnexpectedEof), false, 2013);
    sort(Reach::Tcp, io_error(io::ErrorKind::InvalidData), false, 2026);
    sort(Reach::Tcp, sqlx::Error::Protocol(String::new()), false, 2027);
}

#[track_caller]
fn sort(reach: Reach, source: sqlx::Error, nobody: bool, number: u16) {
    let error = Error::connecting("db".into(), reach, source);
    assert_eq!(matches!(error, Error::Unreachable { .. }), nobody, "{error:?}");
    assert_eq!(error.code(), number);
    assert!(error.blames_server());
}

fn unreachable(code: u16) -> Error {
    let source = io::Error::from(io::ErrorKind::ConnectionRefused);
    Error::Unreachable { server: "db".into(), code, source }
}

fn io_error(kind: io::ErrorKind) -> sqlx::Error {
    sqlx::Error::Io(kind.into())
}
