//! Keeps only servers whose data is fresh enough for the session.
//!
//! A replica trails its primary. What a session tolerates is a [`Quality`]:
//!
//! - `Eventual`: any server, or with a bound replicas that trail by no more;
//! - `Session`: servers that have what this session must see; without a position to compare only the primaries surely do;
//! - `Strong`: primaries only.
//!
//! What a replica has and how far it trails is in the [`View`]; what is not there is asked for, once
//! ([`Verdict::Needs`]), and what is unknown afterwards counts as stale. A write goes to a primary whatever replicas have, so for
//! one nothing is asked.
//!
//! Where a level leaves no replica, primaries stand in for them: that is no failure, so it needs no failover and deserves
//! no warning. A hint for a replica is such a read; a hint for the connection used last is obeyed whatever the level.
//!
//! The level of the filter is the configured one. A session that was given another one while running
//! ([`Request::level`](crate::Request::level)) has that one instead, ahead of all filters.

use std::time::Duration;

use crate::{
    attempt::{Attempt, Target},
    candidates::Candidates,
    filter::{Cx, Facts, Filter, Kind, Verdict},
    reason::Reason,
    request::{MustSee, Request, Stickiness, Transaction},
    server::{Role, ServerIx},
    view::{Freshness, View},
};

/// How fresh a server has to be to answer a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quality {
    /// Any server is.
    #[default]
    Eventual,
    /// Primaries, and replicas that are known to trail by no more than this.
    MaxLag(Duration),
    /// Primaries, and replicas that are known to trail by less than this.
    LagBelow(Duration),
    /// Primaries, and replicas that have what the session must see; [`Request::must_see`] says what that is.
    Session,
    /// Primaries.
    Strong,
}

/// The `quality_of_service` filter.
#[derive(Clone, Copy, Debug)]
pub struct QualityOfService {
    quality: Quality,
}

impl QualityOfService {
    /// Asks for `quality` unless the session was given another.
    #[must_use]
    pub fn new(quality: Quality) -> Self {
        QualityOfService { quality }
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
        match meet(self.quality, cx.request, cx.view, cx.attempt, candidates) {
            Ok(reason) => Verdict::Keep(reason),
            Err(facts) => Verdict::Needs(facts),
        }
    }
}

/// Takes away the servers that do not meet `quality`, or says what must be known first.
pub(crate) fn meet(
    quality: Quality,
    request: &Request<'_>,
    view: &dyn View,
    attempt: &mut Attempt,
    candidates: &mut Candidates,
) -> Result<Reason, Facts> {
    attempt.let_primaries_stand_in();
    let (facts, mut reason) = match quality {
        Quality::Eventual => return Ok(Reason::LevelEventual),
        // A bound is for reads: what a write goes by is that primaries take it.
        Quality::MaxLag(_) | Quality::LagBelow(_) if !reads(attempt, request) => return Ok(Reason::LevelEventual),
        Quality::MaxLag(bound) | Quality::LagBelow(bound) => {
            (Facts { within: Some(bound), ..Facts::LAG }, Reason::LevelLag)
        }
        Quality::Session if reads(attempt, request) => match request.must_see {
            MustSee::Nothing => return Ok(Reason::LevelNothingToSee),
            MustSee::Position { .. } => (Facts::FRESHNESS, Reason::LevelReached),
            MustSee::Unknown => return Ok(primaries(candidates, Reason::LevelSession)),
        },
        Quality::Session => return Ok(primaries(candidates, Reason::LevelSession)),
        Quality::Strong => return Ok(primaries(candidates, Reason::LevelStrong)),
    };
    let known = |server: ServerIx| {
        let state = view.server(server);
        match quality {
            Quality::MaxLag(bound) => state.lag.map(|lag| lag <= bound),
            Quality::LagBelow(bound) => state.lag.map(|lag| lag < bound),
            _ => match state.freshness {
                Freshness::Reached | Freshness::Excused => Some(true),
                // It may have come by now.
                Freshness::Behind | Freshness::Unknown => None,
            },
        }
    };
    if !attempt.fetched && asks(request, quality, candidates.replicas(), known) {
        return Err(facts);
    }
    candidates.retain(|role, server| role == Role::Primary || known(server) == Some(true));
    if let Some(stays) = request.stays
        && quality == Quality::Session
        && candidates.replicas().contains(&stays)
    {
        candidates.retain(|role, server| role == Role::Primary || server == stays);
        reason = Reason::LevelStays;
    }
    let is_excused = |server: &ServerIx| view.server(*server).freshness == Freshness::Excused;
    Ok(if quality == Quality::Session && candidates.replicas().iter().any(is_excused) {
        Reason::LevelStale
    } else {
        reason
    })
}

/// Whether to ask the replicas before deciding. One that will do is enough, except where the caller wants all of them to have
/// their part, or prefers one that is not known to do.
fn asks(
    request: &Request<'_>,
    quality: Quality,
    replicas: &[ServerIx],
    known: impl Fn(ServerIx) -> Option<bool>,
) -> bool {
    let all = quality != Quality::Session || matches!(request.must_see, MustSee::Position { ask_all: true });
    let unknown = |server: &ServerIx| known(*server).is_none();
    if all {
        return replicas.iter().any(unknown);
    }
    !replicas.is_empty() && replicas.iter().all(unknown)
}

fn primaries(candidates: &mut Candidates, reason: Reason) -> Reason {
    candidates.clear(Role::Replica);
    reason
}

/// Whether the statement would go to a replica if it could, by what is known before filters have their say.
fn reads(attempt: &Attempt, request: &Request<'_>) -> bool {
    if request.held.is_some() && !attempt.class.hinted {
        // It goes where its session's state is, whatever that server has.
        return false;
    }
    match (request.settings.stickiness, request.transaction) {
        (Stickiness::Disabled, _) | (_, Transaction::None) => {}
        // Whatever the first statement is, `BEGIN` itself for example.
        (Stickiness::On, Transaction::Begun { read_only }) => return read_only,
        (Stickiness::Primary, _) | (Stickiness::On, Transaction::Pinned(_)) => return false,
    }
    match attempt.class.target {
        // It goes there whatever that server has. The original asks all the same.
        Target::LastUsed => request.must_see != MustSee::Position { ask_all: false },
        Target::Side(Role::Primary) => false,
        Target::Side(Role::Replica) => {
            let after_write = attempt.wrote && request.settings.primary_on_write;
            attempt.class.hinted || !after_write
        }
    }
}
