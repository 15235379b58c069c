//! All results in one table, what was not tested, and one line to count by.

use std::{io, process::ExitCode, time::Duration};

use xtask::provision::Flavor;

use super::report::Report;
use crate::screen::{Column, Screen, failures, text};

/// What one test program did on one flavour, or without servers.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) flavor: Option<Flavor>,
    pub(super) suite: String,
    pub(super) report: Report,
    pub(super) took: Duration,
}

/// Everything that was run, and what was not.
#[derive(Debug, Default)]
pub(super) struct Summary {
    rows: Vec<Row>,
    /// Flavours that cannot be had, and why.
    untested: Vec<(Flavor, String)>,
}

impl Summary {
    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(super) fn untested(&mut self, flavor: Flavor, why: String) {
        self.untested.push((flavor, why));
    }

    /// Whether this is a success where so many flavours were asked for: without one of two there is still something proven.
    fn is_good(&self, wanted: usize) -> bool {
        self.failed() == 0 && self.untested.len() < wanted
    }

    fn passed(&self) -> u64 {
        self.rows.iter().map(|it| it.report.passed).sum()
    }

    fn failed(&self) -> u64 {
        self.rows.iter().map(|it| it.report.failed()).sum()
    }

    /// Shows it all; the last line is `N passed, N failed`.
    pub(super) fn print(&self, wanted: usize, screen: &mut Screen) -> io::Result<ExitCode> {
        screen.heading("Tests")?;
        let rows = self.rows.iter().filter(|it| !it.report.is_empty()).map(|it| {
            [
                text(it.flavor.map_or_else(|| "no server".to_owned(), |it| it.to_string())),
                text(&it.suite),
                text(it.report.passed.to_string()),
                failures(it.report.failed()),
                text(format!("{:.1}", it.took.as_secs_f32())),
            ]
        });
        let [passed, failed, seconds] = ["passed", "failed", "seconds"].map(Column::Number);
        screen.table([Column::Name("servers"), Column::Text("suite"), passed, failed, seconds], rows)?;
        for it in &self.rows {
            let place = it.flavor.map_or_else(|| it.suite.clone(), |flavor| format!("{flavor}: {}", it.suite));
            for failure in it.report.failures.iter().map(String::as_str).chain(it.report.why_broken()) {
                screen.alarm(&format!("failed: {place}: {failure}"))?;
            }
        }
        for (flavor, why) in &self.untested {
            let word = flavor.to_string().to_uppercase();
            screen.alarm(&format!("{word} WAS NOT TESTED: {why}"))?;
        }
        screen.line(&format!("{} passed, {} failed", self.passed(), self.failed()))?;
        Ok(if self.is_good(wanted) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_fails_the_run() {
        check(&[(3, 0), (5, 1)], 0, 2, false);
        check(&[(3, 0), (5, 0)], 0, 2, true);
    }

    #[test]
    fn one_missing_flavour_of_two_is_forgiven() {
        check(&[(3, 0)], 1, 2, true);
        check(&[(3, 0)], 2, 2, false);
        check(&[(3, 0)], 1, 1, false);
    }

    #[track_caller]
    fn check(results: &[(u64, u64)], missing: usize, wanted: usize, good: bool) {
        let mut summary = Summary::default();
        for &(passed, failed) in results {
            let report = Report::counting(passed, failed);
            summary.add(Row { flavor: None, suite: "s".to_owned(), report, took: Duration::ZERO });
        }
        Flavor::ALL.iter().take(missing).for_each(|it| summary.untested(*it, String::new()));
        assert_eq!(summary.is_good(wanted), good, "{results:?}, {missing} of {wanted} missing");
    }
}
