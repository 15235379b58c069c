//! What the process remembers of a server that could not be reached.
//!
//! A dead server that refuses connects costs a statement a millisecond, a silent one a connect timeout; and every statement
//! that draws it pays again. So the first failure is remembered for all: until its time is over nobody is sent there. Then
//! exactly one statement may try (the circuit is *half open*), while the others go on avoiding it. If the try fails the
//! next time is twice as long, up to a minute; if it succeeds, everything is forgotten.
//!
//! ```text
//!            failed                  time is over, admitted
//!   reached ────────► avoided until t ─────────────────────► on trial, avoided until t'
//!      ▲                    ▲                                   │        │
//!      │                    └── failed: twice as long ──────────┤        └─ t' is over: the trial was forgotten,
//!      └───────────────────────────── reached ──────────────────┘           somebody else is admitted
//! ```
//!
//! It is one word, so that a decision costs one load while all is well; no clock is read and no lock is held for it. The time
//! and the dice are arguments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// However often it fails, a server is tried again after that long (unless the first time was longer).
const LONGEST: Duration = Duration::from_secs(60);
/// By which part a time may be longer than asked for, so that processes that lost a server together do not come back together.
const JITTER: f64 = 0.2;

/// The memory of one server. Times are since a moment that the owner chooses.
#[derive(Debug, Default)]
pub(super) struct Outage(AtomicU64);

/// The word, taken apart; all zero is "never failed, or reached since".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// Failures in a row; stops at 255.
    failures: u8,
    /// Somebody was admitted to try.
    on_trial: bool,
    /// In milliseconds; 2^55 of them are a million years.
    until: u64,
}

/// Whether a server may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Nothing is known against it.
    Open,
    /// It is this statement's turn to find out.
    Trial(Ticket),
    /// Leave it alone.
    Closed,
}

/// One trial, to be given back when nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Outage {
    /// Whether nothing is known against the server.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether statements are to go elsewhere at `now`.
    pub(super) fn avoids(&self, now: Duration) -> bool {
        self.state().avoids(millis(now))
    }

    /// Failures in a row, and how long the server is avoided from `now` on.
    pub(super) fn look(&self, now: Duration) -> Option<(u8, Duration)> {
        let state = self.state();
        let left = Duration::from_millis(state.until.saturating_sub(millis(now)));
        (state.failures > 0).then_some((state.failures, left))
    }

    /// Asks to connect at `now`. A trial ends by [`reached`](Self::reached), [`failed`](Self::failed),
    /// [`give_back`](Self::give_back), or by itself after `limit`.
    pub(super) fn admit(&self, now: Duration, limit: Duration) -> Admission {
        let before = self.0.load(Ordering::Relaxed);
        let state = State::unpack(before);
        if state.failures == 0 {
            return Admission::Open;
        }
        if state.avoids(millis(now)) {
            return Admission::Closed;
        }
        let trial = State { on_trial: true, until: millis(now + limit), ..state }.pack();
        // Of all that come at the same time one wins.
        match self.0.compare_exchange(before, trial, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Admission::Trial(Ticket(trial)),
            Err(_) => Admission::Closed,
        }
    }

    /// A trial ended without an answer: the next statement may have it.
    pub(super) fn give_back(&self, ticket: Ticket) {
        let due = State { on_trial: false, until: 0, ..State::unpack(ticket.0) }.pack();
        // It may have ended meanwhile.
        let _ = self.0.compare_exchange(ticket.0, due, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A connect failed at `now`. `retry_after` is the first time's length, `dice` uniform in `0.0..1.0`; true if this is
    /// news.
    pub(super) fn failed(&self, now: Duration, retry_after: Duration, dice: f64) -> bool {
        let failed = |word| Some(State::unpack(word).failed(millis(now), retry_after, dice)?.pack());
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, failed).is_ok()
    }

    /// A connect succeeded.
    pub(super) fn reached(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn state(&self) -> State {
        State::unpack(self.0.load(Ordering::Relaxed))
    }
}

impl State {
    fn avoids(self, now: u64) -> bool {
        self.failures > 0 && now < self.until
    }

    /// `None` if that was known: many connects fail together, and that is one failure.
    fn failed(self, now: u64, retry_after: Duration, dice: f64) -> Option<Self> {
        if self.avoids(now) && !self.on_trial {
            return None;
        }
        let doublings = u32::from(self.failures).min(16);
        let time = retry_after.saturating_mul(1 << doublings).min(LONGEST.max(retry_after));
        let until = now + millis(time.mul_f64(1.0 + JITTER * dice));
        Some(Self { failures: self.failures.saturating_add(1), on_trial: false, until })
    }

    fn pack(self) -> u64 {
        self.until << 9 | u64::from(self.on_trial) << 8 | u64::from(self.failures)
    }

    fn unpack(word: u64) -> Self {
        Self { failures: (word & 0xff) as u8, on_trial: word & 0x100 != 0, until: word >> 9 }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX) & (u64::MAX >> 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const RETRY_AFTER: Duration = ms(10_000);
    const LIMIT: Duration = ms(5_000);

    /// What happens to a server, one line each: `TIME EVENT -> ANSWER`, in seconds.
    #[track_caller]
    fn check(story: &[(f64, Event, Answer)]) {
        let outage = Outage::default();
        let mut ticket = None;
        for (row, (at, event, expected)) in story.iter().enumerate() {
            let now = Duration::from_secs_f64(*at);
            match event {
                Event::Ask => {}
                Event::Fails => _ = outage.failed(now, RETRY_AFTER, 0.0),
                Event::Answers => outage.reached(),
                Event::GivesBack => outage.give_back(ticket.take().expect("a trial")),
            }
            let got = match event {
                Event::Ask => match outage.admit(now, LIMIT) {
                    Admission::Open => Answer::Open,
                    Admission::Closed => Answer::Closed,
                    Admission::Trial(it) => {
                        ticket = Some(it);
                        Answer::Trial
                    }
                },
                _ => outage.look(now).map_or(Answer::Known(0, 0), |(failures, left)| {
                    Answer::Known(failures, left.as_millis().try_into().unwrap())
                }),
            };
            assert_eq!(got, *expected, "row {row}");
            assert_eq!(outage.is_over(), outage.look(now).is_none(), "row {row}");
        }
    }

    #[derive(Debug)]
    enum Event {
        Ask,
        Fails,
        Answers,
        GivesBack,
    }

    #[derive(Debug, PartialEq)]
    enum Answer {
        Open,
        Trial,
        Closed,
        /// Failures, and milliseconds left.
        Known(u8, u32),
    }

    use Answer::{Closed, Known, Open, Trial};
    use Event::{Answers, Ask, Fails, GivesBack};

    #[test]
    fn a_server_is_avoided_for_its_time_and_then_tried_by_one() {
        check(&[
            (0.0, Ask, Open),
            (1.0, Fails, Known(1, 10_000)),
            (1.0, Ask, Closed),
            (10.9, Ask, Closed),
            (11.0, Ask, Trial),
            (11.0, Ask, Closed),
            (11.5, Ask, Closed),
            (11.9, Answers, Known(0, 0)),
            (11.9, Ask, Open),
        ]);
    }

    #[test]
    fn each_trial_that_fails_doubles_the_time_up_to_a_minute() {
        check(&[
            (0.0, Fails, Known(1, 10_000)),
            (10.0, Ask, Trial),
            (11.0, Fails, Known(2, 20_000)),
            (31.0, Ask, Trial),
            (31.0, Fails, Known(3, 40_000)),
            (71.0, Ask, Trial),
            (71.0, Fails, Known(4, 60_000)),
            (131.0, Ask, Trial),
            (131.0, Fails, Known(5, 60_000)),
            (191.0, Ask, Trial),
            (191.5, Answers, Known(0, 0)),
            // All is forgotten.
            (200.0, Fails, Known(1, 10_000)),
        ]);
    }

    #[test]
    fn connects_that_fail_together_are_one_failure() {
        check(&[
            (0.0, Fails, Known(1, 10_000)),
            (0.1, Fails, Known(1, 9_900)),
            (9.0, Fails, Known(1, 1_000)),
            (10.0, Ask, Trial),
            // Somebody for whom there was no other server; the trial's own failure adds nothing.
            (10.5, Fails, Known(2, 20_000)),
            (11.0, Fails, Known(2, 19_500)),
            // Late, without a trial.
            (40.0, Fails, Known(3, 40_000)),
        ]);
    }

    #[test]
    fn a_trial_that_comes_to_nothing_is_the_next_ones() {
        check(&[
            (0.0, Fails, Known(1, 10_000)),
            (10.0, Ask, Trial),
            (10.5, GivesBack, Known(1, 0)),
            (10.5, Ask, Trial),
            (10.5, Ask, Closed),
            // This one is never heard of again.
            (15.4, Ask, Closed),
            (15.5, Ask, Trial),
            (16.0, Fails, Known(2, 20_000)),
            (16.0, GivesBack, Known(2, 20_000)),
        ]);
    }

    #[test]
    fn a_time_is_up_to_a_fifth_longer_than_asked_for() {
        check_time(10, 0, 0.0, 10_000);
        check_time(10, 0, 0.5, 11_000);
        check_time(10, 0, 1.0, 12_000);
        check_time(10, 2, 1.0, 48_000);
        check_time(10, 200, 1.0, 72_000);
        check_time(1, 255, 0.0, 60_000);
        // Whoever asks for more than a minute gets it.
        check_time(3600, 0, 0.0, 3_600_000);
        check_time(3600, 9, 0.0, 3_600_000);
    }

    #[track_caller]
    fn check_time(retry_after: u64, failures: u8, dice: f64, expected: u64) {
        let before = State { failures, on_trial: false, until: 0 };
        let after = before.failed(7, Duration::from_secs(retry_after), dice).unwrap();
        assert_eq!((after.until - 7, after.failures), (expected, failures.saturating_add(1)));
        assert_eq!(State::unpack(after.pack()), after);
    }

    #[test]
    fn of_many_at_once_one_is_admitted() {
        let outage = Outage::default();
        outage.failed(ms(0), RETRY_AFTER, 0.0);
        let admitted = std::thread::scope(|scope| {
            let ask = || matches!(outage.admit(ms(10_000), LIMIT), Admission::Trial(_));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).filter(|it| *it).count()
        });
        assert_eq!(admitted, 1);
    }
}
