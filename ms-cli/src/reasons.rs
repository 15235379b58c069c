//! A decision, step by step, as text and as JSON.
//!
//! Both name the same facts: which filter spoke, its reason as a code that never changes and as a sentence, and what the
//! step led to: so many candidates left, or one server.

use ms_filters::{Decision, DecisionStep, Role, Router, StepResult};
use serde::Serialize;

use crate::check::plural;

/// One step, as it stands in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reason<'a> {
    /// The filter; `None` for the router itself.
    pub(crate) filter: Option<&'a str>,
    /// The code, for programs.
    pub(crate) reason: &'static str,
    /// The sentence, for people.
    pub(crate) text: &'static str,
    #[serde(flatten)]
    pub(crate) result: Led<'a>,
}

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Led<'a> {
    Left { primaries: u16, replicas: u16 },
    Server { server: &'a str },
}

/// The steps of a decision of `router`.
pub(crate) fn reasons<'a>(router: &'a Router, decision: &Decision) -> Vec<Reason<'a>> {
    decision.steps().filter_map(|step| reason(router, step)).collect()
}

fn reason(router: &Router, step: DecisionStep) -> Option<Reason<'_>> {
    let result = match step.result {
        StepResult::Left { primaries, replicas } => Led::Left { primaries, replicas },
        StepResult::Server(server) => Led::Server { server: router.topology().server(server).name() },
        // A kind of step that came after this was written has nothing to show yet.
        _ => return None,
    };
    let filter = step.filter.map(|it| router.pipeline().name(it));
    Some(Reason { filter, reason: step.reason.code(), text: step.reason.sentence(), result })
}

impl Led<'_> {
    /// The result in a few words.
    pub(crate) fn words(self) -> String {
        match self {
            Led::Server { server } => format!("`{server}`"),
            Led::Left { primaries: 0, replicas: 0 } => "nobody".to_owned(),
            Led::Left { primaries, replicas } => {
                let primaries = (primaries > 0).then(|| plural(primaries.into(), "primary", "primaries"));
                let replicas = (replicas > 0).then(|| plural(replicas.into(), "replica", "replicas"));
                primaries.into_iter().chain(replicas).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The word for a role in all output.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Replica => "replica",
    }
}
