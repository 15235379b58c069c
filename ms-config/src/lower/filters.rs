//! `filters`: the chain.
//!
//! Filters that narrow come first, one that picks comes last. A chain in array form has names only; in object form
//! each name has its arguments.

use super::{
    node_groups,
    object::{Field, Object},
    roster::Roster,
    service_level, table, weights,
};
use crate::{
    Filter, Json, OwnFilter, OwnFilters, Weights,
    raw::Value,
    read,
    report::{Problem, Report},
};

/// What a name says without looking at arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Narrows,
    Picks,
}

fn kind(name: &str) -> Option<Kind> {
    match name {
        "random" | "roundrobin" | "user" => Some(Kind::Picks),
        "user_multi" | "table" | "quality_of_service" | "node_groups" => Some(Kind::Narrows),
        _ => None,
    }
}

/// The chain of a section; the default one where `field` is missing or empty.
pub(super) fn lower(
    report: &mut Report<'_>,
    field: Option<&Field<'_>>,
    roster: &Roster<'_>,
    own: OwnFilters<'_>,
) -> Vec<Filter> {
    let Some(field) = field else { return vec![Filter::DEFAULT] };
    let entries = entries(report, field);
    if entries.is_empty() {
        return vec![Filter::DEFAULT];
    }

    let mut chain = Vec::with_capacity(entries.len());
    let mut picked_by: Option<&str> = None;
    let mut last = None;
    for entry in &entries {
        let lower = entry.name.to_ascii_lowercase();
        last = kind(&lower);
        let is_own = last.is_none() && (own.has(&entry.name) || guessed(report, entry, own));
        if last.is_none() && !is_own {
            unknown(report, entry, own);
            continue;
        }
        if let Some(first) = picked_by {
            let message = format!(
                "Error while creating filter '{}' . Non-multi filter '{first}' already created. Stopping",
                entry.name
            );
            report.add(entry.field.at_key(), Problem::error(message).accepted("one picking filter, as the last one"));
            continue;
        }
        if last == Some(Kind::Picks) {
            picked_by = Some(&entry.name);
        }
        match is_own {
            true => chain.push(Filter::Own(own_filter(report, entry))),
            false => chain.extend(filter(report, entry, &lower, roster)),
        }
    }

    // Whether an own filter picks is not known. With an unknown name or a second picking filter at the end this would only be noise.
    if picked_by.is_none() && last == Some(Kind::Narrows) {
        let message =
            "Error in configuration. Last filter is multi filter. Needs to be non-multi one. Stopping".to_owned();
        report.add(field.at_key(), Problem::error(message).accepted("`random`, `roundrobin` or `user` at the end"));
    }
    chain
}

/// A filter as written.
struct Entry<'a> {
    name: String,
    field: Field<'a>,
    /// Object form: the field's value is the arguments.
    has_arguments: bool,
}

fn entries<'a>(report: &mut Report<'_>, field: &'a Field<'a>) -> Vec<Entry<'a>> {
    match &field.node.value {
        Value::Array(elements) => {
            let elements = elements.iter().enumerate().map(|(index, node)| {
                let name = match read::text(node) {
                    read::Scalar::Text(name) => name.into_owned(),
                    read::Scalar::Nothing => String::new(),
                    // The original took the key for the name, and that is the index.
                    read::Scalar::List => index.to_string(),
                };
                Entry { name, field: Field::element(node, index, &field.path), has_arguments: false }
            });
            elements.collect()
        }
        Value::Object(_) => {
            let fields = Object::new(field.node, &field.path).into_iter().flat_map(|object| object.fields());
            fields.map(|field| Entry { name: field.key.to_owned(), field, has_arguments: true }).collect()
        }
        Value::Null => Vec::new(),
        _ => {
            let problem = Problem::error("`filters` must be an object or an array of names");
            report.add(field.at(), problem.accepted(r#"{"NAME": {…}} or ["NAME"]"#));
            Vec::new()
        }
    }
}

/// A filter of the program, whose arguments only the program understands.
fn own_filter(report: &Report<'_>, entry: &Entry<'_>) -> OwnFilter {
    let at = entry.field.at_key();
    OwnFilter {
        name: entry.name.clone(),
        path: at.path.to_string(),
        position: report.position(at.offset),
        arguments: if entry.has_arguments { Json::from(entry.field.node) } else { Json::Null },
    }
}

/// Whether an unknown name is taken for one of a program that is not here, with a warning. A misspelling is not.
fn guessed(report: &mut Report<'_>, entry: &Entry<'_>, own: OwnFilters<'_>) -> bool {
    if !own.may_have(&entry.name) || misspelt(entry, own).has_suggestion() {
        return false;
    }
    let message = format!("unknown filter `{}`, taken for one of the program's own", entry.name);
    let accepted = format!("{}, or a name that the program registers with `Builder::filter`", known());
    report.add(entry.field.at_key(), Problem::warning(message).accepted(accepted));
    true
}

fn misspelt(entry: &Entry<'_>, own: OwnFilters<'_>) -> Problem {
    let names = Filter::NAMES.iter().chain(own.names()).copied();
    Problem::error(format!("Unknown filter '{}' . Stopping", entry.name)).meant(&entry.name, names)
}

fn known() -> String {
    super::object::listed(Filter::NAMES)
}

fn unknown(report: &mut Report<'_>, entry: &Entry<'_>, own: OwnFilters<'_>) {
    let problem = if entry.name.is_empty() {
        Problem::error("Error loading filters. Filter with empty name found")
    } else {
        misspelt(entry, own)
    };
    let accepted = || {
        let own: Vec<_> = own.names().iter().map(|it| format!(", `{it}`")).collect();
        format!("{}{}, or a filter of the program's own that it registers (`Builder::filter`)", known(), own.concat())
    };
    let problem = if problem.has_suggestion() { problem } else { problem.accepted(accepted()) };
    report.add(entry.field.at_key(), problem);
}

/// The filter called `name` in lower case; `None` after an error.
fn filter(report: &mut Report<'_>, entry: &Entry<'_>, name: &str, roster: &Roster<'_>) -> Option<Filter> {
    let arguments = arguments(entry);
    match name {
        "random" | "roundrobin" => {
            if arguments.is_none() && entry.has_arguments && !matches!(entry.field.node.value, Value::Null) {
                let problem = Problem::warning(format!("the arguments of `{name}` must be an object; ignored"));
                report.add(entry.field.at(), problem);
            }
            Some(balancing(report, name, arguments.as_ref(), roster))
        }
        // The original made one without arguments too.
        "table" if !entry.has_arguments => {
            let problem = Problem::warning("without rules no table has a server");
            report.add(entry.field.at_key(), problem.accepted(r#"{"table": {"rules": {…}}}"#));
            Some(Filter::Table { rules: Vec::new() })
        }
        _ => {
            let Some(arguments) = arguments else {
                let message = format!("Error while creating filter '{}' . Stopping", entry.name);
                let problem = Problem::error(message).accepted(format!("{{\"{name}\": {{…}}}}, with arguments"));
                report.add(entry.field.at(), problem);
                return None;
            };
            match name {
                "user" => callback(report, &arguments).map(|callback| Filter::User { callback }),
                "user_multi" => callback(report, &arguments).map(|callback| Filter::UserMulti { callback }),
                "node_groups" => Some(Filter::NodeGroups { groups: node_groups::lower(report, &arguments, roster) }),
                "table" => Some(Filter::Table { rules: table::lower(report, &arguments, roster) }),
                _ => service_level::lower(report, &arguments).map(|level| Filter::QualityOfService { level }),
            }
        }
    }
}

/// The object of arguments, if there is one.
fn arguments<'a>(entry: &'a Entry<'a>) -> Option<Object<'a>> {
    if entry.has_arguments { Object::new(entry.field.node, &entry.field.path) } else { None }
}

/// `random` or `roundrobin`, which work without arguments too.
fn balancing(report: &mut Report<'_>, name: &str, arguments: Option<&Object<'_>>, roster: &Roster<'_>) -> Filter {
    let mut sticky = false;
    let mut shares: Option<Weights> = None;
    if let Some(arguments) = arguments {
        let known: &[&str] = if name == "random" { &["sticky", "weights", "weight"] } else { &["weights", "weight"] };
        arguments.warn_unknown(report, known);
        if let Some(field) = arguments.one_of(report, &["weights", "weight"]) {
            shares = weights::lower(report, &field, name, roster);
        }
        if name == "random"
            && let Some(field) = arguments.get("sticky")
        {
            sticky = read::switch(report, field.at(), field.node).unwrap_or(false);
        }
    }
    match name {
        "random" => Filter::Random { sticky, weights: shares },
        _ => Filter::RoundRobin { weights: shares },
    }
}

/// The name of a callback. The original says `user` for both filters.
fn callback(report: &mut Report<'_>, arguments: &Object<'_>) -> Option<String> {
    arguments.warn_unknown(report, &["callback"]);
    let accepted = "the name under which the application registers it";
    match arguments.get("callback") {
        None => {
            let message = "Error by creating filter 'user', can't find section 'callback' . Stopping.";
            report.add(arguments.at(), Problem::error(message).accepted(accepted));
            None
        }
        Some(field) => field.text(report, accepted).map(str::to_owned),
    }
}
