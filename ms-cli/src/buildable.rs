//! Sections that are right and cannot be used all the same.
//!
//! A file may ask for what the library accepts and does not do yet, such as a filter of the original. The configuration
//! has nothing to say against it; building a cluster has. So `ms check` builds, which connects to nothing.
//!
//! Building reads the whole file for each section, and a file may hold thousands. What decides is the same for sections
//! with the same filters and character set, so one of each kind is built.

use std::{collections::HashMap, path::Path};

use ms_config::{Config, Filter, Section};
use ms_pool::{
    Builder, Cluster,
    ms_filters::{self, Random, narrow_fn},
};

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
            let built = with_stand_ins(Cluster::builder(), section).config_file(file).section(&section.name).build();
            built.err().map(|error| chain(&error))
        });
        why.clone().map(|why| Unbuildable { section, why })
    });
    sections.collect()
}

/// Registers something in place of each filter that the program would bring along: what picks at the end of the chain, what
/// narrows before it.
fn with_stand_ins(builder: Builder, section: &Section) -> Builder {
    let last = section.filters.last().map(|it| it.name().to_owned());
    let own = section.filters.iter().filter(|it| matches!(it, Filter::Own(_)));
    own.fold(builder, |builder, filter| {
        let picks = last.as_deref() == Some(filter.name());
        builder.filter(filter.name(), move |config| {
            let narrows = || narrow_fn(config.name, |_, _| {});
            Ok(if picks { Box::new(Random::new()) as Box<dyn ms_filters::Filter> } else { Box::new(narrows()) })
        })
    })
}
