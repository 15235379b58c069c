//! How many reads a primary answers because no replica has caught up.
//!
//! Such a read is counted where it leaves the replicas, against the reads of the last seconds. Most statements only add one to a
//! number: the clock is looked at, and the window moved on, when a read is about to go to a primary. Then there are a few sums to
//! do; it has waited for replicas for longer than that.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ms_config::{BeyondBudget, PrimaryBudget};
use tokio::time::Instant;

use crate::{Cluster, Counter, Error, facts::Instead, session::Core};

/// What is recent.
const WINDOW: Duration = Duration::from_secs(10);
/// Reads within one are counted together.
const STEP: Duration = Duration::from_millis(500);
/// How often it is warned that more go to a primary than it should have to take.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The budget of a cluster.
pub(super) struct Budget {
    settings: PrimaryBudget,
    /// All reads so far.
    reads: AtomicU64,
    born: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    window: Window,
    warned: Option<Duration>,
}

/// The last seconds. Times are since a moment that the owner chooses.
#[derive(Default)]
struct Window {
    /// The first one may be older than the window; then it says how many reads there had been by then.
    steps: VecDeque<Step>,
}

struct Step {
    at: Duration,
    /// All reads so far when it began.
    reads: u64,
    /// Reads that went to a primary.
    spent: u64,
}

/// Counts a read.
#[inline]
pub(crate) fn note_read(cluster: &Cluster) {
    cluster.positions().budget.reads.fetch_add(1, Relaxed);
}

/// No replica has what the statement must see: decides what is to become of it, and counts that.
///
/// # Errors
///
/// [`Error::BudgetSpent`] when nothing is left of the budget and the caller prefers that.
pub(super) fn stand_in(cluster: &Cluster, core: &mut Core) -> Result<(), Error> {
    if core.facts.behind.is_some() {
        // The same statement, which was sent back because a server had changed.
        return Ok(());
    }
    let budget = &cluster.positions().budget;
    let beyond = core.beyond.unwrap_or(budget.settings.beyond);
    let within = budget.take(beyond);
    let (instead, counter) = match (within, beyond) {
        (true, _) => (Instead::Primary, Counter::BehindPrimary),
        (false, BeyondBudget::Stale) => (Instead::Stale, Counter::BehindStale),
        (false, BeyondBudget::Error) => {
            cluster.count(Counter::BehindRefused, 1);
            return Err(Error::BudgetSpent);
        }
        (false, _) => {
            cluster.count(Counter::BehindBeyond, 1);
            if budget.warns() {
                let PrimaryBudget { percent, floor_per_second, .. } = budget.settings;
                cluster.inner.hooks.warn(format!(
                    "no replica catches up in time, and more reads go to the primary than `primary_budget` allows ({percent} % of \
                     all reads and {floor_per_second} in a second)"
                ));
            }
            (Instead::Primary, Counter::BehindPrimary)
        }
    };
    cluster.count(counter, 1);
    core.facts.behind = Some(instead);
    Ok(())
}

impl Budget {
    pub(super) fn new(settings: PrimaryBudget) -> Self {
        Self { settings, reads: AtomicU64::new(0), born: Instant::now(), state: Mutex::default() }
    }

    /// Whether another read may go to a primary. It counts if it does, which it does also beyond the budget if nothing else
    /// was asked for.
    fn take(&self, beyond: BeyondBudget) -> bool {
        let (now, reads) = (self.born.elapsed(), self.reads.load(Relaxed));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let within = state.window.spent(now, reads) < self.allowed(state.window.reads(now, reads));
        if within || beyond == BeyondBudget::Primary {
            state.window.spend();
        }
        within
    }

    /// How many reads may go to a primary in a window with so many reads.
    fn allowed(&self, reads: u64) -> u64 {
        let floor = u64::from(self.settings.floor_per_second) * WINDOW.as_secs();
        reads * u64::from(self.settings.percent) / 100 + floor
    }

    /// Whether it is time to say that it is used up.
    fn warns(&self) -> bool {
        let now = self.born.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = state.warned.is_none_or(|before| now - before >= WARN_EVERY);
        if is_time {
            state.warned = Some(now);
        }
        is_time
    }
}

impl Window {
    /// Moves on; how many went to a primary within it.
    fn spent(&mut self, now: Duration, reads: u64) -> u64 {
        let start = now.saturating_sub(WINDOW);
        while self.steps.get(1).is_some_and(|second| second.at <= start) {
            self.steps.pop_front();
        }
        if self.steps.is_empty() {
            // Nobody has asked before, so all reads are those since the beginning.
            self.steps.push_back(Step { at: Duration::ZERO, reads: 0, spent: 0 });
        }
        if self.steps.back().is_none_or(|last| now.saturating_sub(last.at) >= STEP) {
            self.steps.push_back(Step { at: now, reads, spent: 0 });
        }
        // As many as the reads they are compared with.
        self.steps.iter().filter(|it| now.saturating_sub(it.at) <= WINDOW + STEP).map(|it| it.spent).sum()
    }

    /// How many reads there were within it. Where nobody has looked for longer than that, they are taken to have been even.
    fn reads(&self, now: Duration, reads: u64) -> u64 {
        let Some(first) = self.steps.front() else { return 0 };
        let (seen, over) = (reads.saturating_sub(first.reads), now.saturating_sub(first.at));
        if over <= WINDOW + STEP {
            return seen;
        }
        let even = u128::from(seen) * WINDOW.as_millis() / over.as_millis();
        u64::try_from(even).unwrap_or(seen)
    }

    /// One more goes to a primary.
    fn spend(&mut self) {
        if let Some(last) = self.steps.back_mut() {
            last.spent += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `reads` pass in each of so many seconds, all of which would go to a primary; how many did in each of them.
    fn run(percent: u8, floor_per_second: u32, reads_per_second: &[u64]) -> Vec<u64> {
        let mut settings = PrimaryBudget::default();
        (settings.percent, settings.floor_per_second) = (percent, floor_per_second);
        let budget = Budget::new(settings);
        let mut window = Window::default();
        let (mut now, mut all) = (Duration::ZERO, 0);
        let mut second = |reads: u64| {
            let mut went = 0;
            for _ in 0..reads {
                now += Duration::from_secs(1) / u32::try_from(reads).unwrap();
                all += 1;
                if window.spent(now, all) < budget.allowed(window.reads(now, all)) {
                    window.spend();
                    went += 1;
                }
            }
            if reads == 0 {
                now += Duration::from_secs(1);
            }
            went
        };
        reads_per_second.iter().map(|reads| second(*reads)).collect()
    }

    #[track_caller]
    fn check(percent: u8, floor: u32, reads: &[u64], seconds: std::ops::Range<usize>, expected: std::ops::Range<u64>) {
        let went = run(percent, floor, reads);
        let sum: u64 = went[seconds.clone()].iter().sum();
        assert!(expected.contains(&sum), "{sum} in seconds {seconds:?} of {went:?}");
    }

    #[test]
    fn a_part_of_the_recent_reads_may_go() {
        check(20, 0, &[100; 60], 0..60, 1150..1250);
        // At any time, and not only in the long run.
        check(20, 0, &[100; 60], 40..50, 180..230);
        check(0, 0, &[100; 20], 0..20, 0..1);
        check(100, 0, &[100; 20], 0..20, 1990..2001);
    }

    #[test]
    fn a_few_may_go_however_few_reads_there_are() {
        check(0, 1, &[3; 60], 0..60, 55..72);
        // The floor of a window may go at once.
        check(0, 1, &[50; 1], 0..1, 10..11);
    }

    #[test]
    fn what_was_long_ago_gives_no_right() {
        // A minute of many reads, then few.
        let mut reads = vec![1000; 60];
        reads.extend([10; 60]);
        check(20, 0, &reads, 80..120, 70..90);
        // Silence saves nothing up.
        let mut reads = vec![100; 20];
        reads.extend([0; 120]);
        reads.push(100);
        check(20, 0, &reads, 140..141, 0..40);
    }
}
