//! `cargo xtask tidy`: what a reviewer should not have to look at.
//!
//! Format, lints and documentation are the usual three. The fourth check is this project's own: which crate may know
//! which, and what the deciding crates must never touch (clock, randomness, environment, files, sockets). Those rules
//! hold the architecture together, and no compiler enforces them.

mod layers; // which crate may depend on which
mod sources; // what the text of a crate must and must not hold

use std::{path::Path, process::Command};

use anstream::{eprintln, println};

/// Arguments of `cargo xtask tidy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Tidy {
    /// Format the code instead of complaining about it
    #[arg(long)]
    fix: bool,
}

impl Tidy {
    /// Runs every check, also after one failed, and says at the end which did.
    pub(crate) fn run(&self, root: &Path) -> Result<(), TidyError> {
        let format: &[&str] = if self.fix { &["fmt", "--all"] } else { &["fmt", "--all", "--check"] };
        let clippy = &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
        let docs = &["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"];

        let mut failed = Vec::new();
        for (name, arguments) in [("format", format), ("clippy", clippy), ("docs", docs)] {
            eprintln!("tidy: {name}");
            let status = Command::new(env!("CARGO"))
                .args(arguments)
                .env("RUSTDOCFLAGS", "--deny warnings")
                .current_dir(root)
                .status()
                .map_err(|source| TidyError::Start { name, source })?;
            if !status.success() {
                failed.push(name);
            }
        }
        for (name, problems) in [("layers", layers::problems(root)?), ("sources", sources::problems(root)?)] {
            eprintln!("tidy: {name}");
            for problem in &problems {
                eprintln!("  {problem}");
            }
            if !problems.is_empty() {
                failed.push(name);
            }
        }
        if failed.is_empty() {
            println!("tidy: clean");
            return Ok(());
        }
        Err(TidyError::Unclean { failed: failed.join(", ") })
    }
}

/// Why `cargo xtask tidy` failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    /// A program of the check did not start.
    #[error("cannot run the check `{name}`")]
    Start { name: &'static str, source: std::io::Error },
    /// `cargo metadata` gave something unexpected.
    #[error("cannot understand the answer of `cargo metadata`")]
    Metadata(#[from] serde_json::Error),
    /// A source file could not be read.
    #[error("cannot read `{path}`")]
    Read { path: String, source: std::io::Error },
    /// One or more checks found something.
    #[error("not tidy: {failed}")]
    Unclean { failed: String },
}
