//! A world that stands still until somebody takes a step.
//!
//! Everything is a step of its own: a request leaves, a statement of it is executed, its answer arrives. Between any two of them others
//! may take theirs, or a fault may strike. There is no time but the store's clock, and no chance: a run is its arguments.

mod end; // what happens when all faults are over
mod message; // what travels between the owner and the others
mod owner; // who runs the transaction
mod recoverer; // who cleans up
mod server; // what keeps branches
mod world; // all of them, and what has to hold

pub(crate) use self::{
    message::{Kind, Step},
    owner::{Ends, InFlight, Order, Owner, Plan, Told},
    recoverer::{Mishap, Recoverer},
    server::{Flavor, Server, Statement},
    world::{Fate, Health, World, now},
};
