//! Keeps only servers whose data is fresh enough for the session.
//!
//! A replica trails its primary. What a session tolerates is a [`Level`]:
//!
//! - `Eventual`: any server;
//! - `Session`: servers that have what this session wrote; without a position to compare only the primaries surely do;
//! - `Strong`: primaries only.
//!
//! Where a level leaves no replica, primaries stand in for them: that is no failure, so it needs no failover and deserves
//! no warning. A hint for a replica is such a read; a hint for the connection used last is obeyed whatever the level.
//!
//! The level of the filter is the configured one. A session that was given another one while running
//! ([`Request::level`](crate::Request::level)) has that one instead, ahead of all filters.

use ms_hints::Level;

use crate::{
    attempt::Attempt,
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    server::Role,
};

/// The `quality_of_service` filter for levels without options.
#[derive(Clone, Copy, Debug)]
pub struct QualityOfService {
    level: Level,
}

impl QualityOfService {
    /// Asks for `level` unless the session was given another.
    #[must_use]
    pub fn new(level: Level) -> Self {
        QualityOfService { level }
    }
}

impl Filter for QualityOfService {
    fn name(&self) -> &str {
        "quality_of_service"
    }

    fn kind(&self) -> Kind {
        Kind::Narrows
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        if cx.request.is_pinned() {
            return Verdict::Keep(Reason::Pinned);
        }
        if cx.request.level.is_some() {
            return Verdict::Keep(Reason::LevelReplaced);
        }
        Verdict::Keep(meet(self.level, cx.attempt, candidates))
    }
}

/// Takes away the servers that do not meet `level`.
pub(crate) fn meet(level: Level, attempt: &mut Attempt, candidates: &mut Candidates) -> Reason {
    attempt.let_primaries_stand_in();
    let reason = match level {
        Level::Eventual => return Reason::LevelEventual,
        Level::Session => Reason::LevelSession,
        Level::Strong => Reason::LevelStrong,
    };
    candidates.clear(Role::Replica);
    reason
}
