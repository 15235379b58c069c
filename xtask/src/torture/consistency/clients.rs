//! The library under test: two processes, in a manner of speaking.
//!
//! Each is a cluster of its own, with connections and knowledge of its own, over the same three names. What one of them has
//! learned the other does not know, so a position that goes from one to the other has to carry everything.

use std::sync::Arc;

use ms_pool::{Cluster as Db, Consistency};
use serde_json::{Value, json};
use xtask::provision::Flavor;

use super::{
    hand::told_by_warning,
    history::{Operation, Promise, Scope},
    world::{Failed, PRIMARY, REPLICAS, World},
};

/// Where positions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Source {
    /// What the server says of one's own last write
    Server,
    /// All that the primary has executed; MySQL, where nothing better is allowed
    Executed,
    /// A table that counts commits
    Counter,
}

impl Source {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Executed => "executed",
            Self::Counter => "counter",
        }
    }

    /// Whether there is such a thing.
    pub(crate) fn exists_on(self, flavor: Flavor) -> bool {
        self != Self::Executed || flavor == Flavor::MySql
    }

    /// The statements of the section, for those that need some.
    fn statements(self) -> Option<Value> {
        (self == Self::Counter).then(|| {
            json!({
                "on_commit": "UPDATE test.torture_counter SET count = count + 1",
                "fetch_last_gtid": "SELECT count FROM test.torture_counter",
                "check_for_gtid": "SELECT count FROM test.torture_counter WHERE count >= #GTID",
            })
        })
    }
}

/// How fresh most scopes want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// What was written is read
    Session,
    /// Whatever there is: the run has to find violations
    Eventual,
    /// Primaries only
    Strong,
}

impl Level {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Eventual => "eventual",
            Self::Strong => "strong",
        }
    }

    pub(crate) fn promise(self) -> Promise {
        match self {
            Self::Session => Promise::Session,
            Self::Eventual => Promise::Nothing,
            Self::Strong => Promise::Strong,
        }
    }
}

/// What has to be asked of the library for a promise.
pub(crate) fn consistency(promise: Promise) -> Consistency {
    match promise {
        Promise::Session | Promise::Process => Consistency::SESSION,
        Promise::MaxAge(age) => Consistency::max_age(age),
        Promise::Strong => Consistency::Strong,
        Promise::Nothing => Consistency::EVENTUAL,
    }
}

/// The accounts and tables that the clients need beside the rows.
pub(crate) async fn prepare(world: &World, source: Source) -> Result<(), Failed> {
    let mut statements = vec![
        "CREATE USER torture@'%' IDENTIFIED BY 'torture'".to_owned(),
        "GRANT SELECT, INSERT, UPDATE ON test.* TO torture@'%'".to_owned(),
        match world.servers.flavor() {
            Flavor::MariaDb => "GRANT SLAVE MONITOR ON *.* TO torture@'%'".to_owned(),
            Flavor::MySql => "GRANT REPLICATION CLIENT ON *.* TO torture@'%'".to_owned(),
        },
    ];
    if world.servers.flavor() == Flavor::MySql && source == Source::Server {
        statements.push("GRANT SELECT ON performance_schema.events_transactions_history TO torture@'%'".to_owned());
    }
    if source == Source::Counter {
        statements.push("CREATE TABLE test.torture_counter (count BIGINT NOT NULL) ENGINE=InnoDB".to_owned());
        statements.push("INSERT INTO test.torture_counter VALUES (0)".to_owned());
    }
    for statement in statements {
        world.sql(PRIMARY, &statement).await?;
    }
    world.servers.wait_sync().await?;
    Ok(())
}

/// A process of clients, the scope of whose own handle is `scope`.
pub(crate) fn open(world: &Arc<World>, source: Source, scope: Scope, seed: u64) -> Result<Db, Failed> {
    let text = section(|name| world.port_of_name(name), source).to_string();
    let told = Arc::clone(world);
    let builder = Db::builder().config_text("torture.json", text).section("torture").seed(seed);
    let builder = builder.on_warning(move |warning| {
        if let Some(deed) = told_by_warning(&warning.to_string()) {
            let now = told.now();
            told.told(Operation { scope, began: now, ended: now, deed });
        }
    });
    builder.build().map_err(Failed::Clients)
}

fn section(port: impl Fn(&str) -> u16, source: Source) -> Value {
    let server = |name: &str| {
        let port = port(name);
        json!({ "host": "127.0.0.1", "port": port, "user": "torture", "password": "torture", "db": "test" })
    };
    let mut section = json!({
        "primary": { PRIMARY: server(PRIMARY) },
        "replicas": { REPLICAS[0]: server(REPLICAS[0]), REPLICAS[1]: server(REPLICAS[1]) },
        "filters": { "roundrobin": {} },
        "failover": { "strategy": "loop_before_primary", "retry_after_s": 1 },
        // A frozen server must not hold a task for longer than the fault lasts.
        "pool": { "max_connections": 64, "statement_timeout_ms": 3000 },
    });
    if let Some(statements) = source.statements() {
        section["global_transaction_id_injection"] = statements;
    }
    json!({ "torture": section })
}
