//! Where passwords come from, asked anew at every connect.
//!
//! A password that was read once at start is wrong the day it is rotated. So a pool keeps no password; it keeps
//! something that knows one ([`Credentials`]) and asks it for each connection: a literal, an environment variable, a
//! file that an agent rewrites, or a closure that asks a vault. When a server says 1045 the pool asks once more and
//! tries again only if the answer has changed.
//!
//! A [`Password`] has no `Display` and its `Debug` is blank: it cannot end up in a log by accident.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

mod small_file;

pub(crate) use small_file::{read_now, read_small};

/// What a provider returns: a password, none, or a reason.
pub type PasswordFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Password, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Knows the password of an account at the moment of a connect.
///
/// # Examples
///
/// ```
/// use ms_pool::{Credentials, Password, PasswordFuture};
///
/// #[derive(Debug)]
/// struct Rotating;
///
/// impl Credentials for Rotating {
///     fn password<'a>(&'a self, server: &'a str, user: &'a str) -> PasswordFuture<'a> {
///         Box::pin(async move { Ok(Password::new(format!("{user}-of-{server}"))) })
///     }
/// }
/// ```
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The password of `user` on `server` (as the configuration names it), right now.
    fn password<'a>(&'a self, server: &'a str, user: &'a str) -> PasswordFuture<'a>;
}

const _: Option<&dyn Credentials> = None; // Stays object safe.

impl<C: Credentials + ?Sized> Credentials for Arc<C> {
    fn password<'a>(&'a self, server: &'a str, user: &'a str) -> PasswordFuture<'a> {
        (**self).password(server, user)
    }
}

/// A password, or the fact that there is none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Password(Option<Arc<str>>);

impl Password {
    /// An account without a password.
    pub const NONE: Self = Self(None);

    /// This password.
    pub fn new(secret: impl Into<Arc<str>>) -> Self {
        Self(Some(secret.into()))
    }

    /// For the one place that logs in.
    pub(crate) fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Password(set)" } else { "Password(none)" })
    }
}

/// A password is a provider that never changes its mind.
impl Credentials for Password {
    fn password<'a>(&'a self, _: &'a str, _: &'a str) -> PasswordFuture<'a> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// Reads an environment variable.
#[derive(Debug, Clone)]
pub struct FromEnv(String);

impl FromEnv {
    /// The password is the value of `variable` at the time of the connect.
    pub fn new(variable: impl Into<String>) -> Self {
        Self(variable.into())
    }
}

impl Credentials for FromEnv {
    fn password<'a>(&'a self, _: &'a str, _: &'a str) -> PasswordFuture<'a> {
        let found = std::env::var(&self.0).map(Password::new).map_err(|why| -> Box<dyn StdError + Send + Sync> {
            // `NotUnicode` would print the value, which is the secret.
            let why = match why {
                std::env::VarError::NotPresent => "is not set",
                std::env::VarError::NotUnicode(_) => "is not valid UTF-8",
            };
            format!("environment variable `{}` {why}", self.0).into()
        });
        Box::pin(std::future::ready(found))
    }
}

/// Reads a file; the line end that editors and secret stores append is not part of the password.
#[derive(Debug, Clone)]
pub struct FromFile(PathBuf);

impl FromFile {
    /// The password is what `path` holds at the time of the connect.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Credentials for FromFile {
    fn password<'a>(&'a self, _: &'a str, _: &'a str) -> PasswordFuture<'a> {
        Box::pin(async move {
            let bytes = read_small(&self.0).await?;
            // The error of `from_utf8` would hold the bytes.
            let Ok(text) = std::str::from_utf8(&bytes) else {
                return Err(format!("file `{}` is not valid UTF-8", self.0.display()).into());
            };
            let text = text.strip_suffix('\n').unwrap_or(text);
            Ok(Password::new(text.strip_suffix('\r').unwrap_or(text)))
        })
    }
}

/// Makes a provider of a closure: `credentials_fn(|server, user| async move { … })`.
///
/// # Examples
///
/// ```
/// use ms_pool::{Password, credentials_fn};
///
/// let vault = credentials_fn(|_server: &str, user: &str| {
///     let user = user.to_owned();
///     async move { Ok(Password::new(format!("token for {user}"))) }
/// });
/// # let _ = vault;
/// ```
pub fn credentials_fn<F, Fut>(ask: F) -> impl Credentials
where
    F: Fn(&str, &str) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Password, Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    Asks(ask)
}

struct Asks<F>(F);

impl<F> fmt::Debug for Asks<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credentials_fn(..)")
    }
}

impl<F, Fut> Credentials for Asks<F>
where
    F: Fn(&str, &str) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Password, Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    fn password<'a>(&'a self, server: &'a str, user: &'a str) -> PasswordFuture<'a> {
        Box::pin((self.0)(server, user))
    }
}

#[cfg(test)]
mod tests;
