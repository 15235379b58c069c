//! What callers want of an answer: its parts as they come, all of its rows, the first one, or only the result.
//!
//! sqlx makes the last three of the first: a stream in a box, another stream in another box around it that leaves out what is
//! not wanted, and a future in a third box that gathers the rest. Each costs an allocation for every statement and a call for
//! every row. Here the fast way hands its answer over as what it is, and a [`Reader`] makes of it what was asked for, in the
//! one box that sqlx's signatures demand.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::Either;
use sqlx_mysql::{MySqlQueryResult, MySqlRow};

use crate::{pool::first_row, run::Item};

/// An answer, in two halves of a poll: whoever gathers it looks at what comes where it lies. Rows are large, and each layer that
/// moves them costs every row.
pub(crate) trait Answer: Stream<Item = Item> + Send + Unpin {
    /// Polls the driver; [`hear`](Self::hear) must follow, or [`hear_part`](Self::hear_part) where a part has come.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>>;

    /// Notes that a part of the answer has come, which nothing else will be put in the place of.
    fn hear_part(&mut self);

    /// Notes what came of it, or puts something else in its place.
    fn hear(&mut self, polled: &mut Poll<Option<Item>>, cx: &mut Context<'_>);
}

/// One that somebody else has heard.
impl Answer for BoxStream<'_, Item> {
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.as_mut().poll_next(cx)
    }

    fn hear_part(&mut self) {}

    fn hear(&mut self, _: &mut Poll<Option<Item>>, _: &mut Context<'_>) {}
}

/// Makes something of an answer.
pub(crate) trait Reader {
    /// What becomes of an answer that lives that long.
    type Read<'c>;

    /// Takes an answer that has not been polled yet.
    fn read<'c>(self, answer: impl Answer + 'c) -> Self::Read<'c>;
}

/// The parts as they come.
pub(crate) struct Parts;

impl Reader for Parts {
    type Read<'c> = BoxStream<'c, Item>;

    #[inline]
    fn read<'c>(self, answer: impl Answer + 'c) -> BoxStream<'c, Item> {
        Box::pin(answer)
    }
}

/// All rows of all results.
pub(crate) struct Rows;

impl Reader for Rows {
    type Read<'c> = BoxFuture<'c, Result<Vec<MySqlRow>, sqlx::Error>>;

    #[inline]
    fn read<'c>(self, answer: impl Answer + 'c) -> Self::Read<'c> {
        Box::pin(Gather { answer, gathered: Vec::new() })
    }
}

/// The results, added up as sqlx does.
pub(crate) struct Done;

impl Reader for Done {
    type Read<'c> = BoxFuture<'c, Result<MySqlQueryResult, sqlx::Error>>;

    #[inline]
    fn read<'c>(self, answer: impl Answer + 'c) -> Self::Read<'c> {
        Box::pin(Gather { answer, gathered: MySqlQueryResult::default() })
    }
}

/// The first row.
pub(crate) struct First;

impl Reader for First {
    type Read<'c> = BoxFuture<'c, Result<Option<MySqlRow>, sqlx::Error>>;

    #[inline]
    fn read<'c>(self, answer: impl Answer + 'c) -> Self::Read<'c> {
        Box::pin(first_row(answer))
    }
}

/// Reads an answer to its end, or to an error.
///
/// # Cancel safety
///
/// That of the answer.
struct Gather<A, G> {
    answer: A,
    gathered: G,
}

/// What an answer is gathered in.
trait Gathered: Default + Unpin {
    fn add(&mut self, part: Either<MySqlQueryResult, MySqlRow>);
}

impl Gathered for Vec<MySqlRow> {
    #[inline]
    fn add(&mut self, part: Either<MySqlQueryResult, MySqlRow>) {
        if let Either::Right(row) = part {
            self.push(row);
        }
    }
}

impl Gathered for MySqlQueryResult {
    #[inline]
    fn add(&mut self, part: Either<MySqlQueryResult, MySqlRow>) {
        self.extend(part.left());
    }
}

impl<A: Answer, G: Gathered> Future for Gather<A, G> {
    type Output = Result<G, sqlx::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { answer, gathered } = &mut *self;
        loop {
            let mut polled = match answer.ask(cx) {
                // Found out once, and not by each layer: of parts there are most.
                Poll::Ready(Some(Ok(part))) => {
                    answer.hear_part();
                    gathered.add(part);
                    continue;
                }
                other => other,
            };
            answer.hear(&mut polled, cx);
            match polled {
                Poll::Ready(Some(Ok(part))) => gathered.add(part),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(mem::take(gathered))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn results_are_added_up_as_sqlx_does() {
        let mut expected = MySqlQueryResult::default();
        expected.extend([MySqlQueryResult::default(), MySqlQueryResult::default()]);
        let done = Done.read(answer(3, false)).await.unwrap();
        assert_eq!(format!("{done:?}"), format!("{expected:?}"));
        assert_eq!(Rows.read(answer(3, false)).await.unwrap().len(), 0);
        assert!(First.read(answer(3, false)).await.unwrap().is_none());
        assert_eq!(Parts.read(answer(3, false)).count().await, 3);
    }

    #[tokio::test]
    async fn an_error_ends_the_reading() {
        assert!(Done.read(answer(3, true)).await.is_err());
        assert!(Rows.read(answer(3, true)).await.is_err());
        assert!(First.read(answer(3, true)).await.is_err());
        assert_eq!(Parts.read(answer(3, true)).count().await, 4);
    }

    /// So many results and, perhaps, an error. Rows cannot be made without a server; `cluster_wire.rs` reads some.
    fn answer(results: usize, fails: bool) -> BoxStream<'static, Item> {
        let results = stream::iter(0..results).map(|_| Ok(Either::Left(MySqlQueryResult::default())));
        let error = fails.then(|| Err(sqlx::Error::PoolClosed));
        results.chain(stream::iter(error)).boxed()
    }
}
