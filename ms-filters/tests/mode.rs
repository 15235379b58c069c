//! How far each mode lets statements leave the primaries, and what the decision says about it.

#![allow(clippy::unwrap_used, reason = "a broken table is a failed test")]

mod sim;

use ms_filters::{Filter, Mode, Reason, Role, Shares, Stickiness, TableName, Tables, Transaction};
use sim::{Sim, script::chain, statement_of};

const BEGUN_READ_ONLY: Transaction = Transaction::Begun { read_only: true };

#[test]
fn auto_uses_replicas_for_what_may_run_there() {
    check(Mode::Auto, "R", "s");
    check(Mode::Auto, "ms=slave W", "s");
    check(Mode::Auto, "W", "m");
}

#[test]
fn opt_in_waits_to_be_asked() {
    check(Mode::OptIn, "R", "m");
    check(Mode::OptIn, "ms=slave R", "s");
    check(Mode::OptIn, "ms=slave W", "s");
    check(Mode::OptIn, "ms=master R", "m");
    check(Mode::OptIn, "W", "m");
    let sim = sim("m | s", "roundrobin", "", Mode::OptIn).transaction(BEGUN_READ_ONLY);
    assert_eq!(sim.settings(|it| it.stickiness = Stickiness::On).run("R"), "s", "a read-only transaction asks");
}

#[test]
fn primaries_run_everything_when_they_observe_or_are_all_there_is() {
    for mode in [Mode::PrimaryOnly, Mode::Observe] {
        for statement in ["R", "W", "F", "ms=slave R", "ms=slave W", "ms=master R"] {
            check(mode, statement, "m");
        }
        let sim = sim("m | s", "roundrobin", "", mode).transaction(BEGUN_READ_ONLY);
        assert_eq!(sim.settings(|it| it.stickiness = Stickiness::On).run("R"), "m", "{mode:?}");
    }
}

#[test]
fn the_decision_names_the_mode_and_where_it_would_have_gone() {
    line(Mode::PrimaryOnly, "R", "read -> mode primary only -> 1 primary -> roundrobin -> m -> opened", None);
    line(Mode::OptIn, "R", "read -> mode opt in -> 1 primary -> roundrobin -> m -> opened", None);
    line(
        Mode::Observe,
        "R",
        "read -> 2 replicas -> roundrobin -> s1 -> mode observe -> 1 primary -> roundrobin -> m -> opened",
        Some("s1"),
    );
    line(Mode::Observe, "W", "write -> 1 primary -> roundrobin -> m -> opened", None);
}

#[test]
fn what_is_observed_is_what_would_have_been() {
    let mut sim = sim("m | s1 s2 s3", "roundrobin", "", Mode::Observe);
    let mut observed = || {
        assert_eq!(sim.run("R"), "m");
        let decision = *sim.attempt.unwrap().decision();
        sim.name(decision.observed().unwrap())
    };
    assert_eq!([observed(), observed(), observed(), observed()], ["s1", "s2", "s3", "s1"]);

    let mut sim = self::sim("m | s1 s2 s3 s4 s5", "sticky", "", Mode::Observe);
    let first = observed_by(&mut sim);
    assert!((0..20).all(|_| observed_by(&mut sim) == first), "it sticks to what it would have kept");
}

#[test]
fn a_read_that_is_kept_is_no_write() {
    for mode in [Mode::PrimaryOnly, Mode::OptIn, Mode::Observe] {
        let mut sim = sim("m | s", "roundrobin", "", mode).settings(|it| it.primary_on_write = true);
        sim.run("R");
        assert!(!sim.session.has_written(), "{mode:?}");
    }
}

#[test]
fn dead_replicas_do_not_matter() {
    for mode in [Mode::PrimaryOnly, Mode::Observe] {
        let mut sim = sim("m | s!", "roundrobin", "", mode);
        assert_eq!((sim.run("R"), sim.tries), ("m".to_owned(), vec!["m".to_owned()]), "{mode:?}");
    }
}

#[test]
fn a_callback_that_picks_a_replica_is_overruled() {
    for (mode, statement, expected) in [
        (Mode::Auto, "R", "s"),
        (Mode::PrimaryOnly, "R", "m1"),
        (Mode::Observe, "R", "m1"),
        (Mode::OptIn, "R", "m1"),
        (Mode::OptIn, "ms=slave R", "s"),
    ] {
        let run = sim("m1 m2 | s", "user", "s0", mode).run(statement);
        assert_eq!(run, expected, "{mode:?} {statement}");
    }
    assert_eq!(sim("m1 m2 | s", "user", "m1", Mode::PrimaryOnly).run("R"), "m2", "its primaries are its own choice");
    assert_eq!(observed_by(&mut sim("m | s", "user", "s0", Mode::Observe)), "s");
}

#[test]
fn primaries_that_the_filters_took_away_stand_in_all_the_same() {
    for mode in [Mode::PrimaryOnly, Mode::OptIn, Mode::Observe] {
        let run = sim("m | s1 s2", "user_multi, roundrobin", "|1", mode).run("R");
        assert_eq!(run, "m", "{mode:?}: a callback that narrows reads to replicas leaves no primary");
    }
}

#[test]
fn rules_for_tables_are_kept_even_then() {
    let rule =
        ms_filters::TableRule { pattern: "shop.%".to_owned(), primaries: Some(Vec::new()), replicas: Some(vec![0]) };
    let table: Box<dyn Filter> = Box::new(ms_filters::Table::new("rules", [rule]));
    let filters = vec![table, Box::new(ms_filters::Random::new())];
    let mut sim = Sim::with_filters("m | s", filters).settings(|it| it.mode = Mode::PrimaryOnly);
    let tables: &'static [TableName] = Box::leak(Box::new([TableName::new(Some("shop"), "orders")]));
    sim.tables = Tables::Named(tables);
    assert_eq!(sim.run("R"), Reason::TableWithoutPrimary.code());
}

#[test]
fn explanations_agree() {
    for (mode, statement, expected) in [
        (Mode::Auto, "R", Role::Replica),
        (Mode::OptIn, "R", Role::Primary),
        (Mode::OptIn, "ms=slave R", Role::Replica),
        (Mode::Observe, "R", Role::Primary),
        (Mode::PrimaryOnly, "ms=slave R", Role::Primary),
    ] {
        let shares = shares(&mut sim("m | s1 s2", "random", "", mode), statement);
        assert!(!shares.is_empty() && shares.iter().all(|it| role(it.server) == expected), "{mode:?} {statement}");
    }
}

/// In `m | …` the first server is the primary.
fn role(server: ms_filters::ServerIx) -> Role {
    if server.index() == 0 { Role::Primary } else { Role::Replica }
}

fn shares(sim: &mut Sim, statement: &str) -> Shares {
    let statement = statement_of(statement);
    let mut request = ms_filters::Request::new(&statement);
    request.settings = sim.settings;
    sim.router.shares(&mut ms_filters::Inputs {
        request: &request,
        view: &sim.servers,
        now: std::time::Duration::ZERO,
        rng: &mut sim.rng,
        session: &mut sim.session,
        cluster: &sim.cluster,
        scratch: &mut sim.scratch,
        sink: None,
    })
}

fn observed_by(sim: &mut Sim) -> String {
    sim.run("R");
    let observed = sim.attempt.unwrap().decision().observed().unwrap();
    sim.name(observed)
}

fn sim(servers: &str, filters: &str, script: &str, mode: Mode) -> Sim {
    Sim::with_filters(servers, chain(filters, script)).settings(|it| it.mode = mode)
}

#[track_caller]
fn check(mode: Mode, statement: &str, expected: &str) {
    assert_eq!(sim("m | s", "roundrobin", "", mode).run(statement), expected, "{mode:?} {statement}");
}

#[track_caller]
fn line(mode: Mode, statement: &str, expected: &str, observed: Option<&str>) {
    let mut sim = sim("m | s1 s2", "roundrobin", "", mode);
    sim.run(statement);
    let attempt = sim.attempt.unwrap();
    assert_eq!(attempt.decision().display(&sim.router, None).to_string(), expected);
    assert_eq!(attempt.decision().observed().map(|it| sim.name(it)).as_deref(), observed);
}
