//! The temporary folder of one cluster.
//!
//! Its path is short, because a socket's name may have 107 bytes in all. It is private to the user, and it is removed whatever
//! happens: by its owner, or, when the owner was killed with no chance to act, by the next cluster of the same user. A locked
//! file inside tells the two cases apart: the lock goes away with the process that holds it.

use std::{
    env,
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    iter,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// `$TMPDIR` is used up to this length; the longest name added to it is about 40 bytes.
const LONGEST_BASE: usize = 48;

const PREFIX: &str = "ms-";
const OWNER: &str = "owner.lock";
const KEPT: &str = "kept";

/// A folder that disappears with its owner.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    keep: bool,
    _owner: File,
}

impl Folder {
    /// Makes a new folder, and removes those whose owners are gone.
    pub(super) fn create() -> io::Result<Self> {
        Self::create_in(&base())
    }

    fn create_in(base: &Path) -> io::Result<Self> {
        sweep(base);
        let path = loop {
            let name: String = iter::repeat_with(fastrand::alphanumeric).take(6).collect();
            let path = base.join(format!("{PREFIX}{name}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        // Locked before it gets its name: a sweep never sees an owner that seems to be gone.
        let unnamed = path.join("owner.new");
        let owner = File::create(&unnamed)?;
        owner.lock()?;
        fs::rename(&unnamed, path.join(OWNER))?;
        Ok(Self { path, keep: false, _owner: owner })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder behind, for good.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        fs::write(self.path.join(KEPT), "")?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            remove(&self.path);
        }
    }
}

/// The folder that they are made in.
pub(super) fn base() -> PathBuf {
    let chosen = env::var_os("TMPDIR").map(PathBuf::from);
    let usable = |it: &PathBuf| it.is_absolute() && it.as_os_str().len() <= LONGEST_BASE && it.is_dir();
    chosen.filter(usable).unwrap_or_else(|| "/tmp".into())
}

/// Removes a folder that something may still be writing to: a server in the moment it is killed, a copy in the moment it is
/// given up. What cannot be removed is left to the next sweep.
fn remove(folder: &Path) {
    for _ in 0..40 {
        match try_remove(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => thread::sleep(Duration::from_millis(50)),
            _ => return,
        }
    }
}

fn try_remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // The mark of ownership goes last: without it no sweep would dare to remove the rest.
        if entry.file_name() == OWNER {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

/// Removes the folders of owners that were killed.
fn sweep(base: &Path) {
    for folder in fs::read_dir(base).into_iter().flatten().flatten() {
        let is_ours = folder.file_name().to_string_lossy().starts_with(PREFIX);
        let path = folder.path();
        if !is_ours || path.join(KEPT).exists() {
            continue;
        }
        // Folders of other users cannot be opened, and ones still in use cannot be locked.
        if File::open(path.join(OWNER)).is_ok_and(|owner| owner.try_lock().is_ok()) {
            remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_away_with_its_owner() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        assert!(path.join(OWNER).is_file());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn sweeps_only_what_nobody_owns_or_keeps() {
        let outer = Folder::create().unwrap();
        let base = outer.path().join("base");
        for name in ["ms-killed", "ms-kept", "other"] {
            fs::create_dir_all(base.join(name)).unwrap();
            fs::write(base.join(name).join(OWNER), "").unwrap();
        }
        fs::write(base.join("ms-kept").join(KEPT), "").unwrap();
        let live = Folder::create_in(&base).unwrap();

        sweep(&base);
        let left = |name: &str| base.join(name).exists();
        assert_eq!(
            [left("ms-killed"), left("ms-kept"), left("other"), live.path().exists()],
            [false, true, true, true]
        );
    }
}
