//! A position that leaves the process: in a cookie, a header, the payload of a job.
//!
//! Who has written here may read there next: after a redirect another process answers, and its replicas may not have the
//! write yet. So the position travels with the user. What comes back has been in the hands of strangers, and is read
//! accordingly: bounded before it is looked at, refused unless it is exact, and, where [keys](Key) are configured, taken
//! only with a signature by one of them. [`Tokens`] issues and reads them; nothing here reads a clock.
//!
//! A token is not secret: it tells how many transactions which server has committed. It is text of the alphabet of
//! URL-safe base64, so it needs no quoting anywhere. Behind the base64:
//!
//! ```text
//! token    = version flags cluster [ expiry ] [ mysql ] [ mariadb ] [ counter ] [ values ] [ key signature ]
//! version  = 1                     one byte
//! flags    = which of the optional parts are there, and whether the position is saturated; one byte
//! cluster  = 4 bytes of the SHA-256 of the cluster's name
//! expiry   = seconds since 1970
//! mysql    = number of streams, each: tag length (+ 64: server as before), server's 16 bytes, tag, number of ranges,
//!            each: distance to the range before, length
//! mariadb  = number of entries, each: domain, server, sequence
//! values   = number of values, each: length, text
//! key      = 4 bytes that name the key
//! signature = the first 16 bytes of HMAC-SHA256 over all before it
//! ```
//!
//! Numbers are LEB128. A position of one MariaDB domain makes a token of 20 to 30 characters, and a signature adds 27.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use sha2::{Digest, Sha256};

use self::bytes::Reader;
use crate::Position;

mod body; // positions as bytes
mod bytes; // numbers as bytes
mod error; // why a token is refused
mod key; // what signatures are made with

pub use self::{
    error::TokenError,
    key::{Key, KeyError, KeyId},
};

const VERSION: u8 = 1;

/// Which parts are there.
mod flag {
    pub(super) const MYSQL: u8 = 1 << 0;
    pub(super) const MARIADB: u8 = 1 << 1;
    pub(super) const COUNTER: u8 = 1 << 2;
    pub(super) const VALUES: u8 = 1 << 3;
    pub(super) const SATURATED: u8 = 1 << 4;
    pub(super) const EXPIRES: u8 = 1 << 5;
    pub(super) const SIGNED: u8 = 1 << 6;
    pub(super) const ALL: u8 = (1 << 7) - 1;
}

/// How tokens of one cluster are issued and read.
///
/// Without a key tokens are not signed, and everybody can make one that is taken: a position that nobody has written, whose reads
/// wait for nothing and end at a primary. With keys only what one of them has signed is taken.
///
/// # Examples
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use ms_gtid::{Position, mariadb, token::{Key, TokenError, Tokens}};
///
/// let now = UNIX_EPOCH.elapsed()?;
/// let shop = Tokens::new("shop").with_keys([Key::new(b"sixteen bytes or more")?]);
/// let written = Position::from("0-1-42".parse::<mariadb::Gtid>()?);
///
/// let token = shop.issue(&written, now);
/// assert_eq!(shop.read(&token, now)?, written);
///
/// let unsigned = Tokens::new("shop").issue(&written, now);
/// assert_eq!(shop.read(&unsigned, now), Err(TokenError::Unsigned));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it issues or reads a token"]
pub struct Tokens {
    cluster: Box<str>,
    cluster_id: [u8; CLUSTER_ID],
    keys: Vec<Key>,
    lifetime: Option<Duration>,
}

/// Enough to notice a mistake; that nobody forges a token is the signature's business.
const CLUSTER_ID: usize = 4;

impl Tokens {
    /// The longest token that is issued or read, in characters; a cookie has room for it beside its name and attributes.
    pub const MAX_TEXT: usize = 3072;
    /// How long tokens are good unless said otherwise: a day.
    pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// Of the cluster of this name, not signed, good for a day.
    ///
    /// A position means something on the servers it comes from and nothing on others, so tokens of a cluster of another name
    /// are refused. All that exchange tokens must call it the same.
    pub fn new(cluster: &str) -> Self {
        let hash = Sha256::digest(cluster);
        let mut cluster_id = [0; CLUSTER_ID];
        cluster_id.copy_from_slice(&hash[..CLUSTER_ID]);
        Self { cluster: cluster.into(), cluster_id, keys: Vec::new(), lifetime: Some(Self::LIFETIME) }
    }

    /// The first key signs, and what any of them has signed is accepted; none means that nothing is signed.
    ///
    /// To rotate, have the new key accepted everywhere, then have it sign, and forget the old one when the last of its tokens
    /// has expired.
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use ms_gtid::{Position, token::{Key, Tokens}};
    ///
    /// let (old, new) = (Key::new(b"the key of last year")?, Key::new(b"the key of this year")?);
    /// let (position, now) = (Position::counter(42), UNIX_EPOCH.elapsed()?);
    /// let before = Tokens::new("shop").with_keys([old.clone()]);
    /// let between = Tokens::new("shop").with_keys([new, old]);
    /// assert_eq!(between.read(&before.issue(&position, now), now)?, position);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_keys(mut self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.keys = keys.into_iter().collect();
        self
    }

    /// How long a token is good. What is older is refused as [expired](TokenError::Expired).
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Tokens are good for ever.
    pub fn without_expiry(mut self) -> Self {
        self.lifetime = None;
        self
    }

    /// The name of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// How long a token is good; `None` is for ever.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// Whether tokens are signed, and only signed ones are taken.
    #[must_use]
    pub fn are_signed(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The position as a token of at most [`MAX_TEXT`](Self::MAX_TEXT) characters. `now` is the time since 1970.
    ///
    /// In place of a position that is too large stands one that asks for more and is shorter:
    /// [widened](crate::mysql::GtidSet::widen), or in the end [saturated](Position::is_saturated).
    #[must_use]
    pub fn issue(&self, position: &Position, now: Duration) -> String {
        let mut token = vec![VERSION, 0];
        token.extend(self.cluster_id);
        let mut flags = 0;
        if let Some(lifetime) = self.lifetime {
            flags |= flag::EXPIRES;
            bytes::put(&mut token, now.as_secs().saturating_add(lifetime.as_secs()));
        }
        let behind = if self.are_signed() { KeyId::LEN + Key::SIGNATURE } else { 0 };
        flags |= body::write(&mut token, position, MAX_BYTES - behind);
        if let Some(key) = self.keys.first() {
            token[1] = flags | flag::SIGNED;
            token.extend(key.id().0);
            let signature = key.sign(&token);
            token.extend(signature);
        } else {
            token[1] = flags;
        }
        BASE64.encode(token)
    }

    /// The position in a token; `now` is the time since 1970.
    ///
    /// # Errors
    ///
    /// Refuses what [`issue`](Self::issue) has not made with the same name and one of the keys, and what has expired. Nothing of
    /// the position is looked at before the signature was found right.
    pub fn read(&self, token: &str, now: Duration) -> Result<Position, TokenError> {
        if token.len() > Self::MAX_TEXT {
            return Err(TokenError::TooLong { length: token.len() });
        }
        let token = BASE64.decode(token).map_err(|_| TokenError::Malformed { part: "base64" })?;
        let mut rest = Reader::new(&token);
        match rest.byte("version")? {
            VERSION => {}
            found => return Err(TokenError::UnknownVersion { found }),
        }
        let flags = rest.byte("flags")?;
        if flags & !flag::ALL != 0 {
            return Err(TokenError::Malformed { part: "flags" });
        }
        let ours = rest.take(CLUSTER_ID, "cluster")? == self.cluster_id;
        let trusted = match flags & flag::SIGNED {
            0 if self.are_signed() => Err(TokenError::Unsigned),
            0 => Ok(()),
            _ => self.verify(&token, &mut rest),
        };
        match trusted {
            Err(TokenError::Unsigned | TokenError::UnknownKey { .. }) | Ok(()) if !ours => {
                // Said in place of the missing key: clusters have keys of their own, so this is why.
                return Err(TokenError::Foreign { expected: self.cluster.clone() });
            }
            trusted => trusted?,
        }
        if flags & flag::EXPIRES != 0 {
            let expires = rest.number("expiry")?;
            if let Some(ago @ 1..) = now.as_secs().checked_sub(expires) {
                return Err(TokenError::Expired { ago: Duration::from_secs(ago) });
            }
        }
        body::read(flags, rest)
    }

    /// All that several tokens ask for: those of a cookie and a header, of the jobs that one job waits for.
    ///
    /// # Errors
    ///
    /// Fails as [`read`](Self::read) does for the first that is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use ms_gtid::{Position, mariadb, token::Tokens};
    ///
    /// let (shop, now) = (Tokens::new("shop"), UNIX_EPOCH.elapsed()?);
    /// let token = |id: &str| shop.issue(&Position::from(id.parse::<mariadb::Gtid>().expect("an id")), now);
    /// let both = shop.read_all([&*token("0-1-42"), &token("7-1-3")], now)?;
    /// assert_eq!(both.mariadb().to_string(), "0-1-42,7-1-3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_all<'t>(
        &self,
        tokens: impl IntoIterator<Item = &'t str>,
        now: Duration,
    ) -> Result<Position, TokenError> {
        let mut all = Position::new();
        for token in tokens {
            all.merge(&self.read(token, now)?);
        }
        Ok(all)
    }

    /// Checks the signature at the end, and leaves in `rest` what is before it.
    fn verify(&self, token: &[u8], rest: &mut Reader<'_>) -> Result<(), TokenError> {
        let signature = rest.take_last(Key::SIGNATURE, "signature")?;
        let id = KeyId::of(rest.take_last(KeyId::LEN, "key")?);
        let signed = &token[..token.len() - Key::SIGNATURE];
        let mut found = TokenError::UnknownKey { id };
        // Ids are short: two keys may have the same.
        for key in self.keys.iter().filter(|key| key.id() == id) {
            if key.has_signed(signed, signature) {
                return Ok(());
            }
            found = TokenError::Tampered;
        }
        Err(found)
    }
}

/// What [`Tokens::MAX_TEXT`] characters of base64 hold.
const MAX_BYTES: usize = Tokens::MAX_TEXT / 4 * 3;
