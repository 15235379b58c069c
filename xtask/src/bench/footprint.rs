//! Bytes of an idle session and milliseconds of a large cluster, as the tests in `ms-pool/tests/footprint.rs` print them.

use xtask::progress::Progress;

use super::{
    BenchError, cargo_command, output,
    row::{Bar, Row, Unit},
};

/// Runs the tests, optimised, and reads their numbers.
pub(super) async fn measure(progress: &Progress) -> Result<Vec<Row>, BenchError> {
    let step = progress.step("measuring sessions and large clusters");
    let mut command = cargo_command();
    command.args([
        "test",
        "--quiet",
        "--profile",
        "bench",
        "-p",
        "ms-pool",
        "--test",
        "footprint",
        "--",
        "--nocapture",
    ]);
    command.arg("--test-threads=1");
    let printed = output(&mut command).await?;
    let rows: Vec<Row> = printed.lines().filter_map(row).collect();
    if rows.is_empty() {
        return Err(BenchError::Silent { program: "footprint".into(), what: "number".into() });
    }
    step.finish("measured sessions and large clusters");
    Ok(rows)
}

fn row(line: &str) -> Option<Row> {
    if let Some(at) = line.find("a session that ") {
        let (what, sizes) = line[at..].split_once(": ")?;
        let (own, heap) = sizes.strip_suffix(" on the heap")?.split_once(" bytes and ")?;
        let bytes = own.parse::<f64>().ok()? + heap.parse::<f64>().ok()?;
        return Some(Row::new(what, bytes, Unit::Bytes, Bar::AtMost(1023.0)));
    }
    let (_, time) = line.split_once("1,000 servers: ")?;
    let (median, _) = time.split_once(' ')?;
    Some(Row::new("a cluster of 1,000 servers is built", nanoseconds(median)?, Unit::Nanoseconds, Bar::AtMost(50e6)))
}

/// Reads a duration as the standard library writes it.
fn nanoseconds(text: &str) -> Option<f64> {
    let units = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tests_become_rows() {
        check("a session that did nothing: 400 bytes and 100 on the heap", Some("500 bytes"));
        check(".a session that did nothing: 400 bytes and 100 on the heap", Some("500 bytes"));
        check("1,000 servers: 12.5ms (best 12ms)", Some("12.5 ms"));
        check("1,000 servers: 912.5µs (best 9µs)", Some("912.5 µs"));
        check("running 3 tests", None);
    }

    #[track_caller]
    fn check(line: &str, measured: Option<&str>) {
        assert_eq!(row(line).map(|row| row.measured()).as_deref(), measured);
    }
}
