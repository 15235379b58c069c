//! Which crate may depend on which.
//!
//! Arrows point down only. The middle crates do not know each other, so that each can be used alone; only the shell
//! (`ms-pool`) and what stands on it may do I/O.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::TidyError;
use crate::cargo;

/// What a crate of the workspace may depend on, beside libraries that do no I/O.
struct Rule {
    package: &'static str,
    /// Crates of this workspace that it may name.
    ours: &'static [&'static str],
    /// Whether the driver and the runtime are allowed.
    io: bool,
    /// Whether any library is allowed at all.
    libraries: bool,
}

const MIDDLE: &[&str] = &["ms-config", "ms-filters", "ms-gtid", "ms-hints", "ms-xa", "ms-fabric"];
const ALL: &[&str] = &["ms-config", "ms-filters", "ms-gtid", "ms-hints", "ms-xa", "ms-fabric", "ms-pool"];

const RULES: &[Rule] = &[
    Rule { package: "ms-hints", ours: &[], io: false, libraries: false },
    Rule { package: "ms-config", ours: &[], io: false, libraries: true },
    Rule { package: "ms-filters", ours: &["ms-hints"], io: false, libraries: true },
    Rule { package: "ms-gtid", ours: &[], io: false, libraries: true },
    Rule { package: "ms-xa", ours: &[], io: false, libraries: true },
    Rule { package: "ms-fabric", ours: &[], io: false, libraries: true },
    Rule { package: "ms-pool", ours: MIDDLE, io: true, libraries: true },
    Rule { package: "ms-cli", ours: ALL, io: true, libraries: true },
    Rule { package: "xtask", ours: ALL, io: true, libraries: true },
];

/// Every dependency that breaks a rule, as a sentence.
pub(super) fn problems(root: &Path) -> Result<Vec<String>, TidyError> {
    let output = Command::new(cargo::program())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|source| TidyError::Start { name: "layers", source })?;
    Ok(check(&serde_json::from_slice(&output.stdout)?))
}

fn check(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(rule) = RULES.iter().find(|rule| rule.package == name) else {
            problems.push(format!("`{name}` has no layering rule; give it one in xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            // Tests and benches may use libraries, but not climb the layers.
            let shipped = dependency["kind"].as_str() != Some("dev");
            if let Some(why) = rule.forbids(on, shipped) {
                problems.push(format!("`{name}` must not depend on `{on}`: {why}"));
            }
        }
    }
    problems
}

impl Rule {
    fn forbids(&self, on: &str, shipped: bool) -> Option<&'static str> {
        if on.starts_with("ms-") || on == "xtask" {
            return (!self.ours.contains(&on))
                .then_some("arrows point down only, and the middle crates do not know each other");
        }
        if !self.io && (on.starts_with("sqlx") || on.starts_with("tokio")) {
            return Some("only ms-pool and what stands on it do I/O");
        }
        (shipped && !self.libraries).then_some("this crate has no dependencies")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn dependency(package: &str, on: &str, kind: Option<&str>, allowed: bool) {
        let metadata = json!({"packages": [{"name": package, "dependencies": [{"name": on, "kind": kind}]}]});
        assert_eq!(check(&metadata).is_empty(), allowed, "{package} -> {on}");
    }

    #[test]
    fn arrows_point_down() {
        dependency("ms-filters", "ms-hints", None, true);
        dependency("ms-hints", "ms-filters", None, false);
        dependency("ms-config", "ms-hints", None, false);
        dependency("ms-gtid", "ms-filters", Some("dev"), false);
        dependency("ms-pool", "xtask", Some("dev"), false);
        dependency("ms-cli", "ms-pool", None, true);
    }

    #[test]
    fn only_the_shell_does_io() {
        dependency("ms-filters", "tokio", Some("dev"), false);
        dependency("ms-xa", "sqlx-core", None, false);
        dependency("ms-pool", "sqlx", None, true);
    }

    #[test]
    fn the_hint_parser_stands_alone() {
        dependency("ms-hints", "memchr", None, false);
        dependency("ms-hints", "proptest", Some("dev"), true);
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        let metadata = json!({"packages": [{"name": "ms-new", "dependencies": []}]});
        assert_eq!(check(&metadata).len(), 1);
    }
}
