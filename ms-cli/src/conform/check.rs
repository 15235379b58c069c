//! What came of an action against what was expected.
//!
//! Pure: outcome and memory in, verdict out. Everything an expectation names is compared; what the action has no
//! answer to does not match.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{
    expect::{Cell, ErrorKind, ErrorLike, ErrorWanted, Expect, Matcher, OneOf, Role, ValueWanted},
    outcome::{Failed, Outcome, Rows, Used},
    step::Step,
    substitute::Saved,
};

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { expected: expected.into(), got: got.into() }
    }
}

/// What earlier steps used, by their ids.
pub(crate) type Ids = HashMap<String, Used>;

/// Checks everything a step expects, and stores what it asks to be stored.
pub(crate) fn check(step: &Step, outcome: &Outcome, ids: &Ids, saved: &mut Saved) -> Result<(), Mismatch> {
    let expect = &step.expect;
    check_error(expect.error.as_ref(), outcome)?;
    check_place(expect, outcome, ids)?;
    if let Some(wanted) = &expect.rows {
        check_rows(wanted, outcome.rows.as_ref(), saved)?;
    }
    if let Some(wanted) = expect.row_count {
        let got = outcome.rows.as_ref().map(|it| it.len() as u64);
        same(got == Some(wanted), || (format!("{wanted} rows"), or_nothing(got, "no result")))?;
    }
    if let Some(wanted) = expect.affected_rows {
        let got = outcome.affected.and_then(|it| i64::try_from(it).ok());
        same(got == Some(wanted), || (format!("{wanted} affected rows"), or_nothing(got, "none counted")))?;
    }
    if let Some(wanted) = &step.value {
        check_value(wanted, outcome.value.as_ref(), saved)?;
    }
    check_warnings(expect, &outcome.warnings)
}

fn same(holds: bool, texts: impl FnOnce() -> (String, String)) -> Result<(), Mismatch> {
    if holds {
        return Ok(());
    }
    let (expected, got) = texts();
    Err(Mismatch { expected, got })
}

fn or_nothing(value: Option<impl ToString>, nothing: &str) -> String {
    value.map_or_else(|| nothing.to_owned(), |it| it.to_string())
}

/// Whether the outcome fails as wanted, or succeeds where nothing is.
pub(crate) fn check_error(wanted: Option<&ErrorWanted>, outcome: &Outcome) -> Result<(), Mismatch> {
    match (wanted.unwrap_or(&ErrorWanted::No), &outcome.error) {
        (ErrorWanted::No, None) | (ErrorWanted::Any, Some(_)) => Ok(()),
        (ErrorWanted::No, Some(error)) => Err(Mismatch::new("success", error.json().to_string())),
        (ErrorWanted::Any, None) => Err(Mismatch::new("an error", "success")),
        (ErrorWanted::Like(like), None) => Err(Mismatch::new(show_error(like), "success")),
        (ErrorWanted::Like(like), Some(error)) => {
            same(is_like(error, like, &outcome.warnings), || (show_error(like), error.json().to_string()))
        }
    }
}

fn is_like(error: &Failed, like: &ErrorLike, warnings: &[String]) -> bool {
    let is_kind = |kind: ErrorKind| match kind {
        ErrorKind::Connect => matches!(error.code, 2002 | 2003 | 2005),
        ErrorKind::Gone => matches!(error.code, 2006 | 2013),
    };
    like.code.as_ref().is_none_or(|codes| codes.contains(&error.code))
        && like.sqlstate.as_ref().is_none_or(|state| *state == error.sqlstate)
        && like.kind.is_none_or(is_kind)
        // Some calls of the original had no error object and only warned.
        && like.contains.as_ref().is_none_or(|text| {
            error.message.contains(text) || warnings.iter().any(|it| it.contains(text))
        })
}

fn show_error(like: &ErrorLike) -> String {
    let mut shown = Map::new();
    if let Some(codes) = &like.code {
        shown.insert("code".to_owned(), if let [code] = codes[..] { json!(code) } else { json!(codes) });
    }
    if let Some(state) = &like.sqlstate {
        shown.insert("sqlstate".to_owned(), json!(state));
    }
    if let Some(text) = &like.contains {
        shown.insert("contains".to_owned(), json!(text));
    }
    if let Some(kind) = like.kind {
        shown.insert("kind".to_owned(), json!(format!("{kind:?}").to_lowercase()));
    }
    format!("the error {}", Value::Object(shown))
}

fn check_place(expect: &Expect, outcome: &Outcome, ids: &Ids) -> Result<(), Mismatch> {
    let used = outcome.used.as_ref();
    if let Some(OneOf(aliases)) = &expect.server {
        let holds = used.is_some_and(|it| aliases.contains(&it.alias));
        same(holds, || (format!("server {}", aliases.join(" or ")), show_used(used)))?;
    }
    if let Some(role) = expect.role {
        let holds = used.is_some_and(|it| it.is_master() == (role == Role::Master));
        same(holds, || (format!("a {role:?}").to_lowercase(), show_used(used)))?;
    }
    if let Some(OneOf(steps)) = &expect.same_as {
        for step in steps {
            let before = known(ids, step)?;
            let holds = used.is_some_and(|it| is_same(it, before));
            same(holds, || (format!("the connection of `{step}`: {}", show_used(Some(before))), show_used(used)))?;
        }
    }
    if let Some(OneOf(steps)) = &expect.differs_from {
        for step in steps {
            let before = known(ids, step)?;
            let holds = used.is_some_and(|it| !is_same(it, before));
            same(holds, || {
                (format!("another connection than `{step}`: {}", show_used(Some(before))), show_used(used))
            })?;
        }
    }
    if expect.not_sent {
        same(outcome.sent != Some(true), || ("a statement that is not sent".to_owned(), "it was".to_owned()))?;
    }
    Ok(())
}

fn known<'i>(ids: &'i Ids, step: &str) -> Result<&'i Used, Mismatch> {
    ids.get(step).ok_or_else(|| Mismatch::new(format!("a connection used by `{step}`"), "it used none"))
}

/// The same server; and the same connection, unless the user was changed between.
fn is_same(one: &Used, other: &Used) -> bool {
    one.alias == other.alias
        && (one.generation != other.generation || (one.connection.is_some() && one.connection == other.connection))
}

fn show_used(used: Option<&Used>) -> String {
    used.map_or_else(
        || "no server".to_owned(),
        |it| match it.connection {
            Some(id) => format!("server {} (connection {id})", it.alias),
            None => format!("server {} (no connection)", it.alias),
        },
    )
}

fn check_rows(wanted: &[Vec<Cell>], got: Option<&Rows>, saved: &mut Saved) -> Result<(), Mismatch> {
    let matches = |cell: &Cell, value: &Option<String>| match cell {
        Cell::Any | Cell::Save(_) => true,
        Cell::Null => value.is_none(),
        Cell::Text(text) => value.as_ref() == Some(text),
    };
    let row_matches = |(wanted, got): (&Vec<Cell>, &Vec<Option<String>>)| {
        wanted.len() == got.len() && wanted.iter().zip(got).all(|(cell, value)| matches(cell, value))
    };
    let Some(got) = got else {
        return Err(Mismatch::new(show_rows(wanted), "no result"));
    };
    let holds = wanted.len() == got.len() && wanted.iter().zip(got).all(row_matches);
    same(holds, || (show_rows(wanted), json!(got).to_string()))?;
    for (cell, value) in wanted.iter().flatten().zip(got.iter().flatten()) {
        if let Cell::Save(name) = cell {
            saved.insert(name.clone(), json!(value));
        }
    }
    Ok(())
}

fn show_rows(rows: &[Vec<Cell>]) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Any => json!({"any": true}),
        Cell::Save(name) => json!({"save": name}),
    };
    let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    json!(rows).to_string()
}

fn check_value(wanted: &ValueWanted, got: Option<&Value>, saved: &mut Saved) -> Result<(), Mismatch> {
    let Some(got) = got else {
        return Err(Mismatch::new(format!("a value: {}", show_wanted(wanted)), "no value"));
    };
    let holds = match wanted {
        ValueWanted::Exactly(value) => equal(value, got),
        ValueWanted::Subset(keys) => covers(got, &Value::Object(keys.clone())),
        ValueWanted::Matching(matchers) => matchers.iter().all(|it| matches_value(it, got)),
    };
    same(holds, || (show_wanted(wanted), got.to_string()))?;
    if let ValueWanted::Matching(matchers) = wanted {
        for matcher in matchers {
            if let Matcher::Save(name) = matcher {
                saved.insert(name.clone(), got.clone());
            }
        }
    }
    Ok(())
}

fn show_wanted(wanted: &ValueWanted) -> String {
    match wanted {
        ValueWanted::Exactly(value) => value.to_string(),
        ValueWanted::Subset(keys) => format!("at least {}", Value::Object(keys.clone())),
        ValueWanted::Matching(matchers) => {
            let text = |it: &Matcher| match it {
                Matcher::Any | Matcher::Save(_) => "anything".to_owned(),
                Matcher::Greater(number) => format!("more than {number}"),
                Matcher::AtLeast(number) => format!("at least {number}"),
                Matcher::Not(value) => format!("not {value}"),
            };
            matchers.iter().map(text).collect::<Vec<_>>().join(" and ")
        }
    }
}

fn matches_value(matcher: &Matcher, got: &Value) -> bool {
    match matcher {
        Matcher::Any | Matcher::Save(_) => true,
        Matcher::Greater(than) => number(got).is_some_and(|it| it > *than),
        Matcher::AtLeast(least) => number(got).is_some_and(|it| it >= *least),
        Matcher::Not(value) => !equal(value, got),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A number and its text are equal; everything else is itself.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    let as_text = |value: &Value| match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    one == other || as_text(one).is_some_and(|it| Some(it) == as_text(other))
}

/// Whether `got` has all that `wanted` names: objects by their keys, lists of the same length, the rest equal.
fn covers(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Object(got), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| got.get(key).is_some_and(|it| covers(it, value)))
        }
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| covers(got, wanted))
        }
        _ => equal(got, wanted),
    }
}

fn check_warnings(expect: &Expect, warnings: &[String]) -> Result<(), Mismatch> {
    let shown = || if warnings.is_empty() { "no warning".to_owned() } else { warnings.join("; ") };
    for text in &expect.warnings {
        let holds = warnings.iter().any(|it| it.contains(text));
        same(holds, || (format!("a warning that contains `{text}`"), shown()))?;
    }
    same(!expect.no_warnings || warnings.is_empty(), || ("no warning".to_owned(), shown()))
}

/// Checks a counter of the step `stats`: a number, or the least and the most it may be.
pub(crate) fn check_counter(name: &str, wanted: &Value, got: u64) -> Result<(), Mismatch> {
    let bound = |key: &str| wanted.get(key).map(Value::as_u64);
    let is_range = wanted.as_object().is_some_and(|it| {
        !it.is_empty() && it.iter().all(|(key, value)| (key == "min" || key == "max") && value.is_u64())
    });
    let holds = match wanted.as_u64() {
        Some(exact) => got == exact,
        None if is_range => {
            bound("min").flatten().is_none_or(|it| it <= got) && bound("max").flatten().is_none_or(|it| got <= it)
        }
        None => return Err(Mismatch::new(format!("a count for `{name}`"), format!("{wanted}, which is none"))),
    };
    same(holds, || (format!("{name} {wanted}"), got.to_string()))
}

#[cfg(test)]
mod tests;
