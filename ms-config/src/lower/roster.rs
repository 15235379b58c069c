//! The names of a section's servers, for filters that speak of them.

use std::collections::HashMap;

use crate::{Role, ServerName};

/// More servers than anybody names by hand.
const SUGGESTED: usize = 200;

/// The servers in the pool by alias. Servers that the pool does not use are not in it: naming one is an error.
pub(super) struct Roster<'s> {
    places: HashMap<(Role, &'s str), usize>,
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
            let is_taken = roster.find(alias).is_some();
            roster.places.insert((name.role(), alias), name.index());
            if is_taken {
                roster.duplicate.get_or_insert(name);
            }
        }
        roster
    }

    /// Where the server called `alias` is; if there are two, which only [`Roster::find_in`] can tell apart, a replica.
    pub(super) fn find(&self, alias: &str) -> Option<(Role, usize)> {
        let place = |role| self.places.get(&(role, alias)).map(|&place| (role, place));
        place(Role::Replica).or_else(|| place(Role::Primary))
    }

    /// Where the server of this role is that is called `alias`. The empty alias is none, although many may have it.
    pub(super) fn find_in(&self, role: Role, alias: &str) -> Option<usize> {
        self.places.get(&(role, alias)).copied().filter(|_| !alias.is_empty())
    }

    /// Names to suggest: some, because each is compared with each unknown name.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &'s str> {
        self.aliases.iter().copied().take(SUGGESTED)
    }

    /// How many servers have this role.
    pub(super) fn of(&self, role: Role) -> usize {
        match role {
            Role::Primary => self.primaries,
            Role::Replica => self.replicas,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.primaries + self.replicas
    }
}
