//! What a text must look like to be an id.

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
