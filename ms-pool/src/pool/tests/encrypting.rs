//! TLS in all its modes, and Unix sockets.

use std::path::PathBuf;

use sqlx_core::row::Row;

use super::world::*;
use crate::error::Error;
use crate::pool::*;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_mode_encrypts_when_it_says_so() {
    check(TlsMode::Disabled, None, Ok(false)).await;
    check(TlsMode::Preferred, None, Ok(true)).await;
    check(TlsMode::Required, None, Ok(true)).await;
    check(TlsMode::VerifyCa, Some("MS_TEST_CA"), Ok(true)).await;
    check(TlsMode::VerifyIdentity, Some("MS_TEST_CA"), Ok(true)).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_certificate_of_somebody_else_is_refused_where_it_is_looked_at() {
    check(TlsMode::Required, Some("MS_TEST_WRONG_CA"), Ok(true)).await;
    check(TlsMode::VerifyCa, Some("MS_TEST_WRONG_CA"), Err(2026)).await;
    check(TlsMode::VerifyIdentity, Some("MS_TEST_WRONG_CA"), Err(2026)).await;
    // The public authorities of the build have not signed it either.
    check(TlsMode::VerifyCa, None, Err(2026)).await;
}

/// Whether the channel is encrypted, or the number of the error; `ca` names the variable that names the file.
async fn check(mode: TlsMode, ca: Option<&str>, expected: Result<bool, u16>) {
    let url = primary();
    let mut target = target(&url, url.port().unwrap());
    let ca = ca.map(|it| PathBuf::from(std::env::var(it).unwrap_or_else(|_| panic!("`{it}` is not set"))));
    configured(&mut target).tls = Tls { mode, ca, ..Tls::default() };
    let seen = match lease(&ServerPool::new(target, limits(1))).await {
        Ok(mut lease) => {
            let rows = lease.run_text("SHOW SESSION STATUS LIKE 'Ssl_cipher'", SOON).await.unwrap();
            Ok(!rows[0].try_get_unchecked::<String, _>(1).unwrap().is_empty())
        }
        Err(error) => {
            assert!(matches!(error, Error::Connect { .. }), "{error:?}");
            Err(error.code())
        }
    };
    assert_eq!(seen, expected, "{mode:?}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_is_the_same_through_its_socket() {
    let url = primary();
    let mut target = target(&url, url.port().unwrap());
    let socket = std::env::var("MS_TEST_SOCKET_PRIMARY").expect("`MS_TEST_SOCKET_PRIMARY` is not set");
    configured(&mut target).address = Address::Socket(socket.into());
    let by_socket = lease(&ServerPool::new(target, limits(1))).await.unwrap();
    let by_port = lease(&pool(&url, 1)).await.unwrap();
    assert_eq!(by_socket.identity().key, by_port.identity().key);
}
