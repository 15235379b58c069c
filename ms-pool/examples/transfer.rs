//! Moves money between two servers: both accounts change, or neither does, and asking twice does not move it twice.
//!
//! ```sh
//! cargo xtask test-cluster --independent 2 -- cargo run -p ms-pool --example transfer [NAME]
//! ```
//!
//! The command in front starts two servers that know nothing of each other and says in `MS_TEST_SERVER_1` and `MS_TEST_SERVER_2` where
//! they are. Each is a node group of one section; the first one also keeps the store. NAME is what the transfer is called: give
//! `ms xa list` something to look at, or run the example again on servers that stay.

#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::{env, error::Error, time::Duration};

use ms_pool::{Cluster, XaFailure, XaInitOptions, ms_xa::Verdict};
use sqlx::{Connection, MySqlConnection};

/// One account on each server.
const ACCOUNTS: [(&str, u32); 2] = [("east", 1), ("west", 2)];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls = [env::var("MS_TEST_SERVER_1")?, env::var("MS_TEST_SERVER_2")?];
    let name = env::args().nth(1).unwrap_or_else(|| "transfer-4711".to_owned());
    for (url, (_, id)) in urls.iter().zip(ACCOUNTS) {
        open_account(url, id).await?;
    }
    let db = Cluster::builder()
        .config_text("transfer.json", section(&urls).ok_or("a URL is `mysql://user:password@host:port/database`")?)
        .on_warning(|warning| println!("  (warning: {warning})"))
        .connect()
        .await?;
    let tables = db.xa_init(XaInitOptions::default()).await?;
    println!("a store: {} tables made, {} were there\n", tables.created.len(), tables.kept.len());
    show(&db).await?;

    println!("\n`{name}` moves 30.00 from east to west");
    println!("  {}", transfer_once(&db, &name, 3000).await?);
    show(&db).await?;

    println!("\nthe answer was lost, so the client asks again: `{name}`");
    println!("  {}", transfer_once(&db, &name, 3000).await?);
    show(&db).await?;

    println!("\n`{name}-too-much` moves 1000.00, which east does not have");
    println!("  {}", transfer_once(&db, &format!("{name}-too-much"), 100_000).await?);
    show(&db).await?;

    let list = db.xa_list().await;
    println!("\non record:");
    for it in list.records() {
        println!("  {}: {}, {} branches", it.gtrid, it.state, it.branches.len());
    }
    println!("prepared and not finished since: {:?}", list.oldest_prepared());
    db.close().await;
    Ok(())
}

/// Does it unless it was done, whoever asks and however often; what came of it in words.
async fn transfer_once(db: &Cluster, name: &str, cents: i64) -> Result<String, Box<dyn Error>> {
    match db.xa_outcome(name).await? {
        Some(Verdict::Committed) => return Ok("done already: nothing is moved".to_owned()),
        // Somebody is at it, or has crashed a moment ago. Recovery decides within half a minute, and the next call will know.
        Some(Verdict::Open | Verdict::Unknown) => return Ok("not decided yet: ask again later".to_owned()),
        Some(Verdict::RolledBack) | None => {}
    }
    match transfer(db, name, cents).await {
        Ok(true) => Ok("committed on both".to_owned()),
        Ok(false) => Ok("on neither: there is not enough in the account".to_owned()),
        Err(error) => match ms_pool::Error::of(&error) {
            // The only case in which it must not be tried again: whether it was committed is found out by recovery.
            Some(ms_pool::Error::GlobalTransaction { outcome: XaFailure::InDoubt, .. }) => Err(error.into()),
            _ => Ok(format!("on neither, may be tried again: {error}")),
        },
    }
}

/// Takes from one account and gives to the other; `false` when there is not enough. On an error the guard is dropped, which
/// rolls back.
async fn transfer(db: &Cluster, name: &str, cents: i64) -> Result<bool, sqlx::Error> {
    let mut xa = db.xa(name).timeout(Duration::from_secs(10)).begin().await?;
    let [(from, payer), (to, payee)] = ACCOUNTS;
    // Who gives comes last: that the other server has done its part already is what makes it interesting.
    let give = sqlx::query("UPDATE account SET cents = cents + ? WHERE id = ?").bind(cents).bind(payee);
    give.execute(&mut xa.on(to)?).await?;
    let take = sqlx::query("UPDATE account SET cents = cents - ? WHERE id = ? AND cents >= ?");
    let taken = take.bind(cents).bind(payer).bind(cents).execute(&mut xa.on(from)?).await?;
    if taken.rows_affected() == 0 {
        xa.rollback().await?;
        return Ok(false);
    }
    xa.commit().await?;
    Ok(true)
}

async fn show(db: &Cluster) -> Result<(), sqlx::Error> {
    for (place, id) in ACCOUNTS {
        let sql = format!("/*{place}*/ /*ms=primary*/ SELECT cents FROM account WHERE id = {id}");
        let cents: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(db).await?;
        println!("  {place}: {}.{:02}", cents / 100, cents % 100);
    }
    Ok(())
}

/// With 100.00, unless it exists.
async fn open_account(url: &str, id: u32) -> Result<(), sqlx::Error> {
    let mut server = MySqlConnection::connect(url).await?;
    let create = "CREATE TABLE IF NOT EXISTS account (id INT PRIMARY KEY, cents BIGINT NOT NULL) ENGINE=InnoDB";
    sqlx::query(create).execute(&mut server).await?;
    sqlx::query("INSERT IGNORE INTO account VALUES (?, 10000)").bind(id).execute(&mut server).await?;
    server.close().await
}

/// What a service would have in its file.
fn section([east, west]: &[String; 2]) -> Option<String> {
    let (store, east, west) = (address(east)?, address(east)?, address(west)?);
    Some(format!(
        r#"{{"bank": {{
            "primary": {{"east": {{{east}}}, "west": {{{west}}}}},
            "replica": [],
            "multi_master": true,
            "failover": "loop_before_primary",
            "filters": {{"node_groups": {{"east": {{"master": ["east"]}}, "west": {{"master": ["west"]}}}}, "random": []}},
            "xa": {{"state_store": {{"mysql": {{{store}}}}}}}
        }}}}"#
    ))
}

fn address(url: &str) -> Option<String> {
    let (account, place) = url.strip_prefix("mysql://")?.split_once('@')?;
    let ((user, password), (address, db)) = (account.split_once(':')?, place.split_once('/')?);
    let (host, port) = address.split_once(':')?;
    Some(format!(r#""host": "{host}", "port": {port}, "user": "{user}", "password": "{password}", "db": "{db}""#))
}
