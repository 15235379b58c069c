//! What happened, as those saw it who did it: what the [checker](super::checker) judges.
//!
//! Every key is written by one task at a time, with versions that only grow and are never used twice, so a version says which write
//! a read has seen. Times are taken by one monotonic clock before a statement is sent and after its answer came; in between it
//! happened.

use std::time::Duration;

/// A row that is written and read.
pub(crate) type Key = u16;

/// The how-manieth write of a key; 0 is the row as it was made.
pub(crate) type Version = u64;

/// Who must see its own writes. Its number is its place in [`History::scopes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Scope(pub(crate) u32);

impl Scope {
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).expect("an index")
    }
}

/// What a scope was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// To read what it wrote, and never to read back in time.
    Session,
    /// To read what anybody wrote through it. It is many at once, so what one of them has read binds nobody else.
    Process,
    /// To read nothing that is older.
    MaxAge(Duration),
    /// To read what is newest, whatever became of what was there before.
    Strong,
    /// Nothing: it shows what happens to those who are promised nothing under the same faults.
    Nothing,
}

/// Something one scope did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) scope: Scope,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) deed: Deed,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A write that the server has acknowledged.
    Wrote { key: Key, version: Version },
    /// A write whose fate is not known: it failed, or its answer got lost.
    TriedToWrite { key: Key, version: Version },
    /// A read, and the port of the server that answered.
    Read { key: Key, seen: Version, port: u16 },
    /// It gave its position away; when this ended, the other scope had it.
    HandedOver { to: Scope },
    /// It was told that something it had to see is lost.
    ToldOfLoss,
    /// It was told that something it had to see may be missing, because nobody can be asked.
    ToldOfDoubt,
}

/// The primary died, and another server took its place that did not have everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Just before the old primary was killed.
    pub(crate) killing: Duration,
    /// When it was dead for certain: nothing that was sent later can be on it.
    pub(crate) dead: Duration,
    /// Just before anybody could reach the new primary.
    pub(crate) reopened: Duration,
    /// The versions that the new primary has, by key.
    pub(crate) kept: Vec<Version>,
}

/// Everything that happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) scopes: Vec<Promise>,
    pub(crate) operations: Vec<Operation>,
    /// In the order of their times.
    pub(crate) losses: Vec<Loss>,
}
