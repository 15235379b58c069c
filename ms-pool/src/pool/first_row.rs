//! The first row of an answer, and the manners to listen to the rest.
//!
//! `fetch_optional` wants one row, and most answers have no more. The message that says so is still on the wire when
//! the row is there; leaving it would make every such connection one that has to be settled. So the answer is read on,
//! as long as that is cheap.

use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};
use sqlx_mysql::MySqlRow;
use tokio::time::Instant;

use super::guarded::Item;
use crate::error::Error;

/// At most this many more are read …
const ROWS: usize = 16;
/// … and none is begun after this time: what comes so slowly is not worth waiting for.
const TIME: Duration = Duration::from_millis(5);

/// The first row of `answer`, which is read to its end if that is near.
///
/// # Errors
///
/// What comes before the first row, and [`Error::NotCounted`]. The caller who has a row has no use for another error behind it: a
/// server's ends the answer, any other leaves its mark on the connection.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(crate) async fn first_row(mut answer: impl Stream<Item = Item> + Unpin) -> Result<Option<MySqlRow>, sqlx::Error> {
    let row = loop {
        match answer.try_next().await? {
            Some(sqlx::Either::Right(row)) => break row,
            Some(sqlx::Either::Left(_)) => {}
            None => return Ok(None),
        }
    };
    let first = Instant::now();
    for _ in 0..=ROWS {
        match answer.next().await {
            Some(Ok(_)) if first.elapsed() < TIME => {}
            // It is about what follows the answer, not about the rest of it.
            Some(Err(error)) if matches!(Error::of(&error), Some(Error::NotCounted { .. })) => return Err(error),
            _ => break,
        }
    }
    Ok(Some(row))
}
