//! What somebody should know about a statement although it may succeed.
//!
//! A [`Why`](crate::Why) is the end of a statement and has few causes, so it is a number. A callback that answers nonsense
//! is another matter: which callback, which nonsense, and the statement may go on with what is left. Such texts are
//! collected here, with the original's words, and whoever runs the router takes them out after each statement.

use std::borrow::Cow;

/// Texts collected for one statement. Costs nothing while there is nothing to say.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    texts: Vec<Cow<'static, str>>,
}

impl Warnings {
    /// Adds one.
    pub fn push(&mut self, text: impl Into<Cow<'static, str>>) {
        self.texts.push(text.into());
    }

    /// Whether there is nothing to say.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Takes all out, in the order they were added.
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = Cow<'static, str>> + '_ {
        self.texts.drain(..)
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
    }
}
