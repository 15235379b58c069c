//! What is being done, on standard error.
//!
//! On a terminal every running step is a line with a spinner or a bar, replaced by one line when it ends. In a pipe or a log it
//! is two plain lines, one when it starts and one when it ends. Standard output stays free for what the user asked for.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where steps are shown.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
    lines: Lines,
}

/// Who writes the lines that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// A terminal: bars come and go above them.
    BesideBars,
    /// A pipe or a file.
    Plain,
    /// Nobody.
    Off,
}

impl Progress {
    /// Shows steps on standard error, as bars where that is a terminal.
    #[must_use]
    pub fn stderr() -> Self {
        if io::stderr().is_terminal() {
            return Self { bars: MultiProgress::new(), lines: Lines::BesideBars };
        }
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), lines: Lines::Plain }
    }

    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), lines: Lines::Off }
    }

    /// Starts a step; it ends with [`Step::finish`], or without a word when it is dropped.
    #[must_use = "a dropped step disappears"]
    pub fn step(&self, text: impl Into<String>) -> Step {
        let text = text.into();
        if self.lines == Lines::Plain {
            self.line(&format!("{text} …"));
        }
        let bar = self.bars.add(ProgressBar::new_spinner().with_message(text));
        bar.set_style(style("{spinner} {msg}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        Step { progress: self.clone(), bar, started: Instant::now() }
    }

    /// Says something that stays on the screen.
    pub fn line(&self, text: &str) {
        match self.lines {
            // A closed standard error is no reason to stop.
            Lines::BesideBars => drop(self.bars.suspend(|| writeln!(io::stderr(), "{text}"))),
            Lines::Plain => drop(writeln!(io::stderr(), "{text}")),
            Lines::Off => {}
        }
    }
}

/// Something under way.
#[derive(Debug)]
#[must_use = "a dropped step disappears"]
pub struct Step {
    progress: Progress,
    bar: ProgressBar,
    started: Instant,
}

impl Step {
    /// So many bytes of so many are there.
    pub fn bytes(&self, done: u64, total: u64) {
        self.measure(done, total, "{spinner} {msg} [{bar:30}] {bytes}/{total_bytes}");
    }

    /// So many things of so many are done.
    pub fn count(&self, done: usize, total: usize) {
        self.measure(done as u64, total as u64, "{spinner} {msg} [{bar:30}] {pos}/{len}");
    }

    /// Ends the step; `text` stays, with the time it took.
    pub fn finish(self, text: &str) {
        let seconds = self.started.elapsed().as_secs_f32();
        self.bar.finish_and_clear();
        self.progress.line(&format!("{text} ({seconds:.1} s)"));
    }

    fn measure(&self, done: u64, total: u64, template: &str) {
        if self.bar.length() != Some(total) {
            self.bar.set_style(style(template));
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates are constants of this file");
    style.progress_chars("=> ")
}
