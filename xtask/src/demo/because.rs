//! A decision in plain words.
//!
//! A decision shows as one line of steps, made for logs and for people who know the filters. Here it is told to somebody who sees it
//! for the first time: what the statement is, and then only what was not to be expected.

use ms_filters::{DecisionStep, Reason, StepResult};
use ms_hints::Cause;
use ms_pool::DecisionEvent;

/// Why a statement went where it went.
pub(super) fn because(event: &DecisionEvent<'_>) -> String {
    let mut clauses = Vec::new();
    for (position, step) in event.decision.steps().enumerate() {
        clauses.extend(if position == 0 { first(event, step.reason) } else { later(event, step) });
    }
    clauses.join("; ")
}

/// What the statement is.
fn first(event: &DecisionEvent<'_>, reason: Reason) -> Option<String> {
    Some(match reason {
        // The rule that makes a read of a `SELECT` need not be told; the one that makes a write of it is the point.
        Reason::Write if event.cause != Cause::Verb => event.cause.sentence().to_owned(),
        _ => reason.sentence().to_owned(),
    })
}

/// What became of it.
fn later(event: &DecisionEvent<'_>, step: DecisionStep) -> Option<String> {
    match step.reason {
        // The server stands in its own column, and a list that nobody shortened is not news.
        Reason::Unchanged | Reason::Narrowed | Reason::Only | Reason::Own => None,
        // The router repeats what the statement is when it has counted the servers.
        reason if event.decision.steps().next().is_some_and(|it| it.reason == reason) => None,
        Reason::OpenFailed => match step.result {
            StepResult::Server(server) => {
                Some(format!("{} could not be reached", event.router.topology().server(server).name()))
            }
            _ => Some(Reason::OpenFailed.sentence().to_owned()),
        },
        reason => Some(reason.sentence().to_owned()),
    }
}
