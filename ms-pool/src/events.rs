//! What happens on the way of a statement, for those who watch.
//!
//! Every decision and warning is a `tracing` event (targets `ms_pool::decision` and `ms_pool::warning`); a closure given to
//! the builder gets the same as values. SQL text is in neither: it may hold what must not be logged.

use std::{borrow::Cow, fmt, sync::Arc};

use ms_filters::{Decision, Router};
use ms_hints::Cause;

/// One decision, as [`Builder::on_decision`](crate::Builder::on_decision) sees it. Displays as one line.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct DecisionEvent<'a> {
    /// The server and the steps that led to it.
    pub decision: &'a Decision,
    /// Why the statement's text counts as a read or a write.
    pub cause: Cause,
    /// Gives names to the numbers in the decision.
    pub router: &'a Router,
}

impl DecisionEvent<'_> {
    /// The name of the server decided for; `None` when the statement was refused before one was looked at.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.decision.server().map(|server| self.router.topology().server(server).name())
    }

    /// The role of that server.
    #[must_use]
    pub fn role(&self) -> Option<ms_filters::Role> {
        self.decision.server().map(|server| self.router.topology().server(server).role())
    }

    /// In [`Mode::Observe`](crate::Mode::Observe), the name of the replica that would have run the statement; `None` where it
    /// would have gone to a primary anyway, and in the other modes.
    #[must_use]
    pub fn observed(&self) -> Option<&str> {
        self.decision.observed().map(|server| self.router.topology().server(server).name())
    }
}

impl fmt::Display for DecisionEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decision.display(self.router, Some(&self.cause)).fmt(f)
    }
}

impl fmt::Debug for DecisionEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecisionEvent({self})")
    }
}

/// Something a user should know although the statement may have succeeded. Displays as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    text: Cow<'static, str>,
}

impl Warning {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

type OnDecision = Arc<dyn Fn(&DecisionEvent<'_>) + Send + Sync>;
type OnWarning = Arc<dyn Fn(&Warning) + Send + Sync>;

/// The closures of a builder.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) decision: Option<OnDecision>,
    pub(crate) warning: Option<OnWarning>,
}

impl Hooks {
    /// Costs one comparison when nobody watches.
    #[inline]
    pub(crate) fn decided(&self, decision: &Decision, cause: Cause, router: &Router) {
        let traced = tracing::enabled!(target: "ms_pool::decision", tracing::Level::DEBUG);
        if self.decision.is_none() && !traced {
            return;
        }
        self.report(&DecisionEvent { decision, cause, router });
    }

    #[cold]
    fn report(&self, event: &DecisionEvent<'_>) {
        tracing::debug!(target: "ms_pool::decision", server = event.server(), why = %event);
        if let Some(hook) = &self.decision {
            hook(event);
        }
    }

    #[cold]
    pub(crate) fn warn(&self, text: impl Into<Cow<'static, str>>) {
        let warning = Warning::new(text);
        tracing::warn!(target: "ms_pool::warning", "{warning}");
        if let Some(hook) = &self.warning {
            hook(&warning);
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("decision", &self.decision.is_some())
            .field("warning", &self.warning.is_some())
            .finish()
    }
}
