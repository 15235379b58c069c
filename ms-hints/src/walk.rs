//! What a text mentions that may have an effect.
//!
//! Between the first word of a statement and its end, hundreds of tokens may stand and hardly one matters. A [`Walk`]
//! goes through them and reports those that do, as [`Event`]s. What they mean is for others to say: the classifier
//! stops at the first that rules out a read, the effect of a statement is the sum of all.
//!
//! The hard part is calls. `f(1)`, `f (1)` and `f/**/(1)` are all calls (sqlx logs in with `CLIENT_IGNORE_SPACE`), a
//! name in quotes or with a schema in front is never a built-in, and `WITH f (a) AS`, `AS f (a)` and `IN (1)` call
//! nothing. So the walk remembers the last word or name, and looks back when it meets a parenthesis.

use crate::{
    Cause, Span,
    functions::{Class, class_of},
    scan::{COARSE, Kind, Scanner, Token, is_ident, is_space, key},
};

/// Something that may have an effect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A function that is not harmless by its name; `None` if the name is not on the list.
    Call(Option<Class>, Span),
    /// Something with a meaning of its own, or the end of certainty.
    Certain(Cause, Span),
    /// `@name`.
    UserVariable,
    /// The end of this statement; the scanner stands behind its `;`.
    End,
}

/// A way through the rest of one statement.
pub(crate) struct Walk<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    last: Last,
    /// The word or name before `last`, whatever stands between.
    before: Before,
    /// The last comment.
    comment: Passed,
    list: List,
}

/// The last word or name, which a parenthesis would make a call.
#[derive(Clone, Copy)]
struct Last {
    kind: Kind,
    start: usize,
    end: usize,
    /// Where it ends together with the comments behind it.
    reach: usize,
    key: u64,
    /// It names a common table expression.
    names_table: bool,
    /// The last comment before it.
    comment: Passed,
}

/// A comment that was passed.
#[derive(Clone, Copy)]
struct Passed {
    end: usize,
    /// Whether a dot stands before it.
    dot: bool,
}

#[derive(Clone, Copy)]
struct Before {
    key: u64,
    start: usize,
    reach: usize,
}

const NOTHING: Last =
    Last { kind: Kind::End, start: 0, end: 0, reach: 0, key: 0, names_table: false, comment: NO_COMMENT };
const NO_COMMENT: Passed = Passed { end: 0, dot: false };

/// How much of the `WITH a (x), b AS (…)` in front of the statement proper is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    None,
    /// The next word in no parenthesis names a table.
    Name,
    /// `AS`, a parenthesis or a comma is next.
    Body,
    /// Inside so many parentheses.
    Inside(u32),
}

const AS: u64 = key(b"AS");
const CURRVAL: u64 = key(b"CURRVAL");
const DELETE: u64 = key(b"DELETE");
const FOR: u64 = key(b"FOR");
const INSERT: u64 = key(b"INSERT");
const INTO: u64 = key(b"INTO");
const LOCK: u64 = key(b"LOCK");
const NEXTVAL: u64 = key(b"NEXTVAL");
const REPLACE: u64 = key(b"REPLACE");
const SHARE: u64 = key(b"SHARE");
const UPDATE: u64 = key(b"UPDATE");
const VALUE: u64 = key(b"VALUE");
const WITH: u64 = key(b"WITH");

impl<'s, 'a> Walk<'s, 'a> {
    /// Walks on from where `scanner` stands.
    pub(crate) fn new(scanner: &'s mut Scanner<'a>) -> Self {
        Walk {
            scanner,
            last: NOTHING,
            before: Before { key: 0, start: 0, reach: 0 },
            comment: NO_COMMENT,
            list: List::None,
        }
    }

    /// Walks on from behind the word `WITH` that begins a statement.
    pub(crate) fn behind_with(scanner: &'s mut Scanner<'a>) -> Self {
        Walk { list: List::Name, ..Walk::new(scanner) }
    }

    /// Goes to the next thing that matters. `own` are functions, lower case, that are known to only read.
    #[inline]
    pub(crate) fn next(&mut self, own: &[&str]) -> Event {
        loop {
            let token = match self.list {
                List::None => self.scanner.next::<COARSE>(),
                _ => self.scanner.next_in_list(),
            };
            match token.kind {
                Kind::Word => {
                    self.remember(token);
                    if let Some(event) = self.word(token) {
                        return event;
                    }
                }
                Kind::Punct(b'(') => {
                    let last = core::mem::replace(&mut self.last, NOTHING);
                    let called = last.kind != Kind::End && self.only_space(last.reach, token.start);
                    self.open();
                    if called && let Some(event) = self.call(last, own) {
                        return event;
                    }
                }
                Kind::Name => self.remember(token),
                Kind::Comment => self.pass_comment(token),
                Kind::Punct(b')') => {
                    self.last = NOTHING;
                    self.close();
                }
                Kind::Punct(b',') => {
                    self.last = NOTHING;
                    if self.list == List::Body {
                        self.list = List::Name;
                    }
                }
                Kind::Text | Kind::Number | Kind::Punct(b'-' | b'/' | b':') => self.last = NOTHING,
                Kind::Variable => {
                    self.last = NOTHING;
                    return Event::UserVariable;
                }
                Kind::SystemVariable => {
                    self.last = NOTHING;
                    if let Some(event) = self.system_variable(token) {
                        return event;
                    }
                }
                Kind::Assign => return Event::Certain(Cause::Assignment, token.span()),
                Kind::Executable => return Event::Certain(Cause::ExecutableComment, token.span()),
                Kind::Unclear(cause) => return Event::Certain(cause, token.span()),
                Kind::End | Kind::Punct(b';') => return Event::End,
                Kind::Punct(_) => self.last = NOTHING,
            }
        }
    }

    /// The token behind the last event.
    pub(crate) fn peek(&self) -> Token {
        self.scanner.peek_fine()
    }

    #[inline]
    fn remember(&mut self, token: Token) {
        let key = self.scanner.key(token);
        let Last { key: before, start, reach, .. } = self.last;
        self.before = Before { key: before, start, reach };
        let names_table = self.list != List::None && self.in_list(token);
        let Token { kind, start, end } = token;
        self.last = Last { kind, start, end, reach: end, key, names_table, comment: self.comment };
    }

    #[inline]
    fn word(&mut self, token: Token) -> Option<Event> {
        let (cause, start) = match self.last.key {
            0 => return self.long_word(token),
            INTO => (Cause::Into, token.start),
            LOCK => (Cause::Locking, token.start),
            SHARE | UPDATE if self.before.key == FOR => (Cause::Locking, self.before.start),
            FOR if self.before.key == VALUE => (Cause::Sequence, self.before.start),
            UPDATE | DELETE => (Cause::InnerWrite, token.start),
            // Both are functions as well, and a statement never has a parenthesis behind these words.
            INSERT | REPLACE if self.scanner.peek_fine().kind != Kind::Punct(b'(') => (Cause::InnerWrite, token.start),
            NEXTVAL | CURRVAL if self.behind_dot(token.start, self.comment) => (Cause::Sequence, token.start),
            _ => return None,
        };
        // `` `t`.into `` is a column. (`t.into` is one word for the scanner.)
        let sql = self.scanner.sql;
        if cause != Cause::Sequence && token.start > 1 && sql[token.start - 1] == b'.' && sql[token.start - 2] == b'`' {
            return None;
        }
        Some(Event::Certain(cause, Span { start, end: token.end }))
    }

    /// `s.NEXTVAL` advances a sequence in MariaDB's `sql_mode` ORACLE.
    fn long_word(&self, token: Token) -> Option<Event> {
        let text = self.scanner.text(token);
        let dot = text.len().checked_sub(8).filter(|&dot| text[dot] == b'.')?;
        let sequence = matches!(key(&text[dot + 1..]), NEXTVAL | CURRVAL);
        sequence.then(|| Event::Certain(Cause::Sequence, token.span()))
    }

    fn pass_comment(&mut self, token: Token) {
        if self.last.kind != Kind::End && self.only_space(self.last.reach, token.start) {
            self.last.reach = token.end;
        } else {
            self.last = NOTHING;
        }
        self.comment = Passed { end: token.end, dot: self.behind_dot(token.start, self.comment) };
    }

    fn system_variable(&self, token: Token) -> Option<Event> {
        let text = &self.scanner.text(token)[2..];
        let name = text.rsplit(|&b| b == b'.').next().unwrap_or(text);
        let class = match name.len() {
            // Quoted, or `@@session .x`: too rare to be worth understanding.
            0 => return Some(Event::Certain(Cause::Unclear, token.span())),
            8 if name.eq_ignore_ascii_case(b"identity") => Class::LastInsertId,
            9 if name.eq_ignore_ascii_case(b"last_gtid") => Class::LastInsertId,
            14 if name.eq_ignore_ascii_case(b"last_insert_id") => Class::LastInsertId,
            11 if name.eq_ignore_ascii_case(b"error_count") => Class::LastResult,
            13 if name.eq_ignore_ascii_case(b"warning_count") => Class::LastResult,
            5 | 6 | 7 if is_scope(name) => return Some(Event::Certain(Cause::Unclear, token.span())),
            _ => return None,
        };
        Some(Event::Call(Some(class), token.span()))
    }

    /// Judges `name (`.
    fn call(&self, last: Last, own: &[&str]) -> Option<Event> {
        if last.names_table {
            return None;
        }
        let sql = self.scanner.sql;
        let name = &sql[last.start..last.end];
        let qualified = name.contains(&b'.') || self.behind_dot(last.start, last.comment);
        // `1f(2)`: a name may begin with digits, and then it is another name.
        let glued = last.start > 0 && is_ident(sql[last.start - 1]) && sql[last.start - 1] != b'.';
        let class =
            if last.kind == Kind::Word && !qualified && !glued { class_of(sql, last.start, last.end) } else { None };
        match class {
            Some(Class::Pure | Class::Syntax) => None,
            None if !glued && self.is_own(last, own) => None,
            None if !qualified && self.introduced(last) => None,
            _ => Some(Event::Call(class, Span { start: last.start, end: last.end })),
        }
    }

    /// Whether a function is on the list of the section: `f` or `shop.f`, whole as it is written.
    fn is_own(&self, last: Last, own: &[&str]) -> bool {
        let name = &self.scanner.sql[last.start..last.end];
        let name = match last.kind {
            Kind::Name => &name[1..name.len() - 1],
            _ => name,
        };
        !self.behind_dot(last.start, last.comment) && own.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the word before says that what follows is a new name or a type: `AS t (a)`, `WITH t (a)`.
    fn introduced(&self, last: Last) -> bool {
        let Before { key, reach, .. } = self.before;
        if key == AS || key == WITH {
            return self.only_space(reach, last.start);
        }
        let sql = self.scanner.sql;
        let recursive = reach >= 9 && sql[reach - 9..reach].eq_ignore_ascii_case(b"RECURSIVE");
        recursive && self.only_space(reach, last.start)
    }

    /// Whether a dot stands before `at`, white space and comments aside. `comment` is the last one before it.
    fn behind_dot(&self, mut at: usize, comment: Passed) -> bool {
        while at > comment.end && is_space(self.scanner.sql[at - 1]) {
            at -= 1;
        }
        if at == comment.end { comment.dot } else { self.scanner.sql[at - 1] == b'.' }
    }

    #[inline]
    fn only_space(&self, from: usize, to: usize) -> bool {
        self.scanner.sql[from..to].iter().all(|&b| is_space(b))
    }

    /// Follows the list of `WITH`; answers whether `token` is the name of a table.
    fn in_list(&mut self, token: Token) -> bool {
        let key = self.scanner.key(token);
        match self.list {
            List::Name if self.scanner.is_word(token, "RECURSIVE") => false,
            List::Name => {
                self.list = List::Body;
                true
            }
            List::Body => {
                if key != AS {
                    self.list = List::None; // the statement proper begins
                }
                false
            }
            List::Inside(_) | List::None => false,
        }
    }

    fn open(&mut self) {
        self.list = match self.list {
            List::None => List::None,
            List::Name | List::Body => List::Inside(1),
            List::Inside(depth) => List::Inside(depth + 1),
        };
    }

    fn close(&mut self) {
        self.list = match self.list {
            List::Inside(0 | 1) => List::Body,
            List::Inside(depth) => List::Inside(depth - 1),
            other => other,
        };
    }
}

/// `@@session` and the like, with the name of the variable somewhere behind a space.
fn is_scope(name: &[u8]) -> bool {
    [&b"session"[..], b"local", b"global"].iter().any(|it| it.eq_ignore_ascii_case(name))
}
