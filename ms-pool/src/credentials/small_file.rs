//! Reads a file that is meant to be small, off the runtime's threads.
//!
//! Passwords and certificates are a few kilobytes. A path that was mistyped into a device or a log must not fill
//! the memory, and a network mount must not stall every task of the thread.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than any certificate bundle in use, less than anything that hurts.
const LIMIT: u64 = 1 << 20;

/// The whole file.
///
/// # Errors
///
/// The file cannot be read or is larger than a mebibyte; the text names it.
pub(crate) async fn read_small(path: &Path) -> Result<Vec<u8>, Box<dyn StdError + Send + Sync>> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&owned)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(source)) => Err(Box::new(Unreadable { path: path.display().to_string(), source })),
        Err(stopped) => Err(Box::new(stopped)),
    }
}

/// The whole file, for those who read it once, while a cluster is built.
///
/// # Errors
///
/// As [`read_small`].
pub(crate) fn read_now(path: &Path) -> Result<Vec<u8>, Box<dyn StdError + Send + Sync>> {
    Ok(read(path).map_err(|source| Unreadable { path: path.display().to_string(), source })?)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe nobody writes to would hold the thread for ever.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    let length = File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if length as u64 > LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(bytes)
}

#[derive(Debug, thiserror::Error)]
#[error("file `{path}` cannot be read")]
struct Unreadable {
    path: String,
    source: io::Error,
}
