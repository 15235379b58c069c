//! How candidates are narrowed and one is picked.
//!
//! A section has a chain of filters. Some narrow the candidates (`node_groups`, `table`,
//! `user_multi`, `quality_of_service`), some pick one (`random`, `roundrobin`, `user`). A chain that was accepted has exactly one
//! picking filter, and it comes last (as far as that can be told of filters that a program [brings along](OwnFilter)): [`Section::filters`](crate::Section::filters) is never empty.

use crate::{NodeGroup, OwnFilter, ServiceLevel, TableRule, Weights};

/// One filter of a section's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Picks at random.
    Random {
        /// Keep the first choice instead of drawing for every statement.
        sticky: bool,
        /// Shares; `None` draws uniformly.
        weights: Option<Weights>,
    },
    /// Picks one after the other.
    RoundRobin {
        /// Shares; `None` gives everyone a turn.
        weights: Option<Weights>,
    },
    /// Lets a callback of the application pick.
    User {
        /// The name it is registered under.
        callback: String,
    },
    /// Lets a callback of the application narrow.
    UserMulti {
        /// The name it is registered under.
        callback: String,
    },
    /// Narrows to the group that a comment names.
    NodeGroups {
        /// In the order of the file.
        groups: Vec<NodeGroup>,
    },
    /// Narrows to the servers that hold the tables of a statement.
    Table {
        /// In the order of the file, in which they are tried; without any, no table has a server.
        rules: Vec<TableRule>,
    },
    /// Narrows to servers that are fresh enough.
    QualityOfService {
        /// How fresh that is.
        level: ServiceLevel,
    },
    /// A filter that the program brings along; whether it picks is known to nobody else.
    Own(OwnFilter),
}

impl Filter {
    /// What a section without filters gets: one random choice that is kept.
    pub(crate) const DEFAULT: Self = Self::Random { sticky: true, weights: None };

    /// The name it has in configuration files.
    pub fn name(&self) -> &str {
        match self {
            Self::Random { .. } => "random",
            Self::RoundRobin { .. } => "roundrobin",
            Self::User { .. } => "user",
            Self::UserMulti { .. } => "user_multi",
            Self::NodeGroups { .. } => "node_groups",
            Self::Table { .. } => "table",
            Self::QualityOfService { .. } => "quality_of_service",
            Self::Own(own) => &own.name,
        }
    }

    /// Whether it surely picks one server, as the last filter of a chain must. An own filter may.
    pub fn picks(&self) -> bool {
        matches!(self, Self::Random { .. } | Self::RoundRobin { .. } | Self::User { .. })
    }
}
