//! The short form of `cargo xtask torture consistency`, once for each flavour.
//!
//! It starts its own servers, as `real.rs` does, and is long enough to cause every kind of fault at least once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{env, process::Command};

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn scopes_read_what_they_wrote_while_servers_are_taken_apart() {
    let flavor = env::var("MS_TEST_FLAVOR").expect("`MS_TEST_FLAVOR` says which servers: run `cargo xtask test`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["torture", "consistency", "--seconds", "30", "--flavor", &flavor]);
    let output = command.output().unwrap();
    let (said, report) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{said}\n{report}");
}
