//! One question to one server.

use std::time::Duration;

use ms_gtid::replica::{Lag, Status, StatusQuery};
use sqlx_core::{column::Column, row::Row};
use sqlx_mysql::MySqlRow;

use crate::pool::Lease;

/// How long a server may take to say how far it trails.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// What the server says about those it follows.
///
/// # Errors
///
/// The server's, the connection's, or that it took too long.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(crate) async fn status(lease: &mut Lease) -> Result<Status, sqlx::Error> {
    let query = StatusQuery::new(&lease.identity().version);
    let rows = lease.run_text(query.sql(), LIMIT).await?;
    let columns: Vec<&str> = rows.first().map_or_else(Vec::new, |row| row.columns().iter().map(Column::name).collect());
    let rows: Vec<Vec<Option<String>>> = rows.iter().map(texts).collect();
    let rows: Vec<Vec<Option<&str>>> = rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
    Ok(Status::read(&columns, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// A row of the text protocol. What is no text counts as not there.
pub(crate) fn texts(row: &MySqlRow) -> Vec<Option<String>> {
    (0..row.len()).map(|at| row.try_get_unchecked::<Option<String>, _>(at).ok().flatten()).collect()
}

/// How far it trails, as exactly as it knows; and whether it would say.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(crate) async fn refined(lease: &mut Lease, status: &Status) -> (Lag, bool) {
    let Some(sql) = StatusQuery::new(&lease.identity().version).finer(status) else { return (status.lag(), true) };
    match first(lease, sql).await {
        Ok(row) => (with(row.as_ref(), |row| status.refined(row)), true),
        // It has said how far it trails, only not exactly.
        Err(_) => (status.lag(), false),
    }
}

/// The first row of an answer.
///
/// # Errors
///
/// The server's, the connection's, or that it took too long.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(crate) async fn first(lease: &mut Lease, sql: &str) -> Result<Option<Vec<Option<String>>>, sqlx::Error> {
    Ok(lease.run_text(sql, LIMIT).await?.first().map(texts))
}

/// Such a row, for who reads rows.
pub(crate) fn with<R>(
    row: Option<&Vec<Option<String>>>,
    read: impl FnOnce(Option<&ms_gtid::source::Row<'_>>) -> R,
) -> R {
    let columns: Option<Vec<Option<&str>>> = row.map(|it| it.iter().map(Option::as_deref).collect());
    read(columns.as_deref())
}
