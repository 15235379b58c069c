//! A statement's answer, watched while it is read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::BoxStream;
use sqlx_mysql::{MySqlQueryResult, MySqlRow};
use tokio::time::{Instant, Sleep};

use super::kill::Order;
use super::phase::{Phase, Wire};
use super::server_pool::ServerPool;
use crate::error::Error;
use crate::probe::Identity;
use crate::reader::Answer;

/// What sqlx streams: results and rows.
pub(crate) type Item = Result<sqlx::Either<MySqlQueryResult, MySqlRow>, sqlx::Error>;

/// Passes sqlx's stream on and keeps the connection's mark up to date.
///
/// # Cancel safety
///
/// Dropping it is always allowed; what it costs is the connection, unless the drop falls between two rows.
#[must_use = "streams do nothing unless polled"]
pub(crate) struct Guarded<'a> {
    wire: &'a mut Wire,
    /// `None` once it has ended, by an error for instance. sqlx's stream would then say "end" to whoever polls on,
    /// and the end is what makes a connection ready.
    answer: Option<BoxStream<'a, Item>>,
    /// Instead of an answer. In a box like the deadline, because both are rare and this value is made for every statement.
    refusal: Option<Box<sqlx::Error>>,
    deadline: Option<Box<Deadline>>,
    /// Where to complain when the answer is given up before its end.
    asked: Option<Asked<'a>>,
}

/// Who is asked: by which pool, on which connection.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) pool: &'a Arc<ServerPool>,
    pub(super) identity: &'a Arc<Identity>,
    pub(super) generation: u64,
    /// The client may have asked for transactions that do not write.
    pub(super) read_only: bool,
}

/// The end of a statement's time.
pub(super) struct Deadline {
    sleep: Pin<Box<Sleep>>,
    limit: Duration,
    server: Arc<str>,
}

impl Deadline {
    pub(super) fn new(limit: Duration, server: Arc<str>) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(limit)), limit, server }
    }
}

impl<'a> Guarded<'a> {
    #[inline]
    pub(super) fn new(wire: &'a mut Wire, answer: BoxStream<'a, Item>, deadline: Option<Box<Deadline>>) -> Self {
        Self { wire, answer: Some(answer), refusal: None, deadline, asked: None }
    }

    /// Has the server told to stop when the answer is given up before its end.
    #[inline]
    pub(super) fn stopped_by(self, asked: Asked<'a>) -> Self {
        let mut guarded = self;
        guarded.asked = Some(asked);
        guarded
    }

    /// Nothing is sent; the mark stays as it is.
    pub(super) fn refused(wire: &'a mut Wire, why: Error) -> Self {
        Self { wire, answer: None, refusal: Some(Box::new(why.into())), deadline: None, asked: None }
    }
}

impl Stream for Guarded<'_> {
    type Item = Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut polled = self.ask(cx);
        self.hear(&mut polled, cx);
        polled
    }
}

impl Answer for Guarded<'_> {
    #[inline]
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        match &mut self.answer {
            Some(answer) => {
                self.wire.ask();
                answer.as_mut().poll_next(cx)
            }
            None => Poll::Ready(self.refusal.take().map(|why| Err(*why))),
        }
    }

    #[inline]
    fn hear_part(&mut self) {
        self.wire.heard_part();
    }

    #[inline]
    fn hear(&mut self, polled: &mut Poll<Option<Item>>, cx: &mut Context<'_>) {
        match polled {
            Poll::Ready(Some(Ok(_))) => self.wire.heard_part(),
            Poll::Ready(Some(Err(error))) => self.heard_end(Some(error)),
            Poll::Ready(None) => self.heard_end(None),
            Poll::Pending if self.deadline.is_some() => *polled = self.poll_deadline(cx),
            Poll::Pending => {}
        }
    }
}

impl Guarded<'_> {
    /// Nothing more comes. What stood in for an answer says nothing about the connection.
    #[inline(never)]
    fn heard_end(&mut self, error: Option<&sqlx::Error>) {
        if self.answer.take().is_none() {
            return;
        }
        match error {
            Some(error) => {
                self.wire.heard_error(error);
                if let Some(asked) = &self.asked {
                    asked.pool.heard_error(error, asked.read_only, asked.generation);
                }
            }
            None => self.wire.heard_all(),
        }
    }

    /// The mark stays at "asking": after a timeout nobody knows where the answer is.
    #[inline(never)]
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let Some(deadline) = &mut self.deadline else {
            return Poll::Pending;
        };
        ready!(deadline.sleep.as_mut().poll(cx));
        let late = Error::StatementTimeout { server: Arc::clone(&deadline.server), limit: deadline.limit };
        self.answer = None;
        Poll::Ready(Some(Err(late.into())))
    }
}

/// A session may keep the connection for a long time before it finds out that it is of no use any more; the statement is not
/// to run that long.
impl Drop for Guarded<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.wire.phase == Phase::Asking
            && let Some(asked) = self.asked
        {
            asked.pool.abandon(Order::new(asked.identity, Instant::now()));
            self.wire.told = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn the_mark_follows_the_answer() {
        check(vec![], Phase::Ready).await;
        check(vec![Ok(done()), Ok(done())], Phase::Ready).await;
        check(vec![Ok(done()), Err(sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into()))], Phase::Broken).await;
        check(vec![Err(sqlx::Error::Encode("no".into()))], Phase::Ready).await;
    }

    /// Polls well beyond the end: an ended stream has nothing to say about the connection.
    async fn check(items: Vec<Item>, expected: Phase) {
        let mut wire = Wire { phase: Phase::Ready, told: false, untried: false };
        let count = items.len();
        let mut answer = Guarded::new(&mut wire, stream::iter(items).boxed(), None);
        for _ in 0..count {
            assert!(answer.next().await.is_some());
        }
        assert!(answer.next().await.is_none());
        assert!(answer.next().await.is_none());
        drop(answer);
        assert_eq!(wire.phase, expected);
    }

    #[tokio::test]
    async fn between_two_items_an_answer_is_unread() {
        let mut wire = Wire { phase: Phase::Ready, told: false, untried: true };
        assert!(Guarded::new(&mut wire, stream::iter([Ok(done())]).boxed(), None).next().await.is_some());
        assert_eq!((wire.phase, wire.untried), (Phase::Unread, false));
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_deadline_a_statement_is_still_being_asked() {
        let mut wire = Wire { phase: Phase::Ready, told: false, untried: false };
        let deadline = Box::new(Deadline::new(Duration::from_secs(9), "db".into()));
        let mut answer = Guarded::new(&mut wire, stream::pending().boxed(), Some(deadline));
        let error = answer.next().await.unwrap().unwrap_err();
        assert!(matches!(Error::of(&error), Some(Error::StatementTimeout { .. })));
        assert!(answer.next().await.is_none());
        drop(answer);
        assert_eq!(wire.phase, Phase::Asking);
    }

    #[tokio::test]
    async fn a_refusal_leaves_the_mark_alone() {
        let mut wire = Wire { phase: Phase::Asking, told: false, untried: false };
        let mut answer = Guarded::refused(&mut wire, Error::Abandoned { server: "db".into() });
        assert!(answer.next().await.unwrap().is_err());
        assert!(answer.next().await.is_none());
        drop(answer);
        assert_eq!(wire.phase, Phase::Asking);
    }

    fn done() -> sqlx::Either<MySqlQueryResult, MySqlRow> {
        sqlx::Either::Left(MySqlQueryResult::default())
    }
}
