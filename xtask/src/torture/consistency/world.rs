//! The servers, the names that clients know them by, and a diary.
//!
//! Clients know three names: `primary`, `replica1`, `replica2`. Behind them are four servers, one of which stands by. Who is
//! behind which name changes; everything that changes goes through here, so that it is written down.

use std::{
    collections::BTreeMap,
    io, mem,
    sync::Mutex,
    time::{Duration, Instant},
};

use xtask::cluster::{self, Cluster, Rows, Topology};

use super::{
    history::{Key, Loss, Operation, Version},
    name::{Earlier, Name},
    sightings::Sightings,
    users::lock,
};

/// The name that writes go to.
pub(crate) const PRIMARY: &str = "primary";
/// The names that reads may go to.
pub(crate) const REPLICAS: [&str; 2] = ["replica1", "replica2"];

/// Three names and a server that stands by.
pub(crate) const TOPOLOGY: Topology = Topology::Replicated { primaries: 1, replicas: 3 };

/// Everything that is shared in a run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: Cluster,
    pub(crate) keys: Key,
    began: Instant,
    names: BTreeMap<&'static str, Name>,
    /// The server behind each name.
    behind: Mutex<BTreeMap<&'static str, String>>,
    sightings: Mutex<Sightings>,
    losses: Mutex<Vec<Loss>>,
    /// What processes were told by warnings.
    told: Mutex<Vec<Operation>>,
    diary: Mutex<Vec<(Duration, String)>>,
}

/// What was written down in the course of a run.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) sightings: Sightings,
    pub(crate) losses: Vec<Loss>,
    pub(crate) told: Vec<Operation>,
    pub(crate) diary: Vec<(Duration, String)>,
}

impl World {
    /// Names the servers of a new cluster and makes the rows.
    pub(crate) async fn new(servers: Cluster, keys: Key) -> Result<Self, Failed> {
        let mut names = BTreeMap::new();
        for name in [PRIMARY].into_iter().chain(REPLICAS) {
            names.insert(name, Name::of(servers.server(name)?.port()).await.map_err(Failed::Name)?);
        }
        let it = Self {
            servers,
            keys,
            began: Instant::now(),
            names,
            behind: Mutex::default(),
            sightings: Mutex::default(),
            losses: Mutex::default(),
            told: Mutex::default(),
            diary: Mutex::default(),
        };
        for name in [PRIMARY].into_iter().chain(REPLICAS) {
            it.lead(name, name, Earlier::Stay)?;
        }
        let rows: Vec<_> = (0..keys).map(|key| format!("({key},0)")).collect();
        it.sql(PRIMARY, "CREATE TABLE test.torture (id INT PRIMARY KEY, version BIGINT NOT NULL) ENGINE=InnoDB")
            .await?;
        it.sql(PRIMARY, &format!("INSERT INTO test.torture VALUES {}", rows.join(","))).await?;
        Ok(it)
    }

    /// The time of the run.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The port that clients dial for a name.
    pub(crate) fn port_of_name(&self, name: &str) -> u16 {
        self.names[name].port()
    }

    /// The server behind a name.
    pub(crate) fn behind(&self, name: &str) -> String {
        lock(&self.behind)[name].clone()
    }

    /// The server that no name leads to.
    pub(crate) fn standing_by(&self) -> String {
        let behind = lock(&self.behind);
        let free = self.servers.servers().iter().find(|it| !behind.values().any(|server| server == it.name()));
        free.expect("there is one server more than names").name().to_owned()
    }

    /// Leads a name to another server.
    pub(crate) fn lead(&self, name: &'static str, server: &str, earlier: Earlier) -> Result<(), Failed> {
        self.names[name].lead_to(self.servers.server(server)?.port(), earlier);
        lock(&self.behind).insert(name, server.to_owned());
        if name != PRIMARY {
            let since = self.now();
            let mut sightings = lock(&self.sightings);
            sightings.behind.entry(name.to_owned()).or_default().push((since, server.to_owned()));
        }
        Ok(())
    }

    /// From here on the server is another process.
    pub(crate) fn broke(&self, server: &str) {
        let now = self.now();
        lock(&self.sightings).looks.entry(server.to_owned()).or_default().broke(now);
    }

    /// A look at a server that began then.
    pub(crate) fn saw(&self, server: &str, began: Duration, versions: impl IntoIterator<Item = Version>) {
        lock(&self.sightings).looks.entry(server.to_owned()).or_default().add(began, versions);
    }

    /// A primary died, and not everything it had is elsewhere.
    pub(crate) fn lost(&self, loss: Loss) {
        lock(&self.losses).push(loss);
    }

    /// Something that who reads a violation wants to know.
    pub(crate) fn note(&self, text: impl Into<String>) {
        lock(&self.diary).push((self.now(), text.into()));
    }

    /// A process was told something.
    pub(crate) fn told(&self, it: Operation) {
        lock(&self.told).push(it);
    }

    /// What was written down.
    pub(crate) fn records(&self) -> Records {
        Records {
            sightings: mem::take(&mut *lock(&self.sightings)),
            losses: mem::take(&mut *lock(&self.losses)),
            told: mem::take(&mut *lock(&self.told)),
            diary: mem::take(&mut *lock(&self.diary)),
        }
    }

    /// The versions that a server shows now.
    pub(crate) async fn versions(&self, server: &str) -> Result<Vec<Version>, Failed> {
        let rows = self.sql(server, "SELECT version FROM test.torture ORDER BY id").await?;
        let version = |row: &Vec<Option<String>>| row.first()?.as_ref()?.parse().ok();
        let versions: Vec<_> = rows.rows.iter().filter_map(version).collect();
        if versions.len() == usize::from(self.keys) {
            return Ok(versions);
        }
        Err(Failed::Rows { server: server.to_owned(), found: versions.len() })
    }

    pub(crate) async fn sql(&self, server: &str, statement: &str) -> Result<Rows, Failed> {
        Ok(self.servers.server(server)?.sql(statement).await?)
    }
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Servers(#[from] cluster::Error),
    #[error("no port for a name")]
    Name(#[source] io::Error),
    #[error("the clients' configuration is refused")]
    Clients(#[source] ms_pool::Error),
    #[error("`{server}` has {found} of the rows")]
    Rows { server: String, found: usize },
    #[error("a task of the run has ended too early")]
    Task(#[from] tokio::task::JoinError),
    #[error("cannot write to standard output")]
    Screen(#[from] io::Error),
}
