//! The binary, its arguments and its files.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// What a section with one primary and two replicas looks like; nobody listens there.
pub(crate) const SHOP: &str = r#"{
    "shop": {
        "master": {"main": {"host": "127.0.0.1", "port": 1}},
        "slave": {
            "copy1": {"host": "127.0.0.1", "port": 2},
            "copy2": {"host": "127.0.0.1", "port": 3}
        },
        "failover": "loop_before_master",
        "filters": {"roundrobin": []}
    }
}"#;

/// A folder for one test's files.
pub(crate) struct Folder(PathBuf);

/// How a run of `ms` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    /// An empty folder; `test` names it.
    pub(crate) fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ms-cli-{test}"));
        // Left over from a run that was interrupted, or not there.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A folder with a configuration file called `ms.json`.
    pub(crate) fn with_config(test: &str, config: &str) -> Self {
        let folder = Self::new(test);
        folder.write("ms.json", config);
        folder
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    /// `ms` in this folder, with nothing of the test's own environment that concerns it.
    pub(crate) fn ms(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ms"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("MYSQL_MS_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `ms` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.ms(args).output().unwrap())
    }

    /// Runs `ms` with `input` on its standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut command = self.ms(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A process that has refused its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ended::of(child.wait_with_output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A pipe whose reader is gone before anything is written.
pub(crate) fn nobody_reads() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Everything in one text, for snapshots.
    pub(crate) fn transcript(&self) -> String {
        let code = self.code.map_or("none".to_owned(), |code| code.to_string());
        format!("{}{}exit code {code}\n", self.stdout, self.stderr)
    }

    /// The JSON objects of standard output, one per line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
