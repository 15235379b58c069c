//! How a branch is named on the wire.

use std::{error, fmt};

/// The name of one branch of a global transaction: global part, branch part, format number.
///
/// Servers hold both parts as raw bytes and `XA RECOVER` returns them as such; a client that decodes them as text fails on
/// binary names. [`Display`](fmt::Display) therefore prints hexadecimal literals, which every server accepts and no
/// quoting can break.
///
/// ```
/// use ms_xa::Xid;
///
/// let xid = Xid::new(b"order-7", b"1", 1)?;
/// assert_eq!(format!("XA START {xid}"), "XA START X'6f726465722d37',X'31',1");
/// # Ok::<(), ms_xa::InvalidXid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Xid {
    global: Box<[u8]>,
    branch: Box<[u8]>,
    format: u32,
}

impl Xid {
    /// The longest global or branch part, in bytes; servers answer 1064 beyond it.
    pub const MAX_PART: usize = 64;

    /// Names a branch: `global` of 1 to 64 bytes, `branch` of 0 to 64 bytes, and a format number up to 2^31-1.
    ///
    /// # Errors
    ///
    /// Fails when a part is too long, the global part is empty, or the format number does not fit.
    pub fn new(global: &[u8], branch: &[u8], format: u32) -> Result<Self, InvalidXid> {
        if global.is_empty() {
            return Err(InvalidXid::EmptyGlobal);
        }
        for (part, bytes) in [("global", global), ("branch", branch)] {
            if bytes.len() > Self::MAX_PART {
                return Err(InvalidXid::TooLong { part, length: bytes.len() });
            }
        }
        if i32::try_from(format).is_err() {
            return Err(InvalidXid::Format { format });
        }
        Ok(Self { global: global.into(), branch: branch.into(), format })
    }

    /// The part that all branches of one global transaction share.
    #[must_use]
    pub fn global(&self) -> &[u8] {
        &self.global
    }

    /// The part that tells the branches apart.
    #[must_use]
    pub fn branch(&self) -> &[u8] {
        &self.branch
    }

    /// The format number.
    #[must_use]
    pub fn format(&self) -> u32 {
        self.format
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.global)?;
        f.write_str(",")?;
        hex(f, &self.branch)?;
        write!(f, ",{}", self.format)
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("X'")?;
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    f.write_str("'")
}

/// A branch cannot have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidXid {
    /// The global part has no bytes.
    EmptyGlobal,
    /// A part has more than [`Xid::MAX_PART`] bytes.
    TooLong {
        /// `global` or `branch`.
        part: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// The format number is above 2^31-1.
    Format {
        /// The number given.
        format: u32,
    },
}

impl fmt::Display for InvalidXid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyGlobal => f.write_str("the global part of an XA identifier must not be empty"),
            Self::TooLong { part, length } => {
                write!(
                    f,
                    "the {part} part of an XA identifier has {length} bytes, at most {} are allowed",
                    Xid::MAX_PART
                )
            }
            Self::Format { format } => {
                write!(f, "the format number `{format}` of an XA identifier is above {}", i32::MAX)
            }
        }
    }
}

impl error::Error for InvalidXid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_can_break_out_of_the_literal() {
        let xid = Xid::new(b"'; DROP", &[0, 255], 0).unwrap();
        assert_eq!(xid.to_string(), "X'273b2044524f50',X'00ff',0");
    }

    #[test]
    fn parts_have_the_limits_of_the_servers() {
        assert!(Xid::new(&[7; 64], &[7; 64], i32::MAX as u32).is_ok());
        assert_eq!(Xid::new(&[7; 65], b"", 1), Err(InvalidXid::TooLong { part: "global", length: 65 }));
        assert_eq!(Xid::new(b"g", &[7; 65], 1), Err(InvalidXid::TooLong { part: "branch", length: 65 }));
        assert_eq!(Xid::new(b"", b"", 1), Err(InvalidXid::EmptyGlobal));
        assert_eq!(Xid::new(b"g", b"", 1 << 31), Err(InvalidXid::Format { format: 1 << 31 }));
    }
}
