//! What a cluster knows of its replicas' lag, and when it asks.
//!
//! Nobody asks on a schedule. A statement with a bound looks here: what was seen, made worse by its age, is the lag it goes by. A
//! replica that trailed by two seconds half a second ago may trail by two and a half now, and by more than that it cannot.
//!
//! - What is of use is used at once. When a good part of its time is over, the next one is asked for on the side.
//! - What would be of use if it were younger is waited for, which takes a round trip.
//! - Bad news (a stopped thread, too great a lag) sends the statement elsewhere, and something better is looked for on the side.
//!
//! One asking per replica is under way at a time, whoever wants to know. How often there may be one is for the [`Pace`] to say,
//! and where it does not allow one, the replica counts as stale.
//!
//! What was seen is filed under the identity and the run of the server that said it, so that it is nothing to a server that was
//! restarted or has taken another one's place.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ms_filters::ServerIx;
use ms_gtid::replica::{Behind, Heartbeat, Lag};
use tokio::{sync::Notify, time::Instant};

use super::{
    pace::{Cost, Pace, refresh_after},
    source::Source,
};
use crate::probe::{Identity, ServerKey};

/// What is of use where nobody says what is.
pub(super) const USEFUL: Duration = Duration::from_secs(10);

/// The lags of a cluster's servers.
pub(crate) struct Lags {
    /// Asked in place of the server's own idea.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// What replicas are compared with that say that they lack nothing.
    pub(super) source: Source,
    /// What times count from.
    born: Instant,
    /// By [`ServerIx`].
    trails: Box<[Arc<Trail>]>,
}

/// One server's.
pub(super) struct Trail {
    state: Mutex<State>,
    /// Wakes who waits for the asking under way.
    answered: Notify,
}

struct State {
    sighting: Option<Sighting>,
    asking: bool,
    pace: Pace,
    /// The trouble that was warned of last.
    said: Option<String>,
    /// A server that does not tell microseconds.
    coarse: Option<ServerKey>,
}

/// What was seen.
struct Sighting {
    identity: Arc<Identity>,
    lag: Lag,
    /// Before it was asked for: since then it cannot have become worse by more than the time that has passed.
    at: Instant,
    /// When the next one is due, in parts of the time that this one is of use.
    random: f64,
}

/// What a statement is to do about one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// It trails by no more than this.
    pub(super) bound: Option<Duration>,
    /// Whether somebody is to ask.
    pub(super) ask: Ask,
}

/// Whether a replica is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    No,
    /// And nobody waits for it.
    Aside,
    /// It may be the only one that will do.
    Wait,
}

impl Lags {
    pub(crate) fn new(servers: usize, heartbeat: Option<Heartbeat>, max_per_second: NonZeroU32) -> Self {
        let trail = |_| {
            let pace = Pace::new(max_per_second);
            let state = State { sighting: None, asking: false, pace, said: None, coarse: None };
            Arc::new(Trail { state: Mutex::new(state), answered: Notify::new() })
        };
        Self { heartbeat, source: Source::default(), born: Instant::now(), trails: (0..servers).map(trail).collect() }
    }

    pub(super) fn trail(&self, server: ServerIx) -> &Arc<Trail> {
        &self.trails[server.index()]
    }

    /// What is known for a statement that takes a lag below `within`.
    pub(super) fn look(&self, server: ServerIx, within: Option<Duration>, now: Instant) -> Look {
        let state = self.trail(server).state();
        let found = look(state.sighting.as_ref(), within.unwrap_or(USEFUL), now);
        match found.ask {
            // Somebody else has asked already, and will be answered.
            Ask::Wait if state.asking => found,
            Ask::No => found,
            _ if state.asking || !state.pace.is_due(now - self.born) => Look { ask: Ask::No, ..found },
            _ => found,
        }
    }

    /// Whether what was seen of `server` was said by the server that a connection leads to.
    pub(super) fn is_of(&self, server: ServerIx, identity: &Identity) -> bool {
        self.trail(server).state().sighting.as_ref().is_some_and(|it| it.identity.is_same_run(identity))
    }

    /// Forgets what another server has said.
    pub(super) fn forget(&self, server: ServerIx) {
        self.trail(server).state().sighting = None;
    }

    /// The right to ask, until dropped; `None` while somebody else has it, or when it is too early.
    pub(super) fn begin(&self, server: ServerIx) -> Option<Asking> {
        let trail = self.trail(server);
        let mut state = trail.state();
        if state.asking || !state.pace.is_due(self.born.elapsed()) {
            return None;
        }
        state.asking = true;
        drop(state);
        Some(Asking { trail: Arc::clone(trail), born: self.born })
    }
}

fn look(sighting: Option<&Sighting>, within: Duration, now: Instant) -> Look {
    let Some(Sighting { lag, at, random, .. }) = sighting else {
        return Look { bound: None, ask: Ask::Wait };
    };
    let Lag::Behind(behind) = lag else {
        return Look { bound: None, ask: Ask::Aside };
    };
    let age = now.saturating_duration_since(*at);
    let then = Behind::at_most(*behind);
    let bound = then.saturating_add(age);
    let Some(useful) = within.checked_sub(then).filter(|it| !it.is_zero()) else {
        // It was too far behind for this statement when it was seen.
        return Look { bound: Some(bound), ask: Ask::Aside };
    };
    let ask = match age {
        _ if bound >= within => Ask::Wait,
        _ if age > refresh_after(useful, *random) => Ask::Aside,
        _ => Ask::No,
    };
    Look { bound: Some(bound), ask }
}

impl Trail {
    /// A future that ends with the asking under way; made before looking, it misses none.
    pub(super) fn answered(&self) -> tokio::sync::futures::Notified<'_> {
        self.answered.notified()
    }

    pub(super) fn is_asking(&self) -> bool {
        self.state().asking
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An asking under way.
pub(super) struct Asking {
    trail: Arc<Trail>,
    born: Instant,
}

impl Asking {
    /// Whether the server's count of askings is to be read as well.
    pub(super) fn counts(&self) -> bool {
        self.trail.state().pace.counts()
    }

    pub(super) fn count(&self, count: u64, cost: Cost) {
        let now = self.born.elapsed();
        self.trail.state().pace.count(count, now, cost);
    }

    /// Whether the server may know microseconds.
    pub(super) fn may_refine(&self, identity: &Identity) -> bool {
        self.trail.state().coarse.as_ref() != Some(&identity.key)
    }

    /// It does not.
    pub(super) fn is_coarse(&self, identity: &Identity) {
        self.trail.state().coarse = Some(identity.key.clone());
    }

    /// The server was asked at `at` and has said this. Returns the trouble, if nobody was told of it yet.
    pub(super) fn learn(&self, identity: &Arc<Identity>, lag: Lag, at: Instant, cost: Cost) -> Option<String> {
        let now = self.born.elapsed();
        let mut state = self.trail.state();
        state.pace.asked(now, cost, fastrand::f64());
        let trouble = match &lag {
            Lag::Behind(_) => None,
            trouble => {
                state.pace.learned_nothing(now);
                Some(trouble.to_string())
            }
        };
        state.sighting = Some(Sighting { identity: Arc::clone(identity), lag, at, random: fastrand::f64() });
        state.news(trouble)
    }

    /// There was no answer. What was seen before goes on growing old.
    pub(super) fn failed(&self, trouble: String, pause: Duration) -> Option<String> {
        let now = self.born.elapsed();
        let mut state = self.trail.state();
        state.pace.asked(now, Cost::One, fastrand::f64());
        state.pace.rest(now, pause);
        state.news(Some(trouble))
    }
}

impl State {
    fn news(&mut self, trouble: Option<String>) -> Option<String> {
        if self.said == trouble {
            return None;
        }
        self.said.clone_from(&trouble);
        trouble
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.trail.state().asking = false;
        self.trail.answered.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is made of a lag that was seen `age` ago, for a statement that takes less than five seconds.
    #[track_caller]
    fn check(lag: Lag, age: Duration, bound: Option<Duration>, ask: Ask) {
        let now = Instant::now() + 100 * SECOND;
        let identity = Arc::new(Identity::example("a", 1, None));
        let sighting = Sighting { identity, lag, at: now - age, random: 0.5 };
        assert_eq!(look(Some(&sighting), 5 * SECOND, now), Look { bound, ask });
    }

    fn behind(lag: Duration, rounding: Duration) -> Lag {
        Lag::Behind(Behind { lag, rounding })
    }

    #[test]
    fn a_lag_grows_with_the_age_of_its_evidence() {
        check(behind(SECOND, Duration::ZERO), SECOND, Some(2 * SECOND), Ask::No);
        check(behind(Duration::ZERO, 2 * SECOND), SECOND / 2, Some(SECOND * 5 / 2), Ask::No);
        assert_eq!(look(None, SECOND, Instant::now()), Look { bound: None, ask: Ask::Wait });
    }

    #[test]
    fn another_one_is_asked_for_before_it_is_too_old() {
        check(behind(Duration::ZERO, Duration::ZERO), 2 * SECOND, Some(2 * SECOND), Ask::No);
        check(behind(Duration::ZERO, Duration::ZERO), 4 * SECOND, Some(4 * SECOND), Ask::Aside);
        // There are three seconds in which it is of use.
        check(behind(2 * SECOND, Duration::ZERO), SECOND * 5 / 2, Some(SECOND * 9 / 2), Ask::Aside);
    }

    #[test]
    fn what_is_too_old_is_waited_for() {
        check(behind(Duration::ZERO, Duration::ZERO), 5 * SECOND, Some(5 * SECOND), Ask::Wait);
        check(behind(2 * SECOND, SECOND), 2 * SECOND, Some(5 * SECOND), Ask::Wait);
    }

    #[test]
    fn bad_news_is_not_waited_for() {
        check(behind(5 * SECOND, Duration::ZERO), Duration::ZERO, Some(5 * SECOND), Ask::Aside);
        check(behind(4 * SECOND, 2 * SECOND), 9 * SECOND, Some(15 * SECOND), Ask::Aside);
        check(Lag::NotReplica, Duration::ZERO, None, Ask::Aside);
        check(Lag::Unknown { channel: String::new() }, Duration::ZERO, None, Ask::Aside);
    }

    #[test]
    fn one_asks_at_a_time_and_in_time() {
        let lags = Lags::new(1, None, NonZeroU32::MIN);
        let server = ServerIx::new(0);
        let look = || lags.look(server, Some(SECOND), Instant::now());
        assert_eq!(look(), Look { bound: None, ask: Ask::Wait });
        let asking = lags.begin(server).unwrap();
        assert!(lags.begin(server).is_none());
        assert_eq!(look().ask, Ask::Wait, "for the one under way");
        let identity = Arc::new(Identity::example("a", 1, Some(SECOND)));
        assert_eq!(
            asking.learn(&identity, Lag::NotReplica, Instant::now(), Cost::One),
            Some(Lag::NotReplica.to_string())
        );
        assert_eq!(asking.learn(&identity, Lag::NotReplica, Instant::now(), Cost::One), None, "it was said");
        drop(asking);
        assert!(lags.begin(server).is_none(), "it is too early");
        assert_eq!(look(), Look { bound: None, ask: Ask::No });
    }

    #[test]
    fn another_run_of_the_server_has_said_nothing() {
        let lags = Lags::new(1, None, NonZeroU32::MIN);
        let server = ServerIx::new(0);
        let identity = |uuid: &str, uptime: u64| Identity::example(uuid, 1, Some(Duration::from_secs(uptime)));
        let seen = Arc::new(identity("a", 1000));
        lags.begin(server).unwrap().learn(&seen, behind(SECOND, SECOND), Instant::now(), Cost::One);
        assert!(lags.is_of(server, &identity("a", 1000)));
        assert!(!lags.is_of(server, &identity("a", 1)), "it was restarted");
        assert!(!lags.is_of(server, &identity("b", 1000)), "it is another one");
        lags.forget(server);
        assert!(!lags.is_of(server, &identity("a", 1000)));
    }
}
