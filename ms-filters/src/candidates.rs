//! The servers a statement may still run on.
//!
//! A filter takes candidates away; it never adds one, so what is picked was configured and survived every filter.
//! Order and duplicates are kept, for both mean something: round robin walks the list, and a server listed twice gets
//! two shares. Either side may be empty.

use std::sync::Arc;

use crate::{
    server::{PerRole, Role, ServerIx},
    topology::Topology,
};

/// Two lists of servers, in memory that is used again for the next statement.
#[derive(Debug, Default)]
pub struct Candidates {
    sides: PerRole<Side>,
}

#[derive(Debug, Default)]
struct Side {
    list: Vec<ServerIx>,
    /// Nothing was taken away: the list is the configured one, whose memory needs no look-up.
    configured: bool,
    /// That one. It is held, so the same place means the same list.
    origin: Option<Arc<[ServerIx]>>,
    spare: Vec<ServerIx>,
}

impl Candidates {
    /// The servers of one role that are left.
    #[must_use]
    #[inline]
    pub fn list(&self, role: Role) -> &[ServerIx] {
        &self.sides.of(role).list
    }

    /// The primaries that are left.
    #[must_use]
    #[inline]
    pub fn primaries(&self) -> &[ServerIx] {
        self.list(Role::Primary)
    }

    /// The replicas that are left.
    #[must_use]
    #[inline]
    pub fn replicas(&self) -> &[ServerIx] {
        self.list(Role::Replica)
    }

    /// Whether one side is still exactly what was configured.
    #[must_use]
    #[inline]
    pub fn is_configured(&self, role: Role) -> bool {
        self.sides.of(role).configured
    }

    /// Whether nothing is left on either side.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.primaries().is_empty() && self.replicas().is_empty()
    }

    /// Takes away every server that `keep` says no to.
    pub fn retain(&mut self, mut keep: impl FnMut(Role, ServerIx) -> bool) {
        self.sides.primary.retain(|it| keep(Role::Primary, it));
        self.sides.replica.retain(|it| keep(Role::Replica, it));
    }

    /// Takes away all servers of one role.
    pub fn clear(&mut self, role: Role) {
        self.sides.of_mut(role).retain(|_| false);
    }

    /// Keeps the servers at `positions` of one side, in that order, as often as each is named.
    ///
    /// # Errors
    ///
    /// Returns the first position that names no server; the side is unchanged then.
    pub fn arrange(&mut self, role: Role, positions: &[usize]) -> Result<(), usize> {
        let side = self.sides.of_mut(role);
        if let Some(bad) = positions.iter().find(|it| **it >= side.list.len()) {
            return Err(*bad);
        }
        side.spare.clear();
        side.spare.extend(positions.iter().map(|it| side.list[*it]));
        side.configured &= side.spare == side.list;
        std::mem::swap(&mut side.list, &mut side.spare);
        Ok(())
    }

    /// Keeps what `wanted` names, in its order; a candidate that is listed several times stays as often.
    pub fn select(&mut self, role: Role, wanted: impl Iterator<Item = ServerIx>) {
        let side = self.sides.of_mut(role);
        side.spare.clear();
        for server in wanted {
            let candidates = side.list.iter().filter(|it| **it == server);
            // A configured list has each server once.
            side.spare.extend(candidates.take(if side.configured { 1 } else { usize::MAX }));
        }
        side.configured &= side.spare == side.list;
        std::mem::swap(&mut side.list, &mut side.spare);
    }

    #[inline]
    pub(crate) fn reset(&mut self, topology: &Topology) {
        self.sides.primary.set(topology.shared_list(Role::Primary));
        self.sides.replica.set(topology.shared_list(Role::Replica));
    }
}

impl Side {
    /// Makes it the configured list, which it still is after most statements.
    #[inline]
    fn set(&mut self, list: &Arc<[ServerIx]>) {
        if !self.configured || !self.origin.as_ref().is_some_and(|it| Arc::ptr_eq(it, list)) {
            self.copy(list);
        }
    }

    fn copy(&mut self, list: &Arc<[ServerIx]>) {
        self.list.clear();
        self.list.extend_from_slice(list);
        self.configured = true;
        self.origin = Some(Arc::clone(list));
    }

    fn retain(&mut self, mut keep: impl FnMut(ServerIx) -> bool) {
        let before = self.list.len();
        self.list.retain(|it| keep(*it));
        self.configured &= self.list.len() == before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    #[test]
    fn a_side_is_configured_until_something_is_taken_from_it() {
        let mut candidates = three_replicas();
        candidates.retain(|_, _| true);
        assert!(candidates.is_configured(Role::Replica));
        candidates.retain(|_, it| it.index() != 2);
        assert!(!candidates.is_configured(Role::Replica));
        assert!(candidates.is_configured(Role::Primary));
    }

    #[test]
    fn arranging_keeps_order_and_duplicates() {
        check(&[2, 0, 0], Ok(&[3, 1, 1]), false);
        check(&[0, 1, 2], Ok(&[1, 2, 3]), true);
        check(&[], Ok(&[]), false);
        check(&[0, 3], Err(3), true);
    }

    #[test]
    fn selecting_takes_the_order_of_what_is_wanted() {
        check_select(&[3, 1], &[0, 1, 2], &[3, 1], false);
        check_select(&[1, 2, 3], &[0, 1, 2], &[1, 2, 3], true);
        check_select(&[3, 9, 1], &[0, 0, 2], &[3, 1, 1], false);
        check_select(&[], &[0, 1, 2], &[], false);
        check_select(&[2], &[0, 2], &[], false);
    }

    #[track_caller]
    fn check_select(wanted: &[u16], before: &[usize], expected: &[u16], configured: bool) {
        let mut candidates = three_replicas();
        candidates.arrange(Role::Replica, before).unwrap();
        candidates.select(Role::Replica, wanted.iter().map(|it| ServerIx::new(*it)));
        let list: Vec<u16> = candidates.replicas().iter().map(|it| it.raw()).collect();
        assert_eq!(list, expected);
        assert_eq!(candidates.is_configured(Role::Replica), configured);
    }

    #[track_caller]
    fn check(positions: &[usize], expected: Result<&[u16], usize>, configured: bool) {
        let mut candidates = three_replicas();
        let result = candidates.arrange(Role::Replica, positions);
        let list: Vec<u16> = candidates.replicas().iter().map(|it| it.raw()).collect();
        assert_eq!(result.map(|()| list.as_slice()), expected);
        assert_eq!(candidates.is_configured(Role::Replica), configured);
    }

    fn three_replicas() -> Candidates {
        let servers = [Server::primary("p"), Server::replica("r1"), Server::replica("r2"), Server::replica("r3")];
        let mut candidates = Candidates::default();
        candidates.reset(&Topology::new(servers).unwrap());
        candidates
    }
}
