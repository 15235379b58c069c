//! Who cleans up: one run over what the store calls recoverable, a step at a time.

use std::collections::VecDeque;

use ms_xa::{
    Attempt, BranchIx, BranchState, Decision, Failure, Record, Recovered, Recovery, RecoveryAction, RecoveryAnswer,
    StateStore,
};

use super::{
    Statement, World,
    world::{Health, now},
};

#[derive(Debug)]
pub(crate) struct Recoverer {
    name: &'static str,
    queue: Option<VecDeque<Record>>,
    current: Option<Recovery>,
    open: VecDeque<RecoveryAction>,
    /// What came of the record before.
    pub(crate) last: Option<Recovered>,
}

/// What goes wrong with one of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The request does not arrive.
    LostRequest,
    /// It is executed, and the answer does not arrive.
    LostReply,
}

impl Recoverer {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, queue: None, current: None, open: VecDeque::new(), last: None }
    }

    /// Takes the next step; false when the run is over.
    pub(crate) fn step(&mut self, world: &mut World, mishap: Option<Mishap>) -> bool {
        world.ask_verdict();
        let Some(queue) = &mut self.queue else {
            self.queue = Some(if world.health == Health::Well {
                now(world.store.recoverable(None, 100)).unwrap().into()
            } else {
                VecDeque::new()
            });
            return true;
        };
        let Some(current) = &mut self.current else {
            let Some(record) = queue.pop_front() else { return false };
            if world.health != Health::Well {
                return true;
            }
            world.taken_up(&record);
            assert!(matches!(now(world.store.attempt(record.trx, None)), Ok(Attempt::Go(_))));
            let mut current = Recovery::new(record);
            self.open = current.actions().into();
            self.current = Some(current);
            return true;
        };
        if let Some(action) = self.open.pop_front() {
            let record = current.record().clone();
            let answer = match mishap {
                Some(Mishap::LostRequest) => lost(),
                Some(Mishap::LostReply) => {
                    perform(world, &record, action);
                    lost()
                }
                None => perform(world, &record, action),
            };
            let name = self.name;
            world.note(|| format!("{name}: {action:?} -> {answer:?}"));
            current.on(action, answer);
            self.open.extend(current.actions());
        }
        if let Some(outcome) = current.outcome() {
            let (name, outcome) = (self.name, outcome.clone());
            world.note(|| format!("{name}: {outcome:?}"));
            if let Recovered::Finished { presumed, .. } = &outcome {
                world.presumed.extend(presumed);
            }
            self.last = Some(outcome);
            self.current = None;
        }
        true
    }
}

fn lost() -> RecoveryAnswer {
    RecoveryAnswer::Lost(Failure::new(BranchState::NonExisting, 2013, "HY000", "lost"))
}

fn refused(code: u16) -> RecoveryAnswer {
    RecoveryAnswer::Refused(Failure::new(BranchState::NonExisting, code, "HY000", "refused"))
}

/// What a shell does for a recovery.
fn perform(world: &mut World, record: &Record, action: RecoveryAction) -> RecoveryAnswer {
    match action {
        RecoveryAction::Claim | RecoveryAction::Settle(..) | RecoveryAction::Remove if world.health != Health::Well => {
            lost()
        }
        RecoveryAction::Claim => RecoveryAnswer::Decided(world.decide(record.trx, Decision::Abort)),
        RecoveryAction::Settle(branch, settlement) => {
            world.settled(branch, settlement);
            now(world.store.settle(record.trx, branch, settlement)).unwrap();
            RecoveryAnswer::Done
        }
        RecoveryAction::Remove => match now(world.store.remove(record.trx)).unwrap() {
            true => RecoveryAnswer::Done,
            false => RecoveryAnswer::Unsettled,
        },
        RecoveryAction::List(branch) => {
            at_server(world, record, branch, |world, server| RecoveryAnswer::Listed(world.servers[server].list()))
        }
        RecoveryAction::Confirm(branch) => at_server(world, record, branch, |world, server| {
            world.servers[server].flush();
            RecoveryAnswer::Listed(world.servers[server].list())
        }),
        RecoveryAction::EndOwner(branch) => at_server(world, record, branch, |world, server| {
            let place = &record.branches.iter().find(|it| it.branch == branch).unwrap().place;
            // Numbers of connections start anew with the server.
            if place.run == world.servers[server].run.to_string() {
                world.servers[server].see_session_end(place.connection_id);
            }
            RecoveryAnswer::Done
        }),
        RecoveryAction::Commit(branch) => end(world, record, branch, Statement::Commit),
        RecoveryAction::RollBack(branch) => end(world, record, branch, Statement::RollBack),
    }
}

/// The server at the branch's address, if it is up and the one that joined.
fn at_server(
    world: &mut World,
    record: &Record,
    branch: BranchIx,
    then: impl FnOnce(&mut World, usize) -> RecoveryAnswer,
) -> RecoveryAnswer {
    let at = record.branches.iter().position(|it| it.branch == branch).unwrap();
    let place = &record.branches[at].place;
    let server: usize = place.scheme.trim_start_matches("tcp://").parse().unwrap();
    match &world.servers[server] {
        it if !it.is_up => refused(2003),
        it if it.identity != place.identity => RecoveryAnswer::OtherServer { identity: it.identity.clone() },
        _ => then(world, server),
    }
}

fn end(
    world: &mut World,
    record: &Record,
    branch: BranchIx,
    statement: impl FnOnce(ms_xa::Xid) -> Statement,
) -> RecoveryAnswer {
    let xid = record.branches.iter().find(|it| it.branch == branch).unwrap().xid.clone();
    let statement = statement(xid);
    at_server(world, record, branch, |world, server| {
        let session = world.servers[server].connect().unwrap();
        let result = world.run(server, session, &statement);
        world.servers[server].end_session(session);
        result.map_or_else(refused, |()| RecoveryAnswer::Done)
    })
}
