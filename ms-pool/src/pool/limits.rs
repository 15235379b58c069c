//! How many connections to one server, and how long things may take.

use std::num::NonZeroU32;
use std::time::Duration;

/// The section's `pool` key, resolved. The defaults are those of the documentation.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections in use and idle together. The short-lived one that sends `KILL` comes on top.
    pub(crate) max_connections: NonZeroU32,
    /// Kept open through quiet times, once there was a first use.
    pub(crate) min_idle: u32,
    /// Logins under way at the same time; a server that just came back must not be greeted by all at once.
    pub(crate) max_dialing: NonZeroU32,
    /// How long to wait for a slot.
    pub(crate) acquire_timeout: Duration,
    /// TCP, TLS, login and set-up together.
    pub(crate) connect_timeout: Duration,
    /// An idle connection is closed after this.
    pub(crate) idle_timeout: Option<Duration>,
    /// A connection is not used again after this.
    pub(crate) max_lifetime: Option<Duration>,
    /// Lifetimes are shortened by up to this share, so that connections of one start do not all end together.
    pub(crate) lifetime_jitter_percent: u8,
    /// Idle for longer than this: ask the server before trusting the connection. See [`trust`](Self::trust).
    pub(crate) verify_idle_after: Duration,
    /// Prepared statements kept per connection. Zero is possible and slow: sqlx then closes each statement with a
    /// message that has no answer, and without `TCP_NODELAY` the next one waits 40 ms behind it.
    pub(crate) statement_cache: usize,
    /// How long one statement may take.
    pub(crate) statement_timeout: Option<Duration>,
}

/// What a connection that has died unnoticed would cost the statement that finds out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stake {
    /// Nothing: it is sent again.
    #[default]
    Nothing,
    /// An error: nobody can tell whether it was executed.
    Failure,
}

/// A statement that would fail does not trust a connection for longer than this. Under load connections come back sooner and
/// nobody is asked; where they do not, one round trip more is not missed.
const TRUST_WITH_FAILURE: Duration = Duration::from_millis(100);

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: NonZeroU32::new(10).expect("10 is not 0"),
            min_idle: 0,
            max_dialing: NonZeroU32::new(4).expect("4 is not 0"),
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Some(Duration::from_secs(600)),
            max_lifetime: Some(Duration::from_secs(1800)),
            lifetime_jitter_percent: 15,
            verify_idle_after: Duration::from_secs(1),
            statement_cache: 256,
            statement_timeout: None,
        }
    }
}

impl Limits {
    /// How long a connection may have been idle without being asked whether it is alive.
    #[inline]
    pub(crate) fn trust(&self, stake: Stake) -> Duration {
        match stake {
            Stake::Nothing => self.verify_idle_after,
            Stake::Failure => self.verify_idle_after.min(TRUST_WITH_FAILURE),
        }
    }

    /// The life of one connection: `dice` is uniform in `0.0..1.0`.
    pub(crate) fn lifetime(&self, dice: f64) -> Option<Duration> {
        let share = f64::from(self.lifetime_jitter_percent.min(100)) / 100.0 * dice;
        self.max_lifetime.map(|it| it.mul_f64(1.0 - share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_shortened_by_at_most_the_jitter() {
        check(Some(1800), 15, 0.0, Some(1800));
        check(Some(1800), 15, 1.0, Some(1530));
        check(Some(100), 100, 1.0, Some(0));
        check(Some(100), 255, 0.5, Some(50));
        check(None, 15, 0.5, None);
    }

    #[test]
    fn who_has_something_to_lose_trusts_less() {
        let trust = |verify_idle_after, stake| Limits { verify_idle_after, ..Limits::default() }.trust(stake);
        let [never, short, long] = [0, 50, 5_000].map(Duration::from_millis);
        assert_eq!([never, short, long].map(|it| trust(it, Stake::Nothing)), [never, short, long]);
        assert_eq!([never, short, long].map(|it| trust(it, Stake::Failure)), [never, short, TRUST_WITH_FAILURE]);
    }

    #[track_caller]
    fn check(max_lifetime: Option<u64>, lifetime_jitter_percent: u8, dice: f64, expected: Option<u64>) {
        let max_lifetime = max_lifetime.map(Duration::from_secs);
        let limits = Limits { max_lifetime, lifetime_jitter_percent, ..Limits::default() };
        assert_eq!(limits.lifetime(dice), expected.map(Duration::from_secs));
    }
}
