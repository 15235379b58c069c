//! The `ms` command: what a cluster's configuration means, where a statement would go and why, and what its servers say.
//!
//! It is the library with a command line around it: `ms explain` asks the same router as a service does, `ms exec` sends
//! SQL through the same session. So what it prints is what a program would see.
//!
//! A command takes its arguments and an [`Out`] and returns how it ended: an [`Exit`] with its report already printed, or
//! a [`Failure`](failure::Failure) that is printed here. One file per command; the other files are one idea each.
#![forbid(unsafe_code)]

mod check; // ms check
mod conform; // ms conform
mod exec; // ms exec
mod explain; // ms explain
mod gtid; // ms gtid
mod servers; // ms servers
mod status; // ms status
mod xa; // ms xa

mod exit; // how a command ended
mod failure; // why it could not do its work

mod account; // who logs in, and where the password is
mod ask_args; // what commands take that ask servers
mod assumption; // what `ms explain` pretends about servers
mod buildable; // sections that are right and cannot be used yet
mod cluster_args; // which cluster a command is about
mod compat_report; // what `compat` means for a section
mod dry_run; // asks the router without a pool
mod explanation; // what it answered
mod on_all; // asks every server
mod out; // where output goes
mod reasons; // a decision as text and as JSON
mod report; // one statement that was run
mod runtime; // the asynchronous part
mod statements; // where one statement ends and the next begins
mod table; // rows and columns
mod value; // one value of a result

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{exit::Exit, out::Out};

/// Read-write splitting for replicated MySQL and MariaDB: check, explain, run
///
/// A configuration file names clusters ("sections"), their servers, and how statements are spread over them. `ms`
/// checks such a file, explains offline where a statement would go, runs SQL over a cluster as a service would, and
/// shows whether its servers answer and how far they trail.
#[derive(Debug, Parser)]
#[command(name = "ms", version, after_help = AFTER, after_long_help = AFTER_LONG, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Conform(conform::Args),
    Explain(explain::Args),
    Exec(exec::Args),
    Servers(servers::Args),
    Status(status::Args),
    Gtid(gtid::Args),
    Xa(xa::Args),
}

const AFTER: &str = "`ms COMMAND --help` has examples.";

const AFTER_LONG: &str = "\
Examples:
  ms check ms.json
  ms explain -c ms.json -s shop 'SELECT * FROM orders'
  ms exec -c ms.json -s shop -v -e 'SELECT @@hostname'
  ms servers -c ms.json -s shop
  ms status -c ms.json -s shop --watch
  ms xa list -c ms.json -s shop

Exit codes:
  0  done
  1  findings, an SQL error, or output that could not be written
  2  usage: arguments, SQL that cannot be read, no terminal to ask for a password
  3  configuration: missing, unreadable or broken file, unknown section, bad environment
  4  no server: none that may run the statement can be reached and logged in to
  130  interrupted

Environment:
  MYSQL_MS_CONFIG_FILE  the file, where no argument names one
  MYSQL_MS_*            MULTI_MASTER, DISABLE_RW_SPLIT, COMPAT …: win over the file
  NO_COLOR              no colours; there are none in a pipe either";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Out::stdout();
    let ended = match cli.command {
        Command::Check(args) => check::run(&args, &mut out),
        Command::Conform(args) => conform::run(&args, &mut out),
        Command::Explain(args) => explain::run(&args, &mut out),
        Command::Exec(args) => exec::run(&args, &mut out),
        Command::Servers(args) => servers::run(&args, &mut out),
        Command::Status(args) => status::run(&args, &mut out),
        Command::Gtid(args) => gtid::run(&args, &mut out),
        Command::Xa(args) => xa::run(&args, &mut out),
    };
    // What is still buffered may be the part that cannot be written.
    let ended = ended.and_then(|exit| out.flush().map(|()| exit).map_err(Into::into));
    let exit = ended.unwrap_or_else(|failure| {
        failure.report();
        failure.exit()
    });
    ExitCode::from(exit)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
