//! One question for all who ask it at the same time.
//!
//! When a popular answer grows too old, everybody misses it at once. One of them asks, the others wait for what comes of it:
//!
//! - an answer: it is theirs, whether there was room to keep it or not;
//! - a failure: each asks alone. The failure is not theirs, and to try one after the other would make the last one wait for all;
//! - nothing, because whoever asked was cancelled: one of those who wait asks now.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{key::Key, store::Entry};

/// What is being asked for.
#[derive(Debug, Default)]
pub(super) struct Flights {
    open: Mutex<HashMap<Key, watch::Receiver<Option<Landing>>>>,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) enum Landing {
    Answer(Entry),
    /// It failed, or the answer is nobody else's business.
    Nothing,
}

/// What is to be done about a question.
pub(super) enum Joined<'f> {
    /// Nobody is asking it: ask.
    Leads(Lead<'f>),
    /// Somebody is.
    Follows(Follow),
}

impl Flights {
    pub(super) fn join(&self, key: &Key) -> Joined<'_> {
        let mut open = self.open();
        if let Some(flight) = open.get(key) {
            return Joined::Follows(Follow(flight.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        open.insert(key.clone(), receiver);
        Joined::Leads(Lead { flights: self, key: key.clone(), sender })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Landing>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who asks. Dropped without a landing it was cancelled.
pub(super) struct Lead<'f> {
    flights: &'f Flights,
    key: Key,
    sender: watch::Sender<Option<Landing>>,
}

impl Lead<'_> {
    pub(super) fn land(&self, entry: Entry) {
        self.sender.send_replace(Some(Landing::Answer(entry)));
    }

    pub(super) fn land_without(&self) {
        self.sender.send_replace(Some(Landing::Nothing));
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.flights.open().remove(&self.key);
    }
}

/// One who waits.
pub(super) struct Follow(watch::Receiver<Option<Landing>>);

impl Follow {
    /// What came of it; `None` when whoever asked has gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn landing(mut self) -> Option<Landing> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::pool::Stmt;

    fn key(sql: &'static str) -> Key {
        Key::new::<i32>(&Stmt::text(sql)).unwrap()
    }

    fn leads<'f>(flights: &'f Flights, key: &Key) -> Lead<'f> {
        match flights.join(key) {
            Joined::Leads(lead) => lead,
            Joined::Follows(_) => panic!("somebody is asking already"),
        }
    }

    fn follows(flights: &Flights, key: &Key) -> Follow {
        match flights.join(key) {
            Joined::Follows(follow) => follow,
            Joined::Leads(_) => panic!("nobody is asking"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_gets_the_same_answer() {
        let (flights, key) = (Flights::default(), key("SELECT 1"));
        let lead = leads(&flights, &key);
        let (early, late) = (follows(&flights, &key), follows(&flights, &key));
        let other = leads(&flights, &self::key("SELECT 2"));
        assert!(timeout(Duration::from_secs(9), early.landing()).await.is_err(), "nothing has come of it yet");
        lead.land(Entry::new(42, Instant::now(), 1));
        drop((lead, other));
        let Some(Landing::Answer(entry)) = late.landing().await else { panic!("there is an answer") };
        assert_eq!(entry.value::<i32>(), 42);
        leads(&flights, &key);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_and_a_cancelled_question_is_free() {
        let (flights, key) = (Flights::default(), key("SELECT 1"));
        let lead = leads(&flights, &key);
        let follow = follows(&flights, &key);
        lead.land_without();
        drop(lead);
        assert!(matches!(follow.landing().await, Some(Landing::Nothing)));

        let lead = leads(&flights, &key);
        let follow = follows(&flights, &key);
        drop(lead);
        assert!(follow.landing().await.is_none());
        leads(&flights, &key);
    }
}
