//! What replicas were seen to have, beside the library: which reads were at risk.
//!
//! A run without violations proves something only where there was something to violate. A read is *at risk* when a replica that it
//! might have been sent to was behind what its scope had written, when it began, and provably so: a look at that replica which
//! began later still did not show the write. (A replica only gets further; one that was restarted in between proves
//! nothing.) There are more reads at risk than are counted here, because looks are some milliseconds apart.

use std::{collections::BTreeMap, time::Duration};

use super::history::{Key, Version};

/// A look proves something about reads that began no longer before it.
const REACH: Duration = Duration::from_millis(250);

/// One server, looked at again and again.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// When each look began.
    began: Vec<Duration>,
    /// By key: the version, from which look on.
    changes: BTreeMap<Key, Vec<(usize, Version)>>,
    /// When its process ended, or something else made it another server.
    breaks: Vec<Duration>,
}

impl Looks {
    /// A look that began at `began` has shown these versions, the first of key 0.
    pub(crate) fn add(&mut self, began: Duration, versions: impl IntoIterator<Item = Version>) {
        let look = self.began.len();
        self.began.push(began);
        for (key, version) in (0..).zip(versions) {
            let changes = self.changes.entry(key).or_default();
            if changes.last().is_none_or(|(_, last)| *last != version) {
                changes.push((look, version));
            }
        }
    }

    /// From here on it is another process, perhaps with other data.
    pub(crate) fn broke(&mut self, at: Duration) {
        self.breaks.push(at);
    }

    /// Whether the server provably lacked a version at that time.
    fn lacked(&self, key: Key, version: Version, at: Duration) -> bool {
        let look = self.began.partition_point(|began| *began < at);
        let Some(&began) = self.began.get(look).filter(|began| **began <= at + REACH) else {
            return false;
        };
        if self.breaks.iter().any(|it| (at..=began).contains(it)) {
            return false;
        }
        let Some(changes) = self.changes.get(&key) else {
            return false;
        };
        let before = changes.partition_point(|(since, _)| *since <= look);
        changes[..before].last().is_some_and(|(_, shown)| *shown < version)
    }
}

/// Who stood behind each name, and what they were seen to have.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    /// By server.
    pub(crate) looks: BTreeMap<String, Looks>,
    /// By the name of a replica: the server behind it, from when on, in the order of times.
    pub(crate) behind: BTreeMap<String, Vec<(Duration, String)>>,
}

impl Sightings {
    /// The server behind a name at that time.
    pub(crate) fn server(&self, name: &str, at: Duration) -> Option<&str> {
        let list = self.behind.get(name)?;
        let before = list.partition_point(|(since, _)| *since <= at);
        Some(&list[..before].last()?.1)
    }

    /// Whether a replica that might have been read lacked the version.
    pub(crate) fn at_risk(&self, key: Key, version: Version, at: Duration) -> bool {
        self.behind
            .keys()
            .filter_map(|name| self.looks.get(self.server(name, at)?))
            .any(|it| it.lacked(key, version, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = 0;

    #[test]
    fn a_later_look_proves_what_was_not_there_before() {
        // At 10 it showed 1, at 20 it showed 2.
        check(2, 5, true);
        check(2, 10, true);
        check(2, 11, false);
        check(1, 5, false);
        check(3, 15, true);
        check(3, 21, false); // Not looked at since.
    }

    #[test]
    fn a_look_long_after_proves_nothing() {
        let mut looks = Looks::default();
        looks.add(ms(1000), [1]);
        assert!(looks.lacked(KEY, 2, ms(750)));
        assert!(!looks.lacked(KEY, 2, ms(749)));
    }

    #[test]
    fn a_restart_in_between_proves_nothing() {
        let mut looks = Looks::default();
        looks.add(ms(10), [1]);
        looks.broke(ms(15));
        looks.add(ms(20), [1]);
        assert!(looks.lacked(KEY, 2, ms(10)));
        assert!(!looks.lacked(KEY, 2, ms(12)));
        assert!(looks.lacked(KEY, 2, ms(16)));
    }

    #[test]
    fn only_the_server_behind_the_name_counts() {
        let mut sightings = Sightings::default();
        for (server, version) in [("fresh", 2), ("stale", 1)] {
            let looks = sightings.looks.entry(server.to_owned()).or_default();
            for at in [10, 20, 30] {
                looks.add(ms(at), [version]);
            }
        }
        let behind = [(ms(0), "fresh".to_owned()), (ms(15), "stale".to_owned())];
        sightings.behind.insert("replica1".to_owned(), behind.to_vec());
        assert!(!sightings.at_risk(KEY, 2, ms(9)));
        assert!(sightings.at_risk(KEY, 2, ms(16)));
        assert_eq!(sightings.server("replica1", ms(14)), Some("fresh"));
    }

    #[track_caller]
    fn check(version: Version, at: u64, lacked: bool) {
        let mut looks = Looks::default();
        looks.add(ms(10), [1]);
        looks.add(ms(20), [2]);
        assert_eq!(looks.lacked(KEY, version, ms(at)), lacked, "version {version} at {at}");
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
