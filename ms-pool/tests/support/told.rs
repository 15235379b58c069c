//! All that an error, its causes and a trace tell.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    error::Error,
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// The sentence and its causes, as a program would print them.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let _ = write!(text, ": {it}");
        cause = it.source();
    }
    text
}

/// Writes down every tracing event of every library, at every level.
#[derive(Clone, Default)]
pub(crate) struct Eavesdropper {
    heard: Arc<Mutex<String>>,
}

impl Eavesdropper {
    /// Listens on this thread until the guard is dropped.
    #[must_use = "it listens for as long as the guard lives"]
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    pub(crate) fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

impl Subscriber for Eavesdropper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Pen(&mut self.heard.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Pen(&mut self.heard.lock().unwrap()));
    }

    fn event(&self, event: &Event<'_>) {
        let mut heard = self.heard.lock().unwrap();
        let metadata = event.metadata();
        let _ = write!(heard, "{} {}", metadata.level(), metadata.target());
        event.record(&mut Pen(&mut heard));
        heard.push('\n');
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Pen<'a>(&'a mut String);

impl Visit for Pen<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}
