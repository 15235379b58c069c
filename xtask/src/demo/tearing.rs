//! Act four: a server dies in the middle of a transaction, and nothing of it is left.
//!
//! The dangerous answer would be to go on elsewhere: the second half of a transaction on another server, committed. What a
//! service sees instead is one error, and then a session that works.

use ms_pool::{Error, Session, TxOptions, code};
use sqlx::{AssertSqlSafe, Row};
use xtask::{cluster::Cluster, progress::Progress};

use super::{Failed, claim, named, shop::Shop};
use crate::screen::{Column, Screen, bad, good, text};

const VICTIM: &str = "primary";
const TAKE: &str = "UPDATE products SET stock = stock - 1 WHERE id = 1";
const ORDER: &str = "INSERT INTO orders (customer, product) VALUES (1, 1)";
const STOCK: &str = "SELECT CAST(stock AS CHAR) FROM products WHERE id = 1";
const ORDERS: &str = "SELECT CAST(COUNT(*) AS CHAR) FROM orders";

/// What came of one step.
struct Step {
    what: String,
    server: Option<String>,
    came: Result<String, String>,
}

pub(super) async fn act(
    shop: &Shop,
    cluster: &Cluster,
    progress: &Progress,
    screen: &mut Screen,
) -> Result<(), Failed> {
    screen.heading("4. The primary dies in the middle of a transaction")?;
    screen.paragraph(
        "A session takes a piece of tea out of stock and is about to write the order when the primary is killed with SIGKILL. What was \
         begun is gone as a whole; reads go on; and when the primary is back, so is everything.",
    )?;
    let mut session = shop.db.session();
    let before = [one(&mut session, STOCK).await?, one(&mut session, ORDERS).await?];
    let mut steps = Vec::new();

    session.start_transaction(TxOptions::default()).await.map_err(Failed::statement("START TRANSACTION"))?;
    let taken = run(&mut session, TAKE, &mut steps).await;
    claim("the transaction begins on the primary", taken.is_ok(), || format!("{taken:?}"))?;
    let step = progress.step("killing the primary");
    let victim = cluster.server(VICTIM)?;
    victim.kill9().await?;
    step.finish("killed the primary");
    steps.push(Step { what: "kill -9 primary".to_owned(), server: None, came: Ok("dead".to_owned()) });

    let torn = run(&mut session, ORDER, &mut steps).await;
    let is_lost = torn.as_ref().is_err_and(|it| [2006, 2013].contains(&code(it)));
    claim("the statement that meets the dead server says so", is_lost, || format!("{torn:?}"))?;
    let commit = session.commit().await;
    steps.push(step_of("COMMIT", None, commit.as_ref().map(|()| "done".to_owned())));
    let told = commit.as_ref().is_err_and(|it| matches!(Error::of(it), Some(Error::TransactionLost { .. })));
    claim("a commit of what was lost does not pretend", told, || format!("{commit:?}"))?;
    let read = run(&mut session, ORDERS, &mut steps).await;
    claim("the session reads on", read.is_ok(), || format!("{read:?}"))?;

    let step = progress.step("starting the primary again");
    victim.start().await?;
    cluster.wait_sync().await?;
    step.finish("started the primary again");
    steps.push(Step { what: "the primary is back".to_owned(), server: None, came: Ok("alive".to_owned()) });
    let on_primary = |sql| format!("/*ms=primary*/ {sql}");
    let after = [one(&mut session, &on_primary(STOCK)).await?, one(&mut session, &on_primary(ORDERS)).await?];
    claim("nothing of the transaction is left", before == after, || format!("{before:?} before, {after:?} after"))?;

    session.start_transaction(TxOptions::default()).await.map_err(Failed::statement("START TRANSACTION"))?;
    for sql in [TAKE, ORDER] {
        let done = run(&mut session, sql, &mut steps).await;
        claim("the same works the second time", done.is_ok(), || format!("{done:?}"))?;
    }
    let commit = session.commit().await;
    steps.push(step_of("COMMIT", Some(VICTIM.to_owned()), commit.as_ref().map(|()| "done".to_owned())));
    claim("the second transaction is committed", commit.is_ok(), || format!("{commit:?}"))?;

    let rows = steps.into_iter().map(|it| {
        let server = it.server.map_or_else(|| text(""), |name| named(&shop.db, &name));
        [text(it.what), server, it.came.map_or_else(bad, good)]
    });
    screen.table([Column::Text("step"), Column::Name("server"), Column::Text("what came of it")], rows)?;
    screen.paragraph(&format!(
        "Stock and orders are what they were: {} pieces, {} orders before and after the crash. The first error is what the broken \
         connection says; `COMMIT` says that there is nothing to commit. No statement went to another server on behalf of the \
         transaction.",
        before[0], before[1],
    ))?;
    Ok(())
}

fn step_of(what: &str, server: Option<String>, came: Result<String, &sqlx::Error>) -> Step {
    Step { what: what.to_owned(), server, came: came.map_err(|it| format!("error {}", code(it))) }
}

/// Runs a statement and notes what came of it.
async fn run(session: &mut Session, sql: &str, steps: &mut Vec<Step>) -> Result<(), sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await.map(drop);
    let server = session.last_used().map(|it| it.name.to_owned());
    steps.push(step_of(sql, server, done.as_ref().map(|()| "done".to_owned())));
    done
}

async fn one(session: &mut Session, sql: &str) -> Result<String, Failed> {
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(session).await.map_err(Failed::statement(sql))?;
    row.try_get_unchecked(0).map_err(Failed::statement(sql))
}
