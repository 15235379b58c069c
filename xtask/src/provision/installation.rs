//! A server that can be run.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::{Error, Flavor, Origin, Version, flavor::parse_version_line};

/// How long a server may take to say its version; the first start after unpacking reads 100 MB from disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server program that said its version, and everything needed to start it.
#[derive(Debug, Clone)]
pub struct Installation {
    /// What it is.
    pub flavor: Flavor,
    /// Which release.
    pub version: Version,
    /// Where it was found.
    pub origin: Origin,
    /// The server's program.
    pub program: PathBuf,
    /// The folder that holds `share`, `lib` and the folder of the program.
    pub basedir: PathBuf,
    loader: Option<Loader>,
}

/// The dynamic loader and the libraries a program was built for, where those of the machine will not do.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    pub(crate) program: PathBuf,
    pub(crate) library_path: OsString,
}

impl Installation {
    /// Runs `program --version` and accepts it when it is `flavor`, new enough.
    ///
    /// # Errors
    ///
    /// Fails when the program does not run, is no server, or is another one than asked for.
    pub async fn examine(flavor: Flavor, program: &Path, origin: Origin) -> Result<Self, Error> {
        Self::examine_with(flavor, program, origin, None).await
    }

    /// As [`examine`](Self::examine), with the loader the program needs.
    pub(crate) async fn examine_with(
        flavor: Flavor,
        program: &Path,
        origin: Origin,
        loader: Option<Loader>,
    ) -> Result<Self, Error> {
        let does_not_run = |output: String| Error::DoesNotRun { flavor, program: program.to_owned(), output };
        // Links such as `/usr/local/bin/mysqld` say nothing about where the server's own files are.
        let program = program.canonicalize().map_err(|it| does_not_run(it.to_string()))?;
        let basedir = program.ancestors().nth(2).unwrap_or(Path::new("/")).to_owned();
        let oldest = flavor.oldest_accepted();
        let mut it = Self { flavor, version: oldest, origin, program, basedir, loader };

        let mut command = it.command();
        command.args(["--no-defaults", "--version"]).stdin(Stdio::null()).kill_on_drop(true);
        let output = match timeout(PATIENCE, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(does_not_run(error.to_string())),
            Err(_) => return Err(does_not_run("it does not answer `--version`".to_owned())),
        };
        let line = String::from_utf8_lossy(&output.stdout);
        let Some((found, version)) = parse_version_line(&line) else {
            let said = if line.trim().is_empty() { String::from_utf8_lossy(&output.stderr) } else { line };
            return Err(does_not_run(said.trim().to_owned()));
        };
        if found != flavor || version < oldest {
            return Err(Error::NotAccepted { program: it.program, found, version, flavor, oldest });
        }
        it.version = version;
        Ok(it)
    }

    /// The words that start the server; its options follow.
    #[must_use]
    pub fn argv(&self) -> Vec<OsString> {
        let program = self.program.clone().into_os_string();
        match &self.loader {
            None => vec![program],
            Some(loader) => {
                let loader_program = loader.program.clone().into_os_string();
                vec![loader_program, "--library-path".into(), loader.library_path.clone(), program]
            }
        }
    }

    /// A command that starts the server; its options follow.
    #[must_use]
    pub fn command(&self) -> Command {
        let argv = self.argv();
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]);
        without_foreign_libraries(&mut command);
        command
    }
}

/// cargo points `LD_LIBRARY_PATH` at its own libraries for everything it runs; a server must not load those.
pub(crate) fn without_foreign_libraries(command: &mut Command) {
    command.env_remove("LD_LIBRARY_PATH").env_remove("LD_PRELOAD");
}
