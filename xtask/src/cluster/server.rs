//! One server process, and what can be done to it.
//!
//! A server owns its data folder, its port and its process; all three go when it goes. It can be killed, frozen and started again
//! on the same data and port any number of times, which is what a fault is to its clients.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering},
    time::Duration,
};

use futures_util::TryStreamExt;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, mysql::MySqlConnectOptions, mysql::MySqlSslMode};
use tokio::{
    process::Child,
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use super::{
    Error, Role,
    certificates::Certificates,
    dialect::{Dialect, path_option},
    ports::Lease,
    rows::Rows,
    spawn::{Lifetime, Start},
    template::{Template, as_root},
};
use crate::provision::Installation;

/// Longer than any start takes, recovery after a kill included.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// How long a statement sent by this program may take.
const SQL_PATIENCE: Duration = Duration::from_secs(60);

/// Tries to find a port that another program does not take first.
const PORT_TRIES: usize = 5;

/// How often and how soon a frozen process is looked at.
const PAUSE_POLLS: usize = 200;
const PAUSE_POLL: Duration = Duration::from_millis(5);

/// A server of a [`Cluster`](super::Cluster).
#[derive(Debug)]
pub struct Server {
    name: String,
    /// Roles change while servers run: one is promoted, another one follows it.
    is_primary: AtomicBool,
    /// `server_id`; a server that was made anew has another one.
    id: AtomicU32,
    lease: Lease,
    folder: PathBuf,
    /// What it is always started with.
    argv: Vec<OsString>,
    /// What it is started with as a replica.
    read_only: &'static str,
    lifetime: Lifetime,
    process: Mutex<Process>,
    /// The running process, or 0; for the one case where `process` cannot be locked, being dropped in the middle of work.
    pid: AtomicI32,
}

/// What a server's process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Answering.
    Running,
    /// Stopped by a signal: connections are accepted by the kernel and nobody answers.
    Paused,
    /// Not there.
    Stopped,
}

impl State {
    /// The word for it in the control protocol.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Debug, Default)]
struct Process {
    child: Option<Child>,
    paused: bool,
}

impl Process {
    /// The child, unless it has ended.
    fn running(&mut self) -> Option<&mut Child> {
        let child = self.child.as_mut()?;
        matches!(child.try_wait(), Ok(None)).then_some(child)
    }
}

/// What all servers of a cluster have in common.
pub(super) struct Plan<'a> {
    pub(super) installation: &'a Installation,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) template: &'a Template,
    pub(super) certificates: &'a Certificates,
    pub(super) folder: &'a Path,
    pub(super) lifetime: Lifetime,
}

impl Server {
    /// Creates a server's data and starts it, on another port if somebody takes the first one.
    pub(super) async fn launch(plan: &Plan<'_>, name: &str, role: Role, id: u32) -> Result<Self, Error> {
        let folder = plan.folder.join(name);
        let files = |source| Error::Files { path: folder.clone(), source };
        fs::create_dir(&folder).map_err(files)?;
        fs::create_dir(folder.join("tmp")).map_err(files)?;
        plan.template.copy(&folder.join("data")).await?;

        let mut tries = 0;
        loop {
            let lease = Lease::take().map_err(|source| Error::NoPort { source })?;
            plan.dialect.individualise(&folder.join("data"), lease.port(), id).map_err(files)?;
            let it = Self {
                name: name.to_owned(),
                is_primary: AtomicBool::new(role == Role::Primary),
                id: AtomicU32::new(id),
                argv: argv(plan, &folder, lease.port()),
                read_only: plan.dialect.read_only(),
                lease,
                folder: folder.clone(),
                lifetime: plan.lifetime,
                process: Mutex::default(),
                pid: AtomicI32::new(0),
            };
            tries += 1;
            match it.start().await {
                Ok(()) => return Ok(it),
                Err(Error::Died { log, .. }) if tries < PORT_TRIES && names_a_taken_port(&log) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Its name in the cluster: `primary`, `replica1` …
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its part in the cluster, as it is now.
    #[must_use]
    pub fn role(&self) -> Role {
        if self.is_primary.load(Ordering::Relaxed) { Role::Primary } else { Role::Replica }
    }

    /// The TCP port, on `127.0.0.1`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// The Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.with_extension("sock")
    }

    /// What the server wrote about itself.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The address of database `test` for user `app`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://app:app@127.0.0.1:{}/test", self.port())
    }

    /// The process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|it| *it != 0)
    }

    /// What the process is doing; a server that ended by itself is found out here.
    pub async fn state(&self) -> State {
        let mut process = self.process.lock().await;
        if process.running().is_none() {
            self.forget(&mut process);
            return State::Stopped;
        }
        if process.paused { State::Paused } else { State::Running }
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// Fails when it runs already, or ends or stays silent instead of answering.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a server whose start is abandoned runs, and may not be ready yet.
    pub async fn start(&self) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        self.start_in(&mut process, &[]).await
    }

    /// The same with options that hold until it is started again.
    pub(super) async fn start_with(&self, options: &[&str]) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        self.start_in(&mut process, options).await
    }

    /// Kills the process as a crash would, and reaps it. A server that does not run is left alone.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses the signal.
    pub async fn kill9(&self) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        self.reap(&mut process).await
    }

    /// Freezes the process: its connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// Fails when the server does not run.
    pub async fn pause(&self) -> Result<(), Error> {
        self.signal(Signal::STOP, true).await
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    ///
    /// Fails when the server does not run.
    pub async fn resume(&self) -> Result<(), Error> {
        self.signal(Signal::CONT, false).await
    }

    /// Kills the process if there is one, and starts it again.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub async fn restart(&self) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        self.reap(&mut process).await?;
        self.spawn(&mut process, &[]).await
    }

    /// Runs statements as root, over the socket.
    ///
    /// # Errors
    ///
    /// Fails when the server refuses a statement, does not run, or does not answer within a minute.
    pub async fn sql(&self, statements: &str) -> Result<Rows, Error> {
        match timeout(SQL_PATIENCE, self.run(statements)).await {
            Ok(outcome) => outcome.map_err(|source| Error::Sql { server: self.name.clone(), source }),
            Err(_) => Err(Error::Silent { server: self.name.clone(), seconds: SQL_PATIENCE.as_secs() }),
        }
    }

    /// Another part in the cluster, from the next start on.
    pub(super) fn set_role(&self, role: Role) {
        self.is_primary.store(role == Role::Primary, Ordering::Relaxed);
    }

    /// Its `server_id`.
    pub(super) fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    /// Another `server_id`, from the next start on.
    pub(super) fn set_id(&self, id: u32) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// Where its data is.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Kills and reaps without a runtime to wait in, for a destructor.
    pub(super) fn kill_now(&mut self) {
        let Some(child) = &mut self.process.get_mut().child else {
            return;
        };
        // An error means that it ended before.
        let _ = child.start_kill();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while matches!(child.try_wait(), Ok(None)) && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills without waiting, when somebody else has hold of the process and is about to let go of it.
    pub(super) fn kill_by_number(&self) {
        if let Some(pid) = self.pid().and_then(Pid::from_raw) {
            // An error means that it ended before.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Lets the process outlive this program.
    pub(super) fn leave_running(&mut self) {
        // Dropping the handle would kill it.
        std::mem::forget(self.process.get_mut().child.take());
    }

    async fn start_in(&self, process: &mut Process, options: &[&str]) -> Result<(), Error> {
        if process.running().is_some() {
            return Err(Error::Running { server: self.name.clone() });
        }
        self.spawn(process, options).await
    }

    async fn spawn(&self, process: &mut Process, options: &[&str]) -> Result<(), Error> {
        let files = |source| Error::Files { path: self.log(), source };
        // A killed server leaves them; the lock names a process number that may be in use again.
        for leftover in ["sock", "sock.lock"] {
            let _ = fs::remove_file(self.folder.with_extension(leftover));
        }
        let output = File::options().create(true).append(true).open(self.log()).map_err(files)?;
        let earlier = output.metadata().map_err(files)?.len();
        let start = Start { argv: self.argv_now(options), output, lifetime: self.lifetime };
        let child = start.spawn().await.map_err(|source| Error::Spawn { server: self.name.clone(), source })?;
        let pid = child.id().and_then(|it| it.try_into().ok()).unwrap_or(0);
        self.pid.store(pid, Ordering::Relaxed);
        *process = Process { child: Some(child), paused: false };

        let outcome = self.until_ready(process, earlier).await;
        if outcome.is_err() {
            self.reap(process).await?;
        }
        outcome
    }

    fn argv_now(&self, options: &[&str]) -> Vec<OsString> {
        let mut argv = self.argv.clone();
        argv.push(format!("--server-id={}", self.id()).into());
        if self.role() == Role::Replica {
            argv.push(self.read_only.into());
        }
        argv.extend(options.iter().map(OsString::from));
        argv
    }

    /// Waits for the first answer; `earlier` is the length of the log before this start.
    async fn until_ready(&self, process: &mut Process, earlier: u64) -> Result<(), Error> {
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            if process.running().is_none() {
                return Err(Error::Died { server: self.name.clone(), log: last_lines(&self.log(), earlier) });
            }
            // A server listens before it answers; a try that hangs must not hide that it died.
            if let Ok(Ok(_)) = timeout(Duration::from_secs(2), self.run("SELECT 1")).await {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(Error::Silent { server: self.name.clone(), seconds: START_PATIENCE.as_secs() })
    }

    async fn run(&self, statements: &str) -> Result<Rows, sqlx::Error> {
        // None of what sqlx sets by default: the session is as the server's own client would have it.
        let options = MySqlConnectOptions::new()
            .socket(self.socket())
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false);
        let mut connection = options.connect().await?;
        let mut rows = Rows::default();
        {
            let mut stream = sqlx::raw_sql(AssertSqlSafe(statements)).fetch(&mut connection);
            while let Some(row) = stream.try_next().await? {
                rows.push(&row)?;
            }
        }
        connection.close().await?;
        Ok(rows)
    }

    async fn signal(&self, signal: Signal, paused: bool) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        let refused = |source: io::Error| Error::Signal { server: self.name.clone(), source };
        // A child that was not waited for keeps its number, so the signal cannot hit anybody else.
        let pid = process.running().and_then(|it| it.id()).and_then(|it| Pid::from_raw(it.try_into().ok()?));
        let Some(pid) = pid else {
            return Err(Error::NotRunning { server: self.name.clone() });
        };
        kill_process(pid, signal).map_err(|it| refused(it.into()))?;
        process.paused = paused;
        if paused {
            // The signal reaches one thread after the other; until it has reached all, the server may still answer.
            for _ in 0..PAUSE_POLLS {
                if threads_are_stopped(pid) {
                    break;
                }
                sleep(PAUSE_POLL).await;
            }
        }
        Ok(())
    }

    async fn reap(&self, process: &mut Process) -> Result<(), Error> {
        if let Some(child) = &mut process.child {
            child.kill().await.map_err(|source| Error::Signal { server: self.name.clone(), source })?;
        }
        self.forget(process);
        Ok(())
    }

    fn forget(&self, process: &mut Process) {
        *process = Process::default();
        self.pid.store(0, Ordering::Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_now();
    }
}

fn argv(plan: &Plan<'_>, folder: &Path, port: u16) -> Vec<OsString> {
    let mut argv = plan.installation.argv();
    argv.push("--no-defaults".into());
    argv.extend(as_root().map(OsString::from));
    argv.extend([
        path_option("--datadir", &folder.join("data")),
        path_option("--tmpdir", &folder.join("tmp")),
        path_option("--pid-file", &folder.join("pid")),
        path_option("--socket", &folder.with_extension("sock")),
        path_option("--ssl-ca", &plan.certificates.ca),
        path_option("--ssl-cert", &plan.certificates.server),
        path_option("--ssl-key", &plan.certificates.server_key),
    ]);
    argv.extend([format!("--port={port}"), format!("--report-port={port}")].map(OsString::from));
    argv.extend(
        [
            "--bind-address=127.0.0.1",
            "--report-host=127.0.0.1",
            "--skip-name-resolve",
            "--max-connections=500",
            "--table-open-cache=400",
        ]
        .map(OsString::from),
    );
    argv.extend(plan.dialect.options(plan.installation));
    argv
}

fn names_a_taken_port(log: &str) -> bool {
    log.contains("Address already in use") || log.contains("running on port")
}

/// The end of a server's log, without what it held before byte `from`.
pub(super) fn last_lines(log: &Path, from: u64) -> String {
    let read = || {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().filter(|it| !it.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
/// Whether no thread of a process runs any more, as far as the system tells.
fn threads_are_stopped(process: Pid) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())) else {
        return true;
    };
    // The state is the first field behind the name, which stands in parentheses.
    let is_stopped = |stat: String| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('T'));
    threads.flatten().all(|thread| fs::read_to_string(thread.path().join("stat")).map_or(true, is_stopped))
}
