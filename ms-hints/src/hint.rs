//! What the leading comments of a statement ask for.
//!
//! A comment in front of the first token may hold a hint, alone or with text behind it: `/*ms=primary*/ SELECT 1`,
//! `-- ms=replica please`, `# ms=session`. All three comment styles and any case will do. The word must be the first in
//! its comment and whole: `/*ms=masterX*/` asks for nothing. Comments later in the statement are not looked at.
//!
//! There are two kinds, a route and a service level, and of each the last one wins. The old spellings `master` and
//! `slave` mean the same as `primary` and `replica`.

use crate::{
    Compat, Span,
    scan::{self, key, key_at},
};

/// The hint that asks for a primary, as the original spelled it.
pub const MASTER_SWITCH: &str = "ms=master";
/// The hint that asks for a replica, as the original spelled it.
pub const SLAVE_SWITCH: &str = "ms=slave";
/// The hint that asks for the connection used last.
pub const LAST_USED_SWITCH: &str = "ms=last_used";
/// The hint that asks for a primary.
pub const PRIMARY_SWITCH: &str = "ms=primary";
/// The hint that asks for a replica.
pub const REPLICA_SWITCH: &str = "ms=replica";
/// The hint that asks for strong consistency: primaries only.
pub const STRONG_LEVEL: &str = "ms=strong";
/// The hint that asks for servers that have what this session wrote.
pub const SESSION_LEVEL: &str = "ms=session";
/// The hint that is content with any server.
pub const EVENTUAL_LEVEL: &str = "ms=eventual";

/// A routing hint: `ms=master|primary`, `ms=slave|replica`, `ms=last_used`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Run on a primary.
    Primary,
    /// Run on a replica.
    Replica,
    /// Run on the connection that the statement before this one used.
    LastUsed,
}

/// A service level asked for by hint: `ms=strong`, `ms=session`, `ms=eventual`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Any server.
    Eventual,
    /// Servers that have what this session wrote.
    Session,
    /// Primaries only.
    Strong,
}

/// How many routing hints of each kind were seen; the last one wins, all are counted by the statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Hints that ask for a primary; stops at 255.
    pub primary: u8,
    /// Hints that ask for a replica; stops at 255.
    pub replica: u8,
    /// Hints that ask for the connection used last; stops at 255.
    pub last_used: u8,
}

/// How a comment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommentStyle {
    /// `/* … */`.
    Block,
    /// `/*! … */` or `/*M! … */`, which a server may execute.
    Executable,
    /// `-- …` to the end of the line.
    Dashes,
    /// `# …` to the end of the line.
    Hash,
}

/// One comment in front of the statement proper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment<'a> {
    /// How it is written.
    pub style: CommentStyle,
    /// All of it, without the end of the line.
    pub span: Span,
    /// What is between its delimiters, white space included.
    pub content: Span,
    /// The bytes of `content`; a node group is named by a [`CommentStyle::Block`] comment that equals its name.
    pub text: &'a [u8],
}

/// The comments in front of a statement, first to last.
#[derive(Clone, Copy, Debug)]
pub struct LeadingComments<'a> {
    sql: &'a [u8],
    at: usize,
    compat: Compat,
}

impl<'a> LeadingComments<'a> {
    pub(crate) fn new(sql: &'a [u8], compat: Compat) -> Self {
        LeadingComments { sql, at: 0, compat }
    }

    /// Where the search stands; at the first byte of the statement once the iterator has ended.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn comment(&mut self, style: CommentStyle, content: Span, end: usize, next: usize) -> Option<Comment<'a>> {
        let span = Span { start: self.at, end };
        self.at = next;
        Some(Comment { style, span, content, text: &self.sql[content.start..content.end] })
    }

    fn line(&mut self, style: CommentStyle, opening: usize) -> Option<Comment<'a>> {
        let start = self.at + opening;
        let len = self.sql[start..].iter().position(|&b| b == b'\n').unwrap_or(self.sql.len() - start);
        let end = start + len;
        self.comment(style, Span { start, end }, end, usize::min(end + 1, self.sql.len()))
    }
}

impl<'a> Iterator for LeadingComments<'a> {
    type Item = Comment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Comment<'a>> {
        self.at = skip_space(self.sql, self.at);
        match self.sql.get(self.at..)? {
            [b'/', b'*', ..] => {
                let end = scan::block_end(self.sql, self.at)?;
                let executable = scan::is_executable(&self.sql[self.at..]);
                let style = if executable { CommentStyle::Executable } else { CommentStyle::Block };
                self.comment(style, Span { start: self.at + 2, end: end - 2 }, end, end)
            }
            [b'#', ..] => self.line(CommentStyle::Hash, 1),
            [b'-', b'-', rest @ ..] if ends_dashes(rest.first().copied(), self.compat) => {
                self.line(CommentStyle::Dashes, 2)
            }
            _ => None,
        }
    }
}

/// Whether `--` with this byte behind it is a comment: to the original only with a blank or tab, to servers with any
/// white space, control character or the end of the text.
fn ends_dashes(next: Option<u8>, compat: Compat) -> bool {
    match (next, compat) {
        (Some(b' ' | b'\t'), _) => true,
        (_, Compat::Classic) => false,
        (next, Compat::Strict) => next.is_none_or(|b| b <= b' ' || b == 0x7f),
    }
}

/// What all leading comments say together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hints {
    pub(crate) route: Option<Route>,
    pub(crate) route_span: Span,
    pub(crate) level: Option<Level>,
    pub(crate) level_span: Span,
    pub(crate) counts: Counts,
    /// The first comment that a server may execute.
    pub(crate) executable: Option<Span>,
    /// Where the statement proper begins.
    pub(crate) body: usize,
}

/// Reads the comments in front of a statement.
#[inline]
pub(crate) fn read(sql: &[u8], compat: Compat) -> Hints {
    let mut hints = Hints::default();
    if sql.first().is_some_and(u8::is_ascii_alphabetic) {
        return hints; // nothing in front, as nearly always
    }
    let mut comments = LeadingComments::new(sql, compat);
    for comment in comments.by_ref() {
        if comment.style == CommentStyle::Executable && hints.executable.is_none() {
            hints.executable = Some(comment.span);
        }
        let Some((hint, span)) = find(sql, comment.content) else { continue };
        match hint {
            Hint::Route(route) => {
                let counts = &mut hints.counts;
                let count = match route {
                    Route::Primary => &mut counts.primary,
                    Route::Replica => &mut counts.replica,
                    Route::LastUsed => &mut counts.last_used,
                };
                *count = count.saturating_add(1);
                (hints.route, hints.route_span) = (Some(route), span);
            }
            Hint::Level(level) => (hints.level, hints.level_span) = (Some(level), span),
        }
    }
    hints.body = comments.at();
    hints
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Route(Route),
    Level(Level),
}

/// Every word that is a hint.
#[cfg(any(test, feature = "lint"))]
pub(crate) const WORDS: [&str; 8] = [
    MASTER_SWITCH,
    SLAVE_SWITCH,
    LAST_USED_SWITCH,
    PRIMARY_SWITCH,
    REPLICA_SWITCH,
    STRONG_LEVEL,
    SESSION_LEVEL,
    EVENTUAL_LEVEL,
];

/// What stands behind the `ms=` of a hint.
const fn value(hint: &str) -> u64 {
    key(hint.as_bytes().split_at(3).1)
}

const MASTER: u64 = value(MASTER_SWITCH);
const SLAVE: u64 = value(SLAVE_SWITCH);
const PRIMARY: u64 = value(PRIMARY_SWITCH);
const REPLICA: u64 = value(REPLICA_SWITCH);
const STRONG: u64 = value(STRONG_LEVEL);
const SESSION: u64 = value(SESSION_LEVEL);
const EVENTUAL: u64 = value(EVENTUAL_LEVEL);

/// The hint that a comment begins with.
pub(crate) fn find(sql: &[u8], content: Span) -> Option<(Hint, Span)> {
    let span = first_word(sql, content);
    let word = &sql[span.start..span.end];
    if !matches!(word, [b'm' | b'M', b's' | b'S', b'=', _, ..]) {
        return None;
    }
    let hint = match key_at(sql, span.start + 3, span.end) {
        MASTER | PRIMARY => Hint::Route(Route::Primary),
        SLAVE | REPLICA => Hint::Route(Route::Replica),
        STRONG => Hint::Level(Level::Strong),
        SESSION => Hint::Level(Level::Session),
        EVENTUAL => Hint::Level(Level::Eventual),
        _ if word.eq_ignore_ascii_case(LAST_USED_SWITCH.as_bytes()) => Hint::Route(Route::LastUsed),
        _ => return None,
    };
    Some((hint, span))
}

/// The first run of bytes in a comment that is not white space.
pub(crate) fn first_word(sql: &[u8], content: Span) -> Span {
    let sql = &sql[..content.end];
    let start = skip_space(sql, content.start);
    let mut end = start;
    while let Some(&byte) = sql.get(end) {
        if scan::is_space(byte) || byte >= 0x80 && space_len(&sql[end..]) > 0 {
            break;
        }
        end += 1;
    }
    Span { start, end }
}

/// Skips white space, ASCII and Unicode.
#[inline]
pub(crate) fn skip_space(sql: &[u8], mut at: usize) -> usize {
    while let Some(rest) = sql.get(at..) {
        match space_len(rest) {
            0 => break,
            len => at += len,
        }
    }
    at
}

/// How many bytes of white space a text begins with: one character or none.
#[inline]
fn space_len(text: &[u8]) -> usize {
    match *text {
        [first, ..] if first < 0x80 => usize::from(scan::is_space(first)),
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..] => 3,
        [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..] => 3,
        [0xe2, 0x81, 0x9f, ..] => 3,
        [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;
    use crate::{Options, Statement, query_is_select};

    #[test]
    fn every_word_is_a_hint() {
        let hints = [
            Hint::Route(Route::Primary),
            Hint::Route(Route::Replica),
            Hint::Route(Route::LastUsed),
            Hint::Route(Route::Primary),
            Hint::Route(Route::Replica),
            Hint::Level(Level::Strong),
            Hint::Level(Level::Session),
            Hint::Level(Level::Eventual),
        ];
        for (word, hint) in WORDS.into_iter().zip(hints) {
            for word in [word, &word.to_ascii_uppercase()] {
                let sql = alloc::format!("/*{word}*/ SELECT 1");
                let statement = Statement::parse(sql.as_bytes(), &Options::default());
                let (route, level) = (statement.route.map(Hint::Route), statement.level.map(Hint::Level));
                assert_eq!(route.or(level), Some(hint), "{word}");
            }
        }
    }

    #[test]
    fn three_styles_and_any_case() {
        check("/*ms=master*/SELECT 1", Some(Route::Primary), "ms=master");
        check("#ms=slave\nSELECT 1", Some(Route::Replica), "ms=slave");
        check("-- ms=Replica\nSELECT 1", Some(Route::Replica), "ms=Replica");
        check("--\tMS=LAST_USED\nSELECT 1", Some(Route::LastUsed), "MS=LAST_USED");
        check("# ms=primary", Some(Route::Primary), "ms=primary");
    }

    #[test]
    fn white_space_is_skipped_and_text_may_follow() {
        check("/* ms=master */SELECT 1", Some(Route::Primary), "ms=master");
        check("/*\t\n\u{a0}ms=slave\r\n*/SELECT 1", Some(Route::Replica), "ms=slave");
        check("/*ms=master please*/SELECT 1", Some(Route::Primary), "ms=master");
        check("-- ms=master\r\nSELECT 1", Some(Route::Primary), "ms=master");
    }

    #[test]
    fn a_hint_is_a_whole_word() {
        for comment in
            ["/*ms=masterX*/", "/*ms=slaves*/", "/*x ms=slave*/", "/*ms=*/", "/*ms =slave*/", "/*ms=slave;*/"]
        {
            check(&alloc::format!("{comment} SELECT 1"), None, "");
        }
        check("--ms=slave\nSELECT 1", None, "");
        check("/*!ms=slave*/SELECT 1", None, "");
        check("/*ms=slave SELECT 1", None, "");
    }

    #[test]
    fn the_last_one_wins_and_all_are_counted() {
        let sql = "/*ms=master*//*ms=slave*//*ms=slave*/ /*x*/ # ms=last_used\n INSERT INTO t VALUES (1)";
        check(sql, Some(Route::LastUsed), "ms=last_used");
        let statement = Statement::parse(sql.as_bytes(), &Options::default());
        assert_eq!(statement.counts, Counts { primary: 1, replica: 2, last_used: 1 });
        assert_eq!(&sql[statement.body..], "INSERT INTO t VALUES (1)");
    }

    #[test]
    fn counting_stops_at_255() {
        let sql = "/*ms=slave*/".repeat(300);
        assert_eq!(Statement::parse(sql.as_bytes(), &Options::default()).counts.replica, 255);
    }

    #[test]
    fn route_and_level_go_together() {
        let sql = "/*ms=slave*/ /*ms=strong*/ /*ms=eventual*/ SELECT 1";
        check(sql, Some(Route::Replica), "ms=slave");
        let statement = Statement::parse(sql.as_bytes(), &Options::default());
        assert_eq!(statement.level, Some(Level::Eventual));
        assert_eq!(&sql[statement.level_span.start..statement.level_span.end], "ms=eventual");
        assert_eq!(statement.counts, Counts { replica: 1, ..Counts::default() });
    }

    #[test]
    fn later_comments_are_not_looked_at() {
        check("SELECT 1 /*ms=master*/", None, "");
        check("INSERT INTO t VALUES (1); /*ms=slave*/ SELECT 1", None, "");
    }

    #[test]
    fn a_hint_beats_the_class() {
        let of = |sql: &str| query_is_select(sql.as_bytes(), &Options::default());
        assert_eq!(of("/*ms=slave*/ DELETE FROM t"), Route::Replica);
        assert_eq!(of("/*ms=master*/ SELECT 1"), Route::Primary);
        assert_eq!(of("SELECT FOUND_ROWS()"), Route::LastUsed);
        assert_eq!(of("/*ms=strong*/ SELECT 1"), Route::Replica);
    }

    #[test]
    fn comments_have_exact_contents() {
        let sql = "/*A*/\n/* B */ #C\n-- D\r\n/*!E*/ /**/ SELECT /*F*/ 1";
        let statement = Statement::parse(sql.as_bytes(), &Options::default());
        let found: Vec<_> = statement
            .leading_comments()
            .map(|it| {
                assert_eq!(it.text, &sql.as_bytes()[it.content.start..it.content.end]);
                alloc::format!(
                    "{:?} {:?} {:?}",
                    it.style,
                    &sql[it.span.start..it.span.end],
                    String::from_utf8_lossy(it.text)
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                r#"Block "/*A*/" "A""#,
                r#"Block "/* B */" " B ""#,
                r##"Hash "#C" "C""##,
                r#"Dashes "-- D\r" " D\r""#,
                r#"Executable "/*!E*/" "!E""#,
                r#"Block "/**/" """#,
            ]
        );
    }

    #[test]
    fn dashes_need_a_blank_in_classic() {
        let body = |sql: &str, compat| Statement::parse(sql.as_bytes(), &Options { compat, ..Options::default() }).body;
        assert_eq!(body("--\nSELECT 1", Compat::Strict), 3);
        assert_eq!(body("--\nSELECT 1", Compat::Classic), 0);
        assert_eq!(body("-- \nSELECT 1", Compat::Classic), 4);
        assert_eq!(body("--", Compat::Strict), 2);
    }

    #[track_caller]
    fn check(sql: &str, route: Option<Route>, text: &str) {
        for compat in [Compat::Classic, Compat::Strict] {
            let statement = Statement::parse(sql.as_bytes(), &Options { compat, ..Options::default() });
            assert_eq!(statement.route, route, "{sql} ({compat:?})");
            assert_eq!(&sql[statement.route_span.start..statement.route_span.end], text, "{sql} ({compat:?})");
        }
    }
}
