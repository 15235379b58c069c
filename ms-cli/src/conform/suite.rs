//! Many scenarios, side by side.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{
    play::{Failure, Verdict, play},
    report::{Ran, Report},
    world::World,
};

/// What was found in the files.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    entries: Vec<Entry>,
}

/// One scenario, or what is wrong where one should be.
#[derive(Debug)]
struct Entry {
    name: String,
    file: String,
    scenario: Result<Value, Failure>,
}

impl Suite {
    /// Reads all files; what cannot be read becomes a failure among the scenarios.
    pub(crate) fn load(paths: &[PathBuf], only: Option<&str>) -> Self {
        let mut suite = Self::default();
        for path in paths {
            match files(path) {
                Ok(files) if files.is_empty() => suite.broken(path, "scenario files", "a folder without any `*.json`"),
                Ok(files) => files.iter().for_each(|file| suite.read(file)),
                Err(error) => suite.broken(path, "a file or a folder", &error.to_string()),
            }
        }
        suite.refuse_duplicates();
        if let Some(text) = only {
            suite.entries.retain(|it| it.name.contains(text));
            if suite.entries.is_empty() {
                let failure = failure("--only", "a scenario whose name contains it", "none");
                suite.entries.push(Entry { name: text.to_owned(), file: String::new(), scenario: Err(failure) });
            }
        }
        suite
    }

    fn read(&mut self, path: &Path) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.broken(path, "a file of UTF-8 text", &error.to_string()),
        };
        match serde_json::from_str(&text) {
            Ok(Value::Array(scenarios)) => {
                let file = name_of(path);
                for (scenario, number) in scenarios.into_iter().zip(1..) {
                    let name = scenario.get("name").and_then(Value::as_str);
                    let name = name.map_or_else(|| format!("{file}, scenario {number}"), str::to_owned);
                    self.entries.push(Entry { name, file: file.clone(), scenario: Ok(scenario) });
                }
            }
            Ok(_) => self.broken(path, "an array of scenarios", "another JSON value"),
            Err(error) => self.broken(path, "JSON", &error.to_string()),
        }
    }

    fn broken(&mut self, path: &Path, expected: &str, got: &str) {
        let failure = failure("reading it", expected, got);
        let file = path.display().to_string();
        self.entries.push(Entry { name: file.clone(), file, scenario: Err(failure) });
    }

    /// A baseline and a report go by names.
    fn refuse_duplicates(&mut self) {
        let mut seen: HashMap<String, String> = HashMap::new();
        for entry in &mut self.entries {
            if let Some(other) = seen.get(&entry.name) {
                entry.scenario =
                    Err(failure("reading it", "a name of its own", &format!("the same name in `{other}`")));
            }
            seen.entry(entry.name.clone()).or_insert_with(|| entry.file.clone());
        }
    }

    /// Runs all of them, `jobs` at a time, and reports in the order of the files.
    pub(crate) async fn run(&self, world: &World, jobs: usize, report: &mut Report<'_>) -> io::Result<()> {
        let runs = self.entries.iter().map(|entry| run(entry, world));
        let mut runs = stream::iter(runs).buffered(jobs);
        let mut outcome = Ok(());
        while let Some(ran) = runs.next().await {
            // Nobody reads any more; what runs is let go of and cleaned up below.
            if let Err(error) = report.add(&ran) {
                outcome = Err(error);
                break;
            }
        }
        drop(runs);
        world.stop_listening().await;
        if outcome.is_err() {
            world.drop_everything().await;
        }
        outcome
    }
}

async fn run(entry: &Entry, world: &World) -> Ran {
    let started = Instant::now();
    let (verdict, elapsed) = match &entry.scenario {
        Ok(scenario) => (play(scenario, world).await, started.elapsed()),
        Err(failure) => (Verdict::Failed(failure.clone()), Duration::ZERO),
    };
    Ran { name: entry.name.clone(), file: entry.file.clone(), verdict, elapsed }
}

/// A file, or the scenario files of a folder in the order of their names.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into_owned())
}

fn failure(step: &str, expected: &str, got: &str) -> Failure {
    Failure { step: step.to_owned(), expected: expected.to_owned(), got: got.to_owned() }
}
