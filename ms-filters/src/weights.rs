//! How unequal servers share statements.
//!
//! A weight is a share among the servers of one role. `random` needs nothing but the sum. Round robin needs an order:
//! each server starts with its weight as a counter, the highest counter is picked and counted down, and when all are
//! at zero they start again. So over one cycle, as many picks as the weights add up to, every server is picked exactly
//! `weight` times, the heaviest first: 3, 2, 1 gives `a a b a b c`.
//!
//! The counters need not exist. A round of the cycle is "every server whose weight is at least this level", and rounds
//! that hold the same servers lie next to each other, so position `p` of the cycle is found by a binary search over at
//! most as many segments as there are servers. That leaves one number to remember for a list, which is an atomic.
//!
//! Weight 0 is a standby: it takes no part in the cycle and none in the draw, and is used when every other candidate
//! of the statement was tried.

use crate::server::ServerIx;

/// A server's share of its side's statements, 0 to 65,535; 0 is a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    /// A share; 0 makes a standby.
    #[must_use]
    pub const fn new(share: u16) -> Self {
        Weight(share)
    }

    /// The number as configured.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the server is used only when all others were tried.
    #[must_use]
    pub const fn is_standby(self) -> bool {
        self.0 == 0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Weight(1)
    }
}

/// The order of one weighted list, without its position.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Heaviest first, ties in list order; standbys last.
    order: Box<[ServerIx]>,
    segments: Box<[Segment]>,
    /// Picks in one cycle.
    cycle: u64,
}

/// Neighbouring rounds that hold the same servers: the first `width` of the order.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u64,
    width: usize,
}

impl Schedule {
    /// The schedule of a list, or `None` where every weight is one and list order will do.
    pub(crate) fn unless_even(list: &[ServerIx], weight: impl Fn(ServerIx) -> Weight) -> Option<Self> {
        if list.iter().all(|it| weight(*it) == Weight::default()) {
            return None;
        }
        let mut order = list.to_vec();
        order.sort_by_key(|it| std::cmp::Reverse(weight(*it)));

        let mut segments = Vec::new();
        let mut cycle = 0;
        for (position, server) in order.iter().enumerate() {
            let next = order.get(position + 1).map_or(0, |it| weight(*it).get());
            let rounds = u64::from(weight(*server).get() - next);
            if rounds > 0 {
                let width = position + 1;
                segments.push(Segment { start: cycle, width });
                cycle += rounds * width as u64;
            }
        }
        Some(Schedule { order: order.into(), segments: segments.into(), cycle })
    }

    /// The server whose turn the `turn`-th pick is, counted from 0 for ever; `None` where all are standbys.
    pub(crate) fn at(&self, turn: u64) -> Option<ServerIx> {
        let turn = turn.checked_rem(self.cycle)?;
        let segment = self.segments[self.segments.partition_point(|it| it.start <= turn) - 1];
        let position = (turn - segment.start) % segment.width as u64;
        self.order.get(usize::try_from(position).ok()?).copied()
    }

    #[cfg(test)]
    pub(crate) fn cycle(&self) -> u64 {
        self.cycle
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heaviest_first_then_down_level_by_level() {
        check(&[3, 2, 1], "aababc");
        check(&[1, 4], "bbbba");
        check(&[2, 2], "abab");
        check(&[5], "aaaaa");
    }

    #[test]
    fn a_standby_has_no_turn() {
        check(&[0, 1, 2], "ccb");
        check(&[0, 0], "");
    }

    #[test]
    fn even_lists_need_no_schedule() {
        assert!(Schedule::unless_even(&servers(3), |_| Weight::default()).is_none());
    }

    proptest! {
        #[test]
        fn over_one_cycle_each_server_has_exactly_its_weight(weights in prop::collection::vec(0_u16..9, 1..9), from in 0_u64..50) {
            let Some(schedule) = schedule(&weights) else { return Ok(()) };
            let mut seen = vec![0_u16; weights.len()];
            for turn in from..from + schedule.cycle() {
                seen[schedule.at(turn).unwrap().index()] += 1;
            }
            prop_assert_eq!(seen, weights);
        }
    }

    #[track_caller]
    fn check(weights: &[u16], expected: &str) {
        let schedule = schedule(weights).unwrap();
        let names = "abcdefgh".as_bytes();
        let cycle: String =
            (0..schedule.cycle()).map(|it| char::from(names[schedule.at(it).unwrap().index()])).collect();
        assert_eq!(cycle, expected);
        assert_eq!(schedule.at(schedule.cycle()), schedule.at(0), "a cycle starts again");
    }

    fn schedule(weights: &[u16]) -> Option<Schedule> {
        Schedule::unless_even(&servers(weights.len()), |it| Weight::new(weights[it.index()]))
    }

    fn servers(count: usize) -> Vec<ServerIx> {
        (0..count).map(|it| ServerIx::new(u16::try_from(it).unwrap())).collect()
    }
}
