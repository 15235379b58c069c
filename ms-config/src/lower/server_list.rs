//! `master`, `slave`: servers by alias, in an array, or a single one.
//!
//! A list whose values are all objects is walked. Any other list is itself one server entry, so
//! `"master": {"host": "db", "port": 3306}` is a single server without a name.

use super::{
    object::{Field, Object},
    server::{self, Defaults},
};
use crate::{
    Role, Server, ServerName,
    path::Path,
    raw::{Node, Value},
    report::{Problem, Report},
};

const ACCEPTED: &str = "an object or an array of servers, each an object with at least `host`";

/// The servers of one list. Entries that are broken have a name, so that filters can speak of them.
#[derive(Default)]
pub(super) struct ServerList {
    pub(super) names: Vec<ServerName>,
    pub(super) servers: Vec<Server>,
}

/// How many entries of a list are in the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    All,
    OnlyFirst,
}

/// The servers that are in the pool, and those that are not.
pub(super) fn lower(
    report: &mut Report<'_>,
    field: &Field<'_>,
    role: Role,
    used: Used,
    defaults: &Defaults<'_>,
) -> (ServerList, Vec<Server>) {
    let mut list = ServerList::default();
    let mut unused = Vec::new();
    let is_list_of_entries = match &field.node.value {
        Value::Object(members) => members.iter().all(|member| member.node.value.is_list()),
        Value::Array(elements) => elements.iter().all(|element| element.value.is_list()),
        _ => {
            // The original went on with no server at all.
            let message = format!("`{}` must be a list of servers", field.key);
            report.add(field.at(), Problem::error(message).accepted(ACCEPTED));
            return (list, unused);
        }
    };

    if !is_list_of_entries {
        let name = ServerName::new(role, 0, None);
        list.names.push(name.clone());
        list.servers.extend(server::lower(report, field, name, defaults));
        return (list, unused);
    }

    let entries = entries(field.node, &field.path);
    if used == Used::OnlyFirst && entries.len() > 1 {
        let message = format!("only the first of {} primaries is used, because `multi_master` is off", entries.len());
        report.add(field.at_key(), Problem::warning(message));
    }
    for (index, (alias, entry)) in entries.into_iter().enumerate() {
        let name = ServerName::new(role, index, alias);
        if used == Used::OnlyFirst && index > 0 {
            unused.extend(report.while_unused(|report| server::lower(report, &entry, name, defaults)));
            continue;
        }
        list.names.push(name.clone());
        list.servers.extend(server::lower(report, &entry, name, defaults));
    }
    (list, unused)
}

fn entries<'a>(node: &'a Node<'a>, path: &'a Path<'a>) -> Vec<(Option<String>, Field<'a>)> {
    match &node.value {
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.map(|(index, node)| (None, Field::element(node, index, path))).collect()
        }
        _ => {
            let fields = Object::new(node, path).into_iter().flat_map(|object| object.fields());
            fields.map(|field| (Some(field.key.to_owned()), field)).collect()
        }
    }
}
