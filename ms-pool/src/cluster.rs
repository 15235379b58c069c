//! The shared handle: servers, their pools, the router, and what all sessions of the cluster remember together.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use ms_config::{Diagnostic, Mode};
use ms_filters::{ClusterMemory, Quality, Role, Router, ServerIx, Split};
use ms_hints::{Access, Effect, Protocol, Route, SqlMode, Statement};
use sqlx_mysql::MySqlConnectOptions;
use tokio::time::Instant;

use crate::{
    Builder, Counter, Error, Session, Statistics, Tx, TxOptions, assemble,
    bridge::Bridges,
    cache,
    census::Census,
    class::{Classes, Question},
    events::Hooks,
    injection::Injection,
    lag::Lags,
    pool::ServerPool,
    positions::{Positions, Written},
    state::{ServerIdentity, ServerInfo, ServerState},
    tables::KnownTables,
    token::CurrentTokens,
    transient::Transient,
    xa::Globals,
};

/// How long [`Cluster::close`] waits for connections in use.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// A replicated cluster, as an sqlx executor: `&Cluster` runs each statement where it belongs.
///
/// Cheap to clone; all clones share pools and memory. Each statement takes a connection from the pool of the server chosen
/// and gives it back when its result was read. What needs the same connection twice (temporary tables, user variables, locks,
/// `FOUND_ROWS()`) is for a [`Session`]; what must be one unit is for [`Cluster::begin`]. A transaction or a lock opened by
/// SQL text through `&Cluster` is refused with an error that says so.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), sqlx::Error> {
/// let db = ms_pool::Cluster::builder()
///     .primary("mysql://app:secret@10.0.0.1/shop")
///     .replicas(["mysql://app:secret@10.0.0.2/shop"])
///     .connect()
///     .await?;
/// let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(&db).await?; // a replica
/// sqlx::query("DELETE FROM orders WHERE id = ?").bind(n).execute(&db).await?; // the primary
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones share.
pub(crate) struct Inner {
    pub(crate) section: Option<String>,
    /// By [`ServerIx`].
    pub(crate) members: Box<[Member]>,
    pub(crate) router: Router,
    pub(crate) memory: ClusterMemory,
    pub(crate) rules: Rules,
    pub(crate) lazy: bool,
    pub(crate) warnings: Vec<Diagnostic>,
    /// `None` when nothing is counted.
    pub(crate) statistics: Option<Arc<Statistics>>,
    /// The servers in the gauges among them.
    pub(crate) census: Option<Census>,
    pub(crate) hooks: Hooks,
    /// With a builder's seed, what the next session draws from; every one gets its own.
    pub(crate) seed: Option<AtomicU64>,
    pub(crate) sql_mode: KnownSqlMode,
    /// The file names a character set for all connections.
    pub(crate) server_charset: bool,
    pub(crate) classes: Classes,
    /// `None` when nothing is done again.
    pub(crate) transient: Option<Transient>,
    /// `None` when nothing is counted or asked for by SQL of the section.
    pub(crate) injection: Option<Arc<Injection>>,
    /// `None` when no filter asks for tables.
    pub(crate) tables: Option<KnownTables>,
    pub(crate) bridges: Bridges,
    pub(crate) tokens: CurrentTokens,
    /// Answers that are kept.
    pub(crate) cache: cache::Store,
    pub(crate) positions: Positions,
    pub(crate) lags: Lags,
    pub(crate) globals: Globals,
    /// What the process has written through the cluster itself.
    pub(crate) written: Arc<Written>,
}

/// One server of the cluster.
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) address: Box<str>,
    pub(crate) pool: Arc<ServerPool>,
}

/// What classification and routing depend on beside the statement.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) compat: ms_hints::Compat,
    pub(crate) settings: ms_filters::Settings,
    pub(crate) mode: Mode,
    /// The service level of statements that nobody has given another.
    pub(crate) level: Quality,
    /// It is a filter's, which sees to it.
    pub(crate) level_by_filter: bool,
    pub(crate) read_functions: Box<[&'static str]>,
    /// A read whose connection breaks before it has answered anything is run once more.
    pub(crate) retry_reads: bool,
}

impl Inner {
    #[inline]
    pub(crate) fn next_seed(&self) -> u64 {
        match &self.seed {
            Some(next) => next.fetch_add(1, Ordering::Relaxed),
            None => fastrand::u64(..),
        }
    }
}

impl Rules {
    pub(crate) fn is_strict(&self) -> bool {
        self.compat == ms_hints::Compat::Strict
    }
}

impl Cluster {
    /// Collects what a cluster needs.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens the section named by `ms://user:password@section/database` of the file in `MYSQL_MS_CONFIG_FILE`.
    ///
    /// The scheme is this crate's own: `DATABASE_URL` stays what sqlx's macros dial.
    ///
    /// # Errors
    ///
    /// Fails when the address has another form, and as [`Builder::connect`] does.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, see [`Builder::connect`].
    pub async fn connect(address: &str) -> Result<Cluster, Error> {
        assemble::builder_of(address)?.connect().await
    }

    /// A cluster of one server, for tests: reads and writes, `replica()`, hints for replicas, transactions, all of it
    /// runs there, by the same rules otherwise as with a real one (text `BEGIN` is refused, for example).
    ///
    /// Takes the options that `#[sqlx::test]` hands to a test, and dials with them as they are. Neither environment nor files are
    /// looked at; opens nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use sqlx::mysql::MySqlConnectOptions;
    ///
    /// let db = ms_pool::Cluster::from_options(MySqlConnectOptions::new().host("127.0.0.1").username("app"));
    /// assert_eq!(db.servers().count(), 1);
    /// ```
    #[must_use]
    pub fn from_options(options: MySqlConnectOptions) -> Self {
        assemble::one_server(options)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Starts a session: a sequence of statements that share connections. Opens none by itself.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Begins a transaction on the primary.
    ///
    /// # Errors
    ///
    /// Fails when the primary cannot be reached, no connection to it becomes free in time, or it refuses to begin.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no transaction behind.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with(TxOptions::default()).await
    }

    /// As [`begin`](Self::begin), with options. A read-only transaction runs on a replica if there is one, unless the section's
    /// `trx_stickiness` is `master`.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin), and [`Error::Refused`] for a name that [`TxOptions::name`] does not allow.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no transaction behind.
    pub async fn begin_with(&self, options: TxOptions) -> Result<Tx, sqlx::Error> {
        let mut session = Session::new(self.clone());
        if self.inner.rules.is_strict() {
            // What it commits is for all that read through the cluster to see.
            session.core.scope = Some(Arc::clone(&self.inner.written));
        }
        Tx::begin(session, options).await
    }

    /// Refuses new statements, closes idle connections and waits up to ten seconds for those in use, and for the servers to
    /// be told of statements that were abandoned.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the cluster is closed in any case, only the waiting ends.
    pub async fn close(&self) {
        let deadline = Instant::now() + CLOSE_LIMIT;
        let bridges = self.inner.bridges.close(deadline);
        if let Some(census) = &self.inner.census {
            census.retire();
        }
        // Idle connections of all servers first, so that one busy server does not keep the others' open.
        for member in &self.inner.members {
            member.pool.close(Instant::now()).await;
        }
        if let Some(store) = &self.inner.globals.store {
            store.close(deadline).await;
        }
        bridges.await;
        for member in &self.inner.members {
            member.pool.close(deadline).await;
        }
    }

    /// Connects to one server, or takes an idle connection to it, and returns what it says about itself.
    ///
    /// # Errors
    ///
    /// Fails when there is no server of that name ([`Error::Refused`]), and as any statement that needs the server would.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn probe(&self, server: &str) -> Result<ServerIdentity, Error> {
        let Some(server) = self.router().topology().find(server) else {
            return Err(Error::Refused { why: format!("the cluster has no server `{server}`").into() });
        };
        let pool = &self.member(server).pool;
        let lease = pool.lease(pool.acquire_deadline()).await?;
        Ok(ServerIdentity::new(lease.identity()))
    }

    /// Whether [`Cluster::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.members.iter().all(|member| member.pool.state().closed)
    }

    /// Connections open to all servers together, idle and in use.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.members.iter().map(|member| member.pool.state().size()).sum()
    }

    /// Idle connections to all servers together.
    #[must_use]
    pub fn num_idle(&self) -> usize {
        self.inner.members.iter().map(|member| member.pool.state().idle).sum()
    }

    /// What each server's pool looks like at this moment, in the order of [`Cluster::servers`].
    #[must_use]
    pub fn state(&self) -> Vec<ServerState> {
        let states = self.servers().zip(&self.inner.members);
        let state = |(at, (info, member)): (usize, (ServerInfo<'_>, &Member))| ServerState {
            lent: self.inner.bridges.lent(at),
            ..ServerState::new(&info, &member.pool)
        };
        states.enumerate().map(state).collect()
    }

    /// The servers: primaries first, each side in the order of the configuration.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = ServerInfo<'_>> {
        let servers = self.inner.router.topology().servers().iter().zip(&self.inner.members);
        servers.map(|(server, member)| ServerInfo::new(server.name(), member))
    }

    /// The section of the configuration file; `None` for a cluster made of URLs.
    #[must_use]
    pub fn section(&self) -> Option<&str> {
        self.inner.section.as_deref()
    }

    /// Warnings about the section of the file this cluster was made of.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.inner.warnings
    }

    /// Where this cluster counts; `None` when `collect_statistics` is off.
    #[must_use]
    pub fn statistics(&self) -> Option<&Arc<Statistics>> {
        self.inner.statistics.as_ref()
    }

    /// The function that decides for every statement, for tools that explain it without running anything.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.inner.router
    }

    /// The settings that go into every decision.
    #[must_use]
    pub fn routing(&self) -> ms_filters::Settings {
        self.inner.rules.settings
    }

    /// Which rules are in force.
    #[must_use]
    pub fn compat(&self) -> ms_hints::Compat {
        self.inner.rules.compat
    }

    /// How far statements leave the primary; see [`Builder::mode`].
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.inner.rules.mode
    }

    /// Reads a statement as it would be read before it runs as text: class, hints and why.
    ///
    /// ```
    /// # let db = ms_pool::Cluster::builder().primary("mysql://app@10.0.0.1/shop").build()?;
    /// use ms_hints::Access;
    ///
    /// assert_eq!(db.classify("SELECT 1").access, Access::Read);
    /// assert_eq!(db.classify("SELECT 1 FOR UPDATE").access, Access::Write);
    /// # Ok::<(), ms_pool::Error>(())
    /// ```
    #[must_use]
    pub fn classify<'a>(&self, sql: &'a str) -> Statement<'a> {
        self.parse(sql, Protocol::Text, self.inner.sql_mode.get())
    }

    /// The side a statement would be sent to by its text alone: the original's `query_is_select`. Knows of
    /// `disable_rw_split`, and counts nothing.
    ///
    /// ```
    /// # let db = ms_pool::Cluster::builder().primary("mysql://app@10.0.0.1/shop").build()?;
    /// use ms_hints::Route;
    ///
    /// assert_eq!(db.query_is_select("SELECT 1"), Route::Replica);
    /// assert_eq!(db.query_is_select("/*ms=last_used*/SELECT 1"), Route::LastUsed);
    /// # Ok::<(), ms_pool::Error>(())
    /// ```
    #[must_use]
    pub fn query_is_select(&self, sql: &str) -> Route {
        match self.classify(sql).target() {
            Route::Replica if self.inner.rules.settings.split == Split::Disabled => Route::Primary,
            target => target,
        }
    }

    #[inline]
    pub(crate) fn parse<'a>(&self, sql: &'a str, protocol: Protocol, sql_mode: SqlMode) -> Statement<'a> {
        Statement::parse(sql.as_bytes(), &self.options(protocol, sql_mode))
    }

    /// As [`parse`](Self::parse), with what the statement leaves behind on its connection.
    #[inline]
    pub(crate) fn read<'a>(&self, sql: &'a str, protocol: Protocol, sql_mode: SqlMode) -> Question<'a> {
        let key = Classes::key(sql.as_bytes(), protocol, sql_mode);
        if let Some(question) = key.and_then(|key| self.inner.classes.find(key, sql_mode)) {
            return question;
        }
        let options = self.options(protocol, sql_mode);
        let statement = Statement::parse(sql.as_bytes(), &options);
        let proven = options.compat == ms_hints::Compat::Strict && statement.access == Access::Read;
        let effect = if proven { Effect::NONE } else { statement.effect_with(options.read_functions) };
        let question = Question::of(statement, effect);
        if let Some(key) = key {
            self.inner.classes.keep(key, &question, &options);
        }
        question
    }

    #[inline]
    fn options(&self, protocol: Protocol, sql_mode: SqlMode) -> ms_hints::Options<'_> {
        let rules = &self.inner.rules;
        ms_hints::Options { compat: rules.compat, protocol, sql_mode, read_functions: &rules.read_functions }
    }

    #[inline]
    pub(crate) fn member(&self, server: ServerIx) -> &Member {
        &self.inner.members[server.index()]
    }

    #[inline]
    pub(crate) fn count(&self, counter: Counter, by: u8) {
        if let Some(statistics) = &self.inner.statistics {
            statistics.add(counter, u64::from(by));
        }
    }

    /// What `lazy_connections` asks for.
    pub(crate) async fn open_eagerly(&self) -> Result<(), Error> {
        let inner = &*self.inner;
        let first_primary = inner.members.iter().take(usize::from(inner.rules.is_strict()));
        let members: Vec<&Member> = match inner.lazy {
            true => first_primary.filter(|member| member.role == Role::Primary).collect(),
            // Where no statement can get to a replica, none has to be there.
            false if matches!(inner.rules.mode, Mode::PrimaryOnly | Mode::Observe) => {
                inner.members.iter().filter(|member| member.role == Role::Primary).collect()
            }
            false => inner.members.iter().collect(),
        };
        let (mut first_error, mut primary_failed) = (None, false);
        // All of a side are tried, as in the original: an operator wants to hear of every dead server, not of one at a time.
        // In `classic` replicas are left alone once a primary has failed; primaries come first.
        for member in members {
            if primary_failed && member.role == Role::Replica && !inner.rules.is_strict() {
                break;
            }
            let opened = member.pool.lease(member.pool.acquire_deadline()).await;
            let (success, failure) = match member.role {
                Role::Primary => (Counter::EagerPrimarySuccess, Counter::EagerPrimaryFailure),
                Role::Replica => (Counter::EagerReplicaSuccess, Counter::EagerReplicaFailure),
            };
            match opened {
                Ok(lease) => {
                    inner.sql_mode.learn(&lease.identity().sql_mode);
                    self.count(success, 1);
                }
                Err(error) => {
                    self.count(failure, 1);
                    inner.hooks.warn(format!("Cannot connect to {}: {error}", member.address));
                    first_error.get_or_insert(error);
                    primary_failed |= member.role == Role::Primary;
                }
            }
        }
        let Some(error) = first_error else {
            return Ok(());
        };
        for member in &inner.members {
            member.pool.close(Instant::now()).await;
        }
        Err(error)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("section", &self.inner.section)
            .field("servers", &self.servers().map(|it| it.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The parts of `sql_mode` that new connections of this cluster have, as far as the servers agree.
///
/// Known from the first connection on; a server that differs makes it unknown for good, and the scanner then trusts no
/// text whose meaning depends on it.
#[derive(Debug, Default)]
pub(crate) struct KnownSqlMode(AtomicU8);

impl KnownSqlMode {
    const KNOWN: u8 = 1;
    const NO_BACKSLASH_ESCAPES: u8 = 2;
    const ANSI_QUOTES: u8 = 4;
    const DIFFERS: u8 = 8;

    #[inline]
    pub(crate) fn get(&self) -> SqlMode {
        let bits = self.0.load(Ordering::Relaxed);
        let known = bits & Self::KNOWN != 0 && bits & Self::DIFFERS == 0;
        let flag = |bit| known.then_some(bits & bit != 0);
        SqlMode { no_backslash_escapes: flag(Self::NO_BACKSLASH_ESCAPES), ansi_quotes: flag(Self::ANSI_QUOTES) }
    }

    pub(crate) fn learn(&self, sql_mode: &str) {
        let has = |name: &str| sql_mode.split(',').any(|mode| mode.trim().eq_ignore_ascii_case(name));
        let mut bits = Self::KNOWN;
        if has("NO_BACKSLASH_ESCAPES") {
            bits |= Self::NO_BACKSLASH_ESCAPES;
        }
        if has("ANSI_QUOTES") {
            bits |= Self::ANSI_QUOTES;
        }
        let before = self.0.compare_exchange(0, bits, Ordering::Relaxed, Ordering::Relaxed);
        if before.is_err_and(|before| before & !Self::DIFFERS != bits) {
            self.0.fetch_or(Self::DIFFERS, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_modes_are_known_while_the_servers_agree() {
        let known = KnownSqlMode::default();
        assert_eq!(known.get(), SqlMode::default());
        known.learn("STRICT_TRANS_TABLES,ANSI_QUOTES");
        known.learn("ansi_quotes");
        assert_eq!(known.get(), SqlMode { no_backslash_escapes: Some(false), ansi_quotes: Some(true) });
        known.learn("");
        assert_eq!(known.get(), SqlMode::default(), "two servers differ");
        known.learn("ANSI_QUOTES");
        assert_eq!(known.get(), SqlMode::default(), "and nobody knows which one is asked");
    }
}
