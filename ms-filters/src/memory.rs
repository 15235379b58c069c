//! What outlives a statement: two memories, one per session and one per cluster.
//!
//! The **session** remembers sticky choices, that it has written, and which servers failed it. Ten thousand sessions
//! may be idle at once, so this is a few dozen bytes and touches the heap only when there is something to remember.
//! The **cluster** remembers round-robin positions, which sessions move together. For the configured list a position is
//! one atomic; narrowed lists are looked up behind a mutex that is held for a few nanoseconds and never over an await.
//!
//! Each filter has its own slot in both, by its position in the pipeline, and sees no other.

use std::{
    any::Any,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    candidates::Candidates,
    lists::Lists,
    server::{PerRole, Role, ServerIx},
    topology::Topology,
    weights::Schedule,
};

/// What one session remembers. Belongs to one router: indices mean nothing to another.
#[derive(Debug, Default)]
pub struct SessionMemory {
    pub(crate) wrote: bool,
    pub(crate) failed: Vec<ServerIx>,
    /// The slot of the filter that picks, which is the one that nearly always has something to remember.
    pub(crate) last: SessionSlot,
    /// The slots of the filters before it; allocated with the first statement of a pipeline that has such filters.
    pub(crate) narrowing: Vec<SessionSlot>,
}

impl SessionMemory {
    /// Whether the session has written, which matters to `master_on_write`.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.wrote
    }

    /// Notes a write that the router did not see, such as one on a borrowed connection.
    pub fn note_write(&mut self) {
        self.wrote = true;
    }

    /// The servers remembered as failed, in the order they failed.
    #[must_use]
    pub fn failed(&self) -> &[ServerIx] {
        &self.failed
    }

    /// Forgets which servers failed; the rest stays.
    pub fn forget_failed(&mut self) {
        self.failed = Vec::new();
    }

    pub(crate) fn remember_failed(&mut self, server: ServerIx) {
        if !self.failed.contains(&server) {
            self.failed.push(server);
        }
    }
}

// A session moves between threads with its task, and a scope is shared by several.
const _: () = {
    const fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<SessionMemory>();
    send_and_sync::<ClusterMemory>();
};

/// What one filter remembers for one session.
#[derive(Default)]
pub struct SessionSlot {
    configured: PerRole<Option<ServerIx>>,
    narrowed: Option<Box<Lists<ServerIx>>>,
    /// For filters of your own.
    pub own: Option<Box<dyn Any + Send + Sync>>,
}

impl SessionSlot {
    /// The server remembered for exactly these candidates of one role.
    #[inline]
    pub fn choice(&mut self, candidates: &Candidates, role: Role) -> Option<ServerIx> {
        if candidates.is_configured(role) {
            return *self.configured.of(role);
        }
        self.narrowed.as_mut()?.get(role, candidates.list(role)).copied()
    }

    /// Remembers a server for exactly these candidates of one role.
    #[inline]
    pub fn choose(&mut self, candidates: &Candidates, role: Role, server: ServerIx) {
        if candidates.is_configured(role) {
            *self.configured.of_mut(role) = Some(server);
            return;
        }
        let lists = self.narrowed.get_or_insert_default();
        *lists.get_or(role, candidates.list(role), || server) = server;
    }
}

impl fmt::Debug for SessionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("SessionSlot");
        out.field("configured", &self.configured).field("narrowed", &self.narrowed).finish_non_exhaustive()
    }
}

/// What the sessions of a cluster share; made by [`Router::cluster_memory`](crate::Router::cluster_memory).
#[derive(Debug)]
pub struct ClusterMemory {
    slots: Box<[ClusterSlot]>,
}

impl ClusterMemory {
    pub(crate) fn new(filters: usize) -> Self {
        ClusterMemory { slots: (0..filters).map(|_| ClusterSlot::default()).collect() }
    }

    pub(crate) fn slot(&self, filter: usize) -> &ClusterSlot {
        &self.slots[filter]
    }
}

/// What one filter remembers for the cluster: whose turn it is.
#[derive(Debug, Default)]
pub struct ClusterSlot {
    configured: PerRole<AtomicU64>,
    narrowed: Mutex<Lists<Turns>>,
}

#[derive(Debug)]
struct Turns {
    position: u64,
    schedule: Option<Schedule>,
}

/// A place in the order of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The server whose turn it is; `None` for an empty list and where all are standbys.
    pub server: Option<ServerIx>,
    /// Turns taken from this list before.
    pub position: u64,
}

impl ClusterSlot {
    /// Takes the next turn of exactly these candidates of one role, by weight.
    pub fn take_turn(&self, topology: &Topology, candidates: &Candidates, role: Role) -> Turn {
        let list = candidates.list(role);
        if !candidates.is_configured(role) {
            return self.take_turn_of(topology, role, list);
        }
        // Advance before anything is opened: two sessions starting together must not both open the first server.
        let position = self.configured.of(role).fetch_add(1, Ordering::Relaxed);
        Turn { server: at(list, topology.schedule(role), position), position }
    }

    /// Takes the next turn of a list that is not the configured one.
    pub fn take_turn_of(&self, topology: &Topology, role: Role, list: &[ServerIx]) -> Turn {
        let mut lists = self.narrowed.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = lists.get_or(role, list, || Turns::new(topology, list));
        let position = turns.position;
        turns.position += 1;
        Turn { server: at(list, turns.schedule.as_ref(), position), position }
    }

    /// Whose turn it is, without taking it.
    #[must_use]
    pub fn peek(&self, topology: &Topology, candidates: &Candidates, role: Role) -> Option<ServerIx> {
        let list = candidates.list(role);
        if candidates.is_configured(role) {
            return at(list, topology.schedule(role), self.configured.of(role).load(Ordering::Relaxed));
        }
        let mut lists = self.narrowed.lock().unwrap_or_else(PoisonError::into_inner);
        match lists.get(role, list) {
            Some(turns) => at(list, turns.schedule.as_ref(), turns.position),
            None => at(list, Turns::new(topology, list).schedule.as_ref(), 0),
        }
    }
}

impl Turns {
    fn new(topology: &Topology, list: &[ServerIx]) -> Self {
        Turns { position: 0, schedule: Schedule::unless_even(list, |it| topology.weight(it)) }
    }
}

fn at(list: &[ServerIx], schedule: Option<&Schedule>, position: u64) -> Option<ServerIx> {
    match schedule {
        Some(schedule) => schedule.at(position),
        None => {
            let position = position.checked_rem(list.len() as u64)?;
            list.get(usize::try_from(position).ok()?).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small_and_has_nothing_on_the_heap() {
        assert!(size_of::<SessionMemory>() <= 128, "{}", size_of::<SessionMemory>());
        let memory = SessionMemory::default();
        assert_eq!((memory.failed.capacity(), memory.narrowing.capacity()), (0, 0));
        assert!(memory.last.narrowed.is_none() && memory.last.own.is_none());
    }
}
