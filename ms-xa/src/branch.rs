//! One server's part of a global transaction.

use std::fmt;

/// Which branch of its transaction: counted from 0 in the order of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BranchIx(pub u16);

impl BranchIx {
    /// As an index into [`Coordinator::branches`](crate::Coordinator::branches).
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for BranchIx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a branch is, or a transaction as a whole.
///
/// ```text
/// NonExisting ── XA START ──► Active ── XA END ──► Idle ── XA PREPARE ──► Prepared ──► Committed | RolledBack
///                               └─────────┴── the connection ends: gone ──┘ │
///                                                                           └─ survives connection and server
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BranchState {
    /// Not started.
    #[default]
    NonExisting,
    /// Statements run in it.
    Active,
    /// Its work has ended; it is not prepared yet.
    Idle,
    /// It can be committed whatever happens, and it can be rolled back.
    Prepared,
    /// Committed.
    Committed,
    /// Rolled back.
    RolledBack,
}

impl BranchState {
    /// Every state, in the order of a branch's life.
    pub const ALL: [Self; 6] =
        [Self::NonExisting, Self::Active, Self::Idle, Self::Prepared, Self::Committed, Self::RolledBack];

    /// Its word in the tables of the state store and in error messages.
    ///
    /// ```
    /// use ms_xa::BranchState;
    ///
    /// assert_eq!(BranchState::Committed.word(), "XA_COMMIT");
    /// assert_eq!(BranchState::from_word("XA_COMMIT"), Some(BranchState::Committed));
    /// ```
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NonExisting => "XA_NON_EXISTING",
            Self::Active => "XA_ACTIVE",
            Self::Idle => "XA_IDLE",
            Self::Prepared => "XA_PREPARED",
            Self::Committed => "XA_COMMIT",
            Self::RolledBack => "XA_ROLLBACK",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }
}

impl fmt::Display for BranchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
