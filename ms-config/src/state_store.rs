//! Where the state of global transactions is written.

use crate::{Endpoint, Secret};

/// A store that survives a crash: `xa.state_store`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateStore {
    /// The store itself.
    pub backend: StoreBackend,
    /// What is recorded as the host of a participant that is reached as `localhost`, because the garbage collection
    /// may run on another machine. There whenever a server of the section is one.
    pub participant_localhost_ip: Option<String>,
    /// Whether user and password of each participant are recorded too, in clear; off unless configured. Without them
    /// the garbage collection logs in to participants as to the store.
    pub record_participant_credentials: bool,
}

/// The kinds of store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreBackend {
    /// Tables of a MySQL or MariaDB server.
    MySql(MySqlStore),
}

/// A server with the tables of the store: `xa.state_store.mysql`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MySqlStore {
    /// Where it listens: `localhost`, which means the socket, unless configured.
    pub endpoint: Endpoint,
    /// User to log in as.
    pub user: Option<String>,
    /// Password, or where to find it.
    pub password: Option<Secret>,
    /// Database that holds the tables.
    pub db: Option<String>,
    /// Capability flags of the login.
    pub connect_flags: u32,
    /// `global_trx_table`: one row for each transaction; `mysqlnd_ms_xa_trx`.
    pub global_trx_table: String,
    /// `participant_table`: one row for each server in a transaction; `mysqlnd_ms_xa_participants`.
    pub participant_table: String,
    /// `garbage_collection_table`: one row for each transaction being cleaned up; `mysqlnd_ms_xa_gc`.
    pub garbage_collection_table: String,
}
