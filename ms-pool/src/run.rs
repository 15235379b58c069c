//! Sends a routed statement and hands its answer on.
//!
//! Two things can make the first try not the last, and both can only show before the first row:
//!
//! - a **proven read** meets a connection from the idle stack that died there: it is sent once more, on a fresh
//!   connection to the same server, or where failover leads if that server cannot be reached any more;
//! - a **replica's belt** refuses a read that turns out to write (error 1792, for example in a stored function): the
//!   primary gets it, once.
//!
//! The common case needs neither and must cost next to nothing, so there are two ways through this file. The fast one is the
//! driver's own watched stream, with [`Belted`] around it where a belt may refuse, which looks at the first item only. [`run`]
//! is the other: an async block that may wait, open and try again.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use ms_hints::Route;
use sqlx_core::ext::async_stream::{TryAsyncStream, Yielder};
use sqlx_mysql::{MySqlQueryResult, MySqlRow};

use crate::{
    Cluster, Counter, Session,
    error::server_error,
    pool::{Guarded, Stmt},
    route::{Routed, replace, reroute_among},
    session::{Core, Slot},
};

/// A part of an answer.
pub(crate) type Part = sqlx::Either<MySqlQueryResult, MySqlRow>;
/// What executors stream.
pub(crate) type Item = Result<Part, sqlx::Error>;

/// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`: the belt of a replica's connection.
const READ_ONLY_TRANSACTION: u16 = 1792;

/// Whether a replica's belt refused the statement.
pub(crate) fn belt_refused(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|it| it.number() == READ_ONLY_TRANSACTION)
}

/// Whether the connection failed, as opposed to the statement.
fn broke(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_)) && crate::Error::of(error).is_none()
}

/// Sends a routed statement and yields its answer; tries again where that is allowed. `route` is what the handle says
/// beside the text, as it was routed with.
#[allow(clippy::manual_async_fn, reason = "an `async fn` keeps each argument twice, see below")]
pub(crate) fn run<'s>(
    session: &'s mut Session,
    mut routed: Routed,
    stmt: &'s mut Option<Stmt>,
    route: Option<Route>,
    out: &'s Yielder<Part>,
) -> impl Future<Output = Result<(), sqlx::Error>> + Send + 's {
    // Not an `async fn`, which would keep each argument twice, and the statement stays where it is: this future is made for
    // every statement of a `&Cluster`, and above a thousand bytes the allocator takes its slow way.
    async move {
        loop {
            let Routed { server, proven_read, belted } = routed;
            let slot = session.slots.use_now(server).expect("it was routed there");
            let may_repeat = proven_read && slot.lease.is_untried();
            // It is kept only where there may be a second time, and only until the first row.
            let sent = if may_repeat || belted { stmt.clone() } else { stmt.take() };
            let mut answer = slot.lease.fetch_many(sent.expect("it has not been sent, or was kept"));
            let error = loop {
                match answer.next().await {
                    Some(Ok(part)) => {
                        *stmt = None;
                        out.r#yield(part).await;
                    }
                    Some(Err(error)) => break error,
                    None => return Ok(()),
                }
            };
            drop(answer);
            let Some(again) = &*stmt else {
                return Err(error);
            };
            if may_repeat && broke(&error) {
                session.cluster.count(Counter::ReadRepeated, 1);
                routed = match Box::pin(replace(session, server)).await {
                    Ok(()) => routed,
                    // Not the connection, the server is gone. A statement that finds no connection fails over as configured,
                    // and to its caller this one has not found any.
                    Err(error) if error.blames_server() => session.route(again, route).await?,
                    Err(error) => return Err(error.into()),
                };
                // There is no third time.
                routed.proven_read = false;
            } else if belted && belt_refused(&error) {
                session.cluster.count(Counter::BeltRerouted, 1);
                routed = session.route(again, Some(Route::Primary)).await?;
            } else {
                return Err(error);
            }
        }
    }
}

async fn forward(mut answer: Guarded<'_>, out: &Yielder<Part>) -> Result<(), sqlx::Error> {
    while let Some(item) = answer.next().await {
        out.r#yield(item?).await;
    }
    Ok(())
}

/// One statement of a cluster, with a session of its own.
pub(crate) fn once<'e>(cluster: Cluster, stmt: Result<Stmt, sqlx::Error>, route: Option<Route>) -> BoxStream<'e, Item> {
    let mut stmt = match stmt {
        Ok(stmt) => Some(stmt),
        Err(error) => return failed(error),
    };
    Box::pin(TryAsyncStream::new(move |out| async move {
        let mut session = Session::ephemeral(cluster);
        let routed = session.route(stmt.as_ref().expect("it was just made"), route).await?;
        session.core.put_scratch_back();
        run(&mut session, routed, &mut stmt, route, &out).await
    }))
}

/// An answer that is an error.
pub(crate) fn failed<'e>(error: sqlx::Error) -> BoxStream<'e, Item> {
    stream::once(std::future::ready(Err(error))).boxed()
}

/// An answer on the fast way that the belt of a replica may take the place of.
pub(crate) struct Belted<'c> {
    answer: Guarded<'c>,
    belt: Belt<'c>,
}

enum Belt<'c> {
    /// Nothing came yet, and the session keeps the statement.
    MayRefuse(Rest<'c>),
    Passed,
    /// The primary's answer.
    Refused(BoxStream<'c, Item>),
}

/// All of a session but the connection that is in use.
pub(crate) struct Rest<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) core: &'c mut Core,
    pub(crate) others: &'c mut [Slot],
}

impl<'c> Rest<'c> {
    fn on_primary(self, stmt: Stmt) -> BoxStream<'c, Item> {
        Box::pin(TryAsyncStream::new(move |out| async move { self.run_on_primary(stmt, &out).await }))
    }

    async fn run_on_primary(self, stmt: Stmt, out: &Yielder<Part>) -> Result<(), sqlx::Error> {
        let Self { cluster, core, others } = self;
        cluster.count(Counter::BeltRerouted, 1);
        if let Some(slot) = reroute_among(cluster, core, others, &stmt) {
            return forward(slot.lease.fetch_many(stmt), out).await;
        }
        // The session has no connection there yet; the one made here becomes the session's afterwards.
        let mut borrowed = Session::new(cluster.clone());
        borrowed.core.wishes.clone_from(&core.wishes);
        let routed = borrowed.route(&stmt, Some(Route::Primary)).await?;
        core.last_used = Some(routed.server);
        let slot = borrowed.slots.use_now(routed.server).expect("it was routed there");
        forward(slot.lease.fetch_many(stmt), out).await?;
        core.last = borrowed.core.last.take();
        core.spare = borrowed.slots.remove(routed.server).map(Box::new);
        Ok(())
    }
}

impl<'c> Belted<'c> {
    pub(crate) fn new(answer: Guarded<'c>, rest: Rest<'c>) -> Self {
        Self { answer, belt: Belt::MayRefuse(rest) }
    }

    /// The first item has come, or the end: the statement is sent again now or never.
    #[inline(never)]
    fn heard_first(&mut self, polled: &mut Poll<Option<Item>>, cx: &mut Context<'_>) {
        let Belt::MayRefuse(rest) = mem::replace(&mut self.belt, Belt::Passed) else {
            return;
        };
        match polled {
            Poll::Ready(Some(Err(error))) if belt_refused(error) => {
                let stmt = rest.core.kept.take().expect("it is kept until now");
                let mut again = rest.on_primary(stmt);
                *polled = again.as_mut().poll_next(cx);
                self.belt = Belt::Refused(again);
            }
            _ => rest.core.kept = None,
        }
    }
}

impl Stream for Belted<'_> {
    type Item = Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        let mut polled = match &mut this.belt {
            Belt::Refused(again) => return again.as_mut().poll_next(cx),
            Belt::MayRefuse(_) | Belt::Passed => this.answer.ask(cx),
        };
        this.answer.hear(&mut polled, cx);
        if matches!(this.belt, Belt::MayRefuse(_)) && polled.is_ready() {
            this.heard_first(&mut polled, cx);
        }
        polled
    }
}

/// Its arguments may be large, and the session may be idle for long.
impl Drop for Belted<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Belt::MayRefuse(rest) = &mut self.belt {
            rest.core.kept = None;
        }
    }
}
