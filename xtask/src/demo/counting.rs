//! Act five: what was counted meanwhile.

use ms_pool::Counter;

use super::{Failed, claim, shop::Shop};
use crate::screen::{Column, Screen, text};

pub(super) fn act(shop: &Shop, screen: &mut Screen) -> Result<(), Failed> {
    screen.heading("5. What was counted")?;
    screen.paragraph(
        "The names are those of mysqlnd_ms, so that its dashboards go on working. Counters at zero are left out.",
    )?;
    let counters = Counter::ALL.iter().filter(|it| !it.is_gauge());
    let counted = counters.map(|&it| (it, shop.statistics.get(it))).filter(|(_, count)| *count > 0);
    let rows = counted.map(|(counter, count)| [text(counter.name()), text(count.to_string()), text(meaning(counter))]);
    screen.table([Column::Name("counter"), Column::Number("count"), Column::Text("how often …")], rows)?;
    let count = |it| shop.statistics.get(it);
    claim("reads and writes are counted", count(Counter::UseReplica) > 0 && count(Counter::UsePrimary) > 0, || {
        format!("{:?}", shop.statistics)
    })
}

/// One line for somebody who has never heard of the counter.
fn meaning(counter: Counter) -> &'static str {
    match counter {
        Counter::UseReplica => "a replica was chosen",
        Counter::UsePrimary => "the primary was chosen",
        Counter::UseReplicaGuess => "a text asked for a replica",
        Counter::UsePrimaryGuess => "a text asked for the primary",
        Counter::UseReplicaHint => "a hint asked for a replica",
        Counter::UsePrimaryHint => "a hint or `begin()` asked for the primary",
        Counter::UseLastUsedHint => "a hint asked for the last one",
        Counter::UseReplicaCallback => "a callback picked a replica",
        Counter::UsePrimaryCallback => "a callback picked the primary",
        Counter::EagerReplicaSuccess => "a replica was opened early",
        Counter::EagerReplicaFailure => "a replica was dead at the start",
        Counter::EagerPrimarySuccess => "the primary was opened early",
        Counter::EagerPrimaryFailure => "the primary was dead then",
        Counter::LazyReplicaSuccess => "a replica was opened on demand",
        Counter::LazyReplicaFailure => "a replica was found dead",
        Counter::LazyPrimarySuccess => "the primary was opened on demand",
        Counter::LazyPrimaryFailure => "the primary was found dead",
        Counter::AutocommitOn => "autocommit was switched on",
        Counter::AutocommitOff => "autocommit was switched off",
        Counter::TrxPrimaryForced => "a transaction kept to the primary",
        Counter::GtidAutocommitSuccess => "a write left a counted id",
        Counter::GtidAutocommitFailure => "a write could not leave its id",
        Counter::GtidCommitSuccess => "a commit left a counted id",
        Counter::GtidCommitFailure => "a commit could not leave its id",
        Counter::GtidImplicitCommitSuccess => "an implied commit left its id",
        Counter::GtidImplicitCommitFailure => "an implied commit could not",
        Counter::TransientErrorRetries => "a passing error was tried again",
        Counter::FabricLookupSuccess => "Fabric answered",
        Counter::FabricLookupFailure => "Fabric was not reached",
        Counter::FabricLookupTime => "microseconds spent on Fabric",
        Counter::FabricLookupBytes => "bytes that came from Fabric",
        Counter::FabricLookupXmlFailure => "Fabric was not understood",
        Counter::XaBegin => "a global transaction began",
        Counter::XaCommitSuccess => "a global transaction committed",
        Counter::XaCommitFailure => "a global commit failed",
        Counter::XaRollbackSuccess => "a global transaction rolled back",
        Counter::XaRollbackFailure => "a global rollback failed",
        Counter::XaParticipants => "a server joined one",
        Counter::XaRollbackOnClose => "a close rolled one back",
        Counter::BeltRerouted => "a replica refused to write",
        Counter::ReadRepeated => "a broken read was repeated",
        Counter::StateBound => "it followed the session's state",
        Counter::RememberedSkipped => "a server was left out that had failed",
        Counter::RememberedRetried => "such a server was tried again",
        Counter::ReplicaObserved => "a replica would have been chosen",
        Counter::LagAsked => "a replica was asked for its lag",
        Counter::LagSourceAsked => "a replica's word was proven",
        Counter::BehindPrimary => "the primary stood in for replicas",
        Counter::BehindBeyond => "… beyond its budget for that",
        Counter::BehindStale => "… was spared, with an old answer",
        Counter::BehindRefused => "… was spared, with an error",
        Counter::TokenRefused => "a request's token was refused",
        Counter::TokenIssued => "an answer took a token along",
        Counter::CacheHit => "an answer was kept still",
        Counter::CacheMiss => "an answer had to be asked for",
        Counter::CacheShared => "one answer did for two",
        Counter::CacheBypassed => "an answer could not be kept",
        Counter::PrimaryRefused => "a primary refused to write",
        Counter::ServerMoved => "an address led to another server",
        Counter::DirtyClosed => "a changed connection was closed",
        Counter::PoolPrimariesTotal => "primaries there are",
        Counter::PoolReplicasTotal => "replicas there are",
        Counter::PoolPrimariesActive => "primaries in use",
        Counter::PoolReplicasActive => "replicas in use",
        Counter::PoolUpdates => "the servers were replaced",
        Counter::PoolPrimaryReactivated => "a primary came back",
        Counter::PoolReplicaReactivated => "a replica came back",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_meaning_of_its_own() {
        let mut meanings: Vec<_> = Counter::ALL.iter().map(|it| meaning(*it)).collect();
        meanings.sort_unstable();
        assert_ne!(meanings[0], "", "a new counter has no meaning yet");
        meanings.dedup();
        assert_eq!(meanings.len(), Counter::ALL.len());
    }
}
