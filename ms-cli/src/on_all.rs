//! Asks every server of a cluster, all at once.

use futures_util::{StreamExt, stream};
use ms_pool::Cluster;
use serde_json::{Value, json};

use crate::{exit::Exit, failure::Failure, runtime};

/// Connects at the same time; more would look like an attack.
const AT_ONCE: usize = 32;

/// What `ask` finds out about each server, in the order of the configuration.
pub(crate) async fn on_all<'c, T>(cluster: &'c Cluster, ask: impl AsyncFn(&'c Cluster, &'c str) -> T) -> Vec<T> {
    let ask = &ask;
    let asked = cluster.servers().map(move |server| async move { ask(cluster, server.name).await });
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// The same for a command that asks once: from outside of a runtime, and the cluster is closed afterwards.
pub(crate) fn on_all_once<'c, T>(
    cluster: &'c Cluster,
    ask: impl AsyncFn(&'c Cluster, &'c str) -> T,
) -> Result<Vec<T>, Failure> {
    runtime::block_on(async {
        let answers = on_all(cluster, ask).await;
        cluster.close().await;
        Ok(answers)
    })
}

/// What was found out, as the one JSON object that such commands print.
pub(crate) fn object_of(cluster: &Cluster, servers: &[Value]) -> Value {
    json!({ "section": cluster.section(), "servers": servers })
}

/// How a command ends that so many servers out of so many have answered well.
pub(crate) fn exit(well: usize, answered: usize, of: usize) -> Exit {
    match answered {
        0 => Exit::NoServer,
        _ if well == of => Exit::Ok,
        _ => Exit::Findings,
    }
}
