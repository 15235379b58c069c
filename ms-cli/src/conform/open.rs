//! Opens a scenario's pool: a cluster, and one session, which is what the original called a connection handle.

use std::sync::{Arc, Mutex};

use ms_config::{Compat, Settings};
use ms_pool::{Cluster, Error, Password, Session, Statistics};

use super::{scenario::Scenario, world::Stage};

/// What a scenario's pool has, and what it says.
pub(crate) struct Pool {
    pub(crate) cluster: Cluster,
    pub(crate) session: Session,
}

/// What is there before the pool and outlives it.
#[derive(Clone, Default)]
pub(crate) struct Senses {
    pub(crate) statistics: Arc<Statistics>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Senses {
    /// What was emitted since the last call.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().expect("nothing panics while it is locked"))
    }

    fn warn(&self, text: String) {
        self.warnings.lock().expect("nothing panics while it is locked").push(text);
    }
}

/// Opens the pool as the scenario says.
pub(crate) async fn open(scenario: &Scenario, stage: &Stage<'_>, senses: &Senses) -> Result<Pool, Error> {
    let (servers, connect) = (&stage.world.servers, &scenario.connect);
    let sink = senses.clone();
    let mut builder = Cluster::builder()
        .config_text("conformance.json", scenario.config.as_str())
        .section(connect.section.as_str())
        .settings(settings(scenario))
        .statistics(Arc::clone(&senses.statistics))
        .on_warning(move |warning| sink.warn(warning.to_string()));
    if let Some(user) = connect.user.or(Some(&servers.user)) {
        builder = builder.user(user);
    }
    if let Some(password) = connect.password.or(servers.password.as_deref()) {
        builder = builder.password(Password::new(password));
    }
    if let Some(database) = connect.db.or(Some(&stage.databases.db)) {
        builder = builder.database(database);
    }
    let cluster = scenario.callbacks.register(builder).connect().await?;
    for warning in cluster.warnings() {
        senses.warn(warning.to_string());
    }
    let session = cluster.session();
    Ok(Pool { cluster, session })
}

/// All of them, so that neither the environment nor the file has a say.
fn settings(scenario: &Scenario) -> Settings {
    let given = scenario.settings;
    Settings {
        multi_master: Some(given.multi_master),
        disable_rw_split: Some(given.disable_rw_split),
        force_config_usage: Some(given.force_config_usage),
        collect_statistics: Some(given.collect_statistics),
        compat: scenario.silent_about_compat.then_some(Compat::Classic),
        ..Settings::default()
    }
}
