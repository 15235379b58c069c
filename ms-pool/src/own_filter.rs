//! Filters that a program brings along.
//!
//! The router asks filters where a statement may run, and a program can add its own: near servers first, servers by tenant, servers that
//! a load balancer says are busy. It writes a [`Filter`], registers a function that makes one under a name
//! ([`Builder::filter`](crate::Builder::filter)), and from then on the configuration file uses that name in a chain like any other.
//! The name's arguments are the program's business; they reach the function as [`Json`].

use ms_config::{Json, OwnFilter, Section};
use ms_filters::Filter;

/// A filter of the program as the file asks for it; what the function of [`Builder::filter`](crate::Builder::filter) gets.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FilterConfig<'a> {
    /// The section.
    pub section: &'a str,
    /// The filter's name as the file spells it.
    pub name: &'a str,
    /// Where it stands, for messages: `shop.filters.zone_aware`.
    pub path: &'a str,
    /// What stands behind the name; [`Json::Null`] where the chain is a list of names.
    pub arguments: &'a Json,
    /// The names of the primaries that are used, in their order.
    pub primaries: &'a [String],
    /// The names of the replicas, in their order.
    pub replicas: &'a [String],
}

/// What goes wrong in a function of the program.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Make = Box<dyn Fn(&FilterConfig<'_>) -> Result<Box<dyn Filter>, BoxError> + Send + Sync>;

/// The registered functions, by the names they have in files.
#[derive(Default)]
pub(crate) struct OwnFilters(Vec<(String, Make)>);

impl OwnFilters {
    /// The one registered last counts.
    pub(crate) fn register(&mut self, name: String, make: Make) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.0.push((name, make));
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A name that cannot be registered.
    pub(crate) fn reserved(&self) -> Option<&str> {
        let taken = |name: &str| ms_config::Filter::NAMES.iter().any(|it| it.eq_ignore_ascii_case(name));
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| name.is_empty() || taken(name))
    }

    /// Calls the function for a filter of `section`.
    pub(crate) fn make(&self, own: &OwnFilter, section: &Section) -> Result<Box<dyn Filter>, BoxError> {
        let (_, make) = self
            .0
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&own.name))
            .expect("the file was read with the registered names");
        let names = |servers: &[ms_config::Server]| servers.iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
        make(&FilterConfig {
            section: &section.name,
            name: &own.name,
            path: &own.path,
            arguments: &own.arguments,
            primaries: &names(&section.primaries),
            replicas: &names(&section.replicas),
        })
    }
}
