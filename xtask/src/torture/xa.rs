//! `cargo xtask torture xa`: does money stay where it is when those who move it are killed?
//!
//! A [`worker`] is a process that moves money between accounts on three servers, by global transactions, as fast as it can. It is
//! killed: at any moment, or at a certain step of a transaction. Servers are killed and restarted too, the one with the store among
//! them, or the worker is stopped for longer than its lease and goes on after others have taken over. Each time recovery has to bring
//! everything to one end, which has to outlive a server that is killed right after it, and then the [`bank`] is audited: the sum is right on every server, no transfer is on some of its
//! servers only, none that was reported as committed is missing, none that was reported as rolled back is there, and nothing is
//! prepared anywhere.

use std::{collections::BTreeMap, fmt, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};
use xtask::{
    cluster::{Cluster, Spec, Topology},
    progress::Progress,
    provision::{Flavor, Wish},
};

use self::{
    bank::{Audit, Bank, Failed, SERVERS, STORE},
    worker::{POINTS, Worker},
};
use crate::screen::{Column, Screen, text};

mod bank; // accounts on three servers, and their audit
mod failpoint; // kills its own process at a step
mod worker; // the process that is killed

pub(crate) use self::worker::{WorkerArgs, work};

/// How long a worker has before it is killed at the latest.
const LONGEST: Duration = Duration::from_secs(3);
/// A run that is given neither kills nor time.
const DEFAULT_SECONDS: u64 = 60;

/// Kills processes that move money between servers, and servers, and audits the accounts after each recovery
///
/// Three servers with accounts and one with the state store. A child process transfers money between the accounts by global
/// transactions and is killed (SIGKILL) at random moments and at every step of the protocol; servers are killed in the middle, or the
/// process is stopped for longer than its lease. After each recovery the sums have to be right, every transfer has to be on all of its
/// servers or on none, as was reported, and no branch may be left prepared.
///
/// The exit code is 1 when an audit fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavor::MariaDb)]
    flavor: Flavor,
    /// How long [default: 60, or without end with --kills]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Ends after so many kills
    #[arg(long, value_name = "N")]
    kills: Option<u32>,
    /// Repeats the choices of another run; what happens between them differs all the same
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    wish: Wish,
}

/// What is done to a worker or its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// SIGKILL, at any moment.
    Anytime,
    /// SIGKILL by its own hand, at this step.
    At(&'static str),
    /// A server with accounts dies, and a moment later the worker.
    Server,
    /// The server with the store dies, and a moment later the worker.
    Store,
    /// The worker is stopped, its transactions are recovered, and it goes on.
    Pause,
    /// A server with accounts dies, comes back, and the worker goes on.
    Restart,
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anytime => "killed at any moment",
            Self::At(point) => return write!(f, "killed {point}"),
            Self::Server => "killed with a server",
            Self::Store => "killed with the store",
            Self::Pause => "stopped past its lease",
            Self::Restart => "a server killed under it",
        })
    }
}

/// What came of all of them.
#[derive(Debug, Default)]
struct Tally {
    blows: BTreeMap<Blow, u32>,
    kills: u32,
    transfers: u64,
    reported: [u64; 3],
    committed: u64,
    rolled_back: u64,
    presumed: u64,
    passes: u32,
    /// Servers that were killed when recovery was through.
    afterwards: u32,
    violations: Vec<String>,
}

/// Whether every audit was good.
pub(crate) async fn run(args: &Args) -> Result<bool, Failed> {
    let mut screen = Screen::stdout();
    let progress = Progress::stderr();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let topology = Topology::Independent(SERVERS.len() + 1);
    let spec = Spec { topology, wish: args.wish.clone(), ..Spec::new(args.flavor) };
    let servers = Cluster::start(&spec, &progress).await?;
    let title = format!("{} {}, seed {seed}", args.flavor, servers.version());
    let bank = Bank::open(servers).await?;

    let began = Instant::now();
    let seconds = args.seconds.or((args.kills.is_none()).then_some(DEFAULT_SECONDS));
    let until = seconds.map(|it| began + Duration::from_secs(it));
    let (mut rng, mut tally) = (Rng::with_seed(seed), Tally::default());
    let step = progress.step(format!("{title}: killing"));
    for round in 0.. {
        let enough = args.kills.is_some_and(|it| tally.kills >= it) || until.is_some_and(|it| Instant::now() > it);
        if enough || !tally.violations.is_empty() {
            break;
        }
        let blow = blow(round, &mut rng);
        one_round(&bank, round, blow, &mut rng, &mut tally).await?;
        step.count(tally.kills as usize, args.kills.unwrap_or(tally.kills) as usize);
    }
    step.finish(&title);
    report(&mut screen, &title, &tally, began.elapsed())?;
    Ok(tally.violations.is_empty())
}

/// Every step has its turn, and in between everything else.
fn blow(round: u32, rng: &mut Rng) -> Blow {
    let points = u32::try_from(POINTS.len()).expect("they are a handful");
    if round.is_multiple_of(2) {
        return Blow::At(POINTS[(round / 2 % points) as usize]);
    }
    match rng.u8(..8) {
        0 | 1 => Blow::Anytime,
        2 | 3 => Blow::Server,
        4 => Blow::Store,
        5 | 6 => Blow::Pause,
        _ => Blow::Restart,
    }
}

async fn one_round(bank: &Bank, round: u32, blow: Blow, rng: &mut Rng, tally: &mut Tally) -> Result<(), Failed> {
    let point = match blow {
        Blow::At(point) => Some((point, rng.u32(1..20))),
        _ => None,
    };
    let mut worker = Worker::start(bank, round, rng.u64(..), point).await?;
    let moment = Duration::from_millis(rng.u64(30..400));
    let mut dead = None;
    match blow {
        Blow::At(_) => {
            // It does it itself; one that never gets there is killed in the end.
            _ = timeout(LONGEST, worker.ended()).await;
        }
        Blow::Anytime => sleep(moment).await,
        Blow::Server | Blow::Store => {
            sleep(moment).await;
            let name = if blow == Blow::Store { STORE } else { SERVERS[rng.usize(..SERVERS.len())] };
            bank.servers.server(name)?.kill9().await?;
            dead = Some(name);
            sleep(Duration::from_millis(rng.u64(..60))).await;
        }
        Blow::Restart => {
            sleep(moment).await;
            bank.servers.server(SERVERS[rng.usize(..SERVERS.len())])?.restart().await?;
            sleep(moment).await;
        }
        Blow::Pause => {
            sleep(moment).await;
            worker.stop()?;
            let recovered = bank.recover(rng).await?;
            tally.add(&recovered);
            worker.go_on()?;
            sleep(moment).await;
        }
    }
    let told = worker.kill().await?;
    if let Some(name) = dead {
        bank.servers.server(name)?.start().await?;
    }
    *tally.blows.entry(blow).or_default() += 1;
    tally.kills += 1 + u32::from(dead.is_some() || blow == Blow::Restart);
    let recovered = bank.recover(rng).await?;
    tally.add(&recovered);
    if rng.u8(..4) == 0 {
        // What is over must not come back.
        bank.servers.server(SERVERS[rng.usize(..SERVERS.len())])?.restart().await?;
        tally.afterwards += 1;
        tally.kills += 1;
    }
    let audit = bank.audit(&told).await?;
    tally.take(round, blow, audit);
    Ok(())
}

impl Tally {
    fn add(&mut self, recovered: &bank::Recovered) {
        self.committed += recovered.committed;
        self.rolled_back += recovered.rolled_back;
        self.presumed += recovered.presumed;
        self.passes += recovered.passes;
    }

    fn take(&mut self, round: u32, blow: Blow, audit: Audit) {
        self.transfers += audit.transfers;
        for (all, one) in self.reported.iter_mut().zip(audit.reported) {
            *all += one;
        }
        self.violations.extend(audit.violations.into_iter().map(|it| format!("round {round} ({blow}): {it}")));
    }
}

fn report(screen: &mut Screen, title: &str, tally: &Tally, took: Duration) -> Result<(), Failed> {
    screen.heading(title)?;
    let rows: Vec<_> =
        tally.blows.iter().map(|(blow, times)| [text(blow.to_string()), text(times.to_string())]).collect();
    screen.table([Column::Text("what happened"), Column::Number("times")], rows)?;
    let [committed, rolled_back, in_doubt] = tally.reported;
    screen.paragraph(&format!(
        "{} kills in {:.0} s. Workers reported {committed} transfers as committed, {rolled_back} as rolled back, {in_doubt} as in doubt; \
         {} are on the servers. Recovery committed {} and rolled back {} that were left behind in {} passes; of {} branches it found \
         nothing any more where that is no proof of either end. {} times a server was killed right after it.",
        tally.kills,
        took.as_secs_f64(),
        tally.transfers,
        tally.committed,
        tally.rolled_back,
        tally.passes,
        tally.presumed,
        tally.afterwards,
    ))?;
    if tally.violations.is_empty() {
        screen.line("Every audit was good.")?;
    }
    for violation in &tally.violations {
        screen.alarm(violation)?;
    }
    Ok(())
}
