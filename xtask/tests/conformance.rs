//! The scenarios of the original: exactly those that the baseline names do not pass.
//!
//! It starts its own servers, so it is ignored by plain `cargo test` and run by `cargo xtask test`, which says in
//! `MS_TEST_FLAVOR` which ones.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{env, process::Command};

#[test]
#[ignore = "starts servers: cargo xtask test"]
fn all_scenarios_pass_but_those_of_the_baseline() {
    let flavor =
        env::var("MS_TEST_FLAVOR").expect("`MS_TEST_FLAVOR` says which servers to try: run `cargo xtask test`");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["conformance", "--flavor", &flavor]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.ends_with(" 0 skipped") && !last.starts_with("0 passed"), "{last}");
}
