//! Those who write and read.
//!
//! Each user owns some keys, and nobody else writes them; all users read all keys. Users come and go: a *visit* is one scope, with
//! what it was promised, and some rounds of writing and reading; the next visit of the same user is another scope, which is owed
//! nothing of what the former one wrote. Some visits are hurried, as the requests of a service are. Others are patient: they go on
//! while servers come and go, and are there when a primary dies with what they wrote.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use ms_pool::{Cluster as Db, Error};
use tokio::time::sleep;

use super::{
    clients,
    hand::{Hand, Manner, told_by},
    history::{Deed, Key, Operation, Promise, Scope, Version},
    world::World,
};

/// Keys of each user.
pub(crate) const KEYS_EACH: u16 = 3;
/// The age that some scopes are promised, and that those without a promise are held against.
pub(crate) const AGE: Duration = Duration::from_secs(1);

/// What all users share.
#[derive(Debug)]
pub(crate) struct Company {
    pub(crate) world: Arc<World>,
    /// Each a process of its own, in a manner of speaking, with the scope of its own handle.
    pub(crate) processes: [(Db, Scope); 2],
    /// What most scopes are promised.
    pub(crate) promise: Promise,
    pub(crate) scopes: Mutex<Vec<Promise>>,
    /// Writes that were read again at least once.
    pub(crate) pairs: AtomicU64,
    /// Statements that failed, by what they said.
    pub(crate) failures: Mutex<BTreeMap<String, u64>>,
    /// Pairs to come to, at most.
    pub(crate) wanted: u64,
    /// When it is over in any case.
    pub(crate) until: Duration,
}

impl Company {
    /// Whether there is more to do.
    pub(crate) fn goes_on(&self) -> bool {
        self.pairs.load(Ordering::Relaxed) < self.wanted && self.world.now() < self.until
    }

    fn scope(&self, promise: Promise) -> Scope {
        let mut scopes = lock(&self.scopes);
        scopes.push(promise);
        Scope(u32::try_from(scopes.len() - 1).expect("a run has fewer scopes"))
    }

    fn failed(&self, error: &sqlx::Error) {
        let code = ms_pool::code(error);
        let text = Error::of(error).map_or_else(|| format!("{code} of a server"), |it| format!("{code} {}", kind(it)));
        *lock(&self.failures).entry(text).or_default() += 1;
    }
}

/// The name of an error's kind, which its text does not tell.
fn kind(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// One scope, and how it is used.
struct Visit {
    /// Its process.
    home: usize,
    scope: Scope,
    promise: Promise,
    hand: Hand,
    pace: Pace,
    habit: Habit,
}

/// What a round consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// A write, and reads of it.
    Writes,
    /// Reads of what somebody else writes. It must never go back in time, and there is no own write to hold it up.
    Watches(Key),
}

/// How much time there is between two rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Hurried,
    Patient,
}

/// One of those who write and read.
pub(crate) struct User {
    company: Arc<Company>,
    rng: Rng,
    pace: Pace,
    /// Its keys, and the version of each that was tried last.
    keys: Vec<(Key, Version)>,
    done: Vec<Operation>,
}

impl User {
    pub(crate) fn new(company: Arc<Company>, number: u16, rng: Rng) -> Self {
        let keys = (number * KEYS_EACH..(number + 1) * KEYS_EACH).map(|key| (key, 0)).collect();
        // A patient visit lasts a hundred times as long: few such users make many such visits at any moment.
        let pace = if number.is_multiple_of(4) { Pace::Patient } else { Pace::Hurried };
        Self { company, rng, pace, keys, done: Vec::new() }
    }

    /// Visits until it is over; returns what was done.
    pub(crate) async fn live(mut self) -> Vec<Operation> {
        while self.company.goes_on() {
            let mut visit = self.visit();
            let rounds = match (visit.pace, visit.habit) {
                (_, Habit::Watches(_)) => 20..=60,
                (Pace::Patient, _) => 6..=16,
                (Pace::Hurried, _) => 1..=6,
            };
            for _ in 0..self.rng.u8(rounds) {
                if !self.company.goes_on() {
                    break;
                }
                match visit.habit {
                    Habit::Writes => self.round(&mut visit).await,
                    Habit::Watches(key) => {
                        self.read(&mut visit, key).await;
                    }
                }
                self.pause(visit.pace).await;
            }
        }
        self.done
    }

    /// Somebody comes in.
    fn visit(&mut self) -> Visit {
        let home = self.rng.usize(..2);
        let (db, own) = self.company.processes[home].clone();
        let pace = self.pace;
        let promise = match self.rng.u8(..8) {
            0 => Promise::Nothing,
            1 => Promise::MaxAge(AGE),
            _ => self.company.promise,
        };
        let consistency = clients::consistency(promise);
        let habit = match self.rng.u8(..16) {
            0 => Habit::Watches(self.rng.u16(..self.company.world.keys)),
            _ => Habit::Writes,
        };
        let (promise, scope, hand) = match self.rng.u8(..5) {
            // What it promises is for all who use it.
            0 if promise == Promise::Session => (Promise::OwnWrites, own, Hand::Process(db)),
            1 if self.rng.bool() => {
                let promise = if promise == Promise::Session { Promise::OwnWrites } else { promise };
                (promise, self.company.scope(promise), Hand::session(&db, consistency))
            }
            1 => (promise, self.company.scope(promise), Hand::session_of_scope(&db, consistency)),
            _ => (promise, self.company.scope(promise), Hand::scope(&db, consistency)),
        };
        Visit { home, scope, promise, hand, pace, habit }
    }

    async fn round(&mut self, visit: &mut Visit) {
        if visit.pace == Pace::Patient {
            // First what was written before the pause.
            for own in 0..self.keys.len() {
                self.read(visit, self.keys[own].0).await;
            }
        }
        let own = self.rng.usize(..self.keys.len());
        let key = self.keys[own].0;
        let wrote = self.write(visit, own).await;
        let is_level = visit.promise == self.company.promise || visit.promise == Promise::OwnWrites;
        if self.read(visit, key).await && wrote && is_level {
            self.company.pairs.fetch_add(1, Ordering::Relaxed);
        }
        match self.rng.u8(..8) {
            // Somebody else's, twice: it must not go back in time.
            0..=2 => {
                let key = self.rng.u16(..self.company.world.keys);
                self.read(visit, key).await;
                self.read(visit, key).await;
            }
            3 => self.read_together(visit, key).await,
            4 => self.hand_over(visit, key).await,
            _ => {}
        }
    }

    /// Whether it was acknowledged.
    async fn write(&mut self, visit: &mut Visit, own: usize) -> bool {
        let manner = if self.rng.u8(..4) == 0 { Manner::InTransaction } else { Manner::Alone };
        let (key, last) = &mut self.keys[own];
        *last += 1;
        let (key, version) = (*key, *last);
        let began = self.company.world.now();
        let outcome = visit.hand.write(key, version, manner).await;
        let deed = if outcome.is_ok() { Deed::Wrote { key, version } } else { Deed::TriedToWrite { key, version } };
        self.note(visit.scope, began, deed);
        if let Err(error) = &outcome {
            self.failed(visit.scope, began, error).await;
        }
        outcome.is_ok()
    }

    /// Whether there was an answer.
    async fn read(&mut self, visit: &mut Visit, key: Key) -> bool {
        let began = self.company.world.now();
        let outcome = visit.hand.read(key).await;
        self.has_read(visit.scope, began, key, outcome).await
    }

    /// The same key by several tasks of the scope at once.
    async fn read_together(&mut self, visit: &Visit, key: Key) {
        let hands: Vec<_> = (0..3).filter_map(|_| visit.hand.another()).collect();
        let world = Arc::clone(&self.company.world);
        let reads = hands.into_iter().map(|mut hand| {
            let world = &world;
            async move {
                let began = world.now();
                let outcome = hand.read(key).await;
                (began, world.now(), outcome)
            }
        });
        for (began, ended, outcome) in join_all(reads).await {
            match outcome {
                Ok((seen, port)) => {
                    self.done.push(Operation {
                        scope: visit.scope,
                        began,
                        ended,
                        deed: Deed::Read { key, seen, port },
                    });
                }
                Err(error) => self.failed(visit.scope, began, &error).await,
            }
        }
    }

    /// Somebody in the other process goes on with the position of this scope.
    async fn hand_over(&mut self, visit: &Visit, key: Key) {
        if visit.promise != Promise::Session {
            return;
        }
        let began = self.company.world.now();
        let handed = match visit.hand.hand_over(self.rng.bool()).await {
            Ok(Some(handed)) => handed,
            Ok(None) => return,
            Err(error) => return self.failed(visit.scope, began, &error.into()).await,
        };
        let home = 1 - visit.home;
        let hand = match Hand::scope_with(&self.company.processes[home].0, &handed) {
            Ok(hand) => hand,
            Err(error) => return self.failed(visit.scope, began, &error.into()).await,
        };
        let to = self.company.scope(Promise::Session);
        self.note(visit.scope, began, Deed::HandedOver { to });
        let mut visit =
            Visit { home, scope: to, promise: Promise::Session, hand, pace: Pace::Hurried, habit: Habit::Writes };
        self.read(&mut visit, key).await;
        self.pause(Pace::Hurried).await;
        for own in 0..self.keys.len() {
            self.read(&mut visit, self.keys[own].0).await;
        }
    }

    async fn has_read(
        &mut self,
        scope: Scope,
        began: Duration,
        key: Key,
        outcome: Result<(Version, u16), sqlx::Error>,
    ) -> bool {
        match outcome {
            Ok((seen, port)) => {
                self.note(scope, began, Deed::Read { key, seen, port });
                true
            }
            Err(error) => {
                self.failed(scope, began, &error).await;
                false
            }
        }
    }

    async fn failed(&mut self, scope: Scope, began: Duration, error: &sqlx::Error) {
        if let Some(told) = Error::of(error).and_then(told_by) {
            self.note(scope, began, told);
        }
        self.company.failed(error);
        // A server is down: whoever asks again at once only makes it worse.
        sleep(Duration::from_millis(self.rng.u64(5..40))).await;
    }

    fn note(&mut self, scope: Scope, began: Duration, deed: Deed) {
        self.done.push(Operation { scope, began, ended: self.company.world.now(), deed });
    }

    async fn pause(&mut self, pace: Pace) {
        let millis = match pace {
            Pace::Hurried => 0..30,
            // Long enough for a server to go and come back, and to be tried again.
            Pace::Patient if self.rng.u8(..6) == 0 => 1000..3000,
            Pace::Patient => 20..500,
        };
        sleep(Duration::from_millis(self.rng.u64(millis))).await;
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held; and if it did, the numbers would still be numbers.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
