//! `ms exec`: SQL over a cluster, as a service would run it.
//!
//! All statements share one session, so temporary tables, variables and transactions work as they do in a program. Each
//! is routed by itself and sent as text.

use std::{
    fs,
    io::{self, Read, Write},
};

use ms_pool::Cluster;

use crate::{
    account::AccountArgs, cluster_args::ClusterArgs, exit::Exit, failure::Failure, out::Out, report, runtime,
    statements::statements,
};

/// Run SQL over a cluster
///
/// Cuts the SQL at its semicolons, routes each statement by itself and runs it on one session, so that a later statement
/// sees the variables and temporary tables of an earlier one that ran on the same server. Prints results as tables;
/// stops at the first error unless told to go on. `DELIMITER` on a line of its own names another mark than `;`.
///
/// Exits with 0, with 1 after an SQL error, and with 4 when a statement got no server.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// SQL to run; may be given several times
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    execute: Vec<String>,

    /// A file with SQL to run, or `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "execute")]
    file: Option<String>,

    /// Say which server each statement ran on, and why
    #[arg(short, long)]
    verbose: bool,

    /// Go on after a statement that failed
    #[arg(short = 'f', long)]
    force: bool,

    /// Print one JSON object per statement
    #[arg(long)]
    json: bool,

    /// Where the random draws start, for repeatable choices
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    #[command(flatten)]
    account: AccountArgs,
}

const EXAMPLES: &str = "\
Examples:
  ms exec -c ms.json -s shop -e 'SELECT * FROM orders'
  ms exec -c ms.json -s shop -v -e '/*ms=primary*/ SELECT @@hostname'
  ms exec -c ms.json -s shop -u app -p schema.sql
  mysqldump … | ms exec -c ms.json -s shop -
  ms exec -c ms.json -s shop --json -e 'SELECT 1 AS one' | jq .rows

Everything runs over one session of one process. SQL is UTF-8.";

pub(crate) fn run(args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let scripts = args.scripts()?;
    let mut builder = args.account.read()?.apply(args.cluster.builder());
    if let Some(seed) = args.seed {
        builder = builder.seed(seed);
    }
    runtime::block_on(async {
        let cluster = args.cluster.build(builder)?;
        let ended = runtime::interruptible(run_all(args, &cluster, &scripts, out)).await;
        if ended.is_none() {
            runtime::settle().await;
        }
        cluster.close().await;
        ended.unwrap_or(Ok(Exit::Interrupted))
    })
}

impl Args {
    fn scripts(&self) -> Result<Vec<String>, Failure> {
        let Some(from) = &self.file else {
            return Ok(self.execute.clone());
        };
        let unreadable = |source| Failure::SqlSource { from: from.clone(), source };
        let bytes = if from == "-" {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(unreadable)?;
            bytes
        } else {
            fs::read(from).map_err(unreadable)?
        };
        let from = if from == "-" { "standard input" } else { from };
        utf8(from, bytes).map(|script| vec![script])
    }
}

fn utf8(from: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let (good, bad) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        Failure::SqlNotUtf8 { from: from.to_owned(), line, byte: bad.first().copied().unwrap_or_default() }
    })
}

async fn run_all(args: &Args, cluster: &Cluster, scripts: &[String], out: &mut Out) -> Result<Exit, Failure> {
    let mut session = cluster.session();
    let mut exit = Exit::Ok;
    for statement in scripts.iter().flat_map(|script| statements(script)) {
        let report = report::run(&mut session, statement).await;
        if args.json {
            out.json(&report.json())?;
        } else {
            report.print(out, args.verbose)?;
        }
        // One statement's answer is shown before the next one is waited for.
        out.flush()?;
        if exit == Exit::Ok {
            exit = report.exit();
        }
        if exit != Exit::Ok && !args.force {
            break;
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf8_is_named_by_line_and_byte() {
        let failure = utf8("a.sql", b"SELECT 1;\nSELECT '\xe9'".to_vec()).unwrap_err();
        assert!(matches!(failure, Failure::SqlNotUtf8 { line: 2, byte: 0xe9, .. }), "{failure:?}");
    }
}
