//! `cargo xtask test-cluster`: a command with a real cluster beside it.
//!
//! The command runs in the foreground with our terminal. It learns about the cluster from its environment, and its exit code becomes
//! ours. However the command or this process ends, the servers are gone afterwards, unless they were to be kept.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use comfy_table::{Table, presets};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use xtask::{
    cluster::{Cluster, Spec, Topology},
    interrupt::{Interrupt, Interrupts},
    progress::Progress,
    provision::{Flavor, Wish},
};

use crate::Outcome;

/// How long a command may take to end after a first and a second request.
const GRACE: Duration = Duration::from_secs(5);

/// Starts a cluster of real servers, runs a command beside it, and removes it
///
/// Without a command the cluster is shown and runs until Ctrl-C. The command finds the cluster in its environment:
/// MYSQL_MS_CONFIG_FILE (an ms.json with the section `test`), MS_TEST_PRIMARY and MS_TEST_REPLICA_1.. (URLs), MS_TEST_SOCKET_PRIMARY..,
/// MS_TEST_FLAVOR, MS_TEST_VERSION, MS_TEST_CA, MS_TEST_WRONG_CA, DATABASE_URL (the primary) and MS_TEST_CONTROL, a socket that takes
/// `kill`, `start`, `restart`, `pause`, `resume`, `stop-replication`, `start-replication`, `promote`, `save`, `restore` (each with a
/// server's name), `delay NAME SECONDS`, `renew NAME DONOR`, `wait-sync`, `sql NAME STATEMENT` and `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which servers
    #[arg(long, value_enum, default_value_t = Flavor::MariaDb)]
    flavor: Flavor,
    /// How many servers follow the primary
    #[arg(long, value_name = "N", default_value_t = 2)]
    replicas: u8,
    /// How many writable servers; the replicas follow the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    primaries: u8,
    /// This many unrelated servers instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..), conflicts_with_all = ["replicas", "primaries"])]
    independent: Option<u8>,
    /// Leave the servers running
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    wish: Wish,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Args {
    fn spec(&self) -> Spec {
        let topology = match self.independent {
            Some(count) => Topology::Independent(count.into()),
            None => Topology::Replicated { primaries: self.primaries.into(), replicas: self.replicas.into() },
        };
        Spec { flavor: self.flavor, topology, wish: self.wish.clone(), may_be_kept: self.keep }
    }
}

pub(crate) async fn run(args: &Args) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    let spec = args.spec();
    let progress = Progress::stderr();
    let cluster = tokio::select! {
        cluster = Cluster::start(&spec, &progress) => cluster?,
        interrupt = interrupts.next() => return Ok(interrupt.exit_code()),
    };

    let code = if args.command.is_empty() {
        show(&cluster)?;
        if !args.keep {
            // It is this process that answers there.
            writeln!(io::stdout(), "control:       {}", cluster.control_socket().display())?;
            writeln!(io::stdout(), "Ctrl-C stops and removes it.")?;
            interrupts.next().await;
        }
        ExitCode::SUCCESS
    } else {
        run_command(&args.command, &cluster, &mut interrupts).await?
    };

    if args.keep {
        tell_how_to_stop(&cluster, &progress);
        cluster.keep().await?;
    } else {
        cluster.stop().await?;
    }
    Ok(code)
}

/// The command did not start; the exit code is what a shell would give.
#[derive(Debug, thiserror::Error)]
#[error("cannot run `{}`", command.display())]
struct CannotRun {
    command: OsString,
    source: io::Error,
}

/// Runs the command to its end, or ends it when we are told to stop.
async fn run_command(words: &[OsString], cluster: &Cluster, interrupts: &mut Interrupts) -> Outcome {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).envs(cluster.env()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(source) => {
            let code = if source.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            crate::report(&CannotRun { command: words[0].clone(), source });
            return Ok(ExitCode::from(code));
        }
    };
    tokio::select! {
        status = child.wait() => Ok(exit_code(status?)),
        interrupt = interrupts.next() => {
            end(&mut child, interrupt).await?;
            Ok(interrupt.exit_code())
        }
    }
}

/// Ends a command: it is asked once or twice and killed if that does not help.
async fn end(child: &mut Child, interrupt: Interrupt) -> io::Result<()> {
    // The terminal has sent Ctrl-C to the command as well; the others reached only us.
    let first = if interrupt == Interrupt::Int { None } else { Some(Signal::TERM) };
    for signal in [first, Some(Signal::TERM)] {
        if let (Some(signal), Some(pid)) = (signal, child.id().and_then(|it| Pid::from_raw(it.try_into().ok()?))) {
            // An error means that it has ended.
            let _ = kill_process(pid, signal);
        }
        if timeout(GRACE, child.wait()).await.is_ok() {
            return Ok(());
        }
    }
    child.kill().await
}

/// The code of a command; 128 and the number of the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|it| 128 + it)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn show(cluster: &Cluster) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["role", "name", "address", "url", "socket"]);
    for it in cluster.servers() {
        let address = format!("127.0.0.1:{}", it.port());
        table.add_row([it.role().key(), it.name(), &address, &it.url(), &it.socket().display().to_string()]);
    }
    let mut output = io::stdout();
    writeln!(output, "{} {} in {}", cluster.flavor(), cluster.version(), cluster.folder().display())?;
    writeln!(output, "{table}")?;
    writeln!(output, "configuration: {} (section `test`)", cluster.config_file().display())?;
    writeln!(output, "environment:   . {}", cluster.environment_file().display())
}

fn tell_how_to_stop(cluster: &Cluster, progress: &Progress) {
    let pids: Vec<_> = cluster.servers().iter().filter_map(|it| it.pid()).map(|it| it.to_string()).collect();
    progress.line("the servers go on running; to stop them and remove their data:");
    progress.line(&format!("  kill -9 {} && rm -r {}", pids.join(" "), cluster.folder().display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_end_becomes_ours() {
        for (raw, expected) in [(0, 0), (7 << 8, 7), (15, 143), (9, 137)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), ExitCode::from(expected), "for wait status {raw}");
        }
    }
}
