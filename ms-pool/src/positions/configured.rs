//! What the section says about positions.

use std::{sync::Arc, time::Duration};

use ms_config::{Compat, GtidInjection};
use ms_gtid::source::{Choice, Configured, GtidSource};

/// How long a read waits in `strict` where nobody has said.
const WAIT: Duration = Duration::from_millis(100);

/// The user's SQL, if there is any.
pub(crate) fn configured_source(it: &GtidInjection) -> Option<Arc<dyn GtidSource>> {
    let mut sql = Configured::new();
    if let Some(fetch) = &it.fetch_last_gtid {
        sql = sql.fetch_last_gtid(fetch.as_str());
    }
    if let Some(check) = &it.check_for_gtid {
        sql = sql.check_for_gtid(check.as_str());
    }
    Choice::configured(it.on_commit.as_deref(), sql)?.into_source().map(Arc::from)
}

/// How long a read waits for a replica that lacks what it must see.
pub(crate) fn wait_for_gtid(configured: Option<&GtidInjection>, compat: Compat) -> Duration {
    match configured.map_or(Duration::ZERO, |it| it.wait_for_gtid_timeout) {
        Duration::ZERO if compat == Compat::Strict => WAIT,
        configured => configured,
    }
}
