//! A start that is given up leaves no process behind.
//!
//! Alone in its file, so that every child of this process is one of its own. It runs where `real.rs` runs.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{env, fs, process, time::Duration};

use tokio::{
    runtime::Runtime,
    time::{sleep, timeout},
};
use xtask::{
    cluster::{Cluster, Spec},
    progress::Progress,
    provision::Flavor,
};

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn no_server_outlives_a_start_that_was_given_up() {
    let key = env::var("MS_TEST_FLAVOR").expect("`MS_TEST_FLAVOR` says which servers to try: run `cargo xtask test`");
    let flavor = Flavor::ALL.into_iter().find(|it| it.key() == key).expect("`MS_TEST_FLAVOR` is `mariadb` or `mysql`");
    let (spec, progress) = (Spec::new(flavor), Progress::hidden());
    Runtime::new().unwrap().block_on(async {
        for milliseconds in [30, 100, 200, 400] {
            // Whether it was given up or finished: nobody holds the cluster afterwards.
            let _ = timeout(Duration::from_millis(milliseconds), Cluster::start(&spec, &progress)).await;
            // Servers are reaped at once; a program that only said its version is, by the runtime, a moment later.
            let reaped = async {
                while !children().is_empty() {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            let _ = timeout(Duration::from_secs(10), reaped).await;
            assert_eq!(children(), Vec::<String>::new(), "after {milliseconds} ms");
        }
    });
}

/// The names of this process' children, living and unreaped.
fn children() -> Vec<String> {
    let me = process::id().to_string();
    let stats =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            // `1234 (name with spaces) S 1 …`: state and parent follow the last parenthesis.
            let (name, rest) = stat.rsplit_once(')')?;
            (rest.split_whitespace().nth(1)? == me).then(|| name.to_owned())
        })
        .collect()
}
