//! The idle stack: last in, first out.
//!
//! The connection used last is the one most certainly alive and most certainly in somebody's cache; those at the
//! bottom grow old and can be let go. Everything here is quick and happens under one short lock.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::link::Link;

/// Connections nobody uses.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    idle: Vec<Idle>,
    closed: bool,
    epoch: u64,
    /// A connection of this server broke at that time: what was put here before is to be asked before it is trusted.
    suspect: Option<Instant>,
    pub(super) reaper: Option<AbortHandle>,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

/// A connection taken from the shelf.
#[derive(Debug)]
pub(super) enum Taken {
    /// Used a moment ago.
    Trusted(Link),
    /// Possibly dead: ask first.
    Doubtful(Link),
    /// Too old; only good for closing.
    Expired(Link),
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Puts a connection on top, or hands it back because it may not be used again.
    #[inline]
    pub(super) fn put(&mut self, link: Link, now: Instant) -> Result<(), Link> {
        if self.closed || link.epoch != self.epoch || link.expired(now) {
            return Err(link);
        }
        self.idle.push(Idle { link, since: now });
        Ok(())
    }

    /// The top one, if it can be used as it is; leaves everything else alone.
    #[inline]
    pub(super) fn take_trusted(&mut self, now: Instant, verify_after: Duration) -> Option<Link> {
        let top = self.idle.last()?;
        (self.trusts(top, now, verify_after) && !top.link.expired(now))
            .then(|| self.idle.pop().expect("just seen").link)
    }

    /// A certain one, if it lies here and can be used as it is.
    pub(super) fn take_this(&mut self, connection: u64, now: Instant, verify_after: Duration) -> Option<Link> {
        let at = self.idle.iter().rposition(|it| it.link.identity.connection_id == connection)?;
        let usable = self.trusts(&self.idle[at], now, verify_after) && !self.idle[at].link.expired(now);
        usable.then(|| self.idle.remove(at).link)
    }

    /// The top one, whatever its state.
    pub(super) fn take(&mut self, now: Instant, verify_after: Duration) -> Option<Taken> {
        let top = self.idle.pop()?;
        Some(if top.link.expired(now) {
            Taken::Expired(top.link)
        } else if self.trusts(&top, now, verify_after) {
            Taken::Trusted(top.link)
        } else {
            Taken::Doubtful(top.link)
        })
    }

    fn trusts(&self, it: &Idle, now: Instant, verify_after: Duration) -> bool {
        now.saturating_duration_since(it.since) < verify_after && self.suspect.is_none_or(|broke| it.since > broke)
    }

    /// A connection of this server broke; the others may have as well.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.suspect = Some(now);
    }

    /// Everything made so far is to be closed: what lies here now, what is in use when it comes back.
    pub(super) fn retire(&mut self) -> Vec<Link> {
        self.epoch += 1;
        self.idle.drain(..).map(|it| it.link).collect()
    }

    /// Takes out the oldest until at most `keep` are left.
    pub(super) fn shrink(&mut self, keep: usize) -> Vec<Link> {
        let surplus = self.idle.len().saturating_sub(keep);
        self.idle.drain(..surplus).map(|it| it.link).collect()
    }

    /// Nothing will be put here any more.
    pub(super) fn close(&mut self) -> Vec<Link> {
        self.closed = true;
        self.retire()
    }

    /// Takes out what was idle for too long, from the bottom, down to `keep`; and what is too old, without mercy.
    pub(super) fn reap(&mut self, now: Instant, idle_timeout: Option<Duration>, keep: usize) -> Vec<Link> {
        let mut left = self.idle.len();
        let mut reaped = Vec::new();
        for it in std::mem::take(&mut self.idle) {
            let stale = idle_timeout.is_some_and(|limit| now.saturating_duration_since(it.since) >= limit);
            if it.link.expired(now) || (stale && left > keep) {
                left -= 1;
                reaped.push(it.link);
            } else {
                self.idle.push(it);
            }
        }
        reaped
    }

    /// When the next one will be due, as far as can be said now.
    pub(super) fn next_due(&self, idle_timeout: Option<Duration>) -> Option<Instant> {
        let stale = |it: &Idle| idle_timeout.map(|limit| it.since + limit);
        self.idle.iter().filter_map(|it| [stale(it), it.link.expires].into_iter().flatten().min()).min()
    }
}
