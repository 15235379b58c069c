//! Where in the text.
//!
//! The tree knows byte offsets; people and editors want lines and columns. Files may be one line of many megabytes
//! (nobody formats what a program wrote), so walking from the line's start for each question would be quadratic: a
//! checkpoint every few hundred bytes bounds the walk.

use std::fmt;

/// A place in a file. Both numbers start at 1; the column counts characters, not bytes and not screen cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line; lines end with a line feed.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Distance of checkpoints in bytes.
const STRIDE: usize = 256;

/// Turns byte offsets of one text into positions.
pub(crate) struct Positions<'a> {
    text: &'a [u8],
    /// The position at byte `n * STRIDE`.
    checkpoints: Vec<Position>,
}

impl<'a> Positions<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let text = text.as_bytes();
        let mut checkpoints = Vec::with_capacity(text.len() / STRIDE + 1);
        let mut at = Position { line: 1, column: 1 };
        for chunk in text.chunks(STRIDE) {
            checkpoints.push(at);
            at = advance(at, chunk);
        }
        checkpoints.push(at);
        Self { text, checkpoints }
    }

    /// The position of the character that starts at byte `offset`; the end of the text for anything behind it.
    pub(crate) fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let checkpoint = offset / STRIDE;
        advance(self.checkpoints[checkpoint], &self.text[checkpoint * STRIDE..offset])
    }
}

/// Counts the characters that start in `bytes`: continuation bytes do not.
fn advance(mut at: Position, bytes: &[u8]) -> Position {
    for &byte in bytes {
        if byte == b'\n' {
            at = Position { line: at.line + 1, column: 1 };
        } else if byte & 0b1100_0000 != 0b1000_0000 {
            at.column += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_not_bytes() {
        check("äö|x", "1:3");
        check("日本|", "1:3");
    }

    #[test]
    fn lines_end_with_a_line_feed() {
        check("|", "1:1");
        check("a\n|b", "2:1");
        check("a\r\n|b", "2:1");
        check("a\n\n b|", "3:3");
    }

    #[test]
    fn checkpoints_do_not_change_the_count() {
        for length in [STRIDE - 1, STRIDE, STRIDE + 1, 3 * STRIDE, 3 * STRIDE + 7] {
            check(&format!("{}|", "x".repeat(length)), &format!("1:{}", length + 1));
            // Two bytes each: some checkpoints fall inside a character.
            check(&format!("y{}|", "ä".repeat(length)), &format!("1:{}", length + 2));
        }
    }

    /// `marked` holds a `|` at the offset that is asked for.
    #[track_caller]
    fn check(marked: &str, expected: &str) {
        let offset = marked.find('|').expect("a mark");
        let text = marked.replacen('|', "", 1);
        assert_eq!(Positions::new(&text).at(offset).to_string(), expected);
    }
}
