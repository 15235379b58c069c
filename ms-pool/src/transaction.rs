//! The transaction of a session: whether there is one, and which server it is bound to.
//!
//! A session learns of transactions from its own calls and, in `strict`, from the text of statements. `BEGIN` is not sent when
//! a transaction is started but with its first statement, because only that one chooses the server: until then the
//! transaction has [`Begun`](Progress::Begun), from then on it is [`Bound`](Progress::Bound).
//!
//! A transaction is never continued on another server. When its connection is lost, the caller hears of it once: from the
//! statement that met the broken connection or, where there was none, from the next one. Then the session is usable again;
//! only a `commit` of what was lost does not pretend.

use std::time::Duration;

use ms_filters::{Role, ServerIx, Stickiness};
use ms_hints::{Effect, State, Transaction as Change};
use sqlx_core::sql_str::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::{
    Cluster, Error, Session, TxOptions,
    held::is_setting,
    injection::{Counted, Event},
    pool::{Phase, Stmt},
    positions::{self, Debt},
    route::open,
    session::{Core, Slot, Slots},
    transient::{Tried, Tries},
};

/// How long `COMMIT` and `ROLLBACK` may take. A semi-synchronous primary waits up to ten seconds by default.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(30);
/// How long rows that nobody fetched may hold up the end of a transaction.
const SETTLE_LIMIT: Duration = Duration::from_secs(1);

/// What a session knows about its transaction.
#[derive(Debug, Default)]
pub(crate) struct Trx {
    pub(crate) progress: Progress,
    /// A [`Tx`](crate::Tx) stands on it: it is bound whatever `trx_stickiness` says, and is not outlived.
    pub(crate) guarded: bool,
    /// It may have changed something.
    pub(crate) wrote: bool,
    /// `set_autocommit(false)`: where one transaction ends, the next one is open.
    autocommit_off: bool,
    /// Text has switched autocommit off there, and there only.
    off_by_text: Option<ServerIx>,
    /// `SET TRANSACTION` waits there for the next transaction.
    setting_on: Option<ServerIx>,
    /// Its connection was lost, which `commit` has to say.
    lost: Option<ServerIx>,
}

/// How far a transaction has got.
#[derive(Debug, Default)]
pub(crate) enum Progress {
    /// None is open.
    #[default]
    None,
    /// `BEGIN` waits for the first statement.
    Begun(Beginning),
    /// Autocommit is off: the server that runs the next statement begins one by itself.
    Implied,
    /// As the original without `trx_stickiness`: `BEGIN` went to one server, statements go where they would go without.
    Loose,
    /// It is open on this server.
    Bound(ServerIx),
}

/// A `BEGIN` that was not sent yet.
#[derive(Debug)]
pub(crate) struct Beginning {
    sql: Box<str>,
    read_only: bool,
}

/// A statement whose success the session has to know of: it begins or ends a transaction by its text, or is a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    change: Change,
    autocommit: Option<bool>,
    /// A transaction was open already.
    was_open: bool,
    /// It is a setting that the session's other connections are told.
    is_setting: bool,
}

impl Control {
    /// `None` for a statement after which the transaction is what it was.
    #[cold]
    fn of(effect: Effect, is_open: bool) -> Option<Self> {
        let matters = match effect.transaction {
            Change::None | Change::Savepoint => false,
            // Most definitions of tables meet no transaction.
            Change::ImplicitCommit => is_open,
            _ => true,
        };
        let is_setting = is_setting(effect);
        let control =
            Control { change: effect.transaction, autocommit: effect.autocommit, was_open: is_open, is_setting };
        (matters || is_setting || effect.autocommit.is_some()).then_some(control)
    }

    /// Whether the transaction is another afterwards.
    pub(crate) fn transacts(self) -> bool {
        self.change != Change::None || self.autocommit.is_some()
    }

    fn begins(self) -> bool {
        matches!(self.change, Change::Begin { .. }) || self.autocommit == Some(false)
    }

    /// Whether what is open is committed by it, or ahead of it.
    pub(crate) fn commits(self) -> bool {
        matches!(self.change, Change::Commit { .. } | Change::Begin { .. } | Change::ImplicitCommit)
            || self.autocommit == Some(true)
    }

    /// Whether a transaction is open afterwards.
    pub(crate) fn leaves_open(self) -> bool {
        self.goes_on() && (self.was_open || self.begins())
    }

    /// Whether a transaction that is open stays so, or is followed by another one.
    fn goes_on(self) -> bool {
        match self.change {
            Change::Begin { .. } => true,
            Change::Commit { chain, .. } | Change::Rollback { chain, .. } => chain,
            // Switching autocommit on commits, switching it off opens a transaction.
            Change::None | Change::Savepoint => self.autocommit != Some(true),
            _ => false,
        }
    }
}

impl Trx {
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.progress, Progress::None)
    }

    /// The server it is open on.
    pub(crate) fn bound(&self) -> Option<ServerIx> {
        match self.progress {
            Progress::Bound(server) => Some(server),
            _ => None,
        }
    }

    /// Whether `BEGIN` goes ahead of the next statement.
    #[inline]
    pub(crate) fn waits_for_server(&self) -> bool {
        matches!(self.progress, Progress::Begun(_))
    }

    /// What a transaction means for routing; `configured` is the section's choice.
    pub(crate) fn stickiness(&self, configured: Stickiness) -> Stickiness {
        match configured {
            Stickiness::Disabled if self.guarded => Stickiness::On,
            other => other,
        }
    }

    /// The transaction as the router is told of it, and as a statement that begins one by its text makes it.
    pub(crate) fn for_router(&self, control: Option<Control>, slots: &[Slot]) -> ms_filters::Transaction {
        use ms_filters::Transaction as Told;
        match (&self.progress, control.map(|it| it.change)) {
            (Progress::Bound(server), _) => Told::Pinned(*server),
            (Progress::Begun(it), _) => self.at_setting(it.read_only, slots),
            (_, Some(Change::Begin { read_only })) => self.at_setting(read_only == Some(true), slots),
            (Progress::Implied | Progress::Loose, _) => Told::Begun { read_only: false },
            (Progress::None, _) => Told::None,
        }
    }

    /// `SET TRANSACTION` means the next transaction on its connection, so that is where it begins.
    fn at_setting(&self, read_only: bool, slots: &[Slot]) -> ms_filters::Transaction {
        let usable = |server: ServerIx| slots.iter().any(|slot| slot.server == server && slot.lease.is_ready());
        let there = self.setting_on.filter(|server| usable(*server));
        match there {
            Some(server) => ms_filters::Transaction::Pinned(server),
            None => ms_filters::Transaction::Begun { read_only },
        }
    }

    /// A statement of the transaction is about to be sent to `server`.
    #[cold]
    pub(crate) fn at(&mut self, server: ServerIx, control: Option<Control>, stickiness: Stickiness) {
        let begins = control.is_some_and(Control::begins);
        if begins || (matches!(self.progress, Progress::Implied) && stickiness != Stickiness::Disabled) {
            self.progress = Progress::Bound(server);
        }
    }

    /// `SET TRANSACTION` went to `server`, or something else that uses it up.
    #[inline]
    pub(crate) fn note_setting(&mut self, effect: Effect, server: ServerIx) {
        if effect.state.contains(State::TRANSACTION_SETTING) && effect.transaction == Change::None {
            self.setting_on = Some(server);
        } else if self.setting_on == Some(server) {
            self.setting_on = None;
        }
    }

    /// As the original: a first statement that finds no server binds the transaction to the one it failed on.
    pub(crate) fn failed_at(&mut self, server: ServerIx) {
        if matches!(self.progress, Progress::Begun(_) | Progress::Implied) {
            self.progress = Progress::Bound(server);
        }
    }

    /// The server has done what `control` says.
    fn heard(&mut self, control: Control, server: ServerIx) {
        match control.autocommit {
            Some(false) => self.off_by_text = Some(server),
            Some(true) => self.off_by_text = None,
            None => {}
        }
        if !control.goes_on() && self.bound() == Some(server) {
            self.end();
        } else if control.commits() || matches!(control.change, Change::Rollback { .. }) {
            self.wrote = false;
        }
    }

    /// The server refused a statement that was to begin or end a transaction: what was open before still is.
    fn refused(&mut self, control: Control, server: ServerIx) {
        if control.begins() && !control.was_open && self.bound() == Some(server) {
            self.end();
        }
    }

    /// What comes after the end of a transaction.
    pub(crate) fn end(&mut self) {
        self.wrote = false;
        self.progress = match self.off_by_text {
            _ if self.autocommit_off => Progress::Implied,
            Some(server) => Progress::Bound(server),
            None => Progress::None,
        };
    }

    fn start(&mut self, beginning: Beginning) {
        self.lost = None;
        self.wrote = false;
        self.progress = Progress::Begun(beginning);
    }

    /// All transactions of the session were committed or are to be: autocommit was switched on or off everywhere.
    pub(crate) fn switched_autocommit(&mut self, on: bool) {
        self.autocommit_off = !on;
        self.wrote &= !on;
        if on {
            self.lost = None;
            self.off_by_text = None;
            self.progress = Progress::None;
        } else if matches!(self.progress, Progress::None | Progress::Loose) {
            self.progress = Progress::Implied;
        }
    }

    /// Its connection is gone, and with it what text has set there.
    fn lose(&mut self) {
        self.lost = None;
        self.off_by_text = None;
        self.end();
    }
}

/// What a statement does to the transaction of a session that reads it from the text.
#[inline]
pub(crate) fn control_of(cluster: &Cluster, core: &Core, effect: Effect) -> Option<Control> {
    let nothing = effect.transaction == Change::None && effect.autocommit.is_none() && !is_setting(effect);
    // In a global transaction the server refuses them, and nothing has changed.
    if nothing || core.for_transaction || core.xa.is_some() || !cluster.inner.rules.is_strict() {
        return None;
    }
    Control::of(effect, core.trx.is_open())
}

/// The server has answered a statement that the session has to know of; `done` says how.
#[cold]
pub(crate) fn answered(session: &mut Session, control: Control, server: ServerIx, done: bool) {
    let Session { cluster, slots, core } = session;
    if slots.get(server).is_none_or(|slot| slot.lease.phase() == Phase::Broken) {
        // The next statement will find out.
        return;
    }
    if control.is_setting {
        core.holdings.answered(slots, server, done);
        return;
    }
    if core.trx.guarded {
        // Only statements that commit implicitly get here, the others are the guard's to refuse. It keeps its connection.
        if done {
            let name = &cluster.member(server).pool.server();
            cluster.inner.hooks.warn(format!(
                "a statement has committed the transaction on server `{name}`, as definitions do: what follows is outside of it"
            ));
        }
        return;
    }
    match done {
        true => core.trx.heard(control, server),
        false => core.trx.refused(control, server),
    }
    let releases =
        matches!(control.change, Change::Commit { release: true, .. } | Change::Rollback { release: true, .. });
    if done && releases {
        // The server has hung up.
        slots.remove(server);
    } else if let Some(slot) = slots.use_now(server) {
        slot.lease.set_transaction(core.trx.bound() == Some(server));
    }
}

/// Whether the session's transaction, if there is one, can go on; clears what was lost.
///
/// # Errors
///
/// [`Error::TransactionLost`] when its connection went away without a statement that said so, and at every statement of
/// a [`Tx`](crate::Tx).
#[cold]
pub(crate) fn check(cluster: &Cluster, core: &mut Core, slots: &mut Slots) -> Result<(), Error> {
    let Some(server) = core.trx.bound() else {
        return Ok(());
    };
    if !cluster.inner.rules.is_strict() && !core.trx.guarded {
        // As the original: its connection answers for itself, as often as it is asked.
        return Ok(());
    }
    let phase = slots.get(server).map(|slot| slot.lease.phase());
    match phase {
        Some(Phase::Ready | Phase::Unread | Phase::Lent) => return Ok(()),
        _ if core.trx.guarded => return Err(lost(cluster, server)),
        _ => {}
    }
    slots.remove(server);
    core.trx.lose();
    if phase == Some(Phase::Broken) {
        // The statement that met it has told; a commit still has to.
        core.trx.lost = Some(server);
        return Ok(());
    }
    Err(lost(cluster, server))
}

/// The connection of an open transaction broke between two statements.
pub(crate) fn lose(cluster: &Cluster, core: &mut Core, server: ServerIx) -> Error {
    if !core.trx.guarded {
        core.trx.lose();
    }
    lost(cluster, server)
}

fn lost(cluster: &Cluster, server: ServerIx) -> Error {
    Error::TransactionLost { server: cluster.member(server).pool.server().clone() }
}

/// Sends the `BEGIN` that waits, on the session's connection to `server`.
///
/// # Errors
///
/// The server's or the connection's; the session has no transaction then.
///
/// # Cancel safety
///
/// Cancel safe: the connection is closed, and the `BEGIN` goes on waiting.
pub(crate) async fn begin_at(
    cluster: &Cluster,
    core: &mut Core,
    slots: &mut Slots,
    server: ServerIx,
) -> Result<(), sqlx::Error> {
    let (mut connections, mut tries) = (0..2, Tries::default());
    loop {
        let Progress::Begun(beginning) = &core.trx.progress else {
            return Ok(());
        };
        let sql: SqlStr = AssertSqlSafe(&*beginning.sql).into_sql_str();
        let slot = slots.use_now(server).expect("it was made ready");
        // Nothing has been begun on a connection that was dead, and nothing is lost with one that holds nothing. In `classic`
        // a broken connection stays broken.
        let expendable = cluster.inner.rules.is_strict() && slot.lease.dirty().is_none() && !slot.prepared;
        let may_repeat = connections.next() == Some(0) && (slot.lease.is_untried() || expendable);
        let limit = slot.lease.pool().limits().acquire_timeout;
        match slot.lease.start_transaction(sql, limit).await {
            Ok(()) => {
                core.trx.progress = Progress::Bound(server);
                core.trx.setting_on = None;
                return Ok(());
            }
            Err(_) if may_repeat && slot.lease.phase() == Phase::Broken => {
                cluster.count(crate::Counter::ReadRepeated, 1);
                slots.remove(server);
                open(cluster, core, slots, server).await?;
                if positions::is_away(cluster, core, slots, server) {
                    positions::arrive(cluster, core, slots, server).await?;
                }
            }
            Err(error) if cluster.try_again(&mut slot.lease, Tried::Call, &error, &mut tries).await => {}
            Err(error) => {
                core.trx.end();
                cluster.inner.hooks.warn("Failed to start transaction after choosing a server".to_owned());
                return Err(error);
            }
        }
    }
}

impl Session {
    /// A statement that stays with `server` is about to run there, as part of the transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when that is bound to another server; as beginning does.
    pub(crate) async fn join_transaction(&mut self, server: ServerIx) -> Result<(), sqlx::Error> {
        let Self { cluster, slots, core } = self;
        check(cluster, core, slots)?;
        if let Some(bound) = core.trx.bound().filter(|bound| *bound != server) {
            let name = |server| cluster.member(server).pool.server();
            let (own, other) = (name(server), name(bound));
            let why = format!("the statement was prepared on server `{own}`, and the transaction is on `{other}`");
            return Err(Error::Refused { why: why.into() }.into());
        }
        if core.trx.waits_for_server() && slots.get(server).is_some() {
            begin_at(cluster, core, slots, server).await?;
        }
        let stickiness = core.trx.stickiness(cluster.inner.rules.settings.stickiness);
        core.trx.at(server, None, stickiness);
        Ok(())
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

impl Session {
    /// Starts a transaction; statements are part of it until [`commit`](Self::commit) or [`rollback`](Self::rollback).
    ///
    /// Nothing is sent yet: the first statement chooses the server and takes `START TRANSACTION` with it, and everything
    /// after it goes there, hints or not. That is a primary, or, with [`TxOptions::read_only`] and the section's
    /// `trx_stickiness` being `on`, a replica. In `strict` `trx_stickiness` is `on` unless set; in `classic` it is off unless set,
    /// and then `START TRANSACTION` is sent at once, like any other write, and binds nothing.
    ///
    /// A transaction that is open is committed first, as the servers do. [`begin`](Self::begin) is the same with a guard that
    /// rolls back when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a name that [`TxOptions::name`] does not allow; with a transaction open, as `commit`; where it
    /// is sent at once, as any statement.
    ///
    /// # Cancel safety
    ///
    /// Where nothing is sent there is nothing to cancel; otherwise the connection is closed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use ms_pool::TxOptions;
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), sqlx::Error> {
    /// let mut session = db.session();
    /// session.start_transaction(TxOptions::default()).await?;
    /// sqlx::query("UPDATE stock SET pieces = pieces - 1").execute(&mut session).await?;
    /// session.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_transaction(&mut self, options: TxOptions) -> Result<(), sqlx::Error> {
        self.take_in_spare();
        let beginning = Beginning { sql: options.sql()?.into(), read_only: options.read_only };
        let stickiness = self.core.trx.stickiness(self.cluster.inner.rules.settings.stickiness);
        if stickiness == Stickiness::Disabled {
            return self.start_loosely(beginning).await;
        }
        if self.core.trx.bound().is_some() {
            self.end_by(End::Commit, Event::ImplicitCommit).await?;
        }
        self.core.trx.start(beginning);
        Ok(())
    }

    /// `START TRANSACTION` as the original sends it without stickiness: to the server that a write would go to.
    async fn start_loosely(&mut self, beginning: Beginning) -> Result<(), sqlx::Error> {
        let stmt = Stmt::text(AssertSqlSafe(&*beginning.sql));
        self.core.for_transaction = true;
        let routed = self.route(&stmt, None).await;
        self.core.for_transaction = false;
        let Self { cluster, slots, core } = self;
        let slot = slots.use_now(routed?.server).expect("it was routed there");
        if cluster.member(slot.server).role == Role::Primary {
            let event = if core.trx.is_open() { Event::ImplicitCommit } else { Event::Autocommit };
            let counted = cluster.count_ahead(core, &mut slot.lease, event).await?;
            counted.keep();
        }
        let limit = slot.lease.pool().limits().acquire_timeout;
        let mut tries = Tries::default();
        loop {
            match slot.lease.start_transaction(stmt.sql.clone(), limit).await {
                Err(error) if self.cluster.try_again(&mut slot.lease, Tried::Call, &error, &mut tries).await => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        self.core.trx.progress = Progress::Loose;
        Ok(())
    }

    /// Commits the transaction. With autocommit off the next one is open afterwards, for another server to run.
    ///
    /// Without a transaction that is bound to a server (`trx_stickiness` off), the server used last is told. When no statement
    /// has run since the start, there is nothing to tell anybody.
    ///
    /// # Errors
    ///
    /// The server's: a refused `COMMIT` has undone the transaction (as the original, `classic` goes on as if it were open);
    /// [`Error::TransactionLost`] when its connection is gone, so
    /// that it was rolled back. When the connection breaks now or no answer comes within 30 seconds nobody knows whether
    /// it was committed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future leaves open whether the transaction was committed. The connection is closed.
    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.end(End::Commit).await
    }

    /// Rolls the transaction back; otherwise as [`commit`](Self::commit).
    ///
    /// # Errors
    ///
    /// The server's. In `strict` a lost connection is none: the server has rolled back.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the connection is closed, which rolls back.
    pub async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        self.end(End::Rollback).await
    }

    /// Whether a transaction was started, or is implied by autocommit being off.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.core.trx.is_open()
    }

    /// Ends the transaction, one way or the other.
    pub(crate) async fn end(&mut self, how: End) -> Result<(), sqlx::Error> {
        self.end_by(how, Event::Commit).await
    }

    /// The same, for a reason.
    async fn end_by(&mut self, how: End, event: Event) -> Result<(), sqlx::Error> {
        self.take_in_spare();
        let Self { cluster, slots, core } = self;
        let strict = cluster.inner.rules.is_strict() || core.trx.guarded;
        if let Some(server) = core.trx.lost.take() {
            return if how == End::Commit { Err(lost(cluster, server).into()) } else { Ok(()) };
        }
        let bound = core.trx.bound();
        let target = match core.trx.progress {
            Progress::Begun(_) => None,
            Progress::Bound(server) => Some(server),
            _ => core.last_used,
        };
        let Some(slot) = target.and_then(|server| slots.use_now(server)) else {
            // Nothing ran, or nothing is left of where it ran.
            core.trx.end();
            return match bound {
                Some(server) if strict && how == End::Commit => Err(lost(cluster, server).into()),
                _ => Ok(()),
            };
        };
        slot.lease.settle(SETTLE_LIMIT).await;
        if strict && !slot.lease.is_ready() {
            let server = slot.server;
            slots.remove(server);
            if bound.is_none() {
                return Ok(());
            }
            core.trx.lose();
            return if how == End::Commit { Err(lost(cluster, server).into()) } else { Ok(()) };
        }
        let mut counted = None;
        if how == End::Commit && cluster.counts_commit(core, slot) {
            match Box::pin(cluster.count_ahead(core, &mut slot.lease, event)).await {
                Ok(ahead) => counted = Some(ahead),
                Err(error) => {
                    if strict && !slot.lease.is_ready() {
                        let server = slot.server;
                        slots.remove(server);
                        core.trx.lose();
                    }
                    return Err(error.into());
                }
            }
        }
        let tried = if how == End::Commit { Tried::Commit } else { Tried::Call };
        let mut tries = Tries::default();
        let ended = loop {
            match slot.lease.end_transaction(how, END_LIMIT).await {
                Err(error) if cluster.try_again(&mut slot.lease, tried, &error, &mut tries).await => {}
                ended => break ended,
            }
        };
        if let Err(error) = ended {
            if strict && !slot.lease.is_ready() {
                // It is told now; what there was is gone one way or the other.
                let server = slot.server;
                slots.remove(server);
                core.trx.lose();
                if how == End::Rollback {
                    return Ok(());
                }
            } else if strict && how == End::Commit {
                // A `COMMIT` that is refused has undone the transaction (measured on both families, `transient.rs`).
                core.trx.end();
            }
            return Err(error);
        }
        counted.into_iter().for_each(Counted::keep);
        let server = slot.server;
        if how == End::Commit && cluster.inner.rules.is_strict() && cluster.member(server).role == Role::Primary {
            slot.lease.note_write();
            let debt = Debt::written(server, &slot.lease);
            core.written_mut(cluster).owe(debt);
        }
        core.trx.end();
        Ok(())
    }
}
