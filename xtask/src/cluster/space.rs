//! Room for servers, looked for before there are any.
//!
//! A server that finds its disk full says so in words that name neither the folder nor what would do, or waits for somebody to
//! make room. So the temporary folder is asked first. What is needed is known: a copy of the template for each server, and what
//! servers add to that while tests run.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::statvfs;

use super::Error;

/// What a server adds to its copy of the template: logs of changes, temporary tables, rows. The tests that share a cluster make
/// it 8 MB (MariaDB) and 17 MB (MySQL); torture writes more.
const GROWTH: u64 = 48 << 20;

/// Fails when `folder` has no room for so many copies of the data folder `template` and what is added to them.
pub(super) fn check(folder: &Path, template: &Path, servers: usize) -> Result<(), Error> {
    let files = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Files { path, source }
    };
    let servers = u64::try_from(servers).unwrap_or(u64::MAX);
    let needed = size(template).map_err(files(template))?.saturating_add(GROWTH).saturating_mul(servers);
    compare(folder.to_owned(), free(folder).map_err(files(folder))?, needed)
}

fn compare(folder: PathBuf, free: u64, needed: u64) -> Result<(), Error> {
    if free >= needed {
        return Ok(());
    }
    Err(Error::NoSpace { folder, free: free >> 20, needed: needed.div_ceil(1 << 20) })
}

/// Bytes that this user may still write there.
fn free(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes that the files below a folder take up, which is less than what is in them where they have holes.
fn size(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sum += size(&entry.path())?;
        } else if kind.is_file() {
            sum += entry.metadata()?.blocks() * 512;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use crate::causes::causes;

    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn what_is_missing_is_said_in_one_sentence() {
        check_text(300 * MB, 300 * MB, None);
        check_text(
            300 * MB,
            300 * MB - 1,
            Some(
                "no room for the servers: `/some/tmp` has 299 MB free and 300 MB are needed (`TMPDIR` names another folder)",
            ),
        );
        check_text(
            300 * MB + 1,
            0,
            Some(
                "no room for the servers: `/some/tmp` has 0 MB free and 301 MB are needed (`TMPDIR` names another folder)",
            ),
        );
    }

    #[track_caller]
    fn check_text(needed: u64, free: u64, expected: Option<&str>) {
        let error = compare("/some/tmp".into(), free, needed).err();
        assert_eq!(error.map(|it| causes(&it).join(": ")).as_deref(), expected);
    }

    #[test]
    fn a_folder_has_room_for_one_small_server_and_not_for_millions() {
        let template = tempfile();
        fs::create_dir_all(template.join("below")).unwrap();
        fs::write(template.join("below/file"), vec![0; 5000]).unwrap();
        fs::write(template.join("file"), vec![0; 70]).unwrap();
        let sized = size(&template).unwrap();
        let all = super::check(&std::env::temp_dir(), &template, 1_000_000_000);
        let none = super::check(&std::env::temp_dir(), &template, 0);
        fs::remove_dir_all(&template).unwrap();

        // Whole blocks, of whatever size.
        assert!((5070..=200_000).contains(&sized), "{sized}");
        assert!(matches!(all, Err(Error::NoSpace { .. })), "{all:?}");
        none.unwrap();
    }

    fn tempfile() -> PathBuf {
        std::env::temp_dir().join(format!("ms-space-{}", std::process::id()))
    }
}
