//! From what a program says to a cluster.
//!
//! There are two ways to name the servers: URLs in code, for a service that gets them from its environment, and a section of a
//! configuration file, for one whose operator decides. Everything else is the same. Settings come from four places, the
//! first that speaks wins: this builder, the environment (`MYSQL_MS_*`), the section, the default.
//!
//! [`Builder::build`] reads files but opens no connection and needs no runtime. [`Builder::connect`] also opens the servers,
//! as `lazy_connections` says.

use std::{collections::HashMap, fmt, num::NonZeroU32, path::PathBuf, sync::Arc};

use ms_config::{Mode, Monitor, PoolSettings, PrimaryBudget, Settings};
use ms_filters::{Call, Choice, Choices, Filter, UserCallback, UserMultiCallback};

use crate::{
    Cluster, Credentials, Error, FilterConfig, Statistics, Tokens,
    assemble::{self, Source},
    events::{DecisionEvent, Hooks, Warning},
    own_filter::OwnFilters,
};

/// Collects what a cluster needs: servers, from URLs or a section of a file, and settings.
///
/// The first place that sets a setting wins: this builder, the environment (`MYSQL_MS_*`), the section, the default.
///
/// ```
/// # fn main() -> Result<(), ms_pool::Error> {
/// let db = ms_pool::Cluster::builder()
///     .primary("mysql://app:secret@10.0.0.1/shop")
///     .replicas(["mysql://app:secret@10.0.0.2/shop", "mysql://app:secret@10.0.0.3/shop"])
///     .build()?;
/// assert_eq!(db.servers().count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build` or `connect`"]
pub struct Builder {
    pub(crate) source: Source,
    pub(crate) section: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) credentials: Option<Arc<dyn Credentials>>,
    pub(crate) database: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) mode: Option<Mode>,
    pub(crate) pool: Option<PoolSettings>,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) primary_budget: Option<PrimaryBudget>,
    pub(crate) sqlx_pool_connections: Option<NonZeroU32>,
    pub(crate) lazy: Option<bool>,
    pub(crate) seed: Option<u64>,
    pub(crate) statistics: Option<Arc<Statistics>>,
    pub(crate) hooks: Hooks,
    pub(crate) callbacks: Callbacks,
    pub(crate) own_filters: OwnFilters,
    pub(crate) filters: Option<Vec<Box<dyn Filter>>>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) cache_bytes: Option<u64>,
    #[cfg(feature = "xa-sqlite")]
    pub(crate) xa_store: Option<std::path::PathBuf>,
}

/// The functions that filters of the configuration call by name.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) user: HashMap<String, UserCallback>,
    pub(crate) user_multi: HashMap<String, UserMultiCallback>,
}

impl Builder {
    /// Adds a primary by URL: `mysql://user:password@host:port/database?ssl-mode=required`.
    ///
    /// The first one takes the writes; further ones are used with `multi_master` only. Parameters are those of sqlx.
    /// Replaces a configuration file that was named before.
    pub fn primary(mut self, url: impl Into<String>) -> Self {
        self.source.urls().primaries.push(url.into());
        self
    }

    /// Adds replicas by URL, see [`Builder::primary`].
    pub fn replicas<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.source.urls().replicas.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Takes the servers from a section of this file instead. Replaces URLs given before.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// As [`Builder::config_file`], with the text at hand; `name` is what messages call it.
    pub fn config_text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.source = Source::Text { name: name.into(), text: text.into() };
        self
    }

    /// The section of the file. Needed unless the file has exactly one.
    pub fn section(mut self, name: impl Into<String>) -> Self {
        self.section = Some(name.into());
        self
    }

    /// The account for servers whose entry names none.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Where passwords come from for servers whose entry has none; asked at every connect.
    ///
    /// A [`Password`](crate::Password) is such a provider, and so are [`FromEnv`](crate::FromEnv),
    /// [`FromFile`](crate::FromFile) and [`credentials_fn`](crate::credentials_fn()).
    pub fn password(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// The database to select on servers whose entry names none.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Settings that win over environment and section.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// How far statements leave the primary, for a service that is moving to read-write splitting: nothing
    /// ([`Mode::PrimaryOnly`]), nothing but with a record of what would ([`Mode::Observe`]), what asks for a replica
    /// ([`Mode::OptIn`]), all that may ([`Mode::Auto`], the default).
    ///
    /// Wins over [`Builder::settings`], environment and section, except that `MYSQL_MS_MODE=primary_only` in the environment
    /// is always obeyed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// use ms_pool::{Cluster, Mode};
    ///
    /// let db = Cluster::builder()
    ///     .primary("mysql://app@10.0.0.1/shop")
    ///     .replicas(["mysql://app@10.0.0.2/shop"])
    ///     .mode(Mode::Observe)
    ///     .on_decision(|decision| {
    ///         if let Some(replica) = decision.observed() {
    ///             println!("`{replica}` would have run it: {decision}");
    ///         }
    ///     })
    ///     .build()?;
    /// assert_eq!(db.mode(), Mode::Observe);
    /// # Ok(())
    /// # }
    /// ```
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Limits and deadlines of the connections to every server; wins over the section.
    pub fn pool(mut self, pool: PoolSettings) -> Self {
        self.pool = Some(pool);
        self
    }

    /// How it is found out how far replicas trail, for statements that set a bound; wins over the section.
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// use ms_pool::{Heartbeat, Monitor};
    ///
    /// let mut monitor = Monitor::default();
    /// monitor.heartbeat = Some(Heartbeat::new("ops.heartbeat", "ts"));
    /// let db = ms_pool::Cluster::builder()
    ///     .primary("mysql://app@10.0.0.1/shop")
    ///     .replicas(["mysql://app@10.0.0.2/shop"])
    ///     .monitor(monitor)
    ///     .build()?;
    /// # drop(db);
    /// # Ok(())
    /// # }
    /// ```
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Keeps what has to survive a crash of global transactions in a file of SQLite instead of on a server; wins over the section's
    /// `xa.state_store`. Needs the feature `xa-sqlite`.
    ///
    /// For services that run on a single machine: all their processes name the same file, on a local disk. It is made when it is
    /// not there. What a server has prepared that the cluster does not name any more is left to a person.
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// let db = ms_pool::Cluster::builder()
    ///     .primary("mysql://app@10.0.0.1/bank")
    ///     .xa_store("/var/lib/bank/global-transactions.sqlite")
    ///     .build()?;
    /// # drop(db);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "xa-sqlite")]
    pub fn xa_store(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.xa_store = Some(path.into());
        self
    }

    /// How many reads a primary answers because no replica has caught up, and what becomes of the others; wins over the section.
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// use ms_pool::{BeyondBudget, PrimaryBudget};
    ///
    /// let mut budget = PrimaryBudget::default();
    /// (budget.percent, budget.beyond) = (10, BeyondBudget::Error);
    /// let db = ms_pool::Cluster::builder()
    ///     .primary("mysql://app@10.0.0.1/shop")
    ///     .replicas(["mysql://app@10.0.0.2/shop"])
    ///     .primary_budget(budget)
    ///     .build()?;
    /// # drop(db);
    /// # Ok(())
    /// # }
    /// ```
    pub fn primary_budget(mut self, budget: PrimaryBudget) -> Self {
        self.primary_budget = Some(budget);
        self
    }

    /// How many of a server's `max_connections` [`Cluster::sqlx_pool`] has for itself; half of them unless set. Where it
    /// would be all of them, there is no such pool.
    pub fn sqlx_pool_connections(mut self, connections: NonZeroU32) -> Self {
        self.sqlx_pool_connections = Some(connections);
        self
    }

    /// Whether [`Builder::connect`] leaves servers unopened until they are needed; wins over the section.
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = Some(lazy);
        self
    }

    /// Makes random choices repeatable, for tests: the n-th session of the cluster always draws the same, and each statement
    /// through `&Cluster` counts as a session. Without a seed all draw their own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Counts here, and not in [`Statistics::process`].
    pub fn statistics(mut self, statistics: Arc<Statistics>) -> Self {
        self.statistics = Some(statistics);
        self
    }

    /// Calls `hook` for every decision, before the statement is sent. It runs on the statement's path: be quick.
    pub fn on_decision(mut self, hook: impl Fn(&DecisionEvent<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.decision = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` for every warning, with the original's text where it had one.
    pub fn on_warning(mut self, hook: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.hooks.warning = Some(Arc::new(hook));
        self
    }

    /// Registers the function that a `user` filter calls as `callback`, to pick the server of each statement.
    ///
    /// It runs on the statement's path, possibly on several threads at once. Statements of a section whose callback is not
    /// registered fail; one that panics fails the statement that it was called for.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// let file = r#"{"shop": {
    ///     "master": {"db1": {"host": "10.0.0.1"}},
    ///     "slave": {"db2": {"host": "10.0.0.2"}},
    ///     "filters": {"user": {"callback": "by_table"}}
    /// }}"#;
    /// let db = ms_pool::Cluster::builder()
    ///     .config_text("ms.json", file)
    ///     .user_callback("by_table", |call| {
    ///         let reports = call.statement.sql.starts_with(b"SELECT * FROM reports");
    ///         if reports { call.replicas.uri(0).into() } else { "tcp://10.0.0.1:3306".into() }
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn user_callback(
        mut self,
        callback: impl Into<String>,
        choose: impl for<'a> Fn(Call<'a>) -> Choice<'a> + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.user.insert(callback.into(), Arc::new(choose));
        self
    }

    /// Registers the function that a `user_multi` filter calls as `callback`, to narrow the servers of each statement.
    ///
    /// The rest is as with [`Builder::user_callback`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_pool::{Choices, Cluster};
    ///
    /// // The last replica is kept for others.
    /// let builder = Cluster::builder().config_file("ms.json").user_multi_callback("spare_the_last", |call| {
    ///     Choices::positions(0..call.primaries.len(), 0..call.replicas.len().saturating_sub(1))
    /// });
    /// ```
    pub fn user_multi_callback(
        mut self,
        callback: impl Into<String>,
        narrow: impl Fn(Call<'_>) -> Choices + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.user_multi.insert(callback.into(), Arc::new(narrow));
        self
    }

    /// Registers the function that makes the filter which the configuration file calls `name`, in any case: an own rule about
    /// where statements may run, at the place in the chain where the file has it.
    ///
    /// It is called once for each such entry while the cluster is built. The filters of this crate cannot be replaced. A name that is in
    /// the file and not registered makes its section unusable. What filters are made of is in [`ms_filters`]: a closure will do
    /// ([`narrow_fn`](ms_filters::narrow_fn)), or an implementation of [`Filter`] as in the example
    /// `zone_aware` of this crate.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// use ms_pool::{Cluster, Json, Role, ms_filters::narrow_fn};
    ///
    /// let file = r#"{"shop": {
    ///     "master": {"main": {"host": "10.0.0.1"}},
    ///     "slave": {"fra-1": {"host": "10.0.0.2"}, "ams-1": {"host": "10.0.0.3"}},
    ///     "filters": {"near": {"prefix": "fra-"}, "random": {}}
    /// }}"#;
    /// let db = Cluster::builder()
    ///     .config_text("ms.json", file)
    ///     .filter("near", |config| {
    ///         let prefix = config.arguments.get("prefix").and_then(Json::as_str).ok_or("`prefix` is missing")?.to_owned();
    ///         Ok(Box::new(narrow_fn("near", move |cx, candidates| {
    ///             let topology = cx.topology;
    ///             candidates.retain(|role, it| role == Role::Primary || topology.server(it).name().starts_with(&prefix));
    ///         })))
    ///     })
    ///     .build()?;
    /// assert_eq!(db.router().pipeline().name(0), "near");
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&FilterConfig<'_>) -> Result<Box<dyn Filter>, Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.own_filters.register(name.into(), Box::new(make));
        self
    }

    /// The chain of filters of a cluster made of URLs, in place of `random`: any number that narrow, then one that picks. A section of a
    /// file names its filters itself, so building a cluster of one fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// use ms_pool::{Cluster, ms_filters::RoundRobin};
    ///
    /// let db = Cluster::builder()
    ///     .primary("mysql://app@10.0.0.1/shop")
    ///     .replicas(["mysql://app@10.0.0.2/shop", "mysql://app@10.0.0.3/shop"])
    ///     .filters(vec![Box::new(RoundRobin::new())])
    ///     .build()?;
    /// assert_eq!(db.router().pipeline().name(0), "roundrobin");
    /// # Ok(())
    /// # }
    /// ```
    pub fn filters(mut self, filters: Vec<Box<dyn Filter>>) -> Self {
        self.filters = Some(filters);
        self
    }

    /// How positions leave the process: what tokens call the cluster, how long they are good and what they are signed with. Wins
    /// over the section's `token`.
    ///
    /// Unless something is said they are not signed and good for a day, and the cluster is called what its section is, or what
    /// its first primary's address is (`tcp://10.0.0.1:3306`).
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_pool::{Cluster, TokenKey, Tokens};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let secret = "not in the source";
    /// let db = Cluster::builder()
    ///     .primary("mysql://app@10.0.0.1/shop")
    ///     .tokens(Tokens::new("shop").with_keys([TokenKey::new(secret.as_bytes())?]))
    ///     .build()?;
    /// assert!(db.tokens().are_signed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// How many bytes the answers of [`Cluster::cached`] may take together; 16 MiB unless set. An answer of more than a quarter of
    /// it is not kept; 0 keeps none.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Checks everything and builds the cluster; opens no connection.
    ///
    /// # Errors
    ///
    /// Fails when a file cannot be read, the section is missing or broken, a URL is malformed, or there is no server.
    pub fn build(self) -> Result<Cluster, Error> {
        assemble::cluster(self)
    }

    /// Builds the cluster and opens servers: all when `lazy_connections` is false, otherwise one primary in `strict`
    /// and none in `classic`.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::build`] does, and when a server that has to be opened cannot be. Nothing is left open then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future closes what it opened.
    pub async fn connect(self) -> Result<Cluster, Error> {
        let cluster = self.build()?;
        cluster.open_eagerly().await?;
        cluster.keep_up();
        Ok(cluster)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs hold passwords; the rest is not worth the risk.
        f.debug_struct("Builder").field("section", &self.section).field("user", &self.user).finish_non_exhaustive()
    }
}
