//! What a statement on a session allocates beyond what sqlx's bare connection does: one box, which the signature of `Executor`
//! forces; and in `strict` the copy of its arguments, for the case that it has to be sent again.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use sqlx::{Connection, Executor, MySqlConnection};
use support::{configured, replica_url};
use tokio::runtime::Runtime;

const STATEMENTS: u64 = 200;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Prepared,
    WithArguments,
}

async fn run<'c, E: Executor<'c, Database = sqlx::MySql>>(executor: E, kind: Kind) {
    match kind {
        Kind::Text => drop(sqlx::raw_sql("SELECT 1").fetch_all(executor).await.unwrap()),
        Kind::Prepared => drop(sqlx::query("SELECT 1").fetch_all(executor).await.unwrap()),
        Kind::WithArguments => drop(sqlx::query("SELECT ?").bind(1).fetch_all(executor).await.unwrap()),
    }
}

fn runtime() -> Runtime {
    // One thread, because allocations are counted for each.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Allocations of a statement on a bare connection, times [`STATEMENTS`].
fn of_connection(kind: Kind) -> u64 {
    let runtime = runtime();
    let mut conn = runtime.block_on(MySqlConnection::connect(&replica_url(1))).unwrap();
    let mut some = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                run(&mut conn, kind).await;
            }
        });
    };
    some(20);
    allocation_counter::measure(|| some(STATEMENTS)).count_total
}

fn of_session(kind: Kind, compat: &str) -> u64 {
    let runtime = runtime();
    let (db, _) = configured(&format!(r#", "compat": "{compat}", "filters": {{"random": {{"sticky": true}}}}"#));
    let mut session = db.session();
    let mut some = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                run(&mut session, kind).await;
            }
        });
    };
    some(20);
    let count = allocation_counter::measure(|| some(STATEMENTS)).count_total;
    runtime.block_on(async { drop(session) });
    count
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_statement_of_a_session_allocates_one_box_and_a_copy_of_arguments_that_may_be_needed_again() {
    for (kind, what) in [(Kind::Text, "text"), (Kind::Prepared, "prepared"), (Kind::WithArguments, "with arguments")] {
        let bare = of_connection(kind);
        for compat in ["classic", "strict"] {
            let more = of_session(kind, compat).saturating_sub(bare);
            // Values, types and the bitmap of NULLs.
            let copied = if matches!(kind, Kind::WithArguments) && compat == "strict" { 3 } else { 0 };
            // A timer of the pool may fall into the count.
            let limit = (1 + copied) * STATEMENTS + STATEMENTS / 20;
            assert!(more <= limit, "{what}, {compat}: {more} more in {STATEMENTS} statements");
        }
    }
}
