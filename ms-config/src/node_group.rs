//! Servers that a comment can ask for.
//!
//! `/*reports*/SELECT …` restricts a statement to the servers of the group `reports`. Aliases have become places in
//! the section's lists here, so nothing can be looked up in vain later.

/// A named part of a section's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeGroup {
    /// The comment that asks for it, exactly.
    pub name: String,
    /// Places in [`Section::primaries`](crate::Section::primaries), ascending.
    pub primaries: Vec<usize>,
    /// Places in [`Section::replicas`](crate::Section::replicas), ascending; may be empty.
    pub replicas: Vec<usize>,
}
