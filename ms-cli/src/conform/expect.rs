//! What a step is expected to do, as written.
//!
//! Reading is strict: a key that is not known, or a matcher that means nothing, is an error of the scenario and not an
//! expectation that always holds.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

/// The object `expect` of a step. What is absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) server: Option<OneOf>,
    pub(crate) role: Option<Role>,
    pub(crate) same_as: Option<OneOf>,
    pub(crate) differs_from: Option<OneOf>,
    #[serde(default)]
    pub(crate) not_sent: bool,
    pub(crate) error: Option<ErrorWanted>,
    pub(crate) rows: Option<Vec<Vec<Cell>>>,
    pub(crate) row_count: Option<u64>,
    pub(crate) affected_rows: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) value: Option<Value>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) no_warnings: bool,
}

/// A JSON null is a value like any other.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The list a server is configured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Master,
    Slave,
}

/// One name, or several of which any will do (or all, for `differs_from`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOf(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for OneOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(Self(vec![name])),
            names @ Value::Array(_) => Vec::deserialize(names).map(Self).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("expected a name or an array of names, not {other}"))),
        }
    }
}

/// The key `error`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ErrorWanted {
    /// `false`: it succeeds.
    No,
    /// `true`: it fails somehow.
    Any,
    /// It fails in this way.
    Like(ErrorLike),
}

/// What an error looks like.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorLike {
    #[serde(default, deserialize_with = "numbers")]
    pub(crate) code: Option<Vec<u16>>,
    pub(crate) sqlstate: Option<String>,
    pub(crate) contains: Option<String>,
    pub(crate) kind: Option<ErrorKind>,
    /// How severe the original found it; not checked.
    #[serde(rename = "severity")]
    _severity: Option<Severity>,
}

/// A class of errors whose numbers clients do not agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ErrorKind {
    /// 2002, 2003 or 2005: nobody there.
    Connect,
    /// 2006 or 2013: there no more.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Fatal,
    Recoverable,
    Warning,
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u16>>, D::Error> {
    match Value::deserialize(deserializer)? {
        number @ Value::Number(_) => u16::deserialize(number).map(|it| Some(vec![it])).map_err(D::Error::custom),
        numbers => Vec::deserialize(numbers).map(Some).map_err(D::Error::custom),
    }
}

impl<'de> Deserialize<'de> for ErrorWanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Self::No),
            Value::Bool(true) => Ok(Self::Any),
            like => ErrorLike::deserialize(like).map(Self::Like).map_err(D::Error::custom),
        }
    }
}

/// One value of an expected row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Any,
    /// Anything; it is stored under this name.
    Save(String),
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Null),
            Value::String(text) => Ok(Self::Text(text)),
            // A stored value may have been a number.
            Value::Number(number) => Ok(Self::Text(number.to_string())),
            Value::Object(matcher) => match (matcher.get("any"), matcher.get("save"), matcher.len()) {
                (Some(Value::Bool(true)), None, 1) => Ok(Self::Any),
                (None, Some(Value::String(name)), 1) => Ok(Self::Save(name.clone())),
                _ => Err(D::Error::custom(format!("{} matches nothing", Value::Object(matcher)))),
            },
            other => Err(D::Error::custom(format!("{other} is no value of a row"))),
        }
    }
}

/// The expected value of an action that returns one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ValueWanted {
    Exactly(Value),
    /// An object of which only the keys named are compared.
    Subset(Map<String, Value>),
    /// All of these hold.
    Matching(Vec<Matcher>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Matcher {
    Any,
    Save(String),
    Greater(f64),
    AtLeast(f64),
    Not(Value),
}

impl ValueWanted {
    /// Reads what is expected of an action whose value is an object, or is not.
    pub(crate) fn read(value: &Value, is_object: bool) -> Result<Self, String> {
        let Value::Object(object) = value else {
            return Ok(Self::Exactly(value.clone()));
        };
        if is_object && !object.keys().all(|it| Matcher::KEYS.contains(&it.as_str())) {
            return Ok(Self::Subset(object.clone()));
        }
        if object.is_empty() {
            return Err("{} matches nothing".to_owned());
        }
        object.iter().map(|(key, value)| Matcher::read(key, value)).collect::<Result<_, _>>().map(Self::Matching)
    }
}

impl Matcher {
    const KEYS: [&str; 5] = ["any", "save", "gt", "ge", "not"];

    fn read(key: &str, value: &Value) -> Result<Self, String> {
        let number = || value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let matcher = match key {
            "any" => (value == &Value::Bool(true)).then_some(Self::Any),
            "save" => value.as_str().map(|name| Self::Save(name.to_owned())),
            "gt" => number().map(Self::Greater),
            "ge" => number().map(Self::AtLeast),
            "not" => Some(Self::Not(value.clone())),
            _ => return Err(format!("`{key}` is no matcher, only {} are", Self::KEYS.join(", "))),
        };
        matcher.ok_or_else(|| format!("{value} means nothing for the matcher `{key}`"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_an_error() {
        for (expect, complaint) in [
            (json!({"servers": "m"}), "unknown field `servers`"),
            (json!({"error": {"codes": 1}}), "unknown field `codes`"),
            (json!({"error": {"kind": "away"}}), "unknown variant `away`"),
            (json!({"error": {"severity": "bad"}}), "unknown variant `bad`"),
            (json!({"error": 1062}), "invalid type"),
            (json!({"role": "primary"}), "unknown variant `primary`"),
            (json!({"rows": [[{"gt": 1}]]}), "matches nothing"),
            (json!({"rows": [[true]]}), "is no value of a row"),
            (json!({"server": 1}), "expected a name"),
            (json!({"row_count": "1"}), "invalid type"),
        ] {
            let error = Expect::deserialize(&expect).unwrap_err().to_string();
            assert!(error.contains(complaint), "{expect}: {error}");
        }
        for (value, complaint) in [
            (json!({"gtt": 1}), "`gtt` is no matcher"),
            (json!({"any": false}), "means nothing"),
            (json!({"gt": "x"}), "means nothing"),
            (json!({}), "matches nothing"),
        ] {
            let error = ValueWanted::read(&value, false).unwrap_err();
            assert!(error.contains(complaint), "{value}: {error}");
        }
    }
}
