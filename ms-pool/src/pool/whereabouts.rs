//! Where an address leads.
//!
//! A configured name is not a server. After a failover it leads to another one, and connections made before go on talking to
//! the old: to a server that was demoted, or worse, to one that still takes writes. So when a new connection is answered by
//! somebody else, the ones to the former server are given up.
//!
//! But a name may also stand for several servers at once: an address with many records, the reader endpoint of a cloud
//! provider, a load balancer. There every other connection is answered by somebody else, and giving up the rest each time
//! would mean to connect for every statement. The two are told apart by how often it happens: a name that has moved three
//! times within a minute stands for several servers, until ten minutes pass without a change.

use std::time::Duration;

use crate::probe::ServerKey;

/// Three moves within this time are none.
const WINDOW: Duration = Duration::from_secs(60);
/// So long a name stands for several servers after the last change.
const SETTLED: Duration = Duration::from_secs(600);

/// Who has answered at one address. Times are since a moment that the owner chooses.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    current: Option<ServerKey>,
    /// The two latest moves, the later one first.
    moves: [Option<Duration>; 2],
    several_until: Option<Duration>,
}

/// What a new connection says about its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It leads where it has led, or nobody was there before.
    Known,
    /// It leads to another server.
    Moved,
    /// It has led to too many to speak of moving. Said once.
    Several,
}

impl Whereabouts {
    /// A connection made at `now` was answered by `key`.
    pub(super) fn arrived(&mut self, key: &ServerKey, now: Duration) -> Arrival {
        let before = self.current.replace(key.clone());
        if before.is_none_or(|before| before == *key) {
            return Arrival::Known;
        }
        if self.several_until.is_some_and(|until| now < until) {
            self.several_until = Some(now + SETTLED);
            return Arrival::Known;
        }
        if self.moves[1].is_some_and(|earlier| now < earlier + WINDOW) {
            self.several_until = Some(now + SETTLED);
            return Arrival::Several;
        }
        self.moves = [Some(now), self.moves[0]];
        Arrival::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::{Known, Moved, Several};
    use super::*;
    use crate::probe::Identity;

    #[test]
    fn a_name_that_leads_to_another_server_has_moved() {
        check(&[(0, 'a', Known), (1, 'a', Known), (2, 'b', Moved), (3, 'b', Known)]);
        // Back again is a move as well.
        check(&[(0, 'a', Known), (1, 'b', Moved), (300, 'a', Moved), (301, 'a', Known)]);
    }

    #[test]
    fn a_name_that_moves_all_the_time_stands_for_several_servers() {
        check(&[
            (0, 'a', Known),
            (1, 'b', Moved),
            (2, 'a', Moved),
            (3, 'b', Several),
            (4, 'a', Known),
            (5, 'c', Known),
        ]);
        check(&[(0, 'a', Known), (1, 'b', Moved), (2, 'c', Moved), (3, 'd', Several)]);
        // Slowly it is moves.
        check(&[(0, 'a', Known), (1, 'b', Moved), (40, 'a', Moved), (61, 'b', Moved), (110, 'a', Moved)]);
    }

    #[test]
    fn after_ten_minutes_without_a_change_it_stands_for_one_server_again() {
        let several = [(0, 'a', Known), (1, 'b', Moved), (2, 'a', Moved), (3, 'b', Several)];
        check(&[&several[..], &[(602, 'a', Known), (1201, 'b', Known), (1801, 'a', Moved)]].concat());
        check(&[&several[..], &[(602, 'b', Known), (603, 'a', Moved)]].concat());
    }

    /// Seconds, who answers, and what that means.
    #[track_caller]
    fn check(story: &[(u64, char, Arrival)]) {
        let mut whereabouts = Whereabouts::default();
        for (row, (at, who, expected)) in story.iter().enumerate() {
            let key = Identity::example(&who.to_string(), 1, None).key;
            assert_eq!(whereabouts.arrived(&key, Duration::from_secs(*at)), *expected, "row {row}");
        }
    }
}
