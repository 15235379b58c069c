//! What a scope must see, by key.
//!
//! A newer version takes the place of older ones, unless it is one that will be lost: then the older ones are owed again.

use std::collections::HashMap;

use super::{
    Demand,
    fates::{Fate, Fates},
};
use crate::torture::consistency::history::Key;

#[derive(Debug, Clone, Default)]
pub(super) struct Demands(HashMap<Key, Vec<Demand>>);

impl Demands {
    pub(super) fn add(&mut self, key: Key, demand: Demand, fate: Fate) {
        if fate == Fate::Unknown {
            return;
        }
        let list = self.0.entry(key).or_default();
        if list.iter().any(|it| it.version == demand.version) {
            return;
        }
        if fate == Fate::Kept {
            if list.iter().any(|it| it.version > demand.version) {
                // Something newer was owed before; where that is lost, this one counts.
                list.retain(|it| it.version > demand.version);
            } else {
                list.clear();
            }
        }
        list.push(demand);
    }

    /// The newest of a key that counts.
    pub(super) fn newest(&self, key: Key, counts: impl Fn(&Demand) -> bool) -> Option<Demand> {
        self.0.get(&key)?.iter().filter(|it| counts(it)).max_by_key(|it| it.version).copied()
    }

    /// Those that are still owed.
    pub(super) fn only(&self, is_owed: impl Fn(Key, &Demand) -> bool) -> Self {
        let keep =
            |(key, list): (&Key, &Vec<Demand>)| (*key, list.iter().filter(|it| is_owed(*key, it)).copied().collect());
        Self(self.0.iter().map(keep).collect())
    }

    pub(super) fn merge(&mut self, other: Self, fates: &Fates) {
        for (key, list) in other.0 {
            for demand in list {
                self.add(key, demand, fates.of_version(key, demand.version));
            }
        }
    }
}
