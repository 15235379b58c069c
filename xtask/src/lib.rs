//! Real servers without ceremony.
//!
//! Routing SQL can only be trusted when it was watched over real replication: a real primary, real replicas, real faults. This
//! crate gets the servers ([`provision`]), runs them as clusters that clean up after themselves ([`cluster`]) and says what it
//! is doing meanwhile ([`progress`]). The commands of `cargo xtask` are thin layers over it, one file each, beside `main.rs`.
//!
//! Nothing here needs root, an installed server, or anything a bare Debian or Ubuntu image does not have.
#![forbid(unsafe_code)]

pub mod causes;
pub mod cluster;
pub mod config;
pub mod interrupt;
pub mod progress;
pub mod provision;
pub mod workspace;
