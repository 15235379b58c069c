//! The short forms of `cargo xtask torture`, once for each flavour.
//!
//! They start their own servers, as `real.rs` does, and are long enough to cause every kind of fault at least once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{env, process::Command};

/// Runs one of them; it has to find nothing.
fn torture(what: &str, seconds: &str) {
    let flavor = env::var("MS_TEST_FLAVOR").expect("`MS_TEST_FLAVOR` says which servers: run `cargo xtask test`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["torture", what, "--seconds", seconds, "--flavor", &flavor]);
    let output = command.output().unwrap();
    let (said, report) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{said}\n{report}");
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn scopes_read_what_they_wrote_while_servers_are_taken_apart() {
    torture("consistency", "30");
}

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn money_stays_when_those_who_move_it_are_killed() {
    torture("xa", "60");
}
