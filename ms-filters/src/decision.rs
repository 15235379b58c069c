//! What was decided for a statement, small enough to keep for each one.
//!
//! A decision holds the server and the steps that led to it, as numbers: it is `Copy` and costs no allocation, so it is
//! made for every statement and not only when somebody asks. Names come from the [`Router`] when it is
//! shown. Who was taken away and why is not in it; that is found by deciding again with a
//! [`Sink`](crate::Sink).

use std::fmt::{self, Display};

use crate::{reason::Reason, router::Router, server::ServerIx};

/// Steps kept; later ones are only counted.
const STEPS: usize = 12;
/// Stands for the router itself, where a step was not a filter's.
const ROUTER: u8 = u8::MAX;

/// The server and the steps that led to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    server: Option<ServerIx>,
    steps: [Packed; STEPS],
    kept: u8,
    lost: u8,
}

/// One step of a [`Decision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecisionStep {
    /// The position of the filter in its pipeline; `None` for the router's own steps.
    pub filter: Option<usize>,
    /// Why it was taken.
    pub reason: Reason,
    /// What it led to.
    pub result: StepResult,
}

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepResult {
    /// So many candidates are left.
    Left {
        /// Primaries that may still be picked.
        primaries: u16,
        /// Replicas that may still be picked.
        replicas: u16,
    },
    /// It was about one server.
    Server(ServerIx),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed {
    filter: u8,
    reason: Reason,
    /// Primaries left, or the server, by `second`.
    first: u16,
    /// Replicas left, or [`ABOUT_A_SERVER`].
    second: u16,
}

/// No list is that long: a topology has at most 65,535 servers and one of them is a primary or there is nothing to say.
const ABOUT_A_SERVER: u16 = u16::MAX;

impl Decision {
    pub(crate) const fn new() -> Self {
        let empty = Packed { filter: ROUTER, reason: Reason::Unchanged, first: 0, second: 0 };
        Decision { server: None, steps: [empty; STEPS], kept: 0, lost: 0 }
    }

    /// The server decided for; with a refusal the one that was looked at last, if any.
    #[must_use]
    pub fn server(&self) -> Option<ServerIx> {
        self.server
    }

    /// The steps in the order they were taken, at most twelve.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = DecisionStep> + '_ {
        self.steps[..usize::from(self.kept)].iter().map(|it| it.unpack())
    }

    /// The replica that would have run the statement, had [`Mode::Observe`](crate::Mode::Observe) not kept it on a primary.
    #[must_use]
    pub fn observed(&self) -> Option<ServerIx> {
        let kept = self.steps().position(|it| it.reason == Reason::ModeObserve)?;
        match self.steps().nth(kept.checked_sub(1)?)?.result {
            StepResult::Server(server) => Some(server),
            StepResult::Left { .. } => None,
        }
    }

    /// How many steps came after the twelfth; stops at 255.
    #[must_use]
    pub fn lost(&self) -> u8 {
        self.lost
    }

    /// The decision in one line, with the names of `router`'s servers and filters; `because` is why the statement
    /// was taken for what it is, where the caller knows.
    ///
    /// A cluster of one primary and two replicas gives
    /// `read (first token SELECT) -> 2 replicas -> random -> replica2`.
    pub fn display<'a>(&'a self, router: &'a Router, because: Option<&'a dyn Display>) -> impl Display + 'a {
        Line { decision: self, router, because }
    }

    #[inline]
    pub(crate) fn set_server(&mut self, server: Option<ServerIx>) {
        self.server = server;
    }

    #[inline]
    pub(crate) fn left(&mut self, filter: Option<u8>, reason: Reason, primaries: usize, replicas: usize) {
        let cap = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).min(ABOUT_A_SERVER - 1);
        self.push(Packed { filter: filter.unwrap_or(ROUTER), reason, first: cap(primaries), second: cap(replicas) });
    }

    #[inline]
    pub(crate) fn about(&mut self, filter: Option<u8>, reason: Reason, server: ServerIx) {
        let filter = filter.unwrap_or(ROUTER);
        self.push(Packed { filter, reason, first: server.raw(), second: ABOUT_A_SERVER });
    }

    #[inline]
    fn push(&mut self, step: Packed) {
        match self.steps.get_mut(usize::from(self.kept)) {
            Some(free) => {
                *free = step;
                self.kept += 1;
            }
            None => self.lost = self.lost.saturating_add(1),
        }
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Decision");
        out.field("server", &self.server);
        out.field("steps", &self.steps().collect::<Vec<_>>()).field("lost", &self.lost).finish()
    }
}

impl Packed {
    fn unpack(self) -> DecisionStep {
        let result = if self.second == ABOUT_A_SERVER {
            StepResult::Server(ServerIx::new(self.first))
        } else {
            StepResult::Left { primaries: self.first, replicas: self.second }
        };
        let filter = (self.filter != ROUTER).then_some(usize::from(self.filter));
        DecisionStep { filter, reason: self.reason, result }
    }
}

struct Line<'a> {
    decision: &'a Decision,
    router: &'a Router,
    because: Option<&'a dyn Display>,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.decision.steps().next().map(|it| it.reason);
        for (position, step) in self.decision.steps().enumerate() {
            if position > 0 {
                f.write_str(" -> ")?;
            }
            match step.filter {
                Some(filter) => self.filter_step(f, self.router.pipeline().name(filter), step)?,
                None if position == 0 => self.first_step(f, step.reason)?,
                None => self.router_step(f, step, first)?,
            }
        }
        if self.decision.lost > 0 {
            write!(f, " -> {} more steps", self.decision.lost)?;
        }
        Ok(())
    }
}

impl Line<'_> {
    /// What the statement is; how many servers there are in all tells nobody anything yet.
    fn first_step(&self, f: &mut fmt::Formatter<'_>, reason: Reason) -> fmt::Result {
        write!(f, "{}", reason.label())?;
        // Where a hint or a switch decided, what the text says is beside the point.
        let by_text = matches!(reason, Reason::Read | Reason::Write | Reason::Follow | Reason::FollowNothing);
        match self.because {
            Some(because) if by_text => write!(f, " ({because})"),
            _ => Ok(()),
        }
    }

    fn filter_step(&self, f: &mut fmt::Formatter<'_>, filter: &str, step: DecisionStep) -> fmt::Result {
        f.write_str(filter)?;
        if !step.reason.goes_without_saying() {
            write!(f, " ({})", step.reason.label())?;
        }
        f.write_str(" -> ")?;
        self.result(f, step.result)
    }

    fn router_step(&self, f: &mut fmt::Formatter<'_>, step: DecisionStep, first: Option<Reason>) -> fmt::Result {
        match step.reason {
            // They follow the step that names the server.
            Reason::Opened | Reason::OpenFailed => write!(f, "{}", step.reason.label()),
            // Said by the first step.
            reason if Some(reason) == first => self.result(f, step.result),
            reason => {
                write!(f, "{} -> ", reason.label())?;
                self.result(f, step.result)
            }
        }
    }

    fn result(&self, f: &mut fmt::Formatter<'_>, result: StepResult) -> fmt::Result {
        match result {
            StepResult::Server(server) => f.write_str(self.router.topology().server(server).name()),
            StepResult::Left { primaries, replicas } => counts(f, primaries, replicas),
        }
    }
}

fn counts(f: &mut fmt::Formatter<'_>, primaries: u16, replicas: u16) -> fmt::Result {
    let plural = |count| if count == 1 { "" } else { "s" };
    match (primaries, replicas) {
        (0, 0) => f.write_str("nobody"),
        (0, r) => write!(f, "{r} replica{}", plural(r)),
        (p, 0) => write!(f, "{p} primar{}", if p == 1 { "y" } else { "ies" }),
        (p, r) => write!(f, "{p} primar{} and {r} replica{}", if p == 1 { "y" } else { "ies" }, plural(r)),
    }
}
