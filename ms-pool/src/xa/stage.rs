//! Performs what the coordinator asks for.
//!
//! A coordinator says what may be done now, all of it at the same time. Connections are handed to the one thing that is done
//! on each and come back with its answer. Nothing here decides anything, with one exception: what was decided and could not
//! be delivered, because the connection broke, is tried a few times more on a connection of its own.
//!
//! Each step is a tracing event before it and one after it (target `ms_pool::xa`, level debug): for those who watch, and for the
//! torture, which kills its processes at them.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream::FuturesUnordered};
use ms_filters::{Role, ServerIx};
use ms_xa::{
    Action, Answer, BranchIx, BranchState, Coordinator, Enlisted, Failure, StateStore, StoreError, TrxId, Xid, sql,
};
use sqlx_core::{row::Row, sql_str::AssertSqlSafe};
use tokio::time::sleep;

use super::{LIMIT, participant, store::words};
use crate::{
    Cluster,
    error::{code, server_error},
    pool::{Dial, Lease, Stake, Stmt, Target},
    positions::{Debt, Written},
    probe::Identity,
    session::Slot,
};

/// How long rows that nobody fetched may hold up the protocol.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);
/// Pauses between tries to deliver what was decided; what is still not delivered then is left to recovery.
const AGAIN: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];

/// `XAER_NOTA`: the server knows no such branch, or it is another session's.
const UNKNOWN: u16 = 1397;
/// `XA_RBROLLBACK`.
const ROLLED_BACK: u16 = 1402;

/// What a coordinator's actions are performed on.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    /// The store's number of the transaction.
    pub(super) trx: Option<TrxId>,
    /// By [`BranchIx`].
    pub(super) parties: Vec<Party>,
}

/// One that has joined, or has tried.
pub(super) struct Party {
    pub(super) server: ServerIx,
    /// Its connection; `None` while it is in use, or when it is lost.
    pub(super) slot: Option<Slot>,
    /// Where it was asked to prepare: from then on its branch may outlive that connection.
    pub(super) prepared_on: Option<Arc<Identity>>,
}

impl Stage {
    /// Does all that there is to do.
    pub(super) async fn perform(&mut self, coordinator: &mut Coordinator) {
        let mut running = FuturesUnordered::new();
        loop {
            for action in coordinator.actions() {
                let branch = branch_of(action);
                let mut party = branch.map(|it| &mut self.parties[it.index()]);
                let (server, slot) = (party.as_ref().map(|it| it.server), party.as_mut().and_then(|it| it.slot.take()));
                let prepared_on = party.as_ref().and_then(|it| it.prepared_on.clone());
                if let (Some(party), Some(slot), Action::Prepare(_)) = (party, &slot, action) {
                    party.prepared_on = Some(Arc::clone(slot.lease.identity()));
                }
                let task = Task {
                    cluster: self.cluster.clone(),
                    trx: self.trx,
                    xid: branch.map(|it| coordinator.xid(it)),
                    prepared_on,
                    ending: matches!(action, Action::Finish).then(|| coordinator.ending()),
                    server,
                    slot,
                    action,
                };
                tracing::debug!(target: "ms_pool::xa", gtrid = %coordinator.gtrid(), ?action, at = "before");
                running.push(task.run());
            }
            let Some((action, answer, slot)) = running.next().await else { return };
            tracing::debug!(target: "ms_pool::xa", gtrid = %coordinator.gtrid(), ?action, ?answer, at = "after");
            if let (Some(branch), Some(slot)) = (branch_of(action), slot) {
                self.parties[branch.index()].slot = Some(slot);
            }
            coordinator.on(action, answer);
        }
    }
}

impl Stage {
    /// It is committed: who reads next has to see it, on every server.
    pub(super) fn owe(&mut self, written: &Written) {
        for party in &mut self.parties {
            let member = self.cluster.member(party.server);
            if member.role != Role::Primary {
                continue;
            }
            match &mut party.slot {
                Some(slot) => {
                    slot.lease.note_write();
                    written.owe(Debt::written(party.server, &slot.lease));
                }
                // Its connection is lost; as far as the server is then.
                None => member.pool.identity().into_iter().for_each(|it| written.owe(Debt::seen(party.server, &it))),
            }
        }
    }

    /// What may still be prepared although it is rolled back, because its connection broke.
    pub(super) async fn roll_back_left(&self, coordinator: &Coordinator, left: &[BranchIx]) {
        for branch in left {
            let party = &self.parties[branch.index()];
            let mut task = Task {
                cluster: self.cluster.clone(),
                trx: self.trx,
                action: Action::RollBack(*branch),
                xid: Some(coordinator.xid(*branch)),
                prepared_on: party.prepared_on.clone(),
                ending: None,
                server: Some(party.server),
                slot: None,
            };
            task.roll_back().await;
        }
    }
}

fn branch_of(action: Action) -> Option<BranchIx> {
    match action {
        Action::Enlist(branch)
        | Action::Start(branch)
        | Action::Prepare(branch)
        | Action::CommitOnePhase(branch)
        | Action::Commit(branch)
        | Action::RollBack(branch) => Some(branch),
        Action::Decide(_) | Action::Finish => None,
    }
}

/// One action with all that it needs.
struct Task {
    cluster: Cluster,
    trx: Option<TrxId>,
    action: Action,
    xid: Option<Xid>,
    /// The connection on which the branch was asked to prepare.
    prepared_on: Option<Arc<Identity>>,
    ending: Option<ms_xa::Ending>,
    server: Option<ServerIx>,
    slot: Option<Slot>,
}

impl Task {
    async fn run(mut self) -> (Action, Answer, Option<Slot>) {
        let answer = match self.action {
            Action::Enlist(branch) => self.enlist(branch).await,
            Action::Decide(decision) => match (self.store(), self.trx) {
                (Some(store), Some(trx)) => match store.decide(trx, decision).await {
                    Ok(stands) => Answer::Decided(stands),
                    Err(error) => of_store(&error, BranchState::Committed),
                },
                _ => Answer::Decided(Some(decision)),
            },
            Action::Finish => match (self.store(), self.trx, &self.ending) {
                (Some(store), Some(trx), Some(ending)) => match store.finish(trx, ending).await {
                    Ok(()) => Answer::Done,
                    Err(error) => of_store(&error, BranchState::NonExisting),
                },
                _ => Answer::Done,
            },
            Action::Start(_) => self.say(&[(BranchState::Active, sql::start(self.xid()))]).await,
            Action::Prepare(_) => {
                let both = sql::end_and_prepare(self.xid());
                self.say_both(both, BranchState::Idle, BranchState::Prepared).await
            }
            Action::CommitOnePhase(_) => {
                let both = sql::end_and_commit_one_phase(self.xid());
                self.say_both(both, BranchState::Idle, BranchState::Committed).await
            }
            Action::Commit(_) => self.deliver(BranchState::Committed, sql::commit(self.xid())).await,
            Action::RollBack(_) => self.roll_back().await,
        };
        (self.action, answer, self.slot)
    }

    fn xid(&self) -> &Xid {
        self.xid.as_ref().expect("it is of a branch")
    }

    fn store(&self) -> Option<&Arc<dyn super::Keeper>> {
        self.cluster.inner.globals.store.as_ref()
    }

    async fn enlist(&mut self, branch: BranchIx) -> Answer {
        let (Some(store), Some(trx), Some(slot)) = (self.store(), self.trx, &self.slot) else {
            return Answer::Refused(gone(BranchState::Active));
        };
        let mut place = participant::place_of(&self.cluster.inner.globals, &slot.lease);
        if place.user.is_some() {
            place.password = password_of(slot.lease.pool().target()).await;
        }
        let enlisted = Enlisted { branch, xid: self.xid(), place: &place };
        match store.enlist(trx, &enlisted).await {
            Ok(()) => Answer::Done,
            Err(error) => of_store(&error, BranchState::NonExisting),
        }
    }

    /// One statement after the other.
    async fn say(&mut self, steps: &[(BranchState, String)]) -> Answer {
        for (towards, text) in steps {
            match self.say_both(text.clone(), *towards, *towards).await {
                Answer::Done => {}
                other => return other,
            }
        }
        Answer::Done
    }

    /// Two statements in one text, or one. What fails is the first or the second.
    async fn say_both(&mut self, text: String, first: BranchState, second: BranchState) -> Answer {
        let Some(slot) = &mut self.slot else { return Answer::Refused(gone(first)) };
        slot.lease.settle(SETTLE_LIMIT).await;
        match send(&mut slot.lease, text).await {
            Ok(()) => Answer::Done,
            Err((done, error)) => of_server(&error, if done == 0 { first } else { second }),
        }
    }

    async fn roll_back(&mut self) -> Answer {
        if self.prepared_on.is_some() {
            return self.deliver(BranchState::RolledBack, sql::rollback(self.xid())).await;
        }
        let Some(slot) = &mut self.slot else { return Answer::Refused(gone(BranchState::Idle)) };
        slot.lease.settle(SETTLE_LIMIT).await;
        // A deadlock has ended it already, for example; the second says whether it is gone.
        let ended = send(&mut slot.lease, sql::end(self.xid.as_ref().expect("it is of a branch"))).await;
        if let Err((_, error)) = &ended
            && server_error(error).is_none()
        {
            return of_server(error, BranchState::Idle);
        }
        match send(&mut slot.lease, sql::rollback(self.xid.as_ref().expect("it is of a branch"))).await {
            Err((_, error)) if !is_unknown(&error) && !was_empty(&error) => of_server(&error, BranchState::RolledBack),
            _ => Answer::Done,
        }
    }

    /// Whether the branch is for this connection to end: it is on this server, and the connection that prepared it is no more.
    async fn is_free(&self, lease: &mut Lease) -> bool {
        let Some(before) = &self.prepared_on else { return false };
        let now = Arc::clone(lease.identity());
        let is_same_run = || participant::is_same_run(&participant::run_of(&now), &participant::run_of(before));
        now.key == before.key
            && (!is_same_run() || matches!(participant::see_end(lease, before.connection_id).await, Ok(true)))
    }

    /// What has been decided has to get there: where the connection broke, by another one.
    async fn deliver(&mut self, towards: BranchState, text: String) -> Answer {
        let mut answer = Answer::Lost(gone(towards));
        if let Some(slot) = &mut self.slot {
            answer = match send(&mut slot.lease, text.clone()).await {
                Ok(()) => return Answer::Done,
                Err((_, error)) => of_server(&error, towards),
            };
            if slot.lease.is_ready() {
                return answer;
            }
            // Its branch is for others once the connection has ended, and not before.
            self.slot = None;
        }
        let server = self.server.expect("it is of a branch");
        for pause in AGAIN {
            sleep(pause).await;
            let pool = &self.cluster.member(server).pool;
            let Ok(mut lease) = pool.lease_for(pool.acquire_deadline(), Stake::Failure).await else { continue };
            if !self.is_free(&mut lease).await {
                continue;
            }
            match send(&mut lease, text.clone()).await {
                Ok(()) => return Answer::Done,
                Err((_, error)) if is_unknown(&error) || was_empty(&error) => {
                    // It got there the first time, or the connection before has not ended yet.
                    if matches!(is_listed(&mut lease, self.xid()).await, Some(false)) {
                        return Answer::Done;
                    }
                }
                Err((_, error)) => answer = of_server(&error, towards),
            }
        }
        match answer {
            // It may be a matter of time.
            Answer::Refused(failure) => Answer::Lost(failure),
            other => other,
        }
    }
}

/// What the account logs in with at this moment, for those who want it recorded.
async fn password_of(target: &Target) -> Option<String> {
    let Dial::Configured(it) = &target.dial else { return None };
    let password = it.credentials.password(&target.server, &it.user).await.ok()?;
    password.reveal().map(str::to_owned)
}

/// Sends a text of one or two statements; with an error, how many were done.
pub(super) async fn send(lease: &mut Lease, text: String) -> Result<(), (usize, sqlx::Error)> {
    let mut parts = lease.fetch_many_within(Stmt::text(AssertSqlSafe(text)), Some(LIMIT));
    let mut done = 0;
    loop {
        match parts.try_next().await {
            Ok(Some(sqlx::Either::Left(_))) => done += 1,
            Ok(Some(sqlx::Either::Right(_))) => {}
            Ok(None) => return Ok(()),
            Err(error) => return Err((done, error)),
        }
    }
}

/// The prepared branches of a server; `None` when it would not say.
pub(super) async fn listed(lease: &mut Lease) -> Result<Vec<Xid>, sqlx::Error> {
    let rows = lease.run_text(sql::RECOVER, LIMIT).await?;
    let xid = |row: &sqlx_mysql::MySqlRow| {
        let number = |column: usize| row.try_get_unchecked::<i64, _>(column).ok();
        let data = row.try_get_unchecked::<Vec<u8>, _>(3).ok()?;
        Xid::parse_recovered(number(0)?, number(1)?, number(2)?, &data).ok()
    };
    Ok(rows.iter().filter_map(xid).collect())
}

async fn is_listed(lease: &mut Lease, xid: &Xid) -> Option<bool> {
    listed(lease).await.ok().map(|it| it.contains(xid))
}

pub(super) fn is_unknown(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|it| it.number() == UNKNOWN)
}

/// MariaDB's answer to either end of a branch that has changed nothing, when the session that prepared it is gone; the branch is
/// gone then, too (measured on 10.11).
fn was_empty(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|it| it.number() == ROLLED_BACK)
}

/// A statement's error as the coordinator wants it.
pub(super) fn of_server(error: &sqlx::Error, towards: BranchState) -> Answer {
    let failure = failure_of(error, towards);
    match server_error(error) {
        Some(spoken) if !sql::may_have_run(spoken.number()) => Answer::Refused(failure),
        _ => Answer::Lost(failure),
    }
}

pub(super) fn failure_of(error: &sqlx::Error, towards: BranchState) -> Failure {
    let spoken = server_error(error);
    Failure {
        towards,
        code: code(error),
        sqlstate: spoken.and_then(|it| it.code()).unwrap_or("HY000").to_owned(),
        text: spoken.map_or_else(|| words(error), |it| it.message().to_owned()),
    }
}

fn of_store(error: &StoreError, towards: BranchState) -> Answer {
    let (source, refused) = match error {
        StoreError::Refused(source) => (source, true),
        StoreError::Lost(source) => (source, false),
    };
    let failure = match source.downcast_ref::<sqlx::Error>() {
        Some(error) => failure_of(error, towards),
        None => Failure { towards, code: 2000, sqlstate: "HY000".to_owned(), text: words(&**source) },
    };
    if refused { Answer::Refused(failure) } else { Answer::Lost(failure) }
}

/// The connection is not there any more.
fn gone(towards: BranchState) -> Failure {
    let text = "the connection is lost".to_owned();
    Failure { towards, code: 2006, sqlstate: "HY000".to_owned(), text }
}
