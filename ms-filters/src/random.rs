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
            // A configured list has each server once.
            list if even && candidates.is_configured(role) && tried.len() == 1 => draw_but_one(tried[0], list, rng),
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

/// Draws among all but one: what happens to every other read while one of two servers is remembered as failed.
#[inline]
fn draw_but_one(tried: ServerIx, list: &[ServerIx], rng: &mut Rng) -> Verdict {
    let Some(at) = list.iter().position(|it| *it == tried) else {
        return draw_evenly(&[], list, rng, Reason::Random);
    };
    let left = list.len() - 1;
    let drawn = if left == 1 { 0 } else { rng.below(u32::try_from(left).unwrap_or(u32::MAX)) as usize };
    match list.get(drawn + usize::from(drawn >= at)) {
        Some(server) => Verdict::Pick(*server, Reason::Random),
        None => Verdict::Refuse(Reason::NoneUsable),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    /// Each as likely as the others, also where one or two are left out.
    #[test]
    fn those_left_are_drawn_evenly() {
        check(4, &[], &[0, 1, 2, 3]);
        for tried in 0..4 {
            let left: Vec<_> = (0..4).filter(|it| *it != tried).collect();
            check(4, &[tried], &left);
        }
        check(4, &[0, 3], &[1, 2]);
        check(2, &[1], &[0]);
        check(1, &[0], &[]);
        check(3, &[2, 0, 1], &[]);
        // One of the other side.
        check(3, &[7], &[0, 1, 2]);
    }

    #[track_caller]
    fn check(replicas: u16, tried: &[u16], expected: &[u16]) {
        let topology = Topology::new((0..replicas).map(|it| Server::replica(format!("r{it}")))).unwrap();
        let mut candidates = Candidates::default();
        candidates.reset(&topology);
        let tried: Vec<_> = tried.iter().map(|it| ServerIx::new(*it)).collect();
        let among = Among { candidates: &candidates, role: Role::Replica, tried: &tried, topology: &topology };
        let (mut rng, mut session) = (Rng::from_seed(1), SessionSlot::default());
        let mut counts = vec![0_usize; usize::from(replicas)];
        for _ in 0..3_000 {
            if let Verdict::Pick(server, _) = Random::new().pick(&among, &mut session, &mut rng) {
                counts[server.index()] += 1;
            }
        }
        for (server, count) in (0..replicas).zip(counts) {
            let fair = if expected.contains(&server) { 3_000 / expected.len() } else { 0 };
            assert!(count.abs_diff(fair) <= fair / 8, "{server} was drawn {count} times instead of {fair}");
        }
    }
}
