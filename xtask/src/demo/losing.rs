//! Act two: a replica dies, and reads go on.
//!
//! Several tasks read without a pause through the same handle, as the requests of a service do. Each answer names the server that
//! gave it, so that what is counted is what the servers say and not what the router believes.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ms_pool::Cluster as Db;
use sqlx::Row;
use tokio::{task::JoinSet, time::sleep};
use xtask::{cluster::Cluster, progress::Progress};

use super::{Failed, claim, shop::Shop};
use crate::screen::{Column, Screen, failures, text};

/// Tasks that read.
const READERS: usize = 4;
/// How long each phase is watched.
const WATCHED: Duration = Duration::from_millis(700);
/// How long a replica may be left out that is back: the memory of its failure ends after a second, or two.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two reads of a task: a machine with two cores also runs the servers.
const BREATH: Duration = Duration::from_millis(1);

const READ: &str = "SELECT @@port, COUNT(*) FROM orders";
const VICTIM: &str = "replica1";

/// What happens meanwhile.
const PHASES: [&str; 3] = ["both replicas up", "kill -9 replica1", "replica1 is back"];
/// The reads are over.
const END: usize = PHASES.len();

/// What came of the reads of one phase.
#[derive(Debug, Default)]
struct Tally {
    /// Answers by the port that gave them.
    answers: BTreeMap<u16, usize>,
    errors: Vec<sqlx::Error>,
    longest: Duration,
}

impl Tally {
    fn add(&mut self, other: Self) {
        for (port, count) in other.answers {
            *self.answers.entry(port).or_default() += count;
        }
        self.errors.extend(other.errors);
        self.longest = self.longest.max(other.longest);
    }

    fn total(&self) -> usize {
        self.answers.values().sum()
    }

    fn of(&self, port: u16) -> usize {
        self.answers.get(&port).copied().unwrap_or_default()
    }
}

pub(super) async fn act(
    shop: &Shop,
    cluster: &Cluster,
    progress: &Progress,
    screen: &mut Screen,
) -> Result<(), Failed> {
    screen.heading("2. A replica dies, and reads go on")?;
    screen.paragraph(&format!(
        "{READERS} tasks read without a pause. One replica is killed with SIGKILL under them and started again later. Each answer \
         names its server.",
    ))?;
    let step = progress.step("reading while replica1 is killed and comes back");
    let tallies = watch(shop, cluster).await?;
    step.finish("read while replica1 was killed and came back");
    show(&tallies, cluster, screen)?;
    check(&tallies, cluster)?;
    tell(&tallies[1], screen)?;
    Ok(())
}

/// Reads through all phases and returns what came of it, phase by phase.
async fn watch(shop: &Shop, cluster: &Cluster) -> Result<[Tally; END], Failed> {
    let victim = cluster.server(VICTIM)?;
    let phase = Arc::new(AtomicUsize::new(0));
    // Dropped on the way out of an error or an interrupt, it ends the tasks.
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(read(shop.db.clone(), Arc::clone(&phase)));
    }
    sleep(WATCHED).await;
    phase.store(1, Ordering::Relaxed);
    victim.kill9().await?;
    sleep(WATCHED).await;
    victim.start().await?;
    phase.store(2, Ordering::Relaxed);
    // Reads leave it out until one of them has tried it.
    let deadline = Instant::now() + PATIENCE;
    while shop.db.state().iter().any(|it| &*it.name == VICTIM && it.outage.is_some()) {
        claim("a replica that is back is tried again", Instant::now() < deadline, || "nobody did".to_owned())?;
        sleep(BREATH).await;
    }
    sleep(WATCHED).await;
    phase.store(END, Ordering::Relaxed);

    let mut all: [Tally; END] = Default::default();
    for one in readers.join_all().await {
        all.iter_mut().zip(one).for_each(|(sum, tally)| sum.add(tally));
    }
    Ok(all)
}

/// One task: reads until the end and counts each read in the phase it ended in.
async fn read(db: Db, phase: Arc<AtomicUsize>) -> [Tally; END] {
    let mut tallies: [Tally; END] = Default::default();
    loop {
        let began = Instant::now();
        let outcome = sqlx::query(READ).fetch_one(&db).await.and_then(|row| row.try_get_unchecked::<u64, _>(0));
        let now = phase.load(Ordering::Relaxed);
        let Some(tally) = tallies.get_mut(now) else {
            return tallies;
        };
        tally.longest = tally.longest.max(began.elapsed());
        match outcome {
            Ok(port) => *tally.answers.entry(u16::try_from(port).unwrap_or_default()).or_default() += 1,
            Err(error) => tally.errors.push(error),
        }
        sleep(BREATH).await;
    }
}

fn show(tallies: &[Tally; END], cluster: &Cluster, screen: &mut Screen) -> Result<(), Failed> {
    let rows = PHASES.iter().zip(tallies).map(|(phase, tally)| {
        let on = |name| cluster.server(name).map_or(0, |it| tally.of(it.port()));
        [
            text(phase),
            text(tally.total().to_string()),
            failures(tally.errors.len() as u64),
            text(on("replica1").to_string()),
            text(on("replica2").to_string()),
            text(on("primary").to_string()),
            text(format!("{:.1} ms", tally.longest.as_secs_f64() * 1e3)),
        ]
    });
    let numbers = ["reads", "errors", "replica1", "replica2", "primary", "longest"].map(Column::Number);
    let [reads, errors, replica1, replica2, primary, longest] = numbers;
    screen.table([Column::Text("meanwhile"), reads, errors, replica1, replica2, primary, longest], rows)?;
    Ok(())
}

/// What the death of a server meant to the reads.
fn tell(during: &Tally, screen: &mut Screen) -> io::Result<()> {
    let Some(error) = during.errors.first() else {
        return screen.paragraph("No read failed: those that found replica1 dead went on to the next server.");
    };
    screen.paragraph(&format!(
        "{} of the {READERS} tasks had a read under way on replica1 when it died, part of its answer already seen, and got error {}. \
         Reads that had seen nothing yet were run again; every read after it went to a server that lives.",
        during.errors.len(),
        ms_pool::code(error),
    ))
}

fn check([before, during, after]: &[Tally; END], cluster: &Cluster) -> Result<(), Failed> {
    let (victim, other) = (cluster.server(VICTIM)?.port(), cluster.server("replica2")?.port());
    let seen = |tally: &Tally| format!("{tally:?}");
    claim("both replicas answer reads", before.of(victim) > 0 && before.of(other) > 0, || seen(before))?;
    let errors = before.errors.len() + after.errors.len();
    claim("no read fails while all servers are up", errors == 0, || format!("{errors} errors"))?;
    // A task has one read under way at a time, so the death of a server can hit each of them once.
    let hit = during.errors.len();
    claim("a dead server fails no read but those under way on it", hit <= READERS, || format!("{hit} errors"))?;
    claim("reads go on without the dead replica", during.of(other) > during.of(victim), || seen(during))?;
    claim("a replica that is back answers reads again", after.of(victim) > 0, || seen(after))
}
