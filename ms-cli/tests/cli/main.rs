//! Runs the built `ms` the way a user does: arguments in, text and exit code out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod run; // the binary, its arguments and its files

mod bad_input; // a sentence and the right exit code
mod check;
mod exec;
mod explain;
mod no_server; // servers that are not there, or say nothing
mod on_a_cluster; // what only a real server can show
mod xa; // global transactions from outside
