//! Which cluster a command is about.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ms_config::{Config, Parsed, Settings};
use ms_pool::{Builder, Cluster};

use crate::failure::{self, Failure};

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
    /// The file as it was read, for commands that look at it beside the cluster.
    pub(crate) fn read(&self) -> Result<Config, Failure> {
        let (settings, _) = Settings::from_vars(|name| std::env::var(name).ok());
        Ok(parse(&self.config, &settings)?.config)
    }

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
pub(crate) fn parse(path: &Path, settings: &Settings) -> Result<Parsed, Failure> {
    let bytes = fs::read(path).map_err(|source| Failure::ConfigFile { path: path.to_owned(), source })?;
    Ok(Config::parse_bytes(&path.to_string_lossy(), &bytes, settings))
}
