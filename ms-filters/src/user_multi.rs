//! Lets a function of the application narrow the candidates.
//!
//! The function answers with positions in the two lists that it was shown. What remains goes to the next filter as from
//! any other one, also when it is a single server: hints, transactions and failover stay the router's.
//!
//! A wrong answer leaves nobody, so the primaries stand in where failover allows it, as the original did. A
//! function that is missing or panics has not answered at all, and its statement fails.

use std::{fmt, sync::Arc};

use crate::{
    callback::{self, Call, Choices, UserMultiCallback},
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    server::Role,
};

const NO_LIST: &str =
    "User multi filter callback has not returned a list of servers to use. The callback must return an array";
const INVALID: &str = "User multi filter callback has returned an invalid list of servers to use.";

/// Makes the `user_multi` filter of a closure; `callback` is the name that messages call it by.
///
/// # Examples
///
/// See [`Choices::positions`].
pub fn user_multi_fn(
    section: impl Into<Box<str>>,
    callback: impl Into<Box<str>>,
    narrow: impl Fn(Call<'_>) -> Choices + Send + Sync + 'static,
) -> UserMulti {
    UserMulti::new(section, callback, Arc::new(narrow))
}

/// The `user_multi` filter.
pub struct UserMulti {
    section: Box<str>,
    callback: Box<str>,
    narrow: Option<UserMultiCallback>,
}

impl UserMulti {
    /// Calls `narrow`, known as `callback`, for every statement of `section`.
    pub fn new(section: impl Into<Box<str>>, callback: impl Into<Box<str>>, narrow: UserMultiCallback) -> Self {
        UserMulti { section: section.into(), callback: callback.into(), narrow: Some(narrow) }
    }

    /// A filter whose callback nobody registered: every statement fails and says so.
    pub fn unregistered(callback: impl Into<Box<str>>) -> Self {
        UserMulti { section: "".into(), callback: callback.into(), narrow: None }
    }

    /// Keeps one side's positions up to the first that names nobody.
    fn arrange(&self, cx: &mut Cx<'_>, candidates: &mut Candidates, role: Role, mut positions: Vec<i64>) {
        let count = candidates.list(role).len();
        positions.sort_unstable();
        let known = |it: &i64| usize::try_from(*it).ok().filter(|it| *it < count);
        let kept: Vec<usize> = positions.iter().map_while(known).collect();
        if let Some(wrong) = positions.get(kept.len()) {
            let what = if *wrong < 0 { "Server id is either negative or not a number" } else { "Server id is too big" };
            cx.warnings.push(format!("{INVALID} {what} (callback `{}`, position {wrong})", self.callback));
        }
        candidates.arrange(role, &kept).expect("every position was looked at");
    }

    fn nobody(&self, cx: &mut Cx<'_>, candidates: &mut Candidates, text: &str) -> Verdict {
        cx.warnings.push(format!("{text} (callback `{}`)", self.callback));
        candidates.clear(Role::Primary);
        candidates.clear(Role::Replica);
        Verdict::Keep(Reason::CallbackAnswer)
    }

    fn not_called(&self, cx: &mut Cx<'_>, why: &str, reason: Reason) -> Verdict {
        cx.warnings.push(format!("Failed to call '{}' ({why})", self.callback));
        Verdict::Refuse(reason)
    }
}

impl Filter for UserMulti {
    fn name(&self) -> &str {
        "user_multi"
    }

    fn kind(&self) -> Kind {
        Kind::Narrows
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        let Some(narrow) = &self.narrow else {
            return self.not_called(cx, "no callback is registered under this name", Reason::CallbackMissing);
        };
        let call = Call::new(&self.section, cx.request, cx.topology, candidates);
        let (primaries, replicas) = match callback::run(|| narrow(call)) {
            None => return self.not_called(cx, "it panicked", Reason::CallbackPanicked),
            Some(Choices::All) => return Verdict::Keep(Reason::Unchanged),
            Some(Choices::Nothing) => return self.nobody(cx, candidates, NO_LIST),
            Some(Choices::Positions { primaries, replicas }) if !(primaries.is_empty() && replicas.is_empty()) => {
                (primaries, replicas)
            }
            Some(Choices::Positions { .. } | Choices::Malformed) => {
                return self.nobody(cx, candidates, &format!("{INVALID} The callback must return an array"));
            }
        };
        self.arrange(cx, candidates, Role::Primary, primaries);
        self.arrange(cx, candidates, Role::Replica, replicas);
        Verdict::Keep(Reason::Own)
    }
}

impl fmt::Debug for UserMulti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserMulti").field("callback", &self.callback).finish_non_exhaustive()
    }
}
