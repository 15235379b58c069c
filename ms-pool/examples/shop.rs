//! A small service's worth of statements over a replicated cluster, with the reason for every choice.
//!
//! ```sh
//! cargo xtask test-cluster -- cargo run -p ms-pool --example shop
//! ```
//!
//! The command in front starts a primary and two replicas and says in `MYSQL_MS_CONFIG_FILE` where they are; with a file
//! of your own, whose section is called `test`, the example runs against your servers.

#![allow(clippy::print_stdout, reason = "it shows what it does")]

use ms_pool::{Cluster, Counter};

#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {
    let db = Cluster::builder().section("test").on_decision(|decision| println!("  {decision}")).connect().await?;

    println!("a table and two orders, in one transaction");
    sqlx::query("CREATE TABLE IF NOT EXISTS orders (id INT PRIMARY KEY AUTO_INCREMENT, item VARCHAR(20))")
        .execute(&db)
        .await?;
    let mut tx = db.begin().await?;
    for item in ["tea", "cups"] {
        sqlx::query("INSERT INTO orders (item) VALUES (?)").bind(item).execute(&mut tx).await?;
    }
    tx.commit().await?;

    println!("the same question to a replica, which may not have heard of them yet, and to the primary");
    let on_replica: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&db).await?;
    let on_primary: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(db.primary()).await?;
    println!("  {on_replica} there, {on_primary} here");

    println!("a temporary table lives in a session");
    let mut session = db.session();
    sqlx::query("CREATE TEMPORARY TABLE cart (item VARCHAR(20))").execute(&mut session).await?;
    sqlx::query("INSERT INTO cart VALUES ('tea')").execute(&mut session).await?;
    let cart: Vec<(String,)> = sqlx::query_as("/*ms=last_used*/ SELECT item FROM cart").fetch_all(&mut session).await?;
    println!("  {} item in the cart", cart.len());
    drop(session);

    sqlx::query("DROP TABLE orders").execute(&db).await?;
    if let Some(statistics) = db.statistics() {
        let (replica, primary) = (statistics.get(Counter::UseReplica), statistics.get(Counter::UsePrimary));
        println!("{replica} statements on replicas, {primary} on the primary");
    }
    db.close().await;
    Ok(())
}
