//! Rows and columns: framed on a terminal and folded to its width, plain columns in a pipe.
//!
//! Values come from databases and may hold anything. Control characters are shown as escapes, so that a value can
//! neither break the table nor speak to the terminal.

use std::{fmt::Write as _, io};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table as Frame, TableStyle, presets};

use crate::out::Out;

/// Folding to less than this leaves nothing to read.
const NARROWEST: u16 = 20;

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    frame: Frame,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new<T: AsRef<str>>(header: impl IntoIterator<Item = T>) -> Self {
        let mut frame = Frame::new();
        let cells = header.into_iter().map(|it| Cell::new_owned(visible(it.as_ref())).add_attribute(Attribute::Bold));
        frame.set_header(cells.collect::<Vec<_>>());
        Self { frame }
    }

    /// Aligns a column to the right.
    pub(crate) fn align_right(&mut self, column: usize) {
        if let Some(column) = self.frame.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.frame.add_row(cells.into_iter().collect::<Vec<_>>());
    }

    /// Writes the table.
    pub(crate) fn print(mut self, out: &mut Out) -> io::Result<()> {
        use io::Write;
        if out.is_terminal() {
            self.frame.load_style(presets::UTF8_FULL_CONDENSED);
            // A terminal that does not know its width says 0.
            let folds = self.frame.width().is_some_and(|width| width >= NARROWEST);
            let arrangement = if folds { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
            // The stream takes the colours out again where they are not wanted.
            self.frame.set_content_arrangement(arrangement).enforce_styling();
            return writeln!(out, "{}", self.frame);
        }
        self.frame.force_no_tty().load_style(TableStyle::new());
        self.frame.set_content_arrangement(ContentArrangement::Disabled);
        for column in self.frame.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.frame.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
    }
}

/// A cell with text.
pub(crate) fn text(text: impl AsRef<str>) -> Cell {
    Cell::new_owned(visible(text.as_ref()))
}

/// A cell with a number.
pub(crate) fn number(text: impl AsRef<str>) -> Cell {
    self::text(text).set_alignment(CellAlignment::Right)
}

/// A cell for what is not there.
pub(crate) fn absent(text: &str) -> Cell {
    self::text(text).add_attribute(Attribute::Dim)
}

/// A cell with good news.
pub(crate) fn good(text: &str) -> Cell {
    self::text(text).fg(Color::Green)
}

/// A cell with bad news.
pub(crate) fn bad(text: &str) -> Cell {
    self::text(text).fg(Color::Red)
}

/// `text` with its control characters as escapes.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            // Bidirectional overrides can make a value look like another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escape(&mut shown, character),
            _ if character.is_control() => escape(&mut shown, character),
            _ => shown.push(character),
        }
    }
    shown
}

fn escape(shown: &mut String, character: char) {
    let _ = write!(shown, "{}", character.escape_unicode()); // a string takes everything
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        assert_eq!(visible("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(visible("\u{1b}[31mred\0"), "\\u{1b}[31mred\\u{0}");
        assert_eq!(visible("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(visible("grün ✓"), "grün ✓");
    }
}
