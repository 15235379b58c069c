//! What a server was seen to have, and how it is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ms_gtid::{Coverage, Evidence, Position, source::GtidSource};

use crate::probe::Identity;

/// What is known of the server behind one configured name.
#[derive(Default)]
pub(crate) struct Known {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whose it is.
    identity: Option<Arc<Identity>>,
    evidence: Evidence,
    /// How this server is asked: `None` is not found out yet, `Some(None)` is not at all.
    source: Option<Option<Arc<dyn GtidSource>>>,
}

impl Known {
    /// Whether the server has `position`, as far as that was seen.
    pub(crate) fn covers(&self, position: &Position) -> Coverage {
        self.state().evidence.covers(position)
    }

    /// The same for the server that a connection leads to.
    pub(crate) fn covers_at(&self, identity: &Identity, position: &Position) -> Coverage {
        let state = self.state();
        match &state.identity {
            Some(known) if known.is_same_run(identity) => state.evidence.covers(position),
            _ => Evidence::default().covers(position),
        }
    }

    /// What of `position` the server behind `identity` was not seen to have.
    pub(crate) fn missing_at(&self, identity: &Identity, position: &Position) -> Position {
        let state = self.state();
        match &state.identity {
            Some(known) if known.is_same_run(identity) => position.subtract(&state.evidence),
            _ => position.clone(),
        }
    }

    /// The server cannot be reached.
    pub(crate) fn forget(&self) {
        self.state().evidence = Evidence::default();
    }

    /// What of `position` the server was not seen to have.
    pub(crate) fn missing(&self, position: &Position) -> Position {
        position.subtract(&self.state().evidence)
    }

    /// All that was seen of the server behind `identity`.
    pub(crate) fn evidence_at(&self, identity: &Identity) -> Option<Evidence> {
        let state = self.state();
        let known = state.identity.as_ref().is_some_and(|it| it.is_same_run(identity));
        known.then(|| state.evidence.clone())
    }

    /// A connection with this identity has shown this.
    pub(crate) fn learn(&self, identity: &Arc<Identity>, evidence: Evidence) {
        let mut state = self.state();
        state.turn_to(identity);
        state.evidence.learn(evidence);
    }

    /// How the server behind `identity` is asked, if that was found out.
    pub(crate) fn source(&self, identity: &Identity) -> Option<Option<Arc<dyn GtidSource>>> {
        let state = self.state();
        let known = state.identity.as_ref().is_some_and(|it| it.is_same_run(identity));
        if known { state.source.clone() } else { None }
    }

    pub(crate) fn set_source(&self, identity: &Arc<Identity>, source: Option<Arc<dyn GtidSource>>) {
        let mut state = self.state();
        state.turn_to(identity);
        state.source = Some(source);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is known of another server, or of an earlier run, means nothing.
    fn turn_to(&mut self, identity: &Arc<Identity>) {
        if !self.identity.as_ref().is_some_and(|it| it.is_same_run(identity)) {
            *self = Self { identity: Some(Arc::clone(identity)), ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ms_gtid::mariadb::Gtid;

    use super::*;

    #[tokio::test]
    async fn evidence_is_of_one_run_of_one_server() {
        let uptime = |seconds| Some(Duration::from_secs(seconds));
        let first = Identity::example("a", 1, uptime(1000));
        check(&first, &Identity::example("a", 2, uptime(1000)), Coverage::Reached);
        check(&first, &Identity::example("b", 2, uptime(1000)), Coverage::Unknown);
        // It was restarted, and may have lost what it had.
        check(&first, &Identity::example("a", 2, uptime(10)), Coverage::Unknown);
        check(&first, &Identity::example("a", 2, None), Coverage::Unknown);
    }

    /// What is proven of the server that answers now, after `first` had shown all there is.
    #[track_caller]
    fn check(first: &Identity, now: &Identity, expected: Coverage) {
        let written = Position::from("0-1-42".parse::<Gtid>().unwrap());
        let known = Known::default();
        known.learn(&Arc::new(first.clone()), Evidence::passed(&written));
        assert_eq!(known.covers_at(now, &written), expected, "before anything is heard of it");
        known.learn(&Arc::new(now.clone()), Evidence::default());
        assert_eq!(known.covers_at(now, &written), expected, "when something was");
    }
}
