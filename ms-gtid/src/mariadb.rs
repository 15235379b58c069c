//! MariaDB's ids: a replication domain, the server that wrote, and its place in the domain.

use std::{fmt, str::FromStr};

use crate::{ParseGtidError, parse::number};

mod set; // per domain and server, how far

pub use self::set::GtidSet;

/// One transaction of a MariaDB replication stream, `domain-server-sequence`.
///
/// Two ids of the same domain with different servers do not compare: after a failover that lost transactions both
/// may carry the same sequence. There is therefore no `Ord` here.
///
/// ```
/// use ms_gtid::mariadb::Gtid;
///
/// let id: Gtid = "0-1-42".parse()?;
/// assert_eq!((id.domain, id.server, id.sequence), (0, 1, 42));
/// assert_eq!(id.to_string(), "0-1-42");
/// # Ok::<(), ms_gtid::ParseGtidError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gtid {
    /// The replication domain, `gtid_domain_id`.
    pub domain: u32,
    /// The `server_id` of the server that committed it first.
    pub server: u32,
    /// Its place in the domain; grows with every transaction.
    pub sequence: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    /// Reads `domain-server-sequence`.
    ///
    /// # Errors
    ///
    /// Fails when the text is not three plain decimal numbers, joined by `-`, that fit 32, 32 and 64 bits.
    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let id = || {
            let mut parts = text.split('-');
            let id = Gtid {
                domain: number(parts.next()?)?,
                server: number(parts.next()?)?,
                sequence: number(parts.next()?)?,
            };
            parts.next().is_none().then_some(id)
        };
        id().ok_or_else(|| ParseGtidError::new(text, "domain-server-sequence"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_server_prints() {
        for text in ["0-1-1", "0-1-42", "4294967295-4294967295-18446744073709551615"] {
            assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in
            ["", "1", "0-1", "0-1-", "0-1-2-3", "-0-1-2", "+0-1-2", "0-1-x", " 0-1-2", "00-1-2", "4294967296-1-1"]
        {
            let error = text.parse::<Gtid>().unwrap_err().to_string();
            assert!(error.contains("domain-server-sequence"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_message_repeats_a_bounded_part_of_the_text() {
        let error = "9".repeat(10_000).parse::<Gtid>().unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }
}
