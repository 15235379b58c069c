//! What a decision costs, classification aside.
//!
//! `cargo bench -p ms-filters` prints one line per row. The bars: one primary and two replicas under 60 ns, with a
//! narrowing filter under 90 ns; 64 servers under 300 ns; building a cluster of 1,000 servers under 50 ms.

#![allow(missing_docs, reason = "the macros of criterion make undocumented functions")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use ms_filters::{
    Failover, FailureMemory, Filter, Held, Inputs, NodeGroup, NodeGroups, Pipeline, Quality, QualityOfService, Random,
    Reason, Request, Rng, Role, RoundRobin, Router, Scratch, Server, ServerIx, ServerState, SessionMemory, Stickiness,
    Table, TableName, TableRule, Tables, Topology, Transaction, View, narrow_fn, user_fn,
};
use ms_hints::{Access, Options, Statement};

struct AllOpen;

impl View for AllOpen {
    fn server(&self, _: ServerIx) -> ServerState {
        ServerState { open: true, ..ServerState::default() }
    }
}

/// As ms-pool's: a word for each server, zero while all is well, otherwise until when it is avoided.
struct Remembering {
    words: Vec<Arc<AtomicU64>>,
    born: Instant,
}

impl View for Remembering {
    fn server(&self, server: ServerIx) -> ServerState {
        let until = self.words[server.index()].load(Ordering::Relaxed);
        let failed = until != 0 && self.born.elapsed().as_millis() < u128::from(until);
        ServerState { open: true, failed, ..ServerState::default() }
    }
}

fn decide(c: &mut Criterion) {
    let even = |_: usize| 1_u16;
    let uneven = |it: usize| u16::try_from(it % 5 + 1).expect("it is small");
    row(c, "3 servers, random", 2, even, Access::Read, || vec![Box::new(Random::new())]);
    row(c, "3 servers, random once", 2, even, Access::Read, || vec![Box::new(Random::sticky())]);
    row(c, "3 servers, roundrobin", 2, even, Access::Read, || vec![Box::new(RoundRobin::new())]);
    row(c, "3 servers, write", 2, even, Access::Write, || vec![Box::new(Random::new())]);
    row(c, "3 servers, random by weight", 2, uneven, Access::Read, || vec![Box::new(Random::new())]);
    row(c, "3 servers, roundrobin by weight", 2, uneven, Access::Read, || vec![Box::new(RoundRobin::new())]);
    row(c, "3 servers, narrowed by nothing, random", 2, even, Access::Read, || {
        vec![Box::new(narrow_fn("all", |_, it| it.retain(|_, _| true))), Box::new(Random::new())]
    });
    row(c, "4 servers, narrowed to 3, roundrobin", 3, even, Access::Read, || {
        vec![Box::new(narrow_fn("some", |_, it| it.retain(|_, it| it.index() != 2))), Box::new(RoundRobin::new())]
    });
    for (name, level) in [("strong", Quality::Strong), ("eventual", Quality::Eventual)] {
        row(c, &format!("3 servers, {name}, random"), 2, even, Access::Read, || {
            vec![Box::new(QualityOfService::new(level)), Box::new(Random::new())]
        });
    }
    let groups = |replica| NodeGroup { name: "reports".to_owned(), primaries: vec![0], replicas: vec![replica] };
    row(c, "3 servers, node_groups, no comment, random", 2, even, Access::Read, || {
        vec![Box::new(NodeGroups::new([groups(1)])), Box::new(Random::new())]
    });
    row_of(c, "3 servers, node_groups, one named, random", b"/*reports*/SELECT 1", 2, even, Access::Read, || {
        vec![Box::new(NodeGroups::new([groups(1)])), Box::new(Random::new())]
    });
    let rule =
        |pattern: &str| TableRule { pattern: pattern.to_owned(), primaries: Some(vec![0]), replicas: Some(vec![1, 0]) };
    row(c, "3 servers, table, two rules, random", 2, even, Access::Read, || {
        vec![Box::new(Table::new("rules", [rule("archive.%"), rule("shop.%")])), Box::new(Random::new())]
    });
    row(c, "3 servers, user", 2, even, Access::Read, || {
        vec![Box::new(user_fn("shop", "cb", |call| call.replicas.uri(1).into()))]
    });
    row(c, "64 servers, random", 63, even, Access::Read, || vec![Box::new(Random::new())]);
    row(c, "64 servers, roundrobin", 63, even, Access::Read, || vec![Box::new(RoundRobin::new())]);
    row(c, "64 servers, random by weight", 63, uneven, Access::Read, || vec![Box::new(Random::new())]);
    row(c, "64 servers, roundrobin by weight", 63, uneven, Access::Read, || vec![Box::new(RoundRobin::new())]);
    row(c, "64 servers, narrowed to half, roundrobin", 63, even, Access::Read, || {
        let odd = narrow_fn("odd", |_, it| it.retain(|role, it| role == Role::Primary || it.index() % 2 == 1));
        vec![Box::new(odd), Box::new(RoundRobin::new())]
    });
}

/// What the memory of failures adds: to be compared with "3 servers, random".
fn remember(c: &mut Criterion) {
    for (name, avoided) in [("all well", 0), ("one avoided", u64::MAX)] {
        let mut failover = Failover::default();
        failover.memory = FailureMemory::Cluster;
        let router = router(2, |_| 1, vec![Box::new(Random::new())]).with_failover(failover);
        let view = Remembering { words: (0..3).map(|_| Arc::default()).collect(), born: Instant::now() };
        view.words[2].store(avoided, Ordering::Relaxed);
        run(c, &format!("3 servers, random, remembering, {name}"), &router, &view, b"SELECT 1", Access::Read);
    }
}

/// What transactions and the state of sessions add: to be compared with "3 servers, random".
fn bind(c: &mut Criterion) {
    let router = router(2, |_| 1, vec![Box::new(Random::new())]);
    let replica = router.topology().list(Role::Replica)[0];
    let mut row = |name: &str, change: &dyn Fn(&mut Request<'_>)| {
        let name = format!("3 servers, random, {name}");
        run_with(c, &name, &router, &AllOpen, b"SELECT 1", Access::Read, change);
    };
    row("transaction begins", &|request| {
        request.settings.stickiness = Stickiness::On;
        request.transaction = Transaction::Begun { read_only: true };
    });
    row("transaction bound", &|request| {
        request.settings.stickiness = Stickiness::On;
        request.transaction = Transaction::Pinned(replica);
    });
    row("state held", &|request| {
        request.held = Some(Held { server: replica, reason: Reason::HeldTable, takes_writes: false });
    });
}

fn build(c: &mut Criterion) {
    c.bench_function("build 1,000 servers", |b| {
        b.iter(|| {
            router(black_box(999), |it| u16::try_from(it).expect("it is small"), vec![Box::new(RoundRobin::new())])
        });
    });
}

fn row(
    c: &mut Criterion,
    name: &str,
    replicas: usize,
    weight: impl Fn(usize) -> u16,
    access: Access,
    filters: impl FnOnce() -> Vec<Box<dyn Filter>>,
) {
    row_of(c, name, b"SELECT 1", replicas, weight, access, filters);
}

fn row_of(
    c: &mut Criterion,
    name: &str,
    sql: &'static [u8],
    replicas: usize,
    weight: impl Fn(usize) -> u16,
    access: Access,
    filters: impl FnOnce() -> Vec<Box<dyn Filter>>,
) {
    run(c, name, &router(replicas, weight, filters()), &AllOpen, sql, access);
}

fn run(c: &mut Criterion, name: &str, router: &Router, view: &dyn View, sql: &'static [u8], access: Access) {
    run_with(c, name, router, view, sql, access, &|_| {});
}

fn run_with(
    c: &mut Criterion,
    name: &str,
    router: &Router,
    view: &dyn View,
    sql: &'static [u8],
    access: Access,
    change: &dyn Fn(&mut Request<'_>),
) {
    let cluster = router.cluster_memory();
    let mut statement = Statement::parse(sql, &Options::default());
    statement.access = access;
    let (mut rng, mut session, mut scratch) = (Rng::from_seed(1), SessionMemory::default(), Scratch::default());
    let tables = [TableName::new(Some("shop"), "orders")];
    c.bench_function(name, |b| {
        b.iter(|| {
            let mut request = Request::new(black_box(&statement));
            request.tables = Tables::Named(&tables);
            change(&mut request);
            router.start(black_box(&mut Inputs {
                request: &request,
                view,
                now: Duration::ZERO,
                rng: &mut rng,
                session: &mut session,
                cluster: &cluster,
                scratch: &mut scratch,
                sink: None,
            }))
        });
    });
}

fn router(replicas: usize, weight: impl Fn(usize) -> u16, filters: Vec<Box<dyn Filter>>) -> Router {
    let replicas = (0..replicas).map(|it| Server::replica(format!("replica{it}")).with_weight(weight(it)));
    let topology = Topology::new(std::iter::once(Server::primary("primary")).chain(replicas));
    let pipeline = Pipeline::new(filters).expect("the last filter picks");
    Router::new(topology.expect("there are few"), pipeline, Failover::default())
}

criterion_group!(benches, decide, remember, bind, build);
criterion_main!(benches);
