//! SQL that counts transactions where the server does not.
//!
//! Servers without global transaction ids can be given a substitute: a table with a counter, which `on_commit`
//! increments on the primary and replication copies. `fetch_last_gtid` reads it, `check_for_gtid` asks a replica
//! whether it has come that far.

use std::time::Duration;

/// The statements of `global_transaction_id_injection`. Each may be missing; what needs it then fails or is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GtidInjection {
    /// Runs on the primary with every transaction.
    pub on_commit: Option<String>,
    /// Answers with the last id, in the first column of the first row.
    pub fetch_last_gtid: Option<String>,
    /// Answers whether a server has what [`GtidInjection::PLACEHOLDER`] stands for in it.
    pub check_for_gtid: Option<String>,
    /// What becomes of an operation whose `on_commit` failed.
    pub on_failure: InjectionFailure,
    /// How long a server is waited for that does not have the id yet; zero, the default, asks once. In milliseconds, at most
    /// 65535 seconds.
    pub wait_for_gtid_timeout: Duration,
}

impl GtidInjection {
    /// What `check_for_gtid` holds in place of the id.
    pub const PLACEHOLDER: &str = "#GTID";
}

/// What becomes of an operation when its injected statement failed: `report_error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InjectionFailure {
    /// It fails with that error; the default.
    #[default]
    Reported,
    /// It goes on.
    Ignored,
}
