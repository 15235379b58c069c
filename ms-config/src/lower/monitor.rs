//! `monitor`: how it is found out how far replicas trail.
//!
//! These keys are this project's own, so nonsense is an error here and never bent into something.

use std::num::NonZeroU32;

use super::object::{Field, Object};
use crate::{
    Heartbeat, Monitor, read,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["heartbeat", "max_per_second"];
const HEARTBEAT_KEYS: &[&str] = &["table", "column"];
/// More is not monitoring.
const MOST: u32 = 1000;
/// Of a name, in bytes: 64 characters.
const LONGEST: usize = 256;

pub(super) fn lower(report: &mut Report<'_>, field: Option<&Field<'_>>) -> Monitor {
    let mut monitor = Monitor::default();
    let accepted = "an object such as {\"heartbeat\": {\"table\": \"ops.heartbeat\"}}";
    let Some(object) = field.and_then(|field| Object::expect(report, field, accepted)) else { return monitor };
    object.warn_unknown(report, KEYS);
    if let Some(field) = object.get("max_per_second") {
        let value = match read::integer(field.node) {
            read::Integer::Exact(value) => u32::try_from(value).ok().filter(|value| *value <= MOST),
            read::Integer::Bent(_) | read::Integer::List => None,
        };
        match value.and_then(NonZeroU32::new) {
            Some(value) => monitor.max_per_second = value,
            None => {
                let problem = Problem::error("`max_per_second` is out of range or no number");
                report.add(field.at(), problem.accepted(format!("a whole number from 1 to {MOST}")));
            }
        }
    }
    monitor.heartbeat = object.get("heartbeat").and_then(|field| heartbeat(report, &field));
    monitor
}

fn heartbeat(report: &mut Report<'_>, field: &Field<'_>) -> Option<Heartbeat> {
    let object = Object::expect(report, field, "an object with `table` and perhaps `column`")?;
    object.warn_unknown(report, HEARTBEAT_KEYS);
    let Some(table) = object.get("table") else {
        report
            .add(object.at(), Problem::error("a heartbeat has a `table`").accepted("`table`, such as `ops.heartbeat`"));
        return None;
    };
    let table = name(report, &table, "the name of a table, perhaps with a database: `ops.heartbeat`", 2)?;
    let column = match object.get("column") {
        Some(field) => name(report, &field, "the name of a column", 1)?,
        None => "ts",
    };
    Some(Heartbeat::new(table, column))
}

/// What a server can know something by, in so many parts at most.
fn name<'a>(report: &mut Report<'_>, field: &Field<'a>, accepted: &str, parts: usize) -> Option<&'a str> {
    let text = field.text(report, accepted)?;
    let is_name = |part: &str| !part.is_empty() && part.len() <= LONGEST && !part.contains(char::is_control);
    if !text.splitn(parts, '.').all(is_name) {
        report.add(field.at(), Problem::error("cannot be a name").accepted(accepted));
        return None;
    }
    Some(text)
}
