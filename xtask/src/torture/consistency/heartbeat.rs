//! Writes the time into a table, again and again, as whoever promises an age has to.
//!
//! Without it a replica that has just begun to replicate again says that it trails by nothing, until it has received what it
//! lacks; a promise of an age that goes by what servers say of themselves is broken then, by up to as long as the replica stood
//! still. It is written as clients write: by the name of the primary, with an account that a read-only server refuses.

use std::{sync::Arc, time::Duration};

use sqlx::{ConnectOptions, mysql::MySqlConnectOptions};
use tokio::time::{sleep, timeout};

use super::world::{PRIMARY, World};

/// The table, with its database.
pub(crate) const TABLE: &str = "test.torture_heartbeat";

const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);
const BEAT: &str = "UPDATE torture_heartbeat SET ts = UTC_TIMESTAMP(6)";

/// Writes until it is aborted.
pub(crate) async fn beat(world: Arc<World>) {
    let options = MySqlConnectOptions::new().host("127.0.0.1").port(world.port_of_name(PRIMARY));
    let options = options.username("torture").password("torture").database("test");
    loop {
        if let Ok(Ok(mut connection)) = timeout(PATIENCE, options.connect()).await {
            while let Ok(Ok(_)) = timeout(PATIENCE, sqlx::raw_sql(BEAT).execute(&mut connection)).await {
                sleep(PAUSE).await;
            }
        }
        // The primary is away, or another one.
        sleep(PAUSE).await;
    }
}
