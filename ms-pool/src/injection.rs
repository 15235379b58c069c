//! Counting what is written: `global_transaction_id_injection` of a section.
//!
//! Where servers have no ids of their own for transactions, or an application does not want to depend on them, a table with
//! a number in it stands in: `on_commit` raises it together with every write, replication carries it along, and a replica whose
//! number is high enough has the write. What the number is afterwards `fetch_last_gtid` tells, whether a replica has come that
//! far `check_for_gtid`.
//!
//! `on_commit` runs on primaries, on the connection that writes; [`counts`] says when. Three things can come between a write and
//! its number:
//!
//! - **`on_commit` fails** behind a statement that is done. The caller hears of it and of what was done
//!   ([`Error::NotCounted`]), unless `report_error` is off.
//! - **The caller goes away**: a stream is dropped before its end. Then the connection [owes](Lease::owe) the number, and pays
//!   when the rest of the answer is read, before anybody uses it again.
//! - **The connection breaks** or is cut off. Nobody knows then whether there was a write.
//!
//! In all of them it is noted that something was written that has no number ([`Written::lapse`]),
//! until a later number includes it: so long only primaries answer whoever must see it.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use ms_config::{GtidInjection, InjectionFailure};
use ms_filters::{Role, ServerIx};
use ms_gtid::source::{Choice, Configured, GtidSource};
use ms_hints::Access;
use sqlx_core::ext::async_stream::Yielder;

use crate::{
    Cluster, Counter, Error, Session, Statistics,
    class::Question,
    error::server_error,
    events::Hooks,
    pool::{Lease, Stmt},
    positions::Written,
    run::Part,
    session::{Core, Slot},
    transient::undoes_all,
};

pub(crate) mod counts; // when a statement is counted
mod last_gtid; // what the number is

pub(crate) use self::counts::{Behind, Counts, Event};

/// How long `on_commit` may take: it may have to wait for others who count, as `COMMIT` may have to wait for a replica.
const LIMIT: Duration = crate::transaction::END_LIMIT;

/// The section's SQL.
#[derive(Debug)]
pub(crate) struct Injection {
    /// What raises the number; without it nothing is injected.
    on_commit: Option<Box<str>>,
    on_failure: InjectionFailure,
    fetch_last_gtid: Option<Box<str>>,
    /// Positions as this SQL knows them, which wins over what the servers offer. `None` when there is nothing to ask with.
    pub(crate) source: Option<Arc<dyn GtidSource>>,
    /// How long a replica is waited for that has not come that far; zero asks once.
    pub(crate) wait: Duration,
    statistics: Option<Arc<Statistics>>,
    hooks: Hooks,
}

impl Injection {
    pub(crate) fn new(configured: &GtidInjection, statistics: Option<Arc<Statistics>>, hooks: Hooks) -> Self {
        let GtidInjection { on_commit, fetch_last_gtid, check_for_gtid, on_failure, wait_for_gtid_timeout, .. } =
            configured;
        let mut sql = Configured::new();
        if let Some(fetch) = fetch_last_gtid {
            sql = sql.fetch_last_gtid(fetch.as_str());
        }
        if let Some(check) = check_for_gtid {
            sql = sql.check_for_gtid(check.as_str());
        }
        let source = Choice::configured(on_commit.as_deref(), sql).and_then(Choice::into_source);
        Self {
            on_commit: on_commit.as_deref().map(Into::into),
            on_failure: *on_failure,
            fetch_last_gtid: fetch_last_gtid.as_deref().map(Into::into),
            source: source.map(Arc::from),
            wait: *wait_for_gtid_timeout,
            statistics,
            hooks,
        }
    }

    /// Raises the number.
    async fn raise(&self, lease: &mut Lease, event: Event) -> Result<(), sqlx::Error> {
        let Some(on_commit) = &self.on_commit else {
            return Ok(());
        };
        let ran = lease.run_text(on_commit, LIMIT).await;
        let (success, failure) = match event {
            Event::Autocommit => (Counter::GtidAutocommitSuccess, Counter::GtidAutocommitFailure),
            Event::Commit => (Counter::GtidCommitSuccess, Counter::GtidCommitFailure),
            Event::ImplicitCommit => (Counter::GtidImplicitCommitSuccess, Counter::GtidImplicitCommitFailure),
        };
        if let Some(statistics) = &self.statistics {
            statistics.add(if ran.is_ok() { success } else { failure }, 1);
        }
        ran.map(drop)
    }

    fn warn(&self, lease: &Lease, error: &sqlx::Error) {
        let server = lease.server();
        self.hooks.warn(format!(
            "a write on server `{server}` has no number, so nobody can tell which replicas have it: `on_commit` failed: {error}"
        ));
    }
}

impl Cluster {
    /// Whether writes are counted.
    pub(crate) fn counts(&self) -> bool {
        self.inner.injection.as_ref().is_some_and(|it| it.on_commit.is_some())
    }

    /// What goes with a statement that was just routed to `server`.
    #[cold]
    pub(crate) fn counts_of(&self, core: &mut Core, question: &Question<'_>, server: ServerIx) -> Counts {
        if core.for_transaction || self.member(server).role != Role::Primary {
            return Counts::NOTHING;
        }
        let strict = self.inner.rules.is_strict();
        if !strict || question.statement.access == Access::Write {
            core.wrote_on = Some(server);
        }
        if self.counts() { Counts::of(question, strict, &core.trx) } else { Counts::NOTHING }
    }

    /// Whether the end of the open transaction on this connection is counted.
    pub(crate) fn counts_commit(&self, core: &Core, slot: &Slot) -> bool {
        let wrote = !self.inner.rules.is_strict() || core.trx.wrote || slot.lease.is_exposed();
        self.counts()
            && wrote
            && core.trx.is_open()
            && self.member(slot.server).role == Role::Primary
            && !slot.lease.is_read_only()
    }

    /// What goes with a read that its replica refused because it writes.
    pub(crate) fn counts_of_refused(&self, core: &mut Core, server: ServerIx) -> Counts {
        if !self.counts() || self.member(server).role != Role::Primary {
            return Counts::NOTHING;
        }
        core.wrote_on = Some(server);
        Counts::WRITE
    }

    /// Counts what is about to be committed on `lease`; to be [kept](Counted::keep) when it was.
    ///
    /// # Errors
    ///
    /// [`Error::NotCounted`]: it is not to be committed now. Also where failures are ignored, if this one has undone what was
    /// to be committed; a `COMMIT` behind it would succeed and say that it was.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection, and the transaction.
    pub(crate) async fn count_ahead(&self, core: &mut Core, lease: &mut Lease, event: Event) -> Result<Counted, Error> {
        let Some(injection) = &self.inner.injection else {
            return Ok(Counted::NOTHING);
        };
        let counted = Counted::begin(self, core);
        let Err(source) = injection.raise(lease, event).await else {
            return Ok(counted);
        };
        let undone = match server_error(&source) {
            Some(error) => event != Event::Autocommit && undoes_all(lease, error).await,
            None => true,
        };
        if injection.on_failure == InjectionFailure::Ignored && !undone && lease.is_ready() {
            self.lapse(core);
            injection.warn(lease, &source);
            return Ok(Counted::NOTHING);
        }
        if undone && self.inner.rules.is_strict() && !core.trx.guarded && lease.is_ready() {
            core.trx.end();
        }
        Err(Error::NotCounted { server: Arc::clone(lease.server()), done: false, source })
    }

    /// A statement that is counted behind is about to be sent on `lease`: from here on the connection owes a number.
    pub(crate) fn owe(&self, core: &mut Core, lease: &mut Lease) {
        let Some(injection) = &self.inner.injection else {
            return;
        };
        let alone = !core.ephemeral && !core.written(self).is_some_and(|it| it.is_uncounted());
        if !core.ephemeral {
            // Until it is done there is something without a number; should its caller go away, for good. A session of one statement
            // says so when it ends, and not before: others read meanwhile.
            self.lapse(core);
        }
        let counted = Counted::begin(self, core);
        lease.owe(Owed { injection: Arc::clone(injection), counted, alone });
    }

    /// Counts what was done on `lease`.
    ///
    /// # Errors
    ///
    /// [`Error::NotCounted`] where failures are reported.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    pub(crate) async fn count_behind(&self, core: &mut Core, lease: &mut Lease) -> Result<(), Error> {
        let Some(Owed { injection, counted, .. }) = lease.forgive() else {
            return Ok(());
        };
        let Err(source) = injection.raise(lease, Event::Autocommit).await else {
            counted.keep();
            return Ok(());
        };
        self.lapse(core);
        match injection.on_failure {
            InjectionFailure::Reported => {
                Err(Error::NotCounted { server: Arc::clone(lease.server()), done: true, source })
            }
            InjectionFailure::Ignored => {
                injection.warn(lease, &source);
                Ok(())
            }
        }
    }

    /// Counts a statement that has failed, if it may have done something; `answered` is whether a part of it had succeeded.
    ///
    /// # Cancel safety
    ///
    /// As [`count_behind`](Self::count_behind).
    pub(crate) async fn count_failed(&self, core: &mut Core, lease: &mut Lease, behind: Behind, answered: bool) {
        if !lease.is_ready() {
            // Nobody knows what became of it.
            return;
        }
        let Some(owed) = lease.forgive() else {
            return;
        };
        if behind != Behind::Anything && !answered {
            if owed.alone {
                owed.counted.keep();
            }
        } else if !owed.pay(lease).await {
            self.lapse(core);
        }
    }

    /// Something has no number.
    fn lapse(&self, core: &mut Core) {
        if self.numbers_are_positions() {
            core.written_mut(self).lapse();
        }
    }

    /// Whether it matters to reads what has no number. `classic` looks at positions only where somebody hands one over, and without
    /// SQL that asks for numbers the servers' own ids are the positions.
    fn numbers_are_positions(&self) -> bool {
        self.inner.rules.is_strict() && self.inner.injection.as_ref().is_some_and(|it| it.source.is_some())
    }
}

impl Cluster {
    /// Sends a statement on `lease`, passes its answer on and counts it.
    ///
    /// # Errors
    ///
    /// The statement's, with whether a part of its answer came before; and [`Error::NotCounted`].
    ///
    /// # Cancel safety
    ///
    /// As any statement.
    pub(crate) async fn forward_counted(
        &self,
        core: &mut Core,
        lease: &mut Lease,
        stmt: Stmt,
        counts: Counts,
        out: &Yielder<Part>,
    ) -> Result<(), (sqlx::Error, bool)> {
        if let Some(event) = counts.ahead {
            // Texts that end transactions stay with `run`: what is counted here is `classic`'s.
            Box::pin(self.count_ahead(core, lease, event)).await.map_err(|error| (error.into(), false))?;
        }
        if counts.behind != Behind::Nothing {
            self.owe(core, lease);
        }
        let mut answer = lease.fetch_many(stmt);
        let mut answered = false;
        let error = loop {
            match answer.next().await {
                Some(Ok(part)) => {
                    answered = true;
                    out.r#yield(part).await;
                }
                Some(Err(error)) => break error,
                None => {
                    drop(answer);
                    return Box::pin(self.count_behind(core, lease)).await.map_err(|error| (error.into(), true));
                }
            }
        };
        drop(answer);
        if counts.behind != Behind::Nothing {
            Box::pin(self.count_failed(core, lease, counts.behind, answered)).await;
        }
        Err((error, answered))
    }
}

/// What was known when the number was about to be raised.
#[derive(Debug)]
pub(crate) struct Counted {
    written: Option<Arc<Written>>,
    lapses: u32,
}

impl Counted {
    const NOTHING: Self = Self { written: None, lapses: 0 };

    fn begin(cluster: &Cluster, core: &Core) -> Self {
        let written = core.written(cluster).filter(|_| cluster.numbers_are_positions()).cloned();
        let lapses = written.as_ref().map_or(0, |it| it.lapses());
        Self { written, lapses }
    }

    /// It was raised, and committed: the number includes what had none before.
    pub(crate) fn keep(self) {
        if let Some(written) = self.written {
            written.counted(self.lapses);
        }
    }
}

/// A number that has to follow what was sent on a connection.
#[derive(Debug)]
pub(crate) struct Owed {
    injection: Arc<Injection>,
    counted: Counted,
    /// Nothing else of whoever wrote it has no number.
    alone: bool,
}

impl Owed {
    /// Nobody waits for it any more.
    pub(crate) fn lapse(&mut self) {
        if let Some(written) = &self.counted.written {
            written.lapse();
            self.counted.lapses = written.lapses();
        }
    }

    /// Raises the number when there is nobody left to tell of a failure; says whether it was raised.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pool; dropped before it is done it costs the connection.
    pub(crate) async fn pay(self, lease: &mut Lease) -> bool {
        let raised = self.injection.raise(lease, Event::Autocommit).await;
        match &raised {
            Ok(()) => self.counted.keep(),
            Err(error) => self.injection.warn(lease, error),
        }
        raised.is_ok()
    }
}

impl Session {
    /// Autocommit is about to be switched on, which commits; to be [kept](Counted::keep) when it was.
    ///
    /// # Errors
    ///
    /// [`Error::NotCounted`]: it is not to be switched on now.
    pub(crate) async fn count_implicitly(&mut self) -> Result<Vec<Counted>, Error> {
        let Self { cluster, slots, core } = self;
        let strict = cluster.inner.rules.is_strict();
        let mut counted = Vec::new();
        for slot in &mut slots.0 {
            // In `classic` the session's first primary, as the original, which knew no other, and all that may have something to
            // commit.
            let commits = match strict {
                true => core.trx.bound() == Some(slot.server),
                false => slot.server.index() == 0 || slot.wrote,
            };
            if !commits || !cluster.counts_commit(core, slot) {
                continue;
            }
            slot.lease.settle(SETTLE_LIMIT).await;
            counted.push(cluster.count_ahead(core, &mut slot.lease, Event::ImplicitCommit).await?);
        }
        Ok(counted)
    }
}

/// How long rows that nobody fetched may hold up a commit.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_what_counts_and_can_be_asked() {
        check(r#""on_commit": "UPDATE t", "fetch_last_gtid": "SELECT 1""#, Some("client-side counter"));
        check(r#""on_commit": "UPDATE t", "check_for_gtid": "SELECT #GTID""#, Some("client-side counter"));
        check(r#""fetch_last_gtid": "SELECT 1""#, Some("configured SQL"));
        check(r#""on_commit": "UPDATE t""#, None);
        check("", None);
    }

    #[track_caller]
    fn check(keys: &str, source: Option<&str>) {
        let file = format!(
            r#"{{"shop": {{"master": {{"host": "10.0.0.1"}}, "slave": [], "global_transaction_id_injection": {{{keys}}}}}}}"#
        );
        let db = Cluster::builder().config_text("test", file).build().unwrap();
        assert_eq!(db.warnings(), [], "{keys}");
        let injection = db.inner.injection.as_ref().unwrap();
        assert_eq!(injection.source.as_ref().map(|it| it.name()), source, "{keys}");
        assert_eq!(db.counts(), keys.contains("on_commit"), "{keys}");
    }
}
