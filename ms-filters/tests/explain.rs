//! What `ms explain` asks: who is left with which share, who was taken away, how big a cluster may be.

mod sim;

use std::time::{Duration, Instant};

use ms_filters::{
    Filter, Inputs, Random, Record, Request, Role, Server, ServerState, Shares, Step, Topology, narrow_fn,
};
use sim::{Sim, statement_of};

#[test]
fn random_shares_by_weight() {
    shares(&mut Sim::new("m | a b", "random"), "R", "a 50% b 50%");
    shares(&mut Sim::new("m | a*3 b*1 c*0", "random"), "R", "a 75% b 25% c 0%");
    shares(&mut Sim::new("m | a*0 b*0", "random"), "R", "a 50% b 50%");
    shares(&mut Sim::new("m | a b", "random"), "W", "m 100%");
}

#[test]
fn a_choice_that_was_made_has_it_all() {
    let mut sim = Sim::new("m | a b", "sticky");
    shares(&mut sim, "R", "a 50% b 50%");
    let chosen = sim.run("R");
    shares(&mut sim, "R", &format!("{chosen} 100% next"));
}

#[test]
fn round_robin_names_the_next_one_and_does_not_move() {
    let mut sim = Sim::new("m | a b*2", "roundrobin");
    for _ in 0..3 {
        shares(&mut sim, "R", "a 33% b 67% next");
    }
    sim.story("R => b \n R => b");
    shares(&mut sim, "R", "a 33% next b 67%");
}

#[test]
fn remembered_servers_get_nothing() {
    let mut sim = Sim::new("m | a b c", "random").failover("loop 0 remember");
    sim.servers.states.insert(sim.ix("b"), ServerState { failed: true, ..Default::default() });
    shares(&mut sim, "R", "a 50% c 50%");
}

#[test]
fn one_server_is_certain_for_what_is_bound_to_it() {
    let mut sim = Sim::new("m | a b", "roundrobin");
    sim.story("R => a");
    shares(&mut sim, "ms=last_used R", "a 100% next");
    shares(&mut Sim::new("m |", "random").failover("master"), "R", "m 100%");
    shares(&mut Sim::new("m |", "random"), "R", "");
}

#[test]
fn asking_is_no_write() {
    let mut sim = Sim::new("m | a", "random").settings(|it| it.primary_on_write = true);
    shares(&mut sim, "W", "m 100%");
    assert!(!sim.session.has_written());
}

#[test]
fn a_sink_is_told_who_was_taken_away_and_by_whom() {
    let only_a = narrow_fn("near", |_, it| it.retain(|role, server| role == Role::Primary || server.index() == 1));
    let nobody_writes = narrow_fn("read_only", |_, it| it.clear(Role::Primary));
    let filters: Vec<Box<dyn Filter>> = vec![Box::new(only_a), Box::new(nobody_writes), Box::new(Random::new())];
    let mut sim = Sim::with_filters("m | a b c", filters);
    let statement = statement_of("R");
    let request = Request::new(&statement);
    let mut record = Record::default();
    let (router, mut inputs) = inputs(&mut sim, &request);
    inputs.sink = Some(&mut record);
    let (_, step) = router.start(&mut inputs);
    assert!(matches!(step, Step::Open(_)), "{step:?}");
    let told: Vec<String> = record
        .removals()
        .map(|(filter, server, reason)| format!("{filter} {} {}", server.index(), reason.code()))
        .collect();
    assert_eq!(told, ["near 2 narrowed", "near 3 narrowed", "read_only 0 narrowed"]);
}

#[test]
fn a_thousand_servers_are_built_in_no_time() {
    let started = Instant::now();
    let servers = (0..1_000_u16).map(|it| Server::replica(format!("replica{it}")).with_weight(it));
    let topology = Topology::new(servers).unwrap();
    assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
    assert_eq!(topology.find("replica999").map(|it| it.index()), Some(999));
}

#[test]
fn more_servers_than_an_index_can_name_are_refused() {
    let error = Topology::new((0..65_536).map(|_| Server::replica("r"))).unwrap_err();
    assert_eq!(error.to_string(), "a cluster has at most 65535 servers, not `65536`");
    assert!(Topology::new((0..65_535).map(|_| Server::replica("r"))).is_ok());
}

#[test]
fn primaries_come_first_and_each_side_keeps_its_order() {
    let servers = [Server::replica("r1"), Server::primary("p1"), Server::replica("r2"), Server::primary("p2")];
    let topology = Topology::new(servers).unwrap();
    let names: Vec<_> = topology.servers().iter().map(|it| it.name()).collect();
    assert_eq!(names, ["p1", "p2", "r1", "r2"]);
    assert_eq!(topology.list(Role::Replica).iter().map(|it| it.index()).collect::<Vec<_>>(), [2, 3]);
}

#[track_caller]
fn shares(sim: &mut Sim, statement: &str, expected: &str) {
    let statement = statement_of(statement);
    let mut request = Request::new(&statement);
    request.settings = sim.settings;
    request.last_used = sim.last_used;
    let (router, mut inputs) = inputs(sim, &request);
    let shares: Shares = router.shares(&mut inputs);
    let show = |it: ms_filters::Share| {
        let percent = it.part.map_or(String::new(), |part| format!(" {:.0}%", part * 100.0));
        format!("{}{percent}{}", router.topology().server(it.server).name(), if it.next { " next" } else { "" })
    };
    assert_eq!(shares.iter().map(show).collect::<Vec<_>>().join(" "), expected);
}

fn inputs<'a>(sim: &'a mut Sim, request: &'a Request<'a>) -> (&'a ms_filters::Router, Inputs<'a>) {
    let inputs = Inputs {
        request,
        view: &sim.servers,
        now: Duration::ZERO,
        rng: &mut sim.rng,
        session: &mut sim.session,
        cluster: &sim.cluster,
        scratch: &mut sim.scratch,
        sink: None,
    };
    (&sim.router, inputs)
}
