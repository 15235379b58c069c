//! Looks at every server, beside the library, all the time.

use std::{sync::Arc, time::Duration};

use sqlx::{ConnectOptions, MySqlConnection, Row, mysql::MySqlConnectOptions, mysql::MySqlSslMode};
use tokio::time::{sleep, timeout};

use super::{history::Version, world::World};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// A server that takes longer is frozen.
const PATIENCE: Duration = Duration::from_secs(1);

const LOOK: &str = "SELECT GROUP_CONCAT(version ORDER BY id) FROM test.torture";

/// Looks at one server until it is aborted.
pub(crate) async fn look(world: Arc<World>, server: String) {
    let Ok(socket) = world.servers.server(&server).map(xtask::cluster::Server::socket) else {
        return;
    };
    let options = MySqlConnectOptions::new().socket(socket).username("root").ssl_mode(MySqlSslMode::Disabled);
    loop {
        // A server that is down shows nothing.
        if let Ok(Ok(mut connection)) = timeout(PATIENCE, options.connect()).await {
            while let Some(began) = look_once(&world, &server, &mut connection).await {
                sleep(PAUSE.saturating_sub(world.now().saturating_sub(began))).await;
            }
        }
        sleep(PAUSE).await;
    }
}

/// When the look began, if it has seen anything.
async fn look_once(world: &World, server: &str, connection: &mut MySqlConnection) -> Option<Duration> {
    let began = world.now();
    let row = timeout(PATIENCE, sqlx::raw_sql(LOOK).fetch_one(connection)).await.ok()?.ok()?;
    let text: String = row.try_get_unchecked(0).ok()?;
    let versions: Vec<Version> = text.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    // A list that the server cut would show too little.
    if versions.len() == usize::from(world.keys) {
        world.saw(server, began, versions);
    }
    Some(began)
}
