//! One data folder, made once and copied for every server.
//!
//! Initialising a server takes seconds and ends the same each time, so the result is kept beside the server's prefix. A copy
//! costs nothing on file systems that can share blocks: `fs::copy` asks for that.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Error,
    dialect::{self, Bootstrap},
};
use crate::{
    progress::Progress,
    provision::{self, Installation, Origin},
};

/// Longer than any server needs to make its data folder, on any machine that can run tests.
const PATIENCE: Duration = Duration::from_secs(180);

/// A data folder to copy.
#[derive(Debug, Clone)]
pub(super) struct Template {
    data: PathBuf,
}

impl Template {
    /// Finds the template of this server below `servers`, or makes it.
    pub(super) async fn prepare(
        installation: &Installation,
        servers: &Path,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let Installation { flavor, version, .. } = installation;
        let origin = if installation.origin == Origin::Unpacked { "" } else { "-installed" };
        let home = servers.join(format!("{}-{version}{origin}-data", flavor.key()));
        let it = Self { data: home.join("data") };
        let files = |source| Error::Files { path: home.clone(), source };

        let _alone = provision::lock(&servers.join("template.lock"), progress).await?;
        let input_file = home.join("bootstrap.sql");
        let bootstrap = dialect::of(installation).bootstrap(installation, &it.data, &input_file).map_err(files)?;
        // Written last; it changes when this program makes its templates in another way.
        let stamp = home.join("made");
        let fingerprint = fingerprint(&bootstrap);
        if fs::read_to_string(&stamp).is_ok_and(|it| it == fingerprint) {
            return Ok(it);
        }

        let step = progress.step(format!("{flavor}: initialising a data folder"));
        match fs::remove_dir_all(&home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(files(error)),
            _ => {}
        }
        fs::create_dir_all(&home).map_err(files)?;
        fs::write(&input_file, &bootstrap.input).map_err(files)?;
        it.initialise(installation, &bootstrap, &input_file, &home.join("log")).await?;
        fs::write(&stamp, fingerprint).map_err(files)?;
        step.finish(&format!("{flavor}: initialised a data folder"));
        Ok(it)
    }

    async fn initialise(
        &self,
        installation: &Installation,
        bootstrap: &Bootstrap,
        input_file: &Path,
        log: &Path,
    ) -> Result<(), Error> {
        let failed =
            |output| Error::Initialise { flavor: installation.flavor, program: installation.program.clone(), output };
        let files = |source| Error::Files { path: log.to_owned(), source };
        fs::create_dir(&self.data).map_err(files)?;
        let (input, output) = (File::open(input_file).map_err(files)?, File::create(log).map_err(files)?);

        let mut command = installation.command();
        command.arg("--no-defaults").args(as_root()).args(&bootstrap.options);
        command.stdin(input).stderr(output.try_clone().map_err(files)?).stdout(output);
        // In a group of its own: Ctrl-C is for us to hear, and dropping the child kills it.
        let mut child = command.process_group(0).kill_on_drop(true).spawn().map_err(|it| failed(it.to_string()))?;
        match timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(_)) => return Err(failed(super::server::last_lines(log, 0))),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed(format!("it took longer than {} s", PATIENCE.as_secs()))),
        }
        // MySQL's identity, of which every server needs its own.
        match fs::remove_file(self.data.join("auto.cnf")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(files(error)),
            _ => Ok(()),
        }
    }

    /// What is copied.
    pub(super) fn folder(&self) -> &Path {
        &self.data
    }

    /// Copies the template to the new folder `to`; a dropped future soon stops copying.
    pub(super) async fn copy(&self, to: &Path) -> Result<(), Error> {
        copy_data(&self.data, to).await
    }
}

/// Copies a data folder to the new folder `to`; a dropped future soon stops copying.
pub(super) async fn copy_data(from: &Path, to: &Path) -> Result<(), Error> {
    let (source, into) = (from.to_owned(), to.to_owned());
    // The copying thread holds the weak end and stops when the future, with the strong end, is gone.
    let wanted = Arc::new(());
    let still_wanted = Arc::downgrade(&wanted);
    let copied = spawn_blocking(move || copy_folder(&source, &into, &still_wanted)).await;
    let copied = copied.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    copied.map_err(|source| Error::Files { path: to.to_owned(), source })
}

/// Servers refuse to run as root unless told so in words.
pub(super) fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn fingerprint(bootstrap: &Bootstrap) -> String {
    let mut hasher = DefaultHasher::new();
    bootstrap.hash(&mut hasher);
    format!("{:016x}\n", hasher.finish())
}

fn copy_folder(from: &Path, to: &Path, wanted: &Weak<()>) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        if wanted.strong_count() == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target, wanted)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn a_changed_recipe_has_another_fingerprint() {
        let recipe = |option: &str, input: &str| {
            fingerprint(&Bootstrap { options: vec![OsString::from(option)], input: input.as_bytes().to_vec() })
        };
        assert_eq!(recipe("--a", "x"), recipe("--a", "x"));
        assert_ne!(recipe("--a", "x"), recipe("--b", "x"));
        assert_ne!(recipe("--a", "x"), recipe("--a", "y"));
    }
}
