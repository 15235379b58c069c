//! An unpacked server.
//!
//! A prefix is the tree that a server's packages would have put below `/`. It counts once its stamp, written last, is there. Its
//! program is started through the loader inside it, so that the machine's own C library, which may be older, plays no part.
//! Folders called after the architecture are found by looking for that loader.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Error, Flavor, Installation, Origin, Version, installation::Loader};

/// The file whose presence says that a prefix is whole.
const STAMP: &str = "unpacked";

/// Where the server of this release is unpacked.
pub(super) fn folder(flavor: Flavor, version: Version, servers: &Path) -> PathBuf {
    servers.join(format!("{}-{version}", flavor.key()))
}

/// Declares the prefix whole.
pub(super) fn stamp(prefix: &Path) -> io::Result<()> {
    fs::write(prefix.join(STAMP), "every package of this server is unpacked here\n")
}

/// The newest whole prefix of this flavour whose server runs.
pub(super) async fn newest(flavor: Flavor, servers: &Path) -> Option<Installation> {
    let start = format!("{}-", flavor.key());
    let mut found: Vec<(Version, PathBuf)> = fs::read_dir(servers)
        .ok()?
        .filter_map(|it| {
            let it = it.ok()?;
            // The whole rest is the version: `mysql-9.7.4.new` is half made, `mysql-9.7.4-data` is a template.
            let rest = it.file_name().to_str()?.strip_prefix(&start)?.to_owned();
            let version: Version = rest.parse().ok()?;
            (version.to_string() == rest && it.path().join(STAMP).is_file()).then(|| (version, it.path()))
        })
        .collect();
    found.sort();
    for (_, prefix) in found.into_iter().rev() {
        if let Ok(installation) = open(flavor, &prefix).await {
            return Some(installation);
        }
    }
    None
}

/// Looks at an unpacked server.
pub(super) async fn open(flavor: Flavor, prefix: &Path) -> Result<Installation, Error> {
    let program = prefix.join("usr/sbin").join(flavor.program());
    let loader = find_loader(prefix).map_err(Error::io(prefix))?;
    Installation::examine_with(flavor, &program, Origin::Unpacked, loader).await
}

/// The loader in `lib/<architecture>` or `usr/lib/<architecture>`, with every library folder of that architecture.
fn find_loader(prefix: &Path) -> io::Result<Option<Loader>> {
    for parent in ["usr/lib", "lib"] {
        let Ok(folders) = fs::read_dir(prefix.join(parent)) else {
            continue;
        };
        for folder in folders.collect::<Result<Vec<_>, _>>()?.iter().map(fs::DirEntry::path).filter(|it| it.is_dir()) {
            for file in fs::read_dir(&folder)? {
                let file = file?;
                // Links to the loader are absolute and would lead out of the prefix.
                if file.file_type()?.is_file() && is_loader(&file.file_name().to_string_lossy()) {
                    let triplet = folder.file_name().unwrap_or_default();
                    let libraries = ["usr/lib", "lib"].map(|it| prefix.join(it).join(triplet).into_os_string());
                    return Ok(Some(Loader {
                        program: file.path(),
                        library_path: libraries.join(&OsString::from(":")),
                    }));
                }
            }
        }
    }
    Ok(None)
}

/// `ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`, `ld64.so.2` …
fn is_loader(name: &str) -> bool {
    (name.starts_with("ld-linux") || name.starts_with("ld64.so") || name.starts_with("ld.so.")) && name.contains(".so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_loaders_of_several_architectures() {
        for name in ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "ld64.so.2", "ld-linux-riscv64-lp64d.so.1"] {
            assert!(is_loader(name), "{name}");
        }
        for name in ["libc.so.6", "ld-linux.txt", "libldap.so.2"] {
            assert!(!is_loader(name), "{name}");
        }
    }
}
