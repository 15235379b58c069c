//! Load balancing in turn: each candidate list is walked in its order, by all sessions together.
//!
//! The position belongs to the exact list and moves with every try, also one that fails, before the server is opened: so
//! the next statement goes on behind a dead server, and two sessions that start together do not meet. Within a statement
//! no server is tried twice; a turn that falls on one is passed to the next that was not tried. With
//! weights (see [`Weight`](crate::Weight)) there is no next one in that sense, so what is left is walked as a list of
//! its own.

use crate::{
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    server::{Role, ServerIx},
    share::Shares,
};

/// The `roundrobin` filter, with the weights of the topology.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin(());

impl RoundRobin {
    /// Each candidate in turn.
    #[must_use]
    pub fn new() -> Self {
        RoundRobin(())
    }
}

impl Filter for RoundRobin {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn kind(&self) -> Kind {
        Kind::Balances
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        let role = cx.attempt.role();
        if let [only] = candidates.list(role)
            && !cx.tried.contains(only)
        {
            return Verdict::Pick(*only, Reason::Only);
        }
        // Nobody's turn is taken for a statement that has tried them all.
        if candidates.list(role).iter().all(|it| cx.tried.contains(it)) {
            return Verdict::Refuse(Reason::Remembered);
        }
        let weighted = cx.topology.schedule(role).is_some();
        let turn = cx.cluster.take_turn(cx.topology, candidates, role);
        match turn.server {
            Some(server) if !cx.tried.contains(&server) => {
                Verdict::Pick(server, if weighted { Reason::TurnWeighted } else { Reason::Turn })
            }
            _ if weighted => next_by_weight(cx, role, candidates.list(role), turn.position),
            _ => match next(cx.tried, candidates.list(role), turn.position) {
                Some(server) => Verdict::Pick(server, Reason::Turn),
                None => Verdict::Refuse(Reason::Remembered),
            },
        }
    }

    fn shares(&self, cx: &mut Cx<'_>, candidates: &Candidates, role: Role) -> Shares {
        let list = candidates.list(role);
        let left = list.iter().filter(|it| !cx.tried.contains(it));
        let next = cx.cluster.peek(cx.topology, candidates, role).filter(|it| !cx.tried.contains(it));
        Shares::of(left.map(|it| (*it, cx.topology.weight(*it).get())), next)
    }
}

/// The first server from `position` on that was not tried.
fn next(tried: &[ServerIx], list: &[ServerIx], position: u64) -> Option<ServerIx> {
    let start = usize::try_from(position.checked_rem(list.len() as u64)?).ok()?;
    let (before, behind) = list.split_at(start);
    behind.iter().chain(before).copied().find(|it| !tried.contains(it))
}

/// The servers that were not tried take turns among themselves; standbys when nobody else is left.
fn next_by_weight(cx: &mut Cx<'_>, role: Role, list: &[ServerIx], position: u64) -> Verdict {
    let working = |it: &ServerIx| !cx.tried.contains(it) && !cx.topology.weight(*it).is_standby();
    let left: Vec<ServerIx> = list.iter().copied().filter(working).collect();
    if let Some(server) = cx.cluster.take_turn_of(cx.topology, role, &left).server {
        return Verdict::Pick(server, Reason::TurnWeighted);
    }
    match next(cx.tried, list, position) {
        Some(server) => Verdict::Pick(server, Reason::Standby),
        None => Verdict::Refuse(Reason::Remembered),
    }
}
