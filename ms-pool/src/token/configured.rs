//! What a section says of tokens, with its keys read.

use ms_config::{Secret, Section};

use crate::{Error, TokenKey, Tokens, credentials::read_now, own_filter::BoxError};

/// How tokens of this section's cluster are issued and read.
///
/// # Errors
///
/// [`Error::Config`]: a key cannot be read, or is too short.
pub(crate) fn configured(section: &Section) -> Result<Tokens, Error> {
    let settings = &section.tokens;
    let tokens = Tokens::new(settings.name.as_deref().unwrap_or(&section.name));
    let tokens = match settings.lifetime {
        Some(lifetime) => tokens.with_lifetime(lifetime),
        None => tokens.without_expiry(),
    };
    let keys = settings.keys.iter().zip(1..).map(|(secret, number)| {
        let unusable = |source| UnusableKey { number, section: section.name.clone(), source };
        key(secret).map_err(|source| Error::Config { source: unusable(source).into() })
    });
    Ok(tokens.with_keys(keys.collect::<Result<Vec<_>, _>>()?))
}

fn key(secret: &Secret) -> Result<TokenKey, BoxError> {
    let bytes = match secret {
        Secret::Literal(text) => text.clone().into_bytes(),
        Secret::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| format!("environment variable `{name}` is not set"))?;
            value.into_encoded_bytes()
        }
        Secret::File(path) => read_now(path)?,
        _ => return Err("it is of a kind that is not known".into()),
    };
    // Editors and secret stores put one there.
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(TokenKey::new(line.strip_suffix(b"\r").unwrap_or(line))?)
}

#[derive(Debug, thiserror::Error)]
#[error("key number {number} of `{section}.token` cannot be used")]
struct UnusableKey {
    number: usize,
    section: String,
    source: BoxError,
}
