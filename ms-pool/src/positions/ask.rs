//! One question to a source, over a connection.

use std::{sync::Arc, time::Duration};

use ms_filters::ServerIx;
use ms_gtid::{
    Coverage, Position,
    source::{Answer, GtidSource, Own, Probe, Row as Columns, Server},
};
use sqlx_core::row::Row;
use sqlx_mysql::MySqlRow;

use crate::{Cluster, error::server_error, pool::Lease};

/// A question that waits for nothing but its answer.
const LIMIT: Duration = Duration::from_secs(1);

/// The first row of an answer, its columns as text.
struct First(Option<Vec<Option<String>>>);

impl First {
    fn of(rows: &[MySqlRow]) -> Self {
        Self(rows.first().map(|row| {
            let column = |at| row.try_get_unchecked::<Option<String>, _>(at).ok().flatten();
            (0..row.columns().len()).map(column).collect()
        }))
    }

    fn read<R>(&self, read: impl FnOnce(Option<&Columns<'_>>) -> R) -> R {
        let columns: Option<Vec<Option<&str>>> = self.0.as_ref().map(|it| it.iter().map(Option::as_deref).collect());
        read(columns.as_deref())
    }
}

/// How the server behind a connection is asked; `None` is not at all. The first time the server is asked what it allows.
pub(super) async fn source(cluster: &Cluster, server: ServerIx, lease: &mut Lease) -> Option<Arc<dyn GtidSource>> {
    let positions = cluster.positions();
    if let Some(configured) = positions.configured() {
        return Some(Arc::clone(configured));
    }
    let identity = Arc::clone(lease.identity());
    let known = positions.known(server);
    if let Some(source) = known.source(&identity) {
        return source;
    }
    let probe = Probe::new(&identity.version);
    let mut answers = Vec::new();
    for question in probe.questions() {
        answers.push(match lease.run_text(question.sql(), LIMIT).await {
            Ok(rows) => Answer::Row(First::of(&rows).0),
            Err(error) => match server_error(&error) {
                Some(error) => Answer::Error(error.number()),
                // Nothing was found out.
                None => return None,
            },
        });
    }
    let choice = probe.choose(&answers);
    for degraded in choice.warnings() {
        let name = lease.server();
        cluster
            .inner
            .hooks
            .warn(format!("positions of server `{name}` are known less exactly than they could be: {degraded}"));
    }
    let source: Option<Arc<dyn GtidSource>> = choice.into_source().map(Arc::from);
    known.set_source(&identity, source.clone());
    source
}

/// What the connection wrote; `None` when it cannot tell.
pub(super) async fn own(source: &dyn GtidSource, lease: &mut Lease) -> Option<Position> {
    let mut source = source;
    loop {
        let rows = lease.run_text(source.own_position()?, LIMIT).await.ok()?;
        match First::of(&rows).read(|row| source.read_own(row)).ok()? {
            Own::At(position) => return Some(position),
            Own::Nothing => return Some(Position::new()),
            Own::NotRecorded => source = source.fallback()?,
        }
    }
}

/// All that the server has; `None` when it cannot tell.
pub(super) async fn whole(source: &dyn GtidSource, lease: &mut Lease) -> Option<Position> {
    let rows = lease.run_text(source.whole_position()?, LIMIT).await.ok()?;
    match First::of(&rows).read(|row| source.read_whole(row)).ok()? {
        Own::At(position) => Some(position),
        Own::Nothing => Some(Position::new()),
        Own::NotRecorded => None,
    }
}

/// Asks the server for `position` and remembers what it shows. Says whether the server has waited if it was to.
pub(super) async fn check(
    cluster: &Cluster,
    (server, lease): (ServerIx, &mut Lease),
    source: &dyn GtidSource,
    position: &Position,
    of: Server,
    wait: Duration,
) -> Result<Asked, sqlx::Error> {
    let known = cluster.positions().known(server);
    let identity = Arc::clone(lease.identity());
    let mut missing = known.missing_at(&identity, position);
    loop {
        if missing.is_empty() {
            return Ok(Asked::All);
        }
        let Ok(Some(check)) = source.check(&missing, of, wait) else { return Ok(Asked::Nothing) };
        let rows = lease.run_text(check.sql(), wait + LIMIT).await?;
        let Ok(evidence) = First::of(&rows).read(|row| source.read_check(&check, row)) else {
            return Ok(Asked::Nothing);
        };
        known.learn(&identity, evidence);
        let left = known.missing_at(&identity, position);
        if left == missing {
            return Ok(if check.waits() { Asked::Waited } else { Asked::NotYet });
        }
        missing = left;
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The server has all of it.
    All,
    /// Not all, and the server has waited for it.
    Waited,
    /// Not all, at this moment.
    NotYet,
    /// There is no asking for it.
    Nothing,
}

/// One check whose answer is not kept.
///
/// # Errors
///
/// The statement failed, or could not be made.
pub(super) async fn once(
    lease: &mut Lease,
    source: &dyn GtidSource,
    position: &Position,
    of: Server,
) -> Result<Asked, CheckError> {
    let check = match source.check(position, of, Duration::ZERO) {
        Ok(Some(check)) => check,
        Ok(None) => return Ok(Asked::Nothing),
        Err(_) => return Err(CheckError::NoPlaceholder),
    };
    let rows = lease.run_text(check.sql(), LIMIT).await.map_err(CheckError::Sql)?;
    let evidence = First::of(&rows).read(|row| source.read_check(&check, row)).unwrap_or_default();
    Ok(if evidence.covers(position) == Coverage::Reached { Asked::All } else { Asked::NotYet })
}

/// Why a check came to nothing.
pub(super) enum CheckError {
    NoPlaceholder,
    Sql(sqlx::Error),
}
