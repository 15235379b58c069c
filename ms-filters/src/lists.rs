//! Something remembered for each exact list of candidates.
//!
//! Choices and positions belong to the list they were made for: a list that a filter narrowed differently has its own,
//! and two filters that arrive at the same servers share one. The number of lists a cluster can produce has no bound
//! (a callback may return anything), so the least recently used one is forgotten.

use crate::server::{Role, ServerIx};

/// Lists remembered at most, per filter.
const LISTS: usize = 64;

#[derive(Debug)]
pub(crate) struct Lists<T> {
    entries: Vec<Entry<T>>,
    clock: u64,
}

#[derive(Debug)]
struct Entry<T> {
    role: Role,
    list: Box<[ServerIx]>,
    used: u64,
    value: T,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Lists { entries: Vec::new(), clock: 0 }
    }
}

impl<T> Lists<T> {
    /// What is remembered for a list, if anything.
    pub(crate) fn get(&mut self, role: Role, list: &[ServerIx]) -> Option<&mut T> {
        let position = self.position(role, list)?;
        Some(&mut self.touch(position).value)
    }

    /// What is remembered for a list, which is `first` when it was not seen before or is forgotten.
    pub(crate) fn get_or(&mut self, role: Role, list: &[ServerIx], first: impl FnOnce() -> T) -> &mut T {
        let position = self.position(role, list).unwrap_or_else(|| {
            let entry = Entry { role, list: list.into(), used: 0, value: first() };
            self.insert(entry)
        });
        &mut self.touch(position).value
    }

    fn position(&self, role: Role, list: &[ServerIx]) -> Option<usize> {
        self.entries.iter().position(|it| it.role == role && *it.list == *list)
    }

    fn touch(&mut self, position: usize) -> &mut Entry<T> {
        self.clock += 1;
        let entry = &mut self.entries[position];
        entry.used = self.clock;
        entry
    }

    fn insert(&mut self, entry: Entry<T>) -> usize {
        if self.entries.len() < LISTS {
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        let oldest = (0..LISTS).min_by_key(|it| self.entries[*it].used).unwrap_or(0);
        self.entries[oldest] = entry;
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_its_servers_in_their_order_on_their_side() {
        let mut lists = Lists::default();
        *lists.get_or(Role::Replica, &list(&[1, 2]), || 0) = 7;
        assert_eq!(lists.get(Role::Replica, &list(&[1, 2])), Some(&mut 7));
        assert_eq!(lists.get(Role::Replica, &list(&[2, 1])), None);
        assert_eq!(lists.get(Role::Replica, &list(&[1])), None);
        assert_eq!(lists.get(Role::Primary, &list(&[1, 2])), None);
    }

    #[test]
    fn the_least_recently_used_list_is_forgotten() {
        let mut lists = Lists::default();
        for server in 0..64 {
            lists.get_or(Role::Replica, &list(&[server]), || server);
        }
        lists.get(Role::Replica, &list(&[0]));
        lists.get_or(Role::Replica, &list(&[64]), || 64);
        assert_eq!(lists.get(Role::Replica, &list(&[0])), Some(&mut 0), "was used again");
        assert_eq!(lists.get(Role::Replica, &list(&[1])), None, "was the oldest");
        assert_eq!(lists.get(Role::Replica, &list(&[64])), Some(&mut 64));
        assert_eq!(lists.entries.len(), LISTS);
    }

    fn list(servers: &[u16]) -> Vec<ServerIx> {
        servers.iter().map(|it| ServerIx::new(*it)).collect()
    }
}
