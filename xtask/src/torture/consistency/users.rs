//! Those who write and read.
//!
//! Each user owns some keys, and nobody else writes them; all users read all keys. Users come and go: a *visit* is one scope, with
//! what it was promised, and some rounds of writing and reading; the next visit of the same user is another scope, which is owed
//! nothing of what the former one wrote.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
use std::time::Duration;

use fastrand::Rng;
use ms_pool::Cluster as Db;
use tokio::time::sleep;

use super::{
    clients,
    hand::Hand,
    history::{Deed, Key, Operation, Promise, Scope, Version},
    world::World,
};

/// Keys of each user.
pub(crate) const KEYS_EACH: u16 = 2;
/// The age that some scopes are promised, and that those without a promise are held against.
pub(crate) const AGE: Duration = Duration::from_secs(1);

/// What all users share.
#[derive(Debug)]
pub(crate) struct Company {
    pub(crate) world: Arc<World>,
    /// Each a process of its own, in a manner of speaking.
    pub(crate) processes: Vec<Db>,
    /// What most scopes are promised.
    pub(crate) promise: Promise,
    pub(crate) scopes: Mutex<Vec<Promise>>,
    /// Writes that were read again at least once.
    pub(crate) pairs: AtomicU64,
    pub(crate) failures: AtomicU32,
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
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.push(promise);
        Scope(u32::try_from(scopes.len() - 1).expect("a run has fewer scopes"))
    }
}

/// One of those who write and read.
pub(crate) struct User {
    company: Arc<Company>,
    rng: Rng,
    /// Its keys, and the version of each that was tried last.
    keys: Vec<(Key, Version)>,
    done: Vec<Operation>,
}

impl User {
    pub(crate) fn new(company: Arc<Company>, number: u16, rng: Rng) -> Self {
        let keys = (number * KEYS_EACH..(number + 1) * KEYS_EACH).map(|key| (key, 0)).collect();
        Self { company, rng, keys, done: Vec::new() }
    }

    /// Visits until it is over; returns what was done.
    pub(crate) async fn live(mut self) -> Vec<Operation> {
        while self.company.goes_on() {
            let promise = match self.rng.u8(..8) {
                0 => Promise::Nothing,
                1 => Promise::MaxAge(AGE),
                _ => self.company.promise,
            };
            self.visit(promise).await;
        }
        self.done
    }

    async fn visit(&mut self, promise: Promise) {
        let scope = self.company.scope(promise);
        let process = self.rng.usize(..self.company.processes.len());
        let mut hand = Hand::session(&self.company.processes[process], &clients::consistency(promise));
        for _ in 0..self.rng.u8(1..=6) {
            if !self.company.goes_on() {
                return;
            }
            let own = self.rng.usize(..self.keys.len());
            let wrote = self.write(scope, &mut hand, own).await;
            let key = self.keys[own].0;
            if self.read(scope, &mut hand, key).await && wrote && promise == self.company.promise {
                self.company.pairs.fetch_add(1, Ordering::Relaxed);
            }
            // Somebody else's, twice: it must not go back in time.
            if self.rng.u8(..3) == 0 {
                let key = self.rng.u16(..self.company.world.keys);
                self.read(scope, &mut hand, key).await;
                self.read(scope, &mut hand, key).await;
            }
        }
    }

    /// Whether it was acknowledged.
    async fn write(&mut self, scope: Scope, hand: &mut Hand, own: usize) -> bool {
        let (key, last) = &mut self.keys[own];
        *last += 1;
        let (key, version) = (*key, *last);
        let began = self.company.world.now();
        let outcome = hand.write(key, version).await;
        let ended = self.company.world.now();
        let deed = if outcome.is_ok() { Deed::Wrote { key, version } } else { Deed::TriedToWrite { key, version } };
        self.done.push(Operation { scope, began, ended, deed });
        if let Err(error) = &outcome {
            self.failed(error).await;
        }
        outcome.is_ok()
    }

    /// Whether there was an answer.
    async fn read(&mut self, scope: Scope, hand: &mut Hand, key: Key) -> bool {
        let began = self.company.world.now();
        let outcome = hand.read(key).await;
        let ended = self.company.world.now();
        match outcome {
            Ok((seen, port)) => {
                self.done.push(Operation { scope, began, ended, deed: Deed::Read { key, seen, port } });
                true
            }
            Err(error) => {
                self.failed(&error).await;
                false
            }
        }
    }

    async fn failed(&mut self, _: &sqlx::Error) {
        self.company.failures.fetch_add(1, Ordering::Relaxed);
        // A server is down: whoever asks again at once only makes it worse.
        sleep(Duration::from_millis(self.rng.u64(5..40))).await;
    }
}
