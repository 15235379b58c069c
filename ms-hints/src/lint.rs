//! Hints that will not work.
//!
//! A hint that is misspelled or in the wrong place is a comment like any other: nothing fails, the statement goes
//! where it would have gone anyway, and nobody notices. This report is for linters and code review; running statements
//! do not pass here.

use alloc::vec::Vec;

use crate::{
    Options, Span, Statement,
    hint::{self, WORDS},
    scan::{FINE, Kind, Scanner},
};

/// One comment that looks like a hint and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The word in question.
    pub span: Span,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What keeps a hint from working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No such hint; perhaps the one named was meant.
    Unknown {
        /// The hint that looks most like it.
        did_you_mean: Option<&'static str>,
    },
    /// A hint behind the first token of the statement, where nobody looks.
    NotLeading,
    /// A later hint of the same kind replaces it.
    Overruled,
}

/// All hints of a text that will not work.
///
/// # Examples
///
/// ```
/// use ms_hints::{Options, Problem, lint};
///
/// let findings = lint(b"/*ms=mastr*/ SELECT 1", &Options::default());
/// assert_eq!(findings[0].problem, Problem::Unknown { did_you_mean: Some("ms=master") });
/// ```
#[must_use]
pub fn lint(sql: &[u8], options: &Options<'_>) -> Vec<Finding> {
    let statement = Statement::parse(sql, options);
    let mut findings = Vec::new();
    for comment in statement.leading_comments() {
        match hint::find(sql, comment.content) {
            Some((hint, span)) => {
                let wins = match hint {
                    hint::Hint::Route(_) => statement.route_span,
                    hint::Hint::Level(_) => statement.level_span,
                };
                if span != wins {
                    findings.push(Finding { span, problem: Problem::Overruled });
                }
            }
            None => findings.extend(unknown(sql, comment.content)),
        }
    }

    let mut scanner = Scanner::new(sql, statement.body, options.sql_mode);
    loop {
        let token = scanner.next::<FINE>();
        match token.kind {
            Kind::End => return findings,
            Kind::Comment => {
                let opening = if sql[token.start] == b'#' { 1 } else { 2 };
                let closing = if sql[token.start] == b'/' { 2 } else { 0 };
                let content = Span { start: token.start + opening, end: token.end - closing };
                if let Some((_, span)) = hint::find(sql, content) {
                    findings.push(Finding { span, problem: Problem::NotLeading });
                }
            }
            _ => {}
        }
    }
}

/// A comment that begins with `ms=` and goes on as no hint does.
fn unknown(sql: &[u8], content: Span) -> Option<Finding> {
    let span = hint::first_word(sql, content);
    let word = sql[span.start..span.end].to_ascii_lowercase();
    let value = word.strip_prefix(b"ms=").or_else(|| word.strip_prefix(b"ms:"))?;
    let did_you_mean = WORDS
        .into_iter()
        .map(|hint| (distance(value, &hint.as_bytes()[3..]), hint))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, hint)| hint);
    Some(Finding { span, problem: Problem::Unknown { did_you_mean } })
}

/// How many bytes must be changed, added or dropped to make one word of the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_hints_are_found() {
        check("/*ms=mastr*/ SELECT 1", &[("ms=mastr", Problem::Unknown { did_you_mean: Some("ms=master") })]);
        check("# ms=replicas\nSELECT 1", &[("ms=replicas", Problem::Unknown { did_you_mean: Some("ms=replica") })]);
        check("/*ms=inject*/ SELECT 1", &[("ms=inject", Problem::Unknown { did_you_mean: None })]);
        check("/*ms:slave*/ SELECT 1", &[("ms:slave", Problem::Unknown { did_you_mean: Some("ms=slave") })]);
    }

    #[test]
    fn misplaced_hints_are_found() {
        check("SELECT 1 /* ms=slave */", &[("ms=slave", Problem::NotLeading)]);
        check("SELECT 1 # ms=slave", &[("ms=slave", Problem::NotLeading)]);
        check("/*ms=slave*/ /*ms=master*/ SELECT 1", &[("ms=slave", Problem::Overruled)]);
    }

    #[test]
    fn working_hints_and_other_comments_are_fine() {
        check("/*ms=slave*/ /*ms=strong*/ /* hello */ SELECT '/*ms=slave*/' -- bye", &[]);
    }

    #[track_caller]
    fn check(sql: &str, expected: &[(&str, Problem)]) {
        let findings = lint(sql.as_bytes(), &Options::default());
        let found: Vec<_> = findings.iter().map(|it| (&sql[it.span.start..it.span.end], it.problem)).collect();
        assert_eq!(found, expected, "{sql}");
    }
}
