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
    memory::SessionSlot,
    reason::Reason,
    rng::Rng,
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
        let among = Among { candidates, role: cx.attempt.role(), tried: cx.tried, topology: cx.topology };
        self.pick(&among, cx.session, cx.rng)
    }

    fn picked(&self, cx: &mut Cx<'_>, candidates: &Candidates, server: ServerIx) {
        self.keep(cx.session, candidates, cx.attempt.role(), server);
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

/// Whom to draw from.
pub(crate) struct Among<'a> {
    pub(crate) candidates: &'a Candidates,
    pub(crate) role: Role,
    pub(crate) tried: &'a [ServerIx],
    pub(crate) topology: &'a Topology,
}

/// What the filter does, asked for no more than it needs: nearly every statement is picked for by this one, and the router
/// knows it by name.
impl Random {
    #[inline]
    pub(crate) fn pick(&self, among: &Among<'_>, session: &mut SessionSlot, rng: &mut Rng) -> Verdict {
        let Among { candidates, role, tried, topology } = *among;
        if self.draw == Draw::Sticky
            && let Some(kept) = session.choice(candidates, role)
            && !tried.contains(&kept)
        {
            return Verdict::Pick(kept, Reason::Sticky);
        }
        let even = topology.schedule(role).is_none();
        match candidates.list(role) {
            [] => Verdict::Refuse(Reason::NoneUsable),
            [only] if !tried.contains(only) => Verdict::Pick(*only, Reason::Only),
            list if even && tried.is_empty() => {
                let drawn = rng.below(u32::try_from(list.len()).unwrap_or(u32::MAX));
                Verdict::Pick(list[drawn as usize], Reason::Random)
            }
            list if even => draw_evenly(tried, list, rng, Reason::Random),
            list => draw(topology, tried, list, rng),
        }
    }

    #[inline]
    pub(crate) fn keep(&self, session: &mut SessionSlot, candidates: &Candidates, role: Role, server: ServerIx) {
        if self.draw == Draw::Sticky {
            session.choose(candidates, role, server);
        }
    }
}

/// Draws among the servers that were not tried, each as likely as the others.
fn draw_evenly(tried: &[ServerIx], list: &[ServerIx], rng: &mut Rng, reason: Reason) -> Verdict {
    let left = u32::try_from(untried(tried, list).count()).unwrap_or(u32::MAX);
    if left == 0 {
        return Verdict::Refuse(Reason::NoneUsable);
    }
    match untried(tried, list).nth(rng.below(left) as usize) {
        Some(server) => Verdict::Pick(server, reason),
        None => Verdict::Refuse(Reason::NoneUsable),
    }
}

/// The same by weight, or evenly among standbys when only those are left.
fn draw(topology: &Topology, tried: &[ServerIx], list: &[ServerIx], rng: &mut Rng) -> Verdict {
    let weight = |it| u32::from(topology.weight(it).get());
    let total: u32 = untried(tried, list).map(weight).sum();
    if total == 0 {
        return draw_evenly(tried, list, rng, Reason::Standby);
    }
    let mut drawn = rng.below(total);
    for server in untried(tried, list) {
        match drawn.checked_sub(weight(server)) {
            Some(rest) => drawn = rest,
            None => return Verdict::Pick(server, Reason::RandomWeighted),
        }
    }
    Verdict::Refuse(Reason::NoneUsable)
}

fn untried<'a>(tried: &'a [ServerIx], list: &'a [ServerIx]) -> impl Iterator<Item = ServerIx> + 'a {
    list.iter().copied().filter(|it| !tried.contains(it))
}
