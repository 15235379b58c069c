//! `failover`: an object, a list whose first element is the strategy, or the strategy alone.

use std::{num::NonZeroU16, time::Duration};

use super::{
    number::Range,
    object::{Field, Object, listed},
};
use crate::{
    Compat, Failover, FailureMemory, Retries, Strategy,
    failover::RETRY_AFTER,
    raw::Value,
    read,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["strategy", "max_retries", "remember_failed", "retry_after_s"];

/// An hour: who wants a server left out for longer takes it out of the file.
const LONGEST: u32 = 3600;

/// The original's names first.
const STRATEGIES: &[(&str, Strategy)] = &[
    ("disabled", Strategy::Disabled),
    ("master", Strategy::Primary),
    ("loop_before_master", Strategy::LoopBeforePrimary),
    ("primary", Strategy::Primary),
    ("loop_before_primary", Strategy::LoopBeforePrimary),
];

pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>, compat: Compat) -> Failover {
    let mut failover = Failover::of(compat);
    match &field.node.value {
        Value::Object(_) => {
            let Some(object) = Object::new(field.node, &field.path) else { return failover };
            object.warn_unknown(report, KEYS);
            if let Some(field) = object.get("strategy") {
                failover.strategy = strategy(report, &field);
            }
            if let Some(field) = object.get("max_retries") {
                failover.max_retries = max_retries(report, &field).unwrap_or(failover.max_retries);
            }
            failover.memory = memory(report, &object, compat);
        }
        Value::Array(elements) => {
            if let Some(first) = elements.first() {
                failover.strategy = strategy(report, &Field::element(first, 0, &field.path));
            }
            if let Some(second) = elements.get(1) {
                let element = Field::element(second, 1, &field.path);
                report.add(element.at(), Problem::warning("only the first element counts, as the strategy"));
            }
        }
        Value::Null | Value::Bool(false) => {}
        _ => failover.strategy = strategy(report, field),
    }
    failover
}

fn memory(report: &mut Report<'_>, object: &Object<'_>, compat: Compat) -> FailureMemory {
    let remembers = object.get("remember_failed").and_then(|field| read::switch(report, field.at(), field.node));
    let retry_after = object.get("retry_after_s").and_then(|field| retry_after(report, &field, compat));
    match (remembers, compat) {
        (Some(false), _) | (None, Compat::Classic) => FailureMemory::Forget,
        (Some(true), Compat::Classic) => FailureMemory::Session,
        (_, Compat::Strict) => FailureMemory::Cluster { retry_after: retry_after.unwrap_or(RETRY_AFTER) },
    }
}

fn retry_after(report: &mut Report<'_>, field: &Field<'_>, compat: Compat) -> Option<Duration> {
    if compat == Compat::Classic {
        let message =
            "`retry_after_s` has no effect in `classic`, where failures are remembered as long as the session";
        report.add(field.at_key(), Problem::warning(message));
    }
    let outside = |value| format!("`retry_after_s` cannot be {value}");
    let seconds =
        Range::new(1, LONGEST).read(report, field, "`retry_after_s` must be a number, not a list", outside)?;
    Some(Duration::from_secs(seconds.into()))
}

/// A strategy by its name. What is no name was "disabled" for the original, and is, with a warning.
fn strategy(report: &mut Report<'_>, field: &Field<'_>) -> Strategy {
    let names: Vec<_> = STRATEGIES.iter().map(|(name, _)| *name).collect();
    let text = match read::text(field.node) {
        read::Scalar::Text(text) => text,
        read::Scalar::Nothing => return Strategy::Disabled,
        read::Scalar::List => {
            report.add(field.at(), Problem::error("the strategy must be a text").accepted(listed(&names)));
            return Strategy::Disabled;
        }
    };
    let lower = text.to_ascii_lowercase();
    if let Some((_, strategy)) = STRATEGIES.iter().find(|(name, _)| *name == lower) {
        return *strategy;
    }

    // The original looked at the beginning only, and files that relied on it should keep working.
    let prefix = STRATEGIES.iter().find(|(name, _)| lower.starts_with(name));
    let (read_as, strategy) = prefix.copied().unwrap_or(("disabled", Strategy::Disabled));
    let message = format!("unknown strategy `{text}`; read as `{read_as}`, as the original did");
    report.add(field.at(), Problem::warning(message).accepted(listed(&names)).meant(&text, names));
    strategy
}

fn max_retries(report: &mut Report<'_>, field: &Field<'_>) -> Option<Retries> {
    let outside = |value| format!("Invalid value '{value}' for max_retries. Stopping");
    let range = Range::unlimited_by_zero(u16::MAX.into());
    let value = range.read_u16(report, field, "`max_retries` must be a number, not a list", outside)?;
    Some(NonZeroU16::new(value).map_or(Retries::Unlimited, Retries::Limit))
}
