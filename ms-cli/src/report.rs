//! One statement that was run: its answer, where it came from, and why from there.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use ms_filters::{Reason as Why, Role};
use ms_hints::Access;
use ms_pool::{DecisionEvent, Error, Session};
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Column, Either, Executor, Row, mysql::MySqlRow};

use crate::{
    check::plural,
    exit::Exit,
    failure::{self, chain},
    out::{DIM, Out},
    reasons::{reasons, role},
    statements::Statement,
    table::{Table, visible},
    value::Value,
};

/// What came of one statement.
#[derive(Debug)]
pub(crate) struct Report {
    sql: String,
    line: usize,
    reads: bool,
    /// One for each result; a call of a procedure has several. The last one is incomplete after an error.
    results: Vec<ResultSet>,
    error: Option<SqlError>,
    server: Option<(String, Role)>,
    /// The decision in one line.
    why: String,
    reasons: Json,
    elapsed: Duration,
}

/// One result. The driver tells the columns with the rows: where there are none, there are none.
#[derive(Debug, Default)]
struct ResultSet {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    affected: u64,
    last_insert_id: u64,
}

#[derive(Debug)]
struct SqlError {
    code: u16,
    sqlstate: String,
    message: String,
    exit: Exit,
}

/// Runs one statement on a session. Never fails: an error is part of the report.
pub(crate) async fn run(session: &mut Session, statement: Statement<'_>) -> Report {
    let started = Instant::now();
    let mut results = Vec::new();
    let outcome = collect(session, statement.sql, &mut results).await;
    let elapsed = started.elapsed();
    let decision = session.last_decision();
    Report {
        sql: statement.sql.to_owned(),
        line: statement.line,
        reads: session.cluster().classify(statement.sql).access == Access::Read,
        results,
        error: outcome.err().map(|error| SqlError::new(&error, decision.as_ref())),
        server: decision.as_ref().and_then(|it| Some((it.server()?.to_owned(), it.role()?))),
        why: decision.as_ref().map(DecisionEvent::to_string).unwrap_or_default(),
        reasons: decision.as_ref().map_or(Json::Null, |it| json!(reasons(it.router, it.decision))),
        elapsed,
    }
}

async fn collect(session: &mut Session, sql: &str, results: &mut Vec<ResultSet>) -> Result<(), sqlx::Error> {
    let mut answer = session.fetch_many(sqlx::raw_sql(AssertSqlSafe(sql)));
    let mut current: Option<ResultSet> = None;
    let outcome = loop {
        match answer.try_next().await {
            Ok(Some(Either::Right(row))) => current.get_or_insert_default().push(&row),
            Ok(Some(Either::Left(done))) => {
                let mut result = current.take().unwrap_or_default();
                result.affected = done.rows_affected();
                result.last_insert_id = done.last_insert_id();
                results.push(result);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    results.extend(current);
    outcome
}

impl ResultSet {
    fn push(&mut self, row: &MySqlRow) {
        if self.columns.is_empty() {
            self.columns = row.columns().iter().map(|it| it.name().to_owned()).collect();
        }
        self.rows.push(row.columns().iter().map(|it| Value::read(row, it)).collect());
    }

    fn print(&self, out: &mut Out) -> io::Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&self.columns);
        for column in 0..self.columns.len() {
            if self.rows.iter().any(|row| row[column].is_number()) {
                table.align_right(column);
            }
        }
        for row in &self.rows {
            table.row(row.iter().map(Value::cell));
        }
        table.print(out)
    }

    /// `reads`: a result without rows is an empty one, and not the end of something that has none.
    fn summary(&self, reads: bool) -> String {
        if !self.columns.is_empty() || (self.affected == 0 && reads) {
            return plural(self.rows.len(), "row", "rows");
        }
        if self.affected == 0 {
            return "done".to_owned();
        }
        let mut text = format!("{} {} affected", self.affected, if self.affected == 1 { "row" } else { "rows" });
        if self.last_insert_id != 0 {
            text.push_str(&format!(", last insert id {}", self.last_insert_id));
        }
        text
    }

    fn json(&self) -> Json {
        json!({
            "columns": self.columns,
            "rows": self.rows.iter().map(|row| row.iter().map(Value::json).collect()).collect::<Vec<Json>>(),
            "affected": self.affected,
            "last_insert_id": self.last_insert_id,
        })
    }
}

impl Report {
    /// The exit code after this statement.
    pub(crate) fn exit(&self) -> Exit {
        self.error.as_ref().map_or(Exit::Ok, |error| error.exit)
    }

    /// One JSON object; `docs/cli.md` describes it.
    pub(crate) fn json(&self) -> Json {
        let (server, role) = match &self.server {
            Some((name, is)) => (Some(name), Some(role(*is))),
            None => (None, None),
        };
        let mut object = json!({
            "sql": self.sql,
            "line": self.line,
            "server": server,
            "role": role,
            "why": self.why,
            "reasons": self.reasons,
            "columns": [],
            "rows": [],
            "affected": 0,
            "last_insert_id": 0,
            "more_results": self.results.iter().skip(1).map(ResultSet::json).collect::<Vec<_>>(),
            "error": self.error.as_ref().map(SqlError::json),
            "elapsed_us": u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX),
        });
        if let (Some(first), Json::Object(fields)) = (self.results.first().map(ResultSet::json), &mut object) {
            let first = first.as_object().into_iter().flatten();
            for (name, value) in first {
                fields.insert(name.clone(), value.clone());
            }
        }
        object
    }

    /// The same for people; an error goes to standard error.
    pub(crate) fn print(&self, out: &mut Out, verbose: bool) -> io::Result<()> {
        for result in &self.results {
            result.print(out)?;
            write!(out, "{DIM}{}", result.summary(self.reads))?;
            if verbose {
                write!(out, "{}", self.whence())?;
            }
            writeln!(out, "{DIM:#}")?;
        }
        if let Some(error) = &self.error {
            // Both streams may be the same terminal.
            out.flush()?;
            failure::error(&error.sentence(self.line, self.server.as_ref().map(|(name, _)| name.as_str())));
        }
        if verbose && !self.why.is_empty() {
            writeln!(out, "{DIM}  {}{DIM:#}", visible(&self.why))?;
        }
        Ok(())
    }

    fn whence(&self) -> String {
        let milliseconds = self.elapsed.as_secs_f64() * 1000.0;
        match &self.server {
            Some((name, is)) => format!(", `{name}` ({}), {milliseconds:.2} ms", role(*is)),
            None => format!(", {milliseconds:.2} ms"),
        }
    }
}

impl SqlError {
    fn new(error: &sqlx::Error, decision: Option<&DecisionEvent<'_>>) -> Self {
        let theirs = error.as_database_error();
        let ours = Error::of(error);
        let sqlstate = theirs.and_then(|it| it.code().map(Into::into));
        let sqlstate = sqlstate.or_else(|| ours.map(|it| it.sqlstate().to_owned()));
        Self {
            code: ms_pool::code(error),
            sqlstate: sqlstate.unwrap_or_else(|| "HY000".to_owned()),
            message: match (theirs, ours) {
                (Some(theirs), _) => theirs.message().to_owned(),
                (None, Some(ours)) => chain(ours),
                (None, None) => chain(error),
            },
            exit: exit(ours, decision),
        }
    }

    fn json(&self) -> Json {
        json!({ "code": self.code, "sqlstate": self.sqlstate, "message": self.message })
    }

    fn sentence(&self, line: usize, server: Option<&str>) -> String {
        let server = server.map(|it| format!(" on `{it}`")).unwrap_or_default();
        format!("line {line}: {} ({}){server}: {}", self.code, self.sqlstate, visible(&self.message))
    }
}

/// Whether there was no server, or one that did not like the statement.
fn exit(ours: Option<&Error>, decision: Option<&DecisionEvent<'_>>) -> Exit {
    // The words of a server that refused the login pass through as they are; that it was the login, the decision knows.
    let refused_login =
        decision.and_then(|it| it.decision.steps().last()).is_some_and(|it| it.reason == Why::OpenFailed);
    match ours {
        Some(Error::Credentials { .. } | Error::TlsFile { .. } | Error::Config { .. }) => Exit::Configuration,
        Some(
            Error::Unreachable { .. }
            | Error::ConnectTimeout { .. }
            | Error::Connect { .. }
            | Error::Setup { .. }
            | Error::AcquireTimeout { .. }
            | Error::NoSlot
            | Error::Remembered { .. }
            | Error::Refused { .. },
        ) => Exit::NoServer,
        _ if refused_login => Exit::NoServer,
        _ => Exit::Findings,
    }
}
