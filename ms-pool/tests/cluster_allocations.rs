//! What a statement on a session allocates beside what sqlx's bare connection does: as a stream one box more, which the signature of
//! `Executor` forces; read as a whole (`fetch_all`, `execute`) one box less, because sqlx makes the whole of a stream. And in
//! `strict` the copy of its arguments, for the case that it has to be sent again.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use futures_util::TryStreamExt;
use sqlx::{Connection, Execute, Executor, MySql, MySqlConnection};
use support::{configured, replica_url};
use tokio::runtime::Runtime;

const STATEMENTS: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Text,
    Prepared,
    WithArguments,
}

#[derive(Clone, Copy, Debug)]
enum Read {
    Parts,
    Rows,
    Done,
}

async fn run<'c, E: Executor<'c, Database = MySql>>(executor: E, kind: Kind, read: Read) {
    match kind {
        Kind::Text => run_query(executor, sqlx::raw_sql("SELECT 1"), read).await,
        Kind::Prepared => run_query(executor, sqlx::query("SELECT 1"), read).await,
        Kind::WithArguments => run_query(executor, sqlx::query("SELECT ?").bind(1), read).await,
    }
}

async fn run_query<'c, E, Q>(executor: E, query: Q, read: Read)
where
    E: Executor<'c, Database = MySql>,
    Q: Execute<'static, MySql> + 'static,
{
    match read {
        Read::Parts => {
            let mut parts = executor.fetch_many(query);
            let mut count = 0;
            while parts.try_next().await.unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 2, "a row and a result");
        }
        Read::Rows => assert_eq!(executor.fetch_all(query).await.unwrap().len(), 1),
        Read::Done => assert_eq!(executor.execute(query).await.unwrap().rows_affected(), 0),
    }
}

fn runtime() -> Runtime {
    // One thread, because allocations are counted for each.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Allocations of a statement on a bare connection, times [`STATEMENTS`].
fn of_connection(kind: Kind, read: Read) -> u64 {
    let runtime = runtime();
    let mut conn = runtime.block_on(MySqlConnection::connect(&replica_url(1))).unwrap();
    let mut some = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                run(&mut conn, kind, read).await;
            }
        });
    };
    some(20);
    allocation_counter::measure(|| some(STATEMENTS)).count_total
}

fn of_session(kind: Kind, read: Read, compat: &str) -> u64 {
    let runtime = runtime();
    let (db, _) = configured(&format!(r#", "compat": "{compat}", "filters": {{"random": {{"sticky": true}}}}"#));
    let mut session = db.session();
    let mut some = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                run(&mut session, kind, read).await;
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
    for kind in [Kind::Text, Kind::Prepared, Kind::WithArguments] {
        check(kind, Read::Parts, 1);
        check(kind, Read::Rows, -1);
        check(kind, Read::Done, -1);
    }
}

/// `boxes` more than sqlx's connection.
#[track_caller]
fn check(kind: Kind, read: Read, boxes: i64) {
    let signed = |count: u64| i64::try_from(count).unwrap();
    let bare = signed(of_connection(kind, read));
    for compat in ["classic", "strict"] {
        let more = signed(of_session(kind, read, compat)) - bare;
        // Values, types and the bitmap of NULLs.
        let copied = if kind == Kind::WithArguments && compat == "strict" { 3 } else { 0 };
        // A timer of the pool may fall into the count.
        let limit = (boxes + copied) * signed(STATEMENTS) + signed(STATEMENTS / 20);
        assert!(more <= limit, "{kind:?}, {read:?}, {compat}: {more} more in {STATEMENTS} statements");
    }
}
