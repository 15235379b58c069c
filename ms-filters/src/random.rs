//! Load balancing by lot: every statement draws anew, or the first draw holds for the session.
//!
//! Drawing spreads load evenly without anybody keeping count. Sticking to the first draw ("random once") keeps a
//! session on one replica, so that it does not see the second replica trail behind the first; that is the original's
//! default where no filter is configured. A choice belongs to the exact list it was drawn from: a list that another
//! filter narrowed has its own.
//!
//! Only a server that was reached is kept. Once kept it is returned without a look at its state: a session whose
//! server died learns of it by the error of that server.

use crate::{
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    server::{Role, ServerIx},
    share::Shares,
    topology::Topology,
};

/// The `random` filter.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    draw: Draw,
}

/// How long a draw holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draw {
    Anew,
    Sticky,
}

impl Random {
    /// Draws for every statement, by the weights of the topology.
    #[must_use]
    pub fn new() -> Self {
        Random { draw: Draw::Anew }
    }

    /// Draws once per session and candidate list: `{"random": {"sticky": true}}`.
    #[must_use]
    pub fn sticky() -> Self {
        Random { draw: Draw::Sticky }
    }
}

impl Default for Random {
    fn default() -> Self {
        Random::new()
    }
}

impl Filter for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn kind(&self) -> Kind {
        Kind::Balances
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        let role = cx.attempt.role();
        if self.draw == Draw::Sticky
            && let Some(kept) = cx.session.choice(candidates, role)
            && !cx.tried.contains(&kept)
        {
            return Verdict::Pick(kept, Reason::Sticky);
        }
        let even = cx.topology.schedule(role).is_none();
        match candidates.list(role) {
            [] => Verdict::Refuse(Reason::NoneUsable),
            [only] if !cx.tried.contains(only) => Verdict::Pick(*only, Reason::Only),
            list if even && cx.tried.is_empty() => {
                let drawn = cx.rng.below(u32::try_from(list.len()).unwrap_or(u32::MAX));
                Verdict::Pick(list[drawn as usize], Reason::Random)
            }
            list => draw(cx, list, if even { Reason::Random } else { Reason::RandomWeighted }),
        }
    }

    fn picked(&self, cx: &mut Cx<'_>, candidates: &Candidates, server: ServerIx) {
        if self.draw == Draw::Sticky {
            cx.session.choose(candidates, cx.attempt.role(), server);
        }
    }

    fn shares(&self, cx: &mut Cx<'_>, candidates: &Candidates, role: Role) -> Shares {
        if self.draw == Draw::Sticky
            && let Some(kept) = cx.session.choice(candidates, role)
        {
            return Shares::all_to(kept);
        }
        let left = untried(cx.tried, candidates.list(role));
        Shares::of(left.map(|it| (it, cx.topology.weight(it).get())), None)
    }
}

/// Draws among the servers that were not tried: by weight, or evenly among standbys when only those are left.
fn draw(cx: &mut Cx<'_>, list: &[ServerIx], reason: Reason) -> Verdict {
    let weight = |topology: &Topology, it| u32::from(topology.weight(it).get());
    let total: u32 = untried(cx.tried, list).map(|it| weight(cx.topology, it)).sum();
    if total == 0 {
        let standbys = u32::try_from(untried(cx.tried, list).count()).unwrap_or(u32::MAX);
        let drawn = cx.rng.below(standbys);
        return match untried(cx.tried, list).nth(drawn as usize) {
            Some(server) => Verdict::Pick(server, Reason::Standby),
            None => Verdict::Refuse(Reason::NoneUsable),
        };
    }
    let mut drawn = cx.rng.below(total);
    for server in untried(cx.tried, list) {
        match drawn.checked_sub(weight(cx.topology, server)) {
            Some(rest) => drawn = rest,
            None => return Verdict::Pick(server, reason),
        }
    }
    Verdict::Refuse(Reason::NoneUsable)
}

fn untried<'a>(tried: &'a [ServerIx], list: &'a [ServerIx]) -> impl Iterator<Item = ServerIx> + 'a {
    list.iter().copied().filter(|it| !tried.contains(it))
}
