//! The process that moves money until it is killed.
//!
//! What it was told about a transfer it writes down at once, a line each, for the audit: `c` committed, `r` rolled back, `u` in doubt.

use std::{
    io::Write,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use fastrand::Rng;
use ms_pool::{Cluster, Error, Xa, XaFailure};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Executor};
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStdout, Command},
    task::{JoinHandle, JoinSet},
};

use super::{
    bank::{ACCOUNTS, Bank, Failed, SERVERS},
    failpoint::Failpoint,
};

/// Transfers that are under way at the same time.
const TASKS: u32 = 6;

/// The steps at which a worker can be killed.
pub(super) const POINTS: [&str; 16] = [
    "before enlist",
    "after enlist",
    "before start",
    "after start",
    "before prepare",
    "after prepare",
    "before decide",
    "after decide",
    "before commit",
    "after commit",
    "before commitonephase",
    "after commitonephase",
    "before rollback",
    "after rollback",
    "before finish",
    "after finish",
];

/// What a worker is told by who starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// The file with the servers
    #[arg(long)]
    config: PathBuf,
    /// Makes its names its own
    #[arg(long)]
    round: u32,
    #[arg(long)]
    seed: u64,
    /// Where it kills itself
    #[arg(long, requires = "time")]
    point: Option<String>,
    /// The how many-th time
    #[arg(long)]
    time: Option<u32>,
}

/// A worker that was started.
pub(super) struct Worker {
    child: Child,
    told: JoinHandle<Vec<u8>>,
}

impl Worker {
    pub(super) async fn start(bank: &Bank, round: u32, seed: u64, point: Option<(&str, u32)>) -> Result<Self, Failed> {
        let program = std::env::current_exe().map_err(Failed::Worker)?;
        let mut command = Command::new(program);
        command.args(["torture", "xa-worker", "--config"]).arg(bank.config());
        command.args(["--round", &round.to_string(), "--seed", &seed.to_string()]);
        if let Some((point, time)) = point {
            command.args(["--point", point, "--time", &time.to_string()]);
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(Failed::Worker)?;
        let stdout = child.stdout.take().expect("it is piped");
        Ok(Self { child, told: tokio::spawn(read(stdout)) })
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) -> Result<(), Failed> {
        // It may have ended by itself.
        let pid = self.child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, signal).map_err(|error| Failed::Worker(error.into()))?;
        }
        Ok(())
    }

    pub(super) fn stop(&self) -> Result<(), Failed> {
        self.signal(Signal::STOP)
    }

    pub(super) fn go_on(&self) -> Result<(), Failed> {
        self.signal(Signal::CONT)
    }

    /// Kills it, and returns what it was told: the letter and the name, for each transfer.
    pub(super) async fn kill(mut self) -> Result<Vec<(char, String)>, Failed> {
        _ = self.child.start_kill();
        self.child.wait().await.map_err(Failed::Worker)?;
        let told = self.told.await.map_err(|error| Failed::Worker(error.into()))?;
        let told = String::from_utf8_lossy(&told).into_owned();
        // The last line may be half a line.
        let complete = told.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let line =
            |line: &str| line.split_once(' ').and_then(|(how, name)| Some((how.chars().next()?, name.to_owned())));
        Ok(complete.lines().filter_map(line).collect())
    }
}

async fn read(mut stdout: ChildStdout) -> Vec<u8> {
    let mut all = Vec::new();
    _ = stdout.read_to_end(&mut all).await;
    all
}

/// The worker's own half.
pub(crate) async fn work(args: &WorkerArgs) -> Result<bool, Failed> {
    if let (Some(point), Some(time)) = (&args.point, args.time) {
        tracing::subscriber::set_global_default(Failpoint::at(point, time)).expect("nobody else listens");
    }
    let db = Cluster::builder().config_file(&args.config).section("bank").build().map_err(Failed::Library)?;
    let mut rng = Rng::with_seed(args.seed);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (db, mut rng, round) = (db.clone(), rng.fork(), args.round);
        tasks.spawn(async move {
            for number in 0_u32.. {
                let gtrid = format!("t-{round}-{task}-{number}");
                let told = match transfer(&db, &gtrid, &mut rng).await {
                    Ok(told) => told,
                    // Servers are being killed: whatever it was, it is not committed.
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        'r'
                    }
                };
                // One write each, so that nothing is held back when the process is killed.
                _ = std::io::stdout().write_all(format!("{told} {gtrid}\n").as_bytes());
            }
        });
    }
    tasks.join_next().await;
    Ok(true)
}

/// One transfer between two or three accounts; sometimes it stays on one server.
async fn transfer(db: &Cluster, gtrid: &str, rng: &mut Rng) -> Result<char, sqlx::Error> {
    let mut xa = db.xa(gtrid).begin().await?;
    let mut places = SERVERS;
    rng.shuffle(&mut places);
    let places = &places[..if rng.u8(..6) == 0 { 1 } else { rng.usize(2..=3) }];
    let mut rest = 0;
    for (at, place) in places.iter().enumerate() {
        let cents = if at + 1 == places.len() { -rest } else { rng.i64(-100..=100) };
        rest += cents;
        book(&mut xa, place, gtrid, cents, places.len(), rng).await?;
    }
    let ended = match rng.u8(..20) {
        0 => {
            drop(xa);
            return Ok('r');
        }
        1 | 2 => xa.rollback().await.map(|()| 'r'),
        _ => xa.commit().await.map(|()| 'c'),
    };
    Ok(match ended {
        Ok(how) => how,
        Err(Error::GlobalTransaction { outcome: XaFailure::InDoubt, .. }) => 'u',
        Err(_) => 'r',
    })
}

async fn book(
    xa: &mut Xa,
    place: &str,
    gtrid: &str,
    cents: i64,
    servers: usize,
    rng: &mut Rng,
) -> Result<(), sqlx::Error> {
    let account = rng.u32(..ACCOUNTS);
    let update = format!("UPDATE account SET cents = cents + ({cents}) WHERE id = {account}");
    xa.on(place)?.execute(AssertSqlSafe(update)).await?;
    let insert = format!("INSERT INTO ledger VALUES ('{gtrid}', {cents}, {servers})");
    xa.on(place)?.execute(AssertSqlSafe(insert)).await?;
    Ok(())
}
