//! Filters that a program brings along.
//!
//! A chain may name filters that are not of this project: the program registers them under a name, and the file uses it like any
//! other. What such a filter does with candidates and which arguments it takes is the program's business; here
//! it is a name, a place in the chain and whatever JSON stands there.

use crate::{Filter, Json, Position};

/// A filter of the program, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnFilter {
    /// Its name as written.
    pub name: String,
    /// Where it stands in the tree, such as `shop.filters.zone_aware`.
    pub path: String,
    /// Where it stands in the file.
    pub position: Position,
    /// What stands behind the name; [`Json::Null`] in a chain that has names only.
    pub arguments: Json,
}

/// Which names of filters are a program's own.
#[derive(Clone, Copy, Debug)]
pub enum OwnFilters<'n> {
    /// Exactly these, in any case; every other unknown name is an error.
    Named(&'n [&'n str]),
    /// These, and with a warning every name that is no misspelling of a known one: for tools that read the file without being
    /// the program.
    Guessed(&'n [&'n str]),
}

impl<'n> OwnFilters<'n> {
    /// None: what a file means to a program that brings no filters.
    pub const NONE: Self = Self::Named(&[]);

    pub(crate) fn names(self) -> &'n [&'n str] {
        match self {
            Self::Named(names) | Self::Guessed(names) => names,
        }
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.names().iter().any(|it| it.eq_ignore_ascii_case(name))
    }

    /// Whether an unknown name may be one of a program that is not here.
    pub(crate) fn may_have(self, name: &str) -> bool {
        let looks_like_one = name.starts_with(|it: char| it.is_alphabetic() || it == '_');
        matches!(self, Self::Guessed(_)) && looks_like_one
    }
}

impl Filter {
    /// The names of this project's filters, which a program cannot use for its own.
    pub const NAMES: &'static [&'static str] =
        &["random", "roundrobin", "user", "user_multi", "table", "quality_of_service", "node_groups"];
}
