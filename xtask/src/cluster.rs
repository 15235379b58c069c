//! Real servers in the arrangement a test needs, gone when it ends.
//!
//! ```no_run
//! # async fn demo() -> Result<(), xtask::cluster::Error> {
//! use xtask::{cluster::{Cluster, Spec}, progress::Progress, provision::Flavor};
//!
//! let cluster = Cluster::start(&Spec::new(Flavor::MariaDb), &Progress::stderr()).await?; // one primary, two replicas
//! cluster.server("primary")?.sql("CREATE TABLE test.t (id INT)").await?;
//! cluster.wait_sync().await?;
//! cluster.server("replica1")?.kill9().await?;
//! cluster.stop().await
//! # }
//! ```
//!
//! Every server has users `app` (everything), `low` (rows of `test` and `test2`), `repl` and `mon`, each with its name as its password,
//! `root` without a password on the socket, and the databases `test` and `test2`.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use futures_util::future::{join_all, try_join_all};
use tokio::{net::UnixListener, task::JoinHandle};

use self::{dialect::Dialect, folder::Folder, server::Plan, spawn::Lifetime, template::Template};
use crate::{
    config,
    progress::Progress,
    provision::{self, Flavor, Installation, Origin, Version, Wish},
    workspace,
};

mod certificates; // a CA, its server certificate, and a CA to refuse
mod control; // faults on demand, from other processes
mod dialect; // what differs between the flavours
mod environment; // what a command is told about the cluster
mod folder; // the temporary folder, and who owns it
mod mariadb; // MariaDB's words
mod mysql; // MySQL's words
mod ports; // ports nobody else takes
mod promotion; // another primary
mod renewal; // a server with other data than it had
mod rows; // what a statement returned
mod server; // one process
mod space; // room for all of it
mod spawn; // starting it so that it does not outlive us
mod template; // the data folder all servers begin with
mod topology; // who follows whom

pub use self::{
    certificates::Certificates,
    rows::Rows,
    server::{Server, State},
    topology::{Role, Topology},
};

/// What is to be started.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Which servers.
    pub flavor: Flavor,
    /// How many, and who follows whom.
    pub topology: Topology,
    /// Programs the user insists on.
    pub wish: Wish,
    /// Whether the servers may outlive this process, so that [`Cluster::keep`] can leave them running.
    pub may_be_kept: bool,
}

impl Spec {
    /// One primary with two replicas.
    #[must_use]
    pub fn new(flavor: Flavor) -> Self {
        let topology = Topology::Replicated { primaries: 1, replicas: 2 };
        Self { flavor, topology, wish: Wish::default(), may_be_kept: false }
    }

    /// The same with other servers.
    #[must_use]
    pub fn topology(self, topology: Topology) -> Self {
        Self { topology, ..self }
    }
}

/// Running servers, and everything that belongs to them.
///
/// Dropping it kills the servers and removes their data, also while unwinding; [`stop`](Self::stop) does the same without
/// blocking the runtime.
#[derive(Debug)]
#[must_use = "a dropped cluster is stopped"]
pub struct Cluster {
    /// `None` once it was stopped or kept.
    inner: Option<Arc<Inner>>,
    control: JoinHandle<()>,
}

/// What the control socket serves.
#[derive(Debug)]
struct Inner {
    installation: Installation,
    dialect: Box<dyn Dialect>,
    servers: Vec<Server>,
    certificates: Certificates,
    path: PathBuf,
    /// Last, so that it is removed after the servers have gone.
    folder: Mutex<Option<Folder>>,
}

impl Cluster {
    /// Gets the servers if need be, starts them all, and sets up replication.
    ///
    /// # Errors
    ///
    /// Fails when no server can be had, or one does not start. Nothing is left behind then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future kills what was started and removes its data.
    pub async fn start(spec: &Spec, progress: &Progress) -> Result<Self, Error> {
        let (installation, template) = prepare(spec.flavor, &spec.wish, progress).await?;
        let step = progress.step(format!("{}: starting servers", spec.flavor));
        let it = Self::start_servers(installation, &template, spec).await?;
        let names: Vec<_> = it.servers().iter().map(Server::name).collect();
        step.finish(&format!("{} {}: started {}", spec.flavor, it.version(), names.join(", ")));
        Ok(it)
    }

    async fn start_servers(installation: Installation, template: &Template, spec: &Spec) -> Result<Self, Error> {
        let base = folder::base();
        let folder = Folder::create();
        let roles = spec.topology.servers();
        // Not earlier: those of owners that were killed are gone now.
        space::check(&base, template.folder(), roles.len())?;
        let folder = folder.map_err(|source| Error::Files { path: base, source })?;
        let path = folder.path().to_owned();
        let files = |source| Error::Files { path: path.clone(), source };
        let certificates = Certificates::create(&path.join("tls")).map_err(files)?;
        let dialect = dialect::of(&installation);
        let plan = Plan {
            installation: &installation,
            dialect: &*dialect,
            template,
            certificates: &certificates,
            folder: &path,
            lifetime: if spec.may_be_kept { Lifetime::ItsOwn } else { Lifetime::Ours },
        };
        let launches = roles.iter().zip(1..).map(|((name, role), id)| Server::launch(&plan, name, *role, id));
        let servers = try_join_all(launches).await?;
        topology::replicate(&servers, &*dialect).await?;

        let control_socket = UnixListener::bind(path.join("control")).map_err(files)?;
        let inner = Arc::new(Inner {
            installation,
            dialect,
            servers,
            certificates,
            path: path.clone(),
            folder: Mutex::new(Some(folder)),
        });
        let control = tokio::spawn(control::serve(control_socket, Arc::clone(&inner)));
        let it = Self { inner: Some(inner), control };
        std::fs::write(it.config_file(), config::ms_json(it.servers())).map_err(files)?;
        std::fs::write(it.environment_file(), environment::script(&it.env())).map_err(files)?;
        Ok(it)
    }

    /// The server with this name.
    ///
    /// # Errors
    ///
    /// Fails when there is none.
    pub fn server(&self, name: &str) -> Result<&Server, Error> {
        self.inner().server(name)
    }

    /// Every server, primaries first.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        self.inner().servers()
    }

    /// Which servers these are.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.inner().installation.flavor
    }

    /// The release of the servers.
    #[must_use]
    pub fn version(&self) -> Version {
        self.inner().installation.version
    }

    /// The files for tests of TLS.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.inner().certificates
    }

    /// The folder that holds all of it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner().path
    }

    /// The configuration file with the section `test`.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder().join("ms.json")
    }

    /// A file that exports [`env`](Self::env) when a shell reads it.
    #[must_use]
    pub fn environment_file(&self) -> PathBuf {
        self.folder().join("env")
    }

    /// The socket on which other processes ask for faults; [`mod@self`]'s module `control` describes the requests.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.folder().join("control")
    }

    /// The variables that tell a command about this cluster.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        environment::variables(self)
    }

    /// Waits until every replica has what the primary has now.
    ///
    /// # Errors
    ///
    /// Fails when a server does not answer or a replica does not get there.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only waits.
    pub async fn wait_sync(&self) -> Result<(), Error> {
        self.inner().wait_sync().await
    }

    /// Stops replication on a replica: it goes on answering, with what it has.
    ///
    /// # Errors
    ///
    /// Fails when there is no such server or it does not answer.
    pub async fn stop_replication(&self, name: &str) -> Result<(), Error> {
        self.inner().stop_replication(name).await
    }

    /// Lets a replica follow again.
    ///
    /// # Errors
    ///
    /// As for [`stop_replication`](Self::stop_replication).
    pub async fn start_replication(&self, name: &str) -> Result<(), Error> {
        self.inner().start_replication(name).await
    }

    /// Makes a replica apply everything this many seconds late; zero is at once.
    ///
    /// # Errors
    ///
    /// As for [`stop_replication`](Self::stop_replication).
    pub async fn delay_replication(&self, name: &str, seconds: u32) -> Result<(), Error> {
        self.inner().delay_replication(name, seconds).await
    }

    /// Makes a server refuse writes; its part in the cluster stays what it is.
    ///
    /// # Errors
    ///
    /// As for [`stop_replication`](Self::stop_replication).
    pub async fn demote(&self, name: &str) -> Result<(), Error> {
        promotion::demote(self.server(name)?, &*self.inner().dialect).await
    }

    /// Of these replicas the one that has applied the most; of equals the first. Replication on them should be stopped.
    ///
    /// # Errors
    ///
    /// Fails when there is no such server, one does not answer, or no one has all that the others have.
    pub async fn most_advanced<'a>(&self, names: &[&'a str]) -> Result<&'a str, Error> {
        self.inner().most_advanced(names).await
    }

    /// Makes a replica the primary: it takes writes, and every other running replica follows it. The former primary refuses
    /// writes from here on and follows nobody.
    ///
    /// # Errors
    ///
    /// Fails when there is no such replica, or a running server does not do its part.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: who follows whom is undefined then.
    pub async fn promote(&self, name: &str) -> Result<(), Error> {
        self.inner().promote(name).await
    }

    /// Makes a server anew from a copy of the data of `donor`, as a replica with a new identity. The donor is killed and started
    /// again for that.
    ///
    /// # Errors
    ///
    /// Fails when there are no such servers, a file cannot be copied, or one does not start.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: both servers may be down then.
    pub async fn renew(&self, name: &str, donor: &str) -> Result<(), Error> {
        self.inner().renew(name, donor).await
    }

    /// Keeps a copy of a server's data for [`restore`](Self::restore). The server is killed and started again for that.
    ///
    /// # Errors
    ///
    /// As for [`renew`](Self::renew).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the server may be down then.
    pub async fn save(&self, name: &str) -> Result<(), Error> {
        renewal::save(self.server(name)?).await
    }

    /// Sets a replica back to what it had when it was [saved](Self::save), under the same identity, and starts it without replication.
    ///
    /// # Errors
    ///
    /// As for [`renew`](Self::renew).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the server may be down then.
    pub async fn restore(&self, name: &str) -> Result<(), Error> {
        self.inner().restore(name).await
    }

    /// Kills and reaps every server and removes their data.
    ///
    /// # Errors
    ///
    /// Fails when a server cannot be killed; its data is removed nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was not done is done when the future is dropped.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.end_control().await;
        let outcomes = join_all(self.servers().iter().map(Server::kill9)).await;
        drop(self);
        outcomes.into_iter().collect()
    }

    /// Leaves the servers running and their data in place; they were started with [`Spec::may_be_kept`].
    ///
    /// # Errors
    ///
    /// Fails when the folder cannot be marked; everything is stopped then.
    pub async fn keep(mut self) -> Result<(), Error> {
        self.end_control().await;
        let folder = self.inner().folder.lock().ok().and_then(|mut it| it.take());
        if let Some(mut folder) = folder {
            folder.keep().map_err(|source| Error::Files { path: self.folder().to_owned(), source })?;
        }
        if let Some(mut servers) = self.inner.take().and_then(Arc::into_inner).map(|it| it.servers) {
            servers.iter_mut().for_each(Server::leave_running);
        }
        Ok(())
    }

    /// Ends the task that holds the other reference to the servers.
    async fn end_control(&mut self) {
        self.control.abort();
        // It was aborted: that is its outcome.
        let _ = (&mut self.control).await;
    }

    fn inner(&self) -> &Inner {
        self.inner.as_deref().expect("only `keep` and the destructor take it, and nothing is called after them")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.control.abort();
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        match Arc::get_mut(&mut inner) {
            Some(inner) => inner.servers.iter_mut().for_each(Server::kill_now),
            // The control task was not ended first, as when unwinding, and may be in the middle of a request.
            None => inner.servers.iter().for_each(Server::kill_by_number),
        }
        // The task may keep `inner` a little longer; the data goes now.
        let folder = inner.folder.lock().ok().and_then(|mut it| it.take());
        drop(folder);
    }
}

impl Inner {
    fn servers(&self) -> &[Server] {
        &self.servers
    }

    fn server(&self, name: &str) -> Result<&Server, Error> {
        self.servers.iter().find(|it| it.name() == name).ok_or_else(|| {
            let names = self.servers.iter().map(|it| it.name().to_owned()).collect();
            Error::NoSuchServer { name: name.to_owned(), servers: names }
        })
    }

    async fn wait_sync(&self) -> Result<(), Error> {
        topology::wait_sync(&self.servers, &*self.dialect).await
    }

    async fn stop_replication(&self, name: &str) -> Result<(), Error> {
        self.server(name)?.sql(self.dialect.stop_replication()).await.map(drop)
    }

    async fn start_replication(&self, name: &str) -> Result<(), Error> {
        self.server(name)?.sql(self.dialect.start_replication()).await.map(drop)
    }

    async fn delay_replication(&self, name: &str, seconds: u32) -> Result<(), Error> {
        let server = self.server(name)?;
        for statement in self.dialect.delay(seconds) {
            server.sql(&statement).await?;
        }
        Ok(())
    }

    async fn most_advanced<'a>(&self, names: &[&'a str]) -> Result<&'a str, Error> {
        let applied = format!("SELECT {}", self.dialect.applied());
        let positions = try_join_all(names.iter().map(async |it| self.server(it)?.sql(&applied).await)).await?;
        for name in names {
            let has = positions.iter().map(|it| self.dialect.has(it.first().unwrap_or_default()));
            let answers = try_join_all(has.map(async |it| self.server(name)?.sql(&it).await)).await?;
            if answers.iter().all(|it| it.first() == Some("1")) {
                return Ok(name);
            }
        }
        Err(Error::Diverged { servers: names.iter().map(|it| (*it).to_owned()).collect() })
    }

    async fn promote(&self, name: &str) -> Result<(), Error> {
        promotion::promote(&self.servers, self.server(name)?, &*self.dialect).await
    }

    async fn renew(&self, name: &str, donor: &str) -> Result<(), Error> {
        renewal::renew(&self.servers, self.server(name)?, self.server(donor)?, &*self.dialect).await
    }

    async fn restore(&self, name: &str) -> Result<(), Error> {
        renewal::restore(self.server(name)?, &*self.dialect).await
    }
}

/// Finds or gets a server, and the data folder its copies begin with.
///
/// An installed server that cannot make a data folder (a security profile may confine it to its own) is passed over.
async fn prepare(flavor: Flavor, wish: &Wish, progress: &Progress) -> Result<(Installation, Template), Error> {
    let servers = workspace::servers_folder().map_err(|source| Error::Files { path: workspace::root(), source })?;
    if let Some(local) = provision::local(flavor, wish).await? {
        match Template::prepare(&local, &servers, progress).await {
            Ok(template) => return Ok((local, template)),
            Err(error) if local.origin == Origin::Named => return Err(error),
            Err(_) => {
                progress.line(&format!(
                    "{flavor}: `{}` cannot be used for tests; getting another",
                    local.program.display()
                ));
            }
        }
    }
    let installation = provision::from_archive(flavor, &servers, progress).await?;
    let template = Template::prepare(&installation, &servers, progress).await?;
    Ok((installation, template))
}

/// What can go wrong with servers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no server to start.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// A file or folder could not be used.
    #[error("cannot use `{}`", path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room for the servers' data.
    #[error(
        "no room for the servers: `{}` has {free} MB free and {needed} MB are needed (`TMPDIR` names another folder)",
        folder.display()
    )]
    NoSpace {
        /// Where the data would be.
        folder: PathBuf,
        /// Free megabytes, rounded down.
        free: u64,
        /// Megabytes that the servers would use, rounded up.
        needed: u64,
    },
    /// A server could not make its data folder.
    #[error("{flavor} `{}` cannot initialise a data folder: {output}", program.display())]
    Initialise {
        /// Which flavour.
        flavor: Flavor,
        /// The server's program.
        program: PathBuf,
        /// The last lines it wrote.
        output: String,
    },
    /// No port was free.
    #[error("no free port on 127.0.0.1")]
    NoPort {
        /// What the system said last.
        source: io::Error,
    },
    /// A server's process could not be made.
    #[error("cannot start `{server}`")]
    Spawn {
        /// Which server.
        server: String,
        /// What the system said.
        source: io::Error,
    },
    /// A server ended instead of answering.
    #[error("`{server}` ended while it started:\n{log}")]
    Died {
        /// Which server.
        server: String,
        /// The last lines it wrote.
        log: String,
    },
    /// A server does not answer.
    #[error("`{server}` did not answer within {seconds} s")]
    Silent {
        /// Which server.
        server: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A server is running and should not.
    #[error("`{server}` is running already")]
    Running {
        /// Which server.
        server: String,
    },
    /// A server is not running and should.
    #[error("`{server}` is not running")]
    NotRunning {
        /// Which server.
        server: String,
    },
    /// The system refused a signal.
    #[error("cannot signal `{server}`")]
    Signal {
        /// Which server.
        server: String,
        /// What the system said.
        source: io::Error,
    },
    /// A statement failed.
    #[error("`{server}` did not run the statement")]
    Sql {
        /// Which server.
        server: String,
        /// What it or the connection said.
        source: sqlx::Error,
    },
    /// A replica does not follow.
    #[error("`{server}` does not replicate")]
    NotReplicating {
        /// Which server.
        server: String,
    },
    /// A replica does not catch up.
    #[error("`{server}` did not catch up within {seconds} s")]
    Behind {
        /// Which server.
        server: String,
        /// How long it was waited for.
        seconds: u32,
    },
    /// A server is the primary and should not be.
    #[error("`{server}` is the primary")]
    Primary {
        /// Which server.
        server: String,
    },
    /// Of several replicas each has something that another one lacks.
    #[error("none of `{}` has all that the others have", servers.join("`, `"))]
    Diverged {
        /// Which servers.
        servers: Vec<String>,
    },
    /// A name that no server has.
    #[error("no server `{name}`; there are `{}`", servers.join("`, `"))]
    NoSuchServer {
        /// What was asked for.
        name: String,
        /// What there is.
        servers: Vec<String>,
    },
}
