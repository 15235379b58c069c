//! Verdicts, for people and for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    exit::Exit,
    out::{BAD, BOLD, DIM, GOOD, NOTABLE, Out},
};

use super::{
    baseline::Baseline,
    play::{Failure, Verdict},
};

/// Longer texts are cut: a row of a large result helps nobody.
const SHOWN: usize = 600;

/// One scenario that was run.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) verdict: Verdict,
    pub(crate) elapsed: Duration,
}

/// Prints verdicts as they come, and counts them.
pub(crate) struct Report<'r> {
    out: &'r mut Out,
    baseline: Option<&'r Baseline>,
    json: bool,
    verbose: bool,
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Passed although the baseline names them.
    better: Vec<String>,
    /// Failed although it does not.
    worse: usize,
}

impl<'r> Report<'r> {
    pub(crate) fn new(out: &'r mut Out, baseline: Option<&'r Baseline>, json: bool, verbose: bool) -> Self {
        Self { out, baseline, json, verbose, passed: 0, failed: 0, skipped: 0, better: Vec::new(), worse: 0 }
    }

    /// Takes one verdict.
    pub(crate) fn add(&mut self, ran: &Ran) -> io::Result<()> {
        let in_baseline = self.baseline.is_some_and(|it| it.names(&ran.name));
        match &ran.verdict {
            Verdict::Passed => {
                self.passed += 1;
                if in_baseline {
                    self.better.push(ran.name.clone());
                }
            }
            Verdict::Failed(_) => {
                self.failed += 1;
                self.worse += usize::from(!in_baseline);
            }
            Verdict::Skipped(_) => self.skipped += 1,
        }
        if self.json {
            self.out.json(&as_json(ran))?;
        } else {
            self.print(ran, in_baseline)?;
        }
        // A run takes a while: what is known is shown.
        self.out.flush()
    }

    fn print(&mut self, ran: &Ran, in_baseline: bool) -> io::Result<()> {
        let Ran { name, file, verdict, elapsed } = ran;
        let ms = elapsed.as_millis();
        match verdict {
            Verdict::Passed if self.verbose => {
                writeln!(self.out, "{GOOD}passed{GOOD:#}  {name} {DIM}({file}, {ms} ms){DIM:#}")
            }
            Verdict::Skipped(why) if self.verbose => {
                writeln!(self.out, "{NOTABLE}skipped{NOTABLE:#} {name} {DIM}({file}){DIM:#}: {why}")
            }
            // What was expected needs no attention.
            Verdict::Failed(failure) if !in_baseline || self.verbose => {
                let word = if in_baseline { "failed as expected" } else { "failed" };
                writeln!(self.out, "{BAD}{word}{BAD:#}  {BOLD}{name}{BOLD:#} {DIM}({file}, {ms} ms){DIM:#}")?;
                let Failure { step, expected, got } = failure;
                writeln!(self.out, "  {}\n    expected: {}\n    got:      {}", cut(step), cut(expected), cut(got))
            }
            _ => Ok(()),
        }
    }

    /// The last line, and how it all ended.
    pub(crate) fn finish(self) -> io::Result<Exit> {
        let Self { out, baseline, json, passed, failed, skipped, better, worse, .. } = self;
        let good = match baseline {
            None => failed == 0,
            Some(_) => worse == 0 && better.is_empty(),
        };
        if json {
            out.json(&json!({"passed": passed, "failed": failed, "skipped": skipped, "unexpectedly_passed": better}))?;
        } else {
            for name in &better {
                writeln!(out, "{NOTABLE}passed although the baseline names it:{NOTABLE:#} {name}")?;
            }
            if baseline.is_some() && worse < failed {
                writeln!(out, "{} of the failures are in the baseline", failed - worse)?;
            }
            writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")?;
        }
        Ok(if good { Exit::Ok } else { Exit::Findings })
    }
}

fn as_json(ran: &Ran) -> Value {
    let status = match &ran.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed(_) => "failed",
        Verdict::Skipped(_) => "skipped",
    };
    let ms = u64::try_from(ran.elapsed.as_millis()).unwrap_or(u64::MAX);
    let mut object = json!({"name": ran.name, "file": ran.file, "status": status, "elapsed_ms": ms});
    match &ran.verdict {
        Verdict::Failed(Failure { step, expected, got }) => {
            object["step"] = json!(step);
            object["expected"] = json!(expected);
            object["got"] = json!(got);
        }
        Verdict::Skipped(why) => object["why"] = json!(why),
        Verdict::Passed => {}
    }
    object
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
