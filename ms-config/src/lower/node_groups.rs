//! `filters.node_groups`: parts of the pool by name.

use super::{
    object::{Field, Object},
    roster::Roster,
};
use crate::{
    NodeGroup, Role,
    raw::Value,
    read,
    report::{Problem, Report},
};

const FILTER: &str = "node_groups";

pub(super) fn lower(report: &mut Report<'_>, object: &Object<'_>, roster: &Roster<'_>) -> Vec<NodeGroup> {
    if let Some(duplicate) = roster.duplicate {
        let message = format!("Failed to setup master/slave server list for '{FILTER}' filter. Stopping");
        let accepted = format!("a different name for each server; `{duplicate}` is not the first of its name");
        report.add(object.at(), Problem::error(message).accepted(accepted));
        return Vec::new();
    }
    object.fields().filter_map(|field| group(report, &field, roster)).collect()
}

fn group(report: &mut Report<'_>, field: &Field<'_>, roster: &Roster<'_>) -> Option<NodeGroup> {
    let name = field.key;
    let object = Object::expect(report, field, "an object with the arrays `master` and `slave`")?;
    object.warn_unknown(report, &["master", "primary", "primaries", "slave", "replica", "replicas"]);

    let primaries = object.one_of(report, &["master", "primary", "primaries"]);
    let primaries = primaries.map(|field| members(report, &field, name, Role::Primary, roster)).unwrap_or_default();
    let replicas = object.one_of(report, &["slave", "replica", "replicas"]);
    let replicas = replicas.map(|field| members(report, &field, name, Role::Replica, roster)).unwrap_or_default();

    if primaries.valid == 0 && roster.primaries > 0 {
        let message =
            format!("No masters configured in node group '{name}' for '{FILTER}' filter. Please, verify the setup");
        report.add(field.at_key(), Problem::error(message));
    }
    Some(NodeGroup { name: name.to_owned(), primaries: primaries.places, replicas: replicas.places })
}

#[derive(Default)]
struct Members {
    /// Places of servers of the right role.
    places: Vec<usize>,
    /// How many names were names of servers, of whatever role.
    valid: usize,
}

fn members(report: &mut Report<'_>, field: &Field<'_>, group: &str, role: Role, roster: &Roster<'_>) -> Members {
    let mut members = Members::default();
    let Value::Array(elements) = &field.node.value else {
        // PHP writes an empty list as `{}` now and then.
        if !matches!(&field.node.value, Value::Object(members) if members.is_empty()) {
            report.add(field.at(), Problem::error("must be an array of server names"));
        }
        return members;
    };
    let mut taken = vec![false; roster.len()];
    for (index, node) in elements.iter().enumerate() {
        let element = Field::element(node, index, &field.path);
        let read::Scalar::Text(alias) = read::text(node) else {
            report.add(element.at(), Problem::error("must be the name of a server"));
            continue;
        };
        let Some((found, place)) = roster.find(&alias) else {
            let key = role.key();
            let message =
                format!("Unknown {key} '{alias}' (section '{group}') in '{FILTER}' filter configuration. Stopping");
            report.add(element.at(), Problem::error(message).meant(&alias, roster.aliases()));
            continue;
        };
        members.valid += 1;
        let slot = if found == Role::Primary { place } else { roster.primaries + place };
        if std::mem::replace(&mut taken[slot], true) {
            let message = format!("Failed to add {} '{alias}' to node group '{group}': it is there twice", role.key());
            report.add(element.at(), Problem::error(message));
        } else if found == role {
            members.places.push(place);
        } else {
            let message = format!("`{alias}` is a {}, so it never matches here", found.key());
            report.add(element.at(), Problem::warning(message));
        }
    }
    // A group keeps the pool's order.
    members.places.sort_unstable();
    members
}
