//! `pool`: of a section, and of a server entry on top of it.
//!
//! These keys are this project's own, so nonsense is an error here and never bent into a number.

use std::{num::NonZeroU32, time::Duration};

use super::object::{Field, Object};
use crate::{
    PoolSettings, read,
    report::{Problem, Report},
};

const KEYS: &[&str] = &[
    "max_connections",
    "min_idle",
    "acquire_timeout_ms",
    "connect_timeout_ms",
    "idle_timeout_s",
    "max_lifetime_s",
    "lifetime_jitter_percent",
    "verify_idle_after_ms",
    "statement_cache",
    "statement_timeout_ms",
];

/// A server allows fewer connections, and prepared statements, than this.
const MOST: u32 = 100_000;
/// Longer waits are a mistake in the unit.
const DAY_MS: u32 = 86_400_000;
const YEAR_S: u32 = 31_536_000;

/// `base` with the keys of `field` on top.
pub(super) fn lower(report: &mut Report<'_>, field: Option<&Field<'_>>, base: PoolSettings) -> PoolSettings {
    let mut pool = base;
    let accepted = "an object of limits and deadlines";
    let Some(object) = field.and_then(|field| Object::expect(report, field, accepted)) else { return pool };
    object.warn_unknown(report, KEYS);

    let mut number = |key: &str, least: u32, most: u32| -> Option<u32> {
        let field = object.get(key)?;
        let value = match read::integer(field.node) {
            read::Integer::Exact(value) => u32::try_from(value).ok().filter(|value| (least..=most).contains(value)),
            read::Integer::Bent(_) | read::Integer::List => None,
        };
        if value.is_none() {
            let accepted = format!("a whole number from {least} to {most}");
            report.add(field.at(), Problem::error(format!("`{key}` is out of range or no number")).accepted(accepted));
        }
        value
    };

    let millis = |value: u32| Duration::from_millis(value.into());
    let seconds = |value: u32| Duration::from_secs(value.into());
    let unless_zero = |duration: Duration| (!duration.is_zero()).then_some(duration);

    if let Some(value) = number("max_connections", 1, MOST).and_then(NonZeroU32::new) {
        pool.max_connections = value;
    }
    if let Some(value) = number("min_idle", 0, MOST) {
        pool.min_idle = value;
    }
    if let Some(value) = number("acquire_timeout_ms", 1, DAY_MS) {
        pool.acquire_timeout = millis(value);
    }
    if let Some(value) = number("connect_timeout_ms", 1, DAY_MS) {
        pool.connect_timeout = millis(value);
    }
    if let Some(value) = number("idle_timeout_s", 0, YEAR_S) {
        pool.idle_timeout = unless_zero(seconds(value));
    }
    if let Some(value) = number("max_lifetime_s", 0, YEAR_S) {
        pool.max_lifetime = unless_zero(seconds(value));
    }
    if let Some(value) = number("lifetime_jitter_percent", 0, 100).and_then(|value| u8::try_from(value).ok()) {
        pool.lifetime_jitter_percent = value;
    }
    if let Some(value) = number("verify_idle_after_ms", 0, DAY_MS) {
        pool.verify_idle_after = millis(value);
    }
    if let Some(value) = number("statement_cache", 0, MOST) {
        pool.statement_cache = value;
    }
    if let Some(value) = number("statement_timeout_ms", 0, DAY_MS) {
        pool.statement_timeout = unless_zero(millis(value));
    }

    if pool.min_idle > pool.max_connections.get() {
        let message = format!("`min_idle` is {}, more than `max_connections`, {}", pool.min_idle, pool.max_connections);
        report.add(object.at(), Problem::error(message));
    }
    pool
}
