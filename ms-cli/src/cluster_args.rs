//! Which cluster a command is about.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use ms_config::{Config, OwnFilters, Parsed, Settings};
use ms_pool::{Builder, Cluster};

use crate::failure::{self, Failure};

/// As ms-pool: what is larger is no configuration.
const LARGEST: u64 = 16 << 20;

/// The file and the section.
#[derive(Debug, clap::Args)]
pub(crate) struct ClusterArgs {
    /// The configuration file
    #[arg(short, long = "config", value_name = "FILE", env = "MYSQL_MS_CONFIG_FILE")]
    config: PathBuf,

    /// The section of the file; may be left out when there is only one
    #[arg(short, long, value_name = "NAME")]
    section: Option<String>,
}

impl ClusterArgs {
    /// Builds the cluster and passes on what its section was warned about.
    pub(crate) fn build(&self, builder: Builder) -> Result<Cluster, Failure> {
        let cluster = builder.build().map_err(|source| Failure::Cluster { source })?;
        for warning in cluster.warnings() {
            // It says by itself that it is a warning.
            failure::pass_on(&warning.to_string());
        }
        Ok(cluster)
    }

    /// A builder that knows the cluster and tells its warnings.
    pub(crate) fn builder(&self) -> Builder {
        let builder = Cluster::builder().config_file(&self.config).on_warning(|it| failure::warn(&it.to_string()));
        match &self.section {
            Some(section) => builder.section(section),
            None => builder,
        }
    }
}

/// Reads and checks a file.
pub(crate) fn parse(path: &Path, settings: &Settings, own: OwnFilters<'_>) -> Result<Parsed, Failure> {
    let unreadable = |source| Failure::ConfigFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // Bounded by reading, for a device or a pipe has no length to ask for.
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::ConfigSize { path: path.to_owned(), limit: LARGEST });
    }
    Ok(Config::parse_with(&path.to_string_lossy(), &bytes, settings, own))
}
