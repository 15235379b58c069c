//! Which writes are lost.
//!
//! A write is lost when it was sent before the old primary was dead and the new one does not have it. One that was sent before
//! and answered after the new primary could be reached may have run on either.

use std::{collections::HashMap, time::Duration};

use crate::torture::consistency::history::{Deed, History, Key, Loss, Operation, Version};

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, or something newer is.
    Kept,
    /// It went down with a primary.
    Lost,
    /// One cannot tell.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Fates {
    losses: Vec<Loss>,
    /// The beginning and the fate of each version that somebody tried to write, by key; a loss by its place.
    versions: HashMap<(Key, Version), (Duration, Fate, usize)>,
}

impl Fates {
    pub(super) fn of(history: &History) -> Self {
        let mut versions = HashMap::new();
        for it in &history.operations {
            if let Deed::Wrote { key, version } | Deed::TriedToWrite { key, version } = it.deed {
                let (fate, loss) = fate(it, key, version, &history.losses);
                versions.insert((key, version), (it.began, fate, loss));
            }
        }
        Self { losses: history.losses.clone(), versions }
    }

    pub(super) fn of_version(&self, key: Key, version: Version) -> Fate {
        // The row as it was made is everywhere.
        self.versions.get(&(key, version)).map_or(Fate::Kept, |(_, fate, _)| *fate)
    }

    pub(super) fn is_certain(&self, key: Key, version: Version) -> bool {
        self.of_version(key, version) != Fate::Unknown
    }

    /// With which primary it went down.
    pub(super) fn lost_in(&self, key: Key, version: Version) -> Option<&Loss> {
        let (_, fate, loss) = self.versions.get(&(key, version))?;
        (*fate == Fate::Lost).then(|| &self.losses[*loss])
    }

    /// Whether somebody had begun to write it by then.
    pub(super) fn is_written(&self, key: Key, version: Version, by: Duration) -> bool {
        version == 0 || self.versions.get(&(key, version)).is_some_and(|(began, ..)| *began <= by)
    }
}

fn fate(write: &Operation, key: Key, version: Version, losses: &[Loss]) -> (Fate, usize) {
    let concerned =
        |loss: &Loss| write.began < loss.dead && version > loss.kept.get(usize::from(key)).copied().unwrap_or(0);
    match losses.iter().position(concerned) {
        Some(loss) if write.ended > losses[loss].reopened => (Fate::Unknown, loss),
        Some(loss) => (Fate::Lost, loss),
        None => (Fate::Kept, 0),
    }
}
