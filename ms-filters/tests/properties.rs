//! What holds for every cluster, every strategy and every seed.

mod sim;

use std::collections::BTreeSet;

use ms_filters::{Filter, Random, Role, RoundRobin, narrow_fn};
use proptest::prelude::*;
use sim::Sim;

/// Primaries, replicas and which of them are dead.
fn clusters() -> impl Strategy<Value = (Vec<bool>, Vec<bool>)> {
    (prop::collection::vec(any::<bool>(), 0..5), prop::collection::vec(any::<bool>(), 0..9))
}

fn filters() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("random"), Just("sticky"), Just("roundrobin")]
}

#[derive(Clone, Copy, Debug)]
enum Memory {
    None,
    Session,
    Cluster,
}

fn failovers() -> impl Strategy<Value = (&'static str, u16, Memory)> {
    let strategies = prop_oneof![Just("disabled"), Just("master"), Just("loop")];
    (strategies, 0_u16..6, prop_oneof![Just(Memory::None), Just(Memory::Session), Just(Memory::Cluster)])
}

fn statements() -> impl Strategy<Value = &'static str> {
    prop::sample::select(["R", "W", "F", "ms=slave W", "ms=master R", "ms=last_used R"].as_slice())
}

proptest! {
    #[test]
    fn every_statement_ends_and_no_server_is_tried_twice(
        cluster in clusters(), filter in filters(), failover in failovers(), seed in any::<u64>(),
        statements in prop::collection::vec(statements(), 1..20),
    ) {
        let mut sim = sim(&cluster, filter, failover, seed);
        for statement in statements {
            let answer = sim.run(statement);
            let once: BTreeSet<_> = sim.tries.iter().collect();
            prop_assert_eq!(once.len(), sim.tries.len(), "{} tried {:?}", statement, &sim.tries);
            // What is used is alive, and what is given had its error from a real try, now or before.
            if let Some(server) = sim.router.topology().find(&answer) {
                prop_assert!(!sim.servers.dead.contains(&server));
            }
            if let Some(given) = answer.strip_prefix("connect ") {
                prop_assert!(sim.servers.dead.contains(&sim.ix(given)));
                prop_assert!(sim.tries.iter().any(|it| it == given) || sim.session.failed().contains(&sim.ix(given)));
            }
        }
    }

    #[test]
    fn avoiding_a_server_of_each_side_fails_no_statement_that_would_succeed_without(
        cluster in clusters(), filter in filters(), avoided in (any::<usize>(), any::<usize>()), seed in any::<u64>(),
        statements in prop::collection::vec(prop::sample::select(["R", "W"].as_slice()), 1..20),
    ) {
        let name = |letter, dead: &[bool], it: usize| it.checked_rem(dead.len()).map(|it| format!("{letter}{it}"));
        let avoided = [name('m', &cluster.0, avoided.0), name('s', &cluster.1, avoided.1)];
        let avoided: Vec<String> = avoided.into_iter().flatten().collect();
        let mut sim = sim(&cluster, filter, ("loop", 0, Memory::Cluster), seed).avoid(&avoided.join(" "));
        for statement in statements {
            let answer = sim.run(statement);
            let alive = cluster.0.contains(&false) || (statement == "R" && cluster.1.contains(&false));
            prop_assert_eq!(sim.router.topology().find(&answer).is_some(), alive, "{}: {}", statement, answer);
        }
    }

    #[test]
    fn a_side_is_tried_at_most_once_more_than_the_retries(
        cluster in clusters(), filter in filters(), retries in 1_u16..6, seed in any::<u64>(),
        statements in prop::collection::vec(statements(), 1..20),
    ) {
        let mut sim = sim(&cluster, filter, ("loop", retries, Memory::None), seed);
        for statement in statements {
            sim.run(statement);
            for role in [Role::Primary, Role::Replica] {
                let of_role = |it: &&String| sim.router.topology().server(sim.ix(it)).role() == role;
                let tries = sim.tries.iter().filter(of_role).count();
                prop_assert!(tries <= usize::from(retries) + 1, "{} tried {:?}", statement, &sim.tries);
            }
        }
    }

    #[test]
    fn the_seed_decides_everything(
        cluster in clusters(), filter in filters(), failover in failovers(), seed in any::<u64>(),
        statements in prop::collection::vec(statements(), 1..20),
    ) {
        let (mut one, mut other) = (sim(&cluster, filter, failover, seed), sim(&cluster, filter, failover, seed));
        for statement in statements {
            prop_assert_eq!(one.run(statement), other.run(statement));
            let (one, other) = (one.attempt.unwrap(), other.attempt.unwrap());
            prop_assert_eq!(one.decision(), other.decision());
        }
    }

    #[test]
    fn only_candidates_are_tried(
        cluster in clusters(), in_turn in any::<bool>(), failover in failovers(), seed in any::<u64>(),
        kept in prop::collection::vec(any::<bool>(), 16), statements in prop::collection::vec(statements(), 1..10),
    ) {
        let keeps = kept.clone();
        let some = narrow_fn("some", move |_, candidates| candidates.retain(|_, it| keeps[it.index()]));
        let picker: Box<dyn Filter> = if in_turn { Box::new(RoundRobin::new()) } else { Box::new(Random::sticky()) };
        let mut sim = named(&cluster, |names| Sim::with_filters(names, vec![Box::new(some), picker]), failover, seed);
        let everybody = sim.router.topology().servers().len();
        let nobody = !(0..everybody).any(|it| kept[it]);
        for statement in statements {
            sim.run(statement);
            // When the filters leave nobody the primaries stand in. The connection used last was a candidate once.
            for tried in sim.tries.iter().filter(|_| !nobody && !statement.contains("last_used") && statement != "F") {
                prop_assert!(kept[sim.ix(tried).index()], "{}", tried);
            }
        }
    }

    #[test]
    fn a_cycle_of_round_robin_gives_each_server_its_weight(
        weights in prop::collection::vec(0_u16..7, 1..9), skipped in 0_u16..40,
    ) {
        prop_assume!(weights.iter().any(|it| *it > 0));
        let mut sim = weighted("roundrobin", &weights);
        for _ in 0..skipped {
            sim.run("R");
        }
        let spread = sim.spread("R", weights.iter().map(|it| u32::from(*it)).sum());
        for (position, weight) in weights.iter().enumerate() {
            prop_assert_eq!(spread.get(&format!("s{position}")).copied().unwrap_or(0), u32::from(*weight));
        }
    }

    #[test]
    fn many_draws_come_close_to_the_weights(weights in prop::collection::vec(0_u16..7, 1..6), seed in any::<u64>()) {
        prop_assume!(weights.iter().any(|it| *it > 0));
        let mut sim = weighted("random", &weights);
        sim.rng = ms_filters::Rng::from_seed(seed);
        let spread = sim.spread("R", 4_000);
        let total: u16 = weights.iter().sum();
        for (position, weight) in weights.iter().enumerate() {
            let got = f64::from(spread.get(&format!("s{position}")).copied().unwrap_or(0));
            let due = 4_000.0 * f64::from(*weight) / f64::from(total);
            // Six standard deviations of a binomial: a chance of one in 10^8 per row.
            let chance = f64::from(*weight) / f64::from(total);
            let slack = 6.0 * (4_000.0 * chance * (1.0 - chance)).sqrt();
            prop_assert!((got - due).abs() <= slack, "s{}: {} instead of {}", position, got, due);
        }
    }
}

fn sim(cluster: &(Vec<bool>, Vec<bool>), filter: &str, failover: (&str, u16, Memory), seed: u64) -> Sim {
    named(cluster, |names| Sim::new(names, filter), failover, seed)
}

fn named(
    (primaries, replicas): &(Vec<bool>, Vec<bool>),
    make: impl FnOnce(&str) -> Sim,
    (strategy, retries, memory): (&str, u16, Memory),
    seed: u64,
) -> Sim {
    let list = |name: &str, dead: &[bool]| -> String {
        dead.iter().enumerate().map(|(it, dead)| format!(" {name}{it}{}", if *dead { "!" } else { "" })).collect()
    };
    let names = format!("{} | {}", list("m", primaries), list("s", replicas));
    let memory = match memory {
        Memory::None => "",
        Memory::Session => "remember",
        Memory::Cluster => "cluster",
    };
    let mut sim = make(&names).failover(&format!("{strategy} {retries} {memory}"));
    sim.rng = ms_filters::Rng::from_seed(seed);
    sim
}

fn weighted(filter: &str, weights: &[u16]) -> Sim {
    let replicas: String = weights.iter().enumerate().map(|(it, weight)| format!(" s{it}*{weight}")).collect();
    Sim::new(&format!("m |{replicas}"), filter)
}
