//! How a server is named inside the router: by its place in the [`Topology`](crate::Topology).
//!
//! A decision is made in tens of nanoseconds, so a candidate is two bytes and not a string. Names come back when
//! a decision is shown to somebody.

/// One configured server, by its position in the topology it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerIx(u16);

impl ServerIx {
    /// The server at `position` of its topology.
    #[must_use]
    pub const fn new(position: u16) -> Self {
        ServerIx(position)
    }

    /// The position, for indexing tables that run parallel to the topology.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn raw(self) -> u16 {
        self.0
    }
}

/// What a server is there for, as configured: the original's `master` and `slave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Follows a primary and takes reads.
    Replica,
}

/// One value for the primaries and one for the replicas, which never share lists, positions or choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerRole<T> {
    pub(crate) primary: T,
    pub(crate) replica: T,
}

impl<T> PerRole<T> {
    #[inline]
    pub(crate) fn of(&self, role: Role) -> &T {
        match role {
            Role::Primary => &self.primary,
            Role::Replica => &self.replica,
        }
    }

    #[inline]
    pub(crate) fn of_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Primary => &mut self.primary,
            Role::Replica => &mut self.replica,
        }
    }
}
