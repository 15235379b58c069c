//! A global transaction as a value: it ends with a call, or rolls back when it is dropped.

use std::{fmt, sync::Arc, time::Duration};

use futures_core::{future::BoxFuture, stream::BoxStream};
use ms_xa::Gtrid;
use sqlx_core::{
    describe::Describe,
    executor::{Execute, Executor},
    sql_str::SqlStr,
};
use sqlx_mysql::{MySql, MySqlQueryResult, MySqlRow, MySqlStatement, MySqlTypeInfo};
use tokio::runtime::Handle;

use super::{XaOptions, calls::How};
use crate::{Cluster, Error, Scope, Session, executor::executor_of_session, run::Item};

/// A global transaction that is to be begun; from [`Cluster::xa`] and [`Scope::xa`].
#[must_use = "nothing has begun yet"]
pub struct XaBegin {
    session: Session,
    gtrid: Vec<u8>,
    options: XaOptions,
}

impl Cluster {
    /// A global transaction of that name, 1 to 64 bytes: the servers that its statements are sent to commit all, or none.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let mut xa = db.xa("transfer-4711").begin().await?;
    /// sqlx::query("UPDATE account SET cents = cents - 100 WHERE id = ?").bind(1).execute(&mut xa.on("east")?).await?;
    /// sqlx::query("UPDATE account SET cents = cents + 100 WHERE id = ?").bind(2).execute(&mut xa.on("west")?).await?;
    /// xa.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn xa(&self, gtrid: impl AsRef<[u8]>) -> XaBegin {
        let mut session = Session::new(self.clone());
        if self.inner.rules.is_strict() {
            // What it commits is for all that read through the cluster to see.
            session.core.scope = Some(Arc::clone(&self.inner.written));
        }
        XaBegin::of(session, gtrid.as_ref())
    }
}

impl Scope {
    /// As [`Cluster::xa`]; what it commits is for all to see that read through the scope, and in its token.
    pub fn xa(&self, gtrid: impl AsRef<[u8]>) -> XaBegin {
        XaBegin::of(self.session(), gtrid.as_ref())
    }
}

impl XaBegin {
    fn of(session: Session, gtrid: &[u8]) -> Self {
        Self { session, gtrid: gtrid.to_vec(), options: XaOptions::default() }
    }

    /// When it is too late to commit; `None` is never. A minute unless said otherwise.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.timeout = timeout.into();
        self
    }

    /// Begins it.
    ///
    /// # Errors
    ///
    /// As [`Session::xa_begin`].
    ///
    /// # Cancel safety
    ///
    /// As [`Session::xa_begin`].
    pub async fn begin(self) -> Result<Xa, Error> {
        let Self { mut session, gtrid, options } = self;
        session.xa_begin(&gtrid, options).await?;
        Ok(Xa { session: Some(session) })
    }
}

impl fmt::Debug for XaBegin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XaBegin").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A global transaction; from [`Cluster::xa`] or [`Scope::xa`]. Dropped before its end, it rolls back.
///
/// `&mut xa` is an sqlx executor: a server takes part from the first statement on that is sent to it. [`on`](Self::on) says which
/// group of servers that is.
#[must_use = "a transaction that is dropped rolls back"]
pub struct Xa {
    /// `None` once it has ended.
    session: Option<Session>,
}

impl Xa {
    /// Its name.
    #[must_use]
    pub fn gtrid(&self) -> &Gtrid {
        self.session().global_transaction().expect("it is open until it ends")
    }

    /// The session it is open in, for what only a session can do.
    pub fn session_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("it is open until it ends")
    }

    fn session(&self) -> &Session {
        self.session.as_ref().expect("it is open until it ends")
    }

    /// An executor for which every statement is to run within one of the groups of the filter `node_groups`, as [`Cluster::group`];
    /// [`Cluster::xa`] has an example.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when no filter knows a group of that name.
    pub fn on(&mut self, group: &str) -> Result<XaOn<'_>, Error> {
        let session = self.session_mut();
        session.cluster.check_group(group)?;
        let before = session.core.group.replace(group.into());
        Ok(XaOn { session, before })
    }

    /// Commits on all servers, or on none; see [`Session::xa_commit`].
    ///
    /// # Errors
    ///
    /// As [`Session::xa_commit`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn commit(self) -> Result<(), Error> {
        self.end(How::Commit).await
    }

    /// Rolls back on all servers; see [`Session::xa_rollback`].
    ///
    /// # Errors
    ///
    /// As [`Session::xa_rollback`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn rollback(self) -> Result<(), Error> {
        self.end(How::RollBack).await
    }

    async fn end(mut self, how: How) -> Result<(), Error> {
        let mut session = self.session.take().expect("it is open until it ends");
        session.take_in_spare();
        match session.core.xa.take() {
            Some(global) => session.end_global(global, how).await,
            // Somebody has ended it through the session.
            None => Err(Error::xa_unchanged("There is no active XA transaction to end")),
        }
    }
}

/// In the background, if there is one. Otherwise its connections are closed, which does the same.
impl Drop for Xa {
    fn drop(&mut self) {
        if let (Some(session), Ok(runtime)) = (self.session.take(), Handle::try_current())
            && session.core.xa.is_some()
        {
            runtime.spawn(session.close());
        }
    }
}

impl fmt::Debug for Xa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xa").field("gtrid", &self.session().global_transaction()).finish_non_exhaustive()
    }
}

executor_of_session!(&'c mut Xa, |self| self.session_mut());

/// A node group in a global transaction, as an executor; from [`Xa::on`].
pub struct XaOn<'x> {
    session: &'x mut Session,
    /// What the session's statements are for without it.
    before: Option<Arc<str>>,
}

impl Drop for XaOn<'_> {
    fn drop(&mut self) {
        self.session.core.group = self.before.take();
    }
}

impl fmt::Debug for XaOn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XaOn").field("group", &self.session.core.group).finish_non_exhaustive()
    }
}

executor_of_session!(&'c mut XaOn<'_>, |self| self.session);
