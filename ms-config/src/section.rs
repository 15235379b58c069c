//! One named cluster.

use crate::{
    Charset, Fabric, Failover, Filter, GtidInjection, Monitor, PoolSettings, Position, PrimaryBudget, Server, Settings,
    Switches, Tls, TokenSettings, TransientErrors, Xa,
};

/// One named cluster of a file: its servers and how to use them. Everything in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// Its key in the file.
    pub name: String,
    /// The primaries in the pool, in the order of the file: all with `multi_master`, else at most the first one.
    ///
    /// May be empty (`"master": {}`); then every write fails.
    pub primaries: Vec<Server>,
    /// Primaries that are configured but not in the pool, because `multi_master` is off.
    pub unused_primaries: Vec<Server>,
    /// The replicas, in the order of the file; may be empty.
    pub replicas: Vec<Server>,
    /// The filter chain: never empty, only the last one [picks](Filter::picks).
    pub filters: Vec<Filter>,
    /// What to try when a server cannot be reached.
    pub failover: Failover,
    /// Which errors are worth another try; `None` where no code is listed.
    pub transient_errors: Option<TransientErrors>,
    /// Connect when a server is first needed instead of at once; on unless configured.
    pub lazy_connections: bool,
    /// After a write, read from the primary.
    pub master_on_write: bool,
    /// Where the statements of a transaction go; `None` where the file does not say, which is not always the same
    /// as [`TrxStickiness::Disabled`].
    pub trx_stickiness: Option<TrxStickiness>,
    /// The character set of connections and of escaping without one.
    pub server_charset: Option<Charset>,
    /// Own functions that only read, beside the built-in ones; names as written.
    pub read_functions: Vec<String>,
    /// Run a read once more whose connection broke before it had answered anything; on unless configured. Only `strict` knows
    /// reads well enough to do so.
    pub retry_reads: bool,
    /// SQL that every new connection runs, in order.
    pub init: Vec<String>,
    /// SQL that counts transactions, of `global_transaction_id_injection`.
    pub gtid_injection: Option<GtidInjection>,
    /// How it is found out how far replicas trail.
    pub monitor: Monitor,
    /// How many reads a primary answers because no replica has caught up.
    pub primary_budget: PrimaryBudget,
    /// How transactions over several servers are kept and finished.
    pub xa: Option<Xa>,
    /// Whom to ask for servers; then [`Section::primaries`] and [`Section::replicas`] are empty, and there is neither
    /// `gtid_injection` nor `xa`.
    pub fabric: Option<Fabric>,
    /// Limits and deadlines; each [`Server`] carries its own, merged with these.
    pub pool: PoolSettings,
    /// Encryption; each [`Server`] carries its own, merged with this.
    pub tls: Tls,
    /// How positions leave the process.
    pub tokens: TokenSettings,
    /// The switches in force, with code and environment considered.
    pub switches: Switches,
    /// The switches that this section itself sets.
    pub settings: Settings,
    /// Where the section stands in the file.
    pub position: Position,
}

/// Where the statements of a transaction go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrxStickiness {
    /// Each its own way.
    Disabled,
    /// To one primary. `master`, `primary`.
    Primary,
    /// To one server: a replica for read-only transactions, a primary for others. `on`.
    On,
}
