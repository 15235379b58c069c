//! What a scope must see: what it wrote, what was handed to it, and what it has read.
//!
//! A write leaves a *debt*: the position it has got is not asked for at once, because whoever only writes will never need it. A
//! debt names the connection that wrote, for that is the only one that can tell exactly. It is paid when somebody reads
//! (`pay.rs`).

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use ms_filters::ServerIx;
use ms_gtid::{Evidence, Position};

use crate::{pool::Lease, probe::Identity};

/// More debts than a cluster's connections make; beyond it they are put together.
const MOST_DEBTS: usize = 64;

/// What a scope must see. Shared by all that read and write for it.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// There is anything at all; most scopes only read.
    any: AtomicBool,
    /// What was read is to be seen from then on as well.
    keeps_reads: bool,
    /// Something was written, and not only read or handed over.
    wrote: AtomicBool,
    /// What was lost is warned of, and no error: nobody here has written it.
    forgives: AtomicBool,
    lost: AtomicBool,
    state: Mutex<State>,
    /// Whoever finds out positions; the others wait and then mostly have nothing left to ask.
    pub(super) paying: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    position: Arc<Position>,
    debts: Vec<Debt>,
    /// Counts what was owed so far: the time by which a reader tells what came before it.
    now: u64,
    stays: Option<Stays>,
    /// The primary that all of it was written on, or compared with. (What was handed over may be of another one.)
    home: Option<Arc<Identity>>,
    /// Something was written that `on_commit` has not counted, so that no position of configured SQL includes it.
    uncounted: bool,
    /// How often that came about.
    lapses: u32,
}

impl State {
    fn must(&self, as_of: u64) -> Must {
        let owes = self.uncounted || self.debts.iter().any(|debt| debt.since < as_of);
        Must { position: Arc::clone(&self.position), owes, as_of, stays: self.stays.clone() }
    }
}

/// The replica read from last. Behind its name may be another server by now, which need not have what this one has shown.
#[derive(Clone, Debug)]
pub(crate) struct Stays {
    pub(crate) server: ServerIx,
    pub(crate) identity: Arc<Identity>,
}

/// Something was written there, or seen, and its position is not known yet.
#[derive(Clone, Debug)]
pub(crate) struct Debt {
    pub(crate) server: ServerIx,
    /// The server that answered there.
    pub(crate) identity: Arc<Identity>,
    /// Exactly what this connection wrote; `None` is all that the server had.
    pub(crate) by: Option<Writer>,
    /// When the first of it was owed, and the last.
    since: u64,
    latest: u64,
}

/// The connection that wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) connection: u64,
    /// The connection's count of writes with the first one that is owed for, and with the last.
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Debt {
    /// What was written on the lease just now.
    pub(crate) fn written(server: ServerIx, lease: &Lease) -> Self {
        let writes = lease.writes();
        let by = Writer { connection: lease.identity().connection_id, first: writes, last: writes };
        Self { by: Some(by), ..Self::seen(server, lease.identity()) }
    }

    /// What was seen there.
    pub(crate) fn seen(server: ServerIx, identity: &Arc<Identity>) -> Self {
        Self { server, identity: Arc::clone(identity), by: None, since: 0, latest: 0 }
    }

    fn is_at(&self, other: &Debt) -> bool {
        let connection = |it: &Debt| it.by.map(|by| by.connection);
        self.server == other.server && self.identity.key == other.identity.key && connection(self) == connection(other)
    }
}

/// What must be seen, as far as it is known at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Must {
    pub(crate) position: Arc<Position>,
    /// Debts are left: the position is not all.
    pub(crate) owes: bool,
    /// What is owed later is not this reader's concern. (Where many write through one handle, something always is.)
    pub(crate) as_of: u64,
    /// The replica read from last: what it showed may be more than the position.
    pub(crate) stays: Option<Stays>,
}

impl Written {
    /// Of a scope, which is not to see the past after the present.
    pub(crate) fn keeping_reads() -> Self {
        Self { keeps_reads: true, ..Self::default() }
    }

    /// Whether what was read is to be seen from then on as well.
    #[inline]
    pub(crate) fn keeps_reads(&self) -> bool {
        self.keeps_reads
    }

    /// Nothing was written, handed over or read.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Something was written, whatever has become of it.
    pub(crate) fn has_written(&self) -> bool {
        self.wrote.load(Ordering::Acquire)
    }

    /// What must be seen; `None` is nothing in particular.
    #[inline]
    pub(crate) fn must(&self) -> Option<Must> {
        if self.is_nothing() {
            return None;
        }
        let state = self.state();
        Some(state.must(state.now))
    }

    /// The same for somebody who began to read earlier.
    pub(crate) fn must_as_of(&self, as_of: u64) -> Must {
        self.state().must(as_of)
    }

    /// Something was written or seen whose position is not known.
    pub(crate) fn owe(&self, mut debt: Debt) {
        let mut state = self.state();
        (debt.since, debt.latest) = (state.now, state.now);
        state.home.get_or_insert_with(|| Arc::clone(&debt.identity));
        state.now += 1;
        if debt.by.is_none() {
            state.stays = None;
        } else {
            self.wrote.store(true, Ordering::Release);
        }
        match state.debts.iter_mut().find(|it| it.is_at(&debt)) {
            Some(known) => {
                known.latest = debt.latest;
                if let (Some(known), Some(new)) = (&mut known.by, debt.by) {
                    known.last = new.last;
                }
            }
            None => state.debts.push(debt),
        }
        if state.debts.len() > MOST_DEBTS {
            // What a server has is more than what was written there by many.
            let last = state.debts.pop().expect("there are many");
            let same = state.debts.extract_if(.., |it| it.server == last.server);
            let since = same.map(|it| it.since).min().unwrap_or(last.since);
            state.debts.push(Debt { by: None, since, ..last });
        }
        self.any.store(true, Ordering::Release);
    }

    /// The debts of this moment.
    pub(crate) fn debts(&self) -> Vec<Debt> {
        self.state().debts.clone()
    }

    /// The position of debts has become known. What came later on the same connections is still owed for.
    pub(crate) fn settle(&self, paid: &[Debt], position: &Position) {
        let mut state = self.state();
        for paid in paid {
            state.debts.retain(|it| !it.is_at(paid) || it.latest != paid.latest);
            let Some(left) = state.debts.iter_mut().find(|it| it.is_at(paid)) else { continue };
            left.since = paid.latest + 1;
            if let (Some(left), Some(paid)) = (&mut left.by, paid.by) {
                left.first = paid.last.wrapping_add(1);
            }
        }
        Arc::make_mut(&mut state.position).merge(position);
    }

    /// Somebody else's position is to be seen as well.
    pub(crate) fn require(&self, position: &Position) {
        if position.is_empty() {
            return;
        }
        Arc::make_mut(&mut self.state().position).merge(position);
        self.any.store(true, Ordering::Release);
    }

    /// Something was written that is not counted.
    pub(crate) fn lapse(&self) {
        let mut state = self.state();
        state.uncounted = true;
        state.lapses = state.lapses.wrapping_add(1);
        self.any.store(true, Ordering::Release);
    }

    /// How often something was not counted so far.
    pub(crate) fn lapses(&self) -> u32 {
        self.state().lapses
    }

    /// Something was counted that was begun when there were so many lapses. All that was written before is included in it.
    pub(crate) fn counted(&self, lapses: u32) {
        let mut state = self.state();
        state.uncounted &= state.lapses != lapses;
    }

    /// Whether something is not counted, and not included in what was counted since.
    pub(crate) fn is_uncounted(&self) -> bool {
        self.state().uncounted
    }

    /// It reads from this replica now.
    pub(crate) fn reads_from(&self, server: ServerIx, identity: &Arc<Identity>) {
        self.state().stays = Some(Stays { server, identity: Arc::clone(identity) });
        self.any.store(true, Ordering::Release);
    }

    /// A read there has come to nothing, and its answer was not seen; unless others have read there as well.
    pub(crate) fn unsees(&self, server: ServerIx) {
        self.state().debts.retain(|it| it.server != server || it.by.is_some() || it.since != it.latest);
    }

    /// Whether a primary is another one than what must be seen was written on, so that it may lack some of it.
    #[inline]
    pub(crate) fn is_away_at(&self, primary: &Identity) -> bool {
        !self.is_nothing() && self.state().home.as_ref().is_some_and(|home| home.is_surely_another(primary))
    }

    /// All of it was compared with what this primary has.
    pub(super) fn arrives(&self, primary: &Arc<Identity>) {
        self.state().home = Some(Arc::clone(primary));
    }

    /// It has left the replica it read from; what that one had is in the position.
    pub(crate) fn leaves(&self, replica: ServerIx) {
        let mut state = self.state();
        if state.stays.as_ref().is_some_and(|stays| stays.server == replica) {
            state.stays = None;
        }
    }

    /// What turns out to be lost is warned of from now on.
    #[cfg(feature = "tower")]
    pub(crate) fn forgive(&self) {
        self.forgives.store(true, Ordering::Release);
    }

    /// Whether what is lost is warned of only.
    pub(crate) fn forgives(&self) -> bool {
        self.forgives.load(Ordering::Acquire)
    }

    /// Whether something was lost.
    #[cfg(feature = "tower")]
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// What may never be seen again is not asked for any more.
    pub(crate) fn give_up(&self, lost: &Position) {
        self.lost.store(true, Ordering::Release);
        let mut state = self.state();
        state.position = Arc::new(state.position.subtract(&Evidence::passed(lost)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
