//! Asks all candidate replicas for every statement, as the original did.
//!
//! First all of them are asked, then all answers are read; on the session's own connections, which are made where there are
//! none. A replica with a problem is left out, with a warning in the original's words; one that cannot be reached and one that
//! follows nobody are left out in silence.

use std::time::Duration;

use futures_util::future::join_all;
use ms_filters::ServerIx;
use ms_gtid::replica::{Lag, Part, Status};

use crate::{
    Cluster,
    error::{code, server_error},
    lag::ask,
    route::open,
    session::{Core, Slots},
};

/// How long rows that nobody fetched may hold up the question.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

/// The lags of those that say one.
pub(super) async fn fetch(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    replicas: &[ServerIx],
) -> Vec<(ServerIx, Duration)> {
    for &server in replicas {
        if slots.get(server).is_none() {
            // What cannot be reached is left out.
            let _ = open(cluster, core, slots, server).await;
        }
    }
    let mut asked: Vec<_> = slots.0.iter_mut().filter(|slot| replicas.contains(&slot.server)).collect();
    // Answers are read, and warned of, in the order of the candidates.
    asked.sort_by_key(|slot| replicas.iter().position(|it| *it == slot.server));
    let answers = join_all(asked.into_iter().map(async |slot| {
        slot.lease.settle(SETTLE_LIMIT).await;
        (slot.server, ask::status(&mut slot.lease).await)
    }));
    let answers = answers.await;
    answers
        .into_iter()
        .filter_map(|(server, answer)| match lag(answer) {
            Ok(lag) => Some((server, lag?)),
            Err(problem) => {
                cluster.inner.hooks.warn(format!("SQL error while checking slave for lag (-1): {problem}"));
                None
            }
        })
        .collect()
}

/// The lag, nothing for a server that is no replica, or the number and text of a problem.
fn lag(answer: Result<Status, sqlx::Error>) -> Result<Option<Duration>, String> {
    let problem = |text: &str| Err(format!("2000/'{text}'"));
    match answer.map(|status| status.lag()) {
        Ok(Lag::Behind(behind)) => Ok(Some(behind.lag)),
        Ok(Lag::NotReplica) => Ok(None),
        Ok(Lag::Stopped { part: Part::Receiver, .. }) => problem("Slave_IO_Running is not 'Yes'"),
        Ok(Lag::Stopped { part: Part::Applier, .. }) => problem("Slave_SQL_Running is not 'Yes'"),
        Ok(_) => problem("Failed to extract Seconds_Behind_Master"),
        Err(error) => {
            let text = server_error(&error).map_or_else(|| error.to_string(), |it| it.message().to_owned());
            Err(format!("{}/'{text}'", code(&error)))
        }
    }
}
