//! What does not fit a matrix: one story each.

use ms_xa::{
    Begin, BranchIx, Decision, Enlisted, Gtrid, Outcome, Place, Recovered, StateStore, Tag, Verdict, Why, Xid,
};

use crate::sim::{Ends, Fate, Flavor, Health, InFlight, Order, Owner, Plan, Recoverer, Statement, Told, World, now};

const A: BranchIx = BranchIx(0);
const FLAVORS: [Flavor; 2] = [Flavor::MariaDb, Flavor::MySql];

fn plan(ends: Ends) -> Plan {
    let order = Order { permutation: 0, abreast: true };
    Plan { participants: 2, has_store: true, ends, order, stubborn: false, timeout_secs: None }
}

/// A world in which the owner has come to where `there` is true.
fn up_to(flavor: Flavor, plan: Plan, there: impl Fn(&World, &Owner) -> bool) -> (World, Owner) {
    let mut world = World::new(flavor, plan).with_trace();
    let mut owner = Owner::new(&mut world);
    while !there(&world, &owner) {
        assert!(owner.step(&mut world), "it never comes there");
    }
    (world, owner)
}

fn all_prepared(world: &World, _: &Owner) -> bool {
    world.branches().all(|it| world.fate(it) == Fate::Prepared)
}

fn is_decided(world: &World, _: &Owner) -> bool {
    world.decided() == Some(Decision::Commit)
}

#[track_caller]
fn check_end(world: &mut World, owner: &mut Owner) {
    if let Err(why) = world.conclude(owner) {
        panic!("{why}\n{}", world.trace());
    }
}

/// A person at a server's console.
fn by_hand(world: &mut World, branch: BranchIx, statement: impl FnOnce(Xid) -> Statement) {
    world.by_hand = true;
    let statement = statement(world.xid(branch).clone());
    world.servers[branch.index()].settle();
    let session = world.servers[branch.index()].connect().unwrap();
    world.run(branch.index(), session, &statement).unwrap();
    world.servers[branch.index()].end_session(session);
}

#[test]
fn what_an_operator_rolled_back_is_never_called_committed() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), is_decided);
        owner.die(&mut world, InFlight::Dropped, true);
        by_hand(&mut world, A, Statement::RollBack);
        check_end(&mut world, &mut owner);
        assert_eq!(world.fate(BranchIx(1)), Fate::Committed);
        assert_eq!(world.presumed, [A], "it is reported");
    }
}

#[test]
fn an_operator_may_act_between_any_two_steps_of_recovery() {
    for flavor in FLAVORS {
        for steps in 0.. {
            let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), is_decided);
            owner.die(&mut world, InFlight::Dropped, true);
            world.let_lease_end();
            let mut recoverer = Recoverer::new("first");
            let is_over = !(0..steps).all(|_| recoverer.step(&mut world, None));
            let is_there = world.fate(A) == Fate::Prepared;
            if is_over {
                assert!(steps > 10, "it has begun");
                break;
            }
            if is_there {
                by_hand(&mut world, A, Statement::RollBack);
            }
            while recoverer.step(&mut world, None) {}
            check_end(&mut world, &mut owner);
            assert_eq!(world.presumed.contains(&A), is_there, "after {steps} steps: it is reported");
        }
    }
}

#[test]
fn what_an_operator_committed_early_does_not_decide() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), all_prepared);
        owner.die(&mut world, InFlight::Dropped, true);
        by_hand(&mut world, A, Statement::Commit);
        check_end(&mut world, &mut owner);
        assert_eq!((world.fate(A), world.fate(BranchIx(1))), (Fate::Committed, Fate::Gone));
    }
}

#[test]
fn what_an_operator_committed_after_the_decision_is_as_it_should_be() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), is_decided);
        owner.die(&mut world, InFlight::Dropped, true);
        by_hand(&mut world, A, Statement::Commit);
        world.by_hand = false;
        check_end(&mut world, &mut owner);
        assert_eq!(world.presumed, [A], "there is no proof");
    }
}

#[test]
fn a_name_that_is_used_again_does_not_touch_the_branches_of_before() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), all_prepared);
        owner.die(&mut world, InFlight::Dropped, true);
        // The first attempt is not recovered yet when a second one begins, under the same name.
        let (gtrid, tag) = (world.gtrid.clone(), Tag(99));
        let begun = Begin { gtrid: &gtrid, tag, timeout_secs: None, owner: "second" };
        let second = now(world.store.begin(&begun)).unwrap();
        let xid = Xid::of(&gtrid, tag, A);
        let place = Place { scheme: "tcp://0".to_owned(), identity: "server-0".to_owned(), ..Place::default() };
        now(world.store.enlist(second, &Enlisted { branch: A, xid: &xid, place: &place })).unwrap();
        world.servers[0].leave_prepared(xid.clone());
        assert_eq!(now(world.store.known(&gtrid)).unwrap().unwrap().verdict(), Verdict::Open);

        world.let_lease_end();
        now(world.store.renew(&[second])).unwrap();
        let mut recoverer = Recoverer::new("first");
        while recoverer.step(&mut world, None) {}
        assert!(world.branches().all(|it| world.fate(it) == Fate::Gone), "{}", world.trace());
        assert!(world.servers[0].is_prepared(&xid), "{}", world.trace());
        assert_eq!(now(world.store.known(&gtrid)).unwrap().unwrap().trx, second);
    }
}

#[test]
fn a_deadlock_before_prepare_rolls_all_back() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Deadlock(1)), |_, owner| owner.told.is_some());
        let Some(Told::Outcome(Outcome::RolledBack { why: Why::Participant(branch, failure), left })) = &owner.told
        else {
            panic!("{:?}", owner.told)
        };
        let code = if flavor == Flavor::MySql { 1614 } else { 1399 };
        assert_eq!((branch.0, failure.code, left.len()), (1, code, 0));
        check_end(&mut world, &mut owner);
    }
}

/// The store fails when every branch is prepared, and for as long as anybody waits.
#[track_caller]
fn check_store(health: Health, told: impl Fn(&Outcome) -> bool) {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), all_prepared);
        world.health = health;
        while owner.step(&mut world) {}
        let Some(Told::Outcome(outcome)) = &owner.told else { panic!("{:?}", owner.told) };
        assert!(told(outcome), "{outcome:?}\n{}", world.trace());
        check_end(&mut world, &mut owner);
    }
}

#[test]
fn a_store_that_cannot_be_reached_at_the_decision_aborts() {
    check_store(Health::Refuses, |it| matches!(it, Outcome::RolledBack { why: Why::Store(_), .. }));
}

#[test]
fn a_store_that_does_not_answer_the_decision_leaves_doubt() {
    check_store(Health::Silent, |it| matches!(it, Outcome::InDoubt { left, .. } if left.len() == 2));
    check_store(Health::Mute, |it| matches!(it, Outcome::InDoubt { left, .. } if left.len() == 2));
}

#[test]
fn a_store_that_has_written_the_decision_and_refuses_the_next_leaves_doubt() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), all_prepared);
        world.health = Health::Mute;
        while world.decided().is_none() {
            assert!(owner.step(&mut world));
        }
        world.health = Health::Refuses;
        while owner.step(&mut world) {}
        assert!(matches!(&owner.told, Some(Told::Outcome(Outcome::InDoubt { .. }))), "{:?}", owner.told);
        check_end(&mut world, &mut owner);
        assert_eq!(world.fate(A), Fate::Committed);
    }
}

#[test]
fn a_store_that_is_gone_after_the_decision_changes_nothing() {
    for (flavor, health) in FLAVORS.into_iter().zip([Health::Refuses, Health::Silent]) {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), is_decided);
        world.health = health;
        while owner.step(&mut world) {}
        assert_eq!(owner.told, Some(Told::Outcome(Outcome::Committed { left: vec![] })));
        check_end(&mut world, &mut owner);
    }
}

#[test]
fn recovery_does_nothing_without_the_store() {
    let (mut world, mut owner) = up_to(Flavor::MySql, plan(Ends::Commit), all_prepared);
    owner.die(&mut world, InFlight::Dropped, true);
    world.let_lease_end();
    let mut recoverer = Recoverer::new("first");
    recoverer.step(&mut world, None);
    world.health = Health::Silent;
    while recoverer.step(&mut world, None) {}
    assert!(world.branches().all(|it| world.fate(it) == Fate::Prepared), "{}", world.trace());
    check_end(&mut world, &mut owner);
}

#[test]
fn another_server_at_the_address_is_left_alone() {
    for flavor in FLAVORS {
        let (mut world, mut owner) = up_to(flavor, plan(Ends::Commit), is_decided);
        owner.die(&mut world, InFlight::Dropped, true);
        world.servers[0].identity = "a stranger".to_owned();
        world.let_lease_end();
        let mut recoverer = Recoverer::new("first");
        while recoverer.step(&mut world, None) {}
        let Some(Recovered::Left { why }) = &recoverer.last else { panic!("{:?}", recoverer.last) };
        let why: Vec<_> = why.iter().map(ToString::to_string).collect();
        assert_eq!(why, ["another server, `a stranger`, answers at the address of branch 0"]);
        assert_eq!((world.fate(A), world.fate(BranchIx(1))), (Fate::Prepared, Fate::Committed));

        world.servers[0].identity = "server-0".to_owned();
        check_end(&mut world, &mut owner);
        assert!(world.presumed.is_empty());
    }
}

#[test]
fn a_slow_owner_is_overruled_and_obeys() {
    for flavor in FLAVORS {
        let slow = Plan { timeout_secs: Some(5), ..plan(Ends::Commit) };
        let (mut world, mut owner) = up_to(flavor, slow, all_prepared);
        // The clock jumps over the deadline; the lease holds.
        world.store.advance(std::time::Duration::from_secs(6));
        world.is_overdue = true;
        let mut recoverer = Recoverer::new("first");
        while recoverer.step(&mut world, None) {}
        while owner.step(&mut world) {}
        assert!(
            matches!(&owner.told, Some(Told::Outcome(Outcome::RolledBack { why: Why::Overruled, .. }))),
            "{:?}",
            owner.told
        );
        check_end(&mut world, &mut owner);
    }
}

#[test]
fn an_owner_that_has_decided_is_not_disturbed_by_the_clock() {
    for flavor in FLAVORS {
        let slow = Plan { timeout_secs: Some(5), ..plan(Ends::Commit) };
        let (mut world, mut owner) = up_to(flavor, slow, is_decided);
        world.store.advance(std::time::Duration::from_secs(6));
        assert_eq!(now(world.store.recoverable(None, 1)).unwrap(), []);
        while owner.step(&mut world) {}
        assert_eq!(owner.told, Some(Told::Outcome(Outcome::Committed { left: vec![] })));
        check_end(&mut world, &mut owner);
    }
}

#[test]
fn what_is_late_is_not_prepared() {
    let slow = Plan { timeout_secs: Some(5), ..plan(Ends::Commit) };
    let mut world = World::new(Flavor::MySql, slow).with_trace();
    let mut owner = Owner::new(&mut world);
    world.is_overdue = true;
    while owner.step(&mut world) {
        assert!(world.branches().all(|it| world.fate(it) != Fate::Prepared));
    }
    assert_eq!(owner.told, Some(Told::Outcome(Outcome::RolledBack { why: Why::Late, left: vec![] })));
    check_end(&mut world, &mut owner);
}

#[test]
fn a_read_only_branch_is_committed_like_the_others() {
    // A branch without work stays prepared on all servers, so there is nothing to be saved and nothing to be forgotten.
    let mut world = World::new(Flavor::MySql, plan(Ends::Commit));
    let xid = Xid::of(&Gtrid::from(7), Tag(7), A);
    let session = world.servers[0].connect().unwrap();
    for statement in [Statement::Start(xid.clone()), Statement::End(xid.clone()), Statement::Prepare(xid.clone())] {
        world.run(0, session, &statement).unwrap();
    }
    assert!(world.servers[0].is_prepared(&xid));
    world.run(0, session, &Statement::Commit(xid.clone())).unwrap();
    assert!(!world.servers[0].is_prepared(&xid));
}

#[test]
fn a_branch_is_named_once() {
    let mut world = World::new(Flavor::MariaDb, plan(Ends::Commit));
    let xid = world.xid(A).clone();
    let [one, two] = [(); 2].map(|()| world.servers[0].connect().unwrap());
    assert_eq!(world.run(0, one, &Statement::Start(xid.clone())), Ok(()));
    assert_eq!(world.run(0, two, &Statement::Start(xid.clone())), Err(1440));
    for statement in [Statement::End(xid.clone()), Statement::Prepare(xid.clone())] {
        assert_eq!(world.run(0, one, &statement), Ok(()));
    }
    // Held by a session that lives, as long as it does.
    assert_eq!(world.run(0, two, &Statement::RollBack(xid.clone())), Err(1397));
    world.servers[0].see_session_end(one);
    assert_eq!(world.run(0, two, &Statement::RollBack(xid)), Ok(()));
}
