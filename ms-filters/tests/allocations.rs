//! A decision allocates nothing once its memories have grown.

use std::time::Duration;

use ms_filters::{
    Choices, Failover, Filter, Inputs, NodeGroup, NodeGroups, Outcome, Pipeline, Quality, QualityOfService, Random,
    Request, Rng, Role, RoundRobin, Router, Scratch, Server, ServerIx, ServerState, SessionMemory, Step, Strategy,
    Table, TableName, TableRule, Tables, Topology, View, narrow_fn, user_fn, user_multi_fn,
};
use ms_hints::{Access, Options, Statement};

/// All are open but one, which cannot be reached.
struct AllButOne(ServerIx);

impl View for AllButOne {
    fn server(&self, server: ServerIx) -> ServerState {
        ServerState { open: server != self.0, ..ServerState::default() }
    }
}

#[test]
fn random_allocates_nothing() {
    check(vec![Box::new(Random::new())], 1);
    check(vec![Box::new(Random::sticky())], 1);
    check(vec![Box::new(Random::new())], 5);
}

#[test]
fn round_robin_allocates_nothing() {
    check(vec![Box::new(RoundRobin::new())], 1);
    check(vec![Box::new(RoundRobin::new())], 5);
}

#[test]
fn narrowed_lists_allocate_nothing_when_they_were_seen_before() {
    let odd = || narrow_fn("odd", |_, it| it.retain(|role, server| role == Role::Primary || server.index() % 2 == 1));
    check(vec![Box::new(odd()), Box::new(RoundRobin::new())], 1);
    check(vec![Box::new(odd()), Box::new(Random::sticky())], 5);
}

#[test]
fn filters_that_narrow_allocate_nothing() {
    let groups = || NodeGroups::new([NodeGroup { name: "A".into(), primaries: vec![0], replicas: vec![0, 2, 4] }]);
    check_sql("/*A*/SELECT 1", vec![Box::new(groups()), Box::new(RoundRobin::new())], 1);
    check_sql("/*B*/SELECT 1", vec![Box::new(groups()), Box::new(Random::new())], 1);
    let rule = |pattern: &str| TableRule {
        pattern: pattern.to_owned(),
        primaries: Some(vec![0]),
        replicas: Some(vec![4, 2, 0]),
    };
    check(vec![Box::new(Table::new("rules", [rule("a%"), rule("%")])), Box::new(RoundRobin::new())], 1);
    for level in [Quality::Strong, Quality::Session, Quality::Eventual] {
        check(vec![Box::new(QualityOfService::new(level)), Box::new(RoundRobin::new())], 1);
    }
}

#[test]
fn callbacks_allocate_only_what_they_answer() {
    check(vec![Box::new(user_fn("shop", "cb", |call| call.replicas.uri(0).into()))], 1);
    check(vec![Box::new(user_multi_fn("shop", "cb", |_| Choices::All)), Box::new(RoundRobin::new())], 1);
}

#[track_caller]
fn check(filters: Vec<Box<dyn Filter>>, weight: u16) {
    check_sql("SELECT 1", filters, weight);
}

#[track_caller]
fn check_sql(sql: &str, filters: Vec<Box<dyn Filter>>, weight: u16) {
    let replicas = (0..9).map(|it| Server::replica(format!("replica{it}")).with_weight(weight));
    let topology = Topology::new(std::iter::once(Server::primary("primary")).chain(replicas)).expect("there are ten");
    let failover = Failover::new(Strategy::LoopBeforePrimary);
    let router = Router::new(topology, Pipeline::new(filters).expect("the last filter picks"), failover);
    let cluster = router.cluster_memory();
    let mut statement = Statement::parse(sql.as_bytes(), &Options::default());
    statement.access = Access::Read;
    let (mut rng, mut session, mut scratch) = (Rng::from_seed(1), SessionMemory::default(), Scratch::default());

    let tables = [TableName::new(Some("shop"), "orders"), TableName::new(Some("a"), "b")];
    let mut request = Request::new(&statement);
    request.tables = Tables::Named(&tables);

    let mut decide = || {
        let mut inputs = Inputs {
            request: &request,
            view: &AllButOne(ServerIx::new(3)),
            now: Duration::ZERO,
            rng: &mut rng,
            session: &mut session,
            cluster: &cluster,
            scratch: &mut scratch,
            sink: None,
        };
        let (mut attempt, mut step) = router.start(&mut inputs);
        if let Step::Open(_) = step {
            step = router.after(&mut attempt, &mut inputs, Outcome::OpenFailed);
        }
        assert!(matches!(step, Step::Use(_)), "{step:?}");
    };
    for _ in 0..100 {
        decide();
    }
    let counted = allocation_counter::measure(|| (0..1_000).for_each(|_| decide()));
    assert_eq!(counted.count_total, 0, "allocations in 1,000 decisions");
}
