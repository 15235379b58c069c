//! Faults as they come: any number of them, in any order, between any steps.
//!
//! A run is a list of moves. When one fails, proptest drops moves from it until every one that is left is needed.

use proptest::prelude::*;

use crate::sim::{Ends, Flavor, Health, InFlight, Mishap, Order, Owner, Plan, Recoverer, World};

#[derive(Clone, Copy, Debug)]
enum Move {
    /// Some message of the owner goes on.
    Owner(usize),
    /// A recoverer goes on.
    Recoverer(usize),
    /// Something goes wrong with a recoverer's step.
    Mishap(usize, Mishap),
    /// A recoverer dies, and another one starts.
    NewRecoverer(usize),
    /// Some message is lost, on its way there or back.
    Lose(usize, InFlight, bool),
    Late,
    LeaseEnds,
    OwnerDies(InFlight, bool),
    ServerDies(usize),
    ServerReturns(usize),
    Store(Health),
}

fn in_flight() -> impl Strategy<Value = InFlight> {
    prop_oneof![Just(InFlight::Dropped), Just(InFlight::Executed), Just(InFlight::Late)]
}

fn health() -> impl Strategy<Value = Health> {
    prop_oneof![
        3 => Just(Health::Well),
        1 => Just(Health::Refuses),
        1 => Just(Health::Silent),
        1 => Just(Health::Mute),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let mishap = prop_oneof![Just(Mishap::LostRequest), Just(Mishap::LostReply)];
    let one = prop_oneof![
        60 => (0_usize..8).prop_map(Move::Owner),
        30 => (0_usize..2).prop_map(Move::Recoverer),
        2 => (0_usize..2, mishap).prop_map(|(who, what)| Move::Mishap(who, what)),
        2 => (0_usize..2).prop_map(Move::NewRecoverer),
        2 => (0_usize..8, in_flight(), any::<bool>()).prop_map(|(at, then, closes)| Move::Lose(at, then, closes)),
        2 => Just(Move::Late),
        2 => Just(Move::LeaseEnds),
        1 => (in_flight(), any::<bool>()).prop_map(|(then, closes)| Move::OwnerDies(then, closes)),
        1 => (0_usize..3).prop_map(Move::ServerDies),
        2 => (0_usize..3).prop_map(Move::ServerReturns),
        1 => health().prop_map(Move::Store),
    ];
    prop::collection::vec(one, 0..200)
}

fn plans() -> impl Strategy<Value = Plan> {
    let ends = prop_oneof![
        5 => Just(Ends::Commit),
        1 => Just(Ends::RollBack),
        1 => (0_u16..3).prop_map(Ends::Deadlock),
        1 => (0_u16..2).prop_map(Ends::Outside),
    ];
    (2_u16..=3, ends, any::<bool>()).prop_map(|(participants, ends, stubborn)| Plan {
        participants,
        has_store: true,
        ends,
        order: Order { permutation: 0, abreast: true },
        stubborn,
        timeout_secs: None,
    })
}

fn run(world: &mut World, moves: &[Move]) -> Result<(), String> {
    let mut owner = Owner::new(world);
    let mut recoverers = [Recoverer::new("first"), Recoverer::new("second")];
    for &it in moves {
        let some = |at: usize, owner: &Owner| (owner.open() > 0).then(|| at % owner.open());
        match it {
            Move::Owner(at) => {
                if let Some(at) = some(at, &owner) {
                    owner.step_at(world, at);
                }
            }
            Move::Recoverer(who) => {
                recoverers[who].step(world, None);
            }
            Move::Mishap(who, what) => {
                recoverers[who].step(world, Some(what));
            }
            Move::NewRecoverer(who) => recoverers[who] = Recoverer::new("new"),
            Move::Lose(at, then, closes) => {
                if let Some(at) = some(at, &owner) {
                    owner.lose_at(world, at, then, closes && then != InFlight::Late);
                }
            }
            Move::Late => world.deliver_late(),
            Move::LeaseEnds => world.let_lease_end(),
            Move::OwnerDies(then, closes) => {
                if !owner.is_dead {
                    owner.die(world, then, closes && then != InFlight::Late);
                }
            }
            Move::ServerDies(at) => {
                if let Some(server) = world.servers.get_mut(at) {
                    server.crash();
                }
            }
            Move::ServerReturns(at) => {
                if let Some(server) = world.servers.get_mut(at) {
                    server.restart();
                }
            }
            Move::Store(health) => world.health = health,
        }
    }
    world.conclude(&mut owner)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, max_shrink_iters: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_faults_leaves_one_outcome(plan in plans(), moves in moves(), mysql in any::<bool>()) {
        let flavor = if mysql { Flavor::MySql } else { Flavor::MariaDb };
        if let Err(why) = run(&mut World::new(flavor, plan), &moves) {
            let mut world = World::new(flavor, plan).with_trace();
            let _ = run(&mut world, &moves);
            return Err(TestCaseError::fail(format!("{why}\n{}", world.trace())));
        }
    }
}
