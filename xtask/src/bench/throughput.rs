//! Statements per second of this project's executors against sqlx's: `ms-pool/benches/throughput.rs`, and what to expect of it.

use std::path::Path;

use xtask::{cluster::Cluster, progress::Progress};

use super::{
    BenchError, Effort, beside, output,
    row::{Bar, Row, Unit},
};

/// Runs the bench and turns its ratios into rows.
pub(super) async fn measure(
    program: &Path,
    cluster: &Cluster,
    effort: Effort,
    progress: &Progress,
) -> Result<Vec<Row>, BenchError> {
    let step = progress.step("measuring statements per second");
    let mut command = beside(program, cluster);
    if effort == Effort::Quick {
        command.arg("--quick");
    }
    let printed = output(&mut command).await?;
    let rows: Vec<Row> = printed.lines().filter_map(row).collect();
    if rows.is_empty() {
        return Err(BenchError::Silent { program: "throughput".into(), what: "ratio".into() });
    }
    step.finish("measured statements per second");
    Ok(rows)
}

/// One line of the bench; `None` for what is not a ratio.
fn row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split('\t').collect();
    let ["ratio", tasks, work, executor, baseline, median, low, high] = *words.as_slice() else {
        return None;
    };
    // What a single task gains or loses is the server's and the scheduler's business as much as ours.
    let bar = match (tasks, baseline) {
        ("32", "connection") => Bar::AtLeast(0.95),
        ("32", "pool") if work.starts_with("one") => Bar::AtLeast(2.0),
        ("32", "pool") => Bar::AtLeast(1.8),
        _ => Bar::None,
    };
    let what = format!("throughput, {tasks} tasks, {work}: {executor} against {baseline}");
    let row = Row::new(what, median.parse().ok()?, Unit::Times, bar);
    Some(row.spread(low.parse().ok()?, high.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_become_rows() {
        check("ratio\t32\tone_text\tsession-strict\tconnection\t0.98\t0.9\t1.1", Some("≥ 0.95x"));
        check("ratio\t32\tone_text\tcluster-strict\tpool\t3\t2.9\t3.1", Some("≥ 2.00x"));
        check("ratio\t32\tkey_text\tcluster-strict\tpool\t3\t2.9\t3.1", Some("≥ 1.80x"));
        check("ratio\t1\tkey_text\tcluster-strict\tpool\t3\t2.9\t3.1", Some(""));
        check("rate\t1\tkey_text\tpool\t3000\t2900\t3100", None);
        check("ratio\t1\tkey_text\tpool\tpool\tmany\t1\t1", None);
    }

    #[track_caller]
    fn check(line: &str, bar: Option<&str>) {
        assert_eq!(row(line).map(|row| row.bar()).as_deref(), bar);
    }
}
