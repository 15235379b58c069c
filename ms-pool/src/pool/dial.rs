//! One connect, from address to identity.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use sqlx_core::connection::ConnectOptions;
use sqlx_mysql::{MySqlConnectOptions, MySqlConnection};
use tokio::time::{Instant, timeout_at};

use super::holders::Held;
use super::limits::Limits;
use super::link::Link;
use super::setup::Setup;
use super::target::{Address, Configured, Dial, Target};
use crate::credentials::{Password, read_small};
use crate::error::{Error, server_error};

/// Connects, logs in and sets up, within the connect timeout and before `deadline`.
///
/// # Errors
///
/// Always with the real cause, and always in time.
///
/// # Cancel safety
///
/// Cancel safe: the half-made connection is closed.
pub(super) async fn dial(target: &Target, setup: &Setup, limits: &Limits, deadline: Instant) -> Result<Link, Error> {
    let began = Instant::now();
    let until = deadline.min(began + limits.connect_timeout);
    let made = timeout_at(until, async {
        let mut conn = login(target, limits).await?;
        let identity = unpanicked(setup.run(&mut conn, target))
            .await
            .unwrap_or_else(|| Err(Error::connecting(Arc::clone(&target.server), target.dial.reach(), gibberish())))?;
        Ok(Link {
            conn,
            held: Held::new(identity.connection_id),
            identity: Arc::new(identity),
            expires: limits.lifetime(fastrand::f64()).map(|it| Instant::now() + it),
            epoch: 0,
            generation: 0,
            writes: 0,
        })
    });
    match made.await {
        Ok(made) => made,
        Err(_) => Err(Error::ConnectTimeout {
            server: Arc::clone(&target.server),
            code: target.dial.reach().code(),
            limit: until.saturating_duration_since(began),
        }),
    }
}

async fn login(target: &Target, limits: &Limits) -> Result<MySqlConnection, Error> {
    let failed = |source| Error::connecting(Arc::clone(&target.server), target.dial.reach(), source);
    let it = match &target.dial {
        Dial::Ready(options) => return connect(&options.0).await.map_err(failed),
        Dial::Configured(it) => it,
    };

    let options = options(it, target, limits).await?;
    let password = password(it, target).await?;
    let refused = match connect(&with_password(&options, &password)).await {
        Err(error) if server_error(&error).is_some_and(|it| it.number() == 1045) => error,
        other => return other.map_err(failed),
    };

    // Perhaps the password was changed while we were using the old one.
    let changed = self::password(it, target).await?;
    if changed == password {
        return Err(failed(refused));
    }
    connect(&with_password(&options, &changed)).await.map_err(failed)
}

/// All that it takes to connect, for somebody else to do it.
///
/// # Errors
///
/// The password or a file of certificates cannot be had.
pub(super) async fn connect_options(target: &Target, limits: &Limits) -> Result<MySqlConnectOptions, Error> {
    match &target.dial {
        Dial::Ready(options) => Ok((*options.0).clone()),
        Dial::Configured(it) => {
            let options = options(it, target, limits).await?;
            Ok(with_password(&options, &password(it, target).await?))
        }
    }
}

/// The driver's own login.
async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection, sqlx::Error> {
    unpanicked(options.connect()).await.unwrap_or_else(|| Err(gibberish()))
}

fn gibberish() -> sqlx::Error {
    sqlx::Error::Protocol("what the server says is not the protocol".to_owned())
}

/// The driver takes packets apart without asking whether all of a field is there, and panics where it is not. A stranger
/// behind a wrong port must not end the task of whoever came to ask: `None` is a panic.
async fn unpanicked<T>(exchange: impl Future<Output = T>) -> Option<T> {
    let mut exchange = pin!(exchange);
    // What is left of it after a panic is dropped with its connection and never looked at again.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| exchange.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

async fn password(it: &Configured, target: &Target) -> Result<Password, Error> {
    it.credentials.password(&target.server, &it.user).await.map_err(|source| Error::Credentials {
        server: Arc::clone(&target.server),
        user: Arc::clone(&it.user),
        source,
    })
}

fn with_password(options: &MySqlConnectOptions, password: &Password) -> MySqlConnectOptions {
    match password.reveal() {
        Some(secret) => options.clone().password(secret),
        None => options.clone(),
    }
}

/// Everything but the password.
async fn options(it: &Configured, target: &Target, limits: &Limits) -> Result<MySqlConnectOptions, Error> {
    let mut options = MySqlConnectOptions::new()
        // Our own first words say all that these would.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        // Statements may hold secrets; whoever wants them traced asks this crate, not sqlx.
        .disable_statement_logging()
        .statement_cache_capacity(limits.statement_cache)
        .username(&it.user)
        .ssl_mode(it.tls.mode.into());
    options = match &it.address {
        Address::Tcp { host, port } => options.host(host).port(*port),
        Address::Socket(path) => options.socket(path),
    };
    if let Some(database) = &it.database {
        options = options.database(database);
    }
    if let Some(path) = &it.tls.ca {
        options = options.ssl_ca_from_pem(tls_file("certificate authority", path, target).await?);
    }
    if let Some(path) = &it.tls.cert {
        options = options.ssl_client_cert_from_pem(tls_file("client certificate", path, target).await?);
    }
    if let Some(path) = &it.tls.key {
        options = options.ssl_client_key_from_pem(tls_file("client key", path, target).await?);
    }
    Ok(options)
}

/// Read here and not by sqlx, which would report a missing file as an unreachable server.
async fn tls_file(what: &'static str, path: &Path, target: &Target) -> Result<Vec<u8>, Error> {
    read_small(path).await.map_err(|source| Error::TlsFile { server: Arc::clone(&target.server), what, source })
}
