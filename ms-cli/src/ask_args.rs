//! What commands take that ask servers.

use ms_pool::{Builder, Cluster};

use crate::{account::AccountArgs, cluster_args::ClusterArgs, failure::Failure};

/// Which cluster, who logs in, and whether a program reads the answer.
#[derive(Debug, clap::Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    account: AccountArgs,
}

impl AskArgs {
    /// The cluster; nothing is asked yet.
    pub(crate) fn open(&self) -> Result<Cluster, Failure> {
        self.open_with(|it| it)
    }

    /// The same, with something more that it is told.
    pub(crate) fn open_with(&self, more: impl FnOnce(Builder) -> Builder) -> Result<Cluster, Failure> {
        let account = self.account.read()?;
        self.cluster.build(more(account.apply(self.cluster.builder())))
    }
}
