//! Running cargo from a program that cargo runs.

use std::{env, ffi::OsString, path::PathBuf};

/// The cargo that runs us, or the one on the `PATH` for a binary started by hand.
pub(crate) fn program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The folder it is to run in.
pub(crate) fn folder() -> PathBuf {
    xtask::workspace::root()
}
