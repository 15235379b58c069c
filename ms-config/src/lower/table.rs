//! `filters.table`: servers for tables.
//!
//! A rule is as forgiving as it was: what it names and the pool does not have never matches. Only it is said now.

use super::{
    object::{Field, Object},
    roster::Roster,
};
use crate::{
    Role, TableRule,
    raw::Value,
    read,
    report::{Problem, Report},
};

const PRIMARIES: &[&str] = &["master", "primary", "primaries"];
const REPLICAS: &[&str] = &["slave", "replica", "replicas"];
const RULE: &str = "an object with the arrays `master` and `slave`";

pub(super) fn lower(report: &mut Report<'_>, object: &Object<'_>, roster: &Roster<'_>) -> Vec<TableRule> {
    object.warn_unknown(report, &["rules"]);
    let field = object.get("rules");
    let rules = match &field {
        None => None,
        Some(field) => {
            let rules = Object::expect(report, field, "an object from patterns to rules");
            if rules.is_none() {
                return Vec::new();
            }
            rules
        }
    };
    let Some(rules) = rules.filter(|rules| !rules.members.is_empty()) else {
        let message = "without rules no table has a server";
        report.add(object.at(), Problem::warning(message).accepted(r#""rules": {"PATTERN": {…}}"#));
        return Vec::new();
    };
    rules.fields().filter_map(|field| rule(report, &field, roster)).collect()
}

fn rule(report: &mut Report<'_>, field: &Field<'_>, roster: &Roster<'_>) -> Option<TableRule> {
    if field.key.is_empty() {
        let message = "A table filter must be given a name. You must not use an empty string";
        report.add(field.at_key(), Problem::error(message).accepted("a pattern such as `shop.%`"));
    }
    let object = Object::expect(report, field, RULE)?;
    object.warn_unknown(report, &[PRIMARIES, REPLICAS].concat());
    let mut servers = |spellings, role| {
        let field = object.one_of(report, spellings)?;
        places(report, &field, role, roster)
    };
    let primaries = servers(PRIMARIES, Role::Primary);
    let replicas = servers(REPLICAS, Role::Replica);
    (!field.key.is_empty()).then(|| TableRule { pattern: field.key.to_owned(), primaries, replicas })
}

/// The places of the servers that are named, in the order of the rule; `None` for what is no list.
fn places(report: &mut Report<'_>, field: &Field<'_>, role: Role, roster: &Roster<'_>) -> Option<Vec<usize>> {
    let Value::Array(elements) = &field.node.value else {
        // PHP writes an empty list as `{}` now and then.
        if matches!(&field.node.value, Value::Object(members) if members.is_empty()) {
            return Some(Vec::new());
        }
        let message = "not an array of server names; ignored, as the original did";
        report.add(field.at(), Problem::warning(message));
        return None;
    };
    let mut taken = vec![false; roster.of(role)];
    let mut places = Vec::with_capacity(elements.len());
    for (index, node) in elements.iter().enumerate() {
        let element = Field::element(node, index, &field.path);
        let read::Scalar::Text(alias) = read::text(node) else {
            report.add(element.at(), Problem::error("must be the name of a server"));
            continue;
        };
        let Some(place) = roster.find_in(role, &alias) else {
            report.add(element.at(), never_matches(&alias, role, roster));
            continue;
        };
        if std::mem::replace(&mut taken[place], true) {
            report.add(element.at(), Problem::warning(format!("`{alias}` is there twice")));
        } else {
            places.push(place);
        }
    }
    Some(places)
}

fn never_matches(alias: &str, role: Role, roster: &Roster<'_>) -> Problem {
    let other = if role == Role::Primary { Role::Replica } else { Role::Primary };
    if roster.find_in(other, alias).is_some() {
        return Problem::warning(format!("`{alias}` is a {}, so it never matches here", other.key()));
    }
    let message = format!("the pool has no {} `{alias}`, so it never matches", role.key());
    Problem::warning(message).meant(alias, roster.aliases())
}
