//! The pool of one server: slots, waiters, idle stack.
//!
//! A *slot* is the permission to hold a connection outside the shelf; there are `max_connections`. Who has one takes
//! a connection from the shelf or makes one when the shelf is empty, so there are never more connections than slots.
//! Slots come from tokio's semaphore: first come, first served, nobody overtakes, and a waiter that is dropped at any
//! moment passes its turn on.
//!
//! Making a pool costs an allocation; nothing runs and nothing is dialled before the first lease.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ms_filters::Role;
use sqlx_core::connection::Connection;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::dial::dial;
use super::holders::{Holder, Holders};
use super::kill::{KillQueue, Order};
use super::lease::Lease;
use super::limits::{Limits, Stake};
use super::link::Link;
use super::outage::{Admission, Outage, Ticket};
use super::pool_state::{Counters, PoolState};
use super::reaper;
use super::setup::Setup;
use super::shelf::{Shelf, Taken};
use super::target::Target;
use super::watch::{Watch, refused_write};
use super::whereabouts::{Arrival, Whereabouts};
use crate::error::Error;
use crate::probe::Identity;
use crate::statistics::Counter;

/// How long a server that refused to write is not asked again who it is.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);

/// All connections to one server by one account.
#[derive(Debug)]
pub(crate) struct ServerPool {
    target: Target,
    limits: Limits,
    watch: Watch,
    setup: Setup,
    slots: Semaphore,
    /// Turns to dial; a slot is held first.
    dialing: Semaphore,
    shelf: Mutex<Shelf>,
    /// What the latest connection found, and the latest failure to make one.
    last: Mutex<Last>,
    outage: Outage,
    /// Grows when the address turns out to lead to another server, or to one of another role.
    generation: AtomicU64,
    /// What times of the outage and the whereabouts count from.
    born: Instant,
    waiting: AtomicUsize,
    /// Wakes who closes the pool when the last slot is back.
    slot_back: Notify,
    kills: KillQueue,
    holders: Holders,
    opened: AtomicU64,
    failed: AtomicU64,
    timeouts: AtomicU64,
    abandoned: AtomicU64,
}

#[derive(Debug, Default)]
struct Last {
    identity: Option<Arc<Identity>>,
    failure: Option<Failure>,
    /// When a connect succeeded.
    reached: Option<Instant>,
    whereabouts: Whereabouts,
    /// When a write was refused by a server that was to take it.
    refused: Option<Instant>,
}

/// Enough of a failed connect to tell it to others.
#[derive(Debug, Clone, Copy)]
struct Failure {
    at: Instant,
    code: u16,
    kind: io::ErrorKind,
}

impl ServerPool {
    /// A pool that nobody routes by.
    pub(crate) fn new(target: Target, limits: Limits) -> Arc<Self> {
        Self::watched(target, limits, Watch::default())
    }

    /// The pool of one of a cluster's servers.
    pub(crate) fn watched(target: Target, limits: Limits, watch: Watch) -> Arc<Self> {
        Arc::new(Self {
            setup: Setup::new(&target),
            slots: Semaphore::new(limits.max_connections.get() as usize),
            dialing: Semaphore::new(limits.max_dialing.get() as usize),
            shelf: Mutex::default(),
            last: Mutex::default(),
            outage: Outage::default(),
            generation: AtomicU64::new(0),
            born: Instant::now(),
            waiting: AtomicUsize::new(0),
            slot_back: Notify::new(),
            kills: KillQueue::default(),
            holders: Holders::new(Instant::now()),
            opened: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            target,
            limits,
            watch,
        })
    }

    /// The configured name.
    pub(crate) fn server(&self) -> &Arc<str> {
        &self.target.server
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Who answered last at this address; `None` before the first connection.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.last().identity.clone()
    }

    /// Whether statements are to go elsewhere because the server could not be reached.
    #[inline]
    pub(crate) fn is_avoided(&self) -> bool {
        // While all is well nobody reads the clock.
        !self.outage.is_over() && self.outage.avoids(self.born.elapsed())
    }

    /// Failures in a row, and how long the server is avoided from now on.
    pub(crate) fn outage(&self) -> Option<(u8, Duration)> {
        self.outage.look(self.born.elapsed())
    }

    /// Whether a statement that has other servers to go to may connect: after an outage one at a time.
    ///
    /// # Errors
    ///
    /// [`Avoided`] when it is to go elsewhere.
    pub(crate) fn admit(&self) -> Result<Trial<'_>, Avoided> {
        if self.outage.is_over() {
            return Ok(Trial { pool: self, ticket: None });
        }
        // Who would have to wait for a slot finds nothing out.
        if self.is_full() {
            return Err(Avoided);
        }
        match self.outage.admit(self.born.elapsed(), self.limits.acquire_timeout) {
            Admission::Open => Ok(Trial { pool: self, ticket: None }),
            Admission::Trial(ticket) => Ok(Trial { pool: self, ticket: Some(ticket) }),
            Admission::Closed => Err(Avoided),
        }
    }

    /// The end of an acquire that begins now.
    pub(crate) fn acquire_deadline(&self) -> Instant {
        Instant::now() + self.limits.acquire_timeout
    }

    /// A connection that was used a moment ago and that nobody waits for: no round trip, no waiting.
    #[inline]
    pub(crate) fn try_lease(self: &Arc<Self>) -> Option<Lease> {
        self.try_lease_for(Stake::Nothing)
    }

    /// The same for a statement with something at stake.
    #[inline]
    pub(crate) fn try_lease_for(self: &Arc<Self>, stake: Stake) -> Option<Lease> {
        // Fails as well while somebody waits: freed slots go to the queue.
        let permit = self.slots.try_acquire().ok()?;
        let now = Instant::now();
        let link = self.shelf().take_trusted(now, self.limits.trust(stake))?;
        permit.forget();
        self.holders.hold(&link.held, now);
        Some(Lease::reused(link, Slot(Arc::clone(self))))
    }

    /// This very connection, if it is idle and was used a moment ago.
    pub(crate) fn try_lease_of(self: &Arc<Self>, connection: u64) -> Option<Lease> {
        let permit = self.slots.try_acquire().ok()?;
        let now = Instant::now();
        let link = self.shelf().take_this(connection, now, self.limits.verify_idle_after)?;
        permit.forget();
        self.holders.hold(&link.held, now);
        Some(Lease::reused(link, Slot(Arc::clone(self))))
    }

    /// Whether [`close`](Self::close) was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.slots.is_closed()
    }

    /// Whether the next lease will have to wait for another to end.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// A connection: an idle one, a new one, or the next one to come back.
    ///
    /// # Errors
    ///
    /// - [`Error::AcquireTimeout`] when all were in use until `deadline`;
    /// - what the connect failed with, when a new one was due;
    /// - [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a turn in the queue, a slot and a half-made connection go with the future.
    #[inline]
    pub(crate) async fn lease(self: &Arc<Self>, deadline: Instant) -> Result<Lease, Error> {
        self.lease_for(deadline, Stake::Nothing).await
    }

    /// The same for a statement with something at stake.
    #[inline]
    pub(crate) async fn lease_for(self: &Arc<Self>, deadline: Instant, stake: Stake) -> Result<Lease, Error> {
        if let Some(lease) = self.try_lease_for(stake) {
            return Ok(lease);
        }
        // Boxed: a connect is a large future, and every caller's would grow by it.
        Box::pin(self.lease_slowly(deadline, stake)).await
    }

    async fn lease_slowly(self: &Arc<Self>, deadline: Instant, stake: Stake) -> Result<Lease, Error> {
        let began = Instant::now();
        let slot = self.slot(began, deadline).await?;
        if let Some(link) = self.take_alive(deadline, stake).await {
            self.holders.hold(&link.held, Instant::now());
            return Ok(Lease::reused(link, slot));
        }

        let turn = self.in_time(began, deadline, self.dialing.acquire()).await?;
        if let Some(error) = self.failed_since(began) {
            return Err(error);
        }
        // One may have come back while we waited for our turn.
        if let Some(link) = self.take_alive(deadline, stake).await {
            self.holders.hold(&link.held, Instant::now());
            return Ok(Lease::reused(link, slot));
        }
        let link = self.dial(deadline).await?;
        drop(turn);
        self.holders.hold(&link.held, Instant::now());
        Ok(Lease::new(link, slot))
    }

    /// A turn in the queue that ended well.
    async fn slot(self: &Arc<Self>, began: Instant, deadline: Instant) -> Result<Slot, Error> {
        let _counted = Waiting::new(&self.waiting);
        let permit = self.in_time(began, deadline, self.slots.acquire()).await?;
        permit.forget();
        Ok(Slot(Arc::clone(self)))
    }

    /// Several turns at once.
    pub(super) async fn slots(
        self: &Arc<Self>,
        count: u32,
        began: Instant,
        deadline: Instant,
    ) -> Result<Vec<Slot>, Error> {
        let _counted = Waiting::new(&self.waiting);
        let permits = self.in_time(began, deadline, self.slots.acquire_many(count)).await?;
        permits.forget();
        Ok((0..count).map(|_| Slot(Arc::clone(self))).collect())
    }

    async fn in_time<T, E>(
        &self,
        began: Instant,
        deadline: Instant,
        permit: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        match timeout_at(deadline, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            // Semaphores fail only when they are closed.
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(self.timed_out(began)),
        }
    }

    fn timed_out(&self, began: Instant) -> Error {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        let error = Error::AcquireTimeout {
            server: Arc::clone(self.server()),
            limit: self.limits.max_connections.get(),
            waited: began.elapsed(),
        };
        tracing::debug!(server = %self.server(), limit = self.limits.max_connections.get(), "{error}");
        error
    }

    /// The first idle connection that is alive.
    async fn take_alive(&self, deadline: Instant, stake: Stake) -> Option<Link> {
        loop {
            let taken = self.shelf().take(Instant::now(), self.limits.trust(stake))?;
            let mut link = match taken {
                Taken::Trusted(link) => return Some(link),
                Taken::Expired(link) => {
                    link.close();
                    continue;
                }
                Taken::Doubtful(link) => link,
            };
            // A part of the connect timeout, because in the silent case a connect follows.
            let until = deadline.min(Instant::now() + self.limits.connect_timeout / 4);
            match timeout_at(until, link.conn.ping()).await {
                Ok(Ok(())) => return Some(link),
                // Gone; so may the others be, and each says so at once.
                Ok(Err(_)) => {}
                // Silent. Asking the others would take as long again for each.
                Err(_) => {
                    self.retire();
                    return None;
                }
            }
        }
    }

    /// A new connection, whatever the slots say.
    pub(super) async fn dial(&self, deadline: Instant) -> Result<Link, Error> {
        let epoch = self.shelf().epoch();
        let generation = self.generation();
        let began = Instant::now();
        match dial(&self.target, &self.setup, &self.limits, deadline).await {
            Ok(mut link) => {
                (link.epoch, link.generation) = (epoch, generation);
                self.holders.add(&link.held);
                self.opened.fetch_add(1, Ordering::Relaxed);
                let before = {
                    let mut last = self.last();
                    last.failure = None;
                    last.reached = Some(Instant::now());
                    self.outage.reached();
                    last.identity.replace(Arc::clone(&link.identity))
                };
                if self.watch.role.is_some() && generation == self.generation() {
                    self.meet(before.as_deref(), &mut link);
                }
                Ok(link)
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(server = %self.server(), code = error.code(), "{error}");
                let kind = match &error {
                    Error::Unreachable { source, .. } => Some(source.kind()),
                    Error::ConnectTimeout { .. } => Some(io::ErrorKind::TimedOut),
                    _ => None,
                };
                if let Some(kind) = kind {
                    self.last().failure = Some(Failure { at: Instant::now(), code: error.code(), kind });
                }
                self.remember(&error, began);
                Err(error)
            }
        }
    }

    /// Compares who has answered with who did before.
    fn meet(&self, before: Option<&Identity>, link: &mut Link) {
        let server = self.server();
        let arrival = self.last().whereabouts.arrived(&link.identity.key, self.born.elapsed());
        match arrival {
            Arrival::Known => {}
            Arrival::Moved => {
                (link.epoch, link.generation) = self.start_anew();
                self.watch.count(Counter::ServerMoved);
                self.watch.hooks.warn(format!(
                    "the address of `{server}` leads to another server, `{}`: connections to the former are closed",
                    link.identity.key
                ));
            }
            Arrival::Several => self.watch.hooks.warn(format!(
                "the address of `{server}` leads to several servers: connections to all of them are kept"
            )),
        }
        if let Some(before) = before {
            self.watch.compare(server, before, &link.identity);
        }
    }

    /// A statement on a connection of `generation` was answered with an error: perhaps the server is not what it was.
    /// `read_only_asked` is whether the client may have asked for a transaction that does not write.
    #[cold]
    pub(super) fn heard_error(&self, error: &sqlx_core::error::Error, read_only_asked: bool, generation: u64) {
        if self.watch.role != Some(Role::Primary) || generation != self.generation() {
            return;
        }
        let Some(number) = refused_write(error, read_only_asked) else {
            return;
        };
        let now = Instant::now();
        let before = self.last().refused.replace(now);
        // A server that goes on refusing is not asked who it is for every write.
        if before.is_some_and(|before| now.duration_since(before) < REFUSED_AGAIN) {
            self.last().refused = before;
            return;
        }
        self.start_anew();
        self.watch.count(Counter::PrimaryRefused);
        self.watch.hooks.warn(format!(
            "primary `{}` refuses to write (error {number}): its connections are closed, new ones ask what it is",
            self.server()
        ));
    }

    /// Has the cluster avoid the server for a time after a connect that began at `began`, if that says something about it.
    fn remember(&self, error: &Error, began: Instant) {
        let Some(retry_after) = self.watch.retry_after else {
            return;
        };
        let last = self.last();
        // Somebody who began later got through.
        let refuted = last.reached.is_some_and(|reached| reached > began);
        // Who came to dial with little of its time left did not ask for long enough.
        let hurried =
            matches!(error, Error::ConnectTimeout { limit, .. } if *limit < self.limits.connect_timeout.mul_f64(0.9));
        if !error.blames_server() || refuted || hurried {
            return;
        }
        // Under the lock, so that nobody gets through in between.
        let news = self.outage.failed(self.born.elapsed(), retry_after, fastrand::f64());
        drop(last);
        if news && let Some((failures, left)) = self.outage() {
            let (server, code) = (self.server(), error.code());
            tracing::warn!(%server, code, failures, "avoided for {left:?}, if there is another server: {error}");
        }
    }

    /// What somebody found out about this server while we stood in line.
    ///
    /// Without it a hundred tasks in front of a silent server would wait one connect timeout each, one after the other.
    fn failed_since(&self, began: Instant) -> Option<Error> {
        let it = self.last().failure.filter(|it| it.at >= began && it.at.elapsed() < self.limits.connect_timeout)?;
        let source = io::Error::new(it.kind, "another connect failed a moment ago");
        Some(Error::Unreachable { server: Arc::clone(self.server()), code: it.code, source })
    }

    /// Takes a connection back; closes it if it has served its time.
    pub(super) fn put_back(self: &Arc<Self>, link: Link) {
        link.held.release();
        let mut shelf = self.shelf();
        let put = shelf.put(link, Instant::now());
        reaper::ensure(self, &mut shelf);
        drop(shelf);
        if let Err(link) = put {
            link.close();
        }
    }

    /// A connection was thrown away while the server was still at work on it.
    pub(super) fn abandon(self: &Arc<Self>, order: Order) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        self.kills.request(self, order);
    }

    /// Who holds a connection now, the oldest first. Slots whose connection is being made have none yet.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        self.holders.now(Instant::now())
    }

    /// Whether somebody has this connection in hand.
    pub(crate) fn is_held(&self, connection: u64) -> bool {
        self.holders().iter().any(|it| it.connection_id == connection)
    }

    pub(super) fn kills(&self) -> &KillQueue {
        &self.kills
    }

    /// A connection broke: the idle ones are to be asked before they are trusted.
    pub(super) fn suspect(&self) {
        self.shelf().suspect(Instant::now());
    }

    /// Closes what is idle now and, when it comes back, what is in use.
    pub(crate) fn retire(&self) {
        let retired = self.shelf().retire();
        retired.into_iter().for_each(Link::close);
    }

    /// As [`retire`](Self::retire), because the server is another one or has another role: sessions, too, are to let go of
    /// their connections as soon as they can. Returns the epoch and the generation that follow.
    pub(crate) fn start_anew(&self) -> (u64, u64) {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        self.retire();
        (self.shelf().epoch(), generation)
    }

    /// Connections of an earlier one are to another server, or to one of another role.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Opens connections until `min_idle` are there.
    ///
    /// # Errors
    ///
    /// The first connect that failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn warm(self: &Arc<Self>) -> Result<(), Error> {
        let deadline = self.acquire_deadline();
        while self.shelf().len() < self.limits.min_idle as usize {
            // No slot is free: all connections are in use, which is warm enough.
            let Ok(permit) = self.slots.try_acquire() else {
                return Ok(());
            };
            permit.forget();
            let slot = Slot(Arc::clone(self));
            // A lease dials only when the shelf is empty; who dials all the same has to count.
            if self.shelf().len() + self.slots_out() > self.limits.max_connections.get() as usize {
                return Ok(());
            }
            let link = Box::pin(self.dial(deadline)).await?;
            drop(Lease::new(link, slot));
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> PoolState {
        let (idle, closed) = {
            let shelf = self.shelf();
            (shelf.len(), shelf.is_closed())
        };
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        PoolState {
            server: Arc::clone(self.server()),
            max: self.limits.max_connections.get(),
            idle,
            in_use: self.slots_out(),
            waiting: self.waiting.load(Ordering::Relaxed),
            closed,
            counters: Counters {
                opened: count(&self.opened),
                failed: count(&self.failed),
                timeouts: count(&self.timeouts),
                abandoned: count(&self.abandoned),
                kills_sent: self.kills.sent(),
                kills_lost: self.kills.lost(),
            },
        }
    }

    /// Refuses new leases, closes what is idle and waits for the rest; says whether all came back in time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the pool is closed in any case, only the waiting ends.
    pub(crate) async fn close(&self, deadline: Instant) -> bool {
        // Wakes all who wait.
        self.slots.close();
        self.dialing.close();
        let idle = self.shelf().close();
        idle.into_iter().for_each(Link::close);
        loop {
            let back = self.slot_back.notified();
            tokio::pin!(back);
            // Listen first, look then: a slot that comes back in between is not missed.
            back.as_mut().enable();
            if self.slots_out() == 0 {
                // Statements that were abandoned a moment ago are still running on the server.
                return timeout_at(deadline, self.kills.drained()).await.is_ok();
            }
            if timeout_at(deadline, back).await.is_err() {
                return false;
            }
        }
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(super) fn slots_out(&self) -> usize {
        (self.limits.max_connections.get() as usize).saturating_sub(self.slots.available_permits())
    }

    /// The lock is never held over an await, and nothing under it can panic half-way.
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permission to connect, for as long as it lives; after an outage it is given to one statement at a time.
#[derive(Debug)]
#[must_use = "the next one is admitted when it is dropped"]
pub(crate) struct Trial<'a> {
    pool: &'a ServerPool,
    ticket: Option<Ticket>,
}

impl Trial<'_> {
    /// Whether the server could not be reached before, and this is the try that finds out.
    pub(crate) fn is_half_open(&self) -> bool {
        self.ticket.is_some()
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.pool.outage.give_back(ticket);
        }
    }
}

/// The server could not be reached a while ago: the statement is to go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avoided;

/// The permission to hold a connection outside the shelf; goes back when dropped.
#[derive(Debug)]
pub(super) struct Slot(pub(super) Arc<ServerPool>);

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        self.0.slots.add_permits(1);
        if self.0.slots.is_closed() {
            self.0.slot_back.notify_waiters();
        }
    }
}

/// Counts a task in the queue, however it leaves.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
