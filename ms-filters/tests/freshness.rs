//! Service levels that depend on what replicas have: who is asked, who is left.
#![allow(clippy::unwrap_used, reason = "a broken table is a failed test")]

mod sim;

use std::time::Duration;

use ms_filters::{Freshness, MustSee, Quality, ServerState, Stickiness, Transaction};

use sim::{Sim, script::chain};

const SOME: MustSee = MustSee::Position { ask_all: false };
const ALL: MustSee = MustSee::Position { ask_all: true };

/// A session that must see something, with `m | a b`. `known` and `fetched` name the replicas that have it.
fn session(must_see: MustSee, known: &str, fetched: &str) -> Sim {
    let mut sim = Sim::with_filters("m | a b", chain("roundrobin", ""));
    (sim.level, sim.must_see) = (Some(Quality::Session), must_see);
    let reached = ServerState { freshness: Freshness::Reached, ..ServerState::default() };
    for name in known.split_whitespace() {
        sim.servers.states.insert(sim.ix(name), reached);
    }
    for name in fetched.split_whitespace() {
        sim.fetched.insert(sim.ix(name), reached);
    }
    sim
}

#[test]
fn a_read_goes_where_everything_is_that_it_must_see() {
    check(session(MustSee::Unknown, "a b", ""), "R => m", 0);
    check(session(MustSee::Nothing, "", ""), "R => a \n R => b", 0);
    check(session(SOME, "b", "a"), "2x R => b", 0);
    check(session(SOME, "", "b"), "2x R => b", 1);
    check(session(SOME, "", ""), "R => m", 1);
    // The classic way: all are asked, for the first statement here, and keep their part.
    check(session(ALL, "b", "a"), "R => a \n R => b", 1);
    check(session(ALL, "b", ""), "R => b", 1);
}

#[test]
fn what_goes_to_a_primary_anyway_asks_nobody() {
    check(session(SOME, "", "a b"), "W => m \n ms=master R => m", 0);
    let mut sim = session(SOME, "", "a b").settings(|it| it.primary_on_write = true);
    sim.story("W => m \n R => m");
    assert_eq!(sim.fetches, 0);
    sim.story("ms=slave R => a/b");
    assert_eq!(sim.fetches, 1, "a hint is obeyed");
    let mut sim = session(SOME, "", "a b");
    sim.last_used = Some(sim.ix("m"));
    check(sim, "ms=last_used R => m", 0);
    for (stickiness, transaction, fetches) in [
        (Stickiness::On, Transaction::Begun { read_only: false }, 0),
        (Stickiness::On, Transaction::Begun { read_only: true }, 1),
        (Stickiness::Primary, Transaction::Begun { read_only: true }, 0),
        (Stickiness::Disabled, Transaction::Begun { read_only: false }, 1),
    ] {
        let mut sim = session(SOME, "", "a b").settings(|it| it.stickiness = stickiness).transaction(transaction);
        sim.run("R");
        assert_eq!(sim.fetches, fetches, "{stickiness:?} {transaction:?}");
    }
}

#[test]
fn a_session_stays_on_its_replica_while_that_will_do() {
    let mut sim = session(SOME, "a b", "");
    sim.stays = Some(sim.ix("b"));
    check(sim, "3x R => b", 0);
    let mut sim = session(SOME, "a", "");
    sim.stays = Some(sim.ix("b"));
    check(sim, "3x R => a", 0);
}

#[test]
fn the_past_will_do_where_somebody_has_said_so() {
    let mut sim = session(SOME, "", "");
    let excused = ServerState { freshness: Freshness::Excused, ..ServerState::default() };
    sim.fetched.insert(sim.ix("a"), excused);
    check(sim, "2x R => a \n W => m", 1);
    // A bound is another matter.
    let mut sim = session(SOME, "", "");
    sim.level = Some(Quality::MaxLag(Duration::ZERO));
    sim.servers.states.insert(sim.ix("a"), excused);
    check(sim, "R => m", 1);
}

#[test]
fn a_bound_leaves_replicas_that_trail_by_no_more() {
    let bounded = |quality, lags: &[(&str, u64)]| {
        let mut sim = Sim::with_filters("m | a b", chain("roundrobin", ""));
        sim.level = Some(quality);
        for (name, lag) in lags {
            let lag = Some(Duration::from_secs(*lag));
            sim.fetched.insert(sim.ix(name), ServerState { lag, ..ServerState::default() });
        }
        sim
    };
    let up_to = |seconds| Quality::MaxLag(Duration::from_secs(seconds));
    let below = |seconds| Quality::LagBelow(Duration::from_secs(seconds));
    check(bounded(up_to(5), &[("a", 5), ("b", 6)]), "2x R => a", 1);
    check(bounded(below(5), &[("a", 5), ("b", 4)]), "2x R => b", 1);
    check(bounded(up_to(0), &[("a", 0), ("b", 0)]), "R => a \n R => b", 1);
    // What nobody could tell is not a small lag.
    check(bounded(up_to(5), &[("b", 1)]), "R => b", 1);
    check(bounded(up_to(5), &[]), "R => m", 1);
    check(bounded(up_to(5), &[]), "W => m", 0);
}

/// Runs the story; the first statement makes `fetches`, and none is made for what is known then.
#[track_caller]
fn check(mut sim: Sim, story: &str, fetches: u32) {
    sim.story(story);
    assert!(sim.warnings.is_empty(), "{:?}", sim.warnings);
    assert_eq!(sim.fetches.min(1), fetches, "{story}");
}
