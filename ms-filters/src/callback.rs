//! Functions of the application as filters: what they are told and what they may answer.
//!
//! The original called a function by its name and had to cope with whatever it returned, so its rules have words for every
//! wrong answer. Here the function is a closure and most wrong answers do not compile; those that remain, such as a
//! server that is no candidate, are values of [`Choice`] and [`Choices`] and get the original's words. Two mistakes are
//! kept from doing harm beyond their statement: a name under which nothing was registered, and a closure that panics.
//!
//! There are two kinds: a [`user`](crate::User) callback picks one server, a [`user_multi`](crate::UserMulti) callback
//! narrows the candidates.

use std::{
    borrow::Cow,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use ms_hints::{Access, Route, Statement};

use crate::{
    candidates::Candidates,
    request::{Request, Split, Transaction},
    server::{Role, ServerIx},
    topology::Topology,
};

/// What a callback is told about a statement.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The section of the configuration that the cluster was built from.
    pub section: &'a str,
    /// The statement: its text is [`Statement::sql`].
    pub statement: &'a Statement<'a>,
    /// The primaries that are left.
    pub primaries: Listed<'a>,
    /// The replicas that are left.
    pub replicas: Listed<'a>,
    /// The URI of the server used last by the session.
    pub last_used: Option<&'a str>,
    /// Whether the session is in a transaction.
    pub in_transaction: bool,
    split: Split,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        section: &'a str,
        request: &'a Request<'a>,
        topology: &'a Topology,
        candidates: &'a Candidates,
    ) -> Self {
        Call {
            section,
            statement: request.statement,
            primaries: Listed { topology, list: candidates.primaries() },
            replicas: Listed { topology, list: candidates.replicas() },
            last_used: request.last_used.map(|it| topology.server(it).uri()),
            in_transaction: request.transaction != Transaction::None,
            split: request.settings.split,
        }
    }

    /// Where the statement would go by its hint and its text: the original's `query_is_select`, which a callback was meant
    /// to ask. All but a hint for the connection used last is for primaries where splitting is off.
    #[must_use]
    pub fn target(&self) -> Route {
        match self.statement.target() {
            Route::LastUsed if self.statement.route.is_some() || self.statement.access == Access::Follow => {
                Route::LastUsed
            }
            _ if self.split == Split::Disabled => Route::Primary,
            target => target,
        }
    }
}

/// Candidates of one role, in the order of the configuration.
///
/// The address of a server is its URI, `tcp://host:port` or `unix://path`; its name is the alias of the configuration.
#[derive(Clone, Copy)]
pub struct Listed<'a> {
    topology: &'a Topology,
    list: &'a [ServerIx],
}

impl<'a> Listed<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.list.is_empty()
    }

    /// The URI of the one at `position`.
    #[must_use]
    pub fn uri(self, position: usize) -> Option<&'a str> {
        self.list.get(position).map(|it| self.topology.server(*it).uri())
    }

    /// The URIs of all.
    pub fn uris(self) -> impl ExactSizeIterator<Item = &'a str> {
        self.list.iter().map(move |it| self.topology.server(*it).uri())
    }

    /// The names of all.
    pub fn names(self) -> impl ExactSizeIterator<Item = &'a str> {
        self.list.iter().map(move |it| self.topology.server(*it).name())
    }
}

impl fmt::Debug for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uris()).finish()
    }
}

/// What a `user` callback answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice<'a> {
    /// The first candidate with this URI, primaries before replicas; letter case does not matter. The statement fails when
    /// there is none.
    Uri(Cow<'a, str>),
    /// None; the statement fails.
    Nothing,
}

impl<'a> From<&'a str> for Choice<'a> {
    fn from(uri: &'a str) -> Self {
        Choice::Uri(uri.into())
    }
}

impl From<String> for Choice<'_> {
    fn from(uri: String) -> Self {
        Choice::Uri(uri.into())
    }
}

impl<'a> From<Option<&'a str>> for Choice<'a> {
    fn from(uri: Option<&'a str>) -> Self {
        uri.map_or(Choice::Nothing, Choice::from)
    }
}

/// What a `user_multi` callback answers.
///
/// Positions count from 0 in the lists of the [`Call`]. They are put in order; one that is given twice stays twice, which
/// gives its server two shares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choices {
    /// Every candidate stays.
    All,
    /// These stay. From the first position that names nobody on, a list is cut off, with a warning.
    Positions {
        /// In [`Call::primaries`].
        primaries: Vec<i64>,
        /// In [`Call::replicas`].
        replicas: Vec<i64>,
    },
    /// An answer, but not two lists. For callbacks written in other languages.
    Malformed,
    /// No answer. The statement goes on as after any filter that leaves nobody.
    Nothing,
}

impl Choices {
    /// The candidates at these positions.
    ///
    /// ```
    /// use ms_filters::{Choices, Call};
    ///
    /// // Reads keep to replicas of this data centre.
    /// fn near(call: Call<'_>) -> Choices {
    ///     let near = call.replicas.uris().enumerate().filter(|(_, uri)| uri.starts_with("tcp://10.1."));
    ///     Choices::positions(0..call.primaries.len(), near.map(|(position, _)| position))
    /// }
    /// ```
    #[must_use]
    pub fn positions(primaries: impl IntoIterator<Item = usize>, replicas: impl IntoIterator<Item = usize>) -> Self {
        // A list of more than 2^63 servers does not exist; its end is as wrong a position.
        let signed = |it| i64::try_from(it).unwrap_or(i64::MAX);
        Choices::Positions {
            primaries: primaries.into_iter().map(signed).collect(),
            replicas: replicas.into_iter().map(signed).collect(),
        }
    }
}

/// A function that picks a server, see [`User`](crate::User).
pub type UserCallback = Arc<dyn for<'a> Fn(Call<'a>) -> Choice<'a> + Send + Sync>;

/// A function that narrows the candidates, see [`UserMulti`](crate::UserMulti).
pub type UserMultiCallback = Arc<dyn Fn(Call<'_>) -> Choices + Send + Sync>;

/// Runs a callback; `None` when it panicked.
pub(crate) fn run<T>(callback: impl FnOnce() -> T) -> Option<T> {
    // What a callback leaves half done is its own: it is given nothing of ours that it could change.
    catch_unwind(AssertUnwindSafe(callback)).ok()
}

/// The first candidate with a URI, primaries before replicas.
pub(crate) fn find(topology: &Topology, candidates: &Candidates, uri: &str) -> Option<ServerIx> {
    let mut all = [Role::Primary, Role::Replica].into_iter().flat_map(|role| candidates.list(role));
    all.find(|it| topology.server(**it).uri().eq_ignore_ascii_case(uri)).copied()
}
