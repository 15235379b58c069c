//! Results as the servers print them.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, Executor, MySql, Row, mysql::MySqlRow};

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
    let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(executor);
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

/// Bytes that are not UTF-8 are latin1: a scenario switched to it.
fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}
