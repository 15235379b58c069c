//! What the operator wrote, and what was meant.
//!
//! A configuration file names clusters ("sections"), their servers, and how statements are spread over them. This
//! crate reads the files of PHP's mysqlnd_ms as they are, and the keys this project adds, into checked types.
//!
//! There are two layers. The private one is a tree of what was written: order, duplicate keys and positions are
//! kept. The public one, [`Config`] and [`Section`], is what was meant: coerced, checked, inherited, with enums
//! where the file has switches. Between them every problem is found in one pass and becomes a [`Diagnostic`] with
//! file, line, column, JSON path, what would be accepted and, for misspellings, what was probably meant.
//!
//! A section with an error is *broken* and cannot be had; the other sections of the file can.
//!
//! The crate reads no file, no environment and no clock: text and variables are arguments, and a password that
//! lives elsewhere stays a [`Secret`] for the caller to resolve whenever it connects.
//!
//! ```
//! use ms_config::{Config, ConnectArgs};
//!
//! let parsed = Config::parse(
//!     r#"{"shop": {
//!         "master": {"main": {"host": "10.0.0.1"}},
//!         "slave": {"copy": {"host": "10.0.0.2", "port": "3307"}},
//!         "failover": "master"
//!     }}"#,
//! );
//! assert!(parsed.diagnostics.is_empty());
//!
//! let shop = parsed.config.section("shop")?;
//! let copy = shop.replicas[0].resolve(&ConnectArgs { user: Some("app".to_owned()), ..ConnectArgs::default() });
//! assert_eq!(copy.endpoint.to_string(), "tcp://10.0.0.2:3307");
//! assert_eq!(copy.user.as_deref(), Some("app"));
//! # Ok::<(), ms_config::SectionError>(())
//! ```
#![forbid(unsafe_code)]

mod charset; // character sets a server can be told to use
mod compat; // as the original did, or strict
mod config; // the file: sections by name
mod diagnostic; // a problem, and where it is
mod fabric; // servers that a MySQL Fabric node knows
mod failover; // what happens when a server cannot be reached
mod filter; // how candidates are narrowed and one is picked
mod gtid_injection; // SQL that counts transactions where the server does not
mod mode; // how far a service trusts its replicas
mod monitor; // how it is found out how far replicas trail
mod node_group; // servers that a comment can ask for
mod own_filter; // filters that a program brings along
mod pool; // limits and deadlines of connections
mod primary_budget; // how many reads a primary answers because replicas trail
mod secret; // a password, or where to find it
mod section; // one named cluster
mod server; // one configured server, and what the connect call adds to it
mod server_name; // what a server is called
mod service_level; // how fresh reads must be
mod settings; // switches from code, environment and section
mod state_store; // where the state of global transactions is written
mod table_rule; // servers for tables
mod tls; // encryption towards servers
mod tokens; // how positions leave the process
mod transient_errors; // errors that are worth another try
mod weights; // shares of load
mod xa; // transactions over several servers

mod json; // text to JSON tree, within limits
mod json_value; // a piece of it for others
mod lower; // from what was written to what was meant
mod path; // where in the tree
mod position; // where in the text
mod raw; // what was written
mod read; // scalars as the original read them
mod report; // collects diagnostics
mod suggest; // did you mean

pub use self::{
    charset::Charset,
    compat::Compat,
    config::{BrokenFile, BrokenSection, Config, Parsed, SectionError, UnknownSection},
    diagnostic::{Diagnostic, Severity},
    fabric::{Fabric, FabricStrategy},
    failover::{Failover, FailureMemory, Retries, Strategy},
    filter::Filter,
    gtid_injection::{GtidInjection, InjectionFailure},
    json_value::Json,
    mode::Mode,
    monitor::{Heartbeat, Monitor},
    node_group::NodeGroup,
    own_filter::{OwnFilter, OwnFilters},
    pool::PoolSettings,
    position::Position,
    primary_budget::{BeyondBudget, PrimaryBudget},
    secret::Secret,
    section::{Section, TrxStickiness},
    server::{ConnectArgs, Endpoint, ResolvedServer, Server},
    server_name::{Role, ServerName},
    service_level::{Eventual, ServiceLevel},
    settings::{Settings, Switches},
    state_store::{MySqlStore, StateStore, StoreBackend},
    table_rule::TableRule,
    tls::{Tls, TlsMode},
    tokens::TokenSettings,
    transient_errors::TransientErrors,
    weights::{Weight, Weights},
    xa::{Xa, XaGarbageCollection, XaOnClose},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
