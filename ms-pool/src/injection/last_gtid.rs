//! What the number is after the last write.

use std::time::Duration;

use sqlx_core::row::Row;

use super::SETTLE_LIMIT;
use crate::{Error, Session, route::open};

/// How long the question may take.
const LIMIT: Duration = Duration::from_secs(5);

impl Session {
    /// The id of the session's last write, as `fetch_last_gtid` of the section's `global_transaction_id_injection` tells it: to be
    /// handed to whoever must see that write, as the position of [`Consistency::Session`](crate::Consistency::Session).
    ///
    /// The primary that ran the last write is asked, on the session's connection to it. No counter moves, and the server used last
    /// stays what it was.
    ///
    /// # Errors
    ///
    /// - [`Error::Refused`] when nothing was written yet, when there is no `fetch_last_gtid`, when it returns nothing, and in
    ///   `strict` when the last write has no id, because its `on_commit` failed or was given up;
    /// - the server's, and as any statement that needs a connection.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the answer it costs the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let mut session = db.session();
    /// sqlx::query("INSERT INTO orders (item) VALUES ('tea')").execute(&mut session).await?;
    /// let token = session.last_gtid().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn last_gtid(&mut self) -> Result<String, sqlx::Error> {
        self.take_in_spare();
        let refused = |why: &'static str| Err(Error::Refused { why: why.into() }.into());
        let Self { cluster, slots, core } = self;
        let injection = cluster.inner.injection.clone();
        let Some(server) = core.wrote_on else {
            // Without any settings nobody noted where was written.
            return refused(match injection {
                Some(_) => "nothing was written yet (No mysqlnd_ms connection or no ID has been injected yet)",
                None => NO_SQL,
            });
        };
        let Some(sql) = injection.as_ref().and_then(|it| it.fetch_last_gtid.as_deref()) else {
            return refused(NO_SQL);
        };
        let strict = cluster.inner.rules.is_strict();
        if let Some(slot) = slots.use_now(server) {
            slot.lease.settle(SETTLE_LIMIT).await;
            if strict && !slot.lease.is_ready() && core.trx.bound() != Some(server) {
                slots.remove(server);
            }
        }
        if strict && core.written(cluster).is_some_and(|it| it.is_uncounted()) {
            return refused("the last write has no id: its `on_commit` failed or was given up");
        }
        if slots.get(server).is_none() {
            open(cluster, core, slots, server).await?;
        }
        let slot = slots.use_now(server).expect("it was just opened");
        let rows = slot.lease.run_text(sql, LIMIT).await?;
        // As text: it may be a number as well.
        let id = rows.first().map(|row| row.try_get_unchecked::<Option<String>, _>(0)).transpose()?.flatten();
        id.map_or_else(|| refused("`fetch_last_gtid` returned nothing"), Ok)
    }
}

const NO_SQL: &str = "there is no `fetch_last_gtid` (SQL to fetch last global transaction ID is not set)";
