//! The store in a file of SQLite, for a single machine.
//!
//! A service that runs on one machine, or a job runner, need not have a server for its store: several processes of the machine share
//! one file. What is confirmed is on disk: the journal is a write-ahead log, and `synchronous = FULL` has it flushed with every
//! commit. The file has to be on a local disk. Times are those of SQLite's clock, which is the machine's.
//!
//! Every write is one statement that commits by itself, so that a call whose future is dropped leaves nothing half done.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use ms_xa::{
    Attempt, Begin, BranchIx, BranchState, Decision, Ending, Enlisted, Finished, Gtrid, Known, Place, Record,
    RecordedBranch, Settlement, StateStore, StoreError, Tag, TrxId, Xid,
};
use sqlx_core::{
    connection::{ConnectOptions, Connection},
    query::{Query, query},
    query_scalar::query_scalar,
    raw_sql::raw_sql,
    row::Row,
    sql_str::AssertSqlSafe,
};
use sqlx_sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::{
    Keeper, ServerStore,
    keeper::{KEPT, Kept, LEASE, TAKEN, Turn},
};

/// How long a process waits for another one that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How long a turn of recovery lasts; shorter than the pause between two of them.
const TURN: u32 = 7;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS trx (
  id INTEGER PRIMARY KEY AUTOINCREMENT, gtrid BLOB NOT NULL, format INTEGER NOT NULL, tag INTEGER NOT NULL, owner TEXT NOT NULL,
  started INTEGER NOT NULL, timeout INTEGER, lease INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'XA_NON_EXISTING',
  decision TEXT, finished TEXT NOT NULL DEFAULT 'NO', attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS trx_by_name ON trx (gtrid);
CREATE INDEX IF NOT EXISTS trx_by_end ON trx (finished, id);
CREATE TABLE IF NOT EXISTS branch (
  trx INTEGER NOT NULL REFERENCES trx (id) ON DELETE CASCADE, branch INTEGER NOT NULL, bqual BLOB NOT NULL, scheme TEXT NOT NULL, host TEXT,
  port INTEGER, socket TEXT, user TEXT, password TEXT, identity TEXT NOT NULL, run TEXT NOT NULL, connection INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'XA_ACTIVE', settled TEXT, error INTEGER, error_text TEXT, PRIMARY KEY (trx, branch)
) STRICT;
CREATE TABLE IF NOT EXISTS turn (one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO turn VALUES (1, 0)";

const OVER: &str = "(finished <> 'NO' OR lease < unixepoch() OR (decision IS NULL AND timeout < unixepoch()))";

/// The file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the file `{}`", path.display())]
struct FileError {
    path: PathBuf,
    source: sqlx::Error,
}

/// A store in one file.
pub(crate) struct FileStore {
    path: PathBuf,
    /// `None` until it is used.
    connection: Mutex<Option<SqliteConnection>>,
}

impl FileStore {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), connection: Mutex::new(None) }
    }

    async fn open(&self) -> Result<MutexGuard<'_, Option<SqliteConnection>>, StoreError> {
        let mut open = self.connection.lock().await;
        if open.is_none() {
            let options = SqliteConnectOptions::new()
                .filename(&self.path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY);
            let made = async {
                let mut connection = options.connect().await?;
                raw_sql(TABLES).execute(&mut connection).await?;
                Ok(connection)
            };
            // Nothing that matters was written.
            *open = Some(made.await.map_err(|source| StoreError::Refused(Box::new(self.because(source))))?);
        }
        Ok(open)
    }

    fn because(&self, source: sqlx::Error) -> FileError {
        FileError { path: self.path.clone(), source }
    }

    /// Whether something may have been written all the same.
    fn sort(&self, source: sqlx::Error) -> StoreError {
        // Busy, locked, read-only, full, a constraint: nothing was.
        let code = source.as_database_error().and_then(|it| it.code()).and_then(|it| it.parse::<u32>().ok());
        let refused = code.is_some_and(|it| matches!(it & 0xff, 5 | 6 | 8 | 13 | 19));
        let error = Box::new(self.because(source));
        if refused { StoreError::Refused(error) } else { StoreError::Lost(error) }
    }

    /// Runs one statement; how many rows it has changed, and the number of the last one it made.
    async fn run(&self, statement: Asking<'_>) -> Result<(u64, i64), StoreError> {
        let mut open = self.open().await?;
        let connection = open.as_mut().expect("it is open");
        let done = statement.execute(connection).await.map_err(|error| self.sort(error))?;
        Ok((done.rows_affected(), done.last_insert_rowid()))
    }

    async fn rows(&self, statement: Asking<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        let mut open = self.open().await?;
        let connection = open.as_mut().expect("it is open");
        statement.fetch_all(connection).await.map_err(|error| self.sort(error))
    }

    async fn records(
        &self,
        condition: &str,
        order: &str,
        limit: u32,
        names: &[&[u8]],
    ) -> Result<Vec<Kept>, StoreError> {
        let sql = format!(
            "SELECT id, gtrid, tag, decision, finished, state, format, owner, MAX(unixepoch() - started, 0), IFNULL(timeout < \
             unixepoch(), 0), {OVER}, attempts FROM trx WHERE {condition} ORDER BY {order} LIMIT {limit}"
        );
        let asked = names.iter().fold(query(AssertSqlSafe(sql)), |asked, name| asked.bind(name.to_vec()));
        let mut kept: Vec<(Kept, u32)> = self.rows(asked).await?.iter().filter_map(record).collect();
        for (Kept { record, .. }, format) in &mut kept {
            let sql = "SELECT branch, bqual, scheme, host, port, socket, user, password, identity, run, connection, state, settled \
                       FROM branch WHERE trx = ? ORDER BY branch";
            let found = self.rows(query(sql).bind(number(record.trx))).await?;
            record.branches = found.iter().filter_map(|row| branch(row, &record.gtrid, *format)).collect();
        }
        Ok(kept.into_iter().map(|(it, _)| it).collect())
    }
}

type Asking<'q> = Query<'q, Sqlite, SqliteArguments>;

#[async_trait]
impl StateStore for FileStore {
    async fn begin(&self, new: &Begin<'_>) -> Result<TrxId, StoreError> {
        let sql = "INSERT INTO trx (gtrid, format, tag, owner, started, timeout, lease) VALUES (?, ?, ?, ?, unixepoch(), unixepoch() + ?, \
                   unixepoch() + ?)";
        let asked = query(sql).bind(new.gtrid.as_bytes().to_vec()).bind(Xid::FORMAT).bind(new.tag.0.cast_signed());
        let (_, id) = self.run(asked.bind(new.owner.to_owned()).bind(new.timeout_secs).bind(LEASE)).await?;
        Ok(TrxId(id.cast_unsigned()))
    }

    async fn enlist(&self, trx: TrxId, branch: &Enlisted<'_>) -> Result<(), StoreError> {
        let Place { scheme, host, port, socket, user, password, identity, run, connection_id } = branch.place.clone();
        let sql = "INSERT INTO branch (trx, branch, bqual, scheme, host, port, socket, user, password, identity, run, connection) \
                   SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM trx WHERE id = ? AND finished = 'NO' AND decision IS NULL";
        let asked =
            query(sql).bind(branch.branch.0).bind(branch.xid.branch().to_vec()).bind(scheme).bind(host).bind(port);
        let asked = asked.bind(socket).bind(user).bind(password).bind(identity).bind(run);
        let (made, _) = self.run(asked.bind(connection_id.cast_signed()).bind(number(trx))).await?;
        // Recovery decides before it looks for branches, so it may have looked already.
        if made == 1 { Ok(()) } else { Err(StoreError::Refused(TAKEN.into())) }
    }

    async fn decide(&self, trx: TrxId, decision: Decision) -> Result<Option<Decision>, StoreError> {
        let asked = query("UPDATE trx SET decision = ? WHERE id = ? AND decision IS NULL");
        self.run(asked.bind(word_of(decision)).bind(number(trx))).await?;
        let rows = self.rows(query("SELECT decision FROM trx WHERE id = ?").bind(number(trx))).await?;
        Ok(rows.first().and_then(|row| decision_of(row, 0)))
    }

    async fn finish(&self, trx: TrxId, ending: &Ending) -> Result<(), StoreError> {
        let decision = ending.decision.map(word_of);
        for (BranchIx(branch), state, failure) in &ending.branches {
            let sql = "UPDATE branch SET state = ?, error = ?, error_text = ? WHERE trx = ? AND branch = ? AND EXISTS (SELECT 1 FROM trx \
                       WHERE id = branch.trx AND decision IS ?)";
            let asked = query(sql).bind(state.word()).bind(failure.as_ref().map(|it| it.code));
            let asked =
                asked.bind(failure.as_ref().map(|it| it.text.clone())).bind(number(trx)).bind(branch).bind(decision);
            self.run(asked).await?;
        }
        let finished = match ending.finished {
            Finished::No => "NO",
            Finished::Success => "SUCCESS",
            Finished::Failure => "FAILURE",
        };
        let asked = query("UPDATE trx SET state = ?, finished = ? WHERE id = ? AND decision IS ?");
        let asked = asked.bind(ending.state.word()).bind(finished).bind(number(trx)).bind(decision);
        if self.run(asked).await?.0 == 1 { Ok(()) } else { Err(StoreError::Refused(TAKEN.into())) }
    }

    async fn renew(&self, open: &[TrxId]) -> Result<(), StoreError> {
        for trx in open {
            let sql = "UPDATE trx SET lease = unixepoch() + ? WHERE id = ? AND finished = 'NO'";
            self.run(query(sql).bind(LEASE).bind(number(*trx))).await?;
        }
        Ok(())
    }

    async fn known(&self, gtrid: &Gtrid) -> Result<Option<Known>, StoreError> {
        let sql = "SELECT id, state, decision, finished, (SELECT COUNT(*) FROM branch WHERE trx = id) FROM trx WHERE gtrid = ? ORDER BY id \
                   DESC LIMIT 1";
        let rows = self.rows(query(sql).bind(gtrid.as_bytes().to_vec())).await?;
        Ok(rows.first().map(|row| Known {
            trx: TrxId(row.get::<i64, _>(0).cast_unsigned()),
            state: BranchState::from_word(row.get(1)).unwrap_or_default(),
            decision: decision_of(row, 2),
            finished: finished_of(row, 3),
            branches: usize::try_from(row.get::<i64, _>(4)).unwrap_or(usize::MAX),
        }))
    }

    async fn recoverable(&self, only: Option<&Gtrid>, limit: u32) -> Result<Vec<Record>, StoreError> {
        let kept = match only {
            Some(gtrid) => self.records(&format!("{OVER} AND gtrid = ?"), "id", limit, &[gtrid.as_bytes()]).await?,
            None => self.records(OVER, "id", limit, &[]).await?,
        };
        Ok(kept.into_iter().map(|it| it.record).collect())
    }

    async fn attempt(&self, trx: TrxId, limit: Option<u16>) -> Result<Attempt, StoreError> {
        let sql = "UPDATE trx SET attempts = MIN(attempts + 1, 65535) WHERE id = ? RETURNING attempts";
        let rows = self.rows(query(sql).bind(number(trx))).await?;
        let attempts = rows.first().map_or(1, |row| row.get::<u16, _>(0));
        Ok(match limit {
            Some(limit) if attempts > limit => Attempt::TooMany { attempts: attempts - 1 },
            _ => Attempt::Go(attempts),
        })
    }

    async fn settle(&self, trx: TrxId, branch: BranchIx, settlement: Settlement) -> Result<(), StoreError> {
        let (word, state) = match settlement {
            Settlement::Committed => ("COMMITTED", Some("XA_COMMIT")),
            Settlement::RolledBack => ("ROLLED BACK", Some("XA_ROLLBACK")),
            Settlement::Presumed => ("PRESUMED", None),
        };
        // What is only presumed gives way to what is known, never the other way round.
        let sql = "UPDATE branch SET settled = ?1, state = IFNULL(?2, state) WHERE trx = ?3 AND branch = ?4 AND (settled IS NULL OR ?1 <> \
                   'PRESUMED')";
        self.run(query(sql).bind(word).bind(state).bind(number(trx)).bind(branch.0)).await.map(drop)
    }

    async fn remove(&self, trx: TrxId) -> Result<bool, StoreError> {
        // With the removal, for a branch may have been enlisted since the record was read.
        let sql = "DELETE FROM trx WHERE id = ? AND (finished = 'SUCCESS' OR NOT EXISTS (SELECT 1 FROM branch WHERE trx = trx.id AND settled \
                   IS NULL))";
        self.run(query(sql).bind(number(trx))).await?;
        Ok(self.rows(query("SELECT 1 FROM trx WHERE id = ?").bind(number(trx))).await?.is_empty())
    }
}

#[async_trait]
impl Keeper for FileStore {
    async fn due(&self, limit: u32) -> Result<Vec<Record>, StoreError> {
        let due = format!(
            "((finished <> 'SUCCESS' AND {OVER}) OR (finished = 'SUCCESS' AND started < unixepoch() - {KEPT}))"
        );
        Ok(self.records(&due, "id", limit, &[]).await?.into_iter().map(|it| it.record).collect())
    }

    async fn take_turn(&self) -> Result<Option<Turn>, StoreError> {
        // Nobody can give it back who has died, so it ends by itself.
        let sql = "UPDATE turn SET until = unixepoch() + ? WHERE until <= unixepoch()";
        Ok((self.run(query(sql).bind(TURN)).await?.0 == 1).then(|| Box::new(()) as Turn))
    }

    async fn overview(&self, limit: u32) -> Result<(Vec<Kept>, u64), StoreError> {
        let kept = self.records("TRUE", "finished = 'SUCCESS', id DESC", limit, &[]).await?;
        let mut open = self.open().await?;
        let connection = open.as_mut().expect("it is open");
        let all: i64 =
            query_scalar("SELECT COUNT(*) FROM trx").fetch_one(connection).await.map_err(|it| self.sort(it))?;
        let more = all.cast_unsigned().saturating_sub(kept.len() as u64);
        Ok((kept, more))
    }

    async fn named(&self, gtrids: &[&[u8]]) -> Result<Vec<Kept>, StoreError> {
        let places = vec!["?"; gtrids.len()].join(", ");
        self.records(&format!("gtrid IN ({places})"), "id DESC", u32::MAX, gtrids).await
    }

    fn server(&self) -> Option<&ServerStore> {
        None
    }

    async fn close(&self, _: Instant) {
        if let Some(connection) = self.connection.lock().await.take() {
            // What it would say is of no use any more.
            _ = connection.close().await;
        }
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn number(trx: TrxId) -> i64 {
    trx.0.cast_signed()
}

fn word_of(decision: Decision) -> &'static str {
    match decision {
        Decision::Commit => "COMMIT",
        Decision::Abort => "ABORT",
    }
}

fn decision_of(row: &SqliteRow, column: usize) -> Option<Decision> {
    match row.get::<Option<&str>, _>(column) {
        Some("COMMIT") => Some(Decision::Commit),
        Some("ABORT") => Some(Decision::Abort),
        _ => None,
    }
}

fn finished_of(row: &SqliteRow, column: usize) -> Finished {
    match row.get::<&str, _>(column) {
        "SUCCESS" => Finished::Success,
        "FAILURE" => Finished::Failure,
        _ => Finished::No,
    }
}

fn record(row: &SqliteRow) -> Option<(Kept, u32)> {
    let record = Record {
        trx: TrxId(row.get::<i64, _>(0).cast_unsigned()),
        gtrid: Gtrid::new(row.get::<Vec<u8>, _>(1)).ok()?,
        tag: Some(Tag(row.get::<i64, _>(2).cast_unsigned())),
        decision: decision_of(row, 3),
        finished: finished_of(row, 4),
        state: BranchState::from_word(row.get(5)).unwrap_or_default(),
        branches: Vec::new(),
    };
    let kept = Kept {
        record,
        owner: Some(row.get(7)),
        age: Some(Duration::from_secs(row.get::<i64, _>(8).cast_unsigned())),
        is_late: row.get(9),
        is_left: row.get(10),
        attempts: row.get(11),
    };
    Some((kept, row.get(6)))
}

fn branch(row: &SqliteRow, gtrid: &Gtrid, format: u32) -> Option<RecordedBranch> {
    Some(RecordedBranch {
        branch: BranchIx(row.get(0)),
        xid: Xid::new(gtrid.as_bytes(), &row.get::<Vec<u8>, _>(1), format).ok()?,
        place: Place {
            scheme: row.get(2),
            host: row.get(3),
            port: row.get(4),
            socket: row.get(5),
            user: row.get(6),
            password: row.get(7),
            identity: row.get(8),
            run: row.get(9),
            connection_id: row.get::<i64, _>(10).cast_unsigned(),
        },
        state: BranchState::from_word(row.get(11))?,
        settled: match row.get::<Option<&str>, _>(12) {
            Some("COMMITTED") => Some(Settlement::Committed),
            Some("ROLLED BACK") => Some(Settlement::RolledBack),
            Some("PRESUMED") => Some(Settlement::Presumed),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests;
