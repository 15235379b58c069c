//! `ms conform`: scenario files against real servers, and a verdict for each.
//!
//! A scenario says how a cluster is configured, what a program does with it and what must come of it; its expectations were
//! checked on the running original. `conformance/FORMAT.md` is the format, and this runner knows all of it. Nothing here
//! decides anything about routing: the steps go through the same public functions as a program's, so a verdict is about the
//! library and not about the runner.
//!
//! One rule is above all others: **what was not checked has not passed**. A key nobody knows, an alias that is not
//! configured, an expectation that the action cannot answer, a step the library has no function for yet, a server that is
//! not there: each is a failure with a sentence that names it.
//!
//! A scenario comes from a file ([`suite`]), is checked before it runs ([`scenario`]), gets databases of its own
//! ([`world`]), is played ([`play`]) and compared ([`check`]); what came of all of them is a [`report`].

mod check; // what came of an action against what was expected
mod distribution; // where many runs of one statement went
mod expect; // what a step is expected to do
mod outcome; // what it did

mod callback; // what user filters answer
mod fixture; // what is there before a pool is opened
mod scenario; // one scenario, as written and checked
mod step; // what it does
mod substitute; // placeholders and stored values

mod servers; // the addresses behind the placeholders
mod text_rows; // results as the servers print them
mod world; // the servers, beside the pool

mod open; // opens a scenario's pool
mod perform; // one function per action
mod play; // one scenario from beginning to end

mod baseline; // what is not expected to pass yet
mod report; // verdicts, for people and for programs
mod suite; // many scenarios, side by side

use std::path::PathBuf;

use crate::{
    exit::Exit,
    failure::{self, Failure, chain},
    out::Out,
    runtime,
};

use self::{baseline::Baseline, report::Report, servers::Servers, suite::Suite, world::World};

/// Run conformance scenarios against real servers
///
/// Reads scenario files, or all `*.json` files of folders, opens a pool for each scenario, performs its steps and checks every
/// expectation. Scenarios run side by side, each with databases of its own on the servers; those with global
/// transactions one at a time. Ends with `N passed, M failed, K skipped`.
///
/// Exits with 0 when all passed, with 1 when one failed, with 3 when the servers file cannot be used. With a baseline it is
/// the difference that counts: a scenario in it that passed, or one outside it that failed, makes the exit code 1.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The servers to use, as JSON
    #[arg(long, value_name = "FILE")]
    servers: PathBuf,

    /// Names of scenarios that are not expected to pass yet, one per line
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Print one JSON object per scenario
    #[arg(long)]
    json: bool,

    /// Show the scenarios that passed as well
    #[arg(short, long)]
    verbose: bool,

    /// Run only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Scenarios at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,

    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ms conform --servers servers.json conformance/
  ms conform --servers servers.json --only 'round robin' -v conformance/routing-load-balancing.json
  ms conform --servers servers.json --baseline conformance/baseline-mariadb.txt conformance/
  ms conform --servers servers.json --json conformance/ | jq 'select(.status == \"failed\") | .name'

The servers file:
  {\"user\": \"app\", \"password\": \"app\", \"database\": \"test\", \"database2\": \"test2\",
   \"primary\":  {\"host\": \"127.0.0.1\", \"port\": 3301}, \"primary2\": {\"host\": \"127.0.0.1\", \"port\": 3302},
   \"replica1\": {\"host\": \"127.0.0.1\", \"port\": 3303}, \"replica2\": {\"host\": \"127.0.0.1\", \"port\": 3304},
   \"replicating\": {\"primary\": {…}, \"replica1\": {…}, \"replica2\": {…}}}

The first four are independent of each other; without `replicating` the scenarios that need replication are skipped. The
account creates and drops databases whose names begin with the two given, and ends connections.";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let servers = match Servers::read(&args.servers) {
        Ok(servers) => servers,
        Err(error) => return Ok(unusable(&error)),
    };
    let baseline = match args.baseline.as_deref().map(Baseline::read).transpose() {
        Ok(baseline) => baseline,
        Err(error) => return Ok(unusable(&error)),
    };
    let suite = Suite::load(&args.paths, args.only.as_deref());
    let mut report = Report::new(out, baseline.as_ref(), args.json, args.verbose);
    let ended = runtime::block_on(async {
        let world = World::new(servers);
        let ended = runtime::interruptible(suite.run(&world, args.jobs.into(), &mut report)).await;
        if ended.is_none() {
            // What scenarios that were cut short have left.
            world.stop_listening().await;
            world.drop_everything().await;
        }
        Ok(ended)
    })?;
    match ended {
        None => Ok(Exit::Interrupted),
        Some(outcome) => outcome.and_then(|()| report.finish()).map_err(Into::into),
    }
}

fn unusable(error: &dyn std::error::Error) -> Exit {
    failure::error(&chain(error));
    Exit::Configuration
}
