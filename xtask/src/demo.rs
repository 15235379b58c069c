//! `cargo xtask demo`: what this project does, on servers that are really there.
//!
//! A play in five acts: statements are split, a replica dies, a replica lags, the primary dies under a transaction, and the
//! counters are read. Nothing is staged. The
//! numbers are measured, the answers come from servers, and every claim on the screen is checked before it is made: if a read
//! fails that should not, or a stale answer turns out to be fresh, the demo stops with an error.

use std::{
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

use ms_pool::Cluster as Db;
use xtask::{
    cluster::{self, Cluster, Spec},
    interrupt::Interrupts,
    progress::Progress,
    provision::{self, Flavor, Wish},
};

use crate::{Outcome, screen::Screen};

mod shop; // the servers as a service would see them, with something in them

mod counting; // act five: the statistics
mod lagging; // act three: a replica that stands still
mod losing; // act two: a replica that dies
mod tearing; // act four: a transaction whose server dies

mod splitting; // act one: reads here, writes there

mod because; // a decision in plain words

/// Shows SQL being split over a real primary and two real replicas
///
/// Starts the servers, loads a small shop, and runs statements through ms-pool: which server took each, why, and how long that
/// took. Then a replica is killed while reads go on, another one is made to lag and who wrote reads past it, the primary is killed under a transaction, and
/// the statistics are shown. It takes some seconds, plus a download the first time. The servers and their data are gone
/// afterwards, also after Ctrl-C.
///
/// Everything that is claimed is checked on the way; the exit code is 1 when it did not happen.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which servers [default: mariadb, or mysql where that cannot be had]
    #[arg(long, value_enum)]
    flavor: Option<Flavor>,
    #[command(flatten)]
    wish: Wish,
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    let began = Instant::now();
    let progress = Progress::stderr();
    let cluster = tokio::select! {
        cluster = start(args, &progress) => cluster?,
        interrupt = interrupts.next() => return Ok(interrupt.exit_code()),
    };

    let mut screen = Screen::stdout();
    let outcome = tokio::select! {
        outcome = play(&cluster, &progress, &mut screen) => outcome.map(|()| None),
        interrupt = interrupts.next() => Ok(Some(interrupt)),
    };
    let stopped = cluster.stop().await;
    match outcome {
        Ok(None) => {}
        Ok(Some(interrupt)) => return Ok(interrupt.exit_code()),
        // The reader has seen enough (`| head`): no reason to complain, but not a whole demo either.
        Err(Failed::Screen(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::FAILURE),
        Err(error) => return Err(error.into()),
    }
    stopped?;
    close(&mut screen, began.elapsed())?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the servers asked for; without a wish those that can be had.
async fn start(args: &Args, progress: &Progress) -> Result<Cluster, cluster::Error> {
    let spec = |flavor| Spec { wish: args.wish.clone(), ..Spec::new(flavor) };
    let first = Cluster::start(&spec(args.flavor.unwrap_or(Flavor::MariaDb)), progress).await;
    match first {
        Err(cluster::Error::Provision(error @ provision::Error::Unavailable { .. })) if args.flavor.is_none() => {
            progress.line(&format!("{error}; trying {}", Flavor::MySql));
            Cluster::start(&spec(Flavor::MySql), progress).await
        }
        outcome => outcome,
    }
}

async fn play(cluster: &Cluster, progress: &Progress, screen: &mut Screen) -> Result<(), Failed> {
    let shop = shop::open(cluster).await?;
    screen.heading(&format!(
        "One primary, two replicas: {} {}, replicating by GTID",
        cluster.flavor(),
        cluster.version()
    ))?;
    screen.paragraph(&format!("The servers run in {} and listen on 127.0.0.1 only.", cluster.folder().display()))?;

    splitting::act(&shop, screen).await?;
    losing::act(&shop, cluster, progress, screen).await?;
    lagging::act(&shop, cluster, screen).await?;
    tearing::act(&shop, cluster, progress, screen).await?;
    counting::act(&shop, screen)?;
    shop.db.close().await;
    Ok(())
}

fn close(screen: &mut Screen, took: Duration) -> io::Result<()> {
    screen.heading("That was it")?;
    screen.paragraph(&format!(
        "The servers are stopped and their data is removed, after {:.1} s. What to do next:",
        took.as_secs_f32()
    ))?;
    screen.line("")?;
    screen.line("  cargo xtask test       every test, on real MariaDB and MySQL servers")?;
    screen.line("  README.md, \"Use it\"    the 20 lines that do this in your service")?;
    screen.line("  cargo run -q -p ms-cli -- explain -c ms.json -s shop 'SELECT 1'")?;
    screen.line("                         where it would go and why, without a server")
}

/// A cell with a server's name, in the colour of its role.
fn named(db: &Db, name: &str) -> comfy_table::Cell {
    let is_primary = db.servers().any(|it| it.name == name && it.role == ms_filters::Role::Primary);
    if is_primary { crate::screen::primary(name) } else { crate::screen::replica(name) }
}

/// Why the demo did not get to its end.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// What was to be shown did not happen.
    #[error("the demo claims that {claim}, and saw {seen}")]
    Claim { claim: String, seen: String },
    #[error("`{sql}` failed")]
    Statement { sql: String, source: sqlx::Error },
    #[error("the cluster of the demo cannot be opened")]
    Open(#[source] ms_pool::Error),
    #[error("the position of what was written cannot be handed over")]
    Position(#[source] ms_pool::Error),
    #[error("the configuration of the demo cannot be read")]
    Configuration(#[source] io::Error),
    #[error(transparent)]
    Servers(#[from] cluster::Error),
    #[error("cannot write to standard output")]
    Screen(#[from] io::Error),
}

impl Failed {
    fn statement(sql: &str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { sql: sql.to_owned(), source }
    }
}

/// What the demo says must be so.
fn claim(claim: impl Into<String>, holds: bool, seen: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(Failed::Claim { claim: claim.into(), seen: seen() }) }
}
