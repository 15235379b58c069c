//! The servers, beside the pool.
//!
//! What a pool does is looked at, prepared and cleaned up over connections of the runner's own, so that a fault of the pool
//! cannot hide itself. Databases are made for one scenario and go with it: nothing that one leaves behind is met by another.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use sqlx::{
    ConnectOptions, Connection, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    fixture::Fixture,
    outcome::Rows,
    servers::{Address, Place, Servers},
    text_rows,
};

/// How long a connect of the runner may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// There is no such connection.
const NO_SUCH_THREAD: u16 = 1094;
/// How long a killed connection may be seen by its server.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long the session of a prepared branch may take to end.
const BRANCH_LIMIT: Duration = Duration::from_secs(3);
/// How long a replica may take to hear of a scenario's databases.
const REPLICATION_LIMIT: Duration = Duration::from_secs(8);

/// All servers, and the runner's connections to them.
pub(crate) struct World {
    pub(crate) servers: Servers,
    idle: Mutex<HashMap<Address, Vec<MySqlConnection>>>,
    made: Mutex<BTreeSet<(String, Address)>>,
    /// Servers that have let the account in.
    known: Mutex<BTreeSet<Address>>,
    scenarios: AtomicU32,
    /// Names of global transactions are the whole server's.
    pub(crate) xa: tokio::sync::Mutex<()>,
    /// Servers that write down what they are sent, and what they did before.
    listening: tokio::sync::Mutex<HashMap<Address, Vec<Option<String>>>>,
}

/// Something beside the pool failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldError {
    #[error("cannot connect to `{place}` at {host}:{port}", host = address.host, port = address.port)]
    Connect { place: Place, address: Address, source: sqlx::Error },
    #[error("`{place}` at {host}:{port} did not answer in time", host = address.host, port = address.port)]
    Silent { place: Place, address: Address },
    #[error("`{place}` refused `{sql}`")]
    Sql { place: Place, sql: String, source: sqlx::Error },
    #[error("connection {id} to `{place}` was killed and is still there")]
    StillThere { place: Place, id: u64 },
    #[error("`{place}` does not replicate: it has no database `{database}`")]
    NotReplicated { place: Place, database: String },
}

/// The databases of one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Databases {
    pub(crate) db: String,
    pub(crate) db2: String,
}

/// The servers as one scenario sees them.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'w> {
    pub(crate) world: &'w World,
    pub(crate) databases: &'w Databases,
    pub(crate) replicating: bool,
}

impl World {
    pub(crate) fn new(servers: Servers) -> Self {
        Self {
            servers,
            idle: Mutex::default(),
            made: Mutex::default(),
            known: Mutex::default(),
            scenarios: AtomicU32::new(0),
            xa: tokio::sync::Mutex::default(),
            listening: tokio::sync::Mutex::default(),
        }
    }

    /// Names that no other scenario has, of this run or of another one.
    pub(crate) fn databases(&self) -> Databases {
        let number = self.scenarios.fetch_add(1, Ordering::Relaxed);
        // No `_`, which is a wildcard in patterns.
        let name = |first: &str| format!("{first}r{}s{number}", std::process::id());
        Databases { db: name(&self.servers.database), db2: name(&self.servers.database2) }
    }

    /// Drops what scenarios that were cut short have left; errors are nobody's business any more.
    pub(crate) async fn drop_everything(&self) {
        let made = std::mem::take(&mut *self.made.lock().expect("nothing panics while it is locked"));
        for (database, address) in made {
            if let Ok(mut connection) = self.options(&address).connect().await {
                let sql = format!("SET lock_wait_timeout = 2; DROP DATABASE IF EXISTS {database}");
                let _ = text_rows::run(&mut connection, &sql).await;
            }
        }
    }

    /// Lets the servers log as they did before.
    pub(crate) async fn stop_listening(&self) {
        for (address, before) in self.listening.lock().await.drain() {
            if let ([Some(output), Some(on)], Ok(mut connection)) =
                (&before[..], self.options(&address).connect().await)
            {
                let sql = format!("SET GLOBAL general_log = {on}; SET GLOBAL log_output = '{output}'");
                let _ = text_rows::run(&mut connection, &sql).await;
            }
        }
    }

    fn options(&self, address: &Address) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host(&address.host)
            .port(address.port)
            .username(&self.servers.user)
            // The server's own settings: what is seen must not depend on the driver's.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None);
        match &self.servers.password {
            Some(password) => options.password(password),
            None => options,
        }
    }
}

impl Stage<'_> {
    fn address(&self, place: Place) -> Address {
        self.world.servers.address(place, self.replicating)
    }

    /// A connection that nobody has used.
    async fn connect(&self, place: Place, database: Option<&str>) -> Result<MySqlConnection, WorldError> {
        let address = self.address(place);
        let mut options = self.world.options(&address);
        if let Some(database) = database {
            options = options.database(database);
        }
        let connected = timeout(CONNECT_LIMIT, async {
            let known = self.world.known.lock().expect("nothing panics while it is locked").contains(&address);
            // Encrypted, a connect takes ten times as long; but a server may insist, and MySQL takes a first login only so.
            if known && let Ok(connection) = options.clone().ssl_mode(MySqlSslMode::Disabled).connect().await {
                return Ok(connection);
            }
            let connection = options.connect().await?;
            self.world.known.lock().expect("nothing panics while it is locked").insert(address.clone());
            Ok(connection)
        });
        match connected.await {
            Ok(connected) => connected.map_err(|source| WorldError::Connect { place, address, source }),
            Err(_) => Err(WorldError::Silent { place, address }),
        }
    }

    /// Runs a statement on a fresh connection with the scenario's database: the step `direct`.
    pub(crate) async fn direct(
        &self,
        place: Place,
        sql: &str,
    ) -> Result<Result<text_rows::Answer, sqlx::Error>, WorldError> {
        let mut connection = self.connect(place, Some(&self.databases.db)).await?;
        let answer = text_rows::run(&mut connection, sql).await;
        // Closed properly: a server that is still cleaning up holds locks.
        let _ = connection.close().await;
        Ok(answer)
    }

    /// Runs a statement on one of the runner's own connections, which change no session state.
    pub(crate) async fn sql(&self, place: Place, sql: &str) -> Result<Rows, WorldError> {
        let address = self.address(place);
        let idle =
            self.world.idle.lock().expect("nothing panics while it is locked").get_mut(&address).and_then(Vec::pop);
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let mut connection = self.connect(place, None).await?;
                // A connection of a pool that is still being cleaned up must not hold us for a year.
                let patience = "SET lock_wait_timeout = 2";
                let set = text_rows::run(&mut connection, patience).await;
                set.map_err(|source| WorldError::Sql { place, sql: patience.to_owned(), source })?;
                connection
            }
        };
        let answer = text_rows::run(&mut connection, sql).await;
        let answer = answer.map_err(|source| WorldError::Sql { place, sql: sql.to_owned(), source })?;
        // Not after an error: the connection may be broken.
        self.world.idle.lock().expect("nothing panics while it is locked").entry(address).or_default().push(connection);
        Ok(answer.rows)
    }

    /// Makes the scenario's databases on the servers it uses.
    pub(crate) async fn create_databases(&self, places: &BTreeSet<Place>) -> Result<(), WorldError> {
        let Databases { db, db2 } = self.databases;
        let sql = format!("CREATE DATABASE {db}; CREATE DATABASE {db2}");
        each(self.sources(places), async |place| {
            for database in [db, db2] {
                let mut made = self.world.made.lock().expect("nothing panics while it is locked");
                made.insert((database.clone(), self.address(place)));
            }
            self.sql(place, &sql).await.map(drop)
        })
        .await?;
        each(self.copies(places), async |place| self.wait_for_database(place).await).await
    }

    async fn wait_for_database(&self, place: Place) -> Result<(), WorldError> {
        let database = &self.databases.db2;
        let deadline = Instant::now() + REPLICATION_LIMIT;
        while self.sql(place, &format!("SHOW DATABASES LIKE '{database}'")).await?.is_empty() {
            if Instant::now() > deadline {
                return Err(WorldError::NotReplicated { place, database: database.clone() });
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Drops them again.
    pub(crate) async fn drop_databases(&self, places: &BTreeSet<Place>) -> Result<(), WorldError> {
        let Databases { db, db2 } = self.databases;
        let sql = format!("DROP DATABASE IF EXISTS {db}; DROP DATABASE IF EXISTS {db2}");
        each(self.sources(places), async |place| {
            if self.sql(place, &sql).await.is_err() {
                // Somebody still holds a lock there; the scenario is over, so nobody may.
                self.kill_leftovers(place).await?;
                self.sql(place, &sql).await?;
            }
            let mut made = self.world.made.lock().expect("nothing panics while it is locked");
            for database in [db, db2] {
                made.remove(&(database.clone(), self.address(place)));
            }
            Ok(())
        })
        .await
    }

    async fn kill_leftovers(&self, place: Place) -> Result<(), WorldError> {
        for id in self.connections(place).await? {
            // It may have ended by itself.
            let _ = self.sql(place, &format!("KILL {id}")).await;
        }
        Ok(())
    }

    /// The connections to a server that have one of the scenario's databases selected; none of them is the runner's.
    pub(crate) async fn connections(&self, place: Place) -> Result<Vec<u64>, WorldError> {
        let Databases { db, db2 } = self.databases;
        let sql = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE DB IN ('{db}', '{db2}') ORDER BY ID");
        let rows = self.sql(place, &sql).await?;
        Ok(rows.iter().filter_map(|row| row.first()?.as_ref()?.parse().ok()).collect())
    }

    /// The servers a scenario's databases are made on.
    fn sources(&self, places: &BTreeSet<Place>) -> Vec<Place> {
        let mut sources: Vec<_> = places.iter().copied().filter(|it| !it.is_dead() && !self.is_copy(*it)).collect();
        if self.replicating && !sources.contains(&Place::Primary) {
            sources.push(Place::Primary);
        }
        // Two placeholders may stand for one server.
        let mut seen = BTreeSet::new();
        sources.retain(|it| seen.insert(self.address(*it)));
        sources
    }

    /// The servers they come to by replication.
    fn copies(&self, places: &BTreeSet<Place>) -> Vec<Place> {
        places.iter().copied().filter(|it| self.is_copy(*it)).collect()
    }

    fn is_copy(&self, place: Place) -> bool {
        self.replicating && matches!(place, Place::Replica1 | Place::Replica2)
    }

    /// Prepares what a scenario finds. `Err` inside is the library's to answer for.
    pub(crate) async fn prepare(&self, fixtures: &[Fixture]) -> Result<Result<(), String>, WorldError> {
        let mut connections: HashMap<Place, MySqlConnection> = HashMap::new();
        for fixture in fixtures {
            match fixture {
                Fixture::Sql { on, sql } => {
                    for place in on {
                        if !connections.contains_key(place) {
                            connections.insert(*place, self.connect(*place, Some(&self.databases.db)).await?);
                        }
                        let connection = connections.get_mut(place).expect("it was just put there");
                        for statement in sql {
                            let answer = text_rows::run(&mut *connection, statement).await;
                            answer.map_err(|source| WorldError::Sql {
                                place: *place,
                                sql: statement.clone(),
                                source,
                            })?;
                        }
                    }
                }
            }
        }
        for connection in connections.into_values() {
            let _ = connection.close().await;
        }
        Ok(Ok(()))
    }

    /// Ends a connection and waits until its server has forgotten it.
    ///
    /// `false` when there is no such connection: it was just ending.
    pub(crate) async fn kill(&self, place: Place, id: u64) -> Result<bool, WorldError> {
        match self.sql(place, &format!("KILL {id}")).await {
            Err(WorldError::Sql { source, .. }) if ms_pool::code(&source) == NO_SUCH_THREAD => return Ok(false),
            killed => _ = killed?,
        }
        let deadline = Instant::now() + KILL_LIMIT;
        let sql = format!("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {id}");
        while !self.sql(place, &sql).await?.is_empty() {
            if Instant::now() > deadline {
                return Err(WorldError::StillThere { place, id });
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(true)
    }

    /// Rolls back every prepared branch; scenarios with global transactions run alone.
    pub(crate) async fn forget_branches(&self, places: &BTreeSet<Place>) -> Result<(), WorldError> {
        each(self.sources(places), async |place| {
            let deadline = Instant::now() + BRANCH_LIMIT;
            loop {
                let branches = self.sql(place, "XA RECOVER").await?;
                if branches.is_empty() || Instant::now() > deadline {
                    return Ok(());
                }
                for xid in branches.iter().filter_map(|it| xid(it)) {
                    // While the session that prepared it is still ending it is not ours: then once more.
                    let _ = self.sql(place, &format!("XA ROLLBACK {xid}")).await;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Makes the servers write down what they are sent; whether they do.
    pub(crate) async fn listen(&self, places: &BTreeSet<Place>) -> bool {
        let mut listening = self.world.listening.lock().await;
        for place in self.sources(places) {
            let address = self.address(place);
            if listening.contains_key(&address) {
                continue;
            }
            let before = self.sql(place, "SELECT @@GLOBAL.log_output, @@GLOBAL.general_log").await;
            let set = self.sql(place, "SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON").await;
            match (before.as_deref(), set) {
                (Ok([row]), Ok(_)) => listening.insert(address, row.clone()),
                // The account may not: then what was sent is not checked.
                _ => return false,
            };
        }
        true
    }

    /// How often a server was sent `sql` on one of these connections.
    pub(crate) async fn count_sent(&self, place: Place, ids: &[u64], sql: &str) -> Result<u64, WorldError> {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let hex: String = sql.bytes().map(|it| format!("{it:02x}")).collect();
        let sql = format!(
            "SELECT COUNT(*) FROM mysql.general_log WHERE thread_id IN ({}) AND argument = x'{hex}'",
            ids.join(", ")
        );
        let rows = self.sql(place, &sql).await?;
        Ok(rows.first().and_then(|it| it.first()?.as_ref()?.parse().ok()).unwrap_or(0))
    }
}

/// `formatID, gtrid_length, bqual_length, data` as an XA statement names a branch.
fn xid(row: &[Option<String>]) -> Option<String> {
    let [format, gtrid, _, data] = row else {
        return None;
    };
    let data = data.as_ref()?.as_bytes();
    let (gtrid, bqual) = data.split_at_checked(gtrid.as_ref()?.parse().ok()?)?;
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    Some(format!("x'{}', x'{}', {}", hex(gtrid), hex(bqual), format.as_ref()?))
}

/// The same on all servers at once; the first error.
async fn each<T>(places: Vec<T>, work: impl AsyncFn(T) -> Result<(), WorldError>) -> Result<(), WorldError> {
    let work = &work;
    let all = stream::iter(places).map(|place| work(place));
    all.buffer_unordered(8).try_collect().await
}
