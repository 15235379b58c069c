//! Which server it is, and which release of it.
//!
//! Both families answer `--version` in one line, but neither says its name first: a program called `mysqld` may well be MariaDB.
//! What counts is the word `MariaDB` inside the version.

use std::{fmt, str::FromStr};

/// A family of servers that speak the same dialect of replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Flavor {
    /// MariaDB, with `domain-server-sequence` GTIDs.
    #[value(name = "mariadb")]
    MariaDb,
    /// MySQL, with `uuid:interval` GTIDs.
    #[value(name = "mysql")]
    MySql,
}

impl Flavor {
    /// Every flavour, in the order they are tried and shown.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::MySql];

    /// The word used on the command line, in folder names and in `MS_TEST_FLAVOR`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// The oldest release the tests are meant for.
    #[must_use]
    pub fn oldest_accepted(self) -> Version {
        match self {
            Self::MariaDb => Version { major: 10, minor: 6, patch: 0 },
            Self::MySql => Version { major: 8, minor: 0, patch: 0 },
        }
    }

    /// The name of the server's program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadbd",
            Self::MySql => "mysqld",
        }
    }

    /// The package that holds the server and nothing else; older releases append their version to this name.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb-server-core",
            Self::MySql => "mysql-server-core",
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        })
    }
}

/// The three numbers of a server release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number; 0 where it is not given.
    pub patch: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, patch } = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A text that does not start with a version number.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not start with a version number")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    /// Reads the leading numbers of `10.11.19-MariaDB` or `9.7`; what follows them is packaging and ignored.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let digits = text.find(|c: char| c != '.' && !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
        let mut numbers = digits.split('.').map(str::parse::<u16>);
        let mut next = || numbers.next().and_then(Result::ok);

        let (Some(major), Some(minor)) = (next(), next()) else {
            return Err(NotAVersion(text.to_owned()));
        };
        Ok(Self { major, minor, patch: next().unwrap_or(0) })
    }
}

/// Reads what a server prints for `--version`; `None` when that is no server's answer.
#[must_use]
pub fn parse_version_line(line: &str) -> Option<(Flavor, Version)> {
    let (_, rest) = line.split_once(" Ver ")?;
    let word = rest.split_whitespace().next()?;
    let flavor = if word.contains("MariaDB") { Flavor::MariaDb } else { Flavor::MySql };
    Some((flavor, word.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_flavours_apart() {
        check(
            "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian n/a)",
            "MariaDB 10.11.19",
        );
        check("/usr/sbin/mysqld  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))", "MySQL 8.0.36");
        check("/p/ld-linux-x86-64.so.2  Ver 9.7.4-2 for debian-linux-gnu on x86_64 (Debian)", "MySQL 9.7.4");
    }

    #[test]
    fn believes_the_version_and_not_the_name() {
        check("/usr/sbin/mysqld  Ver 11.8.3-MariaDB for debian-linux-gnu on aarch64 (Debian)", "MariaDB 11.8.3");
    }

    #[test]
    fn refuses_other_programs() {
        check("GNU bash, version 5.2.15", "nothing");
        check("mysqld  Ver unknown", "nothing");
    }

    #[test]
    fn orders_by_number_and_not_by_text() {
        assert!("10.11.2".parse::<Version>().unwrap() > "10.6.25".parse().unwrap());
        assert_eq!("9.7".parse(), Ok(Version { major: 9, minor: 7, patch: 0 }));
        assert!("ten".parse::<Version>().is_err());
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let found = parse_version_line(line).map_or("nothing".to_owned(), |(f, v)| format!("{f} {v}"));
        assert_eq!(found, expected, "for `{line}`");
    }
}
