//! Answers, by key and bounded by bytes.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use tokio::time::Instant;

use super::{flight::Flights, key::Key};

/// Bytes unless configured.
pub(crate) const CAPACITY: u64 = 16 << 20;
/// The store is divided into so many parts, each with a lock and its share of the bytes: an answer larger than a share is not
/// kept.
const PARTS: usize = 4;
/// So much an answer takes on average, for the first guess at how many there will be.
const USUAL: u64 = 1024;
/// The most that is guessed: there may be more, but not from the start.
const MOST: usize = 1 << 14;

/// An answer that is kept; cheap to clone.
#[derive(Clone)]
pub(super) struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    as_of: Instant,
    bytes: usize,
}

impl Entry {
    /// What the data looked like at `as_of`.
    pub(super) fn new<T: Any + Send + Sync>(value: T, as_of: Instant, bytes: usize) -> Self {
        Self { value: Arc::new(value), as_of, bytes }
    }

    /// How old it was at some moment.
    pub(super) fn age(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.as_of)
    }

    /// A copy of the answer.
    pub(super) fn value<T: Any + Clone>(&self) -> T {
        self.value.downcast_ref::<T>().expect("the type is part of the key").clone()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("as_of", &self.as_of).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Entry> for ByBytes {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        // Nothing weighs nothing: that would never be thrown out.
        u64::try_from(key.len() + entry.bytes).unwrap_or(u64::MAX).max(1)
    }
}

/// A cluster's answers, and what is being asked for.
pub(crate) struct Store {
    /// Made with the first answer: most clusters keep none.
    kept: OnceLock<Cache<Key, Entry, ByBytes>>,
    /// Bytes; none keeps nothing.
    capacity: u64,
    flights: Flights,
}

impl Store {
    /// For about so many bytes; none keeps nothing.
    pub(crate) fn new(capacity: u64) -> Self {
        Self { kept: OnceLock::new(), capacity, flights: Flights::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    pub(super) fn flights(&self) -> &Flights {
        &self.flights
    }

    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.kept.get()?.get(key)
    }

    /// Keeps an answer, unless there is a younger one.
    pub(super) fn insert(&self, key: &Key, entry: Entry) {
        if !self.is_on() {
            return;
        }
        let kept = self.kept.get_or_init(|| {
            let options = OptionsBuilder::new()
                .weight_capacity(self.capacity)
                .estimated_items_capacity(usize::try_from(self.capacity / USUAL).unwrap_or(MOST).clamp(256, MOST))
                .shards(PARTS)
                .build()
                .expect("all that has to be said was said");
            Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default())
        });
        if kept.peek(key).is_none_or(|known| known.as_of < entry.as_of) {
            kept.insert(key.clone(), entry);
        }
    }

    pub(super) fn clear(&self) {
        if let Some(kept) = self.kept.get() {
            kept.clear();
        }
    }

    pub(super) fn state(&self) -> CacheState {
        let (entries, bytes) = self.kept.get().map_or((0, 0), |kept| (kept.len(), kept.weight()));
        CacheState { entries, bytes, capacity: self.capacity }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

/// What a cluster keeps of answers; from [`Cluster::cache_state`](crate::Cluster::cache_state).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheState {
    /// How many answers there are, those that are too old for everybody included.
    pub entries: usize,
    /// About how many bytes they take.
    pub bytes: u64,
    /// How many they may take.
    pub capacity: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Stmt;

    fn key(number: usize) -> Key {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {number}"));
        Key::new::<usize>(&Stmt::text(sql)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_bytes_are_bounded() {
        let store = Store::new(1 << 20);
        for number in 0..10_000 {
            store.insert(&key(number), Entry::new(number, Instant::now(), 1_000));
            let CacheState { bytes, capacity, .. } = store.state();
            assert!(bytes <= capacity, "{bytes} of {capacity}");
        }
        let state = store.state();
        assert!(state.bytes > state.capacity / 2, "{state:?}");
        let kept = (0..10_000).filter(|it| store.get(&key(*it)).is_some_and(|entry| entry.value::<usize>() == *it));
        assert_eq!(kept.count(), state.entries);
        // One that has no room leaves the others alone, mostly.
        store.insert(&key(0), Entry::new(0_usize, Instant::now(), 1 << 20));
        assert!(store.get(&key(0)).is_none_or(|entry| entry.bytes == 1_000));
        store.clear();
        assert_eq!((store.state().entries, store.state().bytes), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_younger_answer_stays() {
        let (store, key) = (Store::new(1 << 20), key(1));
        let then = Instant::now();
        tokio::time::advance(Duration::from_secs(5)).await;
        store.insert(&key, Entry::new(2_usize, Instant::now(), 1));
        store.insert(&key, Entry::new(1_usize, then, 1));
        let entry = store.get(&key).unwrap();
        assert_eq!((entry.value::<usize>(), entry.age(Instant::now())), (2, Duration::ZERO));
    }

    #[test]
    fn no_bytes_keep_nothing() {
        let store = Store::new(0);
        assert!(!store.is_on());
        assert_eq!(store.state(), CacheState::default());
    }
}
