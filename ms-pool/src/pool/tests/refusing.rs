//! Servers that are not there, not talking or not willing: the right error, in time, and no slot lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::relay::Relay;
use super::world::*;
use crate::credentials::{Credentials, FromEnv, Password, PasswordFuture};
use crate::error::Error;
use crate::pool::*;

const QUICK: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_closed_port_is_2003_with_its_cause() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = check(tcp("127.0.0.1", free), 2003).await;
    let Error::Unreachable { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_missing_socket_is_2002() {
    check(Address::Socket("/nonexistent/mysqld.sock".into()), 2002).await;
}

#[tokio::test]
async fn an_unknown_name_is_2005() {
    // Reserved for this purpose; where the resolver is slow, the timeout is right as well.
    let error = connect(tcp("no-such-host.invalid", 3306), SOON).await;
    assert_eq!(error.code(), 2005, "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_2003_after_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let began = Instant::now();
    let error = check(tcp("127.0.0.1", listener.local_addr().unwrap().port()), 2003).await;
    assert_eq!(error.to_string(), format!("server `db` did not accept the connection within {QUICK:?}"));
    assert!(began.elapsed() >= QUICK);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_2013() {
    check(says(b"").await, 2013).await;
}

#[tokio::test]
async fn a_server_that_talks_nonsense_is_an_error_in_time() {
    // A packet of 5 bytes and protocol version 99; and something that is no packet at all.
    check(says(b"\x05\0\0\0\x63abcd").await, 2027).await;
    let error = connect(says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, QUICK).await;
    assert!(error.blames_server(), "{error:?}");
}

#[tokio::test]
async fn a_missing_password_is_an_error_of_the_configuration() {
    let mut target = at(tcp("127.0.0.1", 1));
    configured(&mut target).credentials = Arc::new(FromEnv::new("MS_POOL_NO_SUCH_VARIABLE"));
    let error = refused(target, QUICK).await;
    assert_eq!(error.to_string(), "no password for user `app` of server `db`");
    assert!(matches!(sqlx::Error::from(error), sqlx::Error::Configuration(_)));
}

#[tokio::test]
async fn a_missing_certificate_is_named_and_no_server_is_blamed() {
    let mut target = at(tcp("127.0.0.1", 1));
    configured(&mut target).tls.ca = Some("/nonexistent/ca.pem".into());
    let error = refused(target, QUICK).await;
    assert!(matches!(error, Error::TlsFile { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "file `/nonexistent/ca.pem` cannot be read");
}

#[tokio::test]
async fn one_connect_timeout_is_enough_for_all_who_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let pool = ServerPool::new(at(address), Limits { connect_timeout: Duration::from_millis(300), ..limits(2) });
    let began = Instant::now();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { lease(&pool).await.unwrap_err().code() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 2003);
    }
    // Without sharing the bad news: 50 rounds of 300 ms, or 5 s of waiting for a slot.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!((pool.state().in_use, pool.state().waiting), (0, 0));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_wrong_password_is_the_servers_own_error_and_no_secret_is_shown() {
    let url = primary();
    let mut target = target(&url, url.port().unwrap());
    configured(&mut target).credentials = Arc::new(Password::new("hunter2"));
    let pool = ServerPool::new(target, limits(1));
    let error = lease(&pool).await.unwrap_err();
    assert_eq!((error.code(), error.sqlstate()), (1045, "28000"));
    let shown = format!("{error:?} {error} {pool:?}");
    let reported = sqlx::Error::from(error);
    assert_eq!(crate::error::server_error(&reported).unwrap().number(), 1045);
    for shown in [shown, format!("{reported:?} {reported}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(pool.state().in_use, 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_changed_password_is_tried_once() {
    check_rotation(&["right"], 0, 1, 1).await;
    check_rotation(&["wrong", "right"], 0, 2, 2).await;
    check_rotation(&["wrong", "wrong"], 1045, 2, 1).await;
    check_rotation(&["wrong", "worse", "right"], 1045, 2, 2).await;
}

/// `right` stands for the password of the URL; the provider is asked `asked` times and the server `logins` times.
async fn check_rotation(answers: &'static [&'static str], code: u16, asked: usize, logins: usize) {
    let url = primary();
    let relay = Relay::to(host_and_port(&url)).await.unwrap();
    let mut target = target(&url, relay.port());
    let right = url.password().unwrap().to_owned();
    let rotating = Arc::new(Rotating { answers: Mutex::new(answers.to_vec()), right, asked: AtomicUsize::new(0) });
    configured(&mut target).credentials = Arc::<Rotating>::clone(&rotating);
    let leased = lease(&ServerPool::new(target, limits(1))).await;
    assert_eq!(leased.map_or_else(|error| error.code(), |_| 0), code, "{answers:?}");
    assert_eq!((rotating.asked.load(Ordering::Relaxed), relay.accepted()), (asked, logins), "{answers:?}");
}

#[derive(Debug)]
struct Rotating {
    answers: Mutex<Vec<&'static str>>,
    right: String,
    asked: AtomicUsize,
}

impl Credentials for Rotating {
    fn password<'a>(&'a self, _: &'a str, _: &'a str) -> PasswordFuture<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().unwrap().remove(0);
        let password = Password::new(if answer == "right" { self.right.as_str() } else { answer });
        Box::pin(std::future::ready(Ok(password)))
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_refused_first_statement_is_named() {
    check_init(&["DO 1", "SET no_such_variable = 1"], "init statement 2", 1193).await;
    check_init(&["CREATE TABLE test.belt (a INT)"], "init statement 1", 1792).await;
    check_init(&["SELEKT"], "init statement 1", 1064).await;
}

async fn check_init(init: &[&str], statement: &str, number: u16) {
    let url = primary();
    let mut target = target(&url, url.port().unwrap());
    target.belt = Belt::ReadOnly;
    target.init = init.iter().map(|it| Arc::from(*it)).collect();
    let error = refused(target, SOON).await;
    assert_eq!(error.to_string(), format!("server `db` refused {statement} on a new connection"));
    assert_eq!(error.code(), number);
}

/// Fails with `code`, in time, and leaves no slot behind.
async fn check(address: Address, code: u16) -> Error {
    let error = connect(address, QUICK).await;
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.blames_server());
    error
}

async fn connect(address: Address, connect_timeout: Duration) -> Error {
    refused(at(address), connect_timeout).await
}

async fn refused(target: Target, connect_timeout: Duration) -> Error {
    let pool = ServerPool::new(target, Limits { connect_timeout, ..limits(1) });
    let began = Instant::now();
    let error = lease(&pool).await.unwrap_err();
    assert!(began.elapsed() < connect_timeout + SOON / 10, "{:?}", began.elapsed());
    let state = pool.state();
    assert_eq!((state.in_use, state.idle, state.waiting, state.counters.failed), (0, 0, 0, 1));
    error
}

fn at(address: Address) -> Target {
    let mut target = target(&"mysql://app:secret@127.0.0.1:1/test".parse().unwrap(), 1);
    configured(&mut target).address = address;
    target
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

/// A server with one thing to say.
async fn says(words: &'static [u8]) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp("127.0.0.1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.write_all(words).await;
            let _ = client.shutdown().await;
        }
    });
    address
}
