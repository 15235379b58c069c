//! One question to one server.

use std::time::Duration;

use ms_gtid::replica::{Status, StatusQuery};
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
