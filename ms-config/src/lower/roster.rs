//! The names of a section's servers, for filters that speak of them.

use std::collections::HashMap;

use crate::{Role, ServerName};

/// More servers than anybody names by hand.
const SUGGESTED: usize = 200;

/// The servers in the pool by alias. Servers that the pool does not use are not in it: naming one is an error.
pub(super) struct Roster<'s> {
    places: HashMap<&'s str, (Role, usize)>,
    /// The aliases in the order of the file, for messages.
    aliases: Vec<&'s str>,
    pub(super) primaries: usize,
    pub(super) replicas: usize,
    /// Two servers have the same name, so that it means neither.
    pub(super) duplicate: Option<&'s ServerName>,
}

impl<'s> Roster<'s> {
    pub(super) fn new(primaries: &'s [ServerName], replicas: &'s [ServerName]) -> Self {
        let mut roster = Self {
            places: HashMap::with_capacity(primaries.len() + replicas.len()),
            aliases: Vec::with_capacity(primaries.len() + replicas.len()),
            primaries: primaries.len(),
            replicas: replicas.len(),
            duplicate: None,
        };
        for name in primaries.iter().chain(replicas) {
            // Servers without an alias have the empty one, all of them the same.
            let alias = name.alias().unwrap_or("");
            roster.aliases.push(alias);
            if roster.places.insert(alias, (name.role(), name.index())).is_some() {
                roster.duplicate.get_or_insert(name);
            }
        }
        roster
    }

    /// Where the server called `alias` is.
    pub(super) fn find(&self, alias: &str) -> Option<(Role, usize)> {
        self.places.get(alias).copied()
    }

    /// Names to suggest: some, because each is compared with each unknown name.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &'s str> {
        self.aliases.iter().copied().take(SUGGESTED)
    }

    pub(super) fn len(&self) -> usize {
        self.primaries + self.replicas
    }
}
