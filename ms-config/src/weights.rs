//! Shares of load.
//!
//! In the file weights are a map from alias to number, for none or all of a section's servers. Because it is none
//! or all, the checked form needs no names: one weight for each server of each list, in the lists' order.

/// How much load a server takes relative to the others of its list.
///
/// 0 makes a standby: it is not used while another candidate is open or untried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    /// A weight; every value of the type is in the range that the file may have.
    pub fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// One [`Weight`] for each server in the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weights {
    /// As many as, and in the order of, [`Section::primaries`](crate::Section::primaries).
    pub primaries: Vec<Weight>,
    /// As many as, and in the order of, [`Section::replicas`](crate::Section::replicas).
    pub replicas: Vec<Weight>,
}
