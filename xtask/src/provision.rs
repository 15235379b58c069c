//! Getting a real server without installing one.
//!
//! A server named by the user comes first, then one found on `PATH`, then one unpacked by an earlier run, and last the archive
//! this machine gets its packages from: package lists, server and libraries go into folders of our own, and the server runs with
//! the loader and the C library it was built for. So neither root nor an installed package is needed, and a Debian release can
//! run the MySQL of a newer one.
//!
//! MariaDB is in every Debian and Ubuntu release; MySQL in Ubuntu and in Debian's `unstable` suite, which is read when the
//! machine's own suites have none.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::progress::Progress;

mod apt; // private package lists and downloads
mod archive; // from the archive into a prefix
mod flavor; // which server, which release
mod installation; // a server that can be run
mod packages; // what is offered, and what a server needs of it
mod path; // servers that are there already
mod prefix; // an unpacked server and its loader
pub mod sources; // where packages come from

pub(crate) use self::installation::without_foreign_libraries;
pub use self::{
    flavor::{Flavor, NotAVersion, Version, parse_version_line},
    installation::Installation,
    packages::{Package, Packages},
};

/// Where servers may come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Wish {
    /// Use this MariaDB server program instead of looking for one
    #[arg(long, value_name = "PATH")]
    pub mariadbd: Option<PathBuf>,
    /// Use this MySQL server program instead of looking for one
    #[arg(long, value_name = "PATH")]
    pub mysqld: Option<PathBuf>,
}

impl Wish {
    /// The program the user insists on.
    #[must_use]
    pub fn program(&self, flavor: Flavor) -> Option<&Path> {
        match flavor {
            Flavor::MariaDb => self.mariadbd.as_deref(),
            Flavor::MySql => self.mysqld.as_deref(),
        }
    }
}

/// Where a server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Named by the user: nothing else will do.
    Named,
    /// Installed on this machine.
    Installed,
    /// Unpacked from the archive by this program.
    Unpacked,
}

/// The server on this machine that the user named or that is installed, if there is one.
///
/// # Errors
///
/// Fails when a program was named and is not an acceptable server. An installed server that is not acceptable is passed over.
pub async fn local(flavor: Flavor, wish: &Wish) -> Result<Option<Installation>, Error> {
    match wish.program(flavor) {
        Some(program) => Installation::examine(flavor, program, Origin::Named).await.map(Some),
        None => Ok(path::find(flavor).await),
    }
}

/// The server unpacked below `servers`, if an earlier run left one.
pub async fn unpacked(flavor: Flavor, servers: &Path) -> Option<Installation> {
    prefix::newest(flavor, servers).await
}

/// The server from the archive, downloaded and unpacked below `servers` unless that was done before.
///
/// # Errors
///
/// Fails with [`Error::Unavailable`] when the archive cannot be reached or does not offer the server.
///
/// # Cancel safety
///
/// Cancel safe: programs that run meanwhile are killed, and what is half unpacked is made again the next time.
pub async fn from_archive(flavor: Flavor, servers: &Path, progress: &Progress) -> Result<Installation, Error> {
    let unavailable = |cause| Error::Unavailable { flavor, oldest: flavor.oldest_accepted(), cause: Box::new(cause) };
    archive::provision(flavor, servers, progress).await.map_err(unavailable)
}

/// Waits until this process alone prepares what `path` stands for; that lasts as long as the returned file.
pub(crate) async fn lock(path: &Path, progress: &Progress) -> Result<std::fs::File, Error> {
    archive::lock(path, progress).await
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every way ended; the message says what a user can do.
    #[error(
        "no {flavor} server can be had on this machine: install the package `{}` ({flavor} {oldest} or newer), or name a server program with `--{}`",
        flavor.package(),
        flavor.program()
    )]
    Unavailable {
        /// What was wanted.
        flavor: Flavor,
        /// The oldest release that would have done.
        oldest: Version,
        /// What went wrong last.
        #[source]
        cause: Box<Error>,
    },
    /// A program did not say that it is a server.
    #[error("`{}` does not run as a {flavor} server: {output}", program.display())]
    DoesNotRun {
        /// What was wanted.
        flavor: Flavor,
        /// What was tried.
        program: PathBuf,
        /// What it said.
        output: String,
    },
    /// A server of another flavour, or too old.
    #[error("`{}` is {found} {version}, and {flavor} {oldest} or newer is needed", program.display())]
    NotAccepted {
        /// What was tried.
        program: PathBuf,
        /// What it is.
        found: Flavor,
        /// Its release.
        version: Version,
        /// What was wanted.
        flavor: Flavor,
        /// The oldest release that would have done.
        oldest: Version,
    },
    /// The package lists hold no such server.
    #[error("the archive of this machine does not offer `{package}` {oldest} or newer")]
    NotOffered {
        /// The package that was looked for.
        package: &'static str,
        /// The oldest release that would have done.
        oldest: Version,
    },
    /// A packaging tool ended with an error.
    #[error("`{command}` failed: {output}")]
    Tool {
        /// The tool and what it was to do.
        command: String,
        /// The last lines it wrote.
        output: String,
    },
    /// A packaging tool made no progress.
    #[error("`{command}` made no progress for {seconds} s")]
    Stalled {
        /// The tool and what it was to do.
        command: String,
        /// How long nothing happened.
        seconds: u64,
    },
    /// A tool that every Debian and Ubuntu machine has is not there.
    #[error("cannot run `{command}`")]
    NoTool {
        /// The tool and what it was to do.
        command: String,
        /// Why it did not start.
        source: io::Error,
    },
    /// A file or folder could not be used.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
