//! How a branch is named on the wire.
//!
//! Recovery commits and rolls back by name, so a name must never mean two things: not two branches of a transaction, not two
//! transactions, and not two attempts at one under the same global name. Hence the branch part of ours, `ms-TAG-NUMBER`: the [`Tag`]
//! is random for each attempt. It is ASCII, so that clients which take `XA RECOVER` for text survive it, and it sorts in the order
//! of joining.

use std::{error, fmt};

use crate::{BranchIx, Gtrid};

/// What makes the branches of one attempt unlike those of any other attempt with the same global name.
///
/// Random; whoever begins a transaction draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub u64);

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

    /// The format number of all that [`Xid::of`] names: `msXA` in ASCII.
    pub const FORMAT: u32 = u32::from_be_bytes(*b"msXA");

    /// Names a branch of ours.
    ///
    /// ```
    /// use ms_xa::{BranchIx, Gtrid, Tag, Xid};
    ///
    /// let xid = Xid::of(&Gtrid::try_from("order-7")?, Tag(0x1f), BranchIx(2));
    /// assert_eq!(xid.branch(), b"ms-000000000000001f-00002");
    /// assert!(xid.is_ours());
    /// # Ok::<(), ms_xa::InvalidXid>(())
    /// ```
    #[must_use]
    pub fn of(gtrid: &Gtrid, tag: Tag, branch: BranchIx) -> Self {
        let branch = format!("ms-{:016x}-{:05}", tag.0, branch.0).into_bytes();
        Self { global: gtrid.as_bytes().into(), branch: branch.into(), format: Self::FORMAT }
    }

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
            return Err(InvalidXid::Format { format: format.into() });
        }
        Ok(Self { global: global.into(), branch: branch.into(), format })
    }

    /// Reads a row of `XA RECOVER`: its four columns, the last one as raw bytes.
    ///
    /// What cannot be read is nobody's of ours; whoever lists branches passes over it.
    ///
    /// ```
    /// use ms_xa::Xid;
    ///
    /// let xid = Xid::parse_recovered(1, 7, 1, b"order-7x")?;
    /// assert_eq!((xid.global(), xid.branch(), xid.format()), (&b"order-7"[..], &b"x"[..], 1));
    /// assert!(Xid::parse_recovered(1, 7, 3, b"order-7x").is_err());
    /// # Ok::<(), ms_xa::InvalidXid>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when the lengths are not those of `data`, or when no branch can have such a name.
    pub fn parse_recovered(format: i64, gtrid_length: i64, bqual_length: i64, data: &[u8]) -> Result<Self, InvalidXid> {
        let lengths = InvalidXid::Lengths { gtrid: gtrid_length, bqual: bqual_length, data: data.len() };
        let (Ok(gtrid), Ok(bqual)) = (usize::try_from(gtrid_length), usize::try_from(bqual_length)) else {
            return Err(lengths);
        };
        let Some((global, branch)) = data.split_at_checked(gtrid).filter(|(_, branch)| branch.len() == bqual) else {
            return Err(lengths);
        };
        Self::new(global, branch, u32::try_from(format).map_err(|_| InvalidXid::Format { format })?)
    }

    /// Whether [`Xid::of`] made it, to all appearances: by its format number and the shape of its branch part.
    ///
    /// That is for reports. Recovery never acts upon appearances: it looks for the exact name that was recorded.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let shape = |branch: &[u8]| {
            let (tag, number) = branch.strip_prefix(b"ms-")?.split_at_checked(16)?;
            let number = number.strip_prefix(b"-")?;
            let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
            Some(tag.iter().all(hex) && number.len() == 5 && number.iter().all(u8::is_ascii_digit))
        };
        self.format == Self::FORMAT && shape(&self.branch) == Some(true)
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
    /// The format number is negative or above 2^31-1.
    Format {
        /// The number given.
        format: i64,
    },
    /// A row of `XA RECOVER` whose lengths are not those of its data.
    Lengths {
        /// The length of the global part, as the row has it.
        gtrid: i64,
        /// The length of the branch part, as the row has it.
        bqual: i64,
        /// How many bytes there are.
        data: usize,
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
                write!(f, "the format number `{format}` of an XA identifier is not between 0 and {}", i32::MAX)
            }
            Self::Lengths { gtrid, bqual, data } => {
                write!(f, "an XA identifier of {gtrid} and {bqual} bytes came with {data} bytes")
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

    #[test]
    fn names_of_ours_sort_in_the_order_of_joining_and_fit() {
        let gtrid = Gtrid::new([7; 64]).unwrap();
        let names: Vec<_> = [0, 9, 10, 999, 1000, u16::MAX].map(|n| Xid::of(&gtrid, Tag(u64::MAX), BranchIx(n))).into();
        assert!(names.is_sorted_by(|a, b| a.branch() < b.branch()));
        for xid in &names {
            assert_eq!(Xid::new(xid.global(), xid.branch(), xid.format()).as_ref(), Ok(xid));
            assert!(xid.is_ours());
        }
    }

    #[test]
    fn others_are_not_taken_for_ours() {
        #[track_caller]
        fn check(branch: &str, format: u32) {
            assert!(!Xid::new(b"g", branch.as_bytes(), format).unwrap().is_ours(), "{branch}");
        }
        check("ms-0000000000000001-00000", 1);
        check("", Xid::FORMAT);
        check("ms-0000000000000001-0000", Xid::FORMAT);
        check("ms-0000000000000001-000000", Xid::FORMAT);
        check("ms-000000000000000g-00000", Xid::FORMAT);
        check("mt-0000000000000001-00000", Xid::FORMAT);
        check("ms-0000000000000001-0000x", Xid::FORMAT);
    }

    #[test]
    fn a_row_has_to_fit_its_lengths() {
        #[track_caller]
        fn check(row: (i64, i64, i64, &[u8]), is: InvalidXid) {
            assert_eq!(Xid::parse_recovered(row.0, row.1, row.2, row.3), Err(is));
        }
        check((1, 2, 2, b"abc"), InvalidXid::Lengths { gtrid: 2, bqual: 2, data: 3 });
        check((1, 2, 0, b"abc"), InvalidXid::Lengths { gtrid: 2, bqual: 0, data: 3 });
        check((1, 4, -1, b"abc"), InvalidXid::Lengths { gtrid: 4, bqual: -1, data: 3 });
        check((1, i64::MAX, i64::MAX, b"abc"), InvalidXid::Lengths { gtrid: i64::MAX, bqual: i64::MAX, data: 3 });
        check((-1, 1, 2, b"abc"), InvalidXid::Format { format: -1 });
        check((1, 0, 3, b"abc"), InvalidXid::EmptyGlobal);
    }
}
