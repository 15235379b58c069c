//! Which side a statement goes to: what it asks for, bent by what its session is doing.
//!
//! Read in this order, each rule seeing the result of those before it:
//!
//! 1. the statement itself: hint, else text; all is a write where splitting is off;
//! 2. a read whose service level left no replica goes to a primary;
//! 3. a transaction, where `trx_stickiness` is on: the server it is bound to, or the side it must start on; hints count
//!    for nothing in it;
//! 4. what the session has set up on a connection, for statements without a hint that may depend on it: that connection;
//! 5. `master_on_write`: a read without a hint goes to a primary once the session has written.

use crate::{
    attempt::{Attempt, Target},
    candidates::Candidates,
    reason::Reason,
    request::{Request, Stickiness, Transaction},
    server::{Role, ServerIx},
};

/// Where a statement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To any candidate of the role.
    Side(Role),
    /// To the connection used last.
    LastUsed,
    /// To the server its transaction runs on.
    Pinned(ServerIx),
    /// To the server where what it depends on is.
    Held(ServerIx),
}

/// Applies rules 2 to 5 to the class of a statement.
#[inline(always)]
pub(crate) fn aim(attempt: &mut Attempt, request: &Request<'_>, candidates: &Candidates) -> (Aim, Reason) {
    let mut aim = match attempt.class.target {
        Target::Side(role) => Aim::Side(role),
        Target::LastUsed => Aim::LastUsed,
    };
    let mut reason = attempt.class.reason;
    let no_replica = candidates.replicas().is_empty();

    if aim == Aim::Side(Role::Replica) && no_replica && attempt.primaries_stand_in {
        (aim, reason) = (Aim::Side(Role::Primary), Reason::LevelLeftNoReplica);
    }
    if let Some(sticky) = by_transaction(request, no_replica) {
        (aim, reason) = sticky;
        if request.settings.stickiness == Stickiness::Primary {
            attempt.tally.trx_primary_forced = 1;
        }
    }
    if let Some(held) = request.held
        && !attempt.class.hinted
        && match aim {
            Aim::Side(role) => role == Role::Replica || held.takes_writes,
            _ => false,
        }
    {
        return (Aim::Held(held.server), held.reason);
    }
    let free_read = aim == Aim::Side(Role::Replica) && !attempt.class.hinted;
    if free_read && attempt.wrote && request.settings.primary_on_write {
        (aim, reason) = (Aim::Side(Role::Primary), Reason::AfterWrite);
    }
    (aim, reason)
}

#[inline]
fn by_transaction(request: &Request<'_>, no_replica: bool) -> Option<(Aim, Reason)> {
    let read_only = match (request.settings.stickiness, request.transaction) {
        (Stickiness::Disabled, _) | (_, Transaction::None) => return None,
        (_, Transaction::Pinned(server)) => return Some((Aim::Pinned(server), Reason::Pinned)),
        (Stickiness::Primary, Transaction::Begun { .. }) => false,
        (Stickiness::On, Transaction::Begun { read_only }) => read_only,
    };
    Some(match read_only && !no_replica {
        true => (Aim::Side(Role::Replica), Reason::TransactionReads),
        false => (Aim::Side(Role::Primary), Reason::TransactionOnPrimary),
    })
}
