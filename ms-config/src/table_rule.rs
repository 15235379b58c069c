//! Servers for tables.
//!
//! The filter `table` sends a statement to the servers that hold the tables it names. Its rules are tried in the
//! order of the file, and for each role the first one counts that matches and has a list for that role.

/// Servers for the tables whose names match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableRule {
    /// What is matched with `database.table`, never empty: `%` stands for any text, `_` for one
    /// character, and `\` takes the meaning from what follows it.
    pub pattern: String,
    /// Places in [`Section::primaries`](crate::Section::primaries), in the order of the rule; `None` where the rule
    /// does not speak of primaries, which is not the same as an empty list.
    pub primaries: Option<Vec<usize>>,
    /// Places in [`Section::replicas`](crate::Section::replicas), likewise.
    pub replicas: Option<Vec<usize>>,
}
