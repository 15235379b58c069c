//! MySQL's ids: the server that wrote, an optional tag, and a sequence.

use std::{fmt, str::FromStr};

pub(crate) use self::intervals::LAST;
use crate::{ParseGtidError, parse::number};

mod intervals; // ranges of numbers, and what can be done with them
mod read; // the spellings of sets
mod set; // per server and tag, such ranges

pub use self::set::GtidSet;

/// The `server_uuid` of the server that committed a transaction first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUuid([u8; 16]);

impl fmt::Display for ServerUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl ServerUuid {
    #[cfg(feature = "token")]
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    #[cfg(feature = "token")]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let dashes = [8, 13, 18, 23];
        if text.len() != 36 || dashes.iter().any(|&at| text.as_bytes()[at] != b'-') {
            return None;
        }
        let mut digits = text.bytes().enumerate().filter(|(i, _)| !dashes.contains(i)).map(|(_, b)| b);
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = hex(digits.next()?)? << 4 | hex(digits.next()?)?;
        }
        Some(Self(bytes))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The tag of a tagged id (MySQL 8.3 and later): up to 32 of `a-z`, `0-9`, `_`, not starting with a digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    // Padded with zeros, which no tag contains: comparing the bytes compares the tags.
    bytes: [u8; 32],
}

impl Tag {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let first = *text.as_bytes().first()?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if text.len() > 32 || first.is_ascii_digit() || !text.bytes().all(legal) {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes.make_ascii_lowercase(); // The server folds case as well.
        Some(Self { bytes })
    }

    /// The tag's text, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|&b| b == 0).unwrap_or(self.bytes.len());
        std::str::from_utf8(&self.bytes[..end]).expect("a tag is made of ASCII")
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.as_str())
    }
}

/// One transaction of a MySQL replication stream, `uuid:sequence` or `uuid:tag:sequence`.
///
/// ```
/// use ms_gtid::mysql::Gtid;
///
/// let id: Gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:backup:23".parse()?;
/// assert_eq!(id.tag.map(|tag| tag.as_str().to_owned()), Some("backup".to_owned()));
/// assert_eq!(id.sequence, 23);
/// # Ok::<(), ms_gtid::ParseGtidError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// The server that committed it first, or the name of its replication group.
    pub server: ServerUuid,
    /// The tag, where the transaction was given one.
    pub tag: Option<Tag>,
    /// Its number among that server's transactions with that tag, from 1.
    pub sequence: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.server)?;
        if let Some(tag) = &self.tag {
            write!(f, "{}:", tag.as_str())?;
        }
        write!(f, "{}", self.sequence)
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    /// Reads `uuid:sequence` or `uuid:tag:sequence`; letter case does not matter.
    ///
    /// # Errors
    ///
    /// Fails when the text has another form, the tag is not legal, or the sequence is not within 1..=2^63-2.
    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let id = || {
            let (server, rest) = text.split_once(':')?;
            let (tag, sequence) = match rest.split_once(':') {
                Some((tag, sequence)) => (Some(Tag::parse(tag)?), sequence),
                None => (None, rest),
            };
            // The server's own upper bound; it refuses to go on before reaching i64::MAX.
            let sequence = number(sequence).filter(|n| (1..=LAST).contains(n))?;
            Some(Gtid { server: ServerUuid::parse(server)?, tag, sequence })
        };
        id().ok_or_else(|| ParseGtidError::new(text, "uuid[:tag]:sequence"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn reads_what_a_server_prints() {
        for rest in ["1", "23", "tag:5", "_a9:9223372036854775806"] {
            let text = format!("{UUID}:{rest}");
            assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn folds_letter_case_as_the_server_does() {
        let upper: Gtid = format!("{}:TAG:5", UUID.to_uppercase()).parse().unwrap();
        assert_eq!(upper.to_string(), format!("{UUID}:tag:5"));
    }

    #[test]
    fn refuses_everything_else() {
        let longest = format!("{}:1", "t".repeat(33));
        for rest in ["", "0", "-1", "1-2", "9tag:1", "ta g:1", "tag:", "a:b:1", "9223372036854775807", &longest] {
            assert!(format!("{UUID}:{rest}").parse::<Gtid>().is_err(), "{rest:?}");
        }
        for text in ["", ":1", "3e11fa47:1", "3e11fa47x71ca-11e1-9e33-c80aa9429562:1", "ö-ö-ö:1"] {
            assert!(text.parse::<Gtid>().is_err(), "{text:?}");
        }
    }
}
