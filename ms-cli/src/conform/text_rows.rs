//! Results as the servers print them.

use futures_util::{Stream, TryStreamExt};
use ms_pool::{Prepared, Session};
use serde_json::Value;
use sqlx::{
    Arguments, AssertSqlSafe, Column, Either, Executor, MySql, Row, TypeInfo,
    error::BoxDynError,
    mysql::{MySqlArguments, MySqlQueryResult, MySqlRow},
};

use super::outcome::Rows;

/// The first result of a text, and what the server said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rows: Rows,
    pub(crate) affected: u64,
    pub(crate) insert_id: u64,
    pub(crate) columns: usize,
}

/// Runs `sql` as text and reads all of its results.
pub(crate) async fn run<'e, E>(executor: E, sql: &str) -> Result<Answer, sqlx::Error>
where
    E: Executor<'e, Database = MySql>,
{
    collect(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(executor), texts).await
}

/// Runs a statement that was prepared in `session` and reads its answer.
pub(crate) async fn run_prepared(
    session: &mut Session,
    prepared: &Prepared,
    parameters: &[Value],
) -> Result<Answer, sqlx::Error> {
    let arguments = arguments(parameters).map_err(sqlx::Error::Encode)?;
    collect(prepared.fetch(session, arguments), rendered).await
}

async fn collect(
    mut results: impl Stream<Item = Result<Either<MySqlQueryResult, MySqlRow>, sqlx::Error>> + Unpin,
    texts: impl Fn(&MySqlRow) -> Result<Vec<Option<String>>, sqlx::Error>,
) -> Result<Answer, sqlx::Error> {
    let mut first = Answer::default();
    let mut is_first = true;
    while let Some(part) = results.try_next().await? {
        match part {
            Either::Right(row) if is_first => {
                first.columns = row.len();
                first.rows.push(texts(&row)?);
            }
            Either::Left(result) if is_first => {
                first.affected = result.rows_affected();
                first.insert_id = result.last_insert_id();
                is_first = false;
            }
            // A later result; an error among them is one all the same.
            _ => {}
        }
    }
    Ok(first)
}

fn texts(row: &MySqlRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len()).map(|column| Ok(row.try_get_unchecked::<Option<&[u8]>, _>(column)?.map(text))).collect()
}

fn arguments(parameters: &[Value]) -> Result<MySqlArguments, BoxDynError> {
    let mut arguments = MySqlArguments::default();
    for it in parameters {
        match it {
            Value::Null => arguments.add(None::<&str>)?,
            Value::Bool(it) => arguments.add(it)?,
            Value::Number(it) => match (it.as_i64(), it.as_f64()) {
                (Some(it), _) => arguments.add(it)?,
                (None, it) => arguments.add(it)?,
            },
            Value::String(it) => arguments.add(it)?,
            other => return Err(format!("{other} is no parameter of a statement").into()),
        }
    }
    Ok(arguments)
}

/// A row of the binary protocol as the text protocol would have sent it. Dates and times are not rendered: no scenario
/// prepares a query for them.
fn rendered(row: &MySqlRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    let render = |column: usize| {
        let kind = row.column(column).type_info().name();
        Ok(match kind {
            "DATE" | "DATETIME" | "TIMESTAMP" | "TIME" => {
                return Err(sqlx::Error::Protocol(format!("a prepared query with a column of type {kind}")));
            }
            "FLOAT" => row.try_get_unchecked::<Option<f32>, _>(column)?.map(|it| it.to_string()),
            "DOUBLE" => row.try_get_unchecked::<Option<f64>, _>(column)?.map(|it| it.to_string()),
            "BOOLEAN" => row.try_get_unchecked::<Option<i8>, _>(column)?.map(|it| it.to_string()),
            it if it.contains("INT") && it.ends_with("UNSIGNED") || it == "YEAR" => {
                row.try_get_unchecked::<Option<u64>, _>(column)?.map(|it| it.to_string())
            }
            it if it.contains("INT") => row.try_get_unchecked::<Option<i64>, _>(column)?.map(|it| it.to_string()),
            _ => row.try_get_unchecked::<Option<&[u8]>, _>(column)?.map(text),
        })
    };
    (0..row.len()).map(render).collect()
}

/// Bytes that are not UTF-8 are latin1: a scenario switched to it.
fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}
