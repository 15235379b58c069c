//! Where tokens begin and end.
//!
//! To find a word in SQL one must know what is *not* a word: text in strings, in comments, in quoted names. That is
//! all this scanner knows. It never fails; what it cannot be sure of becomes a token of its own ([`Kind::Unclear`]) and
//! ends the search.
//!
//! It follows the servers' lexers, not the SQL standard:
//!
//! - `--` opens a comment only before white space or a control character; comments do not nest;
//! - `/*! … */` and `/*M! … */` are code, depending on the version of the server;
//! - a backslash escapes in strings, unless `sql_mode` says otherwise; double quotes hold text or a name, as it says;
//! - names may hold `$`, digits and every byte from 0x80 on.
//!
//! It works on bytes and expects a character set whose multi-byte characters hold no ASCII bytes, as UTF-8. With GBK,
//! Shift-JIS or Big5 a backslash or quote may be half a character; sqlx speaks utf8mb4 unless told otherwise.
//!
//! Words are recognised by [`key`]: up to eight bytes, case folded, in one integer. Comparing two words is comparing
//! two integers.

use crate::{Cause, Span, SqlMode};

/// One token; trivial white space is never one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn span(self) -> Span {
        Span { start: self.start, end: self.end }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or an unquoted name, with everything that follows after dots: `db.t.c` is one word.
    Word,
    /// `` `name` ``, with everything that follows after dots, or `"name or text"`.
    Name,
    /// `'text'`.
    Text,
    /// Digits and what is glued to them; only where [`FINE`] asks for it.
    Number,
    /// `@name`, or the `@` in front of a quoted one.
    Variable,
    /// `@@name`, `@@session.name`, or the `@@` in front of a quoted one.
    SystemVariable,
    /// `:=`.
    Assign,
    /// Any other byte that was not to be skipped.
    Punct(u8),
    /// A comment without meaning to the server.
    Comment,
    /// A comment that the server runs; only its beginning.
    Executable,
    /// The meaning of the rest is not certain.
    Unclear(Cause),
    End,
}

const SPACE: u8 = 1 << 0;
const IDENT: u8 = 1 << 1;
const DULL: u8 = 1 << 2;
const LISTS: u8 = 1 << 3;
const LETTER: u8 = 1 << 4;
const PLAIN: u8 = 1 << 5;

/// Skip white space only: every other byte belongs to a token.
pub(crate) const FINE: u8 = SPACE;
/// Skip numbers, operators, commas: what can have no effect.
pub(crate) const COARSE: u8 = SPACE | DULL | LISTS;
/// As [`COARSE`], but keep what is needed to count parentheses and items of a list.
pub(crate) const LIST: u8 = SPACE | DULL;

const FLAGS: [u8; 256] = {
    let mut flags = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "counts to 255")]
        let b = byte as u8;
        flags[byte] = match b {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => SPACE | PLAIN,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => IDENT | LETTER | PLAIN,
            b'0'..=b'9' | b'.' => IDENT | DULL | PLAIN,
            b'=' | b'<' | b'>' | b'*' | b'+' | b'%' | b'?' => DULL | PLAIN,
            b',' => LISTS | PLAIN,
            b'$' => IDENT,
            b'(' | b')' => LISTS,
            b'\'' | b'"' | b'`' | b'/' | b'-' | b'#' | b'@' | b':' | b';' | b'[' => 0,
            _ => DULL,
        };
        byte += 1;
    }
    flags
};

/// Whether a text holds nothing but words, numbers and operators by its bytes alone: no parenthesis, quote, variable, comment,
/// `;` or anything unclear.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&byte| has(byte, PLAIN))
}

#[inline]
fn has(byte: u8, flags: u8) -> bool {
    FLAGS[byte as usize] & flags != 0
}

/// White space as the servers' lexers see it.
#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    has(byte, SPACE)
}

/// A byte that an unquoted name may hold, the dot included.
#[inline]
pub(crate) fn is_ident(byte: u8) -> bool {
    has(byte, IDENT)
}

/// Clears the bit that tells lower from upper case. Digits and `$` leave the printable range by it, but no two bytes
/// that names may hold become the same unless they are one letter.
const FOLD: u64 = 0xdfdf_dfdf_dfdf_dfdf;

/// `word`, at most eight bytes, as one integer without case; 0 for longer ones.
pub(crate) const fn key(word: &[u8]) -> u64 {
    if word.len() > 8 {
        return 0;
    }
    let (mut key, mut at) = (0, 0);
    while at < word.len() {
        key = key << 8 | word[at] as u64;
        at += 1;
    }
    key & FOLD
}

/// The [`key`] of `sql[start..end]`, quicker.
#[inline]
pub(crate) fn key_at(sql: &[u8], start: usize, end: usize) -> u64 {
    let len = end - start;
    if len == 0 || len > 8 {
        return 0;
    }
    match sql.get(start..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(eight) => (u64::from_be_bytes(*eight) >> (64 - 8 * len)) & FOLD,
        None => key(&sql[start..end]), // the last bytes of the text
    }
}

/// A place in a text, and the way on from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    pub(crate) sql: &'a [u8],
    pub(crate) at: usize,
    mode: SqlMode,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(sql: &'a [u8], at: usize, mode: SqlMode) -> Self {
        Scanner { sql, at, mode }
    }

    /// The next token, comments included, behind bytes with any of the flags `SKIP`.
    // The walk through a long read consists of this, so it is compiled into it, once for each set of bytes to skip.
    #[inline(always)]
    pub(crate) fn next<const SKIP: u8>(&mut self) -> Token {
        let sql = self.sql;
        let start = self.run(self.at, SKIP);
        let Some(&first) = sql.get(start) else {
            return self.token(Kind::End, start, start);
        };
        if has(first, LETTER) {
            let end = self.run(start + 1, IDENT);
            return self.token(Kind::Word, start, end);
        }
        match first {
            // What reads hold most.
            b'`' => self.quoted_name(start),
            b'\'' => self.string::<b'\''>(Kind::Text, self.mode.no_backslash_escapes.map(|it| !it), start),
            _ => self.other(first, start),
        }
    }

    /// As [`next`](Self::next), called instead of compiled in.
    #[inline(never)]
    pub(crate) fn next_in_list(&mut self) -> Token {
        self.next::<LIST>()
    }

    /// The next token that is not a comment, skipping white space only.
    pub(crate) fn next_fine(&mut self) -> Token {
        loop {
            let token = self.next::<FINE>();
            if token.kind != Kind::Comment {
                return token;
            }
        }
    }

    /// The same text from another place on.
    pub(crate) fn from(&self, at: usize) -> Self {
        Scanner { at, ..*self }
    }

    /// The word that begins here, without taking it; empty if none does.
    #[inline]
    pub(crate) fn word(&self) -> Span {
        Span { start: self.at, end: self.run(self.at, IDENT) }
    }

    /// Looks at the next token without taking it.
    pub(crate) fn peek_fine(&self) -> Token {
        let mut copy = *self;
        copy.next_fine()
    }

    /// The folded key of a word; 0 for other tokens.
    #[inline]
    pub(crate) fn key(&self, token: Token) -> u64 {
        if token.kind == Kind::Word { key_at(self.sql, token.start, token.end) } else { 0 }
    }

    /// The bytes of a token.
    pub(crate) fn text(&self, token: Token) -> &'a [u8] {
        &self.sql[token.start..token.end]
    }

    /// Whether a token is the given word, of any length and case.
    pub(crate) fn is_word(&self, token: Token, word: &str) -> bool {
        token.kind == Kind::Word && self.text(token).eq_ignore_ascii_case(word.as_bytes())
    }

    #[inline]
    fn token(&mut self, kind: Kind, start: usize, end: usize) -> Token {
        self.at = end;
        Token { kind, start, end }
    }

    /// The end of the run of bytes with any of `flags` that begins at `at`.
    #[inline]
    fn run(&self, at: usize, flags: u8) -> usize {
        let rest = self.sql.get(at..).unwrap_or_default();
        at + rest.iter().position(|&byte| !has(byte, flags)).unwrap_or(rest.len())
    }

    #[inline(never)]
    fn other(&mut self, first: u8, start: usize) -> Token {
        let next = self.sql.get(start + 1).copied();
        match first {
            b'"' => {
                // Text in which backslashes escape only if both switches are known to be off.
                let escapes = match (self.mode.ansi_quotes, self.mode.no_backslash_escapes) {
                    (Some(true), _) | (_, Some(true)) => Some(false),
                    (Some(false), Some(false)) => Some(true),
                    _ => None,
                };
                self.string::<b'"'>(Kind::Name, escapes, start)
            }
            b'#' => self.line_comment(start),
            b'-' if next == Some(b'-') && self.sql.get(start + 2).is_none_or(|&b| b <= b' ' || b == 0x7f) => {
                self.line_comment(start)
            }
            b'/' if next == Some(b'*') => self.block_comment(start),
            // `2*/*c*/3` is a product; a lone end of comment means that somebody nested comments.
            b'/' if start > 0 && self.sql[start - 1] == b'*' => self.unclear(Cause::NestedComment, start - 1, 2),
            b'@' if next == Some(b'@') => {
                let end = self.run(start + 2, IDENT);
                self.token(Kind::SystemVariable, start, end)
            }
            b'@' => {
                let end = self.run(start + 1, IDENT);
                self.token(Kind::Variable, start, end)
            }
            b':' if next == Some(b'=') => self.token(Kind::Assign, start, start + 2),
            b'0'..=b'9' => {
                let end = self.run(start + 1, IDENT);
                self.token(Kind::Number, start, end)
            }
            // MySQL 9 reads `$tag$ … $tag$` as text, everything else reads a name.
            b'$' => self.unclear(Cause::Unclear, start, 1),
            // MariaDB's `sql_mode` MSSQL quotes names by brackets; no other SQL has them outside of strings.
            b'[' => self.unclear(Cause::Unclear, start, 1),
            _ => self.token(Kind::Punct(first), start, start + 1),
        }
    }

    fn unclear(&mut self, cause: Cause, start: usize, len: usize) -> Token {
        self.token(Kind::Unclear(cause), start, start + len)
    }

    /// A quoted thing. `escapes`: whether a backslash takes the meaning from the next byte; `None` is unknown.
    fn string<const QUOTE: u8>(&mut self, kind: Kind, escapes: Option<bool>, start: usize) -> Token {
        let sql = self.sql;
        let mut at = start + 1;
        while let Some(found) = find_either(sql, at, QUOTE, b'\\') {
            if sql[found] == QUOTE {
                if sql.get(found + 1) != Some(&QUOTE) {
                    return self.token(kind, start, found + 1);
                }
            } else if escapes == Some(false) {
                at = found + 1;
                continue;
            } else if escapes.is_none() && sql.get(found + 1) == Some(&QUOTE) {
                // Both readings of a backslash agree on where the text ends, except before the quote itself.
                return self.token(Kind::Unclear(Cause::UnknownSqlMode), found, found + 2);
            }
            at = found + 2;
        }
        self.token(Kind::Unclear(Cause::Unterminated), start, sql.len())
    }

    /// `` `a` `` with everything that follows after dots: `` `a`.`b` `` is one name, as `a.b` is one word.
    #[inline]
    fn quoted_name(&mut self, start: usize) -> Token {
        let sql = self.sql;
        let mut at = start + 1;
        while let Some(found) = find_either(sql, at, b'`', b'`') {
            at = match sql.get(found + 1..) {
                Some([b'`', ..]) => found + 2,
                Some([b'.', b'`', ..]) => found + 3,
                _ => return self.token(Kind::Name, start, found + 1),
            };
        }
        self.token(Kind::Unclear(Cause::Unterminated), start, sql.len())
    }

    fn line_comment(&mut self, start: usize) -> Token {
        let end = self.sql[start..].iter().position(|&b| b == b'\n').map_or(self.sql.len(), |len| start + len + 1);
        self.token(Kind::Comment, start, end)
    }

    fn block_comment(&mut self, start: usize) -> Token {
        let sql = self.sql;
        if is_executable(&sql[start..]) {
            return self.token(Kind::Executable, start, start + 3);
        }
        let Some(end) = block_end(sql, start) else {
            return self.token(Kind::Unclear(Cause::Unterminated), start, sql.len());
        };
        // Optimizer hints have a lexer of their own, for which a quote may hide the end of the comment.
        let quotes = |quote| sql[start..end].iter().filter(|&&b| b == quote).count();
        if sql.get(start + 2) == Some(&b'+') && (quotes(b'`') % 2 + quotes(b'"') % 2 + quotes(b'\'') % 2) > 0 {
            return self.token(Kind::Unclear(Cause::Unclear), start, end);
        }
        self.token(Kind::Comment, start, end)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The first place from `at` on where one of two bytes stands; eight bytes at a time while there are so many.
#[inline]
fn find_either(sql: &[u8], mut at: usize, a: u8, b: u8) -> Option<usize> {
    let (all_a, all_b) = (ONES * u64::from(a), ONES * u64::from(b));
    while let Some(eight) = sql.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // A byte that equals becomes zero, and a zero byte sets its highest bit by the borrow; the lowest such bit is
        // exact, and only that one is used.
        let eight = u64::from_le_bytes(*eight);
        let (x, y) = (eight ^ all_a, eight ^ all_b);
        let hits = (x.wrapping_sub(ONES) & !x | y.wrapping_sub(ONES) & !y) & (ONES << 7);
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = sql.get(at..)?;
    rest.iter().position(|&byte| byte == a || byte == b).map(|len| at + len)
}

/// Whether a text that begins with `/*` begins with a comment that some server runs.
pub(crate) fn is_executable(comment: &[u8]) -> bool {
    matches!(comment, [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..])
}

/// One past the `*/` of the comment that begins at `start`.
pub(crate) fn block_end(sql: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 3; // `/*/` is not a whole comment
    while let Some(slash) = find_either(sql, at, b'/', b'/') {
        if sql[slash - 1] == b'*' {
            return Some(slash + 1);
        }
        at = slash + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;

    #[test]
    fn words_keep_their_dots() {
        check("SELECT a.b FROM x1$", &["Word SELECT", "Word a.b", "Word FROM", "Word x1$"]);
    }

    #[test]
    fn strings_end_at_their_quote() {
        check("'a''b' \"c\" `d``e`", &["Text 'a''b'", "Name \"c\"", "Name `d``e`"]);
        check("`a`.`b`,`c`.d", &["Name `a`.`b`", "Punct ,", "Name `c`", "Punct .", "Word d"]);
        check("'a", &["Unclear(Unterminated) 'a"]);
        check("`a", &["Unclear(Unterminated) `a"]);
    }

    #[test]
    fn backslashes_matter_before_a_quote_only() {
        check(r"'a\n' 'b\\'", &[r"Text 'a\n'", r"Text 'b\\'"]);
        check(r"'a\'b", &[r"Unclear(UnknownSqlMode) \'", "Word b"]);
    }

    #[test]
    fn a_known_mode_reads_backslashes() {
        let escapes = SqlMode { no_backslash_escapes: Some(false), ansi_quotes: Some(false) };
        check_in(escapes, r#"'a\'b' "c\"d""#, &[r"Text 'a\'b'", r#"Name "c\"d""#]);
        let plain = SqlMode { no_backslash_escapes: Some(true), ansi_quotes: None };
        check_in(plain, r#"'a\' "c\""#, &[r"Text 'a\'", r#"Name "c\""#]);
        let names = SqlMode { no_backslash_escapes: Some(false), ansi_quotes: Some(true) };
        check_in(names, r#""c\" 'a\'b'"#, &[r#"Name "c\""#, r"Text 'a\'b'"]);
    }

    #[test]
    fn three_styles_of_comment() {
        check("a/*x*/b#y\nc-- z\nd", &["Word a", "Comment", "Word b", "Comment", "Word c", "Comment", "Word d"]);
        check("a--b", &["Word a", "Punct -", "Punct -", "Word b"]);
        check("a--", &["Word a", "Comment"]);
        check("a--\x01b\nc", &["Word a", "Comment", "Word c"]);
        check("a--\x7fb\nc", &["Word a", "Comment", "Word c"]);
        check("/*/ x", &["Unclear(Unterminated) /*/ x"]);
    }

    #[test]
    fn comments_do_not_nest() {
        check("/* /* */ a */", &["Comment", "Word a", "Punct *", "Unclear(NestedComment) */"]);
        check("2*/*c*/3", &["Number 2", "Punct *", "Comment", "Number 3"]);
    }

    #[test]
    fn some_comments_are_code() {
        check("/*! a", &["Executable /*!", "Word a"]);
        check("/*M! a", &["Executable /*M", "Punct !", "Word a"]);
        check("/*m! a */", &["Comment"]);
    }

    #[test]
    fn optimizer_hints_may_hide_their_end() {
        check("/*+ BNL(`t`) */", &["Comment"]);
        check("/*+ BNL(`*/ a", &["Unclear(Unclear) /*+ BNL(`*/", "Word a"]);
    }

    #[test]
    fn variables_and_assignment() {
        check("@a:=@@session.b", &["Variable @a", "Assign :=", "SystemVariable @@session.b"]);
        check("@'a'", &["Variable @", "Text 'a'"]);
    }

    #[test]
    fn searching_by_eights_finds_the_first() {
        for len in 0..20 {
            for place in 0..len {
                let mut text = std::vec![b'x'; len];
                text[place] = b'?';
                assert_eq!(find_either(&text, 0, b'?', b'!'), Some(place), "{place} of {len}");
                assert_eq!(find_either(&text, place + 1, b'!', b'?'), None, "behind {place} of {len}");
                // One more than what is searched for is what a borrow could mistake.
                text[place] = b'?' + 1;
                assert_eq!(find_either(&text, 0, b'?', b'!'), None, "{place} of {len}");
            }
        }
    }

    #[test]
    fn keys_ignore_case_and_nothing_else() {
        assert_eq!(key(b"select"), key(b"SELECT"));
        assert_ne!(key(b"select"), key(b"selec"));
        assert_eq!(key(b"abcdefghi"), 0);
        assert_eq!(key_at(b"x for", 2, 5), key(b"FOR"));
        assert_eq!(key_at(b"x for update", 2, 5), key(b"FOR"));
        for a in (0..=255_u8).filter(|&it| is_ident(it)) {
            for b in (0..=255_u8).filter(|&it| is_ident(it) && a < 0x80) {
                assert_eq!(key(&[a]) == key(&[b]), a.eq_ignore_ascii_case(&b), "{a} {b}");
            }
        }
    }

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        check_in(SqlMode::default(), sql, expected);
    }

    #[track_caller]
    fn check_in(mode: SqlMode, sql: &str, expected: &[&str]) {
        let mut scanner = Scanner::new(sql.as_bytes(), 0, mode);
        let mut found = Vec::new();
        loop {
            let token = scanner.next::<FINE>();
            let text = &sql[token.start..token.end];
            match token.kind {
                Kind::End => break,
                Kind::Comment => found.push(String::from("Comment")),
                Kind::Punct(_) => found.push(alloc::format!("Punct {text}")),
                kind => found.push(alloc::format!("{kind:?} {text}")),
            }
        }
        assert_eq!(found, expected);
    }
}
