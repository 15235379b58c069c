//! An account that one session has for itself.
//!
//! Pools are made for an account, so a session that changes its user gets pools of its own, one per server it uses, made of
//! the configured servers with other credentials. Their connections are closed when the session has done with them.

use std::sync::Arc;

use ms_filters::ServerIx;

use crate::{
    Cluster, Credentials, Error,
    pool::{Dial, ServerPool, Target},
};

/// Who a session logs in as, and its pools so far.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: Arc<str>,
    credentials: Arc<dyn Credentials>,
    database: Option<Arc<str>>,
    pools: Vec<(ServerIx, Arc<ServerPool>)>,
}

impl Account {
    /// # Errors
    ///
    /// [`Error::Credentials`], where the password is needed at once: for servers whose options the application made.
    pub(crate) async fn new(
        cluster: &Cluster,
        user: &str,
        credentials: Arc<dyn Credentials>,
        database: Option<&str>,
    ) -> Result<Self, Error> {
        let mut account = Self { user: user.into(), credentials, database: database.map(Arc::from), pools: Vec::new() };
        for (member, at) in cluster.inner.members.iter().zip(0..) {
            let target = member.pool.target();
            if let Dial::Ready(ready) = &target.dial {
                let password = account.credentials.password(&target.server, user).await;
                let password = password.map_err(|source| Error::Credentials {
                    server: Arc::clone(&target.server),
                    user: Arc::clone(&account.user),
                    source,
                })?;
                let mut options = ready.0.clone().username(user).password(password.reveal().unwrap_or_default());
                if let Some(database) = database {
                    options = options.database(database);
                }
                let target = target.dialled(Dial::ready(options));
                account.add(cluster, ServerIx::new(at), target);
            }
        }
        Ok(account)
    }

    /// The default database of its connections.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The session's pool for a server.
    pub(crate) fn pool(&mut self, cluster: &Cluster, server: ServerIx) -> Arc<ServerPool> {
        if let Some((_, pool)) = self.pools.iter().find(|(at, _)| *at == server) {
            return Arc::clone(pool);
        }
        let target = cluster.member(server).pool.target();
        let dial = target.dial.for_account(&self.user, &self.credentials, self.database.as_deref());
        let target = target.dialled(dial);
        self.add(cluster, server, target)
    }

    fn add(&mut self, cluster: &Cluster, server: ServerIx, target: Target) -> Arc<ServerPool> {
        let pool = ServerPool::new(target, cluster.member(server).pool.limits().clone());
        self.pools.push((server, Arc::clone(&pool)));
        pool
    }
}
