//! What Fabric says of one server.

use std::{error, fmt};

/// What a server accepts, as a number in Fabric's `dump.servers` rows.
///
/// ```
/// use ms_fabric::Mode;
///
/// assert_eq!(Mode::try_from(3)?, Mode::ReadWrite);
/// # Ok::<(), ms_fabric::UnknownNumber>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 0: takes no statement.
    Offline,
    /// 1: takes reads.
    ReadOnly,
    /// 2: takes writes.
    WriteOnly,
    /// 3: takes both.
    ReadWrite,
}

impl TryFrom<i64> for Mode {
    type Error = UnknownNumber;

    fn try_from(number: i64) -> Result<Self, UnknownNumber> {
        match number {
            0 => Ok(Self::Offline),
            1 => Ok(Self::ReadOnly),
            2 => Ok(Self::WriteOnly),
            3 => Ok(Self::ReadWrite),
            _ => Err(UnknownNumber { what: "mode", number }),
        }
    }
}

/// The place of a server in its group, as a number in Fabric's `dump.servers` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0: kept in reserve.
    Spare,
    /// 1: being scaled; historic versions used the number for faulty servers.
    Scale,
    /// 2: a replica.
    Secondary,
    /// 3: the primary.
    Primary,
}

impl TryFrom<i64> for Status {
    type Error = UnknownNumber;

    fn try_from(number: i64) -> Result<Self, UnknownNumber> {
        match number {
            0 => Ok(Self::Spare),
            1 => Ok(Self::Scale),
            2 => Ok(Self::Secondary),
            3 => Ok(Self::Primary),
            _ => Err(UnknownNumber { what: "status", number }),
        }
    }
}

/// A reply holds a number that Fabric does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownNumber {
    what: &'static str,
    number: i64,
}

impl fmt::Display for UnknownNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a server {} of Fabric, expected 0 to 3", self.number, self.what)
    }
}

impl error::Error for UnknownNumber {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_name_and_no_other() {
        use Status::{Primary, Scale, Secondary, Spare};
        assert_eq!([0, 1, 2, 3].map(|n| Status::try_from(n).unwrap()), [Spare, Scale, Secondary, Primary]);
        assert_eq!([0, 3].map(|n| Mode::try_from(n).unwrap()), [Mode::Offline, Mode::ReadWrite]);
        for number in [-1, 4, i64::MAX] {
            assert!(Mode::try_from(number).unwrap_err().to_string().contains("server mode"));
            assert!(Status::try_from(number).unwrap_err().to_string().contains("server status"));
        }
    }
}
