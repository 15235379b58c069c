//! Ids that only the user's own SQL understands.

use std::{error, fmt};

/// A value of `fetch_last_gtid`, fit to be put into `check_for_gtid` in place of `#GTID`.
///
/// It replaces the placeholder as it is, without quotes, because the user's SQL may want a number as well as a text. So
/// it must not be able to be anything else: only letters, digits and `:,._-` are allowed, and white space, which servers
/// print between the parts of a set, is dropped.
///
/// ```
/// use ms_gtid::Value;
///
/// assert_eq!(Value::new(" 42\n")?.as_str(), "42");
/// assert!(Value::new("1 OR 1=1").is_err());
/// # Ok::<(), ms_gtid::ValueError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(String);

impl Value {
    /// The longest value, in bytes.
    pub const MAX: usize = 64 << 10;

    /// Checks a text.
    ///
    /// # Errors
    ///
    /// Fails when nothing but white space is in it, when it is longer than [`MAX`](Self::MAX) bytes, and when a character
    /// is not one of `[0-9A-Za-z:,._-]` or could begin a comment. White space is allowed around commas and at the ends.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        if text.len() > Self::MAX {
            return Err(ValueError::TooLong);
        }
        // Around commas only: `1 2` must not become `12`.
        let value: String = text.split(',').map(str::trim_ascii).collect::<Vec<_>>().join(",");
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | ',' | '.' | '_' | '-');
        match value.chars().find(|c| !legal(*c)) {
            Some(found) => Err(ValueError::Illegal { found }),
            // A comment in SQL, and in no id of any server.
            None if value.contains("--") => Err(ValueError::Illegal { found: '-' }),
            None if value.is_empty() => Err(ValueError::Empty),
            None => Ok(Self(value)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value as the state of a counter, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        crate::parse::number(&self.0)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text cannot stand in place of `#GTID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// Nothing is in it.
    Empty,
    /// It is longer than [`Value::MAX`].
    TooLong,
    /// A character of it could be more than part of a value.
    Illegal {
        /// The first such character.
        found: char,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the GTID is empty"),
            Self::TooLong => write!(f, "the GTID has more than {} bytes", Value::MAX),
            Self::Illegal { found } => {
                write!(f, "the GTID has the character `{}`, only [0-9A-Za-z:,._-] may be in one", found.escape_debug())
            }
        }
    }
}

impl error::Error for ValueError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_white_space_around_the_parts() {
        assert_eq!(Value::new(" a:1-2 ,\nb:3\n").unwrap().as_str(), "a:1-2,b:3");
        assert_eq!(Value::new("0-1-42").unwrap().number(), None);
        assert_eq!(Value::new("42").unwrap().number(), Some(42));
    }

    #[test]
    fn refuses_what_could_be_more_than_a_value() {
        for text in ["1;2", "1'", "1 2", "1--2", "(1)", "a b", "1/**/", "`x`", "é", "1\0", "@@x", "1=1", "#GTID", "\\"]
        {
            assert!(matches!(Value::new(text), Err(ValueError::Illegal { .. })), "{text:?}");
        }
        assert_eq!(Value::new(" \n"), Err(ValueError::Empty));
        assert_eq!(Value::new(&"1".repeat(Value::MAX + 1)), Err(ValueError::TooLong));
    }
}
