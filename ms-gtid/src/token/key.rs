//! What signatures are made with.

use std::{error, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Said before everything that is signed, so that a signature made for something else is none here.
const TOKEN: &[u8] = b"ms token:";
/// The same for the name of a key.
const NAME: &[u8] = b"ms token key";

/// A secret that signs tokens and tells whether it has signed one.
///
/// Never shown: `Debug` prints its [id](Key::id).
#[derive(Clone)]
pub struct Key {
    /// The secret, taken in already.
    mac: Hmac<Sha256>,
    id: KeyId,
}

impl Key {
    /// The fewest bytes a secret has.
    pub const MIN: usize = 16;
    /// The first bytes of an HMAC-SHA256, as many as nobody can guess.
    pub(super) const SIGNATURE: usize = 16;

    /// A key of this secret: at least [`MIN`](Self::MIN) bytes, drawn at random and not thought up.
    ///
    /// # Errors
    ///
    /// Fails when the secret is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < Self::MIN {
            return Err(KeyError { length: secret.len() });
        }
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
        let name = mac.clone().chain_update(NAME).finalize().into_bytes();
        Ok(Self { mac, id: KeyId::of(&name[..KeyId::LEN]) })
    }

    /// What tokens call it. It follows from the secret and does not give it away.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; Self::SIGNATURE] {
        let whole = self.mac.clone().chain_update(TOKEN).chain_update(message).finalize().into_bytes();
        let mut signature = [0; Self::SIGNATURE];
        signature.copy_from_slice(&whole[..Self::SIGNATURE]);
        signature
    }

    /// Takes the same time wherever they differ.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        // A shorter one would be compared by the bytes it has, and the empty one be always right.
        signature.len() == Self::SIGNATURE
            && self.mac.clone().chain_update(TOKEN).chain_update(message).verify_truncated_left(signature).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// What a token calls the [key](Key) that has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub(super) [u8; KeyId::LEN]);

impl KeyId {
    pub(super) const LEN: usize = 4;

    /// Of as many bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut id = [0; Self::LEN];
        id.copy_from_slice(bytes);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A secret is too short to be a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    length: usize,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key for tokens has at least {} bytes, this one has {}", Key::MIN, self.length)
    }
}

impl error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &[u8]) -> Key {
        Key::new(secret).unwrap()
    }

    #[test]
    fn a_signature_is_of_one_key_and_one_message() {
        let (ours, theirs) = (key(b"0123456789abcdef"), key(b"0123456789abcdeF"));
        let signature = ours.sign(b"message");
        assert!(ours.has_signed(b"message", &signature));
        assert!(!ours.has_signed(b"messagf", &signature));
        assert!(!theirs.has_signed(b"message", &signature));
        assert!(!ours.has_signed(b"message", &signature[..15]));
        assert!(!ours.has_signed(b"message", b""));
    }

    /// Computed by another implementation: what is signed today must be accepted tomorrow.
    #[test]
    fn signatures_stay_what_they_are() {
        let key = key(b"0123456789abcdef");
        assert_eq!(
            format!("{:02x?}", key.sign(b"message")),
            "[50, 33, cd, c2, cb, 9c, 25, ac, b1, 36, 81, 7c, 9a, 7e, 22, 8c]"
        );
        assert_eq!(key.id().to_string(), "efd08b42");
    }

    #[test]
    fn a_secret_is_long_and_never_shown() {
        let error = Key::new(b"hunter2").unwrap_err().to_string();
        assert_eq!(error, "a key for tokens has at least 16 bytes, this one has 7");
        assert_eq!(format!("{:?}", key(b"0123456789abcdef")), "Key(efd08b42)");
    }
}
