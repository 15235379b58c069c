//! Sends a routed statement and hands its answer on.
//!
//! Three things can make the first try not the last, and both can only show before the first row:
//!
//! - the connection of a **proven read** breaks: it is sent once more, on a fresh connection to the same server, or
//!   where failover leads if that server cannot be reached any more; with `retry_reads` off only one that came from the
//!   idle stack, where it may have died;
//! - a **replica's belt** refuses a read that turns out to write (error 1792, for example in a stored function): the
//!   primary gets it, once;
//! - the section says that **the error passes**: the same connection gets it again (see [`transient`](crate::transient)).
//!
//! And where writes are counted, something is sent ahead of it or behind it (see [`injection`](crate::injection)).
//!
//! The common case needs none of them and must cost next to nothing, so there are two ways through this file. The fast one
//! is the driver's own watched stream, with [`Replaceable`] around it where a belt may refuse or a read may be repeated, which
//! looks at the first item only. [`run`] is the other: an async block that may wait, open and try again.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use ms_filters::{Role, ServerIx};
use ms_hints::Route;
use sqlx_core::ext::async_stream::{TryAsyncStream, Yielder};
use sqlx_mysql::{MySqlQueryResult, MySqlRow};

use crate::{
    Cluster, Counter, Session,
    error::server_error,
    injection::{Behind, Counted, Counts, Event},
    pool::{Guarded, Stmt, first_row},
    positions::Debt,
    reader::Answer,
    route::{Routed, note_refused_read, replace, reroute_among, will_do},
    session::{Core, Slot},
    transaction::answered,
    transient::{Tried, Tries},
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
        let mut tries = Tries::default();
        let mut counted = None;
        if let Some(event) = routed.counts.ahead {
            match Box::pin(count_ahead(session, routed.server, event)).await {
                Ok(ahead) => counted = Some(ahead),
                Err(error) => return refused(session, routed, error.into()),
            }
        }
        loop {
            let Routed { server, proven_read, repeatable, belted, control, counts } = routed;
            if counts.behind != Behind::Nothing {
                owe(session, server);
            }
            let slot = session.slots.use_now(server).expect("it was routed there");
            let may_repeat = repeatable || (proven_read && slot.lease.is_untried());
            // It is kept only where there may be a second time, and only until the first row.
            let keep = may_repeat || belted || session.cluster.inner.transient.is_some();
            let sent = if keep { stmt.as_ref().map(Stmt::again) } else { stmt.take() };
            let mut answer = slot.lease.fetch_many(sent.expect("it has not been sent, or was kept"));
            let mut parts = false;
            let error = loop {
                match answer.next().await {
                    Some(Ok(part)) => {
                        *stmt = None;
                        parts = true;
                        out.r#yield(part).await;
                    }
                    Some(Err(error)) => break error,
                    None => {
                        drop(answer);
                        if let Some(control) = control {
                            answered(session, control, server, true);
                        }
                        counted.into_iter().for_each(Counted::keep);
                        return match counts.behind {
                            Behind::Nothing => Ok(()),
                            _ => Box::pin(count_behind(session, server)).await,
                        };
                    }
                }
            };
            drop(answer);
            if counts.behind != Behind::Nothing {
                Box::pin(count_failed(session, server, counts.behind, parts)).await;
            }
            let Some(again) = &*stmt else {
                return refused(session, routed, error);
            };
            if may_repeat && broke(&error) {
                session.cluster.count(Counter::ReadRepeated, 1);
                if let Some(written) = session.core.written(&session.cluster).filter(|it| it.keeps_reads()) {
                    written.unsees(server);
                }
                routed = match Box::pin(replace(session, server)).await {
                    // Behind the name may be another server by now, of which nothing is known.
                    Ok(()) if will_do(&session.cluster, &session.core, &session.slots, server) => routed,
                    Ok(()) => session.route(again, route).await?,
                    // Not the connection, the server is gone. A statement that finds no connection fails over as configured,
                    // and to its caller this one has not found any.
                    Err(error) if error.blames_server() => session.route(again, route).await?,
                    Err(error) => return Err(error.into()),
                };
                // There is no third time.
                (routed.proven_read, routed.repeatable) = (false, false);
            } else if belted && belt_refused(&error) {
                session.cluster.count(Counter::BeltRerouted, 1);
                routed = session.route(again, Some(Route::Primary)).await?;
                let Session { cluster, slots, core } = &mut *session;
                note_refused_read(cluster, core, slots.use_now(routed.server).expect("it was routed there"));
                routed.counts = cluster.counts_of_refused(core, routed.server);
            } else {
                let Session { cluster, slots, .. } = &mut *session;
                let slot = slots.use_now(server).expect("it was routed there");
                let tried = Tried::Statement(again);
                if !Box::pin(cluster.try_again(&mut slot.lease, tried, &error, &mut tries)).await {
                    return refused(session, routed, error);
                }
            }
        }
    }
}

/// Counts what a statement is about to commit.
async fn count_ahead(session: &mut Session, server: ServerIx, event: Event) -> Result<Counted, crate::Error> {
    let Session { cluster, slots, core } = session;
    let slot = slots.use_now(server).expect("it was routed there");
    cluster.count_ahead(core, &mut slot.lease, event).await
}

/// A statement that is counted is about to be sent.
fn owe(session: &mut Session, server: ServerIx) {
    let Session { cluster, slots, core } = session;
    let slot = slots.use_now(server).expect("it was routed there");
    cluster.owe(core, &mut slot.lease);
}

/// Counts a statement that has succeeded.
async fn count_behind(session: &mut Session, server: ServerIx) -> Result<(), sqlx::Error> {
    let Session { cluster, slots, core } = session;
    match slots.use_now(server) {
        Some(slot) => Ok(cluster.count_behind(core, &mut slot.lease).await?),
        // It has hung up, as it was told.
        None => Ok(()),
    }
}

/// Counts a statement that has failed, if need be.
async fn count_failed(session: &mut Session, server: ServerIx, behind: Behind, answered: bool) {
    let Session { cluster, slots, core } = session;
    let slot = slots.use_now(server).expect("it was routed there");
    cluster.count_failed(core, &mut slot.lease, behind, answered).await;
}

fn refused(session: &mut Session, routed: Routed, error: sqlx::Error) -> Result<(), sqlx::Error> {
    if let Some(control) = routed.control {
        answered(session, control, routed.server, false);
    }
    Err(error)
}

pub(crate) async fn forward(
    mut answer: impl Stream<Item = Item> + Unpin,
    out: &Yielder<Part>,
) -> Result<(), sqlx::Error> {
    while let Some(item) = answer.next().await {
        out.r#yield(item?).await;
    }
    Ok(())
}

/// How many rows of an answer are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows {
    All,
    First,
}

/// An answer as a whole.
pub(crate) struct Gathered {
    pub(crate) rows: Vec<MySqlRow>,
    /// How far the server that has answered was known to trail; `None` is unknown.
    pub(crate) lag: Option<Duration>,
}

/// One statement with a session of its own, and all of its answer.
///
/// # Cancel safety
///
/// Safe for the pool; dropped before it is done it costs the connection.
pub(crate) async fn gather(session: Session, stmt: Stmt, rows: Rows) -> Result<Gathered, sqlx::Error> {
    let mut once = Once(session);
    let (session, mut stmt) = (&mut once.0, Some(stmt));
    let answer: BoxStream<'_, Item> = Box::pin(TryAsyncStream::new(|out| async move {
        let routed = session.route(stmt.as_ref().expect("it was just made"), None).await?;
        session.core.put_scratch_back();
        run(session, routed, &mut stmt, None, &out).await
    }));
    let rows = match rows {
        Rows::First => first_row(answer).await?.into_iter().collect(),
        Rows::All => answer.try_filter_map(|part| std::future::ready(Ok(part.right()))).try_collect().await?,
    };
    let Session { cluster, core, .. } = &once.0;
    let lag = core.last_used.and_then(|server| match cluster.member(server).role {
        Role::Primary => Some(Duration::ZERO),
        Role::Replica => core.facts.lag(server),
    });
    Ok(Gathered { rows, lag })
}

/// One statement of a cluster or a scope, with a session of its own.
pub(crate) fn once<'e>(session: Session, stmt: Result<Stmt, sqlx::Error>, route: Option<Route>) -> BoxStream<'e, Item> {
    let mut stmt = match stmt {
        Ok(stmt) => Some(stmt),
        Err(error) => return failed(error),
    };
    Box::pin(TryAsyncStream::new(move |out| async move {
        let mut once = Once(session);
        let session = &mut once.0;
        let routed = session.route(stmt.as_ref().expect("it was just made"), route).await?;
        session.core.put_scratch_back();
        run(session, routed, &mut stmt, route, &out).await
    }))
}

/// A session for one statement. When that is over, however it ended, others may have to see what it wrote.
struct Once(Session);

impl Drop for Once {
    fn drop(&mut self) {
        let Session { cluster, slots, core } = &mut self.0;
        if cluster.inner.rules.is_strict()
            && let Some(slot) =
                slots.0.iter_mut().find(|slot| slot.wrote && cluster.member(slot.server).role == Role::Primary)
        {
            if let Some(owed) = slot.lease.owes() {
                owed.lapse();
            }
            core.written_mut(cluster).owe(Debt::written(slot.server, &slot.lease));
        }
    }
}

/// An answer that is an error.
pub(crate) fn failed<'e>(error: sqlx::Error) -> BoxStream<'e, Item> {
    stream::once(std::future::ready(Err(error))).boxed()
}

/// An answer on the fast way that another one may take the place of: that of the primary, when the belt of a replica refuses the
/// statement; that of any server, when the connection breaks under a read.
pub(crate) struct Replaceable<'c> {
    answer: Guarded<'c>,
    state: State<'c>,
}

enum State<'c> {
    /// Nothing came yet, and the session keeps the statement.
    Open(Chance, Rest<'c>),
    Passed,
    /// The other answer.
    Replaced(BoxStream<'c, Item>),
}

/// What may make a statement run a second time.
#[derive(Clone, Copy)]
pub(crate) struct Chance {
    belted: bool,
    repeatable: bool,
}

impl Chance {
    pub(crate) fn of(routed: &Routed) -> Option<Self> {
        let Routed { belted, repeatable, .. } = *routed;
        (belted || repeatable).then_some(Self { belted, repeatable })
    }

    /// Where it runs the second time: `Some(None)` is where it will.
    fn taken(self, error: &sqlx::Error) -> Option<Option<Route>> {
        if self.belted && belt_refused(error) {
            return Some(Some(Route::Primary));
        }
        (self.repeatable && broke(error)).then_some(None)
    }
}

/// All of a session but the connection that is in use.
pub(crate) struct Rest<'c> {
    pub(crate) cluster: &'c Cluster,
    pub(crate) core: &'c mut Core,
    pub(crate) others: &'c mut [Slot],
}

impl<'c> Rest<'c> {
    fn again(self, stmt: Stmt, route: Option<Route>) -> BoxStream<'c, Item> {
        Box::pin(TryAsyncStream::new(move |out| async move { self.run_again(stmt, route, &out).await }))
    }

    async fn run_again(self, stmt: Stmt, route: Option<Route>, out: &Yielder<Part>) -> Result<(), sqlx::Error> {
        let Self { cluster, core, others } = self;
        let counter = if route.is_some() { Counter::BeltRerouted } else { Counter::ReadRepeated };
        cluster.count(counter, 1);
        if route.is_some()
            && let Some(slot) = reroute_among(cluster, core, others, &stmt)
        {
            let counts = cluster.counts_of_refused(core, slot.server);
            return cluster.forward_counted(core, &mut slot.lease, stmt, counts, out).await.map_err(|(error, _)| error);
        }
        // The session has no connection for it yet; the one made here becomes the session's afterwards.
        let mut borrowed = Session::new(cluster.clone());
        borrowed.core.wishes.clone_from(&core.wishes);
        borrowed.core.holdings = core.holdings.for_another();
        borrowed.core.level = core.level;
        // It must see the same.
        borrowed.core.scope.clone_from(&core.scope);
        let routed = borrowed.route(&stmt, route).await?;
        core.last_used = Some(routed.server);
        let slot = borrowed.slots.use_now(routed.server).expect("it was routed there");
        let mut counts = Counts::NOTHING;
        if route.is_some() {
            note_refused_read(cluster, core, slot);
            counts = cluster.counts_of_refused(core, routed.server);
        }
        cluster.forward_counted(core, &mut slot.lease, stmt, counts, out).await.map_err(|(error, _)| error)?;
        core.last = borrowed.core.last.take();
        core.spare = borrowed.slots.remove(routed.server).map(Box::new);
        Ok(())
    }
}

impl<'c> Replaceable<'c> {
    pub(crate) fn new(answer: Guarded<'c>, chance: Chance, rest: Rest<'c>) -> Self {
        Self { answer, state: State::Open(chance, rest) }
    }

    /// The first item has come, or the end: the statement is sent again now or never.
    #[inline(never)]
    fn heard_first(&mut self, polled: &mut Poll<Option<Item>>, cx: &mut Context<'_>) {
        let State::Open(chance, rest) = mem::replace(&mut self.state, State::Passed) else {
            return;
        };
        let route = match polled {
            Poll::Ready(Some(Err(error))) => chance.taken(error),
            _ => None,
        };
        let Some(route) = route else {
            rest.core.kept = None;
            return;
        };
        let stmt = rest.core.kept.take().expect("it is kept until now");
        let mut again = rest.again(stmt, route);
        *polled = again.as_mut().poll_next(cx);
        self.state = State::Replaced(again);
    }
}

impl Stream for Replaceable<'_> {
    type Item = Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut polled = self.ask(cx);
        self.hear(&mut polled, cx);
        polled
    }
}

impl Answer for Replaceable<'_> {
    #[inline]
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        match &mut self.state {
            State::Replaced(again) => again.as_mut().poll_next(cx),
            State::Open(..) | State::Passed => self.answer.ask(cx),
        }
    }

    #[inline]
    fn hear_part(&mut self) {
        if let State::Open(_, rest) = &mut self.state {
            rest.core.kept = None;
            self.state = State::Passed;
        }
        if let State::Passed = self.state {
            self.answer.hear_part();
        }
    }

    #[inline]
    fn hear(&mut self, polled: &mut Poll<Option<Item>>, cx: &mut Context<'_>) {
        match &self.state {
            State::Replaced(_) => {}
            State::Passed => self.answer.hear(polled, cx),
            State::Open(..) => {
                self.answer.hear(polled, cx);
                if polled.is_ready() {
                    self.heard_first(polled, cx);
                }
            }
        }
    }
}

/// Its arguments may be large, and the session may be idle for long.
impl Drop for Replaceable<'_> {
    #[inline]
    fn drop(&mut self) {
        if let State::Open(_, rest) = &mut self.state {
            rest.core.kept = None;
        }
    }
}
