//! What the primary had, and when: the proof that a replica lacks nothing.
//!
//! A replica that has applied all that it received says that it trails by nothing. It cannot know what it was not sent: a receiver
//! that has just connected says the same before it gets the first of what it missed, and one whose source hangs goes on saying it for a
//! minute. So that word is not taken. The primary is asked what it has, and then the replica; if the replica has all of that, it trails
//! by no more than the time since the primary was asked.
//!
//! Where there is one to ask and it counts its transactions: with several primaries, or with `gtid_mode` off, the word has to do.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ms_filters::Role;
use ms_gtid::{
    Coverage, Evidence, Position,
    replica::{Lag, StatusQuery},
};
use tokio::time::Instant;

use super::ask::{first, with};
use crate::{Cluster, Counter, error::code, pool::Lease, probe::ServerKey};

/// How long a connection to the primary is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Older moments prove less than anybody wants to know.
const KEPT: usize = 8;

/// What the primary was seen to have.
#[derive(Default)]
pub(crate) struct Source {
    seen: Mutex<VecDeque<Seen>>,
    /// Whoever asks; the others wait and then mostly have nothing left to ask.
    asking: tokio::sync::Mutex<()>,
}

/// At one moment.
struct Seen {
    /// Before it was asked: all that was committed by then is in the position.
    at: Instant,
    by: ServerKey,
    position: Position,
}

/// What there is to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The primary was asked.
    Possible,
    /// There is nobody to ask, or nothing to compare.
    None,
}

impl Source {
    /// The latest moment at which the primary had no more than this.
    fn covered(&self, evidence: &Evidence) -> Option<Instant> {
        let seen = self.seen();
        seen.iter().rev().find(|it| evidence.covers(&it.position) == Coverage::Reached).map(|it| it.at)
    }

    fn learn(&self, at: Instant, by: &ServerKey, position: Position) {
        let mut seen = self.seen();
        // What another server had is no measure for replicas of this one.
        seen.retain(|it| it.by == *by);
        if seen.len() == KEPT {
            seen.pop_front();
        }
        seen.push_back(Seen { at, by: by.clone(), position });
    }

    fn is_young(&self, young: Duration) -> bool {
        self.seen().back().is_some_and(|it| it.at.elapsed() <= young)
    }

    fn seen(&self) -> MutexGuard<'_, VecDeque<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the primary what it has, unless that was done within `young`.
///
/// # Errors
///
/// That it could not be asked, in words.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(super) async fn look(cluster: &Cluster, young: Duration) -> Result<Proof, String> {
    let &[primary] = cluster.router().topology().list(Role::Primary) else { return Ok(Proof::None) };
    let source = &cluster.inner.lags.source;
    let _turn = source.asking.lock().await;
    if source.is_young(young) {
        return Ok(Proof::Possible);
    }
    let pool = &cluster.member(primary).pool;
    let trouble = |number: u16| format!("the primary could not be asked what it should have (error {number})");
    let until = Instant::now() + PATIENCE;
    loop {
        let mut lease = pool.lease(until).await.map_err(|error| trouble(error.code()))?;
        cluster.count(Counter::LagSourceAsked, 1);
        let at = Instant::now();
        match ask(&mut lease).await {
            Ok(position) if position.is_empty() => return Ok(Proof::None),
            Ok(position) => {
                source.learn(at, &lease.identity().key, position);
                return Ok(Proof::Possible);
            }
            // It died on the idle stack. Each round takes one off, so the next ones are alive or new.
            Err(_) if !lease.is_ready() && Instant::now() < until => {}
            Err(error) => return Err(trouble(code(&error))),
        }
    }
}

async fn ask(lease: &mut Lease) -> Result<Position, sqlx::Error> {
    let query = StatusQuery::new(&lease.identity().version);
    let row = first(lease, query.whole_position()).await?;
    Ok(with(row.as_ref(), |row| query.read_whole_position(row)))
}

/// The lag of a replica that says that it lacks nothing, which was asked at `at`, later than the primary.
pub(super) fn proven(cluster: &Cluster, applied: &Evidence, at: Instant) -> Option<Lag> {
    let since = cluster.inner.lags.source.covered(applied)?;
    Some(Lag::at_most(at.saturating_duration_since(since)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ms_gtid::mariadb::GtidSet;

    use super::*;
    use crate::probe::Identity;

    #[tokio::test]
    async fn the_latest_moment_counts_at_which_nothing_was_missing() {
        let first = Instant::now();
        let moments = [10, 20, 30].map(|it| first + Duration::from_secs(it));
        check(&moments, "0-1-1", None);
        check(&moments, "0-1-10", Some(moments[0]));
        check(&moments, "0-1-29", Some(moments[1]));
        check(&moments, "0-1-31", Some(moments[2]));
        // A number of another server proves nothing.
        check(&moments, "0-2-31", None);
    }

    /// At each of the moments the primary had as many transactions as seconds had passed.
    #[track_caller]
    fn check(moments: &[Instant], applied: &str, expected: Option<Instant>) {
        let source = Source::default();
        let by = |name: &str| Arc::new(Identity::example(name, 1, None)).key.clone();
        source.learn(moments[0], &by("before"), position("0-1-1"));
        for (at, count) in moments.iter().zip([10, 20, 30]) {
            source.learn(*at, &by("primary"), position(&format!("0-1-{count}")));
        }
        let applied = Evidence::applied(applied.parse().expect("a set"));
        assert_eq!(source.covered(&applied), expected);
    }

    fn position(text: &str) -> Position {
        text.parse::<GtidSet>().expect("a set").into()
    }
}
