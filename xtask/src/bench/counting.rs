//! Instructions for each statement, counted by valgrind.
//!
//! A program runs a statement `n` times and more than `n` times; the difference of what the two runs took, divided by the
//! difference in statements, is what one costs. Start, connect and the first use drop out.

use std::{ffi::OsStr, path::Path, process::Stdio};

use tokio::process::Command;
use xtask::{cluster::Cluster, progress::Progress};

use super::{
    BenchError, Effort, beside, output,
    row::{Bar, Row, Unit},
    slow_relay::SlowRelay,
};
use crate::cargo;

const WORKS: [&str; 4] = ["one_text", "one_prepared", "key_text", "key_prepared"];

/// Whether valgrind is there and runs.
pub(super) async fn is_possible() -> bool {
    let status = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    status.is_ok_and(|it| it.success())
}

/// Counts statements over the network.
pub(super) async fn statements(
    program: &Path,
    cluster: &Cluster,
    effort: Effort,
    progress: &Progress,
) -> Result<Vec<Row>, BenchError> {
    // Makes the table.
    output(&mut beside(program, cluster)).await?;
    let slow = |source| BenchError::Start { program: "the relay".into(), source };
    let mut relays = Vec::new();
    let mut environment = Vec::new();
    for (server, variable) in cluster.servers().iter().zip(["MS_TEST_PRIMARY", "MS_TEST_REPLICA_1"]) {
        let relay = SlowRelay::to(server.port()).await.map_err(slow)?;
        environment.push((variable, format!("mysql://app:app@127.0.0.1:{}/test", relay.port)));
        relays.push(relay);
    }
    let times = if effort == Effort::Quick { [200, 700] } else { [500, 2500] };
    let works = if effort == Effort::Quick { &WORKS[..1] } else { &WORKS };

    let mut rows = Vec::new();
    for work in works {
        let step = progress.step(format!("counting instructions: {work}"));
        let count = async |executor: &str| {
            let mut command = Command::new("valgrind");
            command.envs(environment.iter().map(|(name, value)| (name, value))).current_dir(cargo::folder());
            each(&command, program, &[executor, work], times).await
        };
        let connection = count("connection").await?;
        let pool = count("pool").await?;
        rows.push(Row::new(format!("{work}: sqlx's connection"), connection, Unit::Instructions, Bar::None));
        rows.push(Row::new(format!("{work}: sqlx's pool"), pool, Unit::Instructions, Bar::None));
        for compat in ["classic", "strict"] {
            let session = count(&format!("session-{compat}")).await?;
            let cluster = count(&format!("cluster-{compat}")).await?;
            let more = (session / connection - 1.0) * 100.0;
            let bar = if compat == "strict" && work.ends_with("text") { 12.0 } else { 8.0 };
            let what = format!("{work}: instructions of a session, {compat}, over sqlx's connection");
            rows.push(Row::new(what, more, Unit::PercentMore, Bar::AtMost(bar)));
            let what = format!("{work}: instructions of sqlx's pool over those of a cluster, {compat}");
            rows.push(Row::new(what, pool / cluster, Unit::Times, Bar::AtLeast(5.0)));
        }
        step.finish(&format!("counted instructions: {work}"));
    }
    Ok(rows)
}

/// Counts classification, which needs no server.
pub(super) async fn classes(program: &Path, progress: &Progress) -> Result<Vec<Row>, BenchError> {
    let step = progress.step("counting instructions of classification");
    let mut rows = Vec::new();
    for (text, bar) in [("select_1", 350.0), ("orm_select_600", 10_000.0), ("insert_100kb", 250.0)] {
        let one = each(&Command::new("valgrind"), program, &["strict", text], [1_000, 2_000]).await?;
        rows.push(Row::new(format!("classify, strict, {text}"), one, Unit::Instructions, Bar::AtMost(bar)));
    }
    step.finish("counted instructions of classification");
    Ok(rows)
}

/// What one more run of the loop in `program` costs.
async fn each(
    valgrind: &Command,
    program: &Path,
    arguments: &[&str],
    [few, many]: [u32; 2],
) -> Result<f64, BenchError> {
    let fewer = total(valgrind, program, arguments, few).await?;
    let more = total(valgrind, program, arguments, many).await?;
    Ok((more - fewer) / f64::from(many - few))
}

async fn total(valgrind: &Command, program: &Path, arguments: &[&str], times: u32) -> Result<f64, BenchError> {
    // A command runs once; what it was given is given again.
    let mut command = Command::new(valgrind.as_std().get_program());
    command.envs(valgrind.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = valgrind.as_std().get_current_dir() {
        command.current_dir(folder);
    }
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-fd=1"].map(OsStr::new));
    command.arg(program).args(arguments).arg(times.to_string());
    let printed = output(&mut command).await?;
    collected(&printed).ok_or_else(|| BenchError::Silent { program: "valgrind".into(), what: "count".into() })
}

/// The number in `==1234== Collected : 56789`.
fn collected(printed: &str) -> Option<f64> {
    let line = printed.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_what_valgrind_says() {
        let printed = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I   refs:      123,456\n";
        assert_eq!(collected(printed), Some(123_456.0));
        assert_eq!(collected("==7== valgrind: no such program"), None);
    }
}
