//! What sets a connection apart from its pool's others.
//!
//! A session may give its connections another default database, character set or autocommit mode than the pool's. Such
//! a connection is nobody else's while it differs, and everybody's again once the setting is back: unlike what statements
//! leave behind, this is known exactly.

/// Settings in which a connection differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Apart(u8);

impl Apart {
    pub(crate) const DATABASE: Self = Self(1);
    pub(crate) const CHARSET: Self = Self(2);
    pub(crate) const AUTOCOMMIT: Self = Self(4);
    /// It was made for an account that only one session has.
    pub(crate) const ACCOUNT: Self = Self(8);

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has(self, setting: Self) -> bool {
        self.0 & setting.0 == setting.0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
