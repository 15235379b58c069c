//! Slots and set-up for connections that somebody else makes.
//!
//! A slot is the permission to have a connection, so who takes slots and makes no connection with them leaves room for others'. The
//! idle connections have to make room as well: they hold no slots, for nobody uses them.

use std::sync::Arc;

use sqlx_mysql::{MySqlConnectOptions, MySqlConnection};
use tokio::time::Instant;

use super::dial;
use super::link::Link;
use super::server_pool::{ServerPool, Slot};
use crate::error::Error;

/// Slots that are taken for good, or until they are given back.
#[derive(Debug)]
pub(crate) struct ReservedSlots(Vec<Slot>);

impl ReservedSlots {
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn give_back(&mut self) {
        self.0.clear();
    }
}

impl ServerPool {
    /// Takes slots for connections that somebody else will make, all or none, in turn with those who want one.
    ///
    /// # Errors
    ///
    /// [`Error::AcquireTimeout`] and [`Error::Closed`], as for a lease.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: slots go back with the future.
    pub(crate) async fn reserve(self: &Arc<Self>, count: u32) -> Result<ReservedSlots, Error> {
        let slots = self.slots(count, Instant::now(), self.acquire_deadline()).await?;
        let most = self.limits().max_connections.get() as usize;
        let surplus = self.shelf().shrink(most.saturating_sub(self.slots_out()));
        surplus.into_iter().for_each(Link::close);
        Ok(ReservedSlots(slots))
    }

    /// What to dial with, with the password of the day.
    ///
    /// # Errors
    ///
    /// The password or a file of certificates cannot be had.
    pub(crate) async fn connect_options(&self) -> Result<MySqlConnectOptions, Error> {
        dial::connect_options(self.target(), self.limits()).await
    }

    /// Says the first words on a connection that somebody else has made.
    ///
    /// # Errors
    ///
    /// As a connect.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the connection must be thrown away with the future.
    pub(crate) async fn greet(&self, conn: &mut MySqlConnection) -> Result<(), Error> {
        self.setup().run(conn, self.target()).await.map(drop)
    }
}
