//! What several servers said at once.

use std::{error::Error as StdError, fmt, sync::Arc};

/// One server's part in a call that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The server as the configuration names it.
    pub server: Arc<str>,
    /// Why it failed there.
    pub source: sqlx::Error,
}

/// The servers a call failed on, one or more; primaries first, in the order of the configuration.
///
/// As an error it has no single cause, so its text has them all.
#[derive(Debug)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// One at least.
    pub(crate) fn new(failures: Vec<Failure>) -> Self {
        debug_assert!(!failures.is_empty(), "a call without failures has not failed");
        Self(failures)
    }

    /// The failure that stands for all where there is room for one.
    #[must_use]
    pub fn first(&self) -> &Failure {
        self.0.first().expect("there is one at least")
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Failure> {
        self.0.iter()
    }

    /// The servers, for a sentence.
    pub(super) fn names(&self) -> String {
        self.0.iter().map(|it| format!("server `{}`", it.server)).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Failure { server, source }) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}`{server}`: {source}")?;
            let mut cause = source.source();
            while let Some(it) = cause {
                write!(f, ": {it}")?;
                cause = it.source();
            }
        }
        Ok(())
    }
}

impl StdError for Failures {}

#[cfg(test)]
mod tests {
    use std::io;

    use crate::Error;

    use super::*;

    #[test]
    fn all_causes_are_told_and_the_first_gives_the_number() {
        let lost = sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into());
        let failures = Failures::new(vec![
            Failure { server: "a".into(), source: lost },
            Failure { server: "b".into(), source: Error::Closed.into() },
        ]);
        let shown = failures.to_string();
        assert!(shown.starts_with("`a`: ") && shown.ends_with("the cluster is closed"), "{shown}");
        let error = Error::Broadcast { call: "select_db", failures };
        assert_eq!(error.to_string(), "`select_db` failed on server `a`, server `b`");
        assert_eq!((error.code(), error.sqlstate()), (2013, "HY000"));
        assert!(matches!(Error::of(&sqlx::Error::from(error)), Some(Error::Broadcast { .. })));
    }
}
