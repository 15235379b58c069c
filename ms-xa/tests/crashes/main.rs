//! What is left when somebody dies: a simulated world in which everything that can go wrong does, at every point.
//!
//! [`sim`] has servers, a store, an owner and recoverers. Three tests use it: [`matrix`] enumerates every point of a transaction with
//! every fault, [`cells`] has what does not fit a matrix, and [`random`] mixes faults as they come. Whatever happens, when recovery
//! has run to its end the transaction has one outcome everywhere, the decided one, and nothing is left prepared.
#![allow(clippy::unwrap_used, reason = "it is a test as a whole")]

mod cells; // what does not fit a matrix
mod matrix; // every point with every fault
mod random; // faults as they come
mod sim; // the world
