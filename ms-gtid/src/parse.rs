//! What a text must look like to be an id or a set of ids, and how large it may be.

use std::{error, fmt};

/// A text is not a GTID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseGtidError {
    text: String,
    expected: &'static str,
}

impl ParseGtidError {
    /// Texts from outside are cut to this many characters before they are repeated in a message.
    const SHOWN: usize = 80;

    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(Self::SHOWN).collect(), expected }
    }
}

impl fmt::Display for ParseGtidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a GTID of the form `{}`", self.text.escape_debug(), self.expected)
    }
}

impl error::Error for ParseGtidError {}

/// A number as servers print it: digits only, no sign, no leading zero but for zero itself.
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The longest text that is read as a set, in bytes.
///
/// A server in a sound state prints some hundred; what is larger by orders of magnitude is a mistake or an attack.
pub const MAX_TEXT: usize = 4 << 20;

/// The most ranges, tags and ids that a set may be written with; as ranges in memory they take one megabyte.
pub const MAX_PARTS: usize = 1 << 16;

/// A text is not a set of GTIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseSetError {
    /// The text is longer than [`MAX_TEXT`].
    TooLong,
    /// It consists of more than [`MAX_PARTS`] parts.
    TooManyParts,
    /// A part of it is not what has to stand there.
    Malformed {
        /// What had to stand there.
        expected: &'static str,
        /// Where, in bytes from the start.
        at: usize,
        /// A bounded part of what stands there instead.
        found: String,
    },
}

impl fmt::Display for ParseSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a GTID set has more than {MAX_TEXT} bytes"),
            Self::TooManyParts => write!(f, "a GTID set has more than {MAX_PARTS} parts"),
            Self::Malformed { expected, at, found } => {
                write!(f, "malformed GTID set: expected {expected} at byte {at}, found `{}`", found.escape_debug())
            }
        }
    }
}

impl error::Error for ParseSetError {}

/// A place in a text of bounded length. All that is taken is ASCII, so the place is always between two characters.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, ParseSetError> {
        if text.len() > MAX_TEXT { Err(ParseSetError::TooLong) } else { Ok(Self { text, at: 0 }) }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Goes on behind white space.
    pub(crate) fn skip_spaces(&mut self) -> &mut Self {
        self.take_while(|b| matches!(b, b' ' | b'\t'..=b'\r'));
        self
    }

    /// Goes on behind this one byte if it is there.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        debug_assert!(byte.is_ascii());
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Goes on behind all bytes that fit, which have to be ASCII.
    pub(crate) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|b| !(b.is_ascii() && fits(b))).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A number; leading zeros do not matter to servers.
    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        // The digits alone: no sign can slip through.
        self.take_while(|b| b.is_ascii_digit()).parse().ok()
    }

    pub(crate) fn expected(&self, expected: &'static str) -> ParseSetError {
        let found = self.text[self.at..].chars().take(ParseGtidError::SHOWN / 2).collect();
        ParseSetError::Malformed { expected, at: self.at, found }
    }
}
