//! Questions about the connection used last, or about just any server.

use std::time::Duration;

use ms_filters::{Role, ServerIx};
use sqlx_core::row::Row;

use crate::{Counter, ServerIdentity, Session, route::open, wishes::SETTING_LIMIT};

/// How long rows that nobody fetched may hold up a question.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

impl Session {
    /// Asks the server used last whether it is still there; any server if there is none yet, see
    /// [`server_info`](Self::server_info).
    ///
    /// # Errors
    ///
    /// Fails when the connection is lost; it is not replaced. Without a connection, as `server_info` does.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the answer it costs the connection.
    pub async fn ping(&mut self) -> Result<(), sqlx::Error> {
        let server = self.some_server().await?;
        let slot = self.slots.use_now(server).expect("it was just looked up");
        slot.lease.settle(SETTLE_LIMIT).await;
        slot.lease.ping(SETTING_LIMIT).await
    }

    /// What the server used last says about itself; it is not asked again.
    ///
    /// Without a connection to it: the first primary that is connected or can be, otherwise the first such replica. That
    /// server is the one used last from then on, and counts as one a load balancer handed out.
    ///
    /// # Errors
    ///
    /// Fails when no server can be connected to, with the error of the last one tried.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// println!("{}", db.session().server_info().await?.version); // 10.11.6-MariaDB-log
    /// # Ok(())
    /// # }
    /// ```
    pub async fn server_info(&mut self) -> Result<ServerIdentity, sqlx::Error> {
        let server = self.some_server().await?;
        let slot = self.slots.get(server).expect("it was just looked up");
        Ok(ServerIdentity::new(slot.lease.identity()))
    }

    /// How many warnings the statement before left on the connection used last; 0 without a connection.
    ///
    /// The driver does not pass the number on, so the server is asked for it, on that connection;
    /// `SHOW WARNINGS` still works afterwards. MariaDB forgets warnings only with the next statement that uses a table or
    /// raises one: after a statement that does neither it answers with the count of the one before. `SELECT 1` and its like
    /// (numbers only) are known to have none; `SELECT NOW()` is not.
    ///
    /// # Errors
    ///
    /// Fails when the connection is lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the answer it costs the connection.
    pub async fn warning_count(&mut self) -> Result<u64, sqlx::Error> {
        self.take_in_spare();
        let Some(slot) = self.core.last_used.and_then(|server| self.slots.use_now(server)) else {
            return Ok(0);
        };
        slot.lease.settle(SETTLE_LIMIT).await;
        if self.core.last_text.is_quiet() && slot.lease.is_ready() {
            return Ok(0);
        }
        // `SELECT @@warning_count` says the same and makes MySQL forget the warnings.
        let rows = slot.lease.run_text("SHOW COUNT(*) WARNINGS", SETTING_LIMIT).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        // As text: servers disagree about the type.
        let count: String = row.try_get_unchecked(0)?;
        count.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }

    /// The name of the character set of the session's connections.
    #[must_use]
    pub fn charset(&self) -> &str {
        if let Some(charset) = self.core.wishes.as_ref().and_then(|it| it.charset()) {
            return charset.name();
        }
        let server = self.core.last_used.unwrap_or(ServerIx::new(0));
        self.cluster.member(server).pool.target().charset_name()
    }

    /// The server used last if it is connected, otherwise the original's choice of just any one.
    async fn some_server(&mut self) -> Result<ServerIx, sqlx::Error> {
        self.take_in_spare();
        if let Some(server) = self.core.last_used.filter(|server| self.slots.get(*server).is_some()) {
            return Ok(server);
        }
        let Self { cluster, slots, core } = self;
        let servers = (0..).take(cluster.inner.members.len()).map(ServerIx::new);
        let connected = servers.clone().find(|server| slots.get(*server).is_some_and(|it| it.lease.is_ready()));
        let mut failed = None;
        let mut found = connected;
        for server in servers {
            if found.is_some() {
                break;
            }
            match open(cluster, core, slots, server).await {
                Ok(()) => found = Some(server),
                Err(error) => failed = Some(error),
            }
        }
        let Some(server) = found else {
            return Err(failed.expect("a cluster has a server, and each was found or failed").into());
        };
        let counter = match cluster.member(server).role {
            Role::Primary => Counter::UsePrimary,
            Role::Replica => Counter::UseReplica,
        };
        cluster.count(counter, 1);
        core.last_used = Some(server);
        Ok(server)
    }
}
