//! One data folder, made once and copied for every server.
//!
//! Initialising a server takes seconds and ends the same each time, so the result is kept beside the server's prefix.
//!
//! Servers reserve what they may need one day: of MySQL's 87 MB two thirds are zeros. A copy shares its blocks with the original
//! where the file system can do that, and otherwise has holes where the original has zeros. So it takes a third of the time
//! and the room, and the room that a server never needs is never taken.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use rustix::fs::ioctl_ficlone;
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
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(files(error)),
            _ => {}
        }
        self.let_go_of_zeros().await
    }

    /// Takes no more room than a copy does.
    async fn let_go_of_zeros(&self) -> Result<(), Error> {
        let reserved = self.data.with_extension("reserved");
        let files = |source| Error::Files { path: reserved.clone(), source };
        fs::rename(&self.data, &reserved).map_err(files)?;
        copy_data(&reserved, &self.data).await?;
        fs::remove_dir_all(&reserved).map_err(files)
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
    // Changes when something is done with what the server has made.
    "without zeros".hash(&mut hasher);
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
            copy_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// What is skipped where it is zero; file systems give out blocks of this size or smaller ones.
const BLOCK: usize = 16 << 10;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Copies a file and its permissions, and of its zeros as few as the file system allows.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let about = source.metadata()?;
    let mut target = File::create_new(to)?;
    target.set_permissions(about.permissions())?;
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let mut block = [0; BLOCK];
    loop {
        let length = fill(&mut source, &mut block)?;
        if block[..length] == ZEROS[..length] {
            target.seek_relative(i64::try_from(length).unwrap_or(i64::MAX))?;
        } else {
            target.write_all(&block[..length])?;
        }
        if length < BLOCK {
            // Zeros at the end were not written either.
            let end = target.stream_position()?;
            return target.set_len(end);
        }
    }
}

/// Reads until the buffer is full or the file is over.
fn fill(source: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::{env, ffi::OsString, os::unix::fs::MetadataExt, process};

    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_takes_no_room_for_zeros() {
        check_copy(&[]);
        check_copy(b"short");
        check_copy(&[0; 10]);
        check_copy(&vec![0; 1 << 20]);
        check_copy(&[&vec![0; 1 << 20][..], b"behind", &vec![0; (1 << 20) + 7]].concat());
        check_copy(&vec![7; BLOCK]);
        check_copy(&[vec![7; BLOCK], vec![0; BLOCK]].concat());
    }

    #[track_caller]
    fn check_copy(content: &[u8]) {
        let folder = env::temp_dir().join(format!("ms-sparse-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::write(&from, content).unwrap();
        copy_file(&from, &to).unwrap();
        let (copied, about) = (fs::read(&to).unwrap(), fs::metadata(&to).unwrap());
        fs::remove_dir_all(&folder).unwrap();

        assert!(copied == content, "{} bytes became {}", content.len(), copied.len());
        let blocks = content.chunks(BLOCK).filter(|it| it.iter().any(|byte| *byte != 0)).count() as u64;
        // Not on file systems without holes; the ones that tests run on have them.
        assert!(about.blocks() * 512 <= (blocks + 1) * BLOCK as u64, "{} blocks for {}", about.blocks(), content.len());
    }

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
