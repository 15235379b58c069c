//! A copy of the workspace in which mistakes are made.
//!
//! It has a target folder of its own and is kept from run to run, so that only what a mistake touches is built again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Failed, list::Edit};

/// The copy.
#[derive(Debug)]
pub(super) struct Scratch {
    source: PathBuf,
    folder: PathBuf,
}

impl Scratch {
    /// Brings the copy up to date: every file that belongs to the repository, as it is now.
    pub(super) fn refresh(source: &Path) -> Result<Self, Failed> {
        let folder = source.join("target/planted/workspace");
        let it = Self { source: source.to_owned(), folder };
        // What git knows or would know; not what it ignores, such as the target folder that this is in.
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(source)
            .output()
            .map_err(|source| Failed::Start { program: "git".to_owned(), source })?;
        for file in String::from_utf8_lossy(&output.stdout).lines() {
            it.restore(file)?;
        }
        Ok(it)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it builds.
    pub(super) fn target(&self) -> PathBuf {
        self.source.join("target/planted/target")
    }

    /// Makes a mistake.
    pub(super) fn plant(&self, edit: &Edit) -> Result<(), Failed> {
        let path = self.folder.join(edit.file);
        let files = |source| Failed::Files { path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(files)?;
        if text.matches(edit.from).count() != 1 {
            return Err(Failed::Misfit { file: edit.file, from: edit.from });
        }
        fs::write(&path, text.replacen(edit.from, edit.to, 1)).map_err(files)
    }

    /// Makes a file what it is in the repository; one that is so already stays untouched, and is not built again.
    pub(super) fn restore(&self, file: &str) -> Result<(), Failed> {
        let (from, to) = (self.source.join(file), self.folder.join(file));
        let files = |source| Failed::Files { path: to.clone(), source };
        let wanted = match fs::read(&from) {
            // Deleted and not committed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            wanted => wanted.map_err(files)?,
        };
        if fs::read(&to).is_ok_and(|it| it == wanted) {
            return Ok(());
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(files)?;
        }
        fs::write(&to, wanted).map_err(files)
    }
}
