//! `docs/deviations.md` is complete, and does not claim too much.
//!
//! A deviation from the original has a number (`BUG-nn`, `DOC-nn`) or is a scenario with the status `fixed`. What is
//! implemented has a row there; what is not yet is listed here, with the capability it waits for. Whoever implements one takes
//! it off this list and writes its row.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The numbers in use.
const BUGS: u32 = 64;
const DOCS: u32 = 14;

/// What is not implemented yet, by the capability that will bring it.
const WAITING: [(&str, &[&str]); 1] = [("Fabric", &["BUG-51", "BUG-52", "BUG-53"])];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A row of one of the page's tables.
struct Row {
    numbers: Vec<String>,
    line: String,
}

impl Row {
    /// What stands in backticks in its last column, which says where it shows.
    fn named(&self) -> Vec<&str> {
        let last = self.line.trim_end_matches('|').rsplit_once(" | ").map_or("", |(_, last)| last);
        last.split('`').skip(1).step_by(2).collect()
    }

    fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.line.split("scenario `").skip(1).map(|it| it.split('`').next().unwrap())
    }
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(repository().join("docs/deviations.md")).unwrap();
    let rows = page.lines().filter(|it| it.starts_with("| ") && !it.starts_with("| number"));
    let row = |line: &str| {
        let first = line.split('|').nth(1).unwrap();
        let numbers = first.split(',').map(|it| it.trim().to_owned()).filter(|it| is_number(it)).collect();
        Row { numbers, line: line.to_owned() }
    };
    rows.map(row).collect()
}

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix("BUG-").or_else(|| word.strip_prefix("DOC-"));
    digits.is_some_and(|it| it.len() == 2 && it.bytes().all(|it| it.is_ascii_digit()))
}

/// The scenarios by name.
fn scenarios() -> BTreeMap<String, Value> {
    let files = fs::read_dir(repository().join("conformance")).unwrap().map(|it| it.unwrap().path());
    let files = files.filter(|it| it.extension().is_some_and(|it| it == "json"));
    let scenarios = files.flat_map(|it| serde_json::from_slice::<Vec<Value>>(&fs::read(it).unwrap()).unwrap());
    scenarios.map(|it| (it["name"].as_str().unwrap().to_owned(), it)).collect()
}

/// Names of scenarios that do not pass on either family yet.
fn waiting_scenarios() -> BTreeSet<String> {
    let baseline = |flavor: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(repository().join(format!("conformance/baseline-{flavor}.txt"))).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    &baseline("mariadb") & &baseline("mysql")
}

#[test]
fn every_number_has_its_row_or_waits_for_a_capability() {
    let rows = rows();
    let with_row: Vec<&str> = rows.iter().flat_map(|it| &it.numbers).map(String::as_str).collect();
    let waiting: Vec<&str> = WAITING.iter().flat_map(|(_, numbers)| *numbers).copied().collect();
    let all: BTreeSet<String> =
        (1..=BUGS).map(|it| format!("BUG-{it:02}")).chain((1..=DOCS).map(|it| format!("DOC-{it:02}"))).collect();
    for number in &all {
        let times = |list: &[&str]| list.iter().filter(|it| *it == number).count();
        match (times(&with_row), times(&waiting)) {
            (1, 0) | (0, 1) => {}
            (0, 0) => panic!("`{number}` has no row in docs/deviations.md"),
            (1, 1) => panic!("`{number}` has a row in docs/deviations.md, so it waits for nothing"),
            times => panic!("`{number}` is listed more than once: {times:?}"),
        }
    }
    for number in with_row.iter().chain(&waiting) {
        assert!(all.contains(*number), "there is no `{number}`");
    }
}

#[test]
fn every_fixed_scenario_that_passes_is_in_the_row_of_its_number() {
    let (rows, waiting) = (rows(), waiting_scenarios());
    for (name, scenario) in scenarios() {
        if scenario["status"] != "fixed" {
            continue;
        }
        let of_it: Vec<&Row> = rows.iter().filter(|row| row.scenarios().any(|it| it == name)).collect();
        if waiting.contains(&name) {
            assert!(of_it.is_empty(), "the scenario `{name}` does not pass yet, and docs/deviations.md claims it");
            continue;
        }
        let note = scenario["note"].as_str().unwrap_or_default();
        let numbers: Vec<&str> =
            note.split(|it: char| !it.is_ascii_alphanumeric() && it != '-').filter(|it| is_number(it)).collect();
        assert!(!numbers.is_empty(), "the note of the scenario `{name}` names no number");
        let is_there = of_it.iter().any(|row| row.numbers.iter().any(|it| numbers.contains(&it.as_str())));
        assert!(is_there, "no row of {} in docs/deviations.md names the scenario `{name}`", numbers.join(" or "));
    }
}

#[test]
fn what_the_rows_name_exists() {
    let mut sources = Vec::new();
    for entry in fs::read_dir(repository()).unwrap() {
        let krate = entry.unwrap().path();
        if krate.join("Cargo.toml").is_file() {
            collect(&krate, &mut sources);
        }
    }
    let scenarios = scenarios();
    for row in rows() {
        for name in row.scenarios() {
            assert!(scenarios.contains_key(name), "no scenario is called `{name}`: {}", row.line);
        }
        for name in row.named() {
            let is_function = name.bytes().filter(|it| *it == b'_').count() > 1
                && name.bytes().all(|it| it == b'_' || it.is_ascii_lowercase() || it.is_ascii_digit());
            if Path::new(name).extension().is_some_and(|it| it == "rs") {
                assert!(sources.iter().any(|(path, _)| path.ends_with(name)), "there is no `{name}`: {}", row.line);
            } else if is_function {
                let definition = format!("fn {name}(");
                assert!(sources.iter().any(|(_, text)| text.contains(&definition)), "no `{name}`: {}", row.line);
            }
        }
    }
}

/// All Rust sources below a folder.
fn collect(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
}
