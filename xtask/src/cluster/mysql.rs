//! MySQL's words.
//!
//! They changed with time: `CHANGE REPLICATION SOURCE` came with 8.0.23 and the old words are gone since 8.4. Memory is mostly
//! `performance_schema`; it stays on, because positions of one's own writes are read from it, but small.

use std::{ffi::OsString, fs, io, path::Path};

use super::dialect::{self, Bootstrap, Dialect, path_option};
use crate::provision::{Installation, Version};

/// MySQL 8.0 and newer.
#[derive(Debug)]
pub(super) struct MySql {
    pub(super) version: Version,
}

impl MySql {
    fn has_new_words(&self) -> bool {
        self.version >= Version { major: 8, minor: 0, patch: 23 }
    }

    /// Options of the command line changed three releases later.
    fn has_new_options(&self) -> bool {
        self.version >= Version { major: 8, minor: 0, patch: 26 }
    }
}

impl Dialect for MySql {
    fn bootstrap(&self, installation: &Installation, data: &Path, input_file: &Path) -> io::Result<Bootstrap> {
        let grants = "GRANT REPLICATION SLAVE, CONNECTION_ADMIN, GROUP_REPLICATION_STREAM, BACKUP_ADMIN ON *.* TO repl@'%';\n\
                      GRANT REPLICATION CLIENT ON *.* TO mon@'%';\n";
        let mut options = whereabouts(installation);
        options.extend([path_option("--datadir", data), path_option("--init-file", input_file)]);
        options.extend(
            [
                "--initialize-insecure",
                // The users must not have GTIDs: they would differ from server to server.
                "--skip-log-bin",
                "--loose-innodb-redo-log-capacity=8M",
                "--innodb-flush-log-at-trx-commit=0",
                "--loose-innodb-doublewrite=OFF",
                "--innodb-use-native-aio=0",
            ]
            .map(OsString::from),
        );
        Ok(Bootstrap { options, input: dialect::users(grants).into_bytes() })
    }

    fn individualise(&self, data: &Path, port: u16, id: u32) -> io::Result<()> {
        // The port is readable in every GTID, and in front of it, how often the server was made anew.
        let times = id / 1000;
        fs::write(data.join("auto.cnf"), format!("[auto]\nserver-uuid={times:08}-0000-0000-0000-{port:012}\n"))
    }

    fn options(&self, installation: &Installation) -> Vec<OsString> {
        let mut options = whereabouts(installation);
        options.extend(
            [
                "--log-bin=binlog",
                "--relay-log=relay",
                // A replica that was killed fetches again what it had not applied.
                "--relay-log-recovery=ON",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
                // Its second port is not wanted.
                "--mysqlx=OFF",
                // Commits reach the page cache, which outlives a killed server; nothing here survives a power cut, or needs to.
                "--innodb-flush-log-at-trx-commit=2",
                "--sync-binlog=0",
                "--loose-innodb-doublewrite=OFF",
                "--innodb-use-native-aio=0",
                "--innodb-buffer-pool-size=24M",
                "--loose-innodb-redo-log-capacity=8M",
                // Instead of 64 MB each time that the table space for temporary tables grows.
                "--loose-innodb-autoextend-increment=1",
                "--innodb-log-buffer-size=1M",
                "--innodb-read-io-threads=1",
                "--innodb-write-io-threads=1",
                "--innodb-buffer-pool-load-at-startup=OFF",
                "--innodb-buffer-pool-dump-at-shutdown=OFF",
                "--table-definition-cache=400",
                "--loose-temptable-max-ram=2M",
                "--key-buffer-size=1M",
                "--loose-performance-schema-max-table-instances=500",
                "--loose-performance-schema-max-table-handles=500",
                "--loose-performance-schema-max-file-instances=500",
                "--loose-performance-schema-max-thread-instances=600",
                "--loose-performance-schema-digests-size=200",
                "--loose-performance-schema-max-digest-length=256",
                "--loose-performance-schema-max-sql-text-length=256",
                "--loose-performance-schema-error-size=10",
                "--loose-performance-schema-users-size=20",
                "--loose-performance-schema-hosts-size=10",
                "--loose-performance-schema-accounts-size=20",
                "--loose-performance-schema-events-waits-history-long-size=10",
                "--loose-performance-schema-events-stages-history-long-size=10",
                "--loose-performance-schema-events-statements-history-long-size=10",
                "--loose-performance-schema-events-transactions-history-long-size=10",
            ]
            .map(OsString::from),
        );
        options
    }

    fn read_only(&self) -> &'static str {
        // Stops users with every privilege as well, which `read_only` does not.
        "--super-read-only=ON"
    }

    fn follow(&self, port: u16) -> Vec<String> {
        // Without TLS the password of a user who logs in for the first time is sent under the primary's public key.
        let change = if self.has_new_words() {
            format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='repl', SOURCE_PASSWORD='repl', \
                 SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400"
            )
        } else {
            format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='repl', MASTER_PASSWORD='repl', \
                 MASTER_AUTO_POSITION=1, GET_MASTER_PUBLIC_KEY=1, MASTER_CONNECT_RETRY=1"
            )
        };
        vec![change, self.start_replication().to_owned()]
    }

    fn stop_replication(&self) -> &'static str {
        if self.has_new_words() { "STOP REPLICA" } else { "STOP SLAVE" }
    }

    fn start_replication(&self) -> &'static str {
        if self.has_new_words() { "START REPLICA" } else { "START SLAVE" }
    }

    fn without_replication(&self) -> &'static str {
        if self.has_new_options() { "--skip-replica-start" } else { "--skip-slave-start" }
    }

    fn delay(&self, seconds: u32) -> Vec<String> {
        let change = if self.has_new_words() {
            format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}")
        } else {
            format!("CHANGE MASTER TO MASTER_DELAY={seconds}")
        };
        vec![self.stop_replication().to_owned(), change, self.start_replication().to_owned()]
    }

    fn promote(&self) -> &'static [&'static str] {
        if self.has_new_words() {
            &["STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0"]
        } else {
            &["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0"]
        }
    }

    fn demote(&self) -> &'static [&'static str] {
        &["SET GLOBAL super_read_only=1"]
    }

    fn replication_status(&self) -> (&'static str, [&'static str; 2]) {
        if self.has_new_words() {
            ("SHOW REPLICA STATUS", ["Replica_IO_Running", "Replica_SQL_Running"])
        } else {
            ("SHOW SLAVE STATUS", ["Slave_IO_Running", "Slave_SQL_Running"])
        }
    }

    fn position(&self) -> &'static str {
        "@@GLOBAL.gtid_executed"
    }

    fn applied(&self) -> &'static str {
        self.position()
    }

    fn has(&self, position: &str) -> String {
        format!("SELECT GTID_SUBSET('{}', @@GLOBAL.gtid_executed)", position.replace('\n', ""))
    }

    fn wait_for(&self, position: &str, seconds: u32) -> String {
        // Long sets are shown on several lines.
        let position = position.replace('\n', "");
        format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', {seconds})")
    }
}

/// Where the server's own files are; the compiled-in places are right only for an installed server.
fn whereabouts(installation: &Installation) -> Vec<OsString> {
    let mut options = vec![path_option("--basedir", &installation.basedir), "--secure-file-priv=NULL".into()];
    for share in ["share/mysql", "share"] {
        let share = installation.basedir.join(share);
        if share.join("charsets").is_dir() {
            options.push(path_option("--lc-messages-dir", &share));
            options.push(path_option("--character-sets-dir", &share.join("charsets")));
            break;
        }
    }
    let plugins = installation.basedir.join("lib/mysql/plugin");
    if plugins.is_dir() {
        options.push(path_option("--plugin-dir", &plugins));
    }
    options
}
