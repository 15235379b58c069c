//! MariaDB's words.
//!
//! A data folder is made by feeding the server the SQL files of its package, which is what the package's own script does; doing it
//! here needs no shell, works with a private loader, and leaves the help tables out.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::dialect::{self, Bootstrap, Dialect, path_option};
use crate::provision::Installation;

/// MariaDB 10.6 and newer.
#[derive(Debug)]
pub(super) struct MariaDb;

/// The package's SQL files in the order they build on each other, each under its names in older and newer releases.
const SYSTEM_TABLES: [&[&str]; 5] = [
    &["mariadb_system_tables.sql", "mysql_system_tables.sql"],
    &["mariadb_performance_tables.sql", "mysql_performance_tables.sql"],
    &["mariadb_system_tables_data.sql", "mysql_system_tables_data.sql"],
    &["maria_add_gis_sp_bootstrap.sql"],
    &["mariadb_sys_schema.sql", "mysql_sys_schema.sql"],
];

impl Dialect for MariaDb {
    fn bootstrap(&self, installation: &Installation, data: &Path, _input_file: &Path) -> io::Result<Bootstrap> {
        let mut input = b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n".to_vec();
        for names in SYSTEM_TABLES {
            input.extend(fs::read(shared_file(installation, names)?)?);
            input.push(b'\n');
        }
        let grants =
            "GRANT REPLICATION SLAVE ON *.* TO repl@'%';\nGRANT REPLICA MONITOR, BINLOG MONITOR ON *.* TO mon@'%';\n";
        // Accounts can be made only after the tables made above have been read.
        input.extend(format!("FLUSH PRIVILEGES;\n{}", dialect::users(grants)).into_bytes());

        let mut options = vec![path_option("--basedir", &installation.basedir), path_option("--datadir", data)];
        options.extend(
            [
                "--bootstrap",
                "--log-warnings=0",
                "--enforce-storage-engine=",
                "--max-allowed-packet=8M",
                // Half made by a power cut, it is made again.
                "--loose-debug-no-sync=1",
                "--loose-innodb-log-file-size=8M",
                "--loose-innodb-flush-method=nosync",
                "--loose-innodb-flush-log-at-trx-commit=0",
                "--loose-innodb-buffer-pool-size=16M",
                "--loose-innodb-use-native-aio=0",
                "--loose-performance-schema=OFF",
            ]
            .map(OsString::from),
        );
        Ok(Bootstrap { options, input })
    }

    fn individualise(&self, _data: &Path, _port: u16, _id: u32) -> io::Result<()> {
        Ok(())
    }

    fn options(&self, installation: &Installation) -> Vec<OsString> {
        let mut options = vec![path_option("--basedir", &installation.basedir)];
        options.extend(
            [
                "--log-bin=binlog",
                "--relay-log=relay",
                "--log-slave-updates",
                "--binlog-format=ROW",
                "--gtid-strict-mode=1",
                // Commits reach the page cache, which outlives a killed server; nothing here survives a power cut, or needs to.
                "--innodb-flush-log-at-trx-commit=2",
                "--sync-binlog=0",
                "--loose-debug-no-sync=1",
                "--loose-innodb-flush-method=nosync",
                "--loose-innodb-doublewrite=OFF",
                // io_uring is limited or forbidden in many containers.
                "--loose-innodb-use-native-aio=0",
                "--loose-innodb-buffer-pool-size=16M",
                "--loose-innodb-log-file-size=8M",
                // Instead of 12 MB at once and 64 MB more each time.
                "--loose-innodb-temp-data-file-path=ibtmp1:5M:autoextend",
                "--loose-innodb-autoextend-increment=1",
                "--loose-innodb-read-io-threads=1",
                "--loose-innodb-write-io-threads=2",
                "--loose-innodb-purge-threads=1",
                "--loose-innodb-buffer-pool-load-at-startup=OFF",
                "--loose-innodb-buffer-pool-dump-at-shutdown=OFF",
                "--loose-aria-pagecache-buffer-size=1M",
                "--loose-aria-log-file-size=8M",
                "--loose-key-buffer-size=1M",
                "--loose-performance-schema=OFF",
            ]
            .map(OsString::from),
        );
        options
    }

    fn read_only(&self) -> &'static str {
        "--read-only=1"
    }

    fn follow(&self, port: u16) -> Vec<String> {
        vec![
            // A second between tries: the default of a minute is longer than any test waits for a primary to come back.
            format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='repl', MASTER_PASSWORD='repl', \
                 MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
            ),
            self.start_replication().to_owned(),
        ]
    }

    fn stop_replication(&self) -> &'static str {
        "STOP SLAVE"
    }

    fn start_replication(&self) -> &'static str {
        "START SLAVE"
    }

    fn without_replication(&self) -> &'static str {
        "--skip-slave-start"
    }

    fn delay(&self, seconds: u32) -> Vec<String> {
        vec!["STOP SLAVE".to_owned(), format!("CHANGE MASTER TO MASTER_DELAY={seconds}"), "START SLAVE".to_owned()]
    }

    fn promote(&self) -> &'static [&'static str] {
        &["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=0"]
    }

    fn demote(&self) -> &'static [&'static str] {
        &["SET GLOBAL read_only=1"]
    }

    fn replication_status(&self) -> (&'static str, [&'static str; 2]) {
        ("SHOW SLAVE STATUS", ["Slave_IO_Running", "Slave_SQL_Running"])
    }

    fn position(&self) -> &'static str {
        "@@GLOBAL.gtid_binlog_pos"
    }

    fn applied(&self) -> &'static str {
        "@@GLOBAL.gtid_slave_pos"
    }

    fn has(&self, position: &str) -> String {
        // These clusters have one domain, and replicas of it are at one point of one history.
        let sequence = position.rsplit('-').next().unwrap_or("0");
        format!("SELECT SUBSTRING_INDEX(@@GLOBAL.gtid_slave_pos, '-', -1) >= 0{sequence}")
    }

    fn wait_for(&self, position: &str, seconds: u32) -> String {
        format!("SELECT MASTER_GTID_WAIT('{position}', {seconds})")
    }
}

/// A file of the server's package, under the first of its names that exists.
fn shared_file(installation: &Installation, names: &[&str]) -> io::Result<PathBuf> {
    let folders = ["share/mysql", "share/mariadb", "share"].map(|it| installation.basedir.join(it));
    let mut paths = names.iter().flat_map(|name| folders.iter().map(move |it| it.join(name)));
    paths.find(|it| it.is_file()).ok_or_else(|| {
        let message = format!("`{}` is not below `{}`", names.join("` or `"), installation.basedir.display());
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}
