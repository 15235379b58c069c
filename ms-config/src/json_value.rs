//! A piece of the file that this crate hands on unread.

use std::fmt;

use crate::raw::{Node, Value};

/// A JSON value. Displays as JSON text, for those who read it with a library of their own.
///
/// ```
/// use ms_config::{Config, Filter, Json, OwnFilters, Settings};
///
/// let file = br#"{"shop": {
///     "master": {"host": "10.0.0.1"},
///     "slave": {"host": "10.0.0.2"},
///     "filters": {"near": {"zone": "a", "at most": 3}}
/// }}"#;
/// let parsed = Config::parse_with("ms.json", file, &Settings::default(), OwnFilters::Named(&["near"]));
/// let Filter::Own(near) = &parsed.config.section("shop")?.filters[0] else { panic!() };
/// assert_eq!(near.arguments.get("zone").and_then(Json::as_str), Some("a"));
/// assert_eq!(near.arguments.get("at most").and_then(Json::as_u64), Some(3));
/// assert_eq!(near.arguments.to_string(), r#"{"zone": "a", "at most": 3}"#);
/// # Ok::<(), ms_config::SectionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`, or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// A text.
    String(String),
    /// Values in a row.
    Array(Vec<Json>),
    /// Keys and values in the order of the file; a key is there once.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The value of a key; `None` where there is no such key, or no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.entries().find(|(it, _)| *it == key).map(|(_, value)| value)
    }

    /// Keys and values of an object; nothing of anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Json)> {
        let entries = match self {
            Self::Object(entries) => &entries[..],
            _ => &[],
        };
        entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The values of an array; nothing of anything else.
    #[must_use]
    pub fn elements(&self) -> &[Json] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `true` and `false`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

impl From<&Node<'_>> for Json {
    fn from(node: &Node<'_>) -> Self {
        match &node.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(digits) => Self::Number((*digits).to_owned()),
            Value::String(text) => Self::String(text.clone().into_owned()),
            Value::Array(elements) => Self::Array(elements.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|it| (it.key.clone().into_owned(), Self::from(&it.node))).collect())
            }
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::String(text) => quoted(f, text),
            Self::Array(elements) => {
                f.write_str("[")?;
                for (position, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if position == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Object(entries) => {
                f.write_str("{")?;
                for (position, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if position == 0 { "" } else { ", " })?;
                    quoted(f, key)?;
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{path::Path, report::Report};

    #[test]
    fn what_was_written_comes_out_again() {
        check("null");
        check("true");
        check("-1.50e3");
        check(r#""a \"b\" \\ \u0001\u000a ä""#);
        check(r#"[1, [], {}, "x"]"#);
        check(r#"{"a": {"b": [null, false]}, "": 1}"#);
    }

    #[test]
    fn asking_for_another_kind_is_no_answer() {
        let json = parsed(r#"{"text": "3", "number": 3, "minus": -3, "half": 0.5, "yes": true, "list": [1]}"#);
        let get = |key| json.get(key).unwrap();
        assert_eq!((get("text").as_str(), get("number").as_str()), (Some("3"), None));
        assert_eq!(
            [get("number"), get("text"), get("minus"), get("half")].map(Json::as_u64),
            [Some(3), None, None, None]
        );
        assert_eq!((get("yes").as_bool(), get("number").as_bool()), (Some(true), None));
        assert_eq!((get("list").elements().len(), get("yes").elements().len()), (1, 0));
        assert!(json.get("other").is_none() && get("list").get("0").is_none());
    }

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(parsed(text).to_string(), text);
    }

    fn parsed(text: &str) -> Json {
        let tree = crate::json::parse(text).expect("JSON");
        Json::from(&Node::new(tree, &Path::Top, &mut Report::new("test", text)))
    }
}
