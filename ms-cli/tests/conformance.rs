//! `ms conform` and the scenarios of this repository.
//!
//! A test runner that never fails proves nothing. So most of this is about failing: expectations that are wrong on purpose, one
//! of every kind, and scenarios that are broken in every way somebody might break one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod run;

#[path = "conformance/broken.rs"]
mod broken; // what is no scenario, and servers that are not there
#[path = "conformance/copy.rs"]
mod copy; // the repository's own scenarios
#[path = "conformance/deviations.rs"]
mod deviations; // what differs on purpose is written down
#[path = "conformance/wrong.rs"]
mod wrong; // expectations that do not hold
