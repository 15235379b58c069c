//! Servers, a store, what is still on its way, and what has to hold.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use ms_xa::{
    Answer, Begin, BranchIx, BranchState, Decision, Enlisted, Failure, Finished, Gtrid, MemoryStore, Outcome, Record,
    Settlement, StateStore, StoreError, Tag, TrxId, Verdict, Xid, sql,
};

use super::{
    Ends, Flavor, Plan, Server, Statement, Told,
    message::{Got, Request, Text},
};

/// How long a lease lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// What makes the branches' names ours.
pub(crate) const TAG: Tag = Tag(0x00c0_ffee);

/// What became of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    Prepared,
    /// Rolled back, or never there.
    Gone,
}

/// How the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// It cannot be reached.
    Refuses,
    /// It does not answer, and does not do it.
    Silent,
    /// It does it, and does not answer.
    Mute,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: Vec<Server>,
    pub(crate) store: MemoryStore,
    pub(crate) health: Health,
    pub(crate) gtrid: Gtrid,
    pub(crate) plan: Plan,
    /// Requests that will be executed when somebody says so, or never.
    pub(crate) late: Vec<Request>,
    /// Recovery may take the transaction up: its owner's lease or time is over, or it says that it is through.
    pub(crate) is_overdue: bool,
    /// A person has acted on a branch, so what is told of it may be wrong.
    pub(crate) by_hand: bool,
    /// Branches that had joined when the end began: they have to end together.
    pub(crate) at_stake: Vec<BranchIx>,
    /// How many branches came on record.
    enlisted: usize,
    /// Branches that recovery has reported.
    pub(crate) presumed: Vec<BranchIx>,
    xids: Vec<Xid>,
    /// Branches of others whose names are like ours, by server.
    foreign: Vec<[Xid; 4]>,
    decided: Option<Decision>,
    verdicts: Vec<Verdict>,
    broken: Option<String>,
    trace: Option<Vec<String>>,
}

/// Nothing in here waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(it) => it,
        Poll::Pending => unreachable!("the memory answers at once"),
    }
}

impl World {
    pub(crate) fn new(flavor: Flavor, plan: Plan) -> Self {
        let gtrid = Gtrid::from(12);
        let xids: Vec<_> = (0..plan.participants).map(|it| Xid::of(&gtrid, TAG, BranchIx(it))).collect();
        let mut it = Self {
            servers: (0..plan.participants).map(|n| Server::new(flavor, format!("server-{n}"))).collect(),
            store: MemoryStore::new(LEASE),
            health: Health::Well,
            foreign: xids.iter().map(like).collect(),
            xids,
            gtrid,
            plan,
            late: Vec::new(),
            is_overdue: false,
            by_hand: false,
            at_stake: Vec::new(),
            enlisted: 0,
            presumed: Vec::new(),
            decided: None,
            verdicts: Vec::new(),
            broken: None,
            trace: None,
        };
        if let Ends::Outside(server) = plan.ends {
            it.servers[usize::from(server)].refuses_xa = true;
        }
        for (server, foreign) in it.servers.iter_mut().zip(&it.foreign) {
            foreign.iter().for_each(|xid| server.leave_prepared(xid.clone()));
        }
        it
    }

    /// Writes down what happens, for people.
    pub(crate) fn with_trace(mut self) -> Self {
        self.trace = Some(Vec::new());
        self
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    pub(crate) fn trace(&self) -> String {
        self.trace.iter().flatten().map(|it| format!("  {it}\n")).collect()
    }

    /// Something is wrong.
    pub(crate) fn broke(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("BROKEN: {what}"));
        self.broken.get_or_insert(what);
    }

    pub(crate) fn xid(&self, branch: BranchIx) -> &Xid {
        &self.xids[branch.index()]
    }

    pub(crate) fn fate(&self, branch: BranchIx) -> Fate {
        let (server, xid) = (&self.servers[branch.index()], self.xid(branch));
        match () {
            () if server.committed.contains(xid) => Fate::Committed,
            () if server.is_prepared(xid) || server.hidden.contains(xid) => Fate::Prepared,
            () => Fate::Gone,
        }
    }

    pub(crate) fn decided(&self) -> Option<Decision> {
        self.decided
    }

    pub(crate) fn branches(&self) -> impl Iterator<Item = BranchIx> + use<> {
        (0..self.plan.participants).map(BranchIx)
    }

    /// Time goes by, and the owner says nothing.
    pub(crate) fn let_lease_end(&mut self) {
        self.note(|| "the lease ends".to_owned());
        self.store.advance(LEASE + Duration::from_secs(1));
        self.is_overdue = true;
    }

    /// Executes a request, or its next statement; `None` while there are more.
    pub(crate) fn execute(&mut self, request: &mut Request) -> Option<Got> {
        if let Request::Sql(text) = request {
            return self.execute_sql(text);
        }
        if matches!(self.health, Health::Refuses | Health::Silent) {
            let (code, text) = (if self.health == Health::Refuses { 2003 } else { 2013 }, "the store is down");
            let failure = Failure::new(BranchState::Committed, code, "HY000", text);
            let lost = self.health == Health::Silent;
            return Some(match request {
                Request::Begin { .. } => Got::Began(None),
                _ if lost => Got::Answer(Answer::Lost(failure)),
                _ => Got::Answer(Answer::Refused(failure)),
            });
        }
        let got = self.write(request);
        self.note(|| format!("store: {request:?} -> {got:?}"));
        Some(match got {
            Got::Answer(_) if self.health == Health::Mute => {
                Got::Answer(Answer::Lost(Failure::new(BranchState::Committed, 2013, "HY000", "the store is mute")))
            }
            got => got,
        })
    }

    fn write(&mut self, request: &Request) -> Got {
        let answer = |it: Result<(), StoreError>| match it {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Refused(Failure::new(BranchState::Committed, 2000, "HY000", error.to_string())),
        };
        Got::Answer(match request {
            Request::Begin { timeout_secs } => {
                let new = Begin { gtrid: &self.gtrid, tag: TAG, timeout_secs: *timeout_secs, owner: "owner" };
                return Got::Began(Some(now(self.store.begin(&new)).unwrap()));
            }
            Request::Enlist { trx, branch, place } => {
                let xid = self.xid(*branch);
                let it = now(self.store.enlist(*trx, &Enlisted { branch: *branch, xid, place }));
                self.enlisted += usize::from(it.is_ok());
                answer(it)
            }
            Request::Decide { trx, decision } => Answer::Decided(self.decide(*trx, *decision)),
            Request::Finish { trx, ending } => {
                let it = now(self.store.finish(*trx, ending));
                self.is_overdue |= it.is_ok() && ending.finished != Finished::No;
                answer(it)
            }
            Request::Sql(_) => unreachable!("goes to a server"),
        })
    }

    pub(crate) fn decide(&mut self, trx: TrxId, decision: Decision) -> Option<Decision> {
        let stands = now(self.store.decide(trx, decision)).unwrap();
        if let Some(stands) = stands {
            let first = *self.decided.get_or_insert(stands);
            if first != stands {
                self.broke(format!("{first:?} was decided, and then {stands:?}"));
            }
        }
        stands
    }

    fn execute_sql(&mut self, text: &mut Text) -> Option<Got> {
        let statement = text.statements[text.done].clone();
        let is_last = text.done + 1 == text.statements.len();
        text.done += 1;
        let result = self.run(text.server, text.session, &statement);
        let towards = match statement {
            Statement::Work { .. } => return Some(Got::Worked(result)),
            Statement::Start(_) => BranchState::Active,
            Statement::End(_) => BranchState::Idle,
            Statement::Prepare(_) => BranchState::Prepared,
            Statement::Commit(_) | Statement::CommitOnePhase(_) => BranchState::Committed,
            Statement::RollBack(_) => BranchState::RolledBack,
        };
        let failure = |code| Failure::new(towards, code, "XAE00", format!("{statement:?}"));
        Some(Got::Answer(match result {
            // Nobody needs an end before a rollback.
            Err(code) if towards == BranchState::Idle && text.for_rollback && !sql::may_have_run(code) => return None,
            Err(1397) if towards == BranchState::RolledBack => Answer::Done,
            Err(code) if sql::may_have_run(code) => Answer::Lost(failure(code)),
            Err(code) => Answer::Refused(failure(code)),
            Ok(()) if is_last => Answer::Done,
            Ok(()) => return None,
        }))
    }

    /// A statement at a server, whoever sent it.
    pub(crate) fn run(&mut self, server: usize, session: u64, statement: &Statement) -> Result<(), u16> {
        let result = self.servers[server].execute(session, statement);
        self.note(|| format!("server {server}, session {session}: {} -> {result:?}", short(statement)));
        if let (Statement::Commit(xid), Ok(())) = (statement, &result)
            && self.plan.has_store
            && !self.by_hand
            && *xid == self.xids[server]
            && self.decided != Some(Decision::Commit)
        {
            self.broke(format!("server {server} was told to commit before that was decided"));
        }
        result
    }

    /// Everything that was late comes now.
    pub(crate) fn deliver_late(&mut self) {
        for mut request in std::mem::take(&mut self.late) {
            self.note(|| format!("late: {request:?}"));
            self.finish_executing(&mut request);
        }
    }

    /// Executes what is left of a request; nobody waits for its answer.
    pub(crate) fn finish_executing(&mut self, request: &mut Request) {
        while self.execute(request).is_none() {}
    }

    /// What a caller would be told now.
    pub(crate) fn ask_verdict(&mut self) {
        let known = now(self.store.known(&self.gtrid)).unwrap();
        self.verdicts.extend(known.map(|it| it.verdict()));
    }

    /// Recovery takes a record up.
    pub(crate) fn taken_up(&mut self, record: &Record) {
        if !self.is_overdue {
            self.broke(format!("recovery took up {:?} while its owner was at work", record.trx));
        }
    }

    /// Recovery writes down what became of a branch.
    pub(crate) fn settled(&mut self, branch: BranchIx, settlement: Settlement) {
        let fate = self.fate(branch);
        let fits = match settlement {
            Settlement::Committed => fate == Fate::Committed,
            Settlement::RolledBack => fate == Fate::Gone,
            Settlement::Presumed => fate != Fate::Prepared,
        };
        // Nobody can tell that a person has committed what was to be rolled back.
        let is_excused = self.by_hand && settlement == Settlement::RolledBack;
        if !(fits || is_excused) {
            self.broke(format!("branch {branch} is on record as {settlement:?} and is {fate:?}"));
        }
    }

    /// What has to hold when recovery has run to its end.
    pub(crate) fn judge(&mut self, told: Option<&Told>) -> Result<(), String> {
        for server in 0..self.servers.len() {
            if let Some(xid) = self.foreign[server].iter().find(|it| !self.servers[server].is_prepared(it)) {
                self.broke(format!("somebody else's branch {xid} is gone from server {server}"));
            }
        }
        let fates: Vec<_> = self.branches().map(|it| self.fate(it)).collect();
        if fates.contains(&Fate::Prepared) {
            self.broke(format!("something is left prepared: {fates:?}"));
        }
        // Without a store there is nobody who would roll it back once more; and what a person does is theirs to see through.
        if self.plan.has_store
            && !self.by_hand
            && let Some(server) = self.servers.iter().position(|it| !it.unflushed.is_empty())
        {
            self.broke(format!("the record is gone, and a crash of server {server} would bring its branch back"));
        }
        if now(self.store.known(&self.gtrid)).unwrap().is_some() {
            self.broke("the record is still there");
        }
        let committed = fates.contains(&Fate::Committed);
        if !self.by_hand {
            self.judge_outcome(told, &fates, committed);
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    fn judge_outcome(&mut self, told: Option<&Told>, fates: &[Fate], committed: bool) {
        // Who could not join has no part in it.
        let at_stake: Vec<_> = self.at_stake.iter().map(|it| fates[it.index()]).collect();
        if committed && at_stake.iter().any(|it| *it != Fate::Committed) {
            self.broke(format!("torn apart: {fates:?}"));
        }
        if committed && at_stake.is_empty() {
            self.broke(format!("nobody wanted it committed: {fates:?}"));
        }
        match self.decided {
            Some(Decision::Commit) if !committed => self.broke(format!("decided to commit: {fates:?}")),
            // The only one on record needs no decision.
            Some(Decision::Abort) if committed && self.enlisted > 1 => {
                self.broke(format!("decided to abort: {fates:?}"));
            }
            _ => {}
        }
        // Where there was nothing to commit, that is committed.
        let missing = !committed && !at_stake.is_empty();
        match told {
            Some(Told::Outcome(Outcome::Committed { .. })) if missing => {
                self.broke(format!("the caller was told that it is committed: {fates:?}"));
            }
            Some(Told::Outcome(Outcome::RolledBack { .. }) | Told::NotStarted) if committed => {
                self.broke(format!("the caller was told that it is rolled back: {fates:?}"));
            }
            _ => {}
        }
        for verdict in std::mem::take(&mut self.verdicts) {
            if (verdict == Verdict::Committed && missing) || (verdict == Verdict::RolledBack && committed) {
                self.broke(format!("the store said {verdict:?}: {fates:?}"));
            }
        }
    }
}

/// Names of others that are like this one.
fn like(own: &Xid) -> [Xid; 4] {
    let named = |global: &[u8], branch: &[u8], format| Xid::new(global, branch, format).unwrap();
    let mut other_tag = own.branch().to_vec();
    other_tag[18] ^= 1;
    [
        named(b"123", own.branch(), own.format()),
        named(b"1", own.branch(), own.format()),
        named(own.global(), &other_tag, own.format()),
        named(own.global(), own.branch(), 1),
    ]
}

fn short(statement: &Statement) -> &'static str {
    match statement {
        Statement::Start(_) => "XA START",
        Statement::Work { .. } => "work",
        Statement::End(_) => "XA END",
        Statement::Prepare(_) => "XA PREPARE",
        Statement::Commit(_) => "XA COMMIT",
        Statement::CommitOnePhase(_) => "XA COMMIT ONE PHASE",
        Statement::RollBack(_) => "XA ROLLBACK",
    }
}
