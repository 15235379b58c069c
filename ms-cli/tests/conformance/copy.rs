//! The repository carries its own copy of the scenarios, so that a fresh clone needs nothing from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance")
}

/// Name and content of the scenario files and their format.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let belongs = |it: &PathBuf| it.extension().is_some_and(|it| it == "json") || it.ends_with("FORMAT.md");
    let name = |it: &PathBuf| it.file_name().unwrap().to_str().unwrap().to_owned();
    entries.filter(belongs).map(|it| (name(&it), fs::read(&it).unwrap())).collect()
}

#[test]
fn the_copy_is_the_shared_folder_where_there_is_one() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let ours = files(&folder());
    assert!(ours.len() > 40 && ours.contains_key("FORMAT.md"), "{:?}", ours.keys());
    if !shared.is_dir() {
        return;
    }
    let theirs = files(&shared);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, text) in &ours {
        assert!(theirs[name] == *text, "`conformance/{name}` is not what the shared folder has");
    }
}

#[test]
fn the_baselines_name_scenarios_in_order() {
    let mut names = BTreeSet::new();
    for (file, text) in files(&folder()) {
        if file.ends_with(".json") {
            let scenarios: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
            for scenario in scenarios {
                let name = scenario["name"].as_str().unwrap().to_owned();
                assert!(names.insert(name.clone()), "two scenarios are called `{name}`");
            }
        }
    }
    for flavor in ["mariadb", "mysql"] {
        let text = fs::read_to_string(folder().join(format!("baseline-{flavor}.txt"))).unwrap();
        let lines: Vec<&str> = text.lines().filter(|it| !it.starts_with('#')).collect();
        assert!(lines.is_sorted_by(|one, other| one < other), "baseline-{flavor}.txt is not sorted");
        for line in lines {
            assert!(names.contains(line), "baseline-{flavor}.txt names `{line}`, and no scenario is called so");
        }
    }
}
