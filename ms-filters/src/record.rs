//! Who was taken away, by whom and why: what a decision is too small to hold.
//!
//! Nothing of this is kept for ordinary statements. `ms explain` and a curious caller decide again with a sink; the
//! function is the same, so the answer is the one the statement got, given the same facts and the same seed.

use crate::{
    reason::Reason,
    server::{Role, ServerIx},
};

/// Somebody who wants to know about every server that is taken away.
pub trait Sink {
    /// `filter` took `server` away.
    fn removed(&mut self, removal: Removal<'_>);
}

const _: Option<&dyn Sink> = None; // Stays object safe.

/// A server that is no longer a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal<'a> {
    /// The filter that did it.
    pub filter: &'a str,
    /// The server.
    pub server: ServerIx,
    /// On which side it was listed.
    pub role: Role,
    /// What the filter said.
    pub reason: Reason,
}

/// A sink that writes everything down.
#[derive(Clone, Debug, Default)]
pub struct Record {
    removals: Vec<(Box<str>, ServerIx, Reason)>,
}

impl Record {
    /// The removals in order: filter, server, what the filter said.
    pub fn removals(&self) -> impl ExactSizeIterator<Item = (&str, ServerIx, Reason)> {
        self.removals.iter().map(|(filter, server, reason)| (&**filter, *server, *reason))
    }
}

impl Sink for Record {
    fn removed(&mut self, removal: Removal<'_>) {
        self.removals.push((removal.filter.into(), removal.server, removal.reason));
    }
}
