//! Where many runs of one statement went.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::check::Mismatch;

/// The step `distribution`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Distribution {
    pub(crate) sql: String,
    pub(crate) times: usize,
    pub(crate) expect: Wanted,
}

/// What must hold of the whole; everything present does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    servers: Option<BTreeMap<String, Count>>,
    distinct: Option<usize>,
    sequence: Option<Vec<String>>,
    cycle: Option<Vec<String>>,
    uniform: Option<Uniform>,
    proportional: Option<Proportional>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Count {
    Exactly(usize),
    Between(usize, usize),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uniform {
    servers: Vec<String>,
    tolerance: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proportional {
    weights: BTreeMap<String, f64>,
    tolerance: f64,
}

/// Small shares may be off by this much whatever the tolerance says.
const LEAST_SLACK: f64 = 3.0;

/// One run: the server's alias and its connection.
pub(crate) type Run = (String, u64);

impl Wanted {
    /// The aliases it speaks of.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &String> {
        let counted = self.servers.iter().flat_map(BTreeMap::keys);
        let listed = self.sequence.iter().chain(&self.cycle).flatten();
        let uniform = self.uniform.iter().flat_map(|it| &it.servers);
        counted.chain(listed).chain(uniform).chain(self.proportional.iter().flat_map(|it| it.weights.keys()))
    }

    /// Checks everything that is wanted.
    pub(crate) fn check(&self, runs: &[Run]) -> Result<(), Mismatch> {
        let order: Vec<&str> = runs.iter().map(|(alias, _)| alias.as_str()).collect();
        let mut counts = BTreeMap::new();
        for &alias in &order {
            *counts.entry(alias).or_insert(0_usize) += 1;
        }
        if let Some(wanted) = &self.servers {
            let range = |count: &Count| match *count {
                Count::Exactly(count) => (as_float(count), as_float(count)),
                Count::Between(least, most) => (as_float(least), as_float(most)),
            };
            within(&counts, &wanted.iter().map(|(alias, count)| (alias.as_str(), range(count))).collect())?;
        }
        if let Some(wanted) = self.distinct {
            let connections: BTreeSet<_> = runs.iter().collect();
            if connections.len() != wanted {
                return Err(Mismatch::new(
                    format!("{wanted} distinct connections"),
                    format!("{} ({})", connections.len(), show(&counts)),
                ));
            }
        }
        if let Some(wanted) = &self.sequence
            && order != *wanted
        {
            return Err(Mismatch::new(format!("the sequence {}", wanted.join(" ")), order.join(" ")));
        }
        if let Some(cycle) = &self.cycle
            && !is_cycle(&order, cycle)
        {
            return Err(Mismatch::new(format!("the cycle {}", cycle.join(" ")), order.join(" ")));
        }
        if let Some(Uniform { servers, tolerance }) = &self.uniform {
            let share = as_float(runs.len()) / as_float(servers.len());
            let range = (share * (1.0 - tolerance), share * (1.0 + tolerance));
            within(&counts, &servers.iter().map(|alias| (alias.as_str(), range)).collect())?;
        }
        if let Some(Proportional { weights, tolerance }) = &self.proportional {
            let sum: f64 = weights.values().sum();
            let range = |weight: f64| {
                let share = as_float(runs.len()) * weight / sum;
                let slack = (share * tolerance).max(LEAST_SLACK);
                (share - slack, share + slack)
            };
            within(&counts, &weights.iter().map(|(alias, weight)| (alias.as_str(), range(*weight))).collect())?;
        }
        Ok(())
    }
}

/// Every server used is wanted, and each as often as it should be.
fn within(counts: &BTreeMap<&str, usize>, wanted: &BTreeMap<&str, (f64, f64)>) -> Result<(), Mismatch> {
    let fits = |(alias, (least, most)): (&&str, &(f64, f64))| {
        let count = as_float(counts.get(alias).copied().unwrap_or(0));
        *least <= count && count <= *most
    };
    if wanted.iter().all(fits) && counts.keys().all(|alias| wanted.contains_key(alias)) {
        return Ok(());
    }
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(alias, (least, most))| match least == most {
            true => format!("{alias} {least}"),
            false => format!("{alias} {least:.1} to {most:.1}"),
        })
        .collect();
    Err(Mismatch::new(wanted.join(", "), show(counts)))
}

fn is_cycle(order: &[&str], cycle: &[String]) -> bool {
    let fits = |start: usize| order.iter().zip(cycle.iter().cycle().skip(start)).all(|(it, wanted)| it == wanted);
    !cycle.is_empty() && (0..cycle.len()).any(fits)
}

fn show(counts: &BTreeMap<&str, usize>) -> String {
    counts.iter().map(|(alias, count)| format!("{alias} {count}")).collect::<Vec<_>>().join(", ")
}

fn as_float(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn counts_are_exact_or_within_and_complete() {
        check(&json!({"servers": {"a": 2, "b": 1}}), "a b a", true);
        check(&json!({"servers": {"a": 3, "b": 1}}), "a b a", false);
        check(&json!({"servers": {"a": [1, 3], "b": [0, 1]}}), "a b a", true);
        check(&json!({"servers": {"a": [0, 1], "b": 1}}), "a b a", false);
        check(&json!({"servers": {"a": 2}}), "a b a", false);
        check(&json!({"servers": {"a": 2, "b": 1, "c": 1}}), "a b a", false);
    }

    #[test]
    fn connections_are_told_apart() {
        check(&json!({"distinct": 2}), "a b a", true);
        check(&json!({"distinct": 1}), "a b a", false);
    }

    #[test]
    fn order_is_exact_or_a_cycle_from_anywhere() {
        check(&json!({"sequence": ["a", "b", "a"]}), "a b a", true);
        check(&json!({"sequence": ["a", "b"]}), "a b a", false);
        check(&json!({"sequence": ["b", "a", "b"]}), "a b a", false);
        check(&json!({"cycle": ["a", "b", "c"]}), "b c a b c", true);
        check(&json!({"cycle": ["a", "b", "c"]}), "b a c b a", false);
        check(&json!({"cycle": []}), "a", false);
    }

    #[test]
    fn shares_have_a_tolerance() {
        check(&json!({"uniform": {"servers": ["a", "b"], "tolerance": 0.5}}), "a a a b", true);
        check(&json!({"uniform": {"servers": ["a", "b"], "tolerance": 0.4}}), "a a a b", false);
        check(&json!({"uniform": {"servers": ["a"], "tolerance": 0.5}}), "a a a b", false);
        check(&json!({"uniform": {"servers": ["a", "b", "c"], "tolerance": 0.9}}), "a a b b", false);
        let weights = json!({"proportional": {"weights": {"a": 3, "b": 1}, "tolerance": 0.1}});
        check(&weights, &["a"; 24].join(" "), false);
        check(&weights, &format!("{} {}", ["a"; 15].join(" "), ["b"; 5].join(" ")), true);
        check(&weights, &format!("{} {}", ["a"; 12].join(" "), ["b"; 8].join(" ")), true);
        check(&weights, &format!("{} {}", ["a"; 11].join(" "), ["b"; 9].join(" ")), false);
    }

    #[track_caller]
    fn check(wanted: &Value, order: &str, holds: bool) {
        let wanted = Wanted::deserialize(wanted).unwrap();
        let runs: Vec<Run> = order.split(' ').map(|it| (it.to_owned(), 1)).collect();
        let outcome = wanted.check(&runs);
        assert_eq!(outcome.is_ok(), holds, "{wanted:?} {order}: {outcome:?}");
    }
}
