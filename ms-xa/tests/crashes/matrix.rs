//! Every point of a transaction with every fault, enumerated.
//!
//! A point is the moment before a step of the owner; the rows of the table gather the steps by what they are about. A cell's number
//! is how many runs there are in it: over both flavours, one to three participants, with and without a store where that makes sense,
//! transactions that are to be committed, rolled back or fail to prepare, every order of the branches, and whatever a fault leaves
//! open, such as whether a connection's end is noticed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ms_xa::Action;

use crate::sim::{Ends, Flavor, Health, InFlight, Kind, Mishap, Order, Owner, Plan, Recoverer, Step, World};

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    BeforeStart,
    AfterStart,
    Work,
    BeforePrepare,
    AfterEnd,
    AfterPrepare,
    BeforeDecision,
    DuringDecision,
    Decided,
    AfterCommit,
    BeforeEnd,
    OnePhase,
    RollBack,
    AfterEverything,
}

impl Point {
    fn name(self) -> &'static str {
        match self {
            Self::BeforeStart => "before START",
            Self::AfterStart => "after START",
            Self::Work => "in the middle of the work",
            Self::BeforePrepare => "before PREPARE",
            Self::AfterEnd => "after END",
            Self::AfterPrepare => "after PREPARE",
            Self::BeforeDecision => "before the decision",
            Self::DuringDecision => "during the decision",
            Self::Decided => "decided, before the first COMMIT",
            Self::AfterCommit => "after a COMMIT",
            Self::BeforeEnd => "after the last COMMIT, before the end",
            Self::OnePhase => "COMMIT ONE PHASE",
            Self::RollBack => "during ROLLBACK",
            Self::AfterEverything => "after the end",
        }
    }

    /// Where an owner is.
    fn of(owner: &Owner) -> Self {
        let Some((kind, step)) = owner.next() else { return Self::AfterEverything };
        match (kind, step) {
            (Kind::Act(Action::Start(_)), Step::Reply) => Self::AfterStart,
            (Kind::Begin | Kind::Act(Action::Enlist(_) | Action::Start(_)), _) => Self::BeforeStart,
            (Kind::Work(_), _) => Self::Work,
            (Kind::Act(Action::Prepare(_)), Step::Execute(1)) => Self::AfterEnd,
            (Kind::Act(Action::Prepare(_)), Step::Reply) => Self::AfterPrepare,
            (Kind::Act(Action::Prepare(_)), _) => Self::BeforePrepare,
            (Kind::Act(Action::Decide(_)), Step::Send) => Self::BeforeDecision,
            (Kind::Act(Action::Decide(_)), _) => Self::DuringDecision,
            (Kind::Act(Action::Commit(_)), _) if owner.has_committed() => Self::AfterCommit,
            (Kind::Act(Action::Commit(_)), _) => Self::Decided,
            (Kind::Act(Action::CommitOnePhase(_)), _) => Self::OnePhase,
            (Kind::Act(Action::Finish), _) if owner.has_committed() => Self::BeforeEnd,
            (Kind::Act(Action::RollBack(_) | Action::Finish), _) => Self::RollBack,
        }
    }
}

/// What strikes before the owner's step with the number `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    OwnerDies {
        in_flight: InFlight,
        closes: bool,
        late: usize,
    },
    ServerDies {
        server: usize,
        returns: bool,
    },
    LostRequest {
        then: InFlight,
        closes: bool,
        late: usize,
    },
    LostReply {
        closes: bool,
    },
    /// The owner dies, and then something goes wrong with a step of who cleans up.
    Mishap {
        step: usize,
        mishap: Mishap,
    },
    /// The owner dies. One recoverer takes so many steps, another so many, then both go on to their ends; or only the other.
    TwoRecoverers {
        first: usize,
        second: usize,
        goes_on: bool,
        closes: bool,
    },
    /// The owner is stopped for longer than its lease. A recoverer takes so many steps, then the owner so many, then the recoverer goes
    /// on to its end, then the owner, unless it dies.
    Paused {
        recoverer: usize,
        owner: usize,
        in_flight: InFlight,
        dies: bool,
    },
    /// A request or an answer is lost, and so many steps later there is a second fault.
    Twice {
        later: usize,
        second: Second,
    },
    /// Recovery runs while the owner is at work, and has to leave it alone.
    Meanwhile,
}

/// What strikes after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    Loss,
    OwnerDies,
    ServerDies,
    StoreRefuses,
    /// The owner is stopped until recovery has run.
    Paused,
}

/// How long a run was: what is beyond that need not be tried.
#[derive(Default)]
struct Lengths {
    recoverer: usize,
    owner: usize,
}

const COLUMNS: [&str; 7] = [
    "coordinator dies",
    "participant dies",
    "request lost",
    "reply lost",
    "two recoverers",
    "owner paused",
    "owner alive",
];

type Counts = BTreeMap<Point, [u64; COLUMNS.len()]>;

#[derive(Clone, Copy, Debug)]
struct Setup {
    flavor: Flavor,
    plan: Plan,
}

impl Setup {
    /// Whether two parties are tried at once, which makes many runs: the order of the branches changes little there, and with
    /// three of them little is new.
    fn has_pairs(self) -> bool {
        let Plan { participants, ends, order, stubborn, .. } = self.plan;
        let is_telling = participants < 3 || (order.abreast && matches!(ends, Ends::Commit | Ends::Deadlock(2)));
        order.permutation == 0 && is_telling && stubborn == matches!(ends, Ends::Outside(_))
    }
}

fn setups() -> Vec<Setup> {
    let mut all = Vec::new();
    for flavor in [Flavor::MariaDb, Flavor::MySql] {
        for participants in [3, 2, 1] {
            for has_store in [true, false] {
                let last = participants - 1;
                for ends in [Ends::Commit, Ends::RollBack, Ends::Deadlock(0), Ends::Deadlock(last), Ends::Outside(last)]
                {
                    for permutation in 0..Order::permutations(participants) {
                        for (abreast, stubborn) in [(false, false), (true, false), (true, true)] {
                            // Who is not stubborn gives up when somebody cannot join.
                            if matches!(ends, Ends::Outside(_)) && !stubborn {
                                continue;
                            }
                            let order = Order { permutation, abreast };
                            let plan = Plan { participants, has_store, ends, order, stubborn, timeout_secs: None };
                            all.push(Setup { flavor, plan });
                        }
                    }
                }
            }
        }
    }
    all
}

/// One run. `None` when the fault cannot strike there.
fn run(setup: Setup, at: usize, fault: Fault, trace: bool) -> Option<(Point, Lengths, Result<(), String>, World)> {
    let mut world = World::new(setup.flavor, setup.plan);
    if trace {
        world = world.with_trace();
    }
    let mut owner = Owner::new(&mut world);
    for _ in 0..at {
        if !owner.step(&mut world) {
            return None;
        }
    }
    let point = Point::of(&owner);
    world.note(|| format!("-- {fault:?}"));
    let lengths = strike(&mut world, &mut owner, fault)?;
    let result = world.conclude(&mut owner);
    Some((point, lengths, result, world))
}

/// `None` when the fault cannot strike here.
fn strike(world: &mut World, owner: &mut Owner, fault: Fault) -> Option<Lengths> {
    let step = owner.next().map(|(_, step)| step);
    let mut lengths = Lengths::default();
    match fault {
        Fault::OwnerDies { in_flight, closes, late } => {
            if owner.in_flight() == 0 && in_flight != InFlight::Dropped {
                return None;
            }
            owner.die(world, in_flight, closes);
            lengths.recoverer = recover_with_late(world, late);
        }
        Fault::ServerDies { server, returns } => {
            world.note(|| format!("server {server} dies"));
            world.servers[server].crash();
            if returns {
                world.servers[server].restart();
            }
        }
        Fault::LostRequest { then, closes, late } => {
            if step != Some(Step::Send) {
                return None;
            }
            owner.lose(world, then, closes);
            while owner.step(world) {}
            lengths.recoverer = recover_with_late(world, late);
        }
        Fault::LostReply { closes } => {
            if step != Some(Step::Reply) {
                return None;
            }
            owner.lose(world, InFlight::Dropped, closes);
        }
        Fault::Mishap { step, mishap } => {
            owner.die(world, InFlight::Executed, false);
            world.let_lease_end();
            let mut recoverer = Recoverer::new("first");
            for n in 0.. {
                if !recoverer.step(world, (n == step).then_some(mishap)) {
                    break;
                }
                lengths.recoverer = n;
            }
        }
        Fault::TwoRecoverers { first, second, goes_on, closes } => {
            owner.die(world, InFlight::Executed, closes);
            world.let_lease_end();
            let (mut one, mut two) = (Recoverer::new("first"), Recoverer::new("second"));
            lengths.recoverer = steps(&mut one, world, first);
            lengths.owner = steps(&mut two, world, second);
            if goes_on {
                steps(&mut one, world, usize::MAX);
            }
            steps(&mut two, world, usize::MAX);
        }
        Fault::Paused { recoverer, owner: goes_on, in_flight, dies } => {
            if owner.in_flight() == 0 && in_flight != InFlight::Late {
                return None;
            }
            if in_flight == InFlight::Executed {
                owner.execute_all(world);
            }
            world.let_lease_end();
            let mut it = Recoverer::new("first");
            lengths.recoverer = steps(&mut it, world, recoverer);
            world.note(|| "the owner wakes".to_owned());
            while lengths.owner < goes_on && owner.step(world) {
                lengths.owner += 1;
            }
            if dies {
                owner.die(world, InFlight::Executed, false);
            }
            steps(&mut it, world, usize::MAX);
        }
        Fault::Twice { later, second } => {
            if !matches!(step, Some(Step::Send | Step::Reply)) {
                return None;
            }
            owner.lose(world, InFlight::Dropped, false);
            while lengths.owner < later && owner.step(world) {
                lengths.owner += 1;
            }
            strike_again(world, owner, second);
        }
        Fault::Meanwhile => {
            steps(&mut Recoverer::new("first"), world, usize::MAX);
        }
    }
    Some(lengths)
}

fn strike_again(world: &mut World, owner: &mut Owner, second: Second) {
    world.note(|| format!("-- {second:?}"));
    match second {
        Second::Loss => owner.lose(world, InFlight::Dropped, true),
        Second::OwnerDies => owner.die(world, InFlight::Executed, true),
        Second::ServerDies => world.servers[0].crash(),
        Second::StoreRefuses => {
            world.health = Health::Refuses;
            while owner.step(world) {}
        }
        Second::Paused => {
            for _ in 0..2 {
                world.let_lease_end();
                steps(&mut Recoverer::new("first"), world, usize::MAX);
            }
        }
    }
}

/// Up to so many steps; returns how many there were.
fn steps(recoverer: &mut Recoverer, world: &mut World, most: usize) -> usize {
    (0..most).take_while(|_| recoverer.step(world, None)).count()
}

/// A run in which what is late comes before the step with this number.
fn recover_with_late(world: &mut World, late: usize) -> usize {
    if !world.plan.has_store {
        return 0;
    }
    world.let_lease_end();
    let mut it = Recoverer::new("first");
    for n in 0.. {
        if n == late {
            world.deliver_late();
        }
        if !it.step(world, None) {
            return n;
        }
    }
    0
}

/// All the runs of a setup.
fn enumerate(setup: Setup, counts: &mut Counts) {
    let mut try_it = |column: usize, at: usize, fault: Fault| -> Option<Lengths> {
        let (point, lengths, result, _) = run(setup, at, fault, false)?;
        if let Err(why) = result {
            let (.., world) = run(setup, at, fault, true).unwrap();
            panic!("{why}\n{setup:?}\nbefore step {at}, {point:?}: {fault:?}\n{}", world.trace());
        }
        counts.entry(point).or_default()[column] += 1;
        Some(lengths)
    };
    let has_store = setup.plan.has_store;
    for at in 0..length(setup) + 1 {
        for closes in [true, false] {
            for in_flight in [InFlight::Dropped, InFlight::Executed] {
                try_it(0, at, Fault::OwnerDies { in_flight, closes, late: 0 });
            }
            try_it(2, at, Fault::LostRequest { then: InFlight::Dropped, closes, late: 0 });
            try_it(3, at, Fault::LostReply { closes });
        }
        for server in 0..usize::from(setup.plan.participants) {
            for returns in [true, false] {
                try_it(1, at, Fault::ServerDies { server, returns });
            }
        }
        for second in [Second::Loss, Second::OwnerDies, Second::ServerDies, Second::StoreRefuses, Second::Paused] {
            if setup.plan.order.permutation > 0 || (second == Second::Paused && !has_store) {
                continue;
            }
            for later in 0.. {
                let fault = Fault::Twice { later, second };
                if try_it(3, at, fault).is_none_or(|it| it.owner < later) {
                    break;
                }
            }
        }
        if !has_store {
            continue;
        }
        try_it(6, at, Fault::Meanwhile);
        // One number beyond the run is at its end.
        for late in 0.. {
            let in_flight = InFlight::Late;
            if try_it(0, at, Fault::OwnerDies { in_flight, closes: false, late }).is_none_or(|it| it.recoverer < late) {
                break;
            }
        }
        for late in 0.. {
            let fault = Fault::LostRequest { then: InFlight::Late, closes: false, late };
            if try_it(2, at, fault).is_none_or(|it| it.recoverer < late) {
                break;
            }
        }
        for (column, mishap) in [(2, Mishap::LostRequest), (3, Mishap::LostReply)] {
            for step in 0.. {
                if try_it(column, at, Fault::Mishap { step, mishap }).is_none_or(|it| it.recoverer < step) {
                    break;
                }
            }
        }
        if !setup.has_pairs() {
            continue;
        }
        for (closes, goes_on) in [(true, true), (false, true), (false, false)] {
            pairs(|first, second| try_it(4, at, Fault::TwoRecoverers { first, second, goes_on, closes }));
        }
        for (in_flight, dies) in [(InFlight::Late, false), (InFlight::Executed, false), (InFlight::Late, true)] {
            pairs(|recoverer, owner| try_it(5, at, Fault::Paused { recoverer, owner, in_flight, dies }));
        }
    }
}

/// All pairs of numbers of steps up to the ends of both.
fn pairs(mut run: impl FnMut(usize, usize) -> Option<Lengths>) {
    for first in 0.. {
        for second in 0.. {
            let Some(lengths) = run(first, second) else { return };
            if lengths.recoverer < first {
                return;
            }
            if lengths.owner < second {
                break;
            }
        }
    }
}

/// How many steps an owner takes to whom nothing happens.
fn length(setup: Setup) -> usize {
    let mut world = World::new(setup.flavor, setup.plan);
    let mut owner = Owner::new(&mut world);
    let mut steps = 0;
    while owner.step(&mut world) {
        steps += 1;
    }
    world.conclude(&mut owner).unwrap();
    steps
}

#[test]
fn whatever_happens_there_is_one_outcome_and_it_is_the_decided_one() {
    let setups = setups();
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Counts::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                let _stop = StopOthers(&next);
                let mut own = Counts::new();
                while let Some(setup) = setups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    enumerate(*setup, &mut own);
                }
                let mut all = counts.lock().unwrap();
                for (point, numbers) in own {
                    for (to, number) in all.entry(point).or_default().iter_mut().zip(numbers) {
                        *to += number;
                    }
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    print!("{}", table(&counts));
    assert_eq!(counts.len(), 14);
    for (point, numbers) in &counts {
        assert!(!numbers.contains(&0), "nothing was tried {}: {numbers:?}", point.name());
    }
}

/// When one of them fails the others need not go on.
struct StopOthers<'a>(&'a AtomicUsize);

impl Drop for StopOthers<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(usize::MAX / 2, Ordering::Relaxed);
        }
    }
}

fn table(counts: &Counts) -> String {
    let mut text = format!("| point | {} |\n|---|{}\n", COLUMNS.join(" | "), "---:|".repeat(COLUMNS.len()));
    for (point, numbers) in counts {
        let numbers = numbers.map(|it| it.to_string());
        text += &format!("| {} | {} |\n", point.name(), numbers.join(" | "));
    }
    let total = |column: usize| counts.values().map(|it| it[column]).sum::<u64>().to_string();
    let totals: Vec<_> = (0..COLUMNS.len()).map(total).collect();
    text + &format!("| all | {} |\n", totals.join(" | "))
}
