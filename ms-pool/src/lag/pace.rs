//! How often a server is asked how far it trails.
//!
//! A process asks no more often than it has to: once in two thirds of the time that its answer is of use. But there may be a thousand
//! processes, and they know nothing of each other. The server does: it counts how often it was asked. Now and then a process reads
//! that number, and with it how often all of them together ask in a second. If that is twice as often as allowed, everybody makes its
//! own pause twice as long, and all of them arrive at what is allowed; if it is less, the pauses become shorter.
//!
//! Time is an argument here, so that the tests can have a thousand processes.

use std::{num::NonZeroU32, time::Duration};

/// So much of what is allowed is used, because everybody counts at another moment.
const SHARE: f64 = 0.6;
/// Every so many askings the server's count is read.
const COUNT_EVERY: u32 = 3;
/// A pause until the count was read twice.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longer pauses are of no use: others than this crate's processes do not give way.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A pause becomes shorter in steps: what looks like silence may be that the others have just asked.
const SHORTER: f64 = 0.7;
/// After an answer that is of no use, for it may have become better.
const PAUSE_AFTER_NOTHING: Duration = Duration::from_secs(1);

/// When one server may be asked again. Times are since a moment that the owner chooses.
#[derive(Debug)]
pub(super) struct Pace {
    /// Statements of this kind in a second, of all processes.
    allowed: f64,
    pause: Duration,
    next: Duration,
    counted: Option<(u64, Duration)>,
    /// Askings since the count was read.
    since: u32,
    /// How often all of them ask was found out.
    settled: bool,
}

/// What an asking cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// One statement.
    One,
    /// A second one, for the microseconds.
    Two,
}

impl Pace {
    pub(super) fn new(allowed: NonZeroU32) -> Self {
        let allowed = f64::from(allowed.get());
        Self { allowed, pause: FIRST_PAUSE, next: Duration::ZERO, counted: None, since: 0, settled: false }
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Whether the server's count is to be read with this asking.
    pub(super) fn counts(&self) -> bool {
        self.counted.is_none() || !self.settled || self.since >= COUNT_EVERY
    }

    /// The server says that it was asked so often since it started, this asking included.
    pub(super) fn count(&mut self, count: u64, now: Duration, cost: Cost) {
        self.since = 0;
        let Some((before, then)) = self.counted.replace((count, now)) else { return };
        let passed = now.saturating_sub(then).as_secs_f64();
        // A server that was restarted counts from the beginning.
        let Some(asked) = count.checked_sub(before) else { return };
        if passed > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "differences are small")]
            let rate = asked as f64 / passed;
            self.settled = true;
            self.pause = self.pause.mul_f64((rate / self.rate(cost)).clamp(SHORTER, 1000.0));
        }
    }

    /// It was asked; `random` is from 0 to 1.
    pub(super) fn asked(&mut self, now: Duration, cost: Cost, random: f64) {
        self.since += 1;
        let shortest = Duration::from_secs_f64(1.0 / self.rate(cost));
        self.pause = self.pause.clamp(shortest, LONGEST_PAUSE.max(shortest));
        // Who began together does not go on together.
        self.next = now + self.pause.mul_f64(0.75 + random / 2.0);
    }

    /// The answer was of no use, so asking again at once would be of none.
    pub(super) fn learned_nothing(&mut self, now: Duration) {
        self.next = self.next.max(now + PAUSE_AFTER_NOTHING);
    }

    /// There is no use in asking for some time.
    pub(super) fn rest(&mut self, now: Duration, pause: Duration) {
        self.next = self.next.max(now + pause);
    }

    /// Askings in a second that stay within what is allowed.
    fn rate(&self, cost: Cost) -> f64 {
        let statements = match cost {
            Cost::One => 1.0,
            Cost::Two => 2.0,
        };
        self.allowed * SHARE / (statements + 1.0 / f64::from(COUNT_EVERY))
    }
}

/// How old an answer becomes before there is another one, if it is of use for so long; `random` is from 0 to 1.
pub(super) fn refresh_after(useful: Duration, random: f64) -> Duration {
    useful.mul_f64(0.5 + 0.3 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    struct Process {
        pace: Pace,
        asked: Option<Duration>,
        again: Duration,
    }

    /// Statements in a second, after two minutes, at a server that `processes` ask whose statements allow an age of `age`; and the share
    /// of the time in which these had an answer that was of use.
    fn run(processes: usize, age: Duration, cost: Cost) -> (f64, f64) {
        let mut rng = fastrand::Rng::with_seed(7);
        let new = || Process { pace: Pace::new(NonZeroU32::new(5).unwrap()), asked: None, again: Duration::ZERO };
        let mut processes: Vec<_> = (0..processes).map(|_| new()).collect();
        let (mut count, mut statements, mut fit, mut looks) = (0_u64, 0_u32, 0_u32, 0_u32);
        let (warm, end) = (Duration::from_secs(120), Duration::from_secs(420));
        let mut now = Duration::ZERO;
        while now < end {
            for process in &mut processes {
                if now >= process.again && process.pace.is_due(now) {
                    count += 1;
                    let counts = process.pace.counts();
                    if counts {
                        process.pace.count(count, now, cost);
                    }
                    process.pace.asked(now, cost, rng.f64());
                    process.asked = Some(now);
                    process.again = now + refresh_after(age, rng.f64());
                    if now >= warm {
                        statements += 1 + u32::from(counts) + u32::from(cost == Cost::Two);
                    }
                }
                looks += 1;
                fit += u32::from(process.asked.is_some_and(|asked| now - asked <= age));
            }
            now += STEP;
        }
        (f64::from(statements) / (end - warm).as_secs_f64(), f64::from(fit) / f64::from(looks))
    }

    #[track_caller]
    fn check(processes: usize, age: Duration, cost: Cost, most: f64, fit: f64) {
        let (rate, was_fit) = run(processes, age, cost);
        assert!(rate < most, "{rate} statements per second");
        assert!(was_fit >= fit, "{was_fit} of the time");
    }

    #[test]
    fn one_process_always_knows() {
        for age in [1, 5, 60].map(Duration::from_secs) {
            check(1, age, Cost::One, 5.0, 0.99);
        }
        check(1, Duration::from_secs(2), Cost::Two, 5.0, 0.99);
    }

    #[test]
    fn a_hundred_processes_stay_within_what_is_allowed() {
        check(100, Duration::from_secs(60), Cost::One, 5.0, 0.95);
        check(100, Duration::from_secs(30), Cost::One, 5.0, 0.6);
        check(100, Duration::from_secs(5), Cost::One, 5.0, 0.1);
        check(100, Duration::from_secs(5), Cost::Two, 5.0, 0.05);
        check(100, Duration::from_secs(1), Cost::One, 5.0, 0.0);
    }

    #[test]
    fn a_thousand_are_not_a_thousand_statements_in_a_second() {
        // Not five: each of them hears of the others once in ten minutes.
        check(1000, Duration::from_secs(10), Cost::One, 12.0, 0.0);
    }

    #[test]
    fn a_restarted_server_counts_anew() {
        let mut pace = Pace::new(NonZeroU32::new(5).unwrap());
        pace.count(1000, Duration::from_secs(1), Cost::One);
        pace.count(3, Duration::from_secs(2), Cost::One);
        assert_eq!(pace.pause, FIRST_PAUSE);
        pace.count(103, Duration::from_secs(3), Cost::One);
        assert!(pace.pause > Duration::from_secs(30), "{:?}", pace.pause);
    }
}
