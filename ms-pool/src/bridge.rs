//! A pool of sqlx's own, for code that takes a `MySqlPool` and nothing else.
//!
//! Such code is a library, or the part of a service whose turn has not come yet. It gets a pool to one server of the cluster, with the same
//! account, the same first words on each connection, and connections that are counted: the server's limit is for both together. sqlx
//! does not say when a connection of its pools ends, so slots cannot follow connections; the bridge takes its share of them once, when it is
//! made, and gives them back when the cluster is closed.
//!
//! What sqlx's pool does not do remains undone: nothing is routed, nothing fails over, no deadline but sqlx's holds. And it asks nobody before
//! it dials. So passwords are asked for in advance: when the pool is made, after each of its connects, and every 30 seconds.

use std::{
    num::NonZeroU32,
    pin::pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::{self, Either};
use ms_filters::{Role, ServerIx};
use ms_hints::Route;
use sqlx_core::sql_str::SqlSafeStr;
use sqlx_mysql::{MySqlPool, MySqlPoolOptions};
use tokio::{
    sync::{Notify, OnceCell},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Cluster, Error, Session,
    cluster::Inner,
    pool::{ReservedSlots, ServerPool, Stmt},
};

/// How old the password that the next connect uses may be.
const REFRESH: Duration = Duration::from_secs(30);

/// The bridges of a cluster, at most one for each server.
#[derive(Debug)]
pub(crate) struct Bridges {
    /// The servers that stand for the roles.
    primary: OnceCell<ServerIx>,
    replica: OnceCell<ServerIx>,
    by_server: Box<[OnceCell<Bridge>]>,
    /// What a bridge may have of its server's connections, where the builder says it.
    share: Option<NonZeroU32>,
}

#[derive(Debug)]
struct Bridge {
    pool: MySqlPool,
    /// Held until the bridge is closed.
    slots: Mutex<ReservedSlots>,
}

impl Bridges {
    pub(crate) fn new(servers: usize, share: Option<NonZeroU32>) -> Self {
        let by_server = (0..servers).map(|_| OnceCell::new()).collect();
        Self { primary: OnceCell::new(), replica: OnceCell::new(), by_server, share }
    }

    /// How many connections of a server are lent to its bridge.
    pub(crate) fn lent(&self, server: usize) -> u32 {
        self.by_server[server].get().map_or(0, |bridge| bridge.slots().count())
    }

    /// Closes all of them at once; the future waits for their connections.
    pub(crate) fn close(&self, deadline: Instant) -> impl Future<Output = ()> + Send + '_ {
        // Making sqlx's future is what closes its pool; awaiting it waits.
        let closing = self.by_server.iter().filter_map(OnceCell::get).map(|bridge| {
            let closed = bridge.pool.close();
            async move {
                let _ = timeout_at(deadline, closed).await;
                bridge.slots().give_back();
            }
        });
        let closing = future::join_all(closing);
        async move {
            closing.await;
        }
    }
}

impl Bridge {
    fn slots(&self) -> std::sync::MutexGuard<'_, ReservedSlots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// A pool of sqlx's to one server of this role, for code that takes a concrete `MySqlPool`; always the same one.
    ///
    /// The server is the one that a write, or a read, would go to when this is called first; in a [mode](crate::Builder::mode) without
    /// replicas that is the primary for either role. The pool never changes to another. It opens connections when they are needed and sets them
    /// up as the cluster's own are: settings, the read-only belt on replicas in `strict`, the section's `init`.
    ///
    /// Its connections count: half of the server's `max_connections`
    /// ([or as many as wanted](crate::Builder::sqlx_pool_connections)) are the pool's from now on, whether it uses them or not, so
    /// that both together stay within the limit. They come back when the cluster is closed, which closes this pool as well; closing it alone
    /// closes it for everybody.
    ///
    /// Passwords come from the same place. sqlx cannot ask for one when it connects, so it is asked for before: now, after each connect for
    /// the next, and every 30 seconds while the cluster lives. For that long a password that was replaced may still be tried.
    ///
    /// Not honoured are `connect_timeout_ms` (sqlx tries until `acquire_timeout_ms` is over and then says `PoolTimedOut`, also when the
    /// server refuses), `statement_timeout_ms`, `min_idle`, `verify_idle_after_ms` (sqlx pings before each use) and the jitter of lifetimes.
    ///
    /// # Errors
    ///
    /// Fails as a statement would when no server can be reached; when the share does not become free in time; with
    /// [`Error::Refused`] when it would leave the cluster no connection; and when the password cannot be had.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use ms_pool::Role;
    ///
    /// # async fn a_library_that_wants_a_pool(pool: sqlx::MySqlPool) -> Result<(), sqlx::Error> { Ok(()) }
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// a_library_that_wants_a_pool(db.sqlx_pool(Role::Primary).await?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sqlx_pool(&self, role: Role) -> Result<MySqlPool, sqlx::Error> {
        let bridges = &self.inner.bridges;
        let chosen = match role {
            Role::Primary => &bridges.primary,
            Role::Replica => &bridges.replica,
        };
        let server = *chosen.get_or_try_init(|| self.stands_for(role)).await?;
        let bridge = bridges.by_server[server.index()].get_or_try_init(|| self.bridge_to(server)).await?;
        if self.member(server).pool.is_closed() {
            // Closed while the bridge was made, which then was not among those that were closed.
            bridges.close(Instant::now()).await;
            return Err(Error::Closed.into());
        }
        Ok(bridge.pool.clone())
    }

    /// The server that statements for a role go to now.
    async fn stands_for(&self, role: Role) -> Result<ServerIx, sqlx::Error> {
        let (text, route) = match role {
            Role::Primary => ("BEGIN", Route::Primary),
            Role::Replica => ("SELECT 1", Route::Replica),
        };
        let mut session = Session::new(self.clone());
        let server = session.route_only(&Stmt::text(text.into_sql_str()), Some(route)).await?;
        if role == Role::Primary && self.member(server).role != Role::Primary {
            let why = format!("the filters picked `{}`, which is not a primary", self.member(server).pool.server());
            return Err(Error::Refused { why: why.into() }.into());
        }
        Ok(server)
    }

    async fn bridge_to(&self, server: ServerIx) -> Result<Bridge, Error> {
        let pool = &self.member(server).pool;
        let limits = pool.limits();
        let most = limits.max_connections.get();
        let share = self.inner.bridges.share.map_or(most / 2, NonZeroU32::get);
        if share == 0 || share >= most {
            let server = pool.server();
            let why = format!(
                "a pool of sqlx's with {share} connections is not possible where `{server}` has a `max_connections` of {most}: \
                 each side needs one"
            );
            return Err(Error::Refused { why: why.into() });
        }
        let slots = pool.reserve(share).await?;
        let options = pool.connect_options().await?;

        let connected = Arc::new(Notify::new());
        let (tell, greeter) = (Arc::clone(&connected), Arc::clone(pool));
        let sqlx_pool = MySqlPoolOptions::new()
            .max_connections(share)
            .acquire_timeout(limits.acquire_timeout)
            .idle_timeout(limits.idle_timeout)
            .max_lifetime(limits.max_lifetime)
            .after_connect(move |conn, _| {
                let (tell, greeter) = (Arc::clone(&tell), Arc::clone(&greeter));
                Box::pin(async move {
                    greeter.greet(conn).await?;
                    tell.notify_one();
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        tokio::spawn(keep_password(sqlx_pool.clone(), Arc::downgrade(&self.inner), server, connected));
        Ok(Bridge { pool: sqlx_pool, slots: Mutex::new(slots) })
    }
}

/// Asks for the password again and again, until the pool is closed or the cluster is gone.
async fn keep_password(pool: MySqlPool, cluster: Weak<Inner>, server: ServerIx, connected: Arc<Notify>) {
    loop {
        let (closed, connected) = (pin!(pool.close_event()), pin!(connected.notified()));
        if let Ok(Either::Left(_)) = timeout(REFRESH, future::select(closed, connected)).await {
            return;
        }
        let Some(server_pool) = cluster.upgrade().map(|it| Arc::clone(&it.members[server.index()].pool)) else {
            return;
        };
        keep(&pool, &server_pool).await;
    }
}

async fn keep(pool: &MySqlPool, server_pool: &Arc<ServerPool>) {
    match server_pool.connect_options().await {
        Ok(options) => pool.set_connect_options(options),
        // The next connect will use the old one, and say so if that is wrong.
        Err(error) => tracing::warn!(target: "ms_pool::warning", "{error}"),
    }
}
