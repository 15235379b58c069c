//! What differs between the flavours.
//!
//! Both replicate by GTID and both can be told to be small; nearly every word for it differs. A dialect holds the words and
//! decides nothing: everything here is data, so what a server is told can be read in a test.

use std::{ffi::OsString, io, path::Path};

use super::{mariadb::MariaDb, mysql::MySql};
use crate::provision::{Flavor, Installation};

/// How to make a data folder: the server is run once with these options and this input.
#[derive(Debug, Hash)]
pub(super) struct Bootstrap {
    pub(super) options: Vec<OsString>,
    pub(super) input: Vec<u8>,
}

/// The words of one flavour.
pub(super) trait Dialect: std::fmt::Debug + Send + Sync {
    /// How to make the data folder `data` with the users and databases of every test. The input will be a file, `input_file`,
    /// and the server's standard input.
    fn bootstrap(&self, installation: &Installation, data: &Path, input_file: &Path) -> io::Result<Bootstrap>;

    /// What to do to a copy of the data folder before its first start on `port` as number `id`.
    fn individualise(&self, data: &Path, port: u16, id: u32) -> io::Result<()>;

    /// Options that make a server small, quick and ready to replicate.
    fn options(&self, installation: &Installation) -> Vec<OsString>;

    /// The option that makes a server refuse writes, as strictly as this flavour can.
    fn read_only(&self) -> &'static str;

    /// Statements that make a server follow the primary on `port`.
    fn follow(&self, port: u16) -> Vec<String>;

    /// The statement that stops replication on a replica.
    fn stop_replication(&self) -> &'static str;

    /// The statement that starts it again.
    fn start_replication(&self) -> &'static str;

    /// The option with which a server starts and does not replicate.
    fn without_replication(&self) -> &'static str;

    /// Statements that make a replica apply everything this late; zero is at once.
    fn delay(&self, seconds: u32) -> Vec<String>;

    /// Statements that make a replica follow nobody, keep what it has, and take writes.
    fn promote(&self) -> &'static [&'static str];

    /// Statements that make a server refuse writes.
    fn demote(&self) -> &'static [&'static str];

    /// The statement that shows how replication is going, and the columns that must say `Yes`.
    fn replication_status(&self) -> (&'static str, [&'static str; 2]);

    /// The expression for all a primary has written.
    fn position(&self) -> &'static str;

    /// The expression for all a replica has applied.
    fn applied(&self) -> &'static str;

    /// The statement by which a replica answers 1 when it has applied `position`.
    fn has(&self, position: &str) -> String;

    /// The statement that waits on a replica until it has `position`, and answers 0 then.
    fn wait_for(&self, position: &str, seconds: u32) -> String;
}

/// The words this server understands.
pub(super) fn of(installation: &Installation) -> Box<dyn Dialect> {
    match installation.flavor {
        Flavor::MariaDb => Box::new(MariaDb),
        Flavor::MySql => Box::new(MySql { version: installation.version }),
    }
}

/// The users and databases that every flavour's template has; `grants` adds what has different names.
pub(super) fn users(grants: &str) -> String {
    let mut statements = String::new();
    for name in ["app", "repl", "mon", "low"] {
        statements += &format!("CREATE USER {name}@'%' IDENTIFIED BY '{name}';\n");
    }
    statements += "GRANT ALL ON *.* TO app@'%' WITH GRANT OPTION;\n";
    for database in ["test", "test2"] {
        statements += &format!("CREATE DATABASE IF NOT EXISTS {database};\n");
        statements += &format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON {database}.* TO low@'%';\n");
    }
    statements + grants
}

/// `--name=value`, where the value is a path.
pub(super) fn path_option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push("=");
    option.push(path);
    option
}
