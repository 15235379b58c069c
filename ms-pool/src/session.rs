//! A sequence of statements that share connections.
//!
//! A session is what the original called a connection handle: it keeps one connection per server it has used, so temporary
//! tables, user variables, locks and `FOUND_ROWS()` are where they were left, and it remembers sticky choices, whether
//! it has written, and which server it used last.

use std::{cell::Cell, fmt, sync::Arc};

use ms_config::BeyondBudget;
use ms_filters::{Decision, Quality, Rng, Role, Scratch, ServerIx, SessionMemory};
use ms_hints::{Cause, SqlMode};

use crate::{
    Cluster,
    events::DecisionEvent,
    facts::Facts,
    held::{Hold, Holdings},
    last_text::LastText,
    pool::{HeldBy, Lease, ServerPool, Stake, Stmt},
    positions::Written,
    transaction::Trx,
    wishes::Wishes,
    xa::Global,
};

/// A sequence of statements that share connections, at most one per server.
///
/// `&mut Session` is an sqlx executor. Dropping the session gives its connections back; those whose state was changed are
/// closed.
///
/// # Examples
///
/// ```no_run
/// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
/// let mut session = db.session();
/// sqlx::query("SELECT 1").execute(&mut session).await?;
/// println!("{}", session.last_decision().expect("a statement has run"));
/// // read (it reads and mentions nothing that has an effect) -> 2 replicas -> random -> replica2
/// # Ok(())
/// # }
/// ```
pub struct Session {
    pub(crate) cluster: Cluster,
    pub(crate) slots: Slots,
    pub(crate) core: Core,
}

/// All of a session but its connections.
pub(crate) struct Core {
    pub(crate) memory: SessionMemory,
    pub(crate) rng: Rng,
    pub(crate) last_used: Option<ServerIx>,
    pub(crate) last: Option<(Decision, Cause)>,
    pub(crate) last_text: LastText,
    pub(crate) trx: Trx,
    /// The global transaction that is open.
    pub(crate) xa: Option<Box<Global>>,
    pub(crate) holdings: Holdings,
    /// The service level it was given while running.
    pub(crate) level: Option<Quality>,
    /// What it must see, if that is its own; made when there is something. A session of one statement without has the cluster's.
    pub(crate) scope: Option<Arc<Written>>,
    /// What was asked of servers for the statement under way.
    pub(crate) facts: Facts,
    /// What is to become of reads that no replica can answer, where the cluster would do something else.
    pub(crate) beyond: Option<BeyondBudget>,
    /// The group of servers that its statements are for.
    pub(crate) group: Option<Arc<str>>,
    /// Made when it is needed.
    pub(crate) scratch: Option<Box<Scratch>>,
    /// It lives for one statement: state that would outlive it is refused or thrown away.
    pub(crate) ephemeral: bool,
    /// The statement that is routed stands for a transaction or a bare connection, which answer for themselves what they
    /// leave behind.
    pub(crate) for_transaction: bool,
    /// The session's own `sql_mode` may differ from that of new connections.
    pub(crate) own_sql_mode: bool,
    /// What the statement under way has to lose on a connection from the idle stack.
    pub(crate) stake: Stake,
    /// The statement under way on a replica whose belt may refuse it; until the first row.
    pub(crate) kept: Option<Stmt>,
    /// A connection that was made while the list of connections was in use; joins it with the next statement. Rare, so in a box.
    pub(crate) spare: Option<Box<Slot>>,
    /// The latest connect failure of each server that failed, for a server that is remembered and not tried again.
    pub(crate) failures: Vec<(ServerIx, u16)>,
    /// How its connections are to differ from the pools'; made when the first call asks for it.
    pub(crate) wishes: Option<Box<Wishes>>,
    /// The primary that ran the last write, where writes are counted.
    pub(crate) wrote_on: Option<ServerIx>,
}

/// The connections of a session, at most one per server; the one used last is at the end.
///
/// A session uses a handful of servers even where a thousand are configured, so this is a list and not a table.
#[derive(Default)]
pub(crate) struct Slots(pub(crate) Vec<Slot>);

/// One connection of a session.
pub(crate) struct Slot {
    pub(crate) server: ServerIx,
    pub(crate) lease: Lease,
    /// It ran a write: `LAST_INSERT_ID()` means something here.
    pub(crate) wrote: bool,
    /// A statement was prepared on it that stays with it.
    pub(crate) prepared: bool,
    pub(crate) hold: Hold,
}

impl Slot {
    pub(crate) fn new(server: ServerIx, lease: Lease) -> Self {
        Self { server, lease, wrote: false, prepared: false, hold: Hold::default() }
    }
}

impl Slots {
    #[inline]
    pub(crate) fn position(&self, server: ServerIx) -> Option<usize> {
        // From the end: the server used last is the likeliest one.
        self.0.iter().rposition(|slot| slot.server == server)
    }

    #[inline]
    pub(crate) fn get(&self, server: ServerIx) -> Option<&Slot> {
        self.position(server).map(|at| &self.0[at])
    }

    /// The slot of `server`, moved to the end.
    #[inline]
    pub(crate) fn use_now(&mut self, server: ServerIx) -> Option<&mut Slot> {
        let at = self.position(server)?;
        let end = self.0.len() - 1;
        // It mostly is there already, and a swap would move it all the same.
        if at != end {
            self.0.swap(at, end);
        }
        self.0.last_mut()
    }

    pub(crate) fn put(&mut self, server: ServerIx, lease: Lease) -> &mut Slot {
        self.0.retain(|slot| slot.server != server);
        if self.0.capacity() == 0 {
            // Most sessions use one server, two at most.
            self.0 = Vec::with_capacity(2);
        }
        self.0.push(Slot::new(server, lease));
        self.0.last_mut().expect("it was just put there")
    }

    pub(crate) fn remove(&mut self, server: ServerIx) -> Option<Slot> {
        self.position(server).map(|at| self.0.swap_remove(at))
    }
}

impl Session {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self::make(cluster, false)
    }

    /// For one statement.
    pub(crate) fn ephemeral(cluster: Cluster) -> Self {
        Self::make(cluster, true)
    }

    #[inline]
    fn make(cluster: Cluster, ephemeral: bool) -> Self {
        let seed = cluster.inner.next_seed();
        let core = Core {
            memory: SessionMemory::default(),
            rng: Rng::from_seed(seed),
            last_used: None,
            last: None,
            last_text: LastText::default(),
            trx: Trx::default(),
            xa: None,
            holdings: Holdings::default(),
            level: None,
            scope: None,
            facts: Facts::default(),
            beyond: None,
            group: None,
            scratch: if ephemeral { SCRATCH.take() } else { None },
            ephemeral,
            for_transaction: false,
            own_sql_mode: false,
            stake: Stake::Nothing,
            kept: None,
            spare: None,
            failures: Vec::new(),
            wishes: None,
            wrote_on: None,
        };
        Self { cluster, slots: Slots::default(), core }
    }

    /// The cluster this session belongs to.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The decision for the statement before; `None` before the first. Also after a statement that was refused.
    #[must_use]
    pub fn last_decision(&self) -> Option<DecisionEvent<'_>> {
        let (decision, cause) = self.core.last.as_ref()?;
        Some(DecisionEvent { decision, cause: *cause, router: self.cluster.router() })
    }

    /// The server used last and the connection to it; `None` before the first statement.
    #[must_use]
    pub fn last_used(&self) -> Option<LastUsed<'_>> {
        let server = self.core.last_used?;
        let member = self.cluster.member(server);
        Some(LastUsed {
            name: self.cluster.router().topology().server(server).name(),
            role: member.role,
            address: &member.address,
            connection_id: self.slots.get(server).map(|slot| slot.lease.identity().connection_id),
        })
    }

    /// The servers in the shape of the original's `dump_servers`, with this session's connections.
    #[must_use]
    pub fn dump_servers(&self) -> Vec<DumpedServer<'_>> {
        let servers = self.cluster.servers().zip(0..);
        let account = self.core.wishes.as_ref().and_then(|it| it.account.as_ref());
        servers
            .map(|(info, at)| DumpedServer {
                name: info.name,
                role: info.role,
                address: info.address,
                user: account.map_or(info.user, |it| &it.user),
                connection_id: self.slots.get(ServerIx::new(at)).map(|slot| slot.lease.identity().connection_id),
            })
            .collect()
    }

    /// A connection made on the side becomes one of the session's.
    pub(crate) fn take_in_spare(&mut self) {
        if let Some(spare) = self.core.spare.take() {
            self.slots.put(spare.server, spare.lease).wrote = spare.wrote;
        }
    }

    /// The servers this session holds connections to.
    pub fn open_servers(&self) -> impl Iterator<Item = &str> {
        self.slots.0.iter().map(|slot| self.cluster.router().topology().server(slot.server).name())
    }
}

thread_local! {
    /// Working memory for sessions of one statement, which would allocate it each time. It is needed while a statement is
    /// routed and no longer.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Core {
    /// Lets the next session of one statement have the working memory; what is left behind holds nothing.
    #[inline]
    pub(crate) fn put_scratch_back(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            SCRATCH.set(Some(scratch));
        }
    }

    /// What must be seen, if there is anything.
    #[inline]
    pub(crate) fn written<'a>(&'a self, cluster: &'a Cluster) -> Option<&'a Arc<Written>> {
        match &self.scope {
            Some(own) => Some(own),
            None => self.ephemeral.then_some(&cluster.inner.written),
        }
    }

    /// Where what must be seen is kept.
    pub(crate) fn written_mut(&mut self, cluster: &Cluster) -> &Arc<Written> {
        if self.scope.is_none() && self.ephemeral {
            return self.scope.insert(Arc::clone(&cluster.inner.written));
        }
        self.scope.get_or_insert_default()
    }

    /// Where the session's connections to a server come from.
    pub(crate) fn pool(&mut self, cluster: &Cluster, server: ServerIx) -> Arc<ServerPool> {
        match self.wishes.as_mut().and_then(|it| it.account.as_mut()) {
            Some(account) => account.pool(cluster, server),
            None => Arc::clone(&cluster.member(server).pool),
        }
    }

    /// A connection that needs neither waiting nor a word to be the session's.
    #[inline]
    pub(crate) fn try_lease(&self, cluster: &Cluster, server: ServerIx) -> Option<Lease> {
        if self.wishes.is_some() {
            return None;
        }
        let lease = cluster.member(server).pool.try_lease_for(self.stake)?;
        self.hold(&lease);
        Some(lease)
    }

    /// Tells the pool what the connection is held for.
    #[inline]
    pub(crate) fn hold(&self, lease: &Lease) {
        if !self.ephemeral {
            lease.hold_by(HeldBy::Session);
        }
    }

    #[inline]
    pub(crate) fn sql_mode(&self, cluster: &Cluster) -> SqlMode {
        if self.own_sql_mode { SqlMode::default() } else { cluster.inner.sql_mode.get() }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("cluster", &self.cluster)
            .field("open", &self.open_servers().collect::<Vec<_>>())
            .field("last_used", &self.last_used().map(|it| it.name))
            .finish_non_exhaustive()
    }
}

/// The connection used last; see [`Session::last_used`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastUsed<'a> {
    /// The server's name.
    pub name: &'a str,
    /// The role it is configured in.
    pub role: Role,
    /// `tcp://host:port` or `unix://path`.
    pub address: &'a str,
    /// The server's number of the connection; `None` when the server could not be reached.
    pub connection_id: Option<u64>,
}

/// One server of [`Session::dump_servers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DumpedServer<'a> {
    /// The original's `name_from_config`.
    pub name: &'a str,
    /// The list it stands in: the original's `masters` or `slaves`.
    pub role: Role,
    /// The original's `hostname`, `port` and `socket`, as one URI.
    pub address: &'a str,
    /// The account.
    pub user: &'a str,
    /// The original's `thread_id`: the server's number of this session's connection, `None` while there is none.
    pub connection_id: Option<u64>,
}
