//! Act four: what was counted meanwhile.

use ms_pool::Counter;

use super::{Failed, claim, shop::Shop};
use crate::screen::{Screen, number, text};

pub(super) fn act(shop: &Shop, screen: &mut Screen) -> Result<(), Failed> {
    screen.heading("4. What was counted")?;
    screen.paragraph(
        "The names are those of mysqlnd_ms, so that its dashboards go on working. Counters at zero are left out.",
    )?;
    let counted = Counter::ALL.iter().map(|&it| (it, shop.statistics.get(it))).filter(|(_, count)| *count > 0);
    let rows = counted.map(|(counter, count)| [text(counter.name()), number(count), text(meaning(counter))]);
    screen.table(["counter", "count", "what happened that often"], rows, &[0, 1])?;
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
        Counter::UseReplicaGuess => "the text alone asked for a replica",
        Counter::UsePrimaryGuess => "the text alone asked for the primary",
        Counter::UseReplicaHint => "a hint asked for a replica",
        Counter::UsePrimaryHint => "a hint, or `begin()`, asked for the primary",
        Counter::UseLastUsedHint => "a hint asked for the server used last",
        Counter::EagerReplicaSuccess => "a replica was opened at the start",
        Counter::EagerReplicaFailure => "a replica could not be opened at the start",
        Counter::EagerPrimarySuccess => "the primary was opened at the start",
        Counter::EagerPrimaryFailure => "the primary could not be opened at the start",
        Counter::LazyReplicaSuccess => "a connection to a replica was opened for a statement",
        Counter::LazyReplicaFailure => "a replica could not be reached for a statement",
        Counter::LazyPrimarySuccess => "a connection to the primary was opened for a statement",
        Counter::LazyPrimaryFailure => "the primary could not be reached for a statement",
        Counter::BeltRerouted => "a replica refused to write and the primary ran it",
        Counter::ReadRepeated => "a read broke on an idle connection and was repeated",
        Counter::DirtyClosed => "a connection with changed state was not reused",
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
