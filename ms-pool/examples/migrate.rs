//! Migrations over a cluster: they run on the primary, on one connection that is closed afterwards.
//!
//! ```sh
//! cargo xtask test-cluster -- cargo run -p ms-pool --example migrate
//! ```
//!
//! sqlx takes anything that can be acquired from. A cluster lends a bare connection to the primary: the lock that keeps two
//! services from migrating at once is a lock of that connection, so it must not go back to a pool when something failed.

#![allow(clippy::print_stdout, reason = "it shows what it does")]

use ms_pool::Cluster;
use sqlx::migrate::Migrator;

/// The files are part of the program.
static MIGRATIONS: Migrator = sqlx::migrate!("tests/migrations");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Cluster::builder().section("test").connect().await?;
    MIGRATIONS.run(&db).await?;
    MIGRATIONS.run(&db).await?; // all is done already
    let done: Vec<(i64, String)> =
        sqlx::query_as("SELECT version, description FROM _sqlx_migrations").fetch_all(db.primary()).await?;
    for (version, description) in done {
        println!("{version} {description}");
    }
    sqlx::raw_sql("DROP TABLE orders, _sqlx_migrations").execute(&db).await?;
    db.close().await;
    Ok(())
}
