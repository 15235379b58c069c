//! Global transactions: all servers commit, or none does.
//!
//! What has to happen is decided in [`ms_xa`], which does no I/O; here it is done. A session's open transaction is a [`Global`]:
//! the coordinator, and who has joined. To end it, the connections of those who joined leave the session for a [`Stage`](stage::Stage)
//! that a task of its own works on, so that a commit goes on when its caller is gone: what was prepared must not be left
//! in the middle.
//!
//! Where the section names a store, everything that a successor has to know is written there before it matters, and
//! [recovery](Cluster::xa_gc) finishes what a crash has left behind.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use ms_config::{Retries, XaGarbageCollection, XaOnClose};
use ms_xa::{Gtrid, StateStore, TrxId, Verdict};
use tokio::sync::Semaphore;

use crate::{Cluster, Error, pool::ServerPool};

mod calls; // the session's calls
#[cfg(feature = "xa-sqlite")]
mod file; // what survives a crash, in a file
mod global; // a session's open transaction
mod guard; // one as a value
mod init; // makes the tables of a store
mod keeper; // what is wanted of a store beside the protocol
mod list; // what store and servers say, side by side
mod participant; // who takes part, and how to find them again
mod recovery; // finishes what was left behind
mod stage; // performs what the coordinator asks for
mod store; // what survives a crash
mod tables; // where that is written
mod upkeep; // in the background

#[cfg(feature = "xa-sqlite")]
pub(crate) use self::file::FileStore;
pub(crate) use self::{
    global::{Global, check, join_at, lost},
    keeper::Keeper,
    store::ServerStore,
};
pub use self::{
    guard::{Xa, XaBegin, XaOn},
    init::{XaInitOptions, XaInitialized},
    list::{XaBranch, XaList, XaPrepared, XaRecord, XaServer},
    recovery::{XaCollected, XaGcOptions, XaLeft},
    tables::{XaTables, XaTablesError},
};

/// How long one statement of the protocol may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How a global transaction is begun; see [`Session::xa_begin`](crate::Session::xa_begin).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaOptions {
    /// After this it is not committed any more, and others may roll it back. `None` is for ever. Seconds count, fractions do
    /// not; a minute unless said otherwise, as in the original.
    pub timeout: Option<Duration>,
}

impl Default for XaOptions {
    fn default() -> Self {
        Self { timeout: Some(Duration::from_secs(60)) }
    }
}

impl XaOptions {
    /// With another timeout; `None` is for ever.
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into() }
    }
}

/// What became of a global transaction whose call failed; see [`Error::GlobalTransaction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XaFailure {
    /// It was not begun.
    NotStarted,
    /// The call was refused and changed nothing: a transaction that was open still is.
    Unchanged,
    /// It was rolled back, or will be where a server cannot be reached now.
    RolledBack,
    /// Nobody knows yet. Nothing more was sent; recovery finds out, and [`Cluster::xa_outcome`] tells.
    InDoubt,
}

/// What a cluster needs for global transactions.
pub(crate) struct Globals {
    pub(crate) on_close: XaOnClose,
    pub(crate) store: Option<Arc<dyn Keeper>>,
    pub(crate) collection: XaGarbageCollection,
    /// Recorded as the host of a participant on this machine.
    pub(crate) localhost_ip: Option<String>,
    pub(crate) record_credentials: bool,
    /// What the store knows this process by.
    pub(crate) owner: Box<str>,
    /// One place for each transaction that may be open. There are as many as the smallest pool has connections: then each can
    /// have one on every server, and none waits for a connection that another one holds while that waits for its.
    budget: Arc<Semaphore>,
    /// Those that are open, whose leases are prolonged.
    open: Mutex<BTreeSet<TrxId>>,
    /// The task in the background was started.
    kept_up: AtomicBool,
}

impl Globals {
    pub(crate) fn new<'p>(
        settings: Option<&ms_config::Xa>,
        store: Option<Arc<dyn Keeper>>,
        pools: impl Iterator<Item = &'p Arc<ServerPool>>,
    ) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let smallest = pools.map(|it| it.limits().max_connections.get()).min().unwrap_or(1);
        let of_store = settings.state_store.as_ref();
        Self {
            on_close: settings.on_close,
            store,
            collection: settings.garbage_collection,
            localhost_ip: of_store.and_then(|it| it.participant_localhost_ip.clone()),
            record_credentials: of_store.is_some_and(|it| it.record_participant_credentials),
            owner: format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into(),
            budget: Arc::new(Semaphore::new(smallest as usize)),
            open: Mutex::default(),
            kept_up: AtomicBool::new(false),
        }
    }

    fn opened(&self, trx: TrxId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(trx);
    }

    fn closed(&self, trx: Option<TrxId>) {
        if let Some(trx) = trx {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&trx);
        }
    }

    fn all_open(&self) -> Vec<TrxId> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// How often recovery tries one transaction; `None` is without end.
    fn max_attempts(&self) -> Option<u16> {
        match self.collection.max_retries {
            Retries::Limit(limit) => Some(limit.get()),
            Retries::Unlimited => None,
        }
    }
}

impl Error {
    /// A call about global transactions that was refused, in the original's words.
    fn xa(outcome: XaFailure, code: u16, sqlstate: &str, text: impl Into<Box<str>>) -> Self {
        Self::GlobalTransaction { outcome, code, sqlstate: sqlstate.into(), text: text.into() }
    }

    /// Refused, because the session is in no state for it.
    fn xa_unchanged(text: &'static str) -> Self {
        Self::xa(XaFailure::Unchanged, 2000, "HY000", text)
    }
}

/// The name of a global transaction as the caller gave it.
fn name(gtrid: impl AsRef<[u8]>, outcome: XaFailure) -> Result<Gtrid, Error> {
    Gtrid::new(gtrid.as_ref()).map_err(|invalid| Error::xa(outcome, 2000, "HY000", invalid.to_string()))
}

impl Cluster {
    /// What became of the global transaction of that name; of several, the newest. `None` where the store knows none: there was
    /// none, or its record is gone, which happens an hour after its beginning at the earliest unless somebody
    /// [collects](Self::xa_gc) it.
    ///
    /// For a caller that was told [`XaFailure::InDoubt`], and for one that has crashed: with a name that belongs to the
    /// request, such as an order's number, it can ask whether that was done already.
    ///
    /// # Errors
    ///
    /// [`Error::GlobalTransaction`] without a store, and when it cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn xa_outcome(&self, gtrid: impl AsRef<[u8]>) -> Result<Option<Verdict>, Error> {
        let gtrid = name(gtrid, XaFailure::Unchanged)?;
        let store = self.inner.globals.store.as_ref();
        let store = store.ok_or_else(|| Error::xa_unchanged("there is no `xa.state_store` that would know"))?;
        let known = store.known(&gtrid).await.map_err(|error| store::failed(XaFailure::Unchanged, &error))?;
        Ok(known.map(|it| it.verdict()))
    }
}

impl fmt::Debug for Globals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Globals")
            .field("owner", &self.owner)
            .field("store", &self.store.is_some())
            .finish_non_exhaustive()
    }
}
