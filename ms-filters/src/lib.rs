#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod at_once; // the way that nearly every statement goes
mod attempt; // one statement on its way
mod candidates; // what filters hand to each other
mod decision; // the steps of a statement
mod failover; // what happens when a server cannot be reached
mod filter; // the trait
mod lists; // something remembered for each list
mod memory; // what outlives a statement
mod mode; // how far a cluster leaves its primaries
mod narrow_fn; // a closure as a filter
mod pipeline; // filters in a row
mod reason; // why a step was taken
mod record; // who was taken away and why
mod request; // what one statement asks for
mod rng; // randomness as an argument
mod router; // all of it together
mod server; // how a server is named: by its place
mod share; // which part each candidate gets
mod split; // which side a statement goes to
mod tables; // which tables a statement names
mod tally; // which statistics move
mod topology; // the servers of a cluster
mod view; // what is known about the servers now
mod warnings; // what else there is to say
mod weights; // how unequal servers share statements
mod why; // why there is no server

mod callback; // functions of the application
mod node_groups; // then one module per filter
mod quality_of_service;
mod random;
mod round_robin;
mod table;
mod user;
mod user_multi;

pub use self::{
    attempt::{Attempt, Outcome, Scratch, Step},
    callback::{Call, Choice, Choices, Listed, UserCallback, UserMultiCallback},
    candidates::Candidates,
    decision::{Decision, DecisionStep, StepResult},
    failover::{Failover, FailureMemory, Retries, Strategy},
    filter::{Cx, Facts, Filter, Kind, Verdict},
    memory::{ClusterMemory, ClusterSlot, SessionMemory, SessionSlot, Turn},
    mode::Mode,
    narrow_fn::{NarrowFn, narrow_fn},
    node_groups::{NodeGroup, NodeGroups},
    pipeline::{Pipeline, PipelineError},
    quality_of_service::{Quality, QualityOfService},
    random::Random,
    reason::Reason,
    record::{Record, Removal, Sink},
    request::{Held, MustSee, Request, Settings, Split, Stickiness, Transaction},
    rng::Rng,
    round_robin::RoundRobin,
    router::{Inputs, Router},
    server::{Role, ServerIx},
    share::{Share, Shares},
    table::{Table, TableRule},
    tables::{TableName, Tables},
    tally::Tally,
    topology::{Server, Topology, TopologyError},
    user::{User, user_fn},
    user_multi::{UserMulti, user_multi_fn},
    view::{Freshness, Reach, ServerState, View},
    warnings::Warnings,
    weights::Weight,
    why::Why,
};
