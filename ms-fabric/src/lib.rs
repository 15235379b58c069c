//! Group and shard lookups of MySQL Fabric, for clusters that still run it.
//!
//! Fabric grouped servers, promoted them and mapped shard keys to groups; clients asked it over XML-RPC where to go. The
//! product is no longer made, its protocol is small and was recorded from running servers. This crate has the two numbers
//! that every reply carries for a server, [`Mode`] and [`Status`]; lookups, replies and the transport seam come with
//! the Fabric capability. Nothing here does network traffic.
#![forbid(unsafe_code)]

mod topology; // what Fabric says of one server

pub use self::topology::{Mode, Status, UnknownNumber};
