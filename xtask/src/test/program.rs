//! One test program: built by cargo, run by us as cargo would run it.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::Command;

use super::{arguments::Arguments, forget_servers};
use crate::cargo;

/// What marks a test that kills servers, in its own name or in its program's.
const FAULTS: &str = "_faults";

/// A test program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The folder of its package, which is named after the package.
    folder: PathBuf,
    /// `lib`, `bin` or `test`.
    kind: String,
    target: String,
    file: PathBuf,
    /// The tests that want a cluster, by their full names.
    pub(super) needs_cluster: Vec<String>,
}

impl Program {
    /// What it is called in the summary.
    pub(super) fn name(&self) -> String {
        let package = self.folder.file_name().unwrap_or_default().display();
        match self.kind.as_str() {
            "lib" => format!("{package} lib"),
            "bin" => format!("{package} bin"),
            _ => format!("{package} {}", self.target),
        }
    }

    /// Whether it is made of a library, which may have examples in its documentation.
    pub(super) fn is_library(&self) -> bool {
        self.kind == "lib"
    }

    /// Runs it in the folder of its package and without anybody's servers.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        forget_servers(&mut command);
        command
    }

    /// The tests that may share a cluster with others; `None` when there are none.
    pub(super) fn peaceful(&self) -> Option<Vec<&str>> {
        self.tests(false)
    }

    /// The tests that kill servers; `None` when there are none.
    pub(super) fn faults(&self) -> Option<Vec<&str>> {
        self.tests(true)
    }

    fn tests(&self, faults: bool) -> Option<Vec<&str>> {
        let kills = |it: &str| self.target.contains(FAULTS) || it.contains(FAULTS);
        let tests: Vec<_> = self.needs_cluster.iter().map(String::as_str).filter(|it| kills(it) == faults).collect();
        (!tests.is_empty()).then_some(tests)
    }

    /// Reads one message of cargo; `None` when it is about something else.
    fn read(message: &Value) -> Option<Self> {
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        Some(Self {
            folder: Path::new(message["manifest_path"].as_str()?).parent()?.to_owned(),
            kind: message["target"]["kind"][0].as_str()?.to_owned(),
            target: message["target"]["name"].as_str()?.to_owned(),
            file: message["executable"].as_str()?.into(),
            needs_cluster: Vec::new(),
        })
    }

    fn sorting(&self) -> impl Ord + use<> {
        (self.folder.clone(), self.kind != "lib", self.kind != "bin", self.target.clone())
    }
}

/// Builds the test programs; `None` when something does not compile, which cargo has said then.
pub(super) async fn build(arguments: &Arguments) -> io::Result<Option<Vec<Program>>> {
    let mut command = Command::new(cargo::program());
    command.args(["test", "--no-run", "--message-format=json-render-diagnostics"]).args(arguments.for_cargo());
    command.current_dir(cargo::folder()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    // `output()` would take standard error too, and with it cargo's progress and the compiler's errors.
    let output = command.spawn()?.wait_with_output().await?;
    Ok(output.status.success().then(|| programs(&String::from_utf8_lossy(&output.stdout))))
}

/// The programs in cargo's messages, package by package.
fn programs(messages: &str) -> Vec<Program> {
    let parsed = messages.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let mut programs: Vec<_> = parsed.filter_map(|it| Program::read(&it)).collect();
    programs.sort_by_key(Program::sorting);
    programs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_the_programs_among_cargos_messages() {
        let artifact = |kind: &str, target: &str, test: bool, executable: Value| {
            json!({"reason": "compiler-artifact", "manifest_path": "/w/ms-x/Cargo.toml", "profile": {"test": test},
                "target": {"kind": [kind], "name": target}, "executable": executable})
        };
        let messages = [
            json!({"reason": "build-finished", "success": true}),
            artifact("test", "it", true, json!("/t/it-1")),
            artifact("bin", "x", true, json!("/t/x-1")),
            artifact("bin", "x", false, json!("/t/x")),
            artifact("lib", "ms_x", true, json!("/t/ms_x-1")),
            artifact("lib", "ms_x", false, Value::Null),
        ];
        let text = messages.map(|it| it.to_string()).join("\n");
        let names: Vec<_> = programs(&text).iter().map(Program::name).collect();
        assert_eq!(names, ["ms-x lib", "ms-x bin", "ms-x it"]);
    }

    #[test]
    fn tests_that_kill_servers_keep_to_themselves() {
        check("routing", &["a", "dying_faults::b"], Some(vec!["a"]), Some(vec!["dying_faults::b"]));
        check("cluster_faults", &["a"], None, Some(vec!["a"]));
        check("routing", &["a"], Some(vec!["a"]), None);
        check("routing", &[], None, None);
    }

    #[track_caller]
    fn check(target: &str, tests: &[&str], peaceful: Option<Vec<&str>>, faults: Option<Vec<&str>>) {
        let program = Program {
            folder: PathBuf::from("/w/ms-x"),
            kind: "test".to_owned(),
            target: target.to_owned(),
            file: PathBuf::new(),
            needs_cluster: tests.iter().map(|&it| it.to_owned()).collect(),
        };
        assert_eq!((program.peaceful(), program.faults()), (peaceful, faults));
    }
}
