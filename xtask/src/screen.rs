//! What a person reads on standard output: headings, paragraphs, tables.
//!
//! A terminal gets colours, frames, and lines that fit it. A pipe gets the same words without any of that, one row a line, so
//! that `grep` and `diff` see what is meant. What is going on meanwhile is not here but on standard error
//! ([`Progress`](xtask::progress::Progress)).

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, TableStyle, presets,
};

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Lines longer than this are hard to read, however wide the terminal is.
const LONGEST_LINE: usize = 100;

/// Standard output.
pub(crate) struct Screen {
    stream: AutoStream<io::Stdout>,
    /// Columns of the terminal; `None` for a pipe.
    width: Option<u16>,
}

impl Screen {
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        // A terminal that does not tell its width is as wide as the first ones were.
        let width = stdout.is_terminal().then(|| Table::new().width().filter(|it| *it > 0).unwrap_or(80));
        Self { stream: AutoStream::auto(stdout), width }
    }

    /// A line above a part.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stream, "\n{BOLD}{text}{BOLD:#}")
    }

    /// Sentences, folded to the width of a terminal.
    pub(crate) fn paragraph(&mut self, text: &str) -> io::Result<()> {
        let width = self.width.map_or(LONGEST_LINE, |it| usize::from(it).min(LONGEST_LINE));
        fold(text, width).iter().try_for_each(|line| writeln!(self.stream, "{line}"))
    }

    /// One line as it is.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stream, "{text}")
    }

    /// Something that must not be overlooked.
    pub(crate) fn alarm(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stream, "{BAD}{text}{BAD:#}")
    }

    /// A table that fits the terminal.
    pub(crate) fn table<const N: usize>(
        &mut self,
        columns: [Column; N],
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) -> io::Result<()> {
        let rows = rows.into_iter().map(Vec::from).collect();
        let lines = layout(&columns, rows, self.width);
        // A frame sets it apart; without one, empty lines do.
        let apart = if self.width.is_some() { "" } else { "\n" };
        writeln!(self.stream, "{apart}{}{apart}", lines.join("\n"))
    }
}

/// A column of a table, with its title.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Texts, folded where the terminal is narrow.
    Text(&'static str),
    /// Names, never folded.
    Name(&'static str),
    /// Numbers, never folded, at the right.
    Number(&'static str),
}

impl Column {
    fn title(self) -> Cell {
        let (Self::Text(title) | Self::Name(title) | Self::Number(title)) = self;
        Cell::new(title).add_attribute(Attribute::Bold)
    }
}

/// A cell with text.
pub(crate) fn text(text: impl AsRef<str>) -> Cell {
    Cell::new(text.as_ref())
}

/// A cell with the name of a primary.
pub(crate) fn primary(name: &str) -> Cell {
    text(name).fg(Color::Yellow)
}

/// A cell with the name of a replica.
pub(crate) fn replica(name: &str) -> Cell {
    text(name).fg(Color::Cyan)
}

/// A cell with good news.
pub(crate) fn good(text: impl AsRef<str>) -> Cell {
    self::text(text).fg(Color::Green)
}

/// A cell with the number of bad things: zero is nothing to worry about.
pub(crate) fn failures(count: u64) -> Cell {
    let count = count.to_string();
    if count == "0" { text(count) } else { bad(count) }
}

/// A cell with bad news.
pub(crate) fn bad(text: impl AsRef<str>) -> Cell {
    self::text(text).fg(Color::Red).add_attribute(Attribute::Bold)
}

/// The lines of a table; their colours are taken out by the stream where they do not belong.
fn layout(columns: &[Column], rows: Vec<Vec<Cell>>, width: Option<u16>) -> Vec<String> {
    let mut table = Table::new();
    table.set_header(columns.iter().map(|it| it.title()).collect::<Vec<_>>()).add_rows(rows);
    for (kind, column) in columns.iter().zip(table.column_iter_mut()) {
        if let Column::Number(_) = kind {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if width.is_none() {
            column.set_padding((0, 2));
        } else if !matches!(kind, Column::Text(_)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let Some(width) = width else {
        table.force_no_tty().load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
        return table.lines().map(|it| it.trim_end().to_owned()).collect();
    };
    table.load_style(presets::UTF8_FULL_CONDENSED).enforce_styling();
    table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    table.lines().collect()
}

/// Breaks a text between words so that no line is wider than `width`, unless a single word is.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let both = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && both > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn paragraphs_break_between_words() {
        assert_eq!(fold("one two  three", 7), ["one two", "three"]);
        assert_eq!(fold("one two\nthree", usize::MAX), ["one two three"]);
        assert_eq!(fold("µµµ é 1", 5), ["µµµ é", "1"], "characters count, not bytes");
        assert_eq!(fold("unbreakable a", 4), ["unbreakable", "a"]);
    }

    #[test]
    fn a_wide_terminal_gets_a_row_a_line() {
        check(
            Some(60),
            expect![[r#"
                ┌─────────────────────┬──────────┬───────────────────┬─────┐
                │ statement           ┆ server   ┆ why               ┆  µs │
                ╞═════════════════════╪══════════╪═══════════════════╪═════╡
                │ SELECT 1 FOR UPDATE ┆ primary  ┆ it locks the rows ┆ 612 │
                │ SELECT 1            ┆ replica1 ┆ its turn          ┆  98 │
                └─────────────────────┴──────────┴───────────────────┴─────┘"#]],
        );
    }

    #[test]
    fn a_narrow_terminal_folds_texts_and_leaves_names_and_numbers_whole() {
        check(
            Some(42),
            expect![[r#"
                ┌───────────┬──────────┬───────────┬─────┐
                │ statement ┆ server   ┆ why       ┆  µs │
                ╞═══════════╪══════════╪═══════════╪═════╡
                │ SELECT 1  ┆ primary  ┆ it locks  ┆ 612 │
                │ FOR       ┆          ┆ the rows  ┆     │
                │ UPDATE    ┆          ┆           ┆     │
                │ SELECT 1  ┆ replica1 ┆ its turn  ┆  98 │
                └───────────┴──────────┴───────────┴─────┘"#]],
        );
    }

    #[test]
    fn a_pipe_gets_plain_columns() {
        check(
            None,
            expect![[r#"
                statement            server    why                 µs
                SELECT 1 FOR UPDATE  primary   it locks the rows  612
                SELECT 1             replica1  its turn            98"#]],
        );
    }

    const COLUMNS: [Column; 4] =
        [Column::Text("statement"), Column::Name("server"), Column::Text("why"), Column::Number("µs")];

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "what `expect!` gives is used once")]
    fn check(width: Option<u16>, expected: Expect) {
        let rows = vec![
            vec![text("SELECT 1 FOR UPDATE"), primary("primary"), text("it locks the rows"), text("612")],
            vec![text("SELECT 1"), replica("replica1"), text("its turn"), text("98")],
        ];
        let lines = layout(&COLUMNS, rows, width);
        let plain: Vec<_> = lines.iter().map(|it| anstream::adapter::strip_str(it).to_string()).collect();
        if let Some(width) = width {
            assert!(plain.iter().all(|it| it.chars().count() <= width.into()), "wider than {width}");
        } else {
            assert_eq!(lines, plain, "a colour in a pipe");
        }
        expected.assert_eq(&plain.join("\n"));
    }
}
