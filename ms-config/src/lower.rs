//! From what was written to what was meant.
//!
//! Each part of a section has a file here that turns its piece of the raw tree into the public type. All of them
//! work alike: read what is there, note what is wrong, return a value in any case. A section is built from those
//! values and thrown away if an error was noted meanwhile, so nothing half-built gets out and no problem hides
//! another one.

mod fabric; // `fabric`
mod failover; // `failover`
mod filters; // `filters`: the chain
mod gtid_injection; // `global_transaction_id_injection`
mod monitor; // `monitor`
mod node_groups; // `filters.node_groups`
mod number; // whole numbers within a range
mod object; // keys of an object: found, misspelled, given twice
mod pool; // `pool`
mod primary_budget; // `primary_budget`
mod roster; // the names of a section's servers, for filters that speak of them
mod section; // all of a section
mod server; // one entry of a server list
mod server_list; // `master`, `slave`
mod service_level; // `filters.quality_of_service`
mod settings; // switches of a section and of the environment
mod state_store; // `xa.state_store`
mod table; // `filters.table`
mod tls; // `tls`
mod tokens; // `token`
mod transient_errors; // `transient_error`
mod weights; // `filters.*.weights`
mod xa; // `xa`

use crate::{
    BrokenFile, BrokenSection, Config, OwnFilters, Parsed, Settings, json,
    path::Path,
    raw::{Node, Value},
    report::{At, Problem, Report},
};

pub(crate) use self::settings::from_vars;

/// A file with its sections.
pub(crate) fn file(file: &str, text: &str, settings: &Settings, own: OwnFilters<'_>) -> Parsed {
    let report = Report::new(file, text);
    if text.is_empty() {
        let message = format!(
            "Config file [{file}] is empty. If this is not by mistake, please add some minimal JSON to it to prevent \
             this warning. For example, use '{{}}' "
        );
        return unreadable(report, settings, 0, message);
    }

    match json::parse(text) {
        Ok(tree) => tree_of(report, tree, settings, own),
        Err(refused) => unparsable(report, settings, refused.offset, refused.why),
    }
}

/// A file that is not UTF-8 from byte `valid` on.
pub(crate) fn not_utf8(file: &str, bytes: &[u8], valid: usize, settings: &Settings) -> Parsed {
    let text = str::from_utf8(&bytes[..valid]).expect("valid up to there");
    unparsable(Report::new(file, text), settings, valid, "it is not UTF-8 from here on; save it as UTF-8")
}

fn tree_of(
    mut report: Report<'_>,
    tree: jsonc_parser::ast::Value<'_>,
    settings: &Settings,
    own: OwnFilters<'_>,
) -> Parsed {
    let tree = Node::new(tree, &Path::Top, &mut report);
    let sections = match tree.value {
        Value::Object(sections) => sections,
        Value::Null => return unparsable(report, settings, tree.offset, "`null` is no configuration"),
        _ => {
            let message = "must be an object whose keys are the names of sections".to_owned();
            return unreadable(report, settings, tree.offset, message);
        }
    };

    let mut lowered = Vec::with_capacity(sections.len());
    for member in &sections {
        let section = section::lower(&mut report, member, settings, own);
        let errors = report.take_errors();
        let name = member.key.clone().into_owned();
        let section = if errors.is_empty() { Ok(section) } else { Err(BrokenSection { name: name.clone(), errors }) };
        lowered.push((name, section));
    }
    Parsed { config: Config::new(report.file.clone(), settings, lowered, None), diagnostics: report.finish() }
}

/// A file that is no JSON.
fn unparsable(report: Report<'_>, settings: &Settings, offset: usize, why: &str) -> Parsed {
    let message = format!("Failed to parse config file [{}]. Please, verify the JSON: {why}", report.file);
    unreadable(report, settings, offset, message)
}

/// A file without any section because of one problem.
fn unreadable(mut report: Report<'_>, settings: &Settings, offset: usize, message: String) -> Parsed {
    report.add(At { path: &Path::Top, offset }, Problem::error(message));
    let error = report.take_errors().swap_remove(0);
    let unreadable = BrokenFile { error, asked_for: None };
    Parsed {
        config: Config::new(report.file.clone(), settings, Vec::new(), Some(unreadable)),
        diagnostics: report.finish(),
    }
}
