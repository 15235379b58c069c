//! What a MySQL or MariaDB statement asks for, read from its text.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "lint"))]
extern crate alloc;

mod access; // whether a replica may run it
mod hint; // what its leading comments ask for
mod statement; // all of it together

pub use self::{
    access::{Access, Cause},
    hint::{Counts, Level, Route},
    statement::{Compat, Options, Protocol, Span, SqlMode, Statement},
};
