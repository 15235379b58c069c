//! Lets a function of the application pick the server.
//!
//! The function sees the candidates and answers with the URI of one of them; nobody second-guesses it. Hints, transactions,
//! `master_on_write` and failover mean what the function makes of them, and a server that it picks and that cannot be
//! reached gives the statement its error.

use std::{fmt, sync::Arc};

use crate::{
    callback::{self, Call, Choice, UserCallback},
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    server::{Role, ServerIx},
};

const NO_STRING: &str =
    "User filter callback has not returned string with server to use. The callback must return a string";

/// Makes the `user` filter of a closure; `callback` is the name that messages call it by.
///
/// # Examples
///
/// Reports have a replica of their own:
///
/// ```
/// use ms_filters::{Pipeline, user_fn};
/// use ms_hints::Route;
///
/// let filter = user_fn("shop", "reports", |call| match call.target() {
///     Route::Replica if call.statement.sql.ends_with(b"/* report */") => call.replicas.uri(1).into(),
///     Route::Replica => call.replicas.uri(0).into(),
///     _ => call.primaries.uri(0).into(),
/// });
/// let pipeline = Pipeline::new(vec![Box::new(filter)])?;
/// # Ok::<(), ms_filters::PipelineError>(())
/// ```
pub fn user_fn(
    section: impl Into<Box<str>>,
    callback: impl Into<Box<str>>,
    choose: impl for<'a> Fn(Call<'a>) -> Choice<'a> + Send + Sync + 'static,
) -> User {
    User::new(section, callback, Arc::new(choose))
}

/// The `user` filter.
pub struct User {
    section: Box<str>,
    callback: Box<str>,
    choose: Option<UserCallback>,
}

impl User {
    /// Calls `choose`, known as `callback`, for every statement of `section`.
    pub fn new(section: impl Into<Box<str>>, callback: impl Into<Box<str>>, choose: UserCallback) -> Self {
        User { section: section.into(), callback: callback.into(), choose: Some(choose) }
    }

    /// A filter whose callback nobody registered: every statement fails and says so.
    pub fn unregistered(callback: impl Into<Box<str>>) -> Self {
        User { section: "".into(), callback: callback.into(), choose: None }
    }
}

impl Filter for User {
    fn name(&self) -> &str {
        "user"
    }

    fn kind(&self) -> Kind {
        Kind::Picks
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        let callback = &self.callback;
        let Some(choose) = &self.choose else {
            cx.warnings.push(format!("Specified callback ({callback}) is not a valid callback"));
            return Verdict::Refuse(Reason::CallbackMissing);
        };
        let call = Call::new(&self.section, cx.request, cx.topology, candidates);
        match callback::run(|| choose(call)) {
            Some(Choice::Uri(uri)) => match callback::find(cx.topology, candidates, &uri) {
                Some(server) => Verdict::Pick(server, Reason::Own),
                None => {
                    cx.warnings.push(format!(
                        "User filter callback has returned an unknown server. The server '{uri}' can neither be found in \
                         the master list nor in the slave list (callback `{callback}`)"
                    ));
                    Verdict::Refuse(Reason::CallbackUnknownServer)
                }
            },
            Some(Choice::Nothing) => {
                cx.warnings.push(format!("{NO_STRING} (callback `{callback}`)"));
                Verdict::Refuse(Reason::CallbackAnswer)
            }
            None => {
                cx.warnings.push(format!("Failed to call '{callback}' (it panicked)"));
                Verdict::Refuse(Reason::CallbackPanicked)
            }
        }
    }

    fn not_reached(&self, cx: &mut Cx<'_>, server: ServerIx) {
        let server = cx.topology.server(server);
        if server.role() == Role::Replica {
            cx.warnings.push(format!("Callback chose {} but connection failed", server.uri()));
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("callback", &self.callback).finish_non_exhaustive()
    }
}
