//! The store on a MySQL or MariaDB server.
//!
//! Its connections are its own, with autocommit on: what is written is there when the call returns, and on disk if the server is
//! set to be durable, which is looked at once. Times are the server's: processes need not agree about the clock.
//!
//! Values travel as hexadecimal literals, whatever is in them. Statements that belong together go out as one text, in one round
//! trip; each of them commits by itself, so the one that matters comes first or alone.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use ms_xa::{
    Attempt, Begin, BranchIx, BranchState, Decision, Ending, Enlisted, Failure, Finished, Gtrid, Known, Place, Record,
    RecordedBranch, Settlement, StateStore, StoreError, Tag, TrxId, Xid,
};
use sqlx_core::{row::Row, sql_str::AssertSqlSafe};
use sqlx_mysql::MySqlRow;

use super::{
    Keeper, XaFailure, XaTables, XaTablesError,
    keeper::{KEPT, Kept, LEASE, TAKEN, Turn},
    stage::failure_of,
};
use crate::{
    Error,
    error::server_error,
    events::Hooks,
    pool::{ServerPool, Stake, Stmt},
};

/// How long the store may take for one thing.
const LIMIT: Duration = Duration::from_secs(10);
/// `ER_BAD_FIELD_ERROR`: a table without a column that ours has.
const NO_SUCH_COLUMN: u16 = 1054;

/// A record whose owner is through with it, is dead, or is late.
const OVER: &str = "(finished <> 'NO' OR lease IS NULL OR lease < UTC_TIMESTAMP() OR (decision IS NULL AND timeout < UTC_TIMESTAMP()))";

/// The tables of one server.
#[derive(Debug)]
pub(crate) struct ServerStore {
    pool: Arc<ServerPool>,
    names: XaTables,
    /// The same as SQL.
    tables: [String; 3],
    hooks: Hooks,
    /// Whether it keeps what was written was looked at.
    checked: AtomicBool,
}

/// What came back.
#[derive(Default)]
pub(super) struct Answer {
    rows: Vec<MySqlRow>,
    /// Rows that were found, statement by statement; sqlx counts those that had the value already.
    found: Vec<u64>,
    /// The number that the last row was given.
    inserted: u64,
}

/// The error of a call that needed the store.
pub(super) fn failed(outcome: XaFailure, error: &StoreError) -> Error {
    let (StoreError::Refused(source) | StoreError::Lost(source)) = error;
    let towards = BranchState::NonExisting;
    let failure = match source.downcast_ref::<sqlx::Error>() {
        Some(error) => failure_of(error, towards),
        None => Failure::new(towards, 2000, "HY000", words(&**source)),
    };
    failed_as(outcome, &failure)
}

/// The same, as the coordinator keeps it.
pub(super) fn failed_as(outcome: XaFailure, failure: &Failure) -> Error {
    Error::xa(outcome, failure.code, &failure.sqlstate, format!("MySQL XA state store error: {}", failure.text))
}

/// An error with what is behind it.
pub(super) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        _ = write!(text, ": {error}");
        next = error.source();
    }
    text
}

impl ServerStore {
    pub(crate) fn new(pool: Arc<ServerPool>, names: XaTables, hooks: Hooks) -> Self {
        Self { pool, tables: names.quoted(), names, hooks, checked: AtomicBool::new(false) }
    }

    pub(super) fn names(&self) -> &XaTables {
        &self.names
    }

    pub(crate) fn pool(&self) -> &Arc<ServerPool> {
        &self.pool
    }

    /// Sends one text.
    pub(super) async fn run(&self, sql: String) -> Result<Answer, StoreError> {
        let leased = self.pool.lease_for(self.pool.acquire_deadline(), Stake::Failure).await;
        // Nothing was sent.
        let mut lease = leased.map_err(|error| StoreError::Refused(Box::new(sqlx::Error::from(error))))?;
        if !self.checked.swap(true, Ordering::Relaxed) {
            self.check_durability(&mut lease).await;
        }
        let mut parts = lease.fetch_many_within(Stmt::text(AssertSqlSafe(sql)), Some(LIMIT));
        let mut answer = Answer::default();
        loop {
            match parts.try_next().await {
                Ok(Some(sqlx::Either::Left(done))) => {
                    answer.found.push(done.rows_affected());
                    answer.inserted = done.last_insert_id().max(answer.inserted);
                }
                Ok(Some(sqlx::Either::Right(row))) => answer.rows.push(row),
                Ok(None) => return Ok(answer),
                Err(error) => return Err(self.sort(error)),
            }
        }
    }

    /// Whether something may have been written all the same.
    fn sort(&self, error: sqlx::Error) -> StoreError {
        let Some(spoken) = server_error(&error) else {
            return StoreError::Lost(Box::new(error));
        };
        if spoken.number() == NO_SUCH_COLUMN {
            let error = XaTablesError { what: spoken.message().to_owned() };
            return StoreError::Refused(Box::new(error));
        }
        StoreError::Refused(Box::new(error))
    }

    /// A store that forgets what it has confirmed is worse than none.
    async fn check_durability(&self, lease: &mut crate::pool::Lease) {
        let sql = "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog, @@GLOBAL.log_bin";
        let Ok(rows) = lease.run_text(sql, LIMIT).await else { return };
        let Some(row) = rows.first() else { return };
        let number = |column: usize| row.try_get_unchecked::<String, _>(column).unwrap_or_default();
        let server = lease.server();
        if number(0) != "1" {
            self.hooks.warn(format!(
                "server `{server}` may forget decisions about global transactions in a crash: its \
                 innodb_flush_log_at_trx_commit is {} and has to be 1",
                number(0)
            ));
        }
        if number(2) != "0" && number(1) != "1" {
            self.hooks.warn(format!(
                "server `{server}` may forget decisions about global transactions in a crash: its sync_binlog is {} \
                 and has to be 1",
                number(1)
            ));
        }
    }

    async fn look_up_attempts(&self, kept: &mut [Kept]) -> Result<(), StoreError> {
        let [.., gc] = &self.tables;
        let ids: Vec<String> = kept.iter().map(|it| it.record.trx.0.to_string()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT fk_store_trx_id, attempts FROM {gc} WHERE fk_store_trx_id IN ({})", ids.join(", "));
        for row in self.run(sql).await?.rows {
            let Some(trx) = number(&row, 0).map(TrxId) else { continue };
            if let Some(it) = kept.iter_mut().find(|it| it.record.trx == trx) {
                it.attempts = number(&row, 1).and_then(|it| it.try_into().ok()).unwrap_or(u16::MAX);
            }
        }
        Ok(())
    }

    /// The columns of a table, and what they hold.
    pub(super) async fn columns(&self, table: &str) -> Result<Vec<(String, String)>, StoreError> {
        let found = self.run(format!("SHOW COLUMNS FROM {table}")).await?;
        // MySQL gives them as bytes.
        let word = |row: &MySqlRow, column| bytes(row, column).map(|it| String::from_utf8_lossy(&it).to_lowercase());
        Ok(found.rows.iter().filter_map(|row| Some((word(row, 0)?, word(row, 1)?))).collect())
    }

    /// How many transactions are not finished, whatever the table's shape.
    pub(super) async fn unfinished(&self) -> Result<u64, StoreError> {
        let [trx, ..] = &self.tables;
        let found = self.run(format!("SELECT COUNT(*) FROM {trx} WHERE finished = 'NO'")).await?;
        Ok(found.rows.first().and_then(|row| number(row, 0)).unwrap_or(0))
    }

    async fn records(&self, condition: &str, order: &str, limit: u32) -> Result<Vec<Kept>, StoreError> {
        let [trx, participants, _] = &self.tables;
        let columns = format!(
            "store_trx_id, gtrid, tag, decision, finished, state, format_id, owner, GREATEST(TIMESTAMPDIFF(SECOND, started, \
             UTC_TIMESTAMP()), 0), IFNULL(timeout < UTC_TIMESTAMP(), 0), {OVER}"
        );
        let sql = format!("SELECT {columns} FROM {trx} WHERE {condition} ORDER BY {order} LIMIT {limit}");
        let answer = self.run(sql).await?;
        let mut kept: Vec<(Kept, u32)> = answer.rows.iter().filter_map(record).collect();
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = kept.iter().map(|(it, _)| it.record.trx.0.to_string()).collect();
        let sql = format!(
            "SELECT fk_store_trx_id, branch, bqual, scheme, host, port, socket, user, password, server_uuid, server_run, \
             connection_id, state, settled FROM {participants} WHERE fk_store_trx_id IN ({}) ORDER BY branch",
            ids.join(", ")
        );
        for row in self.run(sql).await?.rows {
            let Some(trx) = number(&row, 0).map(TrxId) else { continue };
            if let Some((Kept { record, .. }, format)) = kept.iter_mut().find(|(it, _)| it.record.trx == trx)
                && let Some(branch) = branch(&row, &record.gtrid, *format)
            {
                record.branches.push(branch);
            }
        }
        Ok(kept.into_iter().map(|(kept, _)| kept).collect())
    }
}

#[async_trait]
impl Keeper for ServerStore {
    async fn due(&self, limit: u32) -> Result<Vec<Record>, StoreError> {
        let due = format!(
            "((finished <> 'SUCCESS' AND {OVER}) OR (finished = 'SUCCESS' AND started < UTC_TIMESTAMP() - INTERVAL {KEPT} \
             SECOND))"
        );
        Ok(plain(self.records(&due, "store_trx_id", limit).await?))
    }

    async fn overview(&self, limit: u32) -> Result<(Vec<Kept>, u64), StoreError> {
        let [trx, ..] = &self.tables;
        let mut kept = self.records("TRUE", "finished = 'SUCCESS', store_trx_id DESC", limit).await?;
        self.look_up_attempts(&mut kept).await?;
        let counted = self.run(format!("SELECT COUNT(*) FROM {trx}")).await?;
        let all = counted.rows.first().and_then(|row| number(row, 0)).unwrap_or(0);
        let more = all.saturating_sub(kept.len() as u64);
        Ok((kept, more))
    }

    async fn named(&self, gtrids: &[&[u8]]) -> Result<Vec<Kept>, StoreError> {
        let names: Vec<String> = gtrids.iter().map(|it| hex(it)).collect();
        let condition = format!("gtrid IN ({})", names.join(", "));
        let mut kept = self.records(&condition, "store_trx_id DESC", u32::MAX).await?;
        self.look_up_attempts(&mut kept).await?;
        Ok(kept)
    }

    async fn take_turn(&self) -> Result<Option<Turn>, StoreError> {
        let leased = self.pool.lease_for(self.pool.acquire_deadline(), Stake::Failure).await;
        let mut lease = leased.map_err(|error| StoreError::Refused(Box::new(sqlx::Error::from(error))))?;
        lease.taint("turn of recovery");
        let [trx, ..] = &self.tables;
        // Names of locks have 64 characters at most. (MySQL 9 has no MD5 any more.)
        let sql =
            format!("SELECT GET_LOCK(CONCAT('ms-xa-', SHA2(CONCAT(DATABASE(), {}), 224)), 0)", hex(trx.as_bytes()));
        let rows = lease.run_text(&sql, LIMIT).await.map_err(|error| self.sort(error))?;
        let got = rows.first().and_then(|row| row.try_get_unchecked::<Option<String>, _>(0).ok().flatten());
        // Given back with the connection, by whatever ends that.
        Ok((got.as_deref() == Some("1")).then(|| Box::new(lease) as Turn))
    }

    fn server(&self) -> Option<&ServerStore> {
        Some(self)
    }

    async fn close(&self, deadline: tokio::time::Instant) {
        self.pool.close(deadline).await;
    }
}

fn plain(kept: Vec<Kept>) -> Vec<Record> {
    kept.into_iter().map(|it| it.record).collect()
}

#[async_trait]
impl StateStore for ServerStore {
    async fn begin(&self, new: &Begin<'_>) -> Result<TrxId, StoreError> {
        let [trx, ..] = &self.tables;
        let (gtrid, owner, tag) = (hex(new.gtrid.as_bytes()), hex(new.owner.as_bytes()), new.tag.0);
        let timeout = match new.timeout_secs {
            Some(secs) => format!("UTC_TIMESTAMP() + INTERVAL {secs} SECOND"),
            None => "NULL".to_owned(),
        };
        let sql = format!(
            "INSERT INTO {trx} (gtrid, format_id, started, timeout, tag, owner, lease) VALUES ({gtrid}, {}, \
             UTC_TIMESTAMP(), {timeout}, {tag}, {owner}, UTC_TIMESTAMP() + INTERVAL {LEASE} SECOND)",
            Xid::FORMAT
        );
        Ok(TrxId(self.run(sql).await?.inserted))
    }

    async fn enlist(&self, trx: TrxId, branch: &Enlisted<'_>) -> Result<(), StoreError> {
        let [table, participants, _] = &self.tables;
        let Place { scheme, host, port, socket, user, password, identity, run, connection_id } = branch.place;
        let port = port.map_or("NULL".to_owned(), |it| it.to_string());
        let sql = format!(
            "INSERT INTO {participants} (fk_store_trx_id, branch, bqual, server_uuid, server_run, scheme, host, port, socket, \
             user, password, state, connection_id) SELECT store_trx_id, {}, {}, {}, {}, {}, {}, {port}, {}, {}, {}, \
             'XA_ACTIVE', {connection_id} FROM {table} WHERE store_trx_id = {} AND finished = 'NO' AND decision IS NULL \
             FOR UPDATE",
            branch.branch.0,
            hex(branch.xid.branch()),
            utf8(Some(identity)),
            utf8(Some(run)),
            utf8(Some(scheme)),
            utf8(host.as_deref()),
            utf8(socket.as_deref()),
            utf8(user.as_deref()),
            utf8(password.as_deref()),
            trx.0,
        );
        // Recovery decides before it looks for branches, so it may have looked already.
        if self.run(sql).await?.found == [1] { Ok(()) } else { Err(refused(TAKEN)) }
    }

    async fn decide(&self, trx: TrxId, decision: Decision) -> Result<Option<Decision>, StoreError> {
        let [table, ..] = &self.tables;
        let (word, state, intend) = match decision {
            Decision::Commit => ("COMMIT", "state = 'XA_PREPARED', ", "XA_COMMIT"),
            Decision::Abort => ("ABORT", "", "XA_ROLLBACK"),
        };
        let id = trx.0;
        let sql = format!(
            "UPDATE {table} SET decision = '{word}', {state}intend = '{intend}' WHERE store_trx_id = {id} AND decision IS NULL"
        );
        if self.run(sql).await?.found == [1] {
            return Ok(Some(decision));
        }
        let answer = self.run(format!("SELECT decision FROM {table} WHERE store_trx_id = {id}")).await?;
        Ok(answer.rows.first().and_then(|row| decision_of(text(row, 0).as_deref())))
    }

    async fn finish(&self, trx: TrxId, ending: &Ending) -> Result<(), StoreError> {
        let [table, participants, _] = &self.tables;
        let id = trx.0;
        let decision = match ending.decision {
            Some(Decision::Commit) => "'COMMIT'",
            Some(Decision::Abort) => "'ABORT'",
            None => "NULL",
        };
        let finished = match ending.finished {
            Finished::No => "NO",
            Finished::Success => "SUCCESS",
            Finished::Failure => "FAILURE",
        };
        // One statement, so that the disk is waited for once.
        let mut sql = format!(
            "UPDATE {table} t LEFT JOIN {participants} p ON p.fk_store_trx_id = t.store_trx_id SET t.state = '{}', t.intend = '{}', \
             t.finished = '{finished}'",
            ending.state.word(),
            ending.intend.word()
        );
        if !ending.branches.is_empty() {
            let mut states = String::new();
            let (mut healths, mut numbers, mut errors) = (String::new(), String::new(), String::new());
            for (BranchIx(branch), state, failure) in &ending.branches {
                _ = write!(states, " WHEN {branch} THEN '{}'", state.word());
                if let Some(Failure { code, text, .. }) = failure {
                    let health = if is_client(*code) { "CLIENT ERROR" } else { "SERVER ERROR" };
                    _ = write!(healths, " WHEN {branch} THEN '{health}'");
                    _ = write!(numbers, " WHEN {branch} THEN {code}");
                    let text: String = text.chars().take(1000).collect();
                    _ = write!(errors, " WHEN {branch} THEN {}", utf8(Some(&text)));
                }
            }
            _ = write!(sql, ", p.state = CASE p.branch{states} ELSE p.state END");
            if !healths.is_empty() {
                _ = write!(
                    sql,
                    ", p.health = CASE p.branch{healths} ELSE p.health END, p.client_errno = CASE p.branch{numbers} ELSE \
                     p.client_errno END, p.client_error = CASE p.branch{errors} ELSE p.client_error END"
                );
            }
        }
        _ = write!(sql, " WHERE t.store_trx_id = {id} AND t.decision <=> {decision}");
        // Each row of either table counts.
        if self.run(sql).await?.found.iter().any(|it| *it > 0) { Ok(()) } else { Err(refused(TAKEN)) }
    }

    async fn renew(&self, open: &[TrxId]) -> Result<(), StoreError> {
        if open.is_empty() {
            return Ok(());
        }
        let [trx, ..] = &self.tables;
        let ids: Vec<String> = open.iter().map(|it| it.0.to_string()).collect();
        let sql = format!(
            "UPDATE {trx} SET lease = UTC_TIMESTAMP() + INTERVAL {LEASE} SECOND WHERE finished = 'NO' AND store_trx_id IN ({})",
            ids.join(", ")
        );
        self.run(sql).await.map(drop)
    }

    async fn known(&self, gtrid: &Gtrid) -> Result<Option<Known>, StoreError> {
        let [trx, participants, _] = &self.tables;
        let gtrid = hex(gtrid.as_bytes());
        let sql = format!(
            "SELECT store_trx_id, state, decision, finished, (SELECT COUNT(*) FROM {participants} WHERE fk_store_trx_id = \
             store_trx_id) FROM {trx} WHERE gtrid = {gtrid} ORDER BY store_trx_id DESC LIMIT 1"
        );
        let answer = self.run(sql).await?;
        let Some(row) = answer.rows.first() else { return Ok(None) };
        Ok(Some(Known {
            trx: TrxId(number(row, 0).unwrap_or(0)),
            state: text(row, 1).and_then(|it| BranchState::from_word(&it)).unwrap_or_default(),
            decision: decision_of(text(row, 2).as_deref()),
            finished: finished_of(text(row, 3).as_deref()),
            branches: number(row, 4).and_then(|it| it.try_into().ok()).unwrap_or(0),
        }))
    }

    async fn recoverable(&self, only: Option<&Gtrid>, limit: u32) -> Result<Vec<Record>, StoreError> {
        let mut due = OVER.to_owned();
        if let Some(gtrid) = only {
            _ = write!(due, " AND gtrid = {}", hex(gtrid.as_bytes()));
        }
        Ok(plain(self.records(&due, "store_trx_id", limit).await?))
    }

    async fn attempt(&self, trx: TrxId, limit: Option<u16>) -> Result<Attempt, StoreError> {
        let [table, _, gc] = &self.tables;
        let id = trx.0;
        let sql = format!(
            "INSERT INTO {gc} (gtrid, format_id, fk_store_trx_id, attempts) SELECT gtrid, format_id, store_trx_id, 1 FROM \
             {table} WHERE store_trx_id = {id} ON DUPLICATE KEY UPDATE attempts = LEAST({gc}.attempts + 1, 65535); \
             SELECT attempts FROM {gc} WHERE fk_store_trx_id = {id}"
        );
        let answer = self.run(sql).await?;
        let attempts = answer.rows.first().and_then(|row| number(row, 0)).unwrap_or(1);
        let attempts = u16::try_from(attempts).unwrap_or(u16::MAX);
        Ok(match limit {
            Some(limit) if attempts > limit => Attempt::TooMany { attempts: attempts - 1 },
            _ => Attempt::Go(attempts),
        })
    }

    async fn settle(&self, trx: TrxId, branch: BranchIx, settlement: Settlement) -> Result<(), StoreError> {
        let [_, participants, _] = &self.tables;
        let (word, state) = match settlement {
            Settlement::Committed => ("COMMITTED", ", state = 'XA_COMMIT'"),
            Settlement::RolledBack => ("ROLLED BACK", ", state = 'XA_ROLLBACK'"),
            Settlement::Presumed => ("PRESUMED", ""),
        };
        // What is only presumed gives way to what is known, never the other way round.
        let unless = if settlement == Settlement::Presumed { " AND settled IS NULL" } else { "" };
        let sql = format!(
            "UPDATE {participants} SET settled = '{word}', health = 'GC_DONE'{state} WHERE fk_store_trx_id = {} AND branch \
             = {}{unless}",
            trx.0, branch.0
        );
        self.run(sql).await.map(drop)
    }

    async fn remove(&self, trx: TrxId) -> Result<bool, StoreError> {
        let [table, participants, gc] = &self.tables;
        let id = trx.0;
        // With the removal, for a branch may have been enlisted since the record was read.
        let sql = format!(
            "DELETE FROM {table} WHERE store_trx_id = {id} AND (finished = 'SUCCESS' OR NOT EXISTS (SELECT 1 FROM {participants} \
             WHERE fk_store_trx_id = {id} AND settled IS NULL)); DELETE FROM {gc} WHERE fk_store_trx_id = {id} AND NOT EXISTS \
             (SELECT 1 FROM {table} WHERE store_trx_id = {id}); SELECT COUNT(*) FROM {table} WHERE store_trx_id = {id}"
        );
        let answer = self.run(sql).await?;
        Ok(answer.rows.first().and_then(|row| number(row, 0)) == Some(0))
    }
}

fn refused(why: &'static str) -> StoreError {
    StoreError::Refused(why.into())
}

/// Whether the number is of a client's error: the server did not speak.
fn is_client(code: u16) -> bool {
    (2000..3000).contains(&code)
}

fn hex(bytes: &[u8]) -> String {
    let mut literal = String::with_capacity(bytes.len() * 2 + 3);
    literal.push_str("X'");
    for byte in bytes {
        _ = write!(literal, "{byte:02x}");
    }
    literal.push('\'');
    literal
}

/// Text for a column that is text.
fn utf8(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), |text| format!("CONVERT({} USING utf8mb4)", hex(text.as_bytes())))
}

fn text(row: &MySqlRow, column: usize) -> Option<String> {
    row.try_get_unchecked(column).ok().flatten()
}

fn bytes(row: &MySqlRow, column: usize) -> Option<Vec<u8>> {
    row.try_get_unchecked(column).ok().flatten()
}

fn number(row: &MySqlRow, column: usize) -> Option<u64> {
    row.try_get_unchecked(column).ok().flatten()
}

fn decision_of(word: Option<&str>) -> Option<Decision> {
    match word {
        Some("COMMIT") => Some(Decision::Commit),
        Some("ABORT") => Some(Decision::Abort),
        _ => None,
    }
}

fn finished_of(word: Option<&str>) -> Finished {
    match word {
        Some("SUCCESS") => Finished::Success,
        Some("FAILURE") => Finished::Failure,
        _ => Finished::No,
    }
}

fn record(row: &MySqlRow) -> Option<(Kept, u32)> {
    let record = Record {
        trx: TrxId(number(row, 0)?),
        gtrid: Gtrid::new(bytes(row, 1)?).ok()?,
        tag: number(row, 2).map(Tag),
        decision: decision_of(text(row, 3).as_deref()),
        finished: finished_of(text(row, 4).as_deref()),
        state: text(row, 5).and_then(|it| BranchState::from_word(&it)).unwrap_or_default(),
        branches: Vec::new(),
    };
    let is = |column: usize| number(row, column) == Some(1);
    let kept = Kept {
        record,
        owner: bytes(row, 7).map(|it| String::from_utf8_lossy(&it).into_owned()),
        age: number(row, 8).map(Duration::from_secs),
        is_late: is(9),
        is_left: is(10),
        attempts: 0,
    };
    Some((kept, number(row, 6)?.try_into().ok()?))
}

fn branch(row: &MySqlRow, gtrid: &Gtrid, format: u32) -> Option<RecordedBranch> {
    Some(RecordedBranch {
        branch: BranchIx(number(row, 1)?.try_into().ok()?),
        xid: Xid::new(gtrid.as_bytes(), &bytes(row, 2)?, format).ok()?,
        place: Place {
            scheme: text(row, 3)?,
            host: text(row, 4),
            port: number(row, 5).and_then(|it| it.try_into().ok()),
            socket: text(row, 6),
            user: text(row, 7),
            password: text(row, 8),
            identity: text(row, 9).unwrap_or_default(),
            run: text(row, 10).unwrap_or_default(),
            connection_id: number(row, 11).unwrap_or(0),
        },
        state: BranchState::from_word(&text(row, 12)?)?,
        settled: match text(row, 13).as_deref() {
            Some("COMMITTED") => Some(Settlement::Committed),
            Some("ROLLED BACK") => Some(Settlement::RolledBack),
            Some("PRESUMED") => Some(Settlement::Presumed),
            _ => None,
        },
    })
}
