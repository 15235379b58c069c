//! `cargo xtask torture consistency`: do scopes read what they wrote, whatever happens to the servers?
//!
//! [`users`] write and read through the library while [`faults`] are caused; what they did is a [`history`], which the [`checker`]
//! judges when it is over. Two more things are measured, without which a run without violations would prove nothing:
//!
//! - some scopes are promised nothing, under the same faults. There the checker has to find violations; if it does not, it is blind,
//!   or the faults are too mild;
//! - servers are looked at beside the library ([`sightings`]), so that it is known how many reads were at risk.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use tokio::task::JoinSet;
use xtask::{
    cluster::{Cluster, Server, Spec},
    progress::Progress,
    provision::{Flavor, Wish},
};

use self::{
    clients::{Level, Source},
    faults::Fault,
    history::{History, Promise, Scope},
    report::Report,
    sightings::Sightings,
    users::{Company, KEYS_EACH, User, lock},
    world::{Failed, Records, World},
};
use crate::screen::Screen;

mod checker; // what of it must not have
mod history; // what happened
mod report;
mod sightings; // what replicas were seen to have // all of it in a table

mod faults; // what is done to them
mod looking;
mod name; // a name that can lead to another server
mod world; // servers behind names // looks at them, beside the library

mod clients; // the library under test
mod hand; // what statements go through
mod users; // those who write and read

/// Users who write and read at the same time.
const USERS: u16 = 24;
/// Seconds of a run that is given no limit.
const DEFAULT_SECONDS: u64 = 30;
/// A run that is asked for pairs ends after this in any case.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// Writes and reads through the library while servers are delayed, killed and exchanged, and checks every read
///
/// One primary, two replicas and a server that stands by; clients know them by names that can lead to another server. Replicas
/// are delayed, stopped, frozen, killed, set back and exchanged behind their names; the primary is killed, changes places with a
/// replica, and dies with writes that nobody else has. Every read of every scope is held against what the scope was promised: to
/// read what it wrote, not to go back in time, to see nothing older than a second.
///
/// The exit code is 1 when a promise was broken, and also when the run proves nothing: when scopes that are promised nothing saw no
/// violation, or hardly any read was at risk.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavor::MariaDb)]
    flavor: Flavor,
    /// What most scopes are promised; with `eventual` the run has to find violations
    #[arg(long, value_enum, default_value_t = Level::Session)]
    level: Level,
    /// Where positions come from
    #[arg(long, value_enum, default_value_t = Source::Server)]
    source: Source,
    /// How long [default: 30, or 20 minutes with --pairs]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Ends when so many writes were read again
    #[arg(long, value_name = "N")]
    pairs: Option<u64>,
    /// Repeats the faults and visits of another run; what happens between them differs all the same
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wish: Wish,
}

/// What a run has shown.
struct Run {
    history: History,
    sightings: Sightings,
    diary: Vec<(Duration, String)>,
    /// The servers by their ports.
    ports: BTreeMap<u16, String>,
    faults: BTreeMap<Fault, u32>,
    /// By what was said.
    failures: BTreeMap<String, u64>,
    took: Duration,
}

/// Whether every promise was kept, and that was worth something.
pub(crate) async fn run(args: &Args) -> Result<bool, Failed> {
    let mut screen = Screen::stdout();
    if !args.source.exists_on(args.flavor) {
        screen.alarm(&format!("{} has no positions from `{}`", args.flavor, args.source.key()))?;
        return Ok(false);
    }
    let progress = Progress::stderr();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let spec = Spec { topology: world::TOPOLOGY, wish: args.wish.clone(), ..Spec::new(args.flavor) };
    let servers = Cluster::start(&spec, &progress).await?;
    let title = format!(
        "{} {}, {} level, positions from {}",
        args.flavor,
        servers.version(),
        args.level.key(),
        args.source.key()
    );

    let world = Arc::new(World::new(servers, USERS * KEYS_EACH).await?);
    clients::prepare(&world, args.source).await?;
    let step = progress.step(format!("{title}: seed {seed}"));
    let run = torture(args, &world, seed).await?;
    step.finish(&title);
    let report = Report::of(&run, args.level.promise(), users::AGE);
    if args.json {
        screen.line(&report.json(&title, seed).to_string())?;
    } else {
        report.show(&title, seed, &run, &mut screen)?;
    }
    Ok(report.is_good())
}

/// Lets users work and causes faults meanwhile.
async fn torture(args: &Args, world: &Arc<World>, seed: u64) -> Result<Run, Failed> {
    let mut rng = Rng::with_seed(seed);
    let longest = args.pairs.map_or(Duration::from_secs(DEFAULT_SECONDS), |_| LONGEST);
    let began = world.now();
    let mut open = |scope| Ok::<_, Failed>((clients::open(world, args.source, scope, rng.u64(..))?, scope));
    let company = Arc::new(Company {
        world: Arc::clone(world),
        processes: [open(Scope(0))?, open(Scope(1))?],
        promise: args.level.promise(),
        scopes: Mutex::new(vec![Promise::Process; 2]),
        pairs: AtomicU64::new(0),
        failures: Mutex::default(),
        wanted: args.pairs.unwrap_or(u64::MAX),
        until: began + args.seconds.map_or(longest, Duration::from_secs),
    });

    // Dropped on the way out of an error or an interrupt, these end the tasks.
    let mut looking = JoinSet::new();
    for it in world.servers.servers().iter().map(Server::name) {
        looking.spawn(looking::look(Arc::clone(world), it.to_owned()));
    }
    let mut users = JoinSet::new();
    for number in 0..USERS {
        users.spawn(User::new(Arc::clone(&company), number, rng.fork()).live());
    }
    let over = AtomicBool::new(false);
    let all = async {
        let mut operations = Vec::new();
        while let Some(done) = users.join_next().await {
            operations.extend(done?);
        }
        over.store(true, Ordering::Relaxed);
        Ok(operations)
    };
    let wanted = || !over.load(Ordering::Relaxed) && company.goes_on();
    let (mut operations, faults) = tokio::try_join!(all, faults::cause(world, rng.fork(), wanted))?;
    looking.shutdown().await;
    for (it, _) in &company.processes {
        it.close().await;
    }

    let Records { sightings, losses, told, diary } = world.records();
    operations.extend(told);
    let scopes = std::mem::take(&mut *lock(&company.scopes));
    let failures = std::mem::take(&mut *lock(&company.failures));
    Ok(Run {
        history: History { scopes, operations, losses },
        sightings,
        diary,
        ports: world.servers.servers().iter().map(|it| (it.port(), it.name().to_owned())).collect(),
        faults,
        failures,
        took: world.now() - began,
    })
}
