//! Where one statement ends and the next begins.
//!
//! Each statement is routed by itself, so a script has to be cut at its semicolons: those outside of strings, quoted
//! names and comments. As the servers' own clients, `DELIMITER` on a line of its own names another mark, for bodies of
//! procedures and triggers that hold semicolons.
//!
//! A backslash escapes in strings, as it does unless `sql_mode` has `NO_BACKSLASH_ESCAPES`; a file does not say.

/// The statements of a script, without the marks between them; empty ones are left out.
#[derive(Clone, Debug)]
pub(crate) struct Statements<'a> {
    rest: &'a str,
    line: usize,
    delimiter: &'a str,
}

/// One statement of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its text with the comments in front of it, for they may be hints.
    pub(crate) sql: &'a str,
    /// The line of the script where the text begins, from 1.
    pub(crate) line: usize,
}

/// The statements of `script`.
pub(crate) fn statements(script: &str) -> Statements<'_> {
    let rest = script.strip_prefix('\u{feff}').unwrap_or(script);
    Statements { rest, line: 1, delimiter: ";" }
}

impl<'a> Iterator for Statements<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        loop {
            self.advance(blank(self.rest));
            let body = trivia(self.rest);
            let text = &self.rest[body..];
            if text.is_empty() {
                return None;
            }
            if text.starts_with(self.delimiter) {
                self.advance(body + self.delimiter.len());
            } else if let Some((delimiter, len)) = delimiter_command(text) {
                self.delimiter = delimiter;
                self.advance(body + len);
            } else {
                let end = body + end(text, self.delimiter);
                let statement = Statement { sql: self.rest[..end].trim_end(), line: self.line };
                let mark = if end < self.rest.len() { self.delimiter.len() } else { 0 };
                self.advance(end + mark);
                return Some(statement);
            }
        }
    }
}

impl Statements<'_> {
    fn advance(&mut self, len: usize) {
        let (passed, rest) = self.rest.split_at(len);
        self.line += passed.bytes().filter(|&byte| byte == b'\n').count();
        self.rest = rest;
    }
}

/// The length of the white space in front.
fn blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// The length of white space and comments in front. A comment that the server executes is a statement.
fn trivia(text: &str) -> usize {
    let mut at = 0;
    loop {
        at += blank(&text[at..]);
        match comment(&text[at..]) {
            Some(_) if text[at..].starts_with("/*!") || text[at..].starts_with("/*M!") => return at,
            Some(len) => at += len,
            None => return at,
        }
    }
}

/// The length of the comment that `text` begins with.
fn comment(text: &str) -> Option<usize> {
    let line = || text.find('\n').map_or(text.len(), |end| end + 1);
    match text.as_bytes() {
        [b'#', ..] => Some(line()),
        // `5--1` is a number: two dashes need white space or a control character behind them.
        [b'-', b'-'] => Some(line()),
        [b'-', b'-', next, ..] if *next <= b' ' || *next == 0x7f => Some(line()),
        [b'/', b'*', ..] => Some(text[2..].find("*/").map_or(text.len(), |end| end + 4)),
        _ => None,
    }
}

/// `DELIMITER mark`, and its length with the rest of the line. An empty mark changes nothing.
fn delimiter_command(text: &str) -> Option<(&str, usize)> {
    let word = text.get(..9).filter(|word| word.eq_ignore_ascii_case("delimiter"))?;
    let end = text.find('\n').unwrap_or(text.len());
    let rest = &text[word.len()..end];
    let mark = rest.split_whitespace().next()?;
    rest.starts_with(char::is_whitespace).then_some((mark, end))
}

/// Where the statement that `text` begins with ends: at the delimiter, or with the text.
fn end(text: &str, delimiter: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        // Comparing bytes, for `at` may stand inside a character.
        if bytes[at..].starts_with(delimiter.as_bytes()) {
            return at;
        }
        at += match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => quoted(&bytes[at..], quote),
            b'#' | b'-' | b'/' => comment(&text[at..]).unwrap_or(1),
            _ => 1,
        };
    }
    bytes.len()
}

/// The length of the quoted thing in front; a doubled quote ends one and begins the next, which comes to the same.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' if quote != b'`' => at += 1,
            _ if byte == quote => return at,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_end_statements() {
        check("SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"]);
        check("SELECT 1;\n;; \n", &["SELECT 1"]);
        check("", &[]);
        check(" -- nothing\n", &[]);
        check("\u{feff}SELECT 1", &["SELECT 1"]);
    }

    #[test]
    fn quotes_and_comments_hide_them() {
        check("SELECT ';', \";\", `;`; SELECT 2", &["SELECT ';', \";\", `;`", "SELECT 2"]);
        check("SELECT 'it''s;'; SELECT 2", &["SELECT 'it''s;'", "SELECT 2"]);
        check(r"SELECT '\';'; SELECT 2", &[r"SELECT '\';'", "SELECT 2"]);
        check(r"SELECT `\`; SELECT 2", &[r"SELECT `\`", "SELECT 2"]);
        check("SELECT 1 -- ;\n+ 1; SELECT 2", &["SELECT 1 -- ;\n+ 1", "SELECT 2"]);
        check("SELECT 1 # ;\n+ 1; SELECT 2", &["SELECT 1 # ;\n+ 1", "SELECT 2"]);
        check("SELECT 1 /* ; */ + 1; SELECT 2", &["SELECT 1 /* ; */ + 1", "SELECT 2"]);
        check("SELECT 5--1; SELECT 2", &["SELECT 5--1", "SELECT 2"]);
        check("SELECT 'grün;ß'; SELECT 'é'", &["SELECT 'grün;ß'", "SELECT 'é'"]);
    }

    #[test]
    fn leading_comments_stay_with_their_statement() {
        check("/*ms=primary*/ SELECT 1; -- why\nSELECT 2", &["/*ms=primary*/ SELECT 1", "-- why\nSELECT 2"]);
        check("/*!40101 SET NAMES utf8 */; /* ; */", &["/*!40101 SET NAMES utf8 */"]);
    }

    #[test]
    fn an_open_quote_or_comment_takes_the_rest() {
        check("SELECT 'a; SELECT 2", &["SELECT 'a; SELECT 2"]);
        check(r"SELECT 'a\", &[r"SELECT 'a\"]);
        check("SELECT 1 /* ; SELECT 2", &["SELECT 1 /* ; SELECT 2"]);
    }

    #[test]
    fn delimiter_names_another_mark() {
        let script = "DELIMITER //\nCREATE PROCEDURE p() BEGIN DO 1; END//\n-- back\ndelimiter ;\nCALL p(); SELECT 1";
        check(script, &["CREATE PROCEDURE p() BEGIN DO 1; END", "CALL p()", "SELECT 1"]);
        check("DELIMITER", &["DELIMITER"]);
        check("delimiters; SELECT 1", &["delimiters", "SELECT 1"]);
    }

    #[test]
    fn lines_are_those_of_the_script() {
        let lines: Vec<_> = statements("SELECT 1;\n\n-- c\nSELECT\n2;SELECT 3").map(|it| it.line).collect();
        assert_eq!(lines, [1, 3, 5]);
    }

    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
        let found: Vec<_> = statements(script).map(|it| it.sql).collect();
        assert_eq!(found, expected, "{script}");
    }
}
