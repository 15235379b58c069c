//! Asks the router what it would do, and answers what it asks.
//!
//! A pool performs the router's steps; here they are written down, and the assumptions say what would come of them.

use std::time::Duration;

use ms_filters::{
    Attempt, ClusterMemory, Facts, Inputs, Outcome, Record, Request, Rng, Router, Scratch, ServerIx, SessionMemory,
    Shares, Step,
};

use crate::assumption::Assumptions;

/// One statement of one session, without servers.
#[derive(Debug)]
pub(crate) struct DryRun<'r> {
    router: &'r Router,
    assumptions: Assumptions,
    cluster: ClusterMemory,
    session: SessionMemory,
    rng: Rng,
    record: Record,
    asked: Vec<Asked>,
}

/// What a pool would wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A connection, which is assumed to come about or not.
    Connect { server: ServerIx, fails: bool },
    /// Facts about every candidate replica.
    Facts(Facts),
}

impl<'r> DryRun<'r> {
    /// A fresh session; `seed` is where its random draws start.
    pub(crate) fn new(router: &'r Router, assumptions: Assumptions, seed: u64) -> Self {
        Self {
            router,
            assumptions,
            cluster: router.cluster_memory(),
            session: SessionMemory::default(),
            rng: Rng::from_seed(seed),
            record: Record::default(),
            asked: Vec::new(),
        }
    }

    /// The session has written before.
    pub(crate) fn note_write(&mut self) {
        self.session.note_write();
    }

    /// The final candidates, before anything is asked.
    pub(crate) fn shares(&mut self, request: &Request<'_>) -> Shares {
        let mut scratch = Scratch::default();
        let mut inputs = Inputs {
            request,
            view: &self.assumptions,
            now: Duration::ZERO,
            rng: &mut self.rng.clone(),
            session: &mut self.session,
            cluster: &self.cluster,
            scratch: &mut scratch,
            sink: None,
        };
        self.router.shares(&mut inputs)
    }

    /// Takes the statement to its last step.
    pub(crate) fn decide(&mut self, request: &Request<'_>) -> (Attempt, Step) {
        let mut scratch = Scratch::default();
        let mut so_far: Option<(Attempt, Outcome)> = None;
        loop {
            let mut inputs = Inputs {
                request,
                view: &self.assumptions,
                now: Duration::ZERO,
                rng: &mut self.rng,
                session: &mut self.session,
                cluster: &self.cluster,
                scratch: &mut scratch,
                sink: Some(&mut self.record),
            };
            let (attempt, step) = match so_far.take() {
                None => self.router.start(&mut inputs),
                Some((mut attempt, outcome)) => {
                    let step = self.router.after(&mut attempt, &mut inputs, outcome);
                    (attempt, step)
                }
            };
            let outcome = match step {
                Step::Open(server) => self.connect(server),
                Step::Fetch(facts) => {
                    self.asked.push(Asked::Facts(facts));
                    Outcome::Fetched
                }
                Step::Use(_) | Step::Give(_) | Step::Fail(_) => return (attempt, step),
            };
            so_far = Some((attempt, outcome));
        }
    }

    fn connect(&mut self, server: ServerIx) -> Outcome {
        let fails = self.assumptions.is_down(server);
        self.asked.push(Asked::Connect { server, fails });
        if fails {
            return Outcome::OpenFailed;
        }
        self.assumptions.open(server);
        Outcome::Opened
    }

    pub(crate) fn router(&self) -> &'r Router {
        self.router
    }

    pub(crate) fn assumptions(&self) -> &Assumptions {
        &self.assumptions
    }

    /// Who was taken away, by which filter.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// What a pool would have waited for, in order.
    pub(crate) fn asked(&self) -> &[Asked] {
        &self.asked
    }
}
