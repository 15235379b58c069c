//! One row per rule: which side, which server, what next.

mod sim;

use ms_filters::{
    Candidates, Cx, Facts, Filter, Kind, Random, Reason, Role, RoundRobin, Settings, Split, Stickiness, Transaction,
    Verdict, narrow_fn,
};
use sim::Sim;

const PINNED_ELSEWHERE: &str = "Automatic failover is not permitted in the middle of a transaction";

// Which side.

#[test]
fn the_text_decides_where_no_hint_does() {
    side("R", |_| {}, "s");
    side("W", |_| {}, "m");
}

#[test]
fn the_last_hint_wins() {
    side("ms=master R", |_| {}, "m");
    side("ms=slave W", |_| {}, "s");
    side("ms=slave ms=master R", |_| {}, "m");
    side("ms=master ms=slave W", |_| {}, "s");
}

#[test]
fn without_splitting_everything_is_for_primaries() {
    let off = |it: &mut Settings| it.split = Split::Disabled;
    side("R", off, "m");
    side("ms=slave R", off, "m");
    side("ms=last_used R", off, "no_last_used");
}

#[test]
fn master_on_write_moves_reads_after_a_write() {
    let mut sim = Sim::new("m | s", "roundrobin").settings(|it| it.primary_on_write = true);
    sim.story("R => s \n W => m \n R => m \n ms=slave R => s \n ms=last_used R => s \n R => m");
    assert!(sim.session.has_written());
}

#[test]
fn a_read_that_failed_over_is_no_write() {
    let mut sim = Sim::new("m | s!", "roundrobin").failover("master").settings(|it| it.primary_on_write = true);
    sim.story("R => m");
    assert!(!sim.session.has_written());
}

#[test]
fn a_hint_for_a_primary_counts_as_a_write() {
    let mut sim = Sim::new("m | s", "roundrobin").settings(|it| it.primary_on_write = true);
    sim.story("ms=master R => m \n R => m");
}

#[test]
fn last_used_is_the_server_of_the_statement_before() {
    let mut sim = Sim::new("m | s1 s2", "roundrobin");
    sim.story("R => s1 \n ms=last_used W => s1 \n W => m \n ms=last_used R => m \n R => s2 \n ms=last_used R => s2");
    sim.expect("use_slave", 2);
    sim.expect("use_master", 1);
    sim.expect("use_last_used_sql_hint", 3);
}

#[test]
fn last_used_before_any_statement_is_refused_with_the_originals_words() {
    let mut sim = Sim::new("m | s", "random");
    sim.story("ms=last_used R => no_last_used");
    let text =
        "Last used SQL hint cannot be used because last used connection has not been set yet. Statement will fail";
    assert_eq!(sim.warning, Some(text));
}

#[test]
fn what_follows_goes_to_the_connection_used_last_or_a_primary() {
    let mut sim = Sim::new("m | s", "random");
    sim.story("F => m \n stats use_master_guess 1 \n R => s \n F => s \n stats use_master_guess 1, use_slave 1");
}

#[test]
fn a_last_used_server_that_is_closed_is_opened_once() {
    let mut sim = Sim::new("m | s1! s2", "roundrobin").failover("loop 0");
    sim.last_used = Some(sim.ix("s1"));
    sim.story("ms=last_used R => connect s1");
    assert_eq!(sim.tries, ["s1"]);
}

#[test]
fn transactions_go_where_trx_stickiness_says() {
    use Stickiness::{Disabled, On, Primary};
    let rw = Transaction::Begun { read_only: false };
    let ro = Transaction::Begun { read_only: true };
    for (stickiness, transaction, statement, expected) in [
        (Disabled, rw, "R", "s"),
        (Disabled, rw, "W", "m"),
        (Primary, rw, "R", "m"),
        (Primary, ro, "R", "m"),
        (Primary, ro, "ms=slave R", "m"),
        (On, rw, "R", "m"),
        (On, ro, "R", "s"),
        (On, ro, "W", "s"),
        (On, ro, "ms=master R", "s"),
        (On, rw, "ms=slave R", "m"),
        (On, Transaction::None, "R", "s"),
    ] {
        let mut sim = Sim::new("m | s", "random").settings(|it| it.stickiness = stickiness).transaction(transaction);
        assert_eq!(sim.run(statement), expected, "{stickiness:?} {transaction:?} {statement}");
        sim.expect("trx_master_forced", u32::from(stickiness == Primary));
    }
}

#[test]
fn a_read_only_transaction_without_replicas_runs_on_a_primary() {
    let mut sim = Sim::new("m |", "random")
        .settings(|it| it.stickiness = Stickiness::On)
        .transaction(Transaction::Begun { read_only: true });
    sim.story("R => m");
}

#[test]
fn after_a_write_even_a_read_only_transaction_runs_on_a_primary() {
    let mut sim = Sim::new("m | s", "random").settings(|it| {
        it.stickiness = Stickiness::On;
        it.primary_on_write = true;
    });
    sim.story("W => m");
    sim.transaction = Transaction::Begun { read_only: true };
    sim.story("R => m");
}

#[test]
fn a_read_only_transaction_uses_a_replica_though_splitting_is_off() {
    let mut sim = Sim::new("m | s", "random")
        .settings(|it| (it.split, it.stickiness) = (Split::Disabled, Stickiness::On))
        .transaction(Transaction::Begun { read_only: true });
    sim.story("R => s");
}

#[test]
fn a_pinned_transaction_stays_whatever_the_hints_say() {
    let mut sim = Sim::new("m | s1 s2", "roundrobin").settings(|it| it.stickiness = Stickiness::On);
    sim.story("R => s1");
    sim.transaction = Transaction::Pinned(sim.ix("s1"));
    sim.story("3x R => s1 \n W => s1 \n ms=master W => s1 \n ms=slave R => s1 \n stats use_slave 1, use_master 0");
}

#[test]
fn a_pinned_transaction_never_opens_another_connection() {
    let mut sim = Sim::new("m | s", "roundrobin").failover("loop 0").settings(|it| it.stickiness = Stickiness::On);
    sim.transaction = Transaction::Pinned(sim.ix("m"));
    sim.story("W => pinned_lost");
    assert_eq!((sim.warning, sim.tries.len()), (Some(PINNED_ELSEWHERE), 0));
}

// Which statistics.

#[test]
fn every_hint_is_counted_and_a_guess_only_without_one() {
    let mut sim = Sim::new("m | s", "random");
    sim.story("ms=master ms=slave ms=slave W => s");
    sim.story("stats use_master_sql_hint 1, use_slave_sql_hint 2, use_slave 1, use_slave_guess 0, use_master_guess 0");
}

#[test]
fn without_splitting_no_guess_and_no_replica_hint_is_counted() {
    let mut sim = Sim::new("m | s", "random").settings(|it| it.split = Split::Disabled);
    sim.story("R => m \n ms=slave R => m \n ms=master R => m \n ms=last_used R => m");
    sim.story("stats use_master 3, use_slave_guess 0, use_master_guess 0, use_slave_sql_hint 0");
    sim.story("stats use_master_sql_hint 1, use_last_used_sql_hint 1");
}

#[test]
fn a_read_moved_by_master_on_write_is_still_guessed_a_read() {
    let mut sim = Sim::new("m | s", "random").settings(|it| it.primary_on_write = true);
    sim.story("W => m \n R => m \n stats use_slave_guess 1, use_master_guess 1, use_master 2, use_slave 0");
}

// No server.

#[test]
fn an_empty_side_is_refused_with_the_originals_words() {
    let mut sim = Sim::new("m |", "roundrobin");
    sim.story("R => no_replica");
    let replicas = "Couldn't find the appropriate slave connection. 0 slaves to choose from. Something is wrong";
    assert_eq!(sim.warning, Some(replicas));

    let mut sim = Sim::new("| s", "roundrobin");
    sim.story("W => no_primary");
    let primaries = "Couldn't find the appropriate master connection. 0 masters to choose from. Something is wrong";
    assert_eq!(sim.warning, Some(primaries));
}

#[test]
fn without_primaries_a_loop_gives_the_error_of_the_last_replica() {
    Sim::new("| s1! s2!", "roundrobin").failover("loop 0").story("R => connect s2");
    Sim::new("|", "roundrobin").failover("loop 0").story("R => no_replica");
    Sim::new("| s1!", "roundrobin").failover("master").story("R => no_primary");
}

// Failover.

#[test]
fn strategies_differ_in_what_they_try_next() {
    for filter in ["random", "sticky", "roundrobin"] {
        for (failover, expected, tries) in [
            ("disabled", "connect", 1),
            ("master", "m", 2),
            ("loop", "m", 3),
            ("loop 2", "m", 4),
            ("loop 0", "m", 5),
            ("loop 65535", "m", 5),
        ] {
            let mut sim = Sim::new("m | a! b! c! d!", filter).failover(failover);
            let got = sim.run("R");
            assert_eq!(got.split(' ').next(), Some(expected), "{filter} {failover}");
            assert_eq!(sim.tries.len(), tries, "{filter} {failover}: {:?}", sim.tries);
        }
    }
}

#[test]
fn primaries_fail_over_to_each_other_in_a_loop_only() {
    for filter in ["random", "sticky", "roundrobin"] {
        for (failover, tries) in [("disabled", 1), ("master", 1), ("loop", 2), ("loop 2", 3), ("loop 0", 3)] {
            let mut sim = Sim::new("a! b! c! |", filter).failover(failover);
            let got = sim.run("W");
            assert!(got.starts_with("connect "), "{filter} {failover}: {got}");
            assert_eq!(sim.tries.len(), tries, "{filter} {failover}: {:?}", sim.tries);
            assert!(got.ends_with(sim.tries.last().unwrap()), "its own error: {got} {:?}", sim.tries);
        }
    }
}

#[test]
fn the_two_sides_count_their_failures_apart() {
    let mut sim = Sim::new("m1! m2 | s1! s2!", "roundrobin").failover("loop 1");
    sim.story("R => m2");
    assert_eq!(sim.tries, ["s1", "s2", "m1", "m2"]);
}

#[test]
fn a_remembered_server_costs_a_retry_and_no_connection() {
    // The first statement fails on both, so the second knows them; each costs one of its tries.
    let mut sim = Sim::new("m | s1! s2! s3", "roundrobin").failover("loop 1 remember");
    sim.story("R => m \n R => s3 \n R => s3");
    assert_eq!(sim.stats["lazy_connections_slave_failure"], 2);
    assert_eq!(sim.session.failed().len(), 2);
}

#[test]
fn a_remembered_server_is_skipped_though_it_is_back() {
    let mut sim = Sim::new("m | s1! s2", "roundrobin").failover("loop 0 remember");
    sim.story("R => s2");
    sim.servers.dead.clear();
    sim.story("4x R => s2");
    sim.session.forget_failed();
    sim.story("2x R => s1 / s2 \n stats lazy_connections_slave_success 2");
}

#[test]
fn the_view_can_call_a_server_failed() {
    let mut sim = Sim::new("m | s1 s2", "roundrobin").failover("loop 0 remember");
    let failed = ms_filters::ServerState { failed: true, ..Default::default() };
    sim.servers.states.insert(sim.ix("s1"), failed);
    sim.story("4x R => s2");
    let mut forgets = Sim::new("m | s1 s2", "roundrobin").failover("loop 0");
    forgets.servers.states.insert(forgets.ix("s1"), failed);
    forgets.story("R => s1");
}

#[test]
fn when_all_are_remembered_random_picks_none_and_round_robin_gives_the_last_one() {
    let mut random = Sim::new("m | s1!", "random").failover("disabled remember");
    random.story("R => connect s1 \n R => none_usable");
    let mut in_turn = Sim::new("m | s1!", "roundrobin").failover("disabled remember");
    in_turn.story("R => connect s1 \n R => connect s1 \n stats lazy_connections_slave_failure 1");
    let mut primaries = Sim::new("m1! |", "roundrobin").failover("loop remember");
    primaries.story("W => connect m1 \n W => connect m1 \n stats lazy_connections_master_failure 1");
    let mut primaries = Sim::new("m1! |", "random").failover("loop remember");
    primaries.story("W => connect m1 \n W => none_usable");
}

// The memory of the cluster.

#[test]
fn what_the_cluster_avoids_is_passed_over_while_another_server_is_left() {
    // Servers, filter, failover, those avoided, and the story of four statements.
    check_avoided("m | s1 s2 s3", "roundrobin", "loop", "s2", "R => s1 \n R => s3 \n R => s1 \n R => s3");
    check_avoided("m | s1 s2", "random", "disabled", "s1", "4x R => s2");
    check_avoided("m | s1 s2", "random", "master", "s1", "4x R => s2");
    check_avoided("m1 m2 |", "random", "disabled", "m1", "4x W => m2");
    // One that fails for the first time is followed as ever.
    check_avoided("m | s1! s2", "roundrobin", "disabled", "", "R => connect s1 \n R => s2");
}

#[test]
fn the_last_candidate_is_tried_although_it_is_avoided() {
    check_avoided("m | s1 s2", "random", "disabled", "s1 s2", "4x R => s1 / s2");
    check_avoided("m | s1! s2!", "random", "disabled", "s1 s2", "4x R => connect");
    check_avoided("m |", "random", "disabled", "m", "4x W => m");
    check_avoided("m! |", "roundrobin", "loop 0", "m", "4x W => connect m");
    check_avoided("m1! m2 |", "roundrobin", "loop 0", "m2", "W => m2");
    // Where primaries may stand in they do; where they are no better, a replica after all.
    check_avoided("m | s1 s2", "random", "master", "s1 s2", "4x R => m");
    check_avoided("m | s1 s2", "random", "loop 0", "s1 s2", "4x R => m");
    check_avoided("m! | s1 s2", "random", "loop 0", "s1 s2", "4x R => s1 / s2");
    check_avoided("m | s1 s2", "roundrobin", "loop 0", "m s1 s2", "4x R => m");
    check_avoided("m! | s1 s2", "roundrobin", "master", "m s1 s2", "R => s1 \n R => s1 / s2");
    check_avoided("m! | s1! s2!", "roundrobin", "loop 0", "m s1 s2", "4x R => connect");
    check_avoided("| s1 s2!", "random", "loop 0", "s1", "4x R => s1");
}

#[test]
fn strategy_disabled_does_not_move_a_write_to_a_primary_that_is_avoided() {
    check_avoided("m1! m2 |", "random", "disabled", "m2", "4x W => connect m1");
}

#[test]
fn a_session_keeps_an_avoided_server_only_while_it_has_a_connection() {
    let mut sim = Sim::new("m | s1 s2", "sticky").failover("loop 0 cluster");
    let kept = sim.run("R");
    let mut sim = sim.avoid(&kept);
    sim.story(&format!("4x R => {kept}"));
    sim.servers.open.clear();
    let other = if kept == "s1" { "s2" } else { "s1" };
    sim.story(&format!("4x R => {other}"));
}

#[test]
fn a_server_that_somebody_else_is_trying_is_passed_over() {
    let mut sim = Sim::new("m | s1 s2", "roundrobin").failover("disabled cluster");
    sim.servers.taken.insert(sim.ix("s1"));
    sim.story("R => s2");
    assert_eq!(sim.tries, ["s2"]);
    assert_eq!(sim.attempt.unwrap().tally().remembered, 1);
    // Unless nobody else is left.
    sim.servers.taken.insert(sim.ix("s2"));
    sim.servers.open.clear();
    sim.story("R => s1 / s2");
    assert_eq!(sim.tries.len(), 1);
}

#[test]
fn a_session_remembers_nothing_by_itself_where_the_cluster_does() {
    let mut sim = Sim::new("m | s1! s2", "roundrobin").failover("loop 0 cluster");
    sim.story("R => s2");
    assert!(sim.session.failed().is_empty());
    sim.servers.dead.clear();
    sim.story("2x R => s1 / s2 \n stats lazy_connections_slave_success 2");
}

#[track_caller]
fn check_avoided(servers: &str, filter: &str, failover: &str, avoided: &str, story: &str) {
    let mut sim = Sim::new(servers, filter).failover(&format!("{failover} cluster")).avoid(avoided);
    sim.tell(&format!("{servers} {filter} {failover} without {avoided}:"), story);
}

// Random.

#[test]
fn a_draw_holds_for_the_session_and_the_role() {
    let mut sim = Sim::new("m1 m2 m3 | s1 s2 s3", "sticky");
    assert_eq!(sim.spread("R", 40).len(), 1);
    assert_eq!(sim.spread("W", 40).len(), 1);
}

#[test]
fn only_a_server_that_was_reached_is_kept() {
    let mut sim = Sim::new("m | s1! s2", "sticky");
    // Without failover the dead one answers until the draw finds the other; then it holds.
    let first = (0..64).find(|_| sim.run("R") == "s2");
    assert!(first.is_some());
    sim.story("20x R => s2");
}

#[test]
fn a_kept_server_is_returned_even_when_remembered_as_failed() {
    let mut sim = Sim::new("m | s1", "sticky").failover("loop 0 remember");
    sim.story("R => s1");
    let failed = ms_filters::ServerState { failed: true, ..Default::default() };
    sim.servers.states.insert(sim.ix("s1"), failed);
    sim.story("R => s1");
}

#[test]
fn a_narrowed_list_has_a_choice_of_its_own() {
    let mut sim = narrowed_by_last_used(Box::new(Random::sticky()));
    sim.last_used = None;
    let all = sim.run("R");
    sim.last_used = Some(sim.ix("m"));
    let two = sim.run("R");
    for _ in 0..20 {
        sim.last_used = None;
        assert_eq!(sim.run("R"), all);
        sim.last_used = Some(sim.ix("m"));
        assert_eq!(sim.run("R"), two);
    }
}

#[test]
fn a_standby_is_drawn_when_all_others_were_tried() {
    let mut sim = Sim::new("m | s1*2 s2*0 s3*1", "random");
    assert_eq!(sim.spread("R", 300).keys().collect::<Vec<_>>(), ["s1", "s3"]);
    for filter in ["random", "roundrobin"] {
        let mut sim = Sim::new("m | s1*2! s2*0 s3*1!", filter).failover("loop 0");
        assert_eq!(sim.run("R"), "s2", "{filter}");
        assert_eq!(sim.tries.len(), 3, "{filter}");
        let mut sim = Sim::new("m | s1*0 s2*0", filter);
        assert_eq!(sim.spread("R", 60).len(), 2, "{filter}: among standbys all are equal");
    }
}

// Round robin.

#[test]
fn round_robin_starts_with_the_first_and_wraps_around() {
    Sim::new("m | s1 s2 s3", "roundrobin").story("R => s1 \n R => s2 \n R => s3 \n R => s1");
}

#[test]
fn the_position_moves_with_failed_tries_too() {
    let mut sim = Sim::new("m | s1! s2! s3", "roundrobin").failover("loop");
    sim.story("R => m \n R => s3 \n R => m \n R => s3");
}

#[test]
fn the_position_moves_with_tries_and_with_nothing_else() {
    let mut sim = Sim::new("m1! m2! m3! | s1! s2! s3!", "roundrobin").failover("loop 0");
    for _ in 0..3 {
        sim.story("R => connect m3");
        assert_eq!(sim.tries, ["s1", "s2", "s3", "m1", "m2", "m3"]);
    }
}

#[test]
fn sessions_share_the_position() {
    let mut sim = Sim::new("m | s1 s2 s3", "roundrobin");
    sim.story("R => s1");
    sim.session = Default::default();
    sim.story("R => s2");
}

#[test]
fn a_weighted_cycle_is_exact_with_the_heaviest_first() {
    let mut sim = Sim::new("m*3 | s1*1 s2*4", "roundrobin");
    sim.story("3x R => s2");
    let mut sim = Sim::new("m*3 | s1*1 s2*4", "roundrobin");
    for _ in 0..10 {
        let spread = sim.spread("R", 5);
        assert_eq!((spread["s1"], spread["s2"]), (1, 4));
    }
}

#[test]
fn a_dead_heavy_server_leaves_its_share_to_the_others_by_weight() {
    let mut sim = Sim::new("m | s1*8! s2*3 s3*1", "roundrobin").failover("loop 0");
    let spread = sim.spread("R", 1200);
    assert!((800..=1000).contains(&spread["s2"]), "{spread:?}");
    assert_eq!(spread.len(), 2);
}

#[test]
fn each_list_has_its_own_position() {
    let mut sim = narrowed_by_last_used(Box::new(RoundRobin::new()));
    let mut read = |narrowed: bool, expected: &str| {
        sim.last_used = narrowed.then(|| sim.ix("m"));
        assert_eq!(sim.run("R"), expected);
    };
    read(false, "s1");
    read(true, "s1");
    read(true, "s2");
    read(false, "s2");
    read(true, "s1");
    read(false, "s3");
}

#[test]
fn a_filter_that_takes_nothing_away_leaves_the_position_where_it_was() {
    let nothing = narrow_fn("nothing", |_, candidates| candidates.retain(|_, _| true));
    let mut sim = Sim::with_filters("m | s1 s2", vec![Box::new(nothing), Box::new(RoundRobin::new())]);
    sim.story("R => s1 \n R => s2 \n R => s1");
}

// The chain.

#[test]
fn a_chain_that_leaves_nothing_needs_failover() {
    let none = || narrow_fn("none", |_, candidates| candidates.retain(|_, _| false));
    let filters = || -> Vec<Box<dyn Filter>> { vec![Box::new(none()), Box::new(RoundRobin::new())] };
    Sim::with_filters("m1 m2 | s", filters()).story("R => no_candidate \n W => no_candidate");
    for failover in ["master", "loop"] {
        let mut sim = Sim::with_filters("m1 m2 | s", filters()).failover(failover);
        sim.story("R => m1 \n R => m2 \n ms=slave R => m1 \n W => m2");
    }
    let mut dead = Sim::with_filters("m1! m2 | s", filters()).failover("loop");
    dead.story("R => m2");
}

#[test]
fn a_level_lets_primaries_stand_in_for_missing_replicas() {
    let strong = narrow_fn("strong", |cx, candidates| {
        candidates.clear(Role::Replica);
        cx.attempt.let_primaries_stand_in();
    });
    let mut sim = Sim::with_filters("m | s", vec![Box::new(strong), Box::new(Random::new())]);
    sim.story("R => m \n ms=slave R => m \n stats use_slave_guess 1, use_master 2");
    let plain = narrow_fn("plain", |_, candidates| candidates.clear(Role::Replica));
    Sim::with_filters("m | s", vec![Box::new(plain), Box::new(Random::new())]).story("R => no_replica");
}

#[test]
fn a_narrowing_filter_runs_once_whatever_is_tried() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let counting = narrow_fn("counting", |_, _| {
        CALLS.fetch_add(1, Relaxed);
    });
    let filters: Vec<Box<dyn Filter>> = vec![Box::new(counting), Box::new(Random::new())];
    Sim::with_filters("m | a! b! c!", filters).failover("loop 0").story("R => m");
    assert_eq!(CALLS.load(Relaxed), 1);
}

#[test]
fn facts_are_fetched_once() {
    let mut sim = Sim::with_filters("m | s", vec![Box::new(Asks { patient: true }), Box::new(Random::new())]);
    sim.story("R => s");
    let mut sim = Sim::with_filters("m | s", vec![Box::new(Asks { patient: false }), Box::new(Random::new())]);
    sim.story("R => asked_twice");
}

#[test]
fn a_filter_that_picks_by_itself_knows_no_hints_and_no_failover() {
    let mut sim = Sim::with_filters("m | s1! s2", vec![Box::new(First(Role::Replica))]).failover("loop 0");
    sim.story("W => connect s1 \n ms=master W => connect s1");
    sim.story("stats use_slave_callback 2, use_slave 0, use_master 0, use_master_guess 1, use_master_sql_hint 1");
    assert_eq!(sim.tries, ["s1"]);
    Sim::with_filters("m | s", vec![Box::new(First(Role::Primary))]).story("R => m \n stats use_master_callback 1");
    Sim::with_filters("| s", vec![Box::new(First(Role::Primary))]).story("R => no_primary");
}

#[test]
fn a_server_that_is_no_candidate_is_never_used() {
    let no_replica = narrow_fn("none", |_, candidates| candidates.clear(Role::Replica));
    let filters: Vec<Box<dyn Filter>> = vec![Box::new(no_replica), Box::new(Stubborn)];
    Sim::with_filters("m | s", filters).story("R => not_a_candidate");
}

// What is said about it.

#[test]
fn a_decision_reads_like_a_sentence() {
    let mut sim = Sim::new("m | s1 s2!", "roundrobin").failover("loop").settings(|it| it.primary_on_write = true);
    say(&mut sim, "R", "read -> 2 replicas -> roundrobin -> s1 -> opened");
    say(&mut sim, "R", "read -> 2 replicas -> roundrobin -> s2 -> open failed -> roundrobin -> s1");
    say(&mut sim, "ms=master R", "hint primary -> 1 primary -> roundrobin -> m -> opened");
    say(&mut sim, "R", "read -> after write -> 1 primary -> roundrobin -> m");
    say(&mut sim, "ms=last_used R", "hint last used -> m");
    let near = narrow_fn("near", |_, it| it.retain(|_, server| server.index() < 2));
    let mut sim = Sim::with_filters("m | s1! s2", vec![Box::new(near), Box::new(Random::sticky())]).failover("master");
    say(
        &mut sim,
        "R",
        "read -> near -> 1 primary and 1 replica -> 1 replica -> random -> s1 -> open failed -> to primaries -> \
         1 primary -> random -> m -> opened",
    );
}

#[test]
fn a_decision_is_80_bytes_and_counts_what_it_cannot_keep() {
    assert!(size_of::<ms_filters::Decision>() <= 80, "{}", size_of::<ms_filters::Decision>());
    let names = "m | a! b! c! d! e! f! g! h! i! j!";
    let mut sim = Sim::new(names, "roundrobin").failover("loop 0");
    sim.story("R => m");
    let decision = *sim.attempt.unwrap().decision();
    assert_eq!((decision.steps().len(), decision.server()), (12, Some(sim.ix("m"))));
    // Class and side, two for each of ten replicas, the way to the primaries, the primary and its opening.
    assert_eq!(decision.lost(), 25 - 12);
}

// Helpers.

impl Sim {
    #[track_caller]
    fn expect(&self, counter: &str, value: u32) {
        assert_eq!(self.stats.get(counter).copied().unwrap_or(0), value, "{counter}");
    }
}

#[track_caller]
fn side(statement: &str, set: impl FnOnce(&mut Settings), expected: &str) {
    let mut sim = Sim::new("m | s", "random").settings(set);
    assert_eq!(sim.run(statement), expected, "{statement}");
}

#[track_caller]
fn say(sim: &mut Sim, statement: &str, expected: &str) {
    sim.run(statement);
    assert_eq!(sim.line(), expected);
}

/// Three replicas, of which a session that used any connection before sees two.
fn narrowed_by_last_used(picker: Box<dyn Filter>) -> Sim {
    let two = narrow_fn("two", |cx, candidates| {
        if cx.request.last_used.is_some() {
            candidates.retain(|_, it| it.index() != 3);
        }
    });
    Sim::with_filters("m | s1 s2 s3", vec![Box::new(two), picker])
}

/// Needs the lag; an impatient one even when it was just fetched.
#[derive(Debug)]
struct Asks {
    patient: bool,
}

impl Filter for Asks {
    fn name(&self) -> &str {
        "asks"
    }

    fn kind(&self) -> Kind {
        Kind::Narrows
    }

    fn apply(&self, cx: &mut Cx<'_>, _: &mut Candidates) -> Verdict {
        if cx.attempt.has_fetched() && self.patient {
            return Verdict::Keep(Reason::Unchanged);
        }
        Verdict::Needs(Facts::LAG)
    }
}

/// Picks the first server of a role, as a callback would.
#[derive(Debug)]
struct First(Role);

impl Filter for First {
    fn name(&self) -> &str {
        "user"
    }

    fn kind(&self) -> Kind {
        Kind::Picks
    }

    fn apply(&self, _: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        match candidates.list(self.0) {
            [first, ..] => Verdict::Pick(*first, Reason::Own),
            [] => Verdict::Refuse(Reason::NoPrimary),
        }
    }
}

/// Picks a replica that was taken away.
#[derive(Debug)]
struct Stubborn;

impl Filter for Stubborn {
    fn name(&self) -> &str {
        "stubborn"
    }

    fn kind(&self) -> Kind {
        Kind::Picks
    }

    fn apply(&self, cx: &mut Cx<'_>, _: &mut Candidates) -> Verdict {
        Verdict::Pick(cx.topology.list(Role::Replica)[0], Reason::Own)
    }
}
