//! What the application calls a global transaction.

use std::fmt;

use crate::{InvalidXid, Xid};

/// The name of a global transaction: 1 to 64 bytes, chosen by the application.
///
/// It is what a caller asks by later whether a transaction was committed, so it serves as an idempotency key. A name may be used
/// again once its transaction has ended: the branches of each attempt are told apart by their [`Tag`](crate::Tag).
///
/// ```
/// use ms_xa::Gtrid;
///
/// assert_eq!(Gtrid::try_from("order-7")?.to_string(), "order-7");
/// assert_eq!(Gtrid::from(12).as_bytes(), b"12"); // numbers as the original writes them
/// assert_eq!(Gtrid::new([0, 255])?.to_string(), "0x00ff");
/// assert!(Gtrid::try_from("").is_err());
/// # Ok::<(), ms_xa::InvalidXid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gtrid(Box<[u8]>);

impl Gtrid {
    /// Takes a name of 1 to 64 bytes.
    ///
    /// # Errors
    ///
    /// Fails when it is empty or longer than [`Xid::MAX_PART`].
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, InvalidXid> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(InvalidXid::EmptyGlobal),
            1..=Xid::MAX_PART => Ok(Self(bytes)),
            length => Err(InvalidXid::TooLong { part: "global", length }),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Gtrid {
    type Error = InvalidXid;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidXid> {
        Self::new(bytes)
    }
}

impl TryFrom<&str> for Gtrid {
    type Error = InvalidXid;

    fn try_from(text: &str) -> Result<Self, InvalidXid> {
        Self::new(text.as_bytes())
    }
}

impl From<u64> for Gtrid {
    /// The number's decimal text.
    fn from(number: u64) -> Self {
        Self(number.to_string().into_bytes().into())
    }
}

impl fmt::Display for Gtrid {
    /// As text when it is printable ASCII, else as a hexadecimal number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => f.write_str(text),
            _ => {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_limits_of_the_servers() {
        assert!(Gtrid::new([7; 64]).is_ok());
        assert_eq!(Gtrid::new([7; 65]), Err(InvalidXid::TooLong { part: "global", length: 65 }));
        assert_eq!(Gtrid::new([]), Err(InvalidXid::EmptyGlobal));
    }

    #[test]
    fn what_cannot_be_printed_is_shown_in_hexadecimal() {
        assert_eq!(Gtrid::try_from("a b").unwrap().to_string(), "a b");
        assert_eq!(Gtrid::try_from("a\nb").unwrap().to_string(), "0x610a62");
        assert_eq!(Gtrid::try_from("ä").unwrap().to_string(), "0xc3a4");
    }
}
