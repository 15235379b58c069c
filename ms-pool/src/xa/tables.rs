//! The tables of the store, as the original named them.
//!
//! An installation of the original has tables of these names; ours have all of their columns and some more, for what the
//! original's protocol got wrong: the decision as a value that is set once, who owns a transaction and until when, and which
//! server a branch is really on.

use std::fmt;

use ms_config::MySqlStore;

/// The tables of a store: their names, and the SQL that makes them.
///
/// # Examples
///
/// ```
/// let tables = ms_pool::XaTables::default();
/// assert!(tables.create()[0].starts_with("CREATE TABLE IF NOT EXISTS `mysqlnd_ms_xa_trx`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaTables {
    /// One row for each transaction.
    pub transactions: String,
    /// One row for each server in one.
    pub participants: String,
    /// One row for each transaction that recovery has tried to finish.
    pub collections: String,
}

impl Default for XaTables {
    /// The original's names.
    fn default() -> Self {
        Self {
            transactions: "mysqlnd_ms_xa_trx".into(),
            participants: "mysqlnd_ms_xa_participants".into(),
            collections: "mysqlnd_ms_xa_gc".into(),
        }
    }
}

impl XaTables {
    /// With the names that a section gives them.
    #[must_use]
    pub fn of(store: &MySqlStore) -> Self {
        Self {
            transactions: store.global_trx_table.clone(),
            participants: store.participant_table.clone(),
            collections: store.garbage_collection_table.clone(),
        }
    }

    /// The statements that make those that are missing, in their order.
    #[must_use]
    pub fn create(&self) -> Vec<String> {
        let states = "ENUM('XA_NON_EXISTING','XA_ACTIVE','XA_IDLE','XA_PREPARED','XA_COMMIT','XA_ROLLBACK')";
        let modified = "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP";
        let [trx, participants, gc] = self.quoted();
        vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {trx} (
  store_trx_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  gtrid VARBINARY(64) NOT NULL,
  format_id INT UNSIGNED NOT NULL DEFAULT 1,
  state {states} NOT NULL DEFAULT 'XA_NON_EXISTING',
  intend {states} DEFAULT 'XA_NON_EXISTING',
  finished ENUM('NO','SUCCESS','FAILURE') NOT NULL DEFAULT 'NO',
  modified {modified},
  started DATETIME DEFAULT NULL,
  timeout DATETIME DEFAULT NULL,
  tag BIGINT UNSIGNED DEFAULT NULL,
  owner VARBINARY(64) DEFAULT NULL,
  lease DATETIME DEFAULT NULL,
  decision ENUM('COMMIT','ABORT') DEFAULT NULL,
  PRIMARY KEY (store_trx_id),
  KEY (gtrid, format_id, finished),
  KEY (finished, store_trx_id),
  KEY (owner, finished),
  KEY (state)
) ENGINE=InnoDB"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {participants} (
  fk_store_trx_id BIGINT UNSIGNED NOT NULL,
  bqual VARBINARY(64) NOT NULL DEFAULT '',
  participant_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  server_uuid VARCHAR(127) DEFAULT NULL,
  scheme VARCHAR(1024) NOT NULL,
  host VARCHAR(255) DEFAULT NULL,
  port SMALLINT UNSIGNED DEFAULT NULL,
  socket VARCHAR(127) DEFAULT NULL,
  user VARCHAR(127) DEFAULT NULL,
  password VARCHAR(127) DEFAULT NULL,
  state {states} NOT NULL DEFAULT 'XA_NON_EXISTING',
  health ENUM('OK','GC_DONE','CLIENT ERROR','SERVER ERROR') NOT NULL DEFAULT 'OK',
  connection_id BIGINT UNSIGNED DEFAULT NULL,
  client_errno SMALLINT UNSIGNED DEFAULT NULL,
  client_error VARCHAR(1024) DEFAULT NULL,
  modified {modified},
  branch SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  server_run VARCHAR(64) DEFAULT NULL,
  settled ENUM('COMMITTED','ROLLED BACK','PRESUMED') DEFAULT NULL,
  PRIMARY KEY (participant_id),
  KEY (bqual),
  KEY (fk_store_trx_id, branch),
  FOREIGN KEY (fk_store_trx_id) REFERENCES {trx} (store_trx_id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {gc} (
  gc_id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  gtrid VARBINARY(64) NOT NULL,
  format_id INT UNSIGNED NOT NULL DEFAULT 1,
  fk_store_trx_id BIGINT UNSIGNED DEFAULT NULL,
  modified {modified},
  attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (gc_id),
  UNIQUE KEY (gtrid, format_id, fk_store_trx_id)
) ENGINE=InnoDB"
            ),
        ]
    }

    /// The statements that replace tables of the original's shape by ours, in their order. What they hold is dropped: the
    /// original wrote too little to finish a transaction by.
    #[must_use]
    pub fn replace(&self) -> Vec<String> {
        let dropped = self.quoted().into_iter().rev().map(|table| format!("DROP TABLE IF EXISTS {table}"));
        dropped.chain(self.create()).collect()
    }

    /// As SQL: transactions, participants, collections.
    pub(super) fn quoted(&self) -> [String; 3] {
        [quoted(&self.transactions), quoted(&self.participants), quoted(&self.collections)]
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table of the store is not what it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XaTablesError {
    pub(super) what: String,
}

impl fmt::Display for XaTablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tables of the state store have the original's shape ({}): `ms xa init --upgrade` replaces them",
            self.what
        )
    }
}

impl std::error::Error for XaTablesError {}
