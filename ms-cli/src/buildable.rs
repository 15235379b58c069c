//! Sections that are right and cannot be used all the same.
//!
//! A file may ask for what the library accepts and does not do yet, such as a filter of the original. The configuration
//! has nothing to say against it; building a cluster has. So `ms check` builds, which connects to nothing.
//!
//! Building reads the whole file for each section, and a file may hold thousands. What decides is the same for sections
//! with the same filters and character set, so one of each kind is built.

use std::{collections::HashMap, path::Path};

use ms_config::{Config, Section};
use ms_pool::Cluster;

use crate::failure::chain;

/// A section that cannot be used.
pub(crate) struct Unbuildable<'c> {
    pub(crate) section: &'c Section,
    pub(crate) why: String,
}

/// The sections of a file that no cluster can be built of, in its order.
pub(crate) fn unbuildable<'c>(file: &Path, config: &'c Config) -> Vec<Unbuildable<'c>> {
    let mut kinds = HashMap::new();
    let sections = config.sections().filter_map(|section| {
        let filters: Vec<_> = section.filters.iter().map(|it| it.name()).collect();
        let charset = section.server_charset.as_ref().map(|it| it.as_str().to_owned());
        let why: &Option<String> = kinds.entry((filters, charset)).or_insert_with(|| {
            let built = Cluster::builder().config_file(file).section(&section.name).build();
            built.err().map(|error| chain(&error))
        });
        why.clone().map(|why| Unbuildable { section, why })
    });
    sections.collect()
}
