//! The way that nearly every statement goes, in one piece.
//!
//! With no filter but `random` and with a connection at hand, a decision is a draw and three steps to remember. The router's
//! own way comes to the same, by turns that each statement would pay for and few take. Whatever is not that simple is left
//! alone here and goes that way.

use crate::{
    attempt::{Attempt, Phase, Step, Target},
    filter::Verdict,
    mode::Mode,
    random::Among,
    reason::Reason,
    request::{Request, Stickiness, Transaction},
    router::{Inputs, Router},
    server::{Role, ServerIx},
    split::{Aim, aim},
};

impl Router {
    /// The whole decision for an attempt that was just begun; `None` when there is more to it. Then nothing has changed that
    /// [`by_turns`](Self::by_turns) would not change as well.
    #[inline]
    pub(crate) fn at_once(&self, attempt: &mut Attempt, inputs: &mut Inputs<'_>) -> Option<Step> {
        let random = self.pipeline().random().filter(|_| self.pipeline().narrowing().is_empty())?;
        // Looked up while the compiler can see which one it is: a caller that knows its view gets it without a call.
        let view = inputs.view;
        if inputs.request.level.is_some() {
            return None;
        }
        let (role, why) = match attempt.class.target {
            Target::Side(role) if !is_bent(attempt, inputs.request, role) => (role, attempt.class.reason),
            _ => bent(attempt, inputs)?,
        };
        let candidates = &inputs.scratch.candidates;
        let mut rng = inputs.rng.clone();
        // One server that is remembered as failed is nothing unusual while it lasts.
        let mut passed_over: Option<ServerIx> = None;
        let (server, reason) = loop {
            let among = Among { candidates, role, tried: passed_over.as_slice(), topology: self.topology() };
            let Verdict::Pick(server, reason) = random.pick(&among, &mut inputs.session.last, &mut rng) else {
                return None;
            };
            let known = view.reach(server);
            if !known.open {
                return None;
            }
            if reason == Reason::Sticky || !self.is_remembered(&inputs.session.failed, known, server) {
                break (server, reason);
            }
            if passed_over.replace(server).is_some() {
                return None;
            }
        };
        *inputs.rng = rng;
        inputs.session.wrote |= role == Role::Primary;
        random.keep(&mut inputs.session.last, candidates, role, server);
        let (primaries, replicas) = (candidates.primaries().len(), candidates.replicas().len());
        attempt.decision.left(None, attempt.class.reason, primaries, replicas);
        match role {
            Role::Primary => attempt.decision.left(None, why, primaries, 0),
            Role::Replica => attempt.decision.left(None, why, 0, replicas),
        }
        if let Some(failed) = passed_over {
            attempt.decision.about(None, Reason::Remembered, failed);
            attempt.tally.remembered = 1;
        }
        attempt.decision.about(Some(0), reason, server);
        attempt.decision.set_server(Some(server));
        attempt.tally.used(role);
        (attempt.role, attempt.phase) = (role, Phase::Done);
        Some(Step::Use(server))
    }
}

/// Whether anything but the statement itself may have a say in where it goes.
#[inline]
fn is_bent(attempt: &Attempt, request: &Request<'_>, role: Role) -> bool {
    let in_transaction =
        request.transaction != Transaction::None && request.settings.stickiness != Stickiness::Disabled;
    let after_write = attempt.wrote && request.settings.primary_on_write && role == Role::Replica;
    request.held.is_some() || in_transaction || after_write || request.settings.mode != Mode::Auto
}

/// Where it goes then, if that is to a side still. What it notes for the statistics will be noted again by whoever finds more.
#[inline(never)]
fn bent(attempt: &mut Attempt, inputs: &Inputs<'_>) -> Option<(Role, Reason)> {
    let (aim, why) = aim(attempt, inputs.request, &inputs.scratch.candidates);
    match aim {
        Aim::Side(Role::Replica) if inputs.request.settings.mode != Mode::Auto => None,
        Aim::Side(role) => Some((role, why)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ms_hints::{Access, Options, Route, Statement};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Failover, FailureMemory, Filter, Held, Pipeline, Random, Rng, RoundRobin, Scratch, Server, ServerState,
        SessionMemory, Topology, View, narrow_fn,
    };

    /// A statement, how the servers are when it comes, and what stands in its way.
    #[derive(Clone, Debug)]
    struct Asked {
        access: Access,
        route: Option<Route>,
        open: Vec<bool>,
        failed: Vec<bool>,
        bend: u8,
    }

    struct Known<'a>(&'a Asked);

    impl View for Known<'_> {
        fn server(&self, server: ServerIx) -> ServerState {
            let (open, failed) = (self.0.open[server.index()], self.0.failed[server.index()]);
            ServerState { open, failed, ..ServerState::default() }
        }
    }

    fn often() -> impl Strategy<Value = Vec<bool>> {
        prop::collection::vec(prop::bool::weighted(0.8), 8)
    }

    fn rarely() -> impl Strategy<Value = Vec<bool>> {
        prop::collection::vec(prop::bool::weighted(0.1), 8)
    }

    fn statements() -> impl Strategy<Value = Asked> {
        let access = prop_oneof![4 => Just(Access::Read), 2 => Just(Access::Write), 1 => Just(Access::Follow)];
        let routes = vec![None, None, None, Some(Route::Primary), Some(Route::Replica), Some(Route::LastUsed)];
        (access, prop::sample::select(routes), often(), rarely(), 0_u8..16)
            .prop_map(|(access, route, open, failed, bend)| Asked { access, route, open, failed, bend })
    }

    fn filters(which: u8) -> Vec<Box<dyn Filter>> {
        match which {
            0 | 1 => vec![Box::new(Random::new())],
            2 => vec![Box::new(Random::sticky())],
            3 => vec![Box::new(RoundRobin::new())],
            _ => vec![Box::new(narrow_fn("all", |_, it| it.retain(|_, _| true))), Box::new(Random::new())],
        }
    }

    fn bend(request: &mut Request<'_>, how: u8, some: ServerIx) {
        match how {
            0 => request.settings.mode = Mode::OptIn,
            1 => request.settings.mode = Mode::Observe,
            2 => request.settings.primary_on_write = true,
            3 => request.held = Some(Held { server: some, reason: Reason::HeldTable, takes_writes: false }),
            4 | 5 => {
                request.settings.stickiness = if how == 4 { Stickiness::On } else { Stickiness::Disabled };
                request.transaction = Transaction::Begun { read_only: true };
            }
            6 => request.last_used = Some(some),
            7 => request.settings.split = crate::Split::Disabled,
            _ => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Two routers with the same past decide the same, one of them at once where that is possible.
        #[test]
        fn at_once_and_by_turns_are_the_same(
            sides in (0_usize..3, 1_usize..5), uneven in any::<bool>(), which in 0_u8..5, memory in 0_u8..3, seed in any::<u64>(),
            statements in prop::collection::vec(statements(), 1..12),
        ) {
            let weight = |at: usize| if uneven { u16::try_from(at % 3).unwrap() } else { 1 };
            let primaries = (0..sides.0).map(|it| Server::primary(format!("p{it}")).with_weight(weight(it)));
            let replicas = (0..sides.1).map(|it| Server::replica(format!("r{it}")).with_weight(weight(it)));
            let topology = Topology::new(primaries.chain(replicas)).unwrap();
            let kinds = [FailureMemory::Forget, FailureMemory::Remember, FailureMemory::Cluster];
            let failover = Failover { memory: kinds[usize::from(memory)], ..Failover::default() };
            let router = Router::new(topology, Pipeline::new(filters(which)).unwrap(), failover);
            let memories = [router.cluster_memory(), router.cluster_memory()];
            let mut sessions = [SessionMemory::default(), SessionMemory::default()];
            let mut scratches = [Scratch::default(), Scratch::default()];
            let mut rngs = [Rng::from_seed(seed), Rng::from_seed(seed)];
            for asked in &statements {
                let mut statement = Statement::parse(b"", &Options::default());
                (statement.access, statement.route) = (asked.access, asked.route);
                let mut request = Request::new(&statement);
                bend(&mut request, asked.bend, ServerIx::new(0));
                let mut decided = Vec::new();
                for way in 0..2 {
                    if asked.bend == 8 {
                        sessions[way].remember_failed(ServerIx::new(0));
                    }
                    let mut attempt = router.begin(&request, &sessions[way], &mut scratches[way]);
                    let mut inputs = Inputs {
                        request: &request,
                        view: &Known(asked),
                        now: Duration::ZERO,
                        rng: &mut rngs[way],
                        session: &mut sessions[way],
                        cluster: &memories[way],
                        scratch: &mut scratches[way],
                        sink: None,
                    };
                    let step = match way {
                        0 => router.first(&mut attempt, &mut inputs),
                        _ => router.by_turns(&mut attempt, &mut inputs),
                    };
                    decided.push((step, attempt.decision, attempt.tally, attempt.role, attempt.phase));
                }
                prop_assert_eq!(&decided[0], &decided[1]);
                prop_assert_eq!(sessions[0].wrote, sessions[1].wrote);
                prop_assert_eq!(format!("{:?}", sessions[0]), format!("{:?}", sessions[1]));
                let [one, other] = &mut rngs;
                prop_assert_eq!(one.clone().below(u32::MAX), other.clone().below(u32::MAX));
            }
        }
    }

    /// Or the comparison above would be of one way with itself.
    #[test]
    fn what_is_simple_is_decided_at_once() {
        for (bent, expected) in [(15, true), (6, true), (5, true), (4, true), (0, false), (1, false), (3, false)] {
            let topology = Topology::new([Server::primary("p"), Server::replica("r1"), Server::replica("r2")]).unwrap();
            let router = Router::new(topology, Pipeline::new(filters(0)).unwrap(), Failover::default());
            let asked =
                Asked { access: Access::Read, route: None, open: vec![true; 8], failed: vec![false; 8], bend: bent };
            let mut statement = Statement::parse(b"SELECT 1", &Options::default());
            statement.access = Access::Read;
            let mut request = Request::new(&statement);
            bend(&mut request, bent, ServerIx::new(0));
            let (mut session, mut scratch) = (SessionMemory::default(), Scratch::default());
            let cluster = router.cluster_memory();
            let mut attempt = router.begin(&request, &session, &mut scratch);
            let mut inputs = Inputs {
                request: &request,
                view: &Known(&asked),
                now: Duration::ZERO,
                rng: &mut Rng::from_seed(1),
                session: &mut session,
                cluster: &cluster,
                scratch: &mut scratch,
                sink: None,
            };
            assert_eq!(router.at_once(&mut attempt, &mut inputs).is_some(), expected, "{bent}");
        }
    }
}
