//! The many things that `SET` sets.
//!
//! `SET` assigns user variables, variables of the session and of the server, in one list; it also changes character
//! sets, passwords, roles and the next transaction. What matters to a router stands out: `autocommit`, and whatever
//! says how transactions run.

use super::{COMMITS, Calls, Effect, State, verb};
use crate::{
    access,
    scan::{Kind, Scanner, Token, key},
};

const CHARSET: u64 = key(b"CHARSET");
const DEFAULT: u64 = key(b"DEFAULT");
const FALSE: u64 = key(b"FALSE");
const GLOBAL: u64 = key(b"GLOBAL");
const LOCAL: u64 = key(b"LOCAL");
const NAMES: u64 = key(b"NAMES");
const OFF: u64 = key(b"OFF");
const ON: u64 = key(b"ON");
const PASSWORD: u64 = key(b"PASSWORD");
const PERSIST: u64 = key(b"PERSIST");
const ROLE: u64 = key(b"ROLE");
const SESSION: u64 = key(b"SESSION");
const TRUE: u64 = key(b"TRUE");

/// The effect of the `SET` that `ahead` stands behind.
pub(super) fn effect(mut ahead: Scanner<'_>) -> (Effect, Calls) {
    let word = ahead.peek_fine();
    if ahead.is_word(word, "STATEMENT") {
        return match access::behind_set_statement(&mut ahead) {
            Ok(first) if first.kind == Kind::Word => verb(ahead, first),
            // Settings that are computed are computed by functions, perhaps.
            _ => (Effect::state(State::UNKNOWN), Calls::Known),
        };
    }
    let effect = match ahead.key(word) {
        NAMES | CHARSET => Effect::state(State::SETTING),
        ROLE => Effect::state(State::SESSION_VARIABLE),
        PASSWORD | DEFAULT => COMMITS,
        _ if ahead.is_word(word, "CHARACTER") => Effect::state(State::SETTING),
        _ if ahead.is_word(word, "RESOURCE") => Effect::state(State::SESSION_VARIABLE),
        _ => list(ahead),
    };
    (effect, Calls::Known)
}

/// Whose variable is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    Global,
}

/// `[scope] name = value, …`, and `[scope] TRANSACTION …`.
fn list(mut ahead: Scanner<'_>) -> Effect {
    let mut effect = Effect::NONE;
    loop {
        let (target, end) = assignment(&mut ahead);
        effect = effect.then(target);
        if end.kind != Kind::Punct(b',') {
            return effect;
        }
    }
}

/// One item of the list, and the token that ends it.
fn assignment(ahead: &mut Scanner<'_>) -> (Effect, Token) {
    let mut scope = Scope::Session;
    // Not just the next transaction.
    let mut lasts = false;
    let mut token = ahead.next_fine();
    match ahead.key(token) {
        GLOBAL | PERSIST => (scope, token) = (Scope::Global, ahead.next_fine()),
        SESSION | LOCAL => (lasts, token) = (true, ahead.next_fine()),
        _ if ahead.is_word(token, "PERSIST_ONLY") => (scope, token) = (Scope::Global, ahead.next_fine()),
        _ => {}
    }
    let mut name = ahead.text(token);
    match token.kind {
        Kind::Variable => {
            if name.len() == 1 {
                ahead.next_fine(); // the quoted name
            }
            let end = value(ahead).end;
            return (Effect::state(State::USER_VARIABLE), end);
        }
        Kind::SystemVariable => {
            name = &name[2..];
            if let Some(dot) = name.iter().position(|&b| b == b'.') {
                if matches!(key(&name[..dot]), GLOBAL | PERSIST) || name[..dot].eq_ignore_ascii_case(b"persist_only") {
                    scope = Scope::Global;
                }
                lasts = true;
                name = &name[dot + 1..];
            }
            if name.is_empty() {
                let end = value(ahead).end;
                return (Effect::state(State::UNKNOWN), end); // a quoted name
            }
        }
        Kind::Name => (lasts, name) = (true, &name[1..name.len() - 1]),
        Kind::Word if name.eq_ignore_ascii_case(b"TRANSACTION") => return transaction(ahead, scope, lasts),
        Kind::Word => lasts = true,
        _ => return (Effect::state(State::UNKNOWN), token),
    }
    let Value { switch, is_literal, end } = value(ahead);
    let effect = if scope == Scope::Global {
        Effect::state(State::GLOBAL_VARIABLE)
    } else if name.eq_ignore_ascii_case(b"autocommit") {
        match switch {
            Some(on) => Effect { autocommit: Some(on), ..Effect::NONE },
            None => Effect::state(State::UNKNOWN),
        }
    } else if is_literal && is_setting(name) && (lasts || !sets_transactions(name)) {
        Effect::state(State::SETTING)
    } else if sets_transactions(name) {
        Effect::state(State::TRANSACTION_SETTING)
    } else {
        Effect::state(State::SESSION_VARIABLE)
    };
    (effect, end)
}

/// `TRANSACTION …`. The commas between its characteristics begin no assignment.
fn transaction(ahead: &mut Scanner<'_>, scope: Scope, lasts: bool) -> (Effect, Token) {
    let word = ahead.peek_fine();
    let isolates = ahead.is_word(word, "ISOLATION");
    let (mut comma, mut end);
    (comma, end) = (false, value(ahead).end);
    while end.kind == Kind::Punct(b',') {
        (comma, end) = (true, value(ahead).end);
    }
    let state = match scope {
        Scope::Global => State::TRANSACTION_SETTING | State::GLOBAL_VARIABLE,
        // `READ WRITE` elsewhere would undo what keeps writes away from there.
        Scope::Session if lasts && isolates && !comma => State::SETTING,
        Scope::Session => State::TRANSACTION_SETTING,
    };
    (Effect::state(state), end)
}

/// Variables that mean the same on every server of a cluster, and that applications set for all they do.
fn is_setting(name: &[u8]) -> bool {
    [
        &b"time_zone"[..],
        b"sql_mode",
        b"tx_isolation",
        b"transaction_isolation",
        b"max_execution_time",
        b"max_statement_time",
        b"lock_wait_timeout",
        b"innodb_lock_wait_timeout",
        b"net_read_timeout",
        b"net_write_timeout",
        b"wait_timeout",
        b"interactive_timeout",
        b"character_set_client",
        b"character_set_connection",
        b"character_set_results",
        b"collation_connection",
    ]
    .iter()
    .any(|it| it.eq_ignore_ascii_case(name))
}

fn sets_transactions(name: &[u8]) -> bool {
    [&b"tx_isolation"[..], b"transaction_isolation", b"tx_read_only", b"transaction_read_only"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(name))
}

/// The right hand side of an assignment.
struct Value {
    /// What it switches, if it is that simple.
    switch: Option<bool>,
    /// It means the same on any connection.
    is_literal: bool,
    /// The token behind it.
    end: Token,
}

/// Goes to the end of `= value`.
fn value(ahead: &mut Scanner<'_>) -> Value {
    let mut depth = 0_usize;
    let mut switch = None;
    let mut is_literal = true;
    let mut tokens = 0;
    loop {
        let token = ahead.next_fine();
        match token.kind {
            Kind::End | Kind::Punct(b';') => return Value { switch, is_literal: is_literal && tokens > 1, end: token },
            Kind::Punct(b',') if depth == 0 => {
                return Value { switch, is_literal: is_literal && tokens > 1, end: token };
            }
            Kind::Punct(b'(') => (depth, is_literal) = (depth + 1, false),
            Kind::Punct(b')') => depth = depth.saturating_sub(1),
            Kind::Text | Kind::Number | Kind::Word | Kind::Name | Kind::Assign | Kind::Comment => {}
            Kind::Punct(b'=' | b'-' | b'+') => {}
            _ => is_literal = false,
        }
        tokens += 1;
        // The first token is `=` or `:=`.
        switch = if tokens == 2 { truth(ahead, token) } else { None };
    }
}

fn truth(ahead: &Scanner<'_>, value: Token) -> Option<bool> {
    let text = ahead.text(value);
    let word = match value.kind {
        Kind::Text | Kind::Name => text.get(1..text.len() - 1)?,
        _ => text,
    };
    match (word, key(word)) {
        (b"0", _) | (_, OFF | FALSE) => Some(false),
        (b"1", _) | (_, ON | TRUE) => Some(true),
        _ => None,
    }
}
