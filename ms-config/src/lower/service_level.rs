//! `filters.quality_of_service`: exactly one level.

use std::time::Duration;

use super::object::{Field, Object};
use crate::{
    Eventual, ServiceLevel, read,
    report::{Problem, Report},
};

/// In the order in which the original looked, which decides the one that a message names.
const LEVELS: &[&str] = &["strong_consistency", "session_consistency", "eventual_consistency"];

pub(super) fn lower(report: &mut Report<'_>, object: &Object<'_>) -> Option<ServiceLevel> {
    object.warn_unknown(report, LEVELS);
    let mut found = LEVELS.iter().filter_map(|level| object.get(level));
    let Some(level) = found.next() else {
        let message = "Error by creating filter 'quality_of_service', can't find section 'strong_consistency', \
                       'session_consistency' or 'eventual_consistency' . Stopping";
        report.add(object.at(), Problem::error(message));
        return None;
    };
    if let Some(second) = found.next() {
        let message = format!(
            "Error by creating filter 'quality_of_service', '{}' clashes with previous setting. Stopping",
            second.key
        );
        report.add(second.at_key(), Problem::error(message).accepted("exactly one level"));
        return None;
    }
    match level.key {
        "strong_consistency" => Some(ServiceLevel::Strong),
        "session_consistency" => Some(ServiceLevel::Session),
        _ => eventual(report, &level).map(ServiceLevel::Eventual),
    }
}

/// Any value means the level; an object may bound it.
fn eventual(report: &mut Report<'_>, field: &Field<'_>) -> Option<Eventual> {
    let Some(object) = Object::new(field.node, &field.path) else {
        return Some(Eventual::Unbounded);
    };
    object.warn_unknown(report, &["age", "cache"]);
    match (object.get("age"), object.get("cache")) {
        (None, None) => Some(Eventual::Unbounded),
        (Some(age), None) => seconds(report, &age).map(Eventual::MaxAge),
        (None, Some(cache)) => seconds(report, &cache).map(Eventual::CacheTtl),
        (Some(_), Some(cache)) => {
            let message = "Error by creating filter 'quality_of_service', 'eventual_consistency' has conflicting \
                           entries for cache and age. Stopping";
            report.add(cache.at_key(), Problem::error(message).accepted("`age` or `cache`"));
            None
        }
    }
}

fn seconds(report: &mut Report<'_>, field: &Field<'_>) -> Option<Duration> {
    if let read::Integer::Exact(value) = read::integer(field.node)
        && let Ok(value) = u32::try_from(value)
    {
        return Some(Duration::from_secs(value.into()));
    }
    let message = format!("`{}` must be a number of seconds", field.key);
    report.add(field.at(), Problem::error(message).accepted("a whole number from 0"));
    None
}
