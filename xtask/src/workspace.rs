//! Where things are kept.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The folder that servers and their data templates are kept in.
///
/// That is `target/servers` of the workspace, whatever `CARGO_TARGET_DIR` says: builds with different target folders share
/// servers, which are large and do not depend on the build. Where the workspace cannot be written to, it is
/// `$CARGO_TARGET_DIR/servers`.
///
/// # Errors
///
/// Fails when neither folder can be created and written to.
pub fn servers_folder() -> io::Result<PathBuf> {
    let in_workspace = root().join("target/servers");
    match make_writable(&in_workspace) {
        Ok(()) => Ok(in_workspace),
        Err(error) => {
            let Some(target) = env::var_os("CARGO_TARGET_DIR") else {
                return Err(io::Error::new(error.kind(), format!("cannot write to `{}`", in_workspace.display())));
            };
            let folder = env::current_dir()?.join(target).join("servers");
            make_writable(&folder)?;
            Ok(folder)
        }
    }
}

/// The workspace's own folder.
#[must_use]
pub fn root() -> PathBuf {
    // cargo sets the variable for `cargo xtask`; the constant serves a binary that is started by hand.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_owned)
}

fn make_writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // Permission bits say little about root, other users' folders or read-only mounts: try it.
    let probe = folder.join(format!(".writable-{}", std::process::id()));
    fs::write(&probe, "")?;
    match fs::remove_file(probe) {
        // Another thread of this process tried at the same moment and was the first to remove it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_may_ask_at_once() {
        let folder = env::temp_dir().join(format!("ms-writable-{}", std::process::id()));
        let asked = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..200).try_for_each(|_| make_writable(&folder)))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
        });
        fs::remove_dir_all(&folder).unwrap();
        asked.unwrap();
    }
}
