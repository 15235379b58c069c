//! `cargo xtask servers`: which servers the tests would use.

use std::{io::Write, process::ExitCode};

use comfy_table::{Table, presets};
use xtask::{
    progress::Progress,
    provision::{self, Flavor, Origin, Wish},
    workspace,
};

use crate::Outcome;

/// Shows which servers tests use; gets those that are missing with `--get`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Download the servers that are neither installed nor unpacked
    #[arg(long)]
    get: bool,
    #[command(flatten)]
    wish: Wish,
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let folder = workspace::servers_folder()?;
    let progress = Progress::stderr();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["flavor", "version", "from", "path"]);
    for flavor in Flavor::ALL {
        let mut found = provision::local(flavor, &args.wish).await?;
        if found.is_none() {
            found = provision::unpacked(flavor, &folder).await;
        }
        if found.is_none() && args.get {
            found = Some(provision::from_archive(flavor, &folder, &progress).await?);
        }
        let (version, origin, path) = match found {
            None => ("-".to_owned(), "not here yet", String::new()),
            Some(it) => {
                let origin = match it.origin {
                    Origin::Named => "option",
                    Origin::Installed => "installed",
                    Origin::Unpacked => "archive",
                };
                (it.version.to_string(), origin, it.program.display().to_string())
            }
        };
        table.add_row([flavor.to_string(), version, origin.to_owned(), path]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(ExitCode::SUCCESS)
}
