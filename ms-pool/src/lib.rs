//! sqlx over a replicated MySQL or MariaDB cluster: reads on replicas, writes on the primary, and why.
//!
//! A [`Cluster`] is used where a `MySqlPool` was: `query(…).fetch_all(&cluster)`. Each statement is classified from its text
//! ([`ms_hints`]), routed by a chain of filters ([`ms_filters`]) and sent over this crate's own connection pools. What was
//! decided, and why, is there for every statement: [`Session::last_decision`], [`Builder::on_decision`], tracing events.
//!
//! - [`Cluster`]: shared, one statement at a time, each on a connection that goes back at once;
//! - [`Session`]: statements that belong together and keep their connections;
//! - [`Tx`]: a transaction;
//! - [`Cluster::primary`], [`Cluster::replica`]: where the text alone would decide wrongly.
//!
//! # Consistency
//!
//! Replication is asynchronous. In `strict` reads see what their reader wrote all the same, on replicas: through `&Cluster` what
//! the process wrote, through a [`Scope`] what a request wrote, and with a token what another process did. [`Consistency`]
//! has the levels.
//!
//! # Errors
//!
//! Statements fail with `sqlx::Error`. What a server says passes through untouched; what this crate has to say is
//! found by [`Error::of`]; [`code()`] gives one number for either.
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> Result<(), sqlx::Error> {
//! let db = ms_pool::Cluster::builder().config_file("ms.json").section("shop").connect().await?;
//! sqlx::query("INSERT INTO orders (item) VALUES (?)").bind("tea").execute(&db).await?;
//! let items: Vec<(String,)> = sqlx::query_as("SELECT item FROM orders").fetch_all(&db).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod assemble; // from configuration to cluster
mod builder; // what a program says
mod cluster; // the shared handle
mod on; // one side of it
mod own_filter; // filters that a program brings along
mod session; // statements that share connections
mod transaction; // a session's transaction
mod tx; // a transaction as a value
mod tx_options; // how it begins

mod account; // a session's own account
mod broadcast; // calls to all servers at once
mod escape; // text for a string literal
mod held; // what a session has set up
mod introspection; // questions about just any server
mod last_text; // the text of the statement before
mod prepared; // a statement that stays where it is
mod wishes; // what a session wants of its connections

mod cache; // answers that are kept for a while
mod consistency; // how fresh reads are to be

mod by_text; // what was found out about a text, found again
mod class; // what a statement is
mod executor; // sqlx's traits
mod facts; // what servers were asked for one statement
mod injection; // counts what is written
mod lag; // how far replicas trail
mod positions; // who must see what, and which server has it
mod reader; // what is wanted of an answer
mod route; // performs the router's steps
mod run; // sends a routed statement
mod scope; // what must be visible
mod tables; // which tables a statement names
mod token; // what it has written, for other processes
mod transient; // does again what failed with a passing error
mod xa; // transactions over several servers

#[cfg(feature = "tower")]
pub mod tower; // a layer for HTTP services

mod bridge; // a pool of sqlx's own
mod census; // how many servers there are
mod credentials; // where passwords come from
mod error; // what can go wrong
mod events; // decisions and warnings, for those who watch
mod examine; // servers seen by an operator
mod pool; // connections to one server
mod probe; // which server is this
mod state; // what there is to see
mod statistics; // what was routed where
mod url; // servers named in code

pub use ms_config::{BeyondBudget, Compat, Heartbeat, Json, Mode, Monitor, PoolSettings, PrimaryBudget, Settings};
/// What an own filter is written with, see [`Builder::filter`].
pub use ms_filters;
pub use ms_filters::Role;
/// Positions, which [`Scope::position`] gives and [`Scope::require`] takes.
pub use ms_gtid;
/// How positions leave the process; see [`Scope::token`].
pub use ms_gtid::token::{Key as TokenKey, TokenError, Tokens};
/// Names of global transactions, and the seam of their store.
pub use ms_xa;

pub use self::{
    builder::Builder,
    cache::{CacheState, Cached, TypedQuery},
    cluster::Cluster,
    consistency::{Consistency, ConsistencyError, LevelOption},
    credentials::{Credentials, FromEnv, FromFile, Password, PasswordFuture, credentials_fn},
    error::{Error, Failure, Failures, code},
    events::{DecisionEvent, Warning},
    examine::{Examination, PositionSource},
    executor::PrimaryConnection,
    on::On,
    own_filter::FilterConfig,
    pool::{HeldBy, Holder},
    prepared::Prepared,
    scope::Scope,
    session::{DumpedServer, LastUsed, Session},
    state::{Outage, ServerIdentity, ServerInfo, ServerState},
    statistics::{Counter, Statistics},
    tables::StatementTables,
    tx::{SessionTx, Tx},
    tx_options::{Isolation, TxOptions},
    xa::{
        Xa, XaBegin, XaBranch, XaCollected, XaFailure, XaGcOptions, XaInitOptions, XaInitialized, XaLeft, XaList, XaOn,
        XaOptions, XaPrepared, XaRecord, XaServer, XaTables, XaTablesError,
    },
};
pub use ms_filters::{Call, Choice, Choices, Listed};

// Examples on pages are compiled as well.
#[cfg(doctest)]
#[doc = include_str!("../../docs/adoption.md")]
mod adoption_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/cache.md")]
mod cache_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/connection-state.md")]
mod connection_state_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/consistency.md")]
mod consistency_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/failover.md")]
mod failover_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/transactions.md")]
mod transactions_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/xa.md")]
mod xa_page {}
#[cfg(all(doctest, feature = "tower"))]
#[doc = include_str!("../../docs/tokens.md")]
mod tokens_page {}
