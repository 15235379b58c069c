//! Nanoseconds of what only thinks: criterion's medians of classifying, deciding and finding tables.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xtask::progress::Progress;

use super::{
    BenchError, Effort, cargo_command, output,
    row::{Bar, Row, Unit},
};

/// A row of a bench: its folder below `criterion`, what it is called here, its bar in nanoseconds.
type Promise = (&'static str, &'static str, f64);

const CLASSIFY: [Promise; 6] = [
    ("classic/select_1", "classify, classic, SELECT 1", 20.0),
    ("classic/select_1_hint", "classify, classic, SELECT 1 with a hint", 40.0),
    ("classic/insert_100kb", "classify, classic, INSERT of 100 KB", 100.0),
    ("strict/in_numbers_100kb", "classify, strict, IN list of 100 KB of numbers", 80e3),
    ("strict/in_strings_100kb", "classify, strict, IN list of 100 KB of strings", 80e3),
    ("strict/in_placeholders_100kb", "classify, strict, IN list of 100 KB of placeholders", 80e3),
];

const TABLES: [Promise; 3] = [
    ("tables/known", "tables of a statement, seen before", 200.0),
    ("tables/known_1kb", "tables of a join of 1 KB, seen before", 200.0),
    ("tables/new_1kb", "tables of a join of 1 KB, new", 250e3),
];

const DECIDE: [Promise; 10] = [
    ("3 servers, random", "decide, 3 servers, random", 60.0),
    ("3 servers, random once", "decide, 3 servers, random once", 60.0),
    ("3 servers, roundrobin", "decide, 3 servers, roundrobin", 60.0),
    ("3 servers, narrowed by nothing, random", "decide, 3 servers, a narrowing filter, random", 90.0),
    ("3 servers, random, transaction begins", "decide, 3 servers, a transaction begins", 80.0),
    ("3 servers, random, transaction bound", "decide, 3 servers, in a bound transaction", 80.0),
    ("3 servers, random, state held", "decide, 3 servers, where the session's state is", 80.0),
    ("3 servers, random, remembering, one avoided", "decide, 3 servers, one remembered as failed", 80.0),
    ("64 servers, random", "decide, 64 servers, random", 300.0),
    ("64 servers, roundrobin", "decide, 64 servers, roundrobin", 300.0),
];

/// Runs the benches.
pub(super) async fn measure(effort: Effort, progress: &Progress) -> Result<Vec<Row>, BenchError> {
    let results = results().await?;
    let mut rows = Vec::new();
    let benches: [(&str, &str, &[Promise]); 3] =
        [("ms-hints", "classify", &CLASSIFY), ("ms-filters", "decide", &DECIDE), ("ms-pool", "tables", &TABLES)];
    for (package, bench, promises) in benches {
        let step = progress.step(format!("measuring {package}"));
        let mut command = cargo_command();
        command.args(["bench", "--quiet", "-p", package, "--bench", bench]);
        if bench == "tables" {
            command.args(["--features", "table-rules"]);
        }
        command.args(["--", "--noplot"]);
        let (warm_up, measurement) = if effort == Effort::Quick { ("0.2", "0.5") } else { ("0.5", "2") };
        command.args(["--warm-up-time", warm_up, "--measurement-time", measurement]);
        output(&mut command).await?;
        for (folder, what, bar) in promises {
            let median = median(&results.join(folder).join("new/estimates.json"))?;
            rows.push(Row::new(*what, median, Unit::Nanoseconds, Bar::AtMost(*bar)));
        }
        step.finish(&format!("measured {package}"));
    }
    Ok(rows)
}

/// Where criterion leaves its results.
async fn results() -> Result<PathBuf, BenchError> {
    let mut command = cargo_command();
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata = output(&mut command).await?;
    let metadata: Value = serde_json::from_str(&metadata).unwrap_or_default();
    let folder = metadata["target_directory"].as_str().map(|it| Path::new(it).join("criterion"));
    folder.ok_or_else(|| BenchError::Silent { program: "cargo metadata".into(), what: "target folder".into() })
}

fn median(path: &Path) -> Result<f64, BenchError> {
    let shown = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| BenchError::Read { path: shown(), source })?;
    let estimates: Value = serde_json::from_str(&text).unwrap_or_default();
    let median = estimates["median"]["point_estimate"].as_f64();
    median.ok_or_else(|| BenchError::Silent { program: shown(), what: "median".into() })
}
