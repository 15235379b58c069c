//! What a test program said.
//!
//! The format is that of the standard test harness: a line for each test, what the failed ones printed, and a line
//! `test result:` at the end; `cargo test --doc` prints one such line for each crate. A program that ends without its line
//! (it was killed, or a test called `exit`) has failed, whatever its lines before said.

use std::{fmt::Write, process::Output};

/// How the reason of an ignored test ends that wants a cluster.
const WANTS_CLUSTER: &str = "cargo xtask test";

/// The result of one test program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) passed: u64,
    /// As counted by the program.
    failed: u64,
    ignored: u64,
    /// Why the program's own counts are not the whole truth.
    broken: Option<String>,
    /// The ignored tests that want a cluster.
    pub(super) needs_cluster: Vec<String>,
    /// The tests that failed, by their full names.
    pub(super) failures: Vec<String>,
    /// All that it wrote but its results, and the lines of tests that did not fail.
    details: String,
}

impl Report {
    /// Reads what a program wrote.
    pub(super) fn new(output: &Output) -> Self {
        let mut it = Self::read(&String::from_utf8_lossy(&output.stdout));
        if !output.status.success() && it.failed == 0 {
            it.broken = Some(format!("it ended with {}", output.status));
        }
        // Where the test programs are built by the same command, cargo's progress is here too, and after it what matters.
        it.details.push_str(&String::from_utf8_lossy(&output.stderr));
        it
    }

    /// For something that did not even get to its tests.
    pub(super) fn broken(why: impl Into<String>) -> Self {
        Self { broken: Some(why.into()), ..Self::default() }
    }

    /// For tests that are only counted.
    #[cfg(test)]
    pub(super) fn counting(passed: u64, failed: u64) -> Self {
        Self { passed, failed, ..Self::default() }
    }

    fn read(text: &str) -> Self {
        let mut it = Self::default();
        let mut has_result = false;
        for line in text.lines() {
            if let Some(counts) = Counts::parse(line) {
                has_result = true;
                it.passed += counts.passed;
                it.failed += counts.failed;
                it.ignored += counts.ignored;
                continue;
            }
            if let Some((name, outcome)) = test_line(line) {
                if outcome == "ok" {
                    continue;
                }
                if let Some(reason) = outcome.strip_prefix("ignored") {
                    if reason.ends_with(WANTS_CLUSTER) {
                        it.needs_cluster.push(name.to_owned());
                    }
                    continue;
                }
                if outcome == "FAILED" {
                    it.failures.push(name.to_owned());
                }
            }
            it.details.push_str(line);
            it.details.push('\n');
        }
        if !has_result {
            it.broken = Some("it gave no result".to_owned());
        }
        it
    }

    /// Failed tests; a program that broke counts as one more.
    pub(super) fn failed(&self) -> u64 {
        self.failed + u64::from(self.broken.is_some())
    }

    /// Whether there was nothing to run.
    pub(super) fn is_empty(&self) -> bool {
        self.passed == 0 && self.failed() == 0
    }

    /// Why the program failed as a whole.
    pub(super) fn why_broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The result in one line.
    pub(super) fn result(&self) -> String {
        let verdict = if self.failed() == 0 { "ok" } else { "FAILED" };
        let mut text = format!("test result: {verdict}. {} passed; {} failed", self.passed, self.failed);
        // A string takes everything.
        if self.ignored > 0 {
            let _ = write!(text, "; {} ignored", self.ignored);
        }
        if let Some(broken) = &self.broken {
            let _ = write!(text, "; {broken}");
        }
        text
    }

    /// What it wrote, without the lines of tests that did not fail.
    pub(super) fn details(&self) -> String {
        self.details.trim().to_owned()
    }
}

/// The numbers of a `test result:` line.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    fn parse(line: &str) -> Option<Self> {
        // At the start of a line only: a failed test may print one as a part of something else.
        let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            let part = numbers.split("; ").find_map(|it| it.trim().strip_suffix(word))?;
            part.trim_end().parse().ok()
        };
        Some(Self { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
    }
}

/// The name and the outcome in a line `test NAME ... OUTCOME`.
fn test_line(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name.strip_suffix(" - should panic").unwrap_or(name), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_counts_of_a_result() {
        let counts = |passed, failed, ignored| Some(Counts { passed, failed, ignored });
        let tail = "0 measured; 0 filtered out; finished in 0.00s";
        parses(&format!("test result: ok. 12 passed; 0 failed; 3 ignored; {tail}"), counts(12, 0, 3));
        parses(&format!("test result: FAILED. 1 passed; 2 failed; 0 ignored; {tail}"), counts(1, 2, 0));
        parses(&format!("  left: \"test result: ok. 1 passed; 0 failed; 0 ignored; {tail}\""), None);
        parses("test result: ok. some passed; 0 failed; 0 ignored", None);
        parses("test results are in the table", None);
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "rows are values")]
    fn parses(line: &str, expected: Option<Counts>) {
        assert_eq!(Counts::parse(line), expected, "for `{line}`");
    }

    #[test]
    fn adds_up_several_results() {
        let text = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured\n";
        let report = Report::read(text);
        assert_eq!((report.passed, report.failed(), report.ignored), (5, 4, 1));
    }

    #[test]
    fn knows_the_tests_that_want_a_cluster() {
        let text = "test a::b ... ignored, needs a cluster: cargo xtask test\n\
                    test c ... ignored, prints a measurement\n\
                    test d ... ignored\n\
                    test e ... ok\n\
                    test f - should panic ... ok\n\
                    test result: ok. 2 passed; 0 failed; 3 ignored; 0 measured\n";
        let report = Report::read(text);
        assert_eq!(report.needs_cluster, ["a::b"]);
        assert_eq!(report.details(), "");
    }

    #[test]
    fn keeps_the_name_of_a_failed_test_and_what_it_printed() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nassertion\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
        let report = Report::read(text);
        assert_eq!(report.failures, ["b"]);
        let details = report.details();
        assert!(details.contains("assertion") && details.contains("test b ... FAILED"), "{details}");
        assert!(!details.contains("test a"), "{details}");
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        let report = Report::read("running 1 test\nsegmentation fault\n");
        assert_eq!((report.passed, report.failed()), (0, 1));
        assert_eq!(report.result(), "test result: FAILED. 0 passed; 0 failed; it gave no result");
    }
}
