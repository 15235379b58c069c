//! Builds the running cluster from what was configured.
//!
//! This is the one place that knows both vocabularies: the file's (`master`, `slave`) on one side, the router's and the pool's
//! (primary, replica) on the other. Everything is checked before anything is built, so that there is no half-built cluster.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use ms_config::{
    Compat, Config, ConnectArgs, Diagnostic, Endpoint, Eventual, Filter, GtidInjection, Mode, Monitor, OwnFilter,
    PoolSettings, PrimaryBudget, Secret, Section, ServiceLevel, Settings, StoreBackend, Switches, TrxStickiness,
};
use ms_filters::{
    NodeGroup, NodeGroups, Pipeline, Quality, QualityOfService, Random, Role, RoundRobin, Router, Server, Split,
    Stickiness, Table, TableRule, Topology, User, UserMulti,
};
use ms_gtid::replica::{Heartbeat, HeartbeatError};
use sqlx_mysql::MySqlConnectOptions;

use crate::{
    Builder, Cluster, Error, Statistics, Tokens,
    bridge::Bridges,
    builder::Callbacks,
    cache,
    census::Census,
    class::Classes,
    cluster::{Inner, KnownSqlMode, Member, Rules},
    credentials::{Credentials, FromEnv, FromFile, Password},
    injection::Injection,
    lag::Lags,
    own_filter::BoxError,
    pool::{Address, Belt, Charset, Configured, Dial, Limits, ServerPool, Target, Tls, TlsMode, Watch},
    positions::Positions,
    tables::{self, KnownTables},
    token::{self, CurrentTokens},
    transient::Transient,
    url,
    xa::{Globals, Keeper, ServerStore, XaTables},
};

/// More than any configuration needs; what is larger is not one.
const MAX_FILE: u64 = 16 << 20;

/// Where the servers are named.
#[derive(Default)]
pub(crate) enum Source {
    /// Nowhere yet.
    #[default]
    Missing,
    File(PathBuf),
    Text {
        name: String,
        text: String,
    },
    Urls(Urls),
}

/// Servers named in code.
#[derive(Default)]
pub(crate) struct Urls {
    pub(crate) primaries: Vec<String>,
    pub(crate) replicas: Vec<String>,
}

impl Source {
    /// The URLs, which replace whatever was there.
    pub(crate) fn urls(&mut self) -> &mut Urls {
        if !matches!(self, Source::Urls(_)) {
            *self = Source::Urls(Urls::default());
        }
        match self {
            Source::Urls(urls) => urls,
            _ => unreachable!("it was just made"),
        }
    }
}

/// Why there is no cluster; found behind [`Error::Config`].
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("no servers: name them with `primary` and `replicas`, or name a `config_file`")]
    NoSource,
    #[error("cannot read the configuration file `{path}` (Failed to open server list config file [{path}])")]
    File { path: String, source: io::Error },
    #[error("the configuration file `{path}` is larger than {MAX_FILE} bytes")]
    TooLarge { path: String },
    #[error("`{file}` has {} sections, name one of them: {}", known.len(), known.join(", "))]
    NoSection { file: String, known: Vec<String> },
    #[error("the URL of {role} number {number} cannot be used")]
    Url { role: &'static str, number: usize, source: sqlx::Error },
    #[error("{0}")]
    Environment(Diagnostic),
    #[error("the heartbeat of `monitor` cannot be asked for")]
    Heartbeat { source: HeartbeatError },
    #[error("filter `{name}` is not supported yet")]
    Filter { name: String },
    #[error("`{name}` cannot be registered as the name of a filter: it is empty or that of a filter of this crate")]
    FilterName { name: String },
    #[error("{file}:{position}: {path}: filter `{name}` cannot be made")]
    OwnFilter { file: String, position: ms_config::Position, path: String, name: String, source: BoxError },
    #[error("`filters` are for clusters made of URLs: the section names its own, see `Builder::filter`")]
    FiltersOfSection,
    #[error("filter `{name}` needs the feature `{feature}` of `ms-pool`, which this program was built without")]
    Feature { name: String, feature: &'static str },
    #[error("`{text}` is no address of a cluster, expected `ms://user:password@section/database`")]
    Address { text: String },
}

impl From<Unusable> for Error {
    fn from(source: Unusable) -> Self {
        Error::Config { source: source.into() }
    }
}

/// One server, before it has a pool.
struct Node {
    server: Server,
    target: Target,
    limits: Limits,
    address: String,
}

pub(crate) fn cluster(mut builder: Builder) -> Result<Cluster, Error> {
    let (environment, problems) = Settings::from_vars(|name| std::env::var(name).ok());
    if let Some(problem) = problems.into_iter().find(Diagnostic::is_error) {
        return Err(Unusable::Environment(problem).into());
    }
    let mut settings = std::mem::take(&mut builder.settings);
    settings.mode = builder.mode.or(settings.mode);
    let settings = settings.above_environment(&environment);
    if let Some(name) = builder.own_filters.reserved() {
        return Err(Unusable::FilterName { name: name.to_owned() }.into());
    }
    let source = match (std::mem::take(&mut builder.source), &settings.config_file) {
        (Source::Missing, Some(file)) => Source::File(file.into()),
        (source, _) => source,
    };
    match source {
        Source::Missing => Err(Unusable::NoSource.into()),
        Source::Urls(urls) => from_urls(builder, &urls, &settings),
        Source::Text { name, text } => from_file(builder, &name, text.as_bytes(), &settings),
        Source::File(path) => {
            let bytes = read(&path)?;
            from_file(builder, &path.display().to_string(), &bytes, &settings)
        }
    }
}

/// A builder for `ms://user:password@section/database`, the section being one of the file in `MYSQL_MS_CONFIG_FILE`.
pub(crate) fn builder_of(address: &str) -> Result<Builder, Error> {
    let shown = || Unusable::Address { text: without_password(address) };
    let rest = address.strip_prefix("ms://").ok_or_else(shown)?;
    // The driver's own parser knows about percent signs; only the scheme is ours.
    let options = MySqlConnectOptions::from_str(&format!("mysql://{rest}")).map_err(|_| shown())?;
    let url = sqlx_core::Url::parse(address).map_err(|_| shown())?;
    let section = url.host_str().filter(|host| !host.is_empty()).ok_or_else(shown)?;
    let mut builder = Builder::default().section(section);
    if !url.username().is_empty() {
        builder = builder.user(options.get_username());
    }
    if let Some(password) = url.password() {
        builder = builder.password(Password::new(url::percent_decoded(password).ok_or_else(shown)?));
    }
    if let Some(database) = options.get_database() {
        builder = builder.database(database);
    }
    Ok(builder)
}

fn without_password(address: &str) -> String {
    match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &address[..scheme], &address[at..]),
        _ => address.to_owned(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Unusable::File { path: path.display().to_string(), source };
    let mut bytes = Vec::new();
    // Bounded by reading, not by asking for the length: a pipe has none.
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unusable::TooLarge { path: path.display().to_string() }.into());
    }
    Ok(bytes)
}

fn from_file(builder: Builder, name: &str, bytes: &[u8], settings: &Settings) -> Result<Cluster, Error> {
    if builder.filters.is_some() {
        return Err(Unusable::FiltersOfSection.into());
    }
    let own = builder.own_filters.names();
    let parsed = Config::parse_with(name, bytes, settings, ms_config::OwnFilters::Named(&own));
    let section = match &builder.section {
        Some(section) => section.clone(),
        None => only_section(&parsed.config, name)?,
    };
    let section = parsed.config.section(&section).map_err(|source| Error::Config { source: source.into() })?;
    let warnings = parsed.of_section(&section.name).cloned().collect();

    let nodes = section_nodes(&builder, section)?;
    let filters = section
        .filters
        .iter()
        .map(|it| match it {
            Filter::Own(own) => builder.own_filters.make(own, section).map_err(|source| {
                let OwnFilter { name: filter, path, position, .. } = own.clone();
                Unusable::OwnFilter { file: name.to_owned(), position, path, name: filter, source }.into()
            }),
            known => filter(known, &section.name, &builder.callbacks),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let pipeline = Pipeline::new(filters).map_err(|source| Error::Config { source: source.into() })?;
    let mut rules = rules(section.switches, section.master_on_write, section.trx_stickiness, &section.read_functions);
    rules.retry_reads &= section.retry_reads;
    if let Some(quality) = section.filters.iter().find_map(configured_quality) {
        (rules.level, rules.level_by_filter) = (quality, true);
    }
    let lazy = builder.lazy.unwrap_or(section.lazy_connections);
    let plan = Plan {
        section: Some(section.name.clone()),
        pipeline,
        failover: failover(section.failover),
        retry_after: retry_after(section.failover),
        rules,
        lazy,
        warnings,
        counting: counting(section.switches, settings, &section.settings),
        server_charset: section.server_charset.is_some(),
        transient: section.transient_errors.as_ref().map(Transient::new),
        injection: section.gtid_injection.clone(),
        monitor: section.monitor.clone(),
        xa: section.xa.clone(),
        store: store_of(&builder, section),
        primary_budget: section.primary_budget,
        // A key that is not used need not be there.
        tokens: if builder.tokens.is_some() { None } else { Some(token::configured(section)?) },
    };
    finish(builder, nodes, plan)
}

/// The store of global transactions: a server that need not be one of the section's.
fn store_of(builder: &Builder, section: &Section) -> Option<Arc<dyn Keeper>> {
    let StoreBackend::MySql(store) = &section.xa.as_ref()?.state_store.as_ref()?.backend else { return None };
    let address = match &store.endpoint {
        Endpoint::Socket { path } => Address::Socket(path.into()),
        Endpoint::Tcp { host, port } => Address::Tcp { host: host.clone(), port: *port },
        _ => return None,
    };
    let dial = Dial::Configured(Box::new(Configured {
        address,
        user: store.user.clone().or_else(|| builder.user.clone()).unwrap_or_else(login_name).into(),
        credentials: credentials(store.password.clone(), builder.credentials.as_ref()),
        database: store.db.clone().or_else(|| builder.database.clone()),
        charset: Charset::default(),
        tls: tls(&section.tls),
    }));
    let target = Target { server: "xa.state_store".into(), dial, belt: Belt::Off, init: Vec::new() };
    let pool = ServerPool::new(target, limits(builder.pool.unwrap_or(section.pool)));
    Some(Arc::new(ServerStore::new(pool, XaTables::of(store), builder.hooks.clone())))
}

/// A file with one section needs no name.
fn only_section(config: &Config, file: &str) -> Result<String, Error> {
    let mut known: Vec<String> = config.names().map(str::to_owned).collect();
    if known.len() == 1 {
        return Ok(known.remove(0));
    }
    // A file that could not be read at all has no sections and says why when asked for one.
    config.section("").map_err(|source| match source {
        ms_config::SectionError::Unknown(_) => Unusable::NoSection { file: file.to_owned(), known }.into(),
        source => Error::Config { source: source.into() },
    })?;
    Ok(String::new())
}

fn section_nodes(builder: &Builder, section: &Section) -> Result<Vec<Node>, Error> {
    let weights = section.filters.iter().find_map(|filter| match filter {
        Filter::Random { weights, .. } | Filter::RoundRobin { weights } => weights.as_ref(),
        _ => None,
    });
    let args = ConnectArgs { user: builder.user.clone(), db: builder.database.clone(), ..ConnectArgs::default() };
    let belt = if section.switches.compat == Compat::Strict { Belt::ReadOnly } else { Belt::Off };
    let primaries = section.primaries.iter().enumerate().map(|(at, it)| (at, it, ms_filters::Role::Primary));
    let replicas = section.replicas.iter().enumerate().map(|(at, it)| (at, it, ms_filters::Role::Replica));
    primaries
        .chain(replicas)
        .map(|(at, configured, role)| {
            let resolved = configured.resolve(&args);
            let name = resolved.name.to_string();
            let (server, weight) = match role {
                ms_filters::Role::Primary => (Server::primary(name.clone()), weights.map(|it| it.primaries[at])),
                ms_filters::Role::Replica => (Server::replica(name.clone()), weights.map(|it| it.replicas[at])),
            };
            let server = match weight {
                Some(weight) => server.with_weight(weight.get()),
                None => server,
            };
            let charset = match section.server_charset {
                Some(charset) => {
                    Charset::new(charset.as_str(), None).map_err(|source| Error::Config { source: source.into() })?
                }
                None => Charset::default(),
            };
            let address = resolved.endpoint.to_string();
            let dial = Dial::Configured(Box::new(Configured {
                address: match resolved.endpoint {
                    Endpoint::Socket { path } => Address::Socket(path.into()),
                    Endpoint::Tcp { host, port } => Address::Tcp { host, port },
                    other => return Err(Error::Config { source: format!("`{other}` is no address").into() }),
                },
                user: resolved.user.unwrap_or_else(login_name).into(),
                credentials: credentials(resolved.password, builder.credentials.as_ref()),
                database: resolved.db,
                charset,
                tls: tls(&configured.tls),
            }));
            let target = Target {
                server: name.into(),
                dial,
                belt: if role == ms_filters::Role::Replica { belt } else { Belt::Off },
                init: section.init.iter().map(|sql| Arc::from(sql.as_str())).collect(),
            };
            let limits = limits(builder.pool.unwrap_or(configured.pool));
            Ok(Node { server, target, limits, address })
        })
        .collect()
}

fn from_urls(mut builder: Builder, urls: &Urls, settings: &Settings) -> Result<Cluster, Error> {
    let switches = settings.resolve();
    let inherited = url::Inherited {
        user: builder.user.as_deref(),
        credentials: builder.credentials.as_ref(),
        database: builder.database.as_deref(),
    };
    let mut nodes = Vec::new();
    let used = if switches.multi_master { urls.primaries.len() } else { urls.primaries.len().min(1) };
    let primaries = (1..).zip(&urls.primaries[..used]).map(|(number, url)| ("primary", number, url));
    let replicas = (1..).zip(&urls.replicas).map(|(number, url)| ("replica", number, url));
    for (role, number, url) in primaries.chain(replicas) {
        let dial = url::dial(url, &inherited).map_err(|source| Unusable::Url { role, number, source })?;
        let name = if role == "primary" && number == 1 { role.to_owned() } else { format!("{role}{number}") };
        let address = dial.to_string();
        let replica = role == "replica";
        nodes.push(Node {
            server: if replica { Server::replica(name.clone()) } else { Server::primary(name.clone()) },
            target: Target {
                server: name.into(),
                dial,
                belt: if replica && switches.compat == Compat::Strict { Belt::ReadOnly } else { Belt::Off },
                init: Vec::new(),
            },
            limits: limits(builder.pool.unwrap_or_default()),
            address,
        });
    }
    if nodes.is_empty() {
        return Err(Unusable::NoSource.into());
    }
    let mut configured = ms_config::Failover::of(switches.compat);
    configured.strategy = ms_config::Strategy::LoopBeforePrimary;
    let plan = Plan {
        section: None,
        // Every statement draws anew: without a file there is no session in the original's sense to stick to.
        pipeline: Pipeline::new(builder.filters.take().unwrap_or_else(|| vec![Box::new(Random::new())]))
            .map_err(|source| Error::Config { source: source.into() })?,
        failover: failover(configured),
        retry_after: retry_after(configured),
        rules: rules(switches, false, None, &[]),
        lazy: builder.lazy.unwrap_or(true),
        warnings: Vec::new(),
        counting: counting(switches, settings, &Settings::default()),
        server_charset: false,
        transient: None,
        injection: None,
        monitor: Monitor::default(),
        xa: None,
        store: None,
        primary_budget: PrimaryBudget::default(),
        tokens: None,
    };
    finish(builder, nodes, plan)
}

/// One primary that everything goes to.
pub(crate) fn one_server(options: MySqlConnectOptions) -> Cluster {
    let dial = Dial::ready(options);
    let node = Node {
        server: Server::primary("primary"),
        address: dial.to_string(),
        target: Target { server: "primary".into(), dial, belt: Belt::Off, init: Vec::new() },
        limits: limits(PoolSettings::default()),
    };
    let switches = Settings { mode: Some(Mode::PrimaryOnly), ..Settings::default() }.resolve();
    let plan = Plan {
        section: None,
        pipeline: Pipeline::default(),
        failover: ms_filters::Failover::default(),
        // A lone server is never left out.
        retry_after: None,
        rules: rules(switches, false, None, &[]),
        lazy: true,
        warnings: Vec::new(),
        counting: true,
        server_charset: false,
        transient: None,
        injection: None,
        monitor: Monitor::default(),
        xa: None,
        store: None,
        primary_budget: PrimaryBudget::default(),
        tokens: None,
    };
    finish(Builder::default(), vec![node], plan).expect("one server is not too many")
}

/// What is left to say once the servers are known.
struct Plan {
    section: Option<String>,
    pipeline: Pipeline,
    failover: ms_filters::Failover,
    retry_after: Option<Duration>,
    rules: Rules,
    lazy: bool,
    warnings: Vec<Diagnostic>,
    counting: bool,
    server_charset: bool,
    transient: Option<Transient>,
    injection: Option<GtidInjection>,
    monitor: Monitor,
    xa: Option<ms_config::Xa>,
    /// Where global transactions are written down.
    store: Option<Arc<dyn Keeper>>,
    primary_budget: PrimaryBudget,
    tokens: Option<Tokens>,
}

fn finish(builder: Builder, nodes: Vec<Node>, plan: Plan) -> Result<Cluster, Error> {
    let servers: Vec<Server> = nodes.iter().map(|node| node.server.clone().with_uri(&*node.address)).collect();
    let monitor = builder.monitor.unwrap_or(plan.monitor);
    let heartbeat = monitor.heartbeat.as_ref().map(|it| Heartbeat::new(&it.table, &it.column));
    let heartbeat = heartbeat.transpose().map_err(|source| Unusable::Heartbeat { source })?;
    let topology = Topology::new(servers).map_err(|source| Error::Config { source: source.into() })?;
    // Nodes were made primaries first, which is the order a topology keeps: a server's index is its place here.
    let statistics = plan.counting.then(|| builder.statistics.unwrap_or_else(|| Arc::new(Statistics::listed())));
    let several = nodes.iter().filter(|node| node.server.role() == Role::Primary).count() > 1;
    let mut members: Vec<Member> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let role = node.server.role();
        let primary = members.first().filter(|it| it.role == Role::Primary && role == Role::Replica && !several);
        let watch = Watch {
            retry_after: plan.retry_after,
            role: plan.rules.is_strict().then_some(role),
            primary: primary.map(|it| Arc::clone(&it.pool)),
            hooks: builder.hooks.clone(),
            statistics: statistics.clone(),
        };
        let pool = ServerPool::watched(node.target, node.limits, watch);
        members.push(Member { role, address: node.address.into(), pool });
    }
    let servers = topology.servers().len();
    let injection = plan.injection.map(|it| Injection::new(&it, statistics.clone(), builder.hooks.clone()));
    let budget = builder.primary_budget.unwrap_or(plan.primary_budget);
    let positions = Positions::new(servers, injection.as_ref(), plan.rules.is_strict(), budget);
    let first = members.first().map_or("", |it| &it.address);
    let tokens = builder.tokens.or(plan.tokens).unwrap_or_else(|| Tokens::new(first));
    let bridges = Bridges::new(servers, builder.sqlx_pool_connections);
    let store = plan.store;
    #[cfg(feature = "xa-sqlite")]
    let store = match &builder.xa_store {
        Some(path) => Some(Arc::new(crate::xa::FileStore::new(path)) as Arc<dyn Keeper>),
        None => store,
    };
    let globals = Globals::new(plan.xa.as_ref(), store, members.iter().map(|it| &it.pool));
    let wants_tables = tables::CAN_PARSE && plan.pipeline.wants_tables();
    let router = Router::new(topology, plan.pipeline, plan.failover);
    let roles = router.topology().servers().iter().map(Server::role);
    let census = statistics.as_ref().map(|it| Census::new(Arc::clone(it), roles));
    Ok(Cluster::new(Inner {
        section: plan.section,
        members: members.into(),
        memory: router.cluster_memory(),
        router,
        rules: plan.rules,
        lazy: plan.lazy,
        warnings: plan.warnings,
        statistics,
        census,
        hooks: builder.hooks,
        seed: builder.seed.map(AtomicU64::new),
        sql_mode: KnownSqlMode::default(),
        server_charset: plan.server_charset,
        classes: Classes::default(),
        transient: plan.transient,
        injection: injection.map(Arc::new),
        tables: wants_tables.then(KnownTables::default),
        bridges,
        lags: Lags::new(servers, heartbeat, monitor.max_per_second),
        tokens: CurrentTokens::new(tokens),
        cache: cache::Store::new(builder.cache_bytes.unwrap_or(cache::CAPACITY)),
        positions,
        written: Arc::default(),
        globals,
    }))
}

/// Counting costs next to nothing and whoever asks for statistics wants them, so it is on unless somebody said off. (The
/// original's default was off.)
fn counting(switches: Switches, above: &Settings, section: &Settings) -> bool {
    switches.collect_statistics || above.collect_statistics.or(section.collect_statistics).is_none()
}

fn rules(
    switches: Switches,
    primary_on_write: bool,
    stickiness: Option<TrxStickiness>,
    read_functions: &[String],
) -> Rules {
    let mut settings = ms_filters::Settings::default();
    settings.primary_on_write = primary_on_write;
    settings.pins_picks = switches.compat == Compat::Strict;
    settings.mode = match switches.mode {
        Mode::PrimaryOnly => ms_filters::Mode::PrimaryOnly,
        Mode::Observe => ms_filters::Mode::Observe,
        Mode::OptIn => ms_filters::Mode::OptIn,
        Mode::Auto => ms_filters::Mode::Auto,
    };
    settings.stickiness = match (stickiness, switches.compat) {
        (Some(TrxStickiness::Primary), _) => Stickiness::Primary,
        (Some(TrxStickiness::On), _) => Stickiness::On,
        // Not binding a transaction to its server tears it apart, which nobody means who says `strict`.
        (Some(TrxStickiness::Disabled) | None, Compat::Strict) => Stickiness::On,
        (Some(TrxStickiness::Disabled) | None, Compat::Classic) => Stickiness::Disabled,
    };
    if switches.disable_rw_split || !switches.enable {
        settings.split = Split::Disabled;
    }
    Rules {
        compat: match switches.compat {
            Compat::Classic => ms_hints::Compat::Classic,
            Compat::Strict => ms_hints::Compat::Strict,
        },
        mode: switches.mode,
        settings,
        retry_reads: switches.compat == Compat::Strict,
        level: if switches.compat == Compat::Strict { Quality::Session } else { Quality::Eventual },
        level_by_filter: false,
        // Classification borrows a slice of names for each statement. The handful of names of a configuration live as
        // long as its cluster, which mostly is the process.
        read_functions: read_functions.iter().map(|name| &*String::leak(name.clone())).collect(),
    }
}

/// The service level that a filter asks for.
fn configured_quality(filter: &Filter) -> Option<Quality> {
    let Filter::QualityOfService { level } = filter else { return None };
    Some(match *level {
        ServiceLevel::Strong => Quality::Strong,
        ServiceLevel::Session => Quality::Session,
        ServiceLevel::Eventual(Eventual::Unbounded) => Quality::Eventual,
        ServiceLevel::Eventual(Eventual::MaxAge(age)) => Quality::MaxLag(age),
        ServiceLevel::Eventual(Eventual::CacheTtl(ttl)) => Quality::LagBelow(ttl),
        _ => return None,
    })
}

fn filter(configured: &Filter, section: &str, callbacks: &Callbacks) -> Result<Box<dyn ms_filters::Filter>, Error> {
    match configured {
        Filter::Random { sticky: true, .. } => Ok(Box::new(Random::sticky())),
        Filter::Random { sticky: false, .. } => Ok(Box::new(Random::new())),
        Filter::RoundRobin { .. } => Ok(Box::new(RoundRobin::new())),
        Filter::User { callback } => Ok(Box::new(match callbacks.user.get(callback) {
            Some(choose) => User::new(section, callback.as_str(), Arc::clone(choose)),
            // As in the original it is the statement that fails: a file may serve programs with different callbacks.
            None => User::unregistered(callback.as_str()),
        })),
        Filter::UserMulti { callback } => Ok(Box::new(match callbacks.user_multi.get(callback) {
            Some(narrow) => UserMulti::new(section, callback.as_str(), Arc::clone(narrow)),
            None => UserMulti::unregistered(callback.as_str()),
        })),
        Filter::NodeGroups { groups } => Ok(Box::new(NodeGroups::new(groups.iter().map(|group| NodeGroup {
            name: group.name.clone(),
            primaries: group.primaries.clone(),
            replicas: group.replicas.clone(),
        })))),
        Filter::QualityOfService { .. } => match configured_quality(configured) {
            Some(quality) => Ok(Box::new(QualityOfService::new(quality))),
            None => Err(Unusable::Filter { name: configured.name().to_owned() }.into()),
        },
        Filter::Table { .. } if !tables::CAN_PARSE => {
            Err(Unusable::Feature { name: configured.name().to_owned(), feature: "table-rules" }.into())
        }
        Filter::Table { rules } => {
            let rules = rules.iter().map(|rule| TableRule {
                pattern: rule.pattern.clone(),
                primaries: rule.primaries.clone(),
                replicas: rule.replicas.clone(),
            });
            Ok(Box::new(Table::new(format!("{section}.filters.table.rules"), rules)))
        }
        other => Err(Unusable::Filter { name: other.name().to_owned() }.into()),
    }
}

fn failover(configured: ms_config::Failover) -> ms_filters::Failover {
    let mut failover = ms_filters::Failover::new(match configured.strategy {
        ms_config::Strategy::Disabled => ms_filters::Strategy::Disabled,
        ms_config::Strategy::Primary => ms_filters::Strategy::Primary,
        ms_config::Strategy::LoopBeforePrimary => ms_filters::Strategy::LoopBeforePrimary,
    });
    failover.max_retries = match configured.max_retries {
        ms_config::Retries::Limit(limit) => ms_filters::Retries::Limit(limit),
        ms_config::Retries::Unlimited => ms_filters::Retries::Unlimited,
    };
    failover.memory = match configured.memory {
        ms_config::FailureMemory::Session => ms_filters::FailureMemory::Remember,
        ms_config::FailureMemory::Cluster { .. } => ms_filters::FailureMemory::Cluster,
        _ => ms_filters::FailureMemory::Forget,
    };
    failover
}

/// How long the cluster avoids a server, where it is the cluster that remembers.
fn retry_after(failover: ms_config::Failover) -> Option<Duration> {
    match failover.memory {
        ms_config::FailureMemory::Cluster { retry_after } => Some(retry_after),
        _ => None,
    }
}

fn credentials(secret: Option<Secret>, inherited: Option<&Arc<dyn Credentials>>) -> Arc<dyn Credentials> {
    match (secret, inherited) {
        (Some(Secret::Literal(password)), _) => Arc::new(Password::new(password)),
        (Some(Secret::Env(variable)), _) => Arc::new(FromEnv::new(variable)),
        (Some(Secret::File(path)), _) => Arc::new(FromFile::new(path)),
        (None, Some(inherited)) => Arc::clone(inherited),
        _ => Arc::new(Password::NONE),
    }
}

/// What client programs of these servers log in as when nobody says otherwise.
fn login_name() -> String {
    std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
}

fn tls(configured: &ms_config::Tls) -> Tls {
    Tls {
        mode: match configured.mode {
            ms_config::TlsMode::Disabled => TlsMode::Disabled,
            ms_config::TlsMode::Preferred => TlsMode::Preferred,
            ms_config::TlsMode::Required => TlsMode::Required,
            ms_config::TlsMode::VerifyCa => TlsMode::VerifyCa,
            ms_config::TlsMode::VerifyIdentity => TlsMode::VerifyIdentity,
        },
        ca: configured.ca.clone(),
        cert: configured.cert.clone(),
        key: configured.key.clone(),
    }
}

fn limits(configured: PoolSettings) -> Limits {
    Limits {
        max_connections: configured.max_connections,
        min_idle: configured.min_idle,
        acquire_timeout: configured.acquire_timeout,
        connect_timeout: configured.connect_timeout,
        idle_timeout: configured.idle_timeout,
        max_lifetime: configured.max_lifetime,
        lifetime_jitter_percent: configured.lifetime_jitter_percent,
        verify_idle_after: configured.verify_idle_after,
        // Without a cache sqlx closes each statement with a message of its own, 40 ms over TCP: one is kept at least.
        statement_cache: (configured.statement_cache as usize).max(1),
        statement_timeout: configured.statement_timeout,
        ..Limits::default()
    }
}
