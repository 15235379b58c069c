//! A cluster that exists only in words: which servers there are, which of them are dead.
//!
//! Everything a pool does with the router's steps is done here without a socket, so a rule of routing is one line of a
//! table. `m1 m2! | s1*3 s2` is two primaries, the second dead, and two replicas, the first of weight three.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a broken table is a failed test")]

pub mod script;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ms_filters::{
    Attempt, ClusterMemory, Failover, FailureMemory, Filter, Inputs, MustSee, Outcome, Pipeline, Quality, Random,
    Request, Retries, Rng, RoundRobin, Router, Scratch, Server, ServerIx, ServerState, SessionMemory, Settings, Step,
    Strategy, TableName, Tables, Topology, Transaction, View,
};
use ms_hints::{Access, Compat, Options, Route, Statement};

pub struct Sim {
    pub router: Router,
    pub cluster: ClusterMemory,
    pub session: SessionMemory,
    pub scratch: Scratch,
    pub rng: Rng,
    pub settings: Settings,
    pub transaction: Transaction,
    pub level: Option<Quality>,
    pub must_see: MustSee,
    pub group: Option<&'static str>,
    pub stays: Option<ServerIx>,
    /// What a fetch finds out.
    pub fetched: BTreeMap<ServerIx, ServerState>,
    /// The fetches so far.
    pub fetches: u32,
    pub tables: Tables<'static>,
    pub last_used: Option<ServerIx>,
    pub servers: Servers,
    /// The servers opened, or tried to, for the last statement.
    pub tries: Vec<String>,
    pub attempt: Option<Attempt>,
    pub warning: Option<&'static str>,
    /// All that was said about the last statement.
    pub warnings: Vec<String>,
    /// The original's words for its refusal.
    pub refusal: Option<&'static str>,
    /// Our words for it.
    pub error: Option<String>,
    pub stats: BTreeMap<&'static str, u32>,
}

#[derive(Default)]
pub struct Servers {
    pub dead: BTreeSet<ServerIx>,
    pub open: BTreeSet<ServerIx>,
    pub states: BTreeMap<ServerIx, ServerState>,
    /// Somebody else is about to try them, which nobody knew when the decision was made.
    pub taken: BTreeSet<ServerIx>,
}

impl View for Servers {
    fn server(&self, server: ServerIx) -> ServerState {
        let state = self.states.get(&server).copied().unwrap_or_default();
        ServerState { open: self.open.contains(&server), ..state }
    }
}

impl Sim {
    /// `filter` is `random`, `sticky` or `roundrobin`.
    pub fn new(servers: &str, filter: &str) -> Self {
        let filter: Box<dyn Filter> = match filter {
            "random" => Box::new(Random::new()),
            "sticky" => Box::new(Random::sticky()),
            "roundrobin" => Box::new(RoundRobin::new()),
            other => panic!("no filter `{other}`"),
        };
        Sim::with_filters(servers, vec![filter])
    }

    pub fn with_filters(servers: &str, filters: Vec<Box<dyn Filter>>) -> Self {
        let (primaries, replicas) = servers.split_once('|').expect("primaries | replicas");
        let mut all: Vec<Server> = primaries.split_whitespace().map(|it| weigh(it, Server::primary)).collect();
        all.extend(replicas.split_whitespace().map(|it| weigh(it, Server::replica)));
        let topology = Topology::new(all).unwrap();
        let router = Router::new(topology, Pipeline::new(filters).unwrap(), Failover::default());
        let cluster = router.cluster_memory();
        let mut sim = Sim {
            router,
            cluster,
            session: SessionMemory::default(),
            scratch: Scratch::default(),
            rng: Rng::from_seed(42),
            settings: Settings::default(),
            transaction: Transaction::None,
            level: None,
            must_see: MustSee::Unknown,
            stays: None,
            group: None,
            fetched: BTreeMap::new(),
            fetches: 0,
            tables: Tables::NotAsked,
            last_used: None,
            servers: Servers::default(),
            tries: Vec::new(),
            attempt: None,
            warning: None,
            warnings: Vec::new(),
            refusal: None,
            error: None,
            stats: BTreeMap::new(),
        };
        for word in servers.split_whitespace().filter(|it| it.ends_with('!')) {
            let server = sim.ix(word);
            sim.servers.dead.insert(server);
        }
        sim
    }

    /// `disabled`, `master` or `loop`, then `max_retries`, then `remember` or `cluster`.
    pub fn failover(mut self, words: &str) -> Self {
        let mut failover = Failover::default();
        for word in words.split_whitespace() {
            match word {
                "disabled" => failover.strategy = Strategy::Disabled,
                "master" => failover.strategy = Strategy::Primary,
                "loop" => failover.strategy = Strategy::LoopBeforePrimary,
                "remember" => failover.memory = FailureMemory::Remember,
                "cluster" => failover.memory = FailureMemory::Cluster,
                number => failover.max_retries = Retries::from_config(number.parse().unwrap()),
            }
        }
        self.router = self.router.with_failover(failover);
        self
    }

    /// Has the view call these servers failed.
    pub fn avoid(mut self, names: &str) -> Self {
        for name in names.split_whitespace() {
            let failed = ServerState { failed: true, ..ServerState::default() };
            self.servers.states.insert(self.ix(name), failed);
        }
        self
    }

    pub fn settings(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    pub fn transaction(mut self, transaction: Transaction) -> Self {
        self.transaction = transaction;
        self
    }

    pub fn ix(&self, name: &str) -> ServerIx {
        let name = name.trim_end_matches('!').split('*').next().unwrap();
        self.router.topology().find(name).unwrap_or_else(|| panic!("no server `{name}`"))
    }

    pub fn name(&self, server: ServerIx) -> String {
        self.router.topology().server(server).name().to_owned()
    }

    /// Runs `R`, `W` or `F` (read, write, follow) behind any number of `ms=…` hints, or SQL by the classic rules; answers with the name of the
    /// server, `connect NAME` for its connect error, or the code of the refusal.
    pub fn run(&mut self, statement: &str) -> String {
        self.tries.clear();
        self.warning = None;
        self.refusal = None;
        self.error = None;
        let statement = statement_of(statement);
        let mut request = Request::new(&statement);
        request.settings = self.settings;
        request.transaction = self.transaction;
        request.last_used = self.last_used;
        request.level = self.level;
        request.must_see = self.must_see;
        request.stays = self.stays;
        request.group = self.group;
        request.tables = self.tables;

        let first_primary = self.router.topology().list(ms_filters::Role::Primary).first().copied();
        let mut reported: Option<(Attempt, Outcome)> = None;
        loop {
            let mut inputs = Inputs {
                request: &request,
                view: &self.servers,
                now: Duration::ZERO,
                rng: &mut self.rng,
                session: &mut self.session,
                cluster: &self.cluster,
                scratch: &mut self.scratch,
                sink: None,
            };
            let (attempt, step) = match reported.take() {
                None => self.router.start(&mut inputs),
                Some((mut attempt, outcome)) => {
                    let step = self.router.after(&mut attempt, &mut inputs, outcome);
                    (attempt, step)
                }
            };
            let answer = match step {
                Step::Open(server) => {
                    let avoided = self.servers.taken.contains(&server) && attempt.may_be_avoided();
                    reported = Some((attempt, if avoided { Outcome::Avoided } else { self.open(server) }));
                    continue;
                }
                Step::Fetch(_) => {
                    self.fetches += 1;
                    self.servers.states.extend(std::mem::take(&mut self.fetched));
                    reported = Some((attempt, Outcome::Fetched));
                    continue;
                }
                Step::Use(server) => {
                    self.last_used = Some(server);
                    self.name(server)
                }
                Step::Give(server) => {
                    self.last_used = Some(server);
                    format!("connect {}", self.name(server))
                }
                Step::Fail(why) => {
                    self.last_used = first_primary;
                    self.warning = why.warning();
                    self.refusal = Some(why.original());
                    self.error = Some(self.router.explain(&request, why));
                    why.reason().code().to_owned()
                }
            };
            self.warnings = self.scratch.warnings().drain().map(String::from).collect();
            self.warnings.extend(self.warning.map(str::to_owned));
            self.count(&attempt);
            self.attempt = Some(attempt);
            return answer;
        }
    }

    fn open(&mut self, server: ServerIx) -> Outcome {
        self.tries.push(self.name(server));
        let primary = self.router.topology().server(server).role() == ms_filters::Role::Primary;
        let dead = self.servers.dead.contains(&server);
        let counter = match (primary, dead) {
            (true, true) => "lazy_connections_master_failure",
            (true, false) => "lazy_connections_master_success",
            (false, true) => "lazy_connections_slave_failure",
            (false, false) => "lazy_connections_slave_success",
        };
        *self.stats.entry(counter).or_default() += 1;
        if dead {
            return Outcome::OpenFailed;
        }
        self.servers.open.insert(server);
        Outcome::Opened
    }

    fn count(&mut self, attempt: &Attempt) {
        let tally = attempt.tally();
        for (counter, moved) in [
            ("use_slave", tally.use_replica),
            ("use_master", tally.use_primary),
            ("use_slave_guess", tally.use_replica_guess),
            ("use_master_guess", tally.use_primary_guess),
            ("use_slave_sql_hint", tally.use_replica_sql_hint),
            ("use_master_sql_hint", tally.use_primary_sql_hint),
            ("use_last_used_sql_hint", tally.use_last_used_sql_hint),
            ("use_slave_callback", tally.use_replica_callback),
            ("use_master_callback", tally.use_primary_callback),
            ("trx_master_forced", tally.trx_primary_forced),
        ] {
            *self.stats.entry(counter).or_default() += u32::from(moved);
        }
    }

    /// Runs lines of `[Nx] STATEMENT => EXPECTED`. Alternatives are separated by `/`; `connect` is the connect error of
    /// any server, `no_connection` and `no_master` are refusals in the original's words, `same` is the server of the
    /// line's first round, `$name` that of the first line that says so, `exactly A 1, B 4` and `about A 1, B 4` are shares.
    ///
    /// Lines that begin with `stats` compare counters, those with `warns` look for a text among the warnings of the
    /// statement before, and those with `level`, `tx` (`none`, `begun`, `read_only`, `pinned SERVER`) or `tables` (names, or
    /// `unparsable`) change what is known of later statements.
    #[track_caller]
    pub fn story(&mut self, lines: &str) {
        self.tell("", lines);
    }

    /// A story with a name to fail under.
    #[track_caller]
    pub fn tell(&mut self, name: &str, lines: &str) {
        let mut seen: BTreeMap<&str, String> = BTreeMap::new();
        for line in lines.lines().map(str::trim).filter(|it| !it.is_empty()) {
            if let Some(stats) = line.strip_prefix("stats ") {
                self.expect_stats(name, stats);
                continue;
            }
            if self.obeys(name, line) {
                continue;
            }
            let mut first = None;
            let (statement, expected) = line.split_once("=>").expect("STATEMENT => EXPECTED");
            let (times, statement) = match statement.trim().split_once("x ") {
                Some((times, statement)) if times.bytes().all(|it| it.is_ascii_digit()) => {
                    (times.parse().unwrap(), statement)
                }
                _ => (1, statement.trim()),
            };
            let expected = expected.trim();
            if let Some(shares) = expected.strip_prefix("exactly ").or(expected.strip_prefix("about ")) {
                let slack = if expected.starts_with("about") { 0.35 } else { 0.0 };
                self.expect_shares(name, statement, times, shares, slack);
                continue;
            }
            for round in 0..times {
                let got = self.run(statement);
                let mut options = expected.split('/').map(str::trim);
                let fits = match expected {
                    "same" => *first.get_or_insert_with(|| got.clone()) == got,
                    name if name.starts_with('$') => *seen.entry(name).or_insert_with(|| got.clone()) == got,
                    _ => options.any(|it| match it {
                        "connect" => got.starts_with(it),
                        "no_connection" => self.refusal == Some("No connection selected by the last filter"),
                        "no_master" => {
                            self.refusal == Some("Couldn't find the appropriate master connection. Something is wrong")
                        }
                        it => it == got,
                    }),
                };
                assert!(fits, "{name} `{line}`, round {round}: got `{got}`");
            }
        }
    }

    /// Whether the line is no statement.
    #[track_caller]
    fn obeys(&mut self, name: &str, line: &str) -> bool {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "warns" => {
                let told = self.warnings.iter().any(|it| it.contains(rest));
                assert!(told, "{name} `{line}`: {:?}", self.warnings);
            }
            "level" => {
                self.level = match rest {
                    "strong" => Some(Quality::Strong),
                    "session" => Some(Quality::Session),
                    "eventual" => Some(Quality::Eventual),
                    other => panic!("no level `{other}`"),
                }
            }
            "tables" if rest == "unparsable" => self.tables = Tables::Unparsable,
            "tables" => {
                let name = |it: &str| match it.split_once('.') {
                    Some((database, table)) => TableName::new(Some(database), table),
                    None => TableName::new(None, it),
                };
                self.tables = Tables::Named(rest.split_whitespace().map(name).collect::<Vec<_>>().leak());
            }
            "tx" => {
                self.transaction = match rest {
                    "none" => Transaction::None,
                    "begun" => Transaction::Begun { read_only: false },
                    "read_only" => Transaction::Begun { read_only: true },
                    pinned => Transaction::Pinned(self.ix(pinned.trim_start_matches("pinned "))),
                }
            }
            _ => return false,
        }
        true
    }

    #[track_caller]
    fn expect_shares(&mut self, name: &str, statement: &str, times: u32, shares: &str, slack: f64) {
        let spread = self.spread(statement, times);
        let shares = shares.split(',').map(|it| it.trim().rsplit_once(' ').expect("SERVER WEIGHT"));
        let shares: BTreeMap<&str, f64> = shares.map(|(server, weight)| (server, weight.parse().unwrap())).collect();
        assert!(spread.keys().all(|it| shares.contains_key(it.as_str())), "{name}: {spread:?}");
        let total: f64 = shares.values().sum();
        for (server, weight) in shares {
            let got = f64::from(spread.get(server).copied().unwrap_or(0));
            let due = f64::from(times) * weight / total;
            assert!((got - due).abs() <= due * slack, "{name}: `{server}` ran {got} of {times}, due are {due}");
        }
    }

    #[track_caller]
    fn expect_stats(&self, name: &str, expected: &str) {
        for pair in expected.split(',') {
            let (counter, value) = pair.trim().rsplit_once(' ').expect("COUNTER VALUE");
            let got = self.stats.get(counter).copied().unwrap_or(0);
            assert_eq!(got, value.parse::<u32>().unwrap(), "{name}: `{counter}` after the lines before it");
        }
    }

    /// How often each server ran `statement`.
    pub fn spread(&mut self, statement: &str, times: u32) -> BTreeMap<String, u32> {
        let mut seen = BTreeMap::new();
        for _ in 0..times {
            *seen.entry(self.run(statement)).or_default() += 1;
        }
        seen
    }

    pub fn line(&self) -> String {
        self.attempt.as_ref().unwrap().decision().display(&self.router, None).to_string()
    }
}

pub fn statement_of(words: &str) -> Statement<'static> {
    let is_word = |it: &str| matches!(it, "R" | "W" | "F") || it.starts_with("ms=");
    if !words.split_whitespace().all(is_word) {
        let classic = Options { compat: Compat::Classic, ..Options::default() };
        return Statement::parse(words.to_owned().leak().as_bytes(), &classic);
    }
    let mut statement = Statement::parse(b"", &Options::default());
    (statement.route, statement.counts) = Default::default();
    for word in words.split_whitespace() {
        match word {
            "R" => statement.access = Access::Read,
            "W" => statement.access = Access::Write,
            "F" => statement.access = Access::Follow,
            "ms=slave" => {
                statement.route = Some(Route::Replica);
                statement.counts.replica += 1;
            }
            "ms=master" => {
                statement.route = Some(Route::Primary);
                statement.counts.primary += 1;
            }
            "ms=last_used" => {
                statement.route = Some(Route::LastUsed);
                statement.counts.last_used += 1;
            }
            other => panic!("no such word: `{other}`"),
        }
    }
    statement
}

fn weigh(word: &str, server: fn(String) -> Server) -> Server {
    let word = word.trim_end_matches('!');
    match word.split_once('*') {
        Some((name, weight)) => server(name.to_owned()).with_weight(weight.parse().unwrap()),
        None => server(word.to_owned()),
    }
}
