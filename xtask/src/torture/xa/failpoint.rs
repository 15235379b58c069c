//! Kills its own process at a step of a global transaction.
//!
//! The library says what it does by tracing events. Whoever listens may as well never return.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::process::{Signal, getpid, kill_process};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// A step, and how often it is passed before.
pub(super) struct Failpoint {
    /// `before prepare`, `after decide`.
    point: String,
    left: AtomicU32,
}

impl Failpoint {
    /// Dies when `point` is passed for the time given, from 1.
    pub(super) fn at(point: &str, time: u32) -> Self {
        Self { point: point.to_owned(), left: AtomicU32::new(time) }
    }
}

/// The parts of an event that name the step.
#[derive(Default)]
struct Step {
    action: String,
    at: String,
}

impl Visit for Step {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "action" {
            self.action = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "at" {
            value.clone_into(&mut self.at);
        }
    }
}

impl Step {
    /// `before prepare`.
    fn name(&self) -> String {
        let action = self.action.split('(').next().unwrap_or_default();
        format!("{} {}", self.at, action.to_lowercase())
    }
}

impl Subscriber for Failpoint {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ms_pool::xa"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut step = Step::default();
        event.record(&mut step);
        if step.name() == self.point && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // As somebody else would do it: nothing is flushed, nothing is closed in an orderly way.
            _ = kill_process(getpid(), Signal::KILL);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
