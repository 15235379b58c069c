//! `transient_error`: which errors are worth another try.

use std::time::Duration;

use super::{
    number::Range,
    object::{Field, Object},
};
use crate::{
    TransientErrors,
    raw::Value,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["mysql_error_codes", "max_retries", "usleep_retry"];

/// The settings; `None` without codes, which repeats nothing.
pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>) -> Option<TransientErrors> {
    let object = Object::expect(report, field, "an object with at least `mysql_error_codes`")?;
    object.warn_unknown(report, KEYS);

    let mut number = |key: &str, most: u32, default: u32| {
        let Some(field) = object.get(key) else { return default };
        let list = format!("`{key}` must be a number, not a list");
        let outside = |value| format!("Invalid value '{value}' for {key}. Stopping");
        Range::new(0, most).read(report, &field, list, outside).unwrap_or(default)
    };
    let max_retries = number("max_retries", u16::MAX.into(), 1);
    let pause = number("usleep_retry", 30_000_000, 100);

    let codes = object.get("mysql_error_codes").map_or_else(Vec::new, |field| codes(report, &field));
    if object.get("mysql_error_codes").is_none_or(|field| is_empty(&field)) {
        let message = "without `mysql_error_codes` nothing is tried again";
        report.add(field.at_key(), Problem::warning(message).accepted("a list of error codes, such as [1205, 1213]"));
    }
    (!codes.is_empty()).then(|| TransientErrors {
        codes,
        max_retries: u16::try_from(max_retries).expect("the range ends there"),
        pause: Duration::from_micros(pause.into()),
    })
}

/// The empty list in any form; PHP writes `{}` now and then.
fn is_empty(field: &Field<'_>) -> bool {
    match &field.node.value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn codes(report: &mut Report<'_>, field: &Field<'_>) -> Vec<u16> {
    let Value::Array(elements) = &field.node.value else {
        if !is_empty(field) {
            // The original had this text, and ignored the key without saying it.
            let message = "Invalid value for mysql_error_codes. Please, provide a list. Stopping";
            report.add(field.at(), Problem::error(message).accepted("an array of numbers from 0 to 9999"));
        }
        return Vec::new();
    };
    let mut codes = Vec::with_capacity(elements.len());
    for (index, node) in elements.iter().enumerate() {
        let element = Field::element(node, index, &field.path);
        let outside =
            |value| format!("Invalid value '{value}' for entry {index} from mysql_error_codes list. Stopping");
        codes.extend(Range::new(0, 9999).read_u16(report, &element, "an error code must be a number", outside));
    }
    codes
}
