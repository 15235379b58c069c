//! `ms explain`: where a statement would go, and why.
//!
//! Nothing is connected to and nothing is simulated: the router that a pool of this section would ask is asked here. What
//! a pool would wait for, a connection or a fact about a replica, is answered from the assumptions and listed.

use clap::ValueEnum;
use ms_filters::{Request, Router, ServerIx, Step, Stickiness, Transaction};

use crate::{
    assumption::Assumptions, cluster_args::ClusterArgs, dry_run::DryRun, exit::Exit, explanation::Explanation,
    failure::Failure, out::Out,
};

/// Say where a statement would go, and why; connects to nothing
///
/// Asks the router that a service with this section would ask, for the first statement of a fresh session unless options
/// say otherwise. Prints what the statement was taken for, every step, the final candidates with the share of such
/// statements that each gets, and what a pool would have to ask servers on the way.
///
/// Exits with 0, or with 1 when the statement would get no server.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// The statement
    #[arg(value_name = "SQL")]
    sql: String,

    /// Assume something about a server: down, up, open, failed, lag=SECONDS, reached, behind, load=N
    ///
    /// `down`: it cannot be reached; `open`: the session has a connection to it; `failed`: it failed before
    /// (matters with remember_failed); `lag`: how far it trails; `reached`, `behind`: whether it has what the session
    /// must see; `load`: statements running on it. What is not assumed is unknown. May be given several times.
    #[arg(long, value_name = "SERVER=FACT[,FACT…]")]
    assume: Vec<String>,

    /// The session is in a transaction, read-write unless said otherwise
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "read-write")]
    in_transaction: Option<Mode>,

    /// The session has written before
    #[arg(long)]
    after_write: bool,

    /// The server that the session used last, for `ms=last_used` and statements such as SHOW WARNINGS
    #[arg(long, value_name = "SERVER")]
    last_used: Option<String>,

    /// Where the random draws start; the same number gives the same answer
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    ReadWrite,
    ReadOnly,
}

const EXAMPLES: &str = "\
Examples:
  ms explain -c ms.json -s shop 'SELECT * FROM orders'
  ms explain -c ms.json -s shop --assume replica1=down 'SELECT 1'   who takes over
  ms explain -c ms.json -s shop --after-write 'SELECT 1'            what master_on_write does
  ms explain -c ms.json -s shop --json '/*ms=primary*/ SELECT 1' | jq .server";

/// What `--in-transaction` means where transactions bind nothing.
const UNBOUND: &str = "`trx_stickiness` is off: what `start_transaction` begins does not bind statements to its server; `begin()` \
                       does, wherever its first statement went";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let cluster = args.cluster.build(args.cluster.builder())?;
    let router = cluster.router();
    let assumptions = Assumptions::parse(router.topology(), &args.assume)?;
    let statement = cluster.classify(&args.sql);
    let mut request = Request::new(&statement);
    request.settings = cluster.routing();
    let tables = cluster.tables(&args.sql);
    request.tables = tables.as_tables();
    request.last_used = last_used(router, args.last_used.as_deref())?;
    request.transaction = match args.in_transaction {
        None => Transaction::None,
        Some(mode) => Transaction::Begun { read_only: mode == Mode::ReadOnly },
    };

    let mut run = DryRun::new(router, assumptions, args.seed);
    if args.after_write {
        run.note_write();
    }
    let shares = run.shares(&request);
    let (attempt, end) = run.decide(&request);
    let unbound = args.in_transaction.is_some() && request.settings.stickiness == Stickiness::Disabled;
    let explanation = Explanation {
        section: cluster.section(),
        sql: &args.sql,
        statement: &statement,
        request: &request,
        shares: &shares,
        run: &run,
        decision: attempt.decision(),
        end,
        note: unbound.then_some(UNBOUND),
    };
    if args.json {
        out.json(&explanation.json())?;
    } else {
        explanation.print(out)?;
    }
    Ok(if matches!(end, Step::Use(_)) { Exit::Ok } else { Exit::Findings })
}

fn last_used(router: &Router, name: Option<&str>) -> Result<Option<ServerIx>, Failure> {
    let Some(name) = name else {
        return Ok(None);
    };
    let known = || router.topology().servers().iter().map(|it| format!("`{}`", it.name())).collect();
    let found = router.topology().find(name);
    found.map(Some).ok_or_else(|| Failure::LastUsed { name: name.to_owned(), known: known() })
}
