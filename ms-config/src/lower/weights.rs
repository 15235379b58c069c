//! `filters.*.weights`: for none or all of the servers in the pool.

use super::{
    number::Range,
    object::{Field, Object},
    roster::Roster,
};
use crate::{
    Role, Weight, Weights,
    report::{Problem, Report},
};

/// The weights of the filter called `filter`; `None` for an empty object, and after an error.
pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>, filter: &str, roster: &Roster<'_>) -> Option<Weights> {
    let accepted = "an object from server names to whole numbers from 0 to 65535";
    let object = Object::expect(report, field, accepted)?;
    if object.members.is_empty() {
        return None;
    }
    if let Some(duplicate) = roster.duplicate {
        let message = format!("Failed to setup master/slave server list for '{filter}' filter. Stopping");
        let accepted = format!("a different name for each server; `{duplicate}` is not the first of its name");
        report.add(object.at(), Problem::error(message).accepted(accepted));
        return None;
    }

    let mut primaries = vec![None; roster.primaries];
    let mut replicas = vec![None; roster.replicas];
    let mut all_valid = true;
    for field in object.fields() {
        let Some((role, place)) = roster.find(field.key) else {
            let message = format!("Unknown server '{}' in '{filter}' filter configuration. Stopping", field.key);
            report.add(field.at_key(), Problem::error(message).meant(field.key, roster.aliases()));
            all_valid = false;
            continue;
        };
        let Some(weight) = weight(report, &field) else {
            all_valid = false;
            continue;
        };
        match role {
            Role::Primary => primaries[place] = Some(weight),
            Role::Replica => replicas[place] = Some(weight),
        }
    }

    let given = object.members.len();
    let complete = (primaries.into_iter().collect::<Option<_>>(), replicas.into_iter().collect::<Option<_>>());
    match complete {
        (Some(primaries), Some(replicas)) if all_valid => Some(Weights { primaries, replicas }),
        // Whoever misspelled a name has not forgotten the server.
        _ if !all_valid => None,
        _ => {
            let message = "You must specify the load balancing weight for none or all configured servers. There is \
                           no default weight yet. Stopping";
            let accepted = format!("one weight for each of the {} servers; there are {given}", roster.len());
            report.add(object.at(), Problem::error(message).accepted(accepted));
            None
        }
    }
}

fn weight(report: &mut Report<'_>, field: &Field<'_>) -> Option<Weight> {
    let outside = |value| format!("Invalid value '{value}' for weight. Stopping");
    let range = Range::new(0, u16::MAX.into());
    range.read_u16(report, field, "a weight must be a number, not a list", outside).map(Weight::new)
}
