//! Encrypted or not, as configured; proven by what the server says about the connection. And Unix sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

#[path = "support/double.rs"]
mod double;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/told.rs"]
mod told;

use double::Double;
use ms_pool::{Cluster, code};
use shop::{Shop, socket, tcp};
use sqlx::Row;
use support::{address, primary_url, variable};
use told::told;

fn at(host: &str) -> String {
    tcp(host, address(&primary_url()).1)
}

fn cluster(address: &str, tls: &str) -> Cluster {
    Shop::new().primary("primary", address).with(&format!(r#""tls": {{{tls}}}"#)).build()
}

/// The cipher of a session's connection, empty without encryption; or the number of the error.
async fn cipher(db: &Cluster) -> Result<String, u16> {
    let mut session = db.session();
    let row = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_one(&mut session).await;
    row.map(|row| row.try_get_unchecked("Value").unwrap()).map_err(|error| {
        assert!(told(&error).contains("`primary`"), "{}", told(&error));
        code(&error)
    })
}

async fn check(address: &str, tls: &str, encrypted: Result<bool, u16>) {
    let answer = cipher(&cluster(address, tls)).await;
    assert_eq!(answer.as_ref().map(|it| !it.is_empty()).map_err(|it| *it), encrypted, "{address} {tls}: {answer:?}");
}

/// MySQL sends a password over a plain connection only if it has seen it before on an encrypted one.
async fn known() {
    drop(support::direct(&primary_url()).await);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn every_mode_encrypts_as_it_says() {
    known().await;
    let ca = format!(r#""ca": "{}""#, variable("MS_TEST_CA"));
    let address = at("127.0.0.1");
    check(&address, r#""mode": "disabled""#, Ok(false)).await;
    check(&address, r#""mode": "preferred""#, Ok(true)).await;
    check(&address, r#""mode": "required""#, Ok(true)).await;
    check(&address, &format!(r#""mode": "verify_ca", {ca}"#), Ok(true)).await;
    check(&address, &format!(r#""mode": "verify_identity", {ca}"#), Ok(true)).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_that_is_not_the_right_one_is_refused() {
    let (ca, wrong) = (variable("MS_TEST_CA"), variable("MS_TEST_WRONG_CA"));
    let address = at("127.0.0.1");
    for mode in ["verify_ca", "verify_identity"] {
        check(&address, &format!(r#""mode": "{mode}", "ca": "{wrong}""#), Err(2026)).await;
        // Nothing but the world's own authorities, none of which signed the certificate.
        check(&address, &format!(r#""mode": "{mode}""#), Err(2026)).await;
    }
    // The certificate is for 127.0.0.1; here the same server is found under an address it does not name.
    let elsewhere = Double::at("127.0.0.2", &primary_url()).await;
    let address = tcp("127.0.0.2", elsewhere.port());
    check(&address, &format!(r#""mode": "verify_ca", "ca": "{ca}""#), Ok(true)).await;
    check(&address, &format!(r#""mode": "verify_identity", "ca": "{ca}""#), Err(2026)).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_without_tls_gets_what_the_mode_allows() {
    known().await;
    let server = Double::without_tls(&primary_url()).await;
    let ca = format!(r#""ca": "{}""#, variable("MS_TEST_CA"));
    let address = tcp("127.0.0.1", server.port());
    check(&address, r#""mode": "disabled""#, Ok(false)).await;
    check(&address, r#""mode": "preferred""#, Ok(false)).await;
    check(&address, r#""mode": "required""#, Err(2026)).await;
    check(&address, &format!(r#""mode": "verify_ca", {ca}"#), Err(2026)).await;
    check(&address, &format!(r#""mode": "verify_identity", {ca}"#), Err(2026)).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_file_that_is_missing_is_named() {
    for (key, what) in [("ca", "certificate authority"), ("ca", "/no/such/file.pem")] {
        let db = cluster(&at("127.0.0.1"), &format!(r#""mode": "verify_ca", "{key}": "/no/such/file.pem""#));
        let error = sqlx::query("DO 1").execute(&db).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Configuration(_)), "{error:?}");
        assert!(told(&error).contains(what) && told(&error).contains("`primary`"), "{}", told(&error));
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn localhost_means_the_socket() {
    let path = variable("MS_TEST_SOCKET_REPLICA_1");
    let db = Shop::new().primary("primary", &at("127.0.0.1")).replica("replica", &socket(&path)).build();
    let mut session = db.session();
    // The server's own view: a port of the client exists for TCP only.
    let from: String = sqlx::query_scalar(
        "SELECT CAST(host AS CHAR) AS host FROM information_schema.processlist WHERE id = CONNECTION_ID()",
    )
    .fetch_one(&mut session)
    .await
    .unwrap();
    assert_eq!(from, "localhost");
    assert_eq!(session.last_used().unwrap().address, format!("unix://{path}"));
    let (id,): (u64,) =
        sqlx::query_as("/*ms=last_used*/ SELECT CONNECTION_ID()").fetch_one(&mut session).await.unwrap();
    assert_eq!(session.last_used().unwrap().connection_id, Some(id));
}
