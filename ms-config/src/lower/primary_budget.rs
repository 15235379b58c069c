//! `primary_budget`: how many reads a primary answers because no replica has caught up.
//!
//! These keys are this project's own, so nonsense is an error here and never bent into something.

use super::object::{Field, Object};
use crate::{
    BeyondBudget, PrimaryBudget, read,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["percent", "floor_per_second", "beyond"];
/// More than any primary answers.
const MOST_PER_SECOND: i64 = 1_000_000;

pub(super) fn lower(report: &mut Report<'_>, field: Option<&Field<'_>>) -> PrimaryBudget {
    let mut budget = PrimaryBudget::default();
    let accepted = "an object such as {\"percent\": 20, \"beyond\": \"error\"}";
    let Some(object) = field.and_then(|field| Object::expect(report, field, accepted)) else { return budget };
    object.warn_unknown(report, KEYS);
    if let Some(percent) = number(report, &object, "percent", 100) {
        budget.percent = percent;
    }
    if let Some(floor) = number(report, &object, "floor_per_second", MOST_PER_SECOND) {
        budget.floor_per_second = floor;
    }
    if let Some(field) = object.get("beyond")
        && let Some(text) = field.text(report, "`primary`, `stale` or `error`")
    {
        let all = [BeyondBudget::Primary, BeyondBudget::Stale, BeyondBudget::Error];
        match all.into_iter().find(|it| it.name() == text) {
            Some(beyond) => budget.beyond = beyond,
            None => {
                let problem = Problem::error(format!("`{text}` is nothing that can become of a read"));
                report.add(field.at(), problem.accepted("`primary`, `stale` or `error`"));
            }
        }
    }
    budget
}

fn number<N: TryFrom<i64>>(report: &mut Report<'_>, object: &Object<'_>, key: &str, most: i64) -> Option<N> {
    let field = object.get(key)?;
    let number = match read::integer(field.node) {
        read::Integer::Exact(number) => Some(number).filter(|it| (0..=most).contains(it)),
        read::Integer::Bent(_) | read::Integer::List => None,
    };
    let number = number.and_then(|it| N::try_from(it).ok());
    if number.is_none() {
        let problem = Problem::error(format!("`{key}` is out of range or no number"));
        report.add(field.at(), problem.accepted(format!("a whole number from 0 to {most}")));
    }
    number
}
