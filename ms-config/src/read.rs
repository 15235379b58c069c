//! Scalars as the original read them.
//!
//! PHP files write `"3306"`, `3306`, `"on"`, `1` and `true` alike, and all of them worked, so all of them work here.
//! Where the original made something of nonsense (`"abc"` is port 0) this does too, for files that ran for years,
//! and says so in a warning; keys that the original did not have refuse nonsense.

use std::borrow::Cow;

use crate::{
    raw::{Node, Value},
    report::{At, Problem, Report},
};

/// What a string reader finds.
pub(crate) enum Scalar<'n> {
    /// `null`.
    Nothing,
    Text(Cow<'n, str>),
    List,
}

/// Strings as they are, integers in decimal, other numbers with six decimals, booleans as 1 and 0.
pub(crate) fn text<'n>(node: &'n Node<'_>) -> Scalar<'n> {
    match &node.value {
        Value::Null => Scalar::Nothing,
        Value::Bool(value) => Scalar::Text(Cow::Borrowed(if *value { "1" } else { "0" })),
        Value::String(value) => Scalar::Text(Cow::Borrowed(value)),
        Value::Number(digits) => Scalar::Text(Cow::Owned(match number(digits) {
            Number::Integer(value) => value.to_string(),
            Number::Double(value) => format!("{value:.6}"),
        })),
        Value::Array(_) | Value::Object(_) => Scalar::List,
    }
}

/// What an integer reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    /// A whole number.
    Exact(i64),
    /// What is left of something that is none: a fraction is cut off, of a text the leading digits count.
    Bent(i64),
    List,
}

pub(crate) fn integer(node: &Node<'_>) -> Integer {
    match &node.value {
        Value::Null => Integer::Bent(0),
        Value::Bool(value) => Integer::Bent(i64::from(*value)),
        Value::Number(digits) => match number(digits) {
            Number::Integer(value) => Integer::Exact(value),
            Number::Double(value) => truncated(value),
        },
        Value::String(text) => leading_digits(text),
        Value::Array(_) | Value::Object(_) => Integer::List,
    }
}

/// A number that is not whole, as a number or as its text: for keys that take more than the original did.
pub(crate) fn fraction(node: &Node<'_>) -> Option<f64> {
    let value = match &node.value {
        Value::Number(digits) => digits.parse().ok(),
        // Neither `inf` nor `1e3`: a number that somebody meant for one.
        Value::String(text) if text.bytes().all(|it| it.is_ascii_digit() || it == b'.') => text.parse().ok(),
        _ => None,
    };
    value.filter(|it: &f64| it.fract() != 0.0)
}

enum Number {
    Integer(i64),
    Double(f64),
}

/// A JSON number is an integer when it looks like one and fits, as in PHP.
fn number(digits: &str) -> Number {
    match digits.parse() {
        Ok(value) => Number::Integer(value),
        Err(_) => Number::Double(digits.parse().expect("the parser lets only numbers pass")),
    }
}

fn truncated(value: f64) -> Integer {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which no range check accepts")]
    let whole = value as i64;
    if value.fract() == 0.0 { Integer::Exact(whole) } else { Integer::Bent(whole) }
}

fn leading_digits(text: &str) -> Integer {
    if let Ok(value) = text.parse() {
        return Integer::Exact(value);
    }
    let text = text.trim_start();
    let signs = usize::from(text.starts_with(['-', '+']));
    let digits = text[signs..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Integer::Bent(0);
    }
    // Too many digits saturate, which no range check accepts.
    let saturated = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Integer::Bent(text[..signs + digits].parse().unwrap_or(saturated))
}

/// The words for on and off. `aus` is the original's; the empty text was on, and stays it.
const ON: &[&str] = &["1", "true", "on", "yes", ""];
const OFF: &[&str] = &["0", "false", "off", "aus"];

/// What the `accepted` of a switch says.
pub(crate) const SWITCH: &str = "true or false, 1 or 0, on or off";

/// A switch. Whatever does not say "off" is on, as in the original, but only whole words count, and what is
/// neither gets a warning.
pub(crate) fn switch(report: &mut Report<'_>, at: At<'_>, node: &Node<'_>) -> Option<bool> {
    let warn = |report: &mut Report<'_>, read_as: &str| {
        let message = format!("not a switch; read as {read_as}, as the original did");
        report.add(at, Problem::warning(message).accepted(SWITCH));
    };
    match &node.value {
        Value::Bool(value) => Some(*value),
        Value::Null => {
            warn(report, "off");
            Some(false)
        }
        Value::Number(digits) => match number(digits) {
            Number::Integer(0) => Some(false),
            Number::Integer(1) => Some(true),
            Number::Integer(_) => {
                warn(report, "on");
                Some(true)
            }
            Number::Double(value) => {
                warn(report, if value == 0.0 { "off" } else { "on" });
                Some(value != 0.0)
            }
        },
        Value::String(text) => Some(word(text).unwrap_or_else(|| {
            warn(report, "on");
            true
        })),
        Value::Array(_) | Value::Object(_) => {
            report.add(at, Problem::error("must be a switch, not a list").accepted(SWITCH));
            None
        }
    }
}

/// The switch that a word stands for.
pub(crate) fn word(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is(ON), is(OFF)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_php_did() {
        check_text("\"a b\"", "a b");
        check_text("3306", "3306");
        check_text("-0", "0");
        check_text("1.124", "1.124000");
        check_text("1e3", "1000.000000");
        check_text("true", "1");
        check_text("false", "0");
    }

    #[test]
    fn integers_are_read_as_php_did() {
        check_integer("3306", Integer::Exact(3306));
        check_integer("\"3306\"", Integer::Exact(3306));
        check_integer("3e3", Integer::Exact(3000));
        check_integer("-3.9", Integer::Bent(-3));
        check_integer("\" 12abc\"", Integer::Bent(12));
        check_integer("\"-5 \"", Integer::Bent(-5));
        check_integer("\"abc\"", Integer::Bent(0));
        check_integer("\"\"", Integer::Bent(0));
        check_integer("\"-\"", Integer::Bent(0));
        check_integer("null", Integer::Bent(0));
        check_integer("true", Integer::Bent(1));
        check_integer("[3306]", Integer::List);
    }

    #[test]
    fn what_does_not_fit_saturates() {
        check_integer("1e300", Integer::Exact(i64::MAX));
        check_integer("-99999999999999999999", Integer::Exact(i64::MIN));
        check_integer("\"99999999999999999999\"", Integer::Bent(i64::MAX));
        check_integer("\"-99999999999999999999x\"", Integer::Bent(i64::MIN));
    }

    #[track_caller]
    fn check_text(json: &str, expected: &str) {
        with(json, |node| {
            let Scalar::Text(text) = text(node) else { panic!("{json}") };
            assert_eq!(text, expected);
        });
    }

    #[track_caller]
    fn check_integer(json: &str, expected: Integer) {
        with(json, |node| assert_eq!(integer(node), expected));
    }

    #[track_caller]
    fn with(json: &str, check: impl FnOnce(&Node<'_>)) {
        let mut report = Report::new("test", json);
        let tree = crate::json::parse(json).expect("JSON");
        check(&Node::new(tree, &crate::path::Path::Top, &mut report));
    }
}
