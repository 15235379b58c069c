//! Counting what is written: `global_transaction_id_injection` of a section.
//!
//! Where servers have no ids of their own for transactions, or an application does not want to depend on them, a table with
//! a number in it stands in: `on_commit` raises it together with every write, replication carries it along, and a replica whose
//! number is high enough has the write. What the number is afterwards `fetch_last_gtid` tells, whether a replica has come that
//! far `check_for_gtid`.

use std::{sync::Arc, time::Duration};

use ms_config::{GtidInjection, InjectionFailure};
use ms_gtid::source::{Choice, Configured, GtidSource};

/// The section's SQL.
#[derive(Debug)]
#[allow(dead_code, reason = "read by what injects and by what asks replicas, which come next")]
pub(crate) struct Injection {
    /// What raises the number; without it nothing is injected.
    pub(crate) on_commit: Option<Arc<str>>,
    pub(crate) on_failure: InjectionFailure,
    pub(crate) fetch_last_gtid: Option<Arc<str>>,
    /// Positions as this SQL knows them, which wins over what the servers offer. `None` when there is nothing to ask with.
    pub(crate) source: Option<Arc<dyn GtidSource>>,
    /// How long a replica is waited for that has not come that far; zero asks once.
    pub(crate) wait: Duration,
}

impl Injection {
    pub(crate) fn new(configured: &GtidInjection) -> Self {
        let GtidInjection { on_commit, fetch_last_gtid, check_for_gtid, on_failure, wait_for_gtid_timeout, .. } =
            configured;
        let mut sql = Configured::new();
        if let Some(fetch) = fetch_last_gtid {
            sql = sql.fetch_last_gtid(fetch.as_str());
        }
        if let Some(check) = check_for_gtid {
            sql = sql.check_for_gtid(check.as_str());
        }
        let source = Choice::configured(on_commit.as_deref(), sql).and_then(Choice::into_source);
        Self {
            on_commit: on_commit.as_deref().map(Arc::from),
            on_failure: *on_failure,
            fetch_last_gtid: fetch_last_gtid.as_deref().map(Arc::from),
            source: source.map(Arc::from),
            wait: *wait_for_gtid_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_what_counts_and_can_be_asked() {
        check(r#""on_commit": "UPDATE t", "fetch_last_gtid": "SELECT 1""#, Some("client-side counter"));
        check(r#""on_commit": "UPDATE t", "check_for_gtid": "SELECT #GTID""#, Some("client-side counter"));
        check(r#""fetch_last_gtid": "SELECT 1""#, Some("configured SQL"));
        check(r#""on_commit": "UPDATE t""#, None);
        check("", None);
    }

    #[track_caller]
    fn check(keys: &str, source: Option<&str>) {
        let file = format!(
            r#"{{"shop": {{"master": {{"host": "10.0.0.1"}}, "slave": [], "global_transaction_id_injection": {{{keys}}}}}}}"#
        );
        let db = crate::Cluster::builder().config_text("test", file).build().unwrap();
        let injection = db.inner.injection.as_ref().unwrap();
        assert_eq!(injection.source.as_ref().map(|it| it.name()), source, "{keys}");
        assert_eq!(injection.on_commit.is_some(), keys.contains("on_commit"), "{keys}");
    }
}
