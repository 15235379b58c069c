//! A small shop on the demo's servers.

use std::{fs, io, sync::Arc};

use ms_pool::{Cluster as Db, Statistics};
use serde_json::{Value, json};
use xtask::cluster::Cluster;

use super::Failed;

const SCHEMA: &str = "
    USE test;
    CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL);
    CREATE TABLE products (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, price INT NOT NULL, stock INT NOT NULL);
    CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, product INT NOT NULL,
        state VARCHAR(20) NOT NULL DEFAULT 'new',
        FOREIGN KEY (customer) REFERENCES customers (id), FOREIGN KEY (product) REFERENCES products (id));
    CREATE FUNCTION discount(price INT) RETURNS INT DETERMINISTIC NO SQL RETURN price * 9 DIV 10;
    INSERT INTO customers (name) VALUES ('Ada'), ('Grace'), ('Linus');
    INSERT INTO products (name, price, stock) VALUES ('tea', 4, 100), ('coffee', 7, 80), ('cocoa', 5, 20);
    INSERT INTO orders (customer, product) VALUES (1, 1), (2, 2), (3, 1)";

/// The handle a service would have, and what it counts.
pub(super) struct Shop {
    pub(super) db: Db,
    pub(super) statistics: Arc<Statistics>,
    configuration: String,
}

/// Creates the tables, waits until the replicas have them, and opens the cluster.
pub(super) async fn open(cluster: &Cluster) -> Result<Shop, Failed> {
    cluster.server("primary")?.sql(SCHEMA).await?;
    cluster.wait_sync().await?;

    let written = fs::read_to_string(cluster.config_file()).map_err(Failed::Configuration)?;
    let written: Value = serde_json::from_str(&written).map_err(|it| Failed::Configuration(io::Error::from(it)))?;
    let statistics = Arc::new(Statistics::default());
    let configuration = configuration(&written["test"]).to_string();
    let builder = Db::builder().config_text("ms.json", configuration.as_str());
    // Opened now, so that the times shown are those of statements and not of logins.
    let builder = builder.lazy(false).statistics(Arc::clone(&statistics));
    let db = builder.connect().await.map_err(Failed::Open)?;
    Ok(Shop { db, statistics, configuration })
}

impl Shop {
    /// The same servers for somebody who shares nothing with this process.
    pub(super) fn another_process(&self) -> Result<Db, Failed> {
        let builder = Db::builder().config_text("ms.json", self.configuration.as_str());
        builder.statistics(Arc::default()).build().map_err(Failed::Open)
    }
}

/// The section of the test cluster as section `shop`, taking turns and going round dead servers.
fn configuration(servers: &Value) -> Value {
    json!({"shop": {
        "master": servers["master"],
        "slave": servers["slave"],
        "filters": {"roundrobin": []},
        // The default is ten seconds, which nobody wants to watch.
        "failover": {"strategy": "loop_before_master", "retry_after_s": 1},
    }})
}
