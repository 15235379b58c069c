//! Who holds the connections of a pool, and since when.
//!
//! "All ten connections stayed in use for five seconds" makes people ask by whom. A pool cannot know the code that holds a
//! connection, but it knows the connection's number at the server, where the process list shows what it is doing, what it
//! was taken for, and since when: a transaction that is a minute old is most likely the one that somebody forgot.
//!
//! This is paid for with every lease, so it has to cost next to nothing: one store into memory that the connection owns, with a
//! time that was read anyway. Only who wants to know looks for the others.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

/// A connection in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The server's number of the connection, as in its process list.
    pub connection_id: u64,
    /// What it was taken for.
    pub by: HeldBy,
    /// How long ago, to the millisecond.
    pub held: Duration,
}

/// What a connection was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldBy {
    /// One statement of a [`Cluster`](crate::Cluster), whose answer is being read.
    Statement,
    /// A [`Session`](crate::Session), which keeps it until it ends or has to wait for another.
    Session,
    /// A [`Tx`](crate::Tx).
    Transaction,
    /// Code that leased a bare connection.
    Bare,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeldBy::Statement => "a statement",
            HeldBy::Session => "a session",
            HeldBy::Transaction => "a transaction",
            HeldBy::Bare => "a bare connection",
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} by {} for {:?}", self.connection_id, self.by, self.held)
    }
}

/// A connection's own note of who holds it.
#[derive(Debug)]
pub(super) struct Held {
    connection_id: u64,
    /// Zero while nobody does; otherwise milliseconds since the pool was made, and in the lowest bits [`HeldBy`] plus one.
    since: AtomicU64,
}

const BY_BITS: u32 = 3;
const BY: u64 = (1 << BY_BITS) - 1;

impl Held {
    pub(super) fn new(connection_id: u64) -> Arc<Self> {
        Arc::new(Self { connection_id, since: AtomicU64::new(0) })
    }

    #[inline]
    pub(super) fn release(&self) {
        self.since.store(0, Relaxed);
    }

    /// It is held for something else than a statement.
    pub(super) fn by(&self, by: HeldBy) {
        // Only its holder writes, so there is nothing to lose between the two.
        self.since.store(self.since.load(Relaxed) & !BY | (by as u64 + 1), Relaxed);
    }
}

/// The connections of a pool, as far as they are alive.
#[derive(Debug)]
pub(super) struct Holders {
    origin: Instant,
    all: Mutex<Vec<Weak<Held>>>,
}

impl Holders {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, all: Mutex::default() }
    }

    /// A connection was made.
    pub(super) fn add(&self, held: &Arc<Held>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // There are at most as many as the pool may have, and connects are rare.
        all.retain(|it| it.strong_count() > 0);
        all.push(Arc::downgrade(held));
    }

    /// The connection was taken, for a statement unless [said otherwise](Held::by).
    #[inline]
    pub(super) fn hold(&self, held: &Held, now: Instant) {
        held.since.store(self.millis(now) << BY_BITS | (HeldBy::Statement as u64 + 1), Relaxed);
    }

    /// Who holds a connection now, the oldest first.
    pub(super) fn now(&self, now: Instant) -> Vec<Holder> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = |it: &Weak<Held>| {
            let held = it.upgrade()?;
            let since = held.since.load(Relaxed);
            let by = match (since & BY).checked_sub(1)? {
                0 => HeldBy::Statement,
                1 => HeldBy::Session,
                2 => HeldBy::Transaction,
                _ => HeldBy::Bare,
            };
            let held_for = Duration::from_millis(self.millis(now).saturating_sub(since >> BY_BITS));
            Some(Holder { connection_id: held.connection_id, by, held: held_for })
        };
        let mut holders: Vec<_> = all.iter().filter_map(holder).collect();
        holders.sort_by_key(|it| std::cmp::Reverse(it.held));
        holders
    }

    #[inline]
    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        since.as_secs() * 1000 + u64::from(since.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_first_and_who_gave_back_or_closed_is_not_there() {
        let origin = Instant::now();
        let at = |millis| origin + Duration::from_millis(millis);
        let holders = Holders::new(origin);
        let held: Vec<_> = (1..=5).map(Held::new).collect();
        held.iter().for_each(|it| holders.add(it));
        for (it, millis) in held.iter().zip([40, 10, 30, 20, 5]) {
            holders.hold(it, at(millis));
        }
        held[1].by(HeldBy::Session);
        held[3].by(HeldBy::Session);
        held[3].by(HeldBy::Transaction);
        held[0].by(HeldBy::Bare);
        held[4].release();
        let shown = |holders: &Holders| -> Vec<_> { holders.now(at(100)).iter().map(Holder::to_string).collect() };
        assert_eq!(
            shown(&holders),
            [
                "connection 2 by a session for 90ms",
                "connection 4 by a transaction for 80ms",
                "connection 3 by a statement for 70ms",
                "connection 1 by a bare connection for 60ms",
            ]
        );
        drop(held);
        assert!(holders.now(at(100)).is_empty());
        let another = Held::new(6);
        holders.add(&another);
        assert_eq!(holders.all.lock().unwrap().len(), 1, "those that are gone are forgotten");
    }
}
