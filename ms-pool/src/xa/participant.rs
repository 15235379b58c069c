//! Who takes part in a global transaction, in words that a successor on another machine can use.

use std::{sync::Arc, time::Duration};

use ms_config::Endpoint;
use ms_xa::Place;
use tokio::time::sleep;

use super::{Globals, LIMIT};
use crate::{
    Cluster,
    error::server_error,
    pool::{Address, Configured, Dial, Lease, ServerPool, Target},
    probe::Identity,
};

/// `ER_NO_SUCH_THREAD`: the connection has ended already.
const NO_SUCH_THREAD: u16 = 1094;
/// How long a connection may take to end, and how often that is looked at.
const ENDING: Duration = Duration::from_millis(20);
const ENDINGS: u32 = 250;
/// What a server may still have to do for a connection that it does not list any more: nothing shows that.
const AFTERMATH: Duration = Duration::from_millis(100);

/// Where the branch on this connection is to be found again.
pub(super) fn place_of(globals: &Globals, lease: &Lease) -> Place {
    let target = lease.pool().target();
    let identity = lease.identity();
    let (mut host, mut port, mut socket) = (None, None, None);
    match endpoint(&target.dial) {
        Some(Endpoint::Tcp { host: name, port: number }) => (host, port) = (Some(name), Some(number)),
        Some(Endpoint::Socket { path }) => (host, socket) = (globals.localhost_ip.clone(), Some(path)),
        _ => {}
    }
    let recorded = match &target.dial {
        Dial::Configured(it) if globals.record_credentials => Some(it),
        _ => None,
    };
    Place {
        scheme: target.dial.to_string(),
        host,
        port,
        socket,
        user: recorded.map(|it| it.user.to_string()),
        // Filled in by who knows it; see `record_participant_credentials`.
        password: None,
        identity: identity.key.to_string(),
        run: run_of(identity),
        connection_id: identity.connection_id,
    }
}

/// The second in which the server was started, by its own clock; empty where it would not say.
pub(super) fn run_of(identity: &Identity) -> String {
    identity.started.map_or_else(String::new, |it| it.second.to_string())
}

/// Whether both are of the same run of a server. Of two that are not known, they are not.
pub(super) fn is_same_run(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}

/// Ends the connection with this number, and waits until the server has forgotten it; false where that takes too long.
///
/// Only then can nothing more be prepared on it, and only then is what was prepared there for others: while it is ending MariaDB
/// answers `XA COMMIT` and `XA ROLLBACK` of others with success and does nothing. Measured on 10.11, with both made to meet: 18 of 6,631
/// times; 1 of 36,207 times when `KILL` said that there is no such connection any more, hence the pause.
pub(super) async fn see_end(lease: &mut Lease, id: u64) -> Result<bool, sqlx::Error> {
    let gone = match lease.run_text(&format!("KILL {id}"), LIMIT).await {
        Ok(_) => is_gone(lease, id).await?,
        Err(error) if server_error(&error).is_some_and(|it| it.number() == NO_SUCH_THREAD) => true,
        Err(error) => return Err(error),
    };
    if gone {
        sleep(AFTERMATH).await;
    }
    Ok(gone)
}

/// Waits until the server does not list a connection any more; false where that takes too long.
async fn is_gone(lease: &mut Lease, id: u64) -> Result<bool, sqlx::Error> {
    let listed = format!("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {id}");
    for _ in 0..ENDINGS {
        if lease.run_text(&listed, LIMIT).await?.is_empty() {
            return Ok(true);
        }
        sleep(ENDING).await;
    }
    Ok(false)
}

fn endpoint(dial: &Dial) -> Option<Endpoint> {
    Some(match dial {
        Dial::Configured(it) => match &it.address {
            Address::Tcp { host, port } => Endpoint::Tcp { host: host.clone(), port: *port },
            Address::Socket(path) => Endpoint::Socket { path: path.display().to_string() },
        },
        Dial::Ready(it) => match it.0.get_socket() {
            Some(path) => Endpoint::Socket { path: path.display().to_string() },
            None => Endpoint::Tcp { host: it.0.get_host().to_owned(), port: it.0.get_port() },
        },
    })
}

/// The pool that leads to a place: one of the cluster's own servers, or a pool made for it, which logs in as was recorded, or
/// else as to the store.
pub(super) fn pool_at(cluster: &Cluster, place: &Place) -> Option<Arc<ServerPool>> {
    let own = cluster.inner.members.iter().find(|it| *it.address == *place.scheme);
    if let Some(own) = own {
        return Some(Arc::clone(&own.pool));
    }
    let store = cluster.inner.globals.store.as_ref()?.server()?.pool();
    let Dial::Configured(login) = &store.target().dial else { return None };
    let address = match (&place.socket, &place.host) {
        // A socket is of use on its own machine only, where the place has no address for others.
        (Some(path), None) => Address::Socket(path.into()),
        (_, Some(host)) => Address::Tcp { host: host.clone(), port: place.port.unwrap_or(3306) },
        _ => return None,
    };
    let mut configured = Configured {
        address,
        user: Arc::clone(&login.user),
        credentials: Arc::clone(&login.credentials),
        database: None,
        charset: login.charset.clone(),
        tls: login.tls.clone(),
    };
    if let (Some(user), Some(password)) = (&place.user, &place.password) {
        configured.user = user.as_str().into();
        configured.credentials = Arc::new(crate::Password::new(password.as_str()));
    }
    let target = Target {
        server: place.scheme.as_str().into(),
        dial: Dial::Configured(Box::new(configured)),
        belt: crate::pool::Belt::Off,
        init: Vec::new(),
    };
    Some(ServerPool::new(target, store.limits().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_start() {
        assert!(is_same_run("1000", "1000"));
        assert!(!is_same_run("1000", "1001"), "it was restarted");
        assert!(!is_same_run("", ""), "nobody knows");
    }
}
