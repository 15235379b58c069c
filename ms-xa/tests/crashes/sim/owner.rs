//! Who runs the transaction: an application, its coordinator and its connections.

use ms_xa::{Action, Answer, BranchIx, BranchState, Coordinator, Failure, Outcome, Place, TrxId};

use super::{
    Kind, Step, World,
    message::{At, Got, Message, Request, Text},
    world::TAG,
};

/// What the application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) participants: u16,
    pub(crate) has_store: bool,
    pub(crate) ends: Ends,
    pub(crate) order: Order,
    /// It commits although a statement has failed.
    pub(crate) stubborn: bool,
    pub(crate) timeout_secs: Option<u32>,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Commit,
    RollBack,
    /// It commits after a deadlock at this server, which refuses to prepare.
    Deadlock(u16),
    /// It commits although this server lets nobody join.
    Outside(u16),
}

/// In which order things happen that may happen at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Which permutation of the branches.
    pub(crate) permutation: usize,
    /// All requests leave, then all are executed, then all are answered; otherwise one after the other.
    pub(crate) abreast: bool,
}

const PERMUTATIONS: [[u16; 3]; 6] = [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0], [2, 0, 1]];

impl Order {
    /// How many there are for so many branches.
    pub(crate) fn permutations(participants: u16) -> usize {
        [1, 1, 2, 6][usize::from(participants)]
    }

    fn rank(self, branch: Option<BranchIx>) -> u16 {
        branch.map_or(0, |it| PERMUTATIONS[self.permutation][it.index()])
    }
}

/// What the caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    NotStarted,
    Outcome(Outcome),
}

#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) told: Option<Told>,
    pub(crate) is_dead: bool,
    plan: Plan,
    stage: Stage,
    xa: Option<Coordinator>,
    trx: Option<TrxId>,
    messages: Vec<Message>,
    lines: Vec<Line>,
    /// A statement has failed.
    trouble: bool,
    /// Any `XA COMMIT` was executed.
    has_committed: bool,
}

/// A branch's connection.
#[derive(Clone, Copy, Debug)]
struct Line {
    session: u64,
    is_broken: bool,
}

/// Where the application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Join(u16),
    Joined(u16),
    Worked(u16),
    Ending,
}

/// What happens to what is on its way when somebody dies or a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    Dropped,
    Executed,
    Late,
}

impl Owner {
    pub(crate) fn new(world: &mut World) -> Self {
        let mut it = Self {
            told: None,
            is_dead: false,
            plan: world.plan,
            stage: Stage::Begin,
            xa: None,
            trx: None,
            messages: Vec::new(),
            lines: Vec::new(),
            trouble: false,
            has_committed: false,
        };
        if it.plan.has_store {
            it.messages.push(Message::new(Kind::Begin));
        } else {
            it.start(world);
        }
        it.go_on(world);
        it
    }

    fn start(&mut self, world: &World) {
        self.xa = Some(Coordinator::new(world.gtrid.clone(), TAG, self.plan.has_store));
        self.stage = Stage::Join(0);
    }

    /// What happens next, in the order of the plan.
    pub(crate) fn next(&self) -> Option<(Kind, Step)> {
        self.next_at().map(|at| (self.messages[at].kind, self.messages[at].step()))
    }

    /// Everything that could happen next.
    pub(crate) fn open(&self) -> usize {
        if self.is_dead { 0 } else { self.messages.len() }
    }

    fn next_at(&self) -> Option<usize> {
        if self.is_dead {
            return None;
        }
        let stage = |it: &Message| match it.step() {
            Step::Send => 0,
            Step::Execute(done) => done + 1,
            Step::Reply => 9,
        };
        let order = self.plan.order;
        (0..self.messages.len()).min_by_key(|&at| {
            let it = &self.messages[at];
            let rank = order.rank(it.kind.branch());
            if order.abreast { (stage(it), usize::from(rank)) } else { (usize::from(rank), stage(it)) }
        })
    }

    pub(crate) fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// Takes the next step of the plan; false when there is none.
    pub(crate) fn step(&mut self, world: &mut World) -> bool {
        let at = self.next_at();
        at.inspect(|&at| self.step_at(world, at)).is_some()
    }

    /// Takes the next step of one message.
    pub(crate) fn step_at(&mut self, world: &mut World, at: usize) {
        let kind = self.messages[at].kind;
        match std::mem::replace(&mut self.messages[at].at, At::Here) {
            At::Here => self.messages[at].at = self.send(world, kind),
            At::There(mut request) => {
                let got = world.execute(&mut request);
                let commits = matches!(kind, Kind::Act(Action::Commit(_) | Action::CommitOnePhase(_)));
                self.has_committed |= commits && got.is_some();
                self.messages[at].at = got.map_or(At::There(request), At::Back);
            }
            At::Back(got) => {
                self.messages.remove(at);
                self.take(world, kind, got);
            }
        }
        self.go_on(world);
    }

    /// The message that is next is lost on its way there, or its answer on its way back.
    pub(crate) fn lose(&mut self, world: &mut World, then: InFlight, closes: bool) {
        if let Some(at) = self.next_at() {
            self.lose_at(world, at, then, closes);
        }
    }

    pub(crate) fn lose_at(&mut self, world: &mut World, at: usize, then: InFlight, closes: bool) {
        let Message { kind, at: place } = self.messages.remove(at);
        world.note(|| format!("{kind:?} is lost, {then:?}"));
        let place = if matches!(place, At::Here) { self.send(world, kind) } else { place };
        if let At::There(request) = place {
            self.leave(world, request, then);
        }
        if let Some(branch) = kind.branch() {
            self.break_line(world, branch, closes);
        }
        let failure = Failure::new(kind.towards(), 2013, "HY000", "lost");
        let got = match kind {
            Kind::Begin => Got::Began(None),
            Kind::Work(_) => Got::Worked(Err(2013)),
            Kind::Act(_) => Got::Answer(Answer::Lost(failure)),
        };
        self.take(world, kind, got);
        self.go_on(world);
    }

    /// It is gone, and what it has sent is not.
    pub(crate) fn die(&mut self, world: &mut World, then: InFlight, closes: bool) {
        world.note(|| format!("the owner dies; what it has sent: {then:?}; its connections close: {closes}"));
        self.is_dead = true;
        for message in std::mem::take(&mut self.messages) {
            if let At::There(request) = message.at {
                self.leave(world, request, then);
            }
        }
        if closes {
            self.close_all(world);
        }
    }

    /// Requests that were sent and not executed.
    pub(crate) fn in_flight(&self) -> usize {
        self.messages.iter().filter(|it| matches!(it.at, At::There(_))).count()
    }

    /// What it has sent is executed; the answers wait for it.
    pub(crate) fn execute_all(&mut self, world: &mut World) {
        for at in 0..self.messages.len() {
            while matches!(self.messages[at].at, At::There(_)) {
                self.step_at(world, at);
            }
        }
    }

    pub(crate) fn close_all(&mut self, world: &mut World) {
        for (server, line) in self.lines.iter().enumerate() {
            world.servers[server].end_session(line.session);
        }
    }

    fn leave(&mut self, world: &mut World, mut request: Request, then: InFlight) {
        match then {
            InFlight::Dropped => {}
            InFlight::Executed => world.finish_executing(&mut request),
            InFlight::Late => world.late.push(request),
        }
    }

    fn break_line(&mut self, world: &mut World, branch: BranchIx, closes: bool) {
        let line = &mut self.lines[branch.index()];
        line.is_broken = true;
        if closes {
            world.servers[branch.index()].end_session(line.session);
        }
    }

    /// A request leaves.
    fn send(&mut self, world: &World, kind: Kind) -> At {
        let trx = self.trx.unwrap_or(TrxId(0));
        let request = match kind {
            Kind::Begin => Request::Begin { timeout_secs: self.plan.timeout_secs },
            Kind::Act(Action::Enlist(branch)) => {
                let server = &world.servers[branch.index()];
                let place = Place {
                    scheme: format!("tcp://{}", branch.index()),
                    identity: server.identity.clone(),
                    run: server.run.to_string(),
                    connection_id: self.lines[branch.index()].session,
                    ..Place::default()
                };
                Request::Enlist { trx, branch, place }
            }
            Kind::Act(Action::Decide(decision)) => Request::Decide { trx, decision },
            Kind::Act(Action::Finish) => Request::Finish { trx, ending: self.xa.as_ref().unwrap().ending() },
            Kind::Work(branch)
            | Kind::Act(
                Action::Start(branch)
                | Action::Prepare(branch)
                | Action::CommitOnePhase(branch)
                | Action::Commit(branch)
                | Action::RollBack(branch),
            ) => {
                let line = self.lines[branch.index()];
                if line.is_broken {
                    return At::Back(match kind {
                        Kind::Work(_) => Got::Worked(Err(2006)),
                        _ => Got::Answer(Answer::Refused(Failure::new(BranchState::Idle, 2006, "HY000", "gone"))),
                    });
                }
                Request::Sql(Text {
                    server: branch.index(),
                    session: line.session,
                    statements: kind.statements(world.xid(branch), self.plan.ends == Ends::Deadlock(branch.0)),
                    done: 0,
                    for_rollback: kind.towards() == BranchState::RolledBack,
                })
            }
        };
        At::There(request)
    }

    /// An answer arrives.
    fn take(&mut self, world: &mut World, kind: Kind, got: Got) {
        world.note(|| format!("owner hears of {kind:?}: {got:?}"));
        match (kind, got) {
            (_, Got::Began(Some(trx))) => {
                self.trx = Some(trx);
                self.start(world);
            }
            (_, Got::Began(None)) => self.told = Some(Told::NotStarted),
            (_, Got::Worked(result)) => {
                self.trouble |= result.is_err();
                if let (Err(2013), Some(branch)) = (result, kind.branch()) {
                    self.break_line(world, branch, true);
                }
            }
            (Kind::Act(action), Got::Answer(answer)) => {
                if let (Answer::Lost(_), Some(branch)) = (&answer, kind.branch()) {
                    self.lines[branch.index()].is_broken = true;
                }
                let xa = self.xa.as_mut().unwrap();
                xa.on(action, answer);
                self.messages.extend(xa.actions().into_iter().map(|it| Message::new(Kind::Act(it))));
            }
            (kind, got) => unreachable!("{kind:?} got {got:?}"),
        }
    }

    /// What the application does when nothing is on its way.
    fn go_on(&mut self, world: &mut World) {
        while self.messages.is_empty() && self.told.is_none() {
            let in_time = !self.is_late(world);
            let Some(xa) = &mut self.xa else { return };
            match self.stage {
                Stage::Begin => return,
                Stage::Join(n) if n == self.plan.participants || (self.trouble && !self.plan.stubborn) => {
                    self.stage = Stage::Ending;
                    world.at_stake = world.branches().filter(|it| is_active(xa, *it)).collect();
                    if self.plan.ends == Ends::RollBack || (self.trouble && !self.plan.stubborn) {
                        world.at_stake.clear();
                        xa.rollback();
                    } else {
                        xa.commit(in_time);
                    }
                }
                Stage::Join(n) => {
                    let session = world.servers[usize::from(n)].connect();
                    self.lines.push(Line { session: session.unwrap_or(0), is_broken: session.is_err() });
                    xa.join();
                    self.stage = Stage::Joined(n);
                }
                Stage::Joined(n) if is_active(xa, BranchIx(n)) => {
                    self.messages.push(Message::new(Kind::Work(BranchIx(n))));
                    self.stage = Stage::Worked(n);
                }
                Stage::Joined(n) => {
                    self.trouble = true;
                    self.stage = Stage::Join(n + 1);
                }
                Stage::Worked(n) => {
                    // A deadlock is what the plan wants to commit after.
                    self.trouble &= self.plan.ends != Ends::Deadlock(n);
                    self.stage = Stage::Join(n + 1);
                }
                Stage::Ending => {}
            }
            self.messages.extend(xa.actions().into_iter().map(|it| Message::new(Kind::Act(it))));
            if let (Some(outcome), true) = (xa.outcome(), self.messages.is_empty()) {
                world.note(|| format!("the caller is told {outcome:?}"));
                self.told = Some(Told::Outcome(outcome.clone()));
                world.is_overdue |= self.trx.is_none();
            }
        }
        if self.told.is_some() && !self.is_dead {
            self.let_go(world);
        }
    }

    /// Connections that may not be used again are closed.
    fn let_go(&mut self, world: &mut World) {
        for branch in world.branches().take(self.lines.len()) {
            let is_reusable = self.xa.as_ref().is_some_and(|it| it.is_reusable(branch));
            let line = self.lines[branch.index()];
            // A broken one is closed at this end; the server may not have heard of it.
            if !is_reusable && !line.is_broken {
                world.servers[branch.index()].end_session(line.session);
            }
        }
    }

    fn is_late(&self, world: &World) -> bool {
        self.plan.timeout_secs.is_some() && world.is_overdue
    }
}

fn is_active(xa: &Coordinator, branch: BranchIx) -> bool {
    xa.branches().get(branch.index()).is_some_and(|it| it.state == BranchState::Active)
}
