//! Collects diagnostics.
//!
//! Reading goes on after a problem, so that an author sees all of them at once. Whoever reads a value notes what is
//! wrong with it here and carries on with a default; whether a section may be used is decided by whether an error
//! was noted while it was read.

use std::{fmt, sync::Arc};

use crate::{Diagnostic, Position, Severity, path::Path, position::Positions, suggest::suggest};

/// Nobody reads more, and a broken generator can make millions.
const MOST: usize = 1000;

/// Where something is: in the tree and in the text.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    pub(crate) path: &'p Path<'p>,
    pub(crate) offset: usize,
}

/// What is wrong, before it is known where.
pub(crate) struct Problem {
    severity: Severity,
    message: String,
    accepted: Option<String>,
    suggestion: Option<String>,
}

impl Problem {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), accepted: None, suggestion: None }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// What would be right.
    pub(crate) fn accepted(mut self, accepted: impl Into<String>) -> Self {
        self.accepted = Some(accepted.into());
        self
    }

    /// What was probably meant, if any of `candidates` is.
    pub(crate) fn meant<'c>(mut self, written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        self.suggestion = suggest(written, candidates).map(str::to_owned);
        self
    }

    pub(crate) fn has_suggestion(&self) -> bool {
        self.suggestion.is_some()
    }

    /// What was certainly meant.
    pub(crate) fn suggestion(mut self, suggestion: impl fmt::Display) -> Self {
        self.suggestion = Some(suggestion.to_string());
        self
    }
}

/// A key may hold anything; a message is one line, and does nothing to a terminal.
fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// The diagnostics of one file.
pub(crate) struct Report<'t> {
    pub(crate) file: Arc<str>,
    positions: Positions<'t>,
    noted: Vec<(usize, Diagnostic)>,
    /// Errors of the section that is being read.
    errors: Vec<Diagnostic>,
    dropped: usize,
    /// What is being read will not be used: its errors are warnings.
    unused: bool,
}

impl<'t> Report<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        Self {
            file: file.into(),
            positions: Positions::new(text),
            noted: Vec::new(),
            errors: Vec::new(),
            dropped: 0,
            unused: false,
        }
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        self.positions.at(offset)
    }

    /// Notes a problem and goes on.
    pub(crate) fn add(&mut self, at: At<'_>, problem: Problem) {
        let is_error = problem.severity == Severity::Error && !self.unused;
        // A section whose errors are no longer counted must still be broken.
        if self.noted.len() >= MOST && !(is_error && self.errors.is_empty()) {
            self.dropped += 1;
            return;
        }
        let Problem { severity: _, message, accepted, suggestion } = problem;
        let diagnostic = Diagnostic {
            severity: if is_error { Severity::Error } else { Severity::Warning },
            file: Arc::clone(&self.file),
            position: Some(self.positions.at(at.offset)),
            path: at.path.to_string(),
            message: printable(message),
            accepted,
            suggestion: suggestion.map(printable),
        };
        if is_error {
            self.errors.push(diagnostic.clone());
        }
        self.noted.push((at.offset, diagnostic));
    }

    /// Runs `read` on something that will not be used: what is wrong with it is worth a warning at most.
    pub(crate) fn while_unused<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.unused, true);
        let value = read(self);
        self.unused = before;
        value
    }

    /// The errors since the last call, which asks what has become of a section.
    pub(crate) fn take_errors(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.errors)
    }

    /// All diagnostics, in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.noted.sort_by_key(|&(offset, _)| offset);
        let mut all: Vec<_> = self.noted.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        if self.dropped > 0 {
            all.push(Diagnostic {
                severity: Severity::Warning,
                file: self.file,
                position: None,
                path: String::new(),
                message: format!("{} more problems are not shown", self.dropped),
                accepted: None,
                suggestion: None,
            });
        }
        all
    }
}
