//! What a text mentions that may have an effect.
//!
//! Between the first word of a statement and its end, hundreds of tokens may stand and hardly one matters. A [`Walk`]
//! goes through them and reports those that do, as [`Event`]s. What they mean is for others to say: the classifier
//! stops at the first that rules out a read, the effect of a statement is the sum of all.
//!
//! The hard part is calls. `f(1)`, `f (1)` and `f/**/(1)` are all calls (sqlx logs in with `CLIENT_IGNORE_SPACE`), a
//! name in quotes or with a schema in front is never a built-in, and `WITH f (a) AS`, `AS f (a)` and `IN (1)` call
//! nothing. So at every name the walk looks for a parenthesis behind it and, where there is one, at what stands before.

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
    /// The last word.
    before: Before,
    /// The last comment.
    comment: Passed,
    list: List,
}

/// A word that was passed.
#[derive(Clone, Copy)]
struct Before {
    key: u64,
    start: usize,
    end: usize,
}

/// A comment that was passed.
#[derive(Clone, Copy)]
struct Passed {
    end: usize,
    /// Whether a dot stands before it.
    dot: bool,
}

/// How much of the `WITH a (x), b AS (…)` in front of the statement proper is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    None,
    /// The next word in no parenthesis names a table.
    Name,
    /// `AS`, a parenthesis or a comma is next.
    Body,
    /// Inside so many parentheses.
    Inside(usize),
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
        let before = Before { key: 0, start: 0, end: 0 };
        Walk { scanner, before, comment: Passed { end: 0, dot: false }, list: List::None }
    }

    /// Walks on from behind the word `WITH` that begins a statement.
    pub(crate) fn behind_with(scanner: &'s mut Scanner<'a>) -> Self {
        Walk { list: List::Name, ..Walk::new(scanner) }
    }

    /// Goes to the next thing that matters. `own` are functions that are known to only read.
    #[inline]
    pub(crate) fn next(&mut self, own: &[&str]) -> Event {
        loop {
            let token = match self.list {
                List::None => self.scanner.next::<COARSE>(),
                _ => self.scanner.next_in_list(),
            };
            let event = match token.kind {
                Kind::Word => {
                    let key = self.scanner.key(token);
                    let event = self.word(token, key).or_else(|| self.name(token, own));
                    self.before = Before { key, start: token.start, end: token.end };
                    event
                }
                Kind::Name => self.name(token, own),
                Kind::Comment => {
                    self.comment = Passed { end: token.end, dot: self.behind_dot(token.start) };
                    None
                }
                Kind::Variable => Some(Event::UserVariable),
                Kind::SystemVariable => self.system_variable(token),
                Kind::Assign => Some(Event::Certain(Cause::Assignment, token.span())),
                Kind::Executable => Some(Event::Certain(Cause::ExecutableComment, token.span())),
                Kind::Unclear(cause) => Some(Event::Certain(cause, token.span())),
                Kind::End | Kind::Punct(b';') => Some(Event::End),
                Kind::Punct(punct) => {
                    self.follow_list(punct);
                    None
                }
                Kind::Text | Kind::Number => None,
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// The token behind the last event.
    pub(crate) fn peek(&self) -> Token {
        self.scanner.peek_fine()
    }

    /// Judges a word by itself and the one before it.
    #[inline]
    fn word(&self, token: Token, key: u64) -> Option<Event> {
        let (cause, start) = match key {
            0 => return self.long_word(token),
            INTO => (Cause::Into, token.start),
            LOCK => (Cause::Locking, token.start),
            SHARE | UPDATE if self.before.key == FOR => (Cause::Locking, self.before.start),
            FOR if self.before.key == VALUE => (Cause::Sequence, self.before.start),
            UPDATE | DELETE => (Cause::InnerWrite, token.start),
            // Both are functions as well, and a statement never has a parenthesis behind these words.
            INSERT | REPLACE if !self.opens(token.end) => (Cause::InnerWrite, token.start),
            NEXTVAL | CURRVAL if self.behind_dot(token.start) => (Cause::Sequence, token.start),
            _ => return None,
        };
        // `` `t`.into `` is a column. (`t.into` is one word for the scanner.)
        let sql = self.scanner.sql;
        if cause != Cause::Sequence && token.start > 1 && sql[token.start - 1] == b'.' && sql[token.start - 2] == b'`' {
            return None;
        }
        Some(Event::Certain(cause, Span { start, end: token.end }))
    }

    /// Judges a word or name by what follows it.
    #[inline(always)]
    fn name(&mut self, token: Token, own: &[&str]) -> Option<Event> {
        let names_table = self.list != List::None && self.in_list(token);
        if !self.opens(token.end) || names_table {
            return None;
        }
        self.call(token, own)
    }

    /// Whether a parenthesis opens at `at`, behind trivia perhaps.
    #[inline(always)]
    fn opens(&self, mut at: usize) -> bool {
        loop {
            match self.scanner.sql.get(at) {
                Some(b'(') => return true,
                Some(&byte) if is_space(byte) => at += 1,
                Some(b'/' | b'-' | b'#') => return self.scanner.peek_fine().kind == Kind::Punct(b'('),
                _ => return false,
            }
        }
    }

    /// `s.NEXTVAL` advances a sequence in MariaDB's `sql_mode` ORACLE.
    #[inline]
    fn long_word(&self, token: Token) -> Option<Event> {
        let text = self.scanner.text(token);
        let dot = text.len().checked_sub(8).filter(|&dot| text[dot] == b'.')?;
        let sequence = matches!(key(&text[dot + 1..]), NEXTVAL | CURRVAL);
        sequence.then(|| Event::Certain(Cause::Sequence, token.span()))
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
            5..=7 if is_scope(name) => return Some(Event::Certain(Cause::Unclear, token.span())),
            _ => return None,
        };
        Some(Event::Call(Some(class), token.span()))
    }

    /// Judges `name (`.
    #[inline(never)]
    fn call(&self, token: Token, own: &[&str]) -> Option<Event> {
        let sql = self.scanner.sql;
        // `1f(2)`: a name may begin with digits, and then it is another name.
        let glued = token.start > 0 && is_ident(sql[token.start - 1]) && sql[token.start - 1] != b'.';
        let behind_dot = self.behind_dot(token.start);
        let plain = token.kind == Kind::Word && !glued && !behind_dot;
        // The list holds no name with a dot.
        let class = if plain { class_of(sql, token.start, token.end) } else { None };
        match class {
            Some(Class::Pure | Class::Varies | Class::Syntax) => None,
            None if !glued && !behind_dot && (self.is_own(token, own) || self.introduced(token)) => None,
            _ => Some(Event::Call(class, token.span())),
        }
    }

    /// Whether a function is on the list of the section: `f` or `shop.f`, whole as it is written.
    fn is_own(&self, token: Token, own: &[&str]) -> bool {
        let name = self.scanner.text(token);
        let name = if token.kind == Kind::Name { &name[1..name.len() - 1] } else { name };
        own.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the word before says that what follows is a new name or a type: `AS t (a)`, `WITH t (a)`.
    fn introduced(&self, token: Token) -> bool {
        let Before { key, start, end } = self.before;
        if key != AS && key != WITH && !self.scanner.sql[start..end].eq_ignore_ascii_case(b"RECURSIVE") {
            return false;
        }
        self.scanner.from(end).peek_fine() == token
    }

    /// Whether a dot stands before `at`, white space and comments aside.
    fn behind_dot(&self, mut at: usize) -> bool {
        let Passed { end, dot } = self.comment;
        while at > end && is_space(self.scanner.sql[at - 1]) {
            at -= 1;
        }
        if at == end { dot } else { self.scanner.sql[at - 1] == b'.' }
    }

    /// Follows the list of `WITH`; answers whether `token` is the name of a table.
    #[inline(never)]
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

    /// Follows the parentheses and commas of that list.
    fn follow_list(&mut self, punct: u8) {
        self.list = match (punct, self.list) {
            (b'(', List::Name | List::Body) => List::Inside(1),
            (b'(', List::Inside(depth)) => List::Inside(depth + 1),
            (b')', List::Inside(0 | 1)) => List::Body,
            (b')', List::Inside(depth)) => List::Inside(depth - 1),
            (b',', List::Body) => List::Name,
            (_, list) => list,
        };
    }
}

/// `@@session` and the like, with the name of the variable somewhere behind a space.
fn is_scope(name: &[u8]) -> bool {
    [&b"session"[..], b"local", b"global"].iter().any(|it| it.eq_ignore_ascii_case(name))
}
