//! `token`: how positions leave the process.

use std::time::Duration;

use super::{
    object::{Field, Object},
    server::secret,
};
use crate::{
    Secret, TokenSettings,
    raw::Value,
    read,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["name", "keys", "lifetime_s"];
const YEAR_S: i64 = 31_536_000;

/// The settings, those of an absent object included.
pub(super) fn lower(report: &mut Report<'_>, field: Option<&Field<'_>>) -> TokenSettings {
    let mut settings = TokenSettings::default();
    let accepted = "an object with `name`, `keys`, `lifetime_s`";
    let Some(object) = field.and_then(|field| Object::expect(report, field, accepted)) else { return settings };
    object.warn_unknown(report, KEYS);

    if let Some(field) = object.get("name") {
        settings.name = field.text(report, "what tokens call the cluster").map(str::to_owned);
    }
    if let Some(field) = object.get("keys") {
        settings.keys = keys(report, &field);
    }
    if let Some(field) = object.get("lifetime_s") {
        match read::integer(field.node) {
            read::Integer::Exact(seconds @ 0..=YEAR_S) => {
                settings.lifetime = (seconds > 0).then(|| Duration::from_secs(seconds.unsigned_abs()));
            }
            _ => {
                let problem = Problem::error("`lifetime_s` is out of range or no number");
                report.add(field.at(), problem.accepted(format!("a whole number from 0 (for ever) to {YEAR_S}")));
            }
        }
    }
    settings
}

fn keys(report: &mut Report<'_>, field: &Field<'_>) -> Vec<Secret> {
    let list = "a key must be a secret";
    let Value::Array(elements) = &field.node.value else {
        return secret(report, field, list).into_iter().collect();
    };
    let element = |(index, node)| secret(report, &Field::element(node, index, &field.path), list);
    elements.iter().enumerate().filter_map(element).collect()
}
