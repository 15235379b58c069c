//! `cargo xtask tidy`: what a reviewer should not have to look at.
//!
//! Format, lints and documentation are the usual three. The fourth check is this project's own: which crate may know
//! which, and what the deciding crates must never touch (clock, randomness, environment, files, sockets). Those rules
//! hold the architecture together, and no compiler enforces them.

mod layers; // which crate may depend on which
mod sources; // what the text of a crate must and must not hold

use std::{
    io::{self, Write},
    process::{Command, ExitCode},
};

use xtask::progress::Progress;

use crate::{Outcome, cargo};

/// Checks format, lints, documentation, layers and sources of the whole workspace
///
/// Format, clippy with warnings as errors, and rustdoc are cargo's own. `layers` checks which crate depends on which, and
/// `sources` that the crates that decide touch neither clock nor randomness, environment, files or sockets. Every check
/// runs, also after one failed; the exit code is 1 when one did.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Format the code instead of complaining about it
    #[arg(long)]
    fix: bool,
}

/// A check that cargo makes.
struct Check {
    name: &'static str,
    arguments: &'static [&'static str],
}

const CHECK_FORMAT: Check = Check { name: "format", arguments: &["fmt", "--all", "--check"] };
const FORMAT: Check = Check { name: "format", arguments: &["fmt", "--all"] };
const CLIPPY: Check = Check {
    name: "clippy",
    arguments: &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"],
};
const DOCS: Check =
    Check { name: "docs", arguments: &["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"] };

/// Runs every check, also after one failed, and says at the end which did.
pub(crate) fn run(args: &Args) -> Outcome {
    let root = cargo::folder();
    let progress = Progress::stderr();
    let mut failed = Vec::new();
    for check in [if args.fix { FORMAT } else { CHECK_FORMAT }, CLIPPY, DOCS] {
        progress.line(&format!("tidy: {}", check.name));
        // Its findings go where ours go.
        let status = Command::new(cargo::program())
            .args(check.arguments)
            .env("RUSTDOCFLAGS", "--deny warnings")
            .current_dir(&root)
            .status()
            .map_err(|source| TidyError::Start { name: check.name, source })?;
        if !status.success() {
            failed.push(check.name);
        }
    }
    for (name, problems) in [("layers", layers::problems(&root)?), ("sources", sources::problems(&root)?)] {
        progress.line(&format!("tidy: {name}"));
        for problem in &problems {
            progress.line(&format!("  {problem}"));
        }
        if !problems.is_empty() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        writeln!(io::stdout(), "tidy: clean")?;
        return Ok(ExitCode::SUCCESS);
    }
    Err(TidyError::Unclean { failed: failed.join(", ") }.into())
}

/// Why `cargo xtask tidy` failed.
#[derive(Debug, thiserror::Error)]
enum TidyError {
    /// A program of the check did not start.
    #[error("cannot run the check `{name}`")]
    Start { name: &'static str, source: io::Error },
    /// `cargo metadata` gave something unexpected.
    #[error("cannot understand the answer of `cargo metadata`")]
    Metadata(#[from] serde_json::Error),
    /// A source file could not be read.
    #[error("cannot read `{path}`")]
    Read { path: String, source: io::Error },
    /// One or more checks found something.
    #[error("not tidy: {failed}")]
    Unclean { failed: String },
}
