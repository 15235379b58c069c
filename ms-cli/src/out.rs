//! Where output goes: a terminal gets colours and frames, a pipe gets neither.
//!
//! Everything is written with its colours; the stream takes them out where they do not belong (a pipe, `NO_COLOR`, a
//! dumb terminal). Writing can fail, and a reader that has seen enough (`| head`) is not a reason to panic: unlike
//! `println!`, these functions return the error.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const NOTABLE: Style = AnsiColor::Yellow.on_default();

/// Standard output.
pub(crate) struct Out {
    stream: BufWriter<AutoStream<io::Stdout>>,
    terminal: bool,
}

impl Out {
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { stream: BufWriter::new(AutoStream::auto(stdout)), terminal }
    }

    /// Whether a person is looking.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes one JSON value on a line of its own.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.stream, value)?;
        writeln!(self.stream)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
