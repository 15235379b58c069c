//! How many reads a primary answers because no replica has caught up.
//!
//! At the level `session` a read that no replica can answer yet goes to a primary. While replicas trail that is most of the reads,
//! which is more than a primary can take that was bought for the writes. So such reads are counted against the reads of the last
//! seconds, and whoever would rather have them fail, or have them answered from the past, than see the primary fall over says so.

/// The object `primary_budget` of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrimaryBudget {
    /// `percent` of the recent reads; 20.
    pub percent: u8,
    /// `floor_per_second`: so many are within it however few reads there are; 10.
    pub floor_per_second: u32,
    /// `beyond`: what becomes of a read for which nothing is left of it.
    pub beyond: BeyondBudget,
}

/// What becomes of a read that no replica can answer yet when the primary's budget for such reads is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BeyondBudget {
    /// `primary`: it goes to a primary all the same, and is counted.
    #[default]
    Primary,
    /// `stale`: a replica answers it from the past, although the reader has to see more.
    Stale,
    /// `error`: it fails.
    Error,
}

impl BeyondBudget {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Stale => "stale",
            Self::Error => "error",
        }
    }
}

impl Default for PrimaryBudget {
    fn default() -> Self {
        Self { percent: 20, floor_per_second: 10, beyond: BeyondBudget::Primary }
    }
}
