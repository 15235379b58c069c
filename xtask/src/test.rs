//! `cargo xtask test`: every test there is, also those that need real servers.
//!
//! Tests come in two kinds. Most need nothing and run once. Tests of what only a real server can show are `#[ignore]`d, with a
//! reason that names this command, so that plain `cargo test` works anywhere; they run once for each flavour, beside a fresh
//! cluster of one primary and two replicas. Tests with `_faults` in their name kill servers: they get a cluster that
//! nobody else uses, and run one after the other.
//!
//! The test programs are built once and then run directly, not through cargo: that way each has its own row in the summary, and
//! says itself which of its tests want a cluster.

use std::{
    env, io,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{process::Command, time::timeout};
use xtask::{
    causes::causes,
    cluster::{self, Cluster, Spec, Topology},
    interrupt::Interrupts,
    progress::Progress,
    provision::{self, Flavor, Wish},
};

use self::{
    arguments::Arguments,
    program::Program,
    report::Report,
    summary::{Row, Summary},
};
use crate::{Outcome, cargo, screen::Screen};

mod arguments; // what goes to cargo, and what to the test programs
mod program; // one test program, and how cargo makes it
mod report; // what a test program said
mod summary; // all of it in one table

/// Longer than any suite takes: a test that hangs must not hang the run.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Runs every test: unit, property, documentation, and those on real MariaDB and MySQL servers
///
/// Gets the servers, builds everything once, runs the tests that need no server, and then the others beside a cluster of one
/// primary and two replicas of each flavour. All of it runs, also after a failure. The last line is `N passed, N failed`;
/// the exit code is 1 when anything failed. A flavour that cannot be had on this machine is named above that line, in red,
/// and fails the run only when it was asked for with --flavor, or when none is left.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavors::All)]
    flavor: Flavors,
    #[command(flatten)]
    wish: Wish,
    /// Arguments as for `cargo test`
    #[arg(last = true, value_name = "CARGO TEST ARGUMENTS")]
    rest: Vec<String>,
}

const AFTER: &str = "\
Examples:
  cargo xtask test                                     everything
  cargo xtask test --flavor mariadb -- -p ms-pool      one crate, on one flavour
  cargo xtask test -- -p ms-pool hints_win             tests with this in their name
  cargo xtask test -- --test cluster_routing -- --nocapture";

/// Which flavours are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Flavors {
    /// MariaDB only
    #[value(name = "mariadb")]
    MariaDb,
    /// MySQL only
    #[value(name = "mysql")]
    MySql,
    /// Both
    All,
}

impl Flavors {
    fn list(self) -> Vec<Flavor> {
        match self {
            Self::MariaDb => vec![Flavor::MariaDb],
            Self::MySql => vec![Flavor::MySql],
            Self::All => Flavor::ALL.to_vec(),
        }
    }
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    // Whatever runs is killed and removed when its future is dropped.
    tokio::select! {
        outcome = Run::new(args).all() => outcome,
        interrupt = interrupts.next() => Ok(interrupt.exit_code()),
    }
}

/// One run of the command.
struct Run<'a> {
    args: &'a Args,
    arguments: Arguments,
    progress: Progress,
    summary: Summary,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args) -> Self {
        Self {
            args,
            arguments: Arguments::split(&args.rest),
            progress: Progress::stderr(),
            summary: Summary::default(),
        }
    }

    async fn all(mut self) -> Outcome {
        // First, so that a machine without servers hears of it before the long part.
        let wanted = self.args.flavor.list();
        let mut flavors = Vec::new();
        for &flavor in &wanted {
            if self.can_be_had(flavor).await {
                flavors.push(flavor);
            }
        }
        let began = Instant::now();
        match program::build(&self.arguments).await? {
            None => self.broken(None, "build", "something does not compile, see above", began),
            Some(mut programs) => {
                self.without_servers(&mut programs).await?;
                for flavor in flavors {
                    self.on(flavor, &programs).await?;
                }
            }
        }
        Ok(self.summary.print(wanted.len(), &mut Screen::stdout())?)
    }

    fn spec(&self, flavor: Flavor) -> Spec {
        Spec { wish: self.args.wish.clone(), ..Spec::new(flavor) }
    }

    /// Gets a flavour's servers and sees one start.
    async fn can_be_had(&mut self, flavor: Flavor) -> bool {
        let began = Instant::now();
        let alone = self.spec(flavor).topology(Topology::Independent(1));
        let outcome = match Cluster::start(&alone, &self.progress).await {
            Ok(cluster) => cluster.stop().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => return true,
            Err(cluster::Error::Provision(error @ provision::Error::Unavailable { .. })) => {
                self.summary.untested(flavor, causes(&error).join(": "));
            }
            Err(error) => self.broken(Some(flavor), "servers", &causes(&error).join(": "), began),
        }
        false
    }

    /// Runs what needs no server, and learns which tests need one.
    async fn without_servers(&mut self, programs: &mut [Program]) -> io::Result<()> {
        for program in &mut *programs {
            let mut command = program.command();
            command.args(&self.arguments.filter).args(&self.arguments.harness);
            let report = self.suite(None, program.name(), command).await?;
            program.needs_cluster = report.needs_cluster;
        }
        if self.arguments.doc_tests && programs.iter().any(Program::is_library) {
            let mut command = Command::new(cargo::program());
            command.current_dir(cargo::folder()).args(["test", "--doc"]).args(self.arguments.for_cargo());
            command.args(&self.arguments.filter).arg("--").args(&self.arguments.harness);
            forget_servers(&mut command);
            self.suite(None, "documentation".to_owned(), command).await?;
        }
        Ok(())
    }

    /// Runs what needs servers on those of one flavour.
    async fn on(&mut self, flavor: Flavor, programs: &[Program]) -> io::Result<()> {
        let peaceful: Vec<_> = programs.iter().filter_map(|it| Some((it, it.peaceful()?))).collect();
        if !peaceful.is_empty() {
            self.beside_cluster(flavor, &peaceful, &[]).await?;
        }
        for program in programs {
            if let Some(tests) = program.faults() {
                self.beside_cluster(flavor, &[(program, tests)], &["--test-threads=1"]).await?;
            }
        }
        Ok(())
    }

    /// Starts a cluster, runs tests beside it, one program after the other, and removes it.
    async fn beside_cluster(
        &mut self,
        flavor: Flavor,
        programs: &[(&Program, Vec<&str>)],
        harness: &[&str],
    ) -> io::Result<()> {
        let began = Instant::now();
        let cluster = match Cluster::start(&self.spec(flavor), &self.progress).await {
            Ok(cluster) => cluster,
            Err(error) => {
                self.broken(Some(flavor), "cluster", &causes(&error).join(": "), began);
                return Ok(());
            }
        };
        for (program, tests) in programs {
            let mut command = program.command();
            // By their full names: a program may have ignored tests that want something else.
            command.envs(cluster.env()).args(["--ignored", "--exact"]).args(tests);
            command.args(harness).args(&self.arguments.harness);
            self.suite(Some(flavor), program.name(), command).await?;
        }
        if let Err(error) = cluster.stop().await {
            self.broken(Some(flavor), "cluster", &causes(&error).join(": "), began);
        }
        Ok(())
    }

    /// Runs one test program, shows its result, and everything it wrote if it failed.
    async fn suite(&mut self, flavor: Option<Flavor>, suite: String, mut command: Command) -> io::Result<Report> {
        let title = flavor.map_or_else(|| suite.clone(), |it| format!("{it}: {suite}"));
        let step = self.progress.step(&title);
        let began = Instant::now();
        command.stdin(Stdio::null()).kill_on_drop(true);
        let report = match timeout(PATIENCE, command.output()).await {
            Ok(output) => Report::new(&output?),
            Err(_) => Report::broken(format!("it did not end within {} s", PATIENCE.as_secs())),
        };
        step.finish(&format!("{title}: {}", report.result()));
        if report.failed() > 0 || self.arguments.shows_output() {
            self.progress.line(&report.details());
        }
        self.summary.add(Row { flavor, suite, report: report.clone(), took: began.elapsed() });
        Ok(report)
    }

    /// Something failed before its tests could begin.
    fn broken(&mut self, flavor: Option<Flavor>, suite: &str, why: &str, began: Instant) {
        let title = flavor.map_or_else(|| suite.to_owned(), |it| format!("{it}: {suite}"));
        self.progress.line(&format!("{title}: {why}"));
        let report = Report::broken(why);
        self.summary.add(Row { flavor, suite: suite.to_owned(), report, took: began.elapsed() });
    }
}

/// Variables that would make a test without servers believe that it has some.
fn forget_servers(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let ours = ["MS_TEST_", "MYSQL_MS_"].iter().any(|it| name.to_string_lossy().starts_with(it));
        if ours {
            command.env_remove(name);
        }
    }
}
