//! Which replicas a statement with a bound may go by what is known, and who asks for more.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use ms_filters::ServerIx;
use ms_gtid::replica::{Heartbeat, Lag, StatusQuery};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};

use super::{
    ask::{self, LIMIT, first, with},
    known::{Ask, Asking, Lags, USEFUL},
    pace::Cost,
    source::{self, Proof},
};
use crate::{
    Cluster, Counter,
    error::{code, server_error},
    pool::Lease,
    session::{Core, Slots},
};

/// How long to wait for a connection where all are in use: somebody may hold the last one and wait for the answer.
const PATIENCE: Duration = Duration::from_millis(100);
/// What the primary had is asked for again when it was asked for longer ago than this part of a bound.
const YOUNG: u32 = 8;
/// When a replica is asked again that lacks what the primary has and does not know it.
const ON_ITS_WAY: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(50)];
/// How long a server is left alone that could not be asked.
const PAUSE: Duration = Duration::from_secs(1);
/// The same, when the account may not ask.
const PAUSE_FORBIDDEN: Duration = Duration::from_secs(60);

/// What is known without waiting; `None` when there is something to wait for.
pub(super) fn known(
    cluster: &Cluster,
    replicas: &[ServerIx],
    within: Option<Duration>,
) -> Option<Vec<(ServerIx, Duration)>> {
    let lags = &cluster.inner.lags;
    let now = Instant::now();
    let looks: Vec<_> = replicas.iter().map(|&server| (server, lags.look(server, within, now))).collect();
    let will_do = |bound: Duration| within.is_none_or(|within| bound < within);
    if !looks.iter().any(|(_, it)| it.bound.is_some_and(will_do)) && looks.iter().any(|(_, it)| it.ask == Ask::Wait) {
        return None;
    }
    for (server, _) in looks.iter().filter(|(_, it)| it.ask != Ask::No) {
        start(cluster, *server, within);
    }
    Some(looks.into_iter().filter_map(|(server, it)| Some((server, it.bound?))).collect())
}

/// The same, after waiting for those that are being asked.
///
/// # Cancel safety
///
/// Cancel safe: the askings go on without who waits for them.
pub(super) async fn fetch(
    cluster: &Cluster,
    replicas: &[ServerIx],
    within: Option<Duration>,
) -> Vec<(ServerIx, Duration)> {
    let lags = &cluster.inner.lags;
    let until = Instant::now() + LIMIT;
    for &server in replicas {
        if lags.look(server, within, Instant::now()).ask != Ask::No {
            start(cluster, server, within);
        }
    }
    let will_do = |bound: Duration| within.is_none_or(|within| bound < within);
    let mut answers: FuturesUnordered<_> = replicas
        .iter()
        .map(async |&server| {
            let trail = lags.trail(server);
            let answered = trail.answered();
            tokio::pin!(answered);
            // Listen first, look then: an answer that comes in between is not missed.
            answered.as_mut().enable();
            if lags.look(server, within, Instant::now()).ask == Ask::Wait && trail.is_asking() {
                let _ = timeout_at(until, answered).await;
            }
            lags.look(server, within, Instant::now()).bound.is_some_and(will_do)
        })
        .collect();
    // One that hangs does not keep those waiting who have another.
    while let Some(found) = answers.next().await {
        if found {
            break;
        }
    }
    drop(answers);
    let now = Instant::now();
    replicas.iter().filter_map(|&server| Some((server, lags.look(server, within, now).bound?))).collect()
}

/// Has a server asked on the side, unless somebody does already or it is too early.
fn start(cluster: &Cluster, server: ServerIx, within: Option<Duration>) {
    let Ok(runtime) = Handle::try_current() else { return };
    if cluster.member(server).pool.is_avoided() {
        return;
    }
    // Before anybody can look whether there is something to wait for.
    let Some(asking) = cluster.inner.lags.begin(server) else { return };
    let cluster = cluster.clone();
    runtime.spawn(async move {
        let young = within.unwrap_or(USEFUL) / YOUNG;
        let news = asked(&cluster, server, &asking, young).await;
        drop(asking);
        if let Some(news) = news {
            cluster.inner.hooks.warn(format!(
                "replica `{}` answers no reads that set a bound on its lag: {news}",
                cluster.member(server).pool.server()
            ));
        }
    });
}

/// Asks a server; returns trouble that nobody was told of yet.
async fn asked(cluster: &Cluster, server: ServerIx, asking: &Asking, young: Duration) -> Option<String> {
    let pool = &cluster.member(server).pool;
    let patience = if pool.is_full() { PATIENCE } else { LIMIT };
    let mut lease = match pool.lease(Instant::now() + patience).await {
        Ok(lease) => lease,
        // Statements that need it will say so themselves.
        Err(error) => {
            asking.failed(error.to_string(), PAUSE);
            return None;
        }
    };
    let identity = Arc::clone(lease.identity());
    // Before the replica is asked: so there is time for what is on its way.
    let proof = match cluster.inner.lags.heartbeat {
        None => source::look(cluster, young).await,
        Some(_) => Ok(Proof::None),
    };
    let at = Instant::now();
    match one(cluster, asking, &mut lease, at, proof).await {
        Ok((Ok(lag), cost)) => asking.learn(&identity, lag, at, cost),
        Ok((Err(trouble), _)) => asking.failed(trouble, PAUSE),
        Err(error) => {
            let forbidden = server_error(&error).is_some_and(|it| matches!(it.number(), 1142 | 1143 | 1146 | 1227));
            let mut trouble = format!("it could not be asked how far it trails (error {})", code(&error));
            if forbidden && cluster.inner.lags.heartbeat.is_none() {
                let account = account(&mut lease).await;
                let grant = StatusQuery::new(&identity.version).grant(account.as_deref());
                trouble = format!("{trouble}; to allow it: `{grant}`");
            }
            asking.failed(trouble, if forbidden { PAUSE_FORBIDDEN } else { PAUSE })
        }
    }
}

/// What the server says, as exactly as it can; or why that cannot be believed.
async fn one(
    cluster: &Cluster,
    asking: &Asking,
    lease: &mut Lease,
    at: Instant,
    proof: Result<Proof, String>,
) -> Result<(Result<Lag, String>, Cost), sqlx::Error> {
    if let Some(heartbeat) = &cluster.inner.lags.heartbeat {
        cluster.count(Counter::LagAsked, 1);
        let first = first(lease, heartbeat.sql()).await?;
        return Ok((Ok(with(first.as_ref(), Heartbeat::read)), Cost::One));
    }
    let identity = Arc::clone(lease.identity());
    let query = StatusQuery::new(&identity.version);
    cluster.count(Counter::LagAsked, 1);
    let mut status = ask::status(lease).await?;
    let (mut lag, mut cost) = (status.lag(), Cost::One);
    if asking.may_refine(&identity) && query.finer(&status).is_some() {
        cluster.count(Counter::LagAsked, 1);
        let known;
        (lag, known) = ask::refined(lease, &status).await;
        cost = Cost::Two;
        if !known {
            asking.is_coarse(&identity);
        }
    }
    if asking.counts() {
        cluster.count(Counter::LagAsked, 1);
        let row = first(lease, query.times_asked()).await?;
        let count = row.as_ref().and_then(|row| row.get(1)?.as_deref()?.parse().ok());
        count.into_iter().for_each(|count| asking.count(count, cost));
    }
    if lag != Lag::at_most(Duration::ZERO) {
        return Ok((Ok(lag), cost));
    }
    match proof {
        Ok(Proof::Possible) => {}
        Ok(Proof::None) => return Ok((Ok(lag), cost)),
        Err(trouble) => return Ok((Err(trouble), cost)),
    }
    // It says that it lacks nothing. What it was just written may be on its way.
    for pause in ON_ITS_WAY {
        if let Some(lag) = source::proven(cluster, status.applied(), at) {
            return Ok((Ok(lag), cost));
        }
        sleep(pause).await;
        cluster.count(Counter::LagAsked, 1);
        cost = Cost::Two;
        status = ask::status(lease).await?;
        if status.lag() != Lag::at_most(Duration::ZERO) {
            // It is being sent what it lacks, and knows by now how old that is.
            return Ok((Ok(status.lag()), cost));
        }
    }
    Ok((Ok(source::proven(cluster, status.applied(), at).unwrap_or(Lag::Unproven)), cost))
}

async fn account(lease: &mut Lease) -> Option<String> {
    first(lease, "SELECT CURRENT_USER()").await.ok()??.into_iter().next()?
}

/// Whether the connection that a statement is about to use leads to the server whose lag it goes by.
#[inline]
pub(crate) fn is_proven(cluster: &Cluster, core: &Core, slots: &Slots, server: ServerIx) -> bool {
    core.facts.lag(server).is_none()
        || !cluster.inner.rules.is_strict()
        || slots.get(server).is_none_or(|slot| cluster.inner.lags.is_of(server, slot.lease.identity()))
}

/// It does not: what is known is another server's.
pub(crate) fn forget(cluster: &Cluster, core: &mut Core, slots: &Slots, server: ServerIx) {
    let lags: &Lags = &cluster.inner.lags;
    if slots.get(server).is_some_and(|slot| !lags.is_of(server, slot.lease.identity())) {
        lags.forget(server);
        core.facts.learned().lags.retain(|(it, _)| *it != server);
    }
}
