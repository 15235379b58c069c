//! How positions leave the process.

use std::time::Duration;

use crate::Secret;

/// What tokens are signed with, and how long they are good: `token` of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenSettings {
    /// `name`: what tokens call the cluster; the section's name unless configured.
    pub name: Option<String>,
    /// `keys`: the first signs, all are accepted; none means that tokens are not signed.
    pub keys: Vec<Secret>,
    /// `lifetime_s`; a day unless configured, `None` for ever.
    pub lifetime: Option<Duration>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { name: None, keys: Vec::new(), lifetime: Some(Duration::from_secs(86_400)) }
    }
}
