//! `global_transaction_id_injection`: the statements that count transactions.

use std::time::Duration;

use super::{
    number::Range,
    object::{Field, Object},
};
use crate::{
    GtidInjection, InjectionFailure, read,
    report::{Problem, Report},
};

const SECTION: &str = "global_transaction_id_injection";
const REPORT_ERROR: &[&str] = &["report_error", "report_errors"];
const TIMEOUT: &str = "wait_for_gtid_timeout";
/// Of a millisecond, for rounding.
const HALF: Duration = Duration::from_micros(500);
const KEYS: &[&str] = &["on_commit", "fetch_last_gtid", "check_for_gtid", "report_error", "report_errors", TIMEOUT];

pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>) -> Option<GtidInjection> {
    let object = Object::expect(report, field, "an object of SQL statements, such as `on_commit`")?;
    object.warn_unknown(report, KEYS);

    let mut statement = |key: &str| {
        let field = object.get(key)?;
        let text = field.scalar_or(report, || format!("'{key}' from '{SECTION}' must be a string"))?;
        if text.is_empty() {
            report.add(field.at(), Problem::warning("the empty text is as if the key were not there"));
        }
        Some(text).filter(|text| !text.is_empty())
    };
    let on_commit = statement("on_commit");
    let fetch_last_gtid = statement("fetch_last_gtid");
    let check_for_gtid = statement("check_for_gtid");
    if let (Some(sql), Some(field)) = (&check_for_gtid, object.get("check_for_gtid"))
        && !sql.contains(GtidInjection::PLACEHOLDER)
    {
        let message = format!("asks the same for every id, because `{}` is not in it", GtidInjection::PLACEHOLDER);
        report.add(field.at(), Problem::warning(message));
    }

    // The manual has two spellings, and the original knew only the one of its examples.
    let reported = object
        .one_of(report, REPORT_ERROR)
        .and_then(|field| field.switch_or(report, || format!("'{}' from '{SECTION}' must be a string", field.key)));
    let timeout = object.get(TIMEOUT).and_then(|field| {
        let outside = |value| {
            let wrong = if value < 0 { "greater or equal than zero" } else { "less than 65536" };
            format!("'{TIMEOUT}' from '{SECTION}' must be {wrong}")
        };
        if let Some(fraction) = read::fraction(field.node).filter(|it| (0.0..f64::from(u16::MAX)).contains(it)) {
            // The original knew whole seconds only, which are too long for anybody who waits.
            return Some(Duration::from_millis(
                (Duration::from_secs_f64(fraction) + HALF).as_millis().try_into().ok()?,
            ));
        }
        let list = format!("'{TIMEOUT}' from '{SECTION}' must be a number");
        let whole = Range::new(0, u16::MAX.into()).read(report, &field, list, outside);
        whole.map(|seconds| Duration::from_secs(seconds.into()))
    });

    Some(GtidInjection {
        on_commit,
        fetch_last_gtid,
        check_for_gtid,
        on_failure: if reported == Some(false) { InjectionFailure::Ignored } else { InjectionFailure::Reported },
        wait_for_gtid_timeout: timeout.unwrap_or_default(),
    })
}
