//! Carries out what recovery asks for, at the store and at the servers.

use std::{sync::Arc, time::Duration};

use ms_xa::{BranchState, Decision, Failure, Place, RecoveryAction, RecoveryAnswer, StoreError, TrxId, Xid, sql};
use sqlx_core::row::Row;
use sqlx_mysql::MySqlRow;
use tokio::time::sleep;

use crate::{
    error::server_error,
    pool::{Lease, ServerPool, Stake},
    xa::{
        Keeper, LIMIT, participant,
        stage::{failure_of, listed, send},
        store::words,
    },
};

/// How long a server may take to write its log, and how often that is looked at. InnoDB does it every second by itself.
const FLUSHING: Duration = Duration::from_millis(50);
const FLUSHES: u32 = 200;
/// `ER_XAER_RMERR`: MySQL hides prepared branches from accounts that may not recover them.
const NOT_ALLOWED: u16 = 1401;

pub(super) async fn perform(
    store: Arc<dyn Keeper>,
    trx: TrxId,
    action: RecoveryAction,
    branch: Option<(Xid, Place)>,
    pool: Option<Arc<ServerPool>>,
) -> (RecoveryAction, RecoveryAnswer) {
    let answer = match action {
        RecoveryAction::Claim => match store.decide(trx, Decision::Abort).await {
            Ok(stands) => RecoveryAnswer::Decided(stands),
            Err(error) => of_store(&error),
        },
        RecoveryAction::Settle(branch, settlement) => done(store.settle(trx, branch, settlement).await),
        RecoveryAction::Remove => match store.remove(trx).await {
            Ok(true) => RecoveryAnswer::Done,
            Ok(false) => RecoveryAnswer::Unsettled,
            Err(error) => of_store(&error),
        },
        _ => match (branch, pool) {
            (Some((xid, place)), Some(pool)) => at_server(action, &xid, &place, &pool).await,
            _ => RecoveryAnswer::Lost(failure("nobody knows how to connect to that server")),
        },
    };
    (action, answer)
}

async fn at_server(action: RecoveryAction, xid: &Xid, place: &Place, pool: &Arc<ServerPool>) -> RecoveryAnswer {
    let mut lease = match pool.lease_for(pool.acquire_deadline(), Stake::Failure).await {
        Ok(lease) => lease,
        Err(error) => return RecoveryAnswer::Lost(failure(&words(&error))),
    };
    let identity = lease.identity().key.to_string();
    if identity != place.identity {
        return RecoveryAnswer::OtherServer { identity };
    }
    match action {
        RecoveryAction::List(_) => list(&mut lease).await,
        RecoveryAction::Confirm(_) => match flushed(&mut lease).await {
            Ok(true) => list(&mut lease).await,
            Ok(false) => RecoveryAnswer::Lost(failure("the server does not write its log")),
            Err(error) => of_server(&error, &lease),
        },
        RecoveryAction::EndOwner(_) => {
            // After a restart the number may be anybody's, and of the connection that had it nothing is left. And what is free to
            // be had here is no longer its owner's.
            let now = lease.identity();
            if !participant::is_same_run(&participant::run_of(now), &place.run)
                || now.connection_id == place.connection_id
            {
                return RecoveryAnswer::Done;
            }
            match participant::see_end(&mut lease, place.connection_id).await {
                Ok(true) => RecoveryAnswer::Done,
                Ok(false) => RecoveryAnswer::Lost(failure("the owner's connection does not end")),
                Err(error) => of_server(&error, &lease),
            }
        }
        RecoveryAction::Commit(_) => said(send(&mut lease, sql::commit(xid)).await, &lease),
        RecoveryAction::RollBack(_) => said(send(&mut lease, sql::rollback(xid)).await, &lease),
        RecoveryAction::Claim | RecoveryAction::Settle(..) | RecoveryAction::Remove => {
            unreachable!("it is done at the store")
        }
    }
}

async fn list(lease: &mut Lease) -> RecoveryAnswer {
    match listed(lease).await {
        Ok(xids) => RecoveryAnswer::Listed(xids),
        Err(error) => of_server(&error, lease),
    }
}

/// Waits until all that the server has done so far is on its disk, where it would not have answered otherwise: MariaDB answers
/// `XA ROLLBACK` before.
async fn flushed(lease: &mut Lease) -> Result<bool, sqlx::Error> {
    let Some((mut flushed, current)) = log_of(lease).await? else { return Ok(true) };
    for _ in 0..FLUSHES {
        if flushed >= current {
            return Ok(true);
        }
        sleep(FLUSHING).await;
        let Some((now, _)) = log_of(lease).await? else { return Ok(true) };
        flushed = now;
    }
    Ok(false)
}

/// How much of InnoDB's log is on disk, and how much there is; MySQL does not say, and need not.
async fn log_of(lease: &mut Lease) -> Result<Option<(u64, u64)>, sqlx::Error> {
    let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_lsn_current', 'Innodb_lsn_flushed')";
    let rows = lease.run_text(sql, LIMIT).await?;
    let word = |row: &MySqlRow, column: usize| row.try_get_unchecked::<String, _>(column).ok();
    let value = |name: &str| {
        let row = rows.iter().find(|row| word(row, 0).is_some_and(|it| it.eq_ignore_ascii_case(name)))?;
        word(row, 1)?.parse().ok()
    };
    Ok(value("Innodb_lsn_flushed").zip(value("Innodb_lsn_current")))
}

fn said(answer: Result<(), (usize, sqlx::Error)>, lease: &Lease) -> RecoveryAnswer {
    match answer {
        Ok(()) => RecoveryAnswer::Done,
        Err((_, error)) => of_server(&error, lease),
    }
}

fn of_server(error: &sqlx::Error, lease: &Lease) -> RecoveryAnswer {
    let failure = explained(error, lease);
    match server_error(error) {
        Some(_) => RecoveryAnswer::Refused(failure),
        None => RecoveryAnswer::Lost(failure),
    }
}

/// What a server answered, with what would help where that is known.
pub(in crate::xa) fn explained(error: &sqlx::Error, lease: &Lease) -> Failure {
    let mut failure = failure_of(error, BranchState::NonExisting);
    if failure.code == NOT_ALLOWED {
        let text = format!(" (the account that logs in to `{}` needs `GRANT XA_RECOVER_ADMIN ON *.*`)", lease.server());
        failure.text.push_str(&text);
    }
    failure
}

fn done(answer: Result<(), StoreError>) -> RecoveryAnswer {
    match answer {
        Ok(()) => RecoveryAnswer::Done,
        Err(error) => of_store(&error),
    }
}

fn of_store(error: &StoreError) -> RecoveryAnswer {
    match error {
        StoreError::Refused(error) => RecoveryAnswer::Refused(failure(&words(&**error))),
        StoreError::Lost(error) => RecoveryAnswer::Lost(failure(&words(&**error))),
    }
}

fn failure(text: &str) -> Failure {
    Failure { towards: BranchState::NonExisting, code: 2000, sqlstate: "HY000".to_owned(), text: text.to_owned() }
}
