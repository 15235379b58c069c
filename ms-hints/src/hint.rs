//! What the leading comments of a statement ask for.

/// A routing hint: `ms=master|primary`, `ms=slave|replica`, `ms=last_used`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Run on a primary.
    Primary,
    /// Run on a replica.
    Replica,
    /// Run on the connection that the statement before this one used.
    LastUsed,
}

/// A service level asked for by hint: `ms=strong`, `ms=session`, `ms=eventual`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Any server.
    Eventual,
    /// Servers that have what this session wrote.
    Session,
    /// Primaries only.
    Strong,
}

/// How many routing hints of each kind were seen; the last one wins, all are counted by the statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Hints that ask for a primary; stops at 255.
    pub primary: u8,
    /// Hints that ask for a replica; stops at 255.
    pub replica: u8,
    /// Hints that ask for the connection used last; stops at 255.
    pub last_used: u8,
}
