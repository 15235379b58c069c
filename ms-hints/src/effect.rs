//! What a statement leaves behind on the connection that ran it.
//!
//! A pooled connection that comes back with an open transaction, a lock or a changed variable is a trap for whoever
//! gets it next, and no SQL resets a session. So the pool asks, for every statement: is the connection afterwards as it
//! was? [`Effect::is_clean`] says yes for reads, plain data changes, definitions of tables and ended transactions, and
//! no for everything it does not know.
//!
//! The same answer tells a router in `strict` mode what the original learnt from API calls only: that a transaction
//! begins, ends, or is ended by a statement that commits implicitly.

mod set; // the many things that `SET` sets

use core::{fmt, ops};

use crate::{
    Cause, Options, Protocol,
    functions::Class,
    hint,
    scan::{Kind, Scanner, Token, key},
    walk::{Event, Walk},
};

/// What a statement does to the transaction and the session it runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Effect {
    /// What happens to the transaction.
    pub transaction: Transaction,
    /// `SET autocommit`: the new value.
    pub autocommit: Option<bool>,
    /// What is different on the connection afterwards.
    pub state: State,
}

/// What a statement does to the transaction it runs in, if it succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transaction {
    /// Nothing.
    #[default]
    None,
    /// Commits what is open and opens one. `read_only` is `None` where the text leaves it to the session.
    Begin {
        /// `READ ONLY` or `READ WRITE`.
        read_only: Option<bool>,
    },
    /// Commits.
    Commit {
        /// `AND CHAIN`: the next transaction is open already.
        chain: bool,
        /// `RELEASE`: the server closes the connection.
        release: bool,
    },
    /// Rolls back all of it.
    Rollback {
        /// `AND CHAIN`: the next transaction is open already.
        chain: bool,
        /// `RELEASE`: the server closes the connection.
        release: bool,
    },
    /// Sets, releases or goes back to a savepoint; the transaction stays.
    Savepoint,
    /// Commits what is open, as definitions of tables do.
    ImplicitCommit,
}

/// A set of changes to a connection.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct State(u16);

impl Effect {
    /// No effect at all.
    pub const NONE: Effect = Effect { transaction: Transaction::None, autocommit: None, state: State::NONE };

    /// Whether a connection that was clean before is clean afterwards: no transaction open, autocommit on, no state.
    ///
    /// # Examples
    ///
    /// ```
    /// use ms_hints::{Options, Statement};
    ///
    /// let clean = |sql: &str| Statement::parse(sql.as_bytes(), &Options::default()).effect().is_clean();
    /// assert!(clean("INSERT INTO orders VALUES (1)"));
    /// assert!(!clean("SET time_zone = '+00:00'"));
    /// ```
    #[must_use]
    pub fn is_clean(self) -> bool {
        self.state.is_empty() && self.autocommit != Some(false) && !self.transaction.leaves_open()
    }

    /// Whether nothing but the default database differs afterwards, which a pool can restore.
    #[must_use]
    pub fn only_changes_database(self) -> bool {
        self.state == State::DATABASE && Effect { state: State::NONE, ..self }.is_clean()
    }

    /// The same but for the transaction and autocommit.
    #[must_use]
    pub fn state_only(self) -> Self {
        Effect::state(self.state)
    }

    fn state(state: State) -> Self {
        Effect { state, ..Effect::NONE }
    }

    fn transaction(transaction: Transaction) -> Self {
        Effect { transaction, ..Effect::NONE }
    }

    /// This effect and then the other.
    fn then(self, next: Effect) -> Self {
        let transaction = match next.transaction {
            Transaction::None | Transaction::Savepoint if self.transaction != Transaction::None => self.transaction,
            other => other,
        };
        Effect { transaction, autocommit: next.autocommit.or(self.autocommit), state: self.state | next.state }
    }
}

impl Transaction {
    /// Whether a transaction is open afterwards on a connection that had none, or the connection is gone.
    fn leaves_open(self) -> bool {
        match self {
            Transaction::None | Transaction::Savepoint | Transaction::ImplicitCommit => false,
            Transaction::Begin { .. } => true,
            Transaction::Commit { chain, release } | Transaction::Rollback { chain, release } => chain || release,
        }
    }
}

impl State {
    /// Nothing.
    pub const NONE: State = State(0);
    /// A variable of the session, the character set or the role.
    pub const SESSION_VARIABLE: State = State(1 << 0);
    /// A user variable.
    pub const USER_VARIABLE: State = State(1 << 1);
    /// A variable of the whole server, or a setting for new sessions.
    pub const GLOBAL_VARIABLE: State = State(1 << 2);
    /// `SET TRANSACTION`: how later transactions run.
    pub const TRANSACTION_SETTING: State = State(1 << 3);
    /// A temporary table came or went.
    pub const TEMPORARY_TABLE: State = State(1 << 4);
    /// A lock was taken that outlives the statement.
    pub const LOCK: State = State(1 << 5);
    /// Such locks were given back.
    pub const UNLOCK: State = State(1 << 6);
    /// The default database.
    pub const DATABASE: State = State(1 << 7);
    /// A statement was prepared, run or dropped by SQL text.
    pub const PREPARED: State = State(1 << 8);
    /// A branch of a distributed transaction.
    pub const XA: State = State(1 << 9);
    /// Anything: a procedure, an unknown function or statement, several statements at once.
    pub const UNKNOWN: State = State(1 << 10);

    /// A setting that applications choose once for all they do, given by a literal: time zone, SQL mode, isolation level, time
    /// limits, character set. The same text gives it to another connection.
    pub const SETTING: State = State(1 << 11);

    const NAMES: [(State, &'static str); 12] = [
        (State::SESSION_VARIABLE, "session variable"),
        (State::USER_VARIABLE, "user variable"),
        (State::GLOBAL_VARIABLE, "global variable"),
        (State::TRANSACTION_SETTING, "transaction setting"),
        (State::TEMPORARY_TABLE, "temporary table"),
        (State::LOCK, "lock"),
        (State::UNLOCK, "unlock"),
        (State::DATABASE, "default database"),
        (State::PREPARED, "prepared statement"),
        (State::XA, "XA branch"),
        (State::UNKNOWN, "unknown"),
        (State::SETTING, "setting"),
    ];

    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of `other` changed.
    #[must_use]
    pub const fn intersects(self, other: State) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of `other` changed.
    #[must_use]
    pub const fn contains(self, other: State) -> bool {
        self.0 & other.0 == other.0
    }

    /// The changes in words, such as `lock`; for messages and counters.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        State::NAMES.iter().filter(move |(state, _)| self.contains(*state)).map(|(_, name)| *name)
    }
}

impl ops::BitOr for State {
    type Output = State;

    fn bitor(self, other: State) -> State {
        State(self.0 | other.0)
    }
}

impl ops::BitOrAssign for State {
    fn bitor_assign(&mut self, other: State) {
        *self = *self | other;
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The effect of all statements of a text.
pub(crate) fn of(sql: &[u8], options: &Options<'_>) -> Effect {
    let hints = hint::read(sql, options.compat);
    if hints.executable.is_some() {
        return Effect::state(State::UNKNOWN);
    }
    let mut scanner = Scanner::new(sql, hints.body, options.sql_mode);
    let mut effect = one(&mut scanner, options);
    loop {
        match scanner.peek_fine().kind {
            Kind::End => return effect,
            Kind::Punct(b';') => {
                scanner.next_fine();
            }
            _ if options.protocol == Protocol::Prepared => return effect,
            _ => {
                effect = effect.then(one(&mut scanner, options));
                // Nobody pins a connection in the middle of a text: where several statements do more than read and
                // write, what holds at the end depends on which of them succeeded.
                if effect != Effect::NONE {
                    effect.state |= State::UNKNOWN;
                }
            }
        }
    }
}

/// Which calls of unknown functions count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Any name before a parenthesis may be a call.
    Any,
    /// The same, but the names behind this `WITH` are tables.
    AnyBehindWith,
    /// Names before a parenthesis may be tables with their columns: only functions known to have an effect count.
    Known,
    /// The same, and user variables are set by being named, as in `LOAD DATA … (a, @b)`.
    KnownAndVariables,
}

/// The effect of the statement that begins here; the scanner goes behind its `;`.
fn one(scanner: &mut Scanner<'_>, options: &Options<'_>) -> Effect {
    let mut first = scanner.next_fine();
    while first.kind == Kind::Punct(b'(') {
        first = scanner.next_fine();
    }
    match first.kind {
        Kind::Word => {}
        Kind::End | Kind::Punct(b';') => return Effect::NONE,
        _ => {
            rest(scanner, Calls::Known, options);
            return Effect::state(State::UNKNOWN);
        }
    }
    // The verb looks ahead on a copy, so that the search for more begins right behind the first word.
    let (effect, calls) = verb(*scanner, first);
    effect.then(Effect::state(rest(scanner, calls, options)))
}

/// What the text mentions from here to the end of the statement.
fn rest(scanner: &mut Scanner<'_>, calls: Calls, options: &Options<'_>) -> State {
    let mut walk = if calls == Calls::AnyBehindWith { Walk::behind_with(scanner) } else { Walk::new(scanner) };
    let mut state = State::NONE;
    loop {
        state |= match walk.next(options.read_functions) {
            Event::End => return state,
            Event::Call(Some(Class::Lock), _) => State::LOCK,
            Event::Call(Some(Class::Unlock), _) => State::UNLOCK,
            Event::Call(None, _) if matches!(calls, Calls::Any | Calls::AnyBehindWith) => State::UNKNOWN,
            Event::Call(..) => State::NONE,
            Event::Certain(Cause::Assignment, _) => State::USER_VARIABLE,
            Event::Certain(Cause::Into, _) if walk.peek().kind == Kind::Variable => State::USER_VARIABLE,
            Event::Certain(Cause::Into | Cause::Locking | Cause::Sequence | Cause::InnerWrite, _) => State::NONE,
            Event::Certain(..) => State::UNKNOWN,
            Event::UserVariable if calls == Calls::KnownAndVariables => State::USER_VARIABLE,
            Event::UserVariable => State::NONE,
        };
    }
}

const ALTER: u64 = key(b"ALTER");
const ANALYZE: u64 = key(b"ANALYZE");
const BACKUP: u64 = key(b"BACKUP");
const BEGIN: u64 = key(b"BEGIN");
const CACHE: u64 = key(b"CACHE");
const CHAIN: u64 = key(b"CHAIN");
const CHANGE: u64 = key(b"CHANGE");
const CHECK: u64 = key(b"CHECK");
const CHECKSUM: u64 = key(b"CHECKSUM");
const COMMIT: u64 = key(b"COMMIT");
const CREATE: u64 = key(b"CREATE");
const DELETE: u64 = key(b"DELETE");
const DESC: u64 = key(b"DESC");
const DESCRIBE: u64 = key(b"DESCRIBE");
const DO: u64 = key(b"DO");
const DROP: u64 = key(b"DROP");
const EXECUTE: u64 = key(b"EXECUTE");
const EXPLAIN: u64 = key(b"EXPLAIN");
const EXPORT: u64 = key(b"EXPORT");
const FLUSH: u64 = key(b"FLUSH");
const GET: u64 = key(b"GET");
const GRANT: u64 = key(b"GRANT");
const HELP: u64 = key(b"HELP");
const IMPORT: u64 = key(b"IMPORT");
const INDEX: u64 = key(b"INDEX");
const INSERT: u64 = key(b"INSERT");
const INSTALL: u64 = key(b"INSTALL");
const KILL: u64 = key(b"KILL");
const LOAD: u64 = key(b"LOAD");
const LOCAL: u64 = key(b"LOCAL");
const LOCK: u64 = key(b"LOCK");
const NO: u64 = key(b"NO");
const ONLY: u64 = key(b"ONLY");
const OPTIMIZE: u64 = key(b"OPTIMIZE");
const OR: u64 = key(b"OR");
const PREPARE: u64 = key(b"PREPARE");
const PURGE: u64 = key(b"PURGE");
const READ: u64 = key(b"READ");
const RECOVER: u64 = key(b"RECOVER");
const RELEASE: u64 = key(b"RELEASE");
const RENAME: u64 = key(b"RENAME");
const REPAIR: u64 = key(b"REPAIR");
const REPLACE: u64 = key(b"REPLACE");
const RESET: u64 = key(b"RESET");
const REVOKE: u64 = key(b"REVOKE");
const ROLLBACK: u64 = key(b"ROLLBACK");
const SELECT: u64 = key(b"SELECT");
const SET: u64 = key(b"SET");
const SHOW: u64 = key(b"SHOW");
const SIGNAL: u64 = key(b"SIGNAL");
const START: u64 = key(b"START");
const STOP: u64 = key(b"STOP");
const TABLE: u64 = key(b"TABLE");
const TO: u64 = key(b"TO");
const TRUNCATE: u64 = key(b"TRUNCATE");
const UNLOCK: u64 = key(b"UNLOCK");
const UPDATE: u64 = key(b"UPDATE");
const USE: u64 = key(b"USE");
const VALUES: u64 = key(b"VALUES");
const WITH: u64 = key(b"WITH");
const WORK: u64 = key(b"WORK");
const WRITE: u64 = key(b"WRITE");
const XA: u64 = key(b"XA");

const COMMITS: Effect = Effect { transaction: Transaction::ImplicitCommit, ..Effect::NONE };

/// What the first words of a statement say. `ahead` stands behind `first`.
pub(crate) fn verb(mut ahead: Scanner<'_>, first: Token) -> (Effect, Calls) {
    let effect = match ahead.key(first) {
        SELECT | TABLE | VALUES | EXPLAIN | DESC | DESCRIBE | DO => return (Effect::NONE, Calls::Any),
        WITH => return (Effect::NONE, Calls::AnyBehindWith),
        INSERT | REPLACE | UPDATE | DELETE | SHOW | HELP | KILL | CHECKSUM | PURGE | SIGNAL => Effect::NONE,
        SET => return set::effect(ahead),
        BEGIN => begin(ahead),
        START => start(ahead),
        COMMIT => {
            let (chain, release) = endings(ahead);
            Effect::transaction(Transaction::Commit { chain, release })
        }
        ROLLBACK => rollback(ahead),
        RELEASE => Effect::transaction(Transaction::Savepoint),
        XA if ahead.key(ahead.peek_fine()) == RECOVER => Effect::NONE,
        XA => Effect::state(State::XA),
        CREATE => create(ahead),
        DROP => {
            let what = ahead.next_fine();
            if ahead.is_word(what, "TEMPORARY") {
                Effect::state(State::TEMPORARY_TABLE)
            } else if ahead.key(what) == PREPARE {
                Effect::state(State::PREPARED)
            } else {
                COMMITS
            }
        }
        ALTER | RENAME | TRUNCATE | GRANT | REVOKE | OPTIMIZE | REPAIR | CHECK | CACHE | RESET | INSTALL | CHANGE
        | STOP | IMPORT => COMMITS,
        // `ANALYZE TABLE` commits; MariaDB's `ANALYZE SELECT` runs what it analyzes.
        ANALYZE => match ahead.key(ahead.peek_fine()) {
            TABLE | LOCAL => COMMITS,
            0 => COMMITS, // NO_WRITE_TO_BINLOG
            _ => return (Effect::NONE, Calls::Any),
        },
        LOAD if ahead.key(ahead.peek_fine()) == INDEX => COMMITS,
        LOAD => return (Effect::NONE, Calls::KnownAndVariables),
        FLUSH if mentions(ahead, &[LOCK, EXPORT]) => COMMITS.then(Effect::state(State::LOCK)),
        FLUSH => COMMITS,
        LOCK => COMMITS.then(Effect::state(State::LOCK)),
        UNLOCK => COMMITS.then(Effect::state(State::UNLOCK)),
        BACKUP => Effect::state(State::LOCK),
        USE => Effect::state(State::DATABASE),
        PREPARE => Effect::state(State::PREPARED),
        EXECUTE => Effect::state(State::PREPARED | State::UNKNOWN),
        GET => Effect::state(State::USER_VARIABLE), // GET DIAGNOSTICS @a = …
        _ if ahead.is_word(first, "SAVEPOINT") => Effect::transaction(Transaction::Savepoint),
        _ if ahead.is_word(first, "DEALLOCATE") => Effect::state(State::PREPARED),
        _ if ahead.is_word(first, "UNINSTALL") => COMMITS,
        _ => Effect::state(State::UNKNOWN), // CALL, HANDLER, BINLOG, whatever comes
    };
    (effect, Calls::Known)
}

/// `BEGIN [WORK]`; anything else behind it makes it a block of statements.
fn begin(mut ahead: Scanner<'_>) -> Effect {
    let mut token = ahead.next_fine();
    if ahead.key(token) == WORK {
        token = ahead.next_fine();
    }
    match token.kind {
        Kind::End | Kind::Punct(b';') => Effect::transaction(Transaction::Begin { read_only: None }),
        _ => Effect::state(State::UNKNOWN),
    }
}

/// `START TRANSACTION …`; `START REPLICA` and its like commit.
fn start(mut ahead: Scanner<'_>) -> Effect {
    let what = ahead.next_fine();
    if !ahead.is_word(what, "TRANSACTION") {
        return COMMITS;
    }
    let mut read_only = None;
    let mut before = 0;
    loop {
        let token = ahead.next_fine();
        let key = match token.kind {
            Kind::Word => ahead.key(token),
            Kind::Punct(b',') => 0,
            _ => return Effect::transaction(Transaction::Begin { read_only }),
        };
        match (before, key) {
            (READ, ONLY) => read_only = Some(true),
            (READ, WRITE) => read_only = Some(false),
            _ => {}
        }
        before = key;
    }
}

fn rollback(mut ahead: Scanner<'_>) -> Effect {
    let (chain, release) = endings(ahead);
    let mut token = ahead.next_fine();
    if ahead.key(token) == WORK {
        token = ahead.next_fine();
    }
    if ahead.key(token) == TO {
        return Effect::transaction(Transaction::Savepoint);
    }
    Effect::transaction(Transaction::Rollback { chain, release })
}

/// `AND [NO] CHAIN` and `[NO] RELEASE`, as (chain, release).
fn endings(mut ahead: Scanner<'_>) -> (bool, bool) {
    let (mut chain, mut release) = (false, false);
    let mut before = 0;
    loop {
        let token = ahead.next_fine();
        if token.kind != Kind::Word {
            return (chain, release);
        }
        let key = ahead.key(token);
        match key {
            CHAIN => chain = before != NO,
            RELEASE => release = before != NO,
            _ => {}
        }
        before = key;
    }
}

/// `CREATE [OR REPLACE] TEMPORARY` leaves the transaction alone, every other `CREATE` commits.
fn create(mut ahead: Scanner<'_>) -> Effect {
    let mut token = ahead.next_fine();
    if ahead.key(token) == OR {
        ahead.next_fine();
        token = ahead.next_fine();
    }
    if ahead.is_word(token, "TEMPORARY") { Effect::state(State::TEMPORARY_TABLE) } else { COMMITS }
}

/// Whether the rest of the statement holds one of these words.
fn mentions(mut ahead: Scanner<'_>, words: &[u64]) -> bool {
    loop {
        let token = ahead.next_fine();
        match token.kind {
            Kind::End | Kind::Punct(b';') => return false,
            Kind::Word if words.contains(&ahead.key(token)) => return true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compat, Statement};

    const BEGIN: Transaction = Transaction::Begin { read_only: None };

    #[test]
    fn reads_and_plain_changes_have_none() {
        for sql in [
            "SELECT 1",
            "SELECT a FROM t FOR UPDATE",
            "SELECT LAST_INSERT_ID(), FOUND_ROWS(), MASTER_POS_WAIT('a', 4)",
            "SELECT a INTO OUTFILE '/tmp/x' FROM t",
            "INSERT INTO t (a, b) VALUES (1, f(2))",
            "INSERT INTO t SELECT @a",
            "REPLACE t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "WITH a AS (SELECT 1) DELETE FROM t",
            "WITH a (b) AS (SELECT 1) SELECT b FROM a",
            "LOAD DATA INFILE 'x' INTO TABLE t (a, b)",
            "SHOW TABLES",
            "EXPLAIN SELECT 1",
            "DESC t",
            "DO SLEEP(1)",
            "KILL 5",
            "ANALYZE FORMAT=JSON SELECT 1",
            "SET STATEMENT a=1 FOR SELECT 1",
            "XA RECOVER",
            "",
            "SELECT 1; INSERT INTO t VALUES (1);",
            "/* x */ (SELECT 1)",
        ] {
            check(sql, Effect::NONE);
            assert!(effect_of(sql).is_clean(), "{sql}");
        }
    }

    #[test]
    fn transactions_begin() {
        check("BEGIN", Effect::transaction(BEGIN));
        check("begin work;", Effect::transaction(BEGIN));
        check("START TRANSACTION", Effect::transaction(BEGIN));
        check("START TRANSACTION WITH CONSISTENT SNAPSHOT", Effect::transaction(BEGIN));
        let begin = |read_only| Effect::transaction(Transaction::Begin { read_only: Some(read_only) });
        check("START TRANSACTION READ ONLY", begin(true));
        check("start/**/transaction\nwith consistent snapshot, read write", begin(false));
        assert!(!effect_of("BEGIN").is_clean());
    }

    #[test]
    fn blocks_are_no_transactions() {
        check("BEGIN NOT ATOMIC SET @a = 1; END", Effect::state(State::UNKNOWN));
        check("BEGIN SELECT 1", Effect::state(State::UNKNOWN));
    }

    #[test]
    fn transactions_end() {
        let commit = |chain, release| Effect::transaction(Transaction::Commit { chain, release });
        check("COMMIT", commit(false, false));
        check("COMMIT WORK", commit(false, false));
        check("COMMIT AND CHAIN", commit(true, false));
        check("COMMIT AND NO CHAIN NO RELEASE", commit(false, false));
        check("COMMIT RELEASE", commit(false, true));
        let rollback = |chain, release| Effect::transaction(Transaction::Rollback { chain, release });
        check("ROLLBACK", rollback(false, false));
        check("ROLLBACK WORK AND CHAIN", rollback(true, false));
        assert!(effect_of("COMMIT").is_clean());
        assert!(!effect_of("COMMIT AND CHAIN").is_clean());
        assert!(!effect_of("ROLLBACK RELEASE").is_clean());
    }

    #[test]
    fn savepoints_leave_the_transaction() {
        for sql in ["SAVEPOINT a", "RELEASE SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a"] {
            check(sql, Effect::transaction(Transaction::Savepoint));
        }
    }

    #[test]
    fn definitions_commit() {
        for sql in [
            "CREATE TABLE t (name VARCHAR(9))",
            "CREATE OR REPLACE VIEW v AS SELECT 1",
            "ALTER TABLE t ADD INDEX x (a)",
            "DROP TABLE t",
            "RENAME TABLE t TO u",
            "TRUNCATE t",
            "ANALYZE TABLE t",
            "ANALYZE NO_WRITE_TO_BINLOG TABLE t",
            "FLUSH LOGS",
            "GRANT ALL ON *.* TO a",
            "SET PASSWORD = 'x'",
            "SET DEFAULT ROLE a TO b",
            "LOAD INDEX INTO CACHE t",
            "START REPLICA",
            "UNINSTALL PLUGIN x",
        ] {
            check(sql, COMMITS);
            assert!(effect_of(sql).is_clean(), "{sql}");
        }
    }

    #[test]
    fn temporary_tables_do_not_commit() {
        for sql in [
            "CREATE TEMPORARY TABLE t (a INT)",
            "create or replace temporary table t (a INT)",
            "DROP TEMPORARY TABLE t",
        ] {
            check(sql, Effect::state(State::TEMPORARY_TABLE));
        }
    }

    #[test]
    fn autocommit_is_seen() {
        let set = |on| Effect { autocommit: Some(on), ..Effect::NONE };
        for sql in [
            "SET autocommit = 0",
            "set AUTOCOMMIT=OFF",
            "SET SESSION autocommit = false",
            "SET @@autocommit = 'off'",
            "SET @@session.autocommit := 0",
            "SET LOCAL `autocommit` = 0;",
            "SET autocommit = 1, autocommit = 0",
        ] {
            let assigned = if sql.contains(":=") { State::USER_VARIABLE } else { State::NONE };
            check(sql, Effect { state: assigned, ..set(false) });
            assert!(!effect_of(sql).is_clean(), "{sql}");
        }
        check("SET autocommit = 1", set(true));
        check("SET autocommit=ON", set(true));
        assert!(effect_of("SET autocommit = 1").is_clean());
        check("SET autocommit = @a", Effect::state(State::UNKNOWN));
        check("SET autocommit = 0 + 1", Effect::state(State::UNKNOWN));
        check("SET GLOBAL autocommit = 0", Effect::state(State::GLOBAL_VARIABLE));
        check("SET @autocommit = 0", Effect::state(State::USER_VARIABLE));
        check("SET a = (SELECT 1, 2), autocommit = 0", Effect { state: State::SESSION_VARIABLE, ..set(false) });
    }

    #[test]
    fn variables_are_sorted_by_whose_they_are() {
        check("SET unique_checks = 0", Effect::state(State::SESSION_VARIABLE));
        check("SET ROLE a", Effect::state(State::SESSION_VARIABLE));
        check("SET @a = 1, @`b` = 2", Effect::state(State::USER_VARIABLE));
        check("SELECT 1 INTO @a", Effect::state(State::USER_VARIABLE));
        check("SELECT @a := 1", Effect::state(State::USER_VARIABLE));
        check("UPDATE t SET a = (@a := a)", Effect::state(State::USER_VARIABLE));
        check("LOAD DATA INFILE 'x' INTO TABLE t (a, @b)", Effect::state(State::USER_VARIABLE));
        check("GET DIAGNOSTICS @a = NUMBER", Effect::state(State::USER_VARIABLE));
        check("SET GLOBAL a = 1", Effect::state(State::GLOBAL_VARIABLE));
        check("SET PERSIST_ONLY a = 1", Effect::state(State::GLOBAL_VARIABLE));
        check("SET @@global.a = 1, @b = 2", Effect::state(State::GLOBAL_VARIABLE | State::USER_VARIABLE));
        check("SET @@`a` = 1", Effect::state(State::UNKNOWN));
    }

    #[test]
    fn settings_that_mean_the_same_anywhere_stand_out() {
        for sql in [
            "SET time_zone = '+00:00'",
            "SET NAMES utf8mb4",
            "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'",
            "SET CHARACTER SET utf8",
            "SET SESSION sql_mode = 'ANSI', @@session.lock_wait_timeout = 5",
            "SET @@max_statement_time = DEFAULT",
            "SET `time_zone` = 'UTC'",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET tx_isolation = 'SERIALIZABLE'",
            "SET SESSION transaction_isolation = 'SERIALIZABLE'",
        ] {
            check(sql, Effect::state(State::SETTING));
        }
        for sql in [
            "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')",
            "SET time_zone = @zone",
            "SET lock_wait_timeout = (SELECT 1)",
        ] {
            assert!(!effect_of(sql).state.contains(State::SETTING), "{sql}");
            assert!(effect_of(sql).state.contains(State::SESSION_VARIABLE), "{sql}");
        }
        for sql in ["SET @@tx_isolation = 'SERIALIZABLE'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"] {
            check(sql, Effect::state(State::TRANSACTION_SETTING));
        }
        check("SET time_zone = 'UTC', @a = 1", Effect::state(State::SETTING | State::USER_VARIABLE));
    }

    #[test]
    fn settings_of_transactions_stand_out() {
        check("SET TRANSACTION READ ONLY", Effect::state(State::TRANSACTION_SETTING));
        check(
            "SET SESSION TRANSACTION READ WRITE, ISOLATION LEVEL SERIALIZABLE",
            Effect::state(State::TRANSACTION_SETTING),
        );
        check("SET transaction_read_only = 0", Effect::state(State::TRANSACTION_SETTING));
        let global = State::TRANSACTION_SETTING | State::GLOBAL_VARIABLE;
        check("SET GLOBAL TRANSACTION READ ONLY", Effect::state(global));
    }

    #[test]
    fn locks_are_seen() {
        check("LOCK TABLES t READ", Effect { state: State::LOCK, ..COMMITS });
        check("UNLOCK TABLES", Effect { state: State::UNLOCK, ..COMMITS });
        check("FLUSH TABLES WITH READ LOCK", Effect { state: State::LOCK, ..COMMITS });
        check("FLUSH TABLES t FOR EXPORT", Effect { state: State::LOCK, ..COMMITS });
        check("BACKUP STAGE START", Effect::state(State::LOCK));
        for sql in ["SELECT GET_LOCK('a', 1)", "DO get_lock ('a', 1)", "INSERT INTO t SELECT GET_LOCK('a', 1)"] {
            check(sql, Effect::state(State::LOCK));
        }
        check("SELECT RELEASE_ALL_LOCKS()", Effect::state(State::UNLOCK));
    }

    #[test]
    fn the_database_can_be_restored() {
        check("USE shop", Effect::state(State::DATABASE));
        assert!(effect_of("USE shop").only_changes_database());
        assert!(!effect_of("USE shop").is_clean());
        assert!(!effect_of("USE shop; SET @a = 1").only_changes_database());
        assert!(!effect_of("SELECT 1").only_changes_database());
    }

    #[test]
    fn everything_else_is_unknown() {
        for sql in
            ["CALL p()", "HANDLER t OPEN", "SELECT f()", "SELECT `abs`(1)", "DO f()", "whatever", "/*! SELECT 1 */"]
        {
            check(sql, Effect::state(State::UNKNOWN));
        }
        for sql in [
            "INSERT INTO t VALUES (1) /*! , (2) */",
            "SELECT 'a",
            "123",
            "EXPLAIN SELECT f(1)",
            "SET STATEMENT a=f() FOR SELECT 1",
        ] {
            check(sql, Effect::state(State::UNKNOWN));
        }
        check("PREPARE s FROM 'SELECT 1'", Effect::state(State::PREPARED));
        check("DEALLOCATE PREPARE s", Effect::state(State::PREPARED));
        check("DROP PREPARE s", Effect::state(State::PREPARED));
        check("EXECUTE s", Effect::state(State::PREPARED | State::UNKNOWN));
        check("XA START 'a'", Effect::state(State::XA));
    }

    #[test]
    fn several_statements_are_harmless_or_unknown() {
        check(
            "BEGIN; INSERT INTO t VALUES (1); COMMIT",
            Effect {
                state: State::UNKNOWN,
                ..Effect::transaction(Transaction::Commit { chain: false, release: false })
            },
        );
        check("BEGIN; SAVEPOINT a", Effect { state: State::UNKNOWN, ..Effect::transaction(BEGIN) });
        check("INSERT INTO t VALUES (1); SET @a = 1", Effect::state(State::UNKNOWN | State::USER_VARIABLE));
        let prepared = Options { protocol: Protocol::Prepared, compat: Compat::Classic, ..Options::default() };
        let statement = Statement::parse(b"SELECT 1; SET @a = 1", &prepared);
        assert_eq!(statement.effect(), Effect::NONE);
    }

    /// Classic judges them by their bytes alone, and has to look where there is white space in front.
    #[test]
    fn a_plain_select_is_told_apart_by_its_bytes() {
        let classic = Options { compat: Compat::Classic, ..Options::default() };
        let effect = |sql: &str| Statement::parse(sql.as_bytes(), &classic).effect();
        for sql in ["SELECT", "SELECT a, t.b FROM t WHERE c >= 1 AND d = ?", "SELECT a FROM t FOR UPDATE"] {
            assert_eq!(effect(sql), Effect::NONE, "{sql}");
            assert_eq!(effect(&alloc::format!(" {sql}")), Effect::NONE, "{sql}");
        }
        for sql in ["SELECT a FROM t WHERE f(1)", "SELECT 1; COMMIT", "SELECT 1 INTO @a", "SELECT 1 /*! */", "SELECT.5"]
        {
            assert_ne!(effect(sql), Effect::NONE, "{sql}");
            assert_eq!(effect(sql), effect(&alloc::format!(" {sql}")), "{sql}");
        }
    }

    #[test]
    fn own_functions_are_harmless() {
        let classic = Options { compat: Compat::Classic, ..Options::default() };
        let statement = Statement::parse(b"SELECT price(1)", &classic);
        assert_eq!(statement.effect(), Effect::state(State::UNKNOWN));
        assert_eq!(statement.effect_with(&["price"]), Effect::NONE);
    }

    #[test]
    fn states_have_names() {
        assert!((State::LOCK | State::XA).names().eq(["lock", "XA branch"]));
        assert_eq!(alloc::format!("{:?}", State::LOCK | State::XA), r#"{"lock", "XA branch"}"#);
    }

    fn effect_of(sql: &str) -> Effect {
        Statement::parse(sql.as_bytes(), &Options::default()).effect()
    }

    #[track_caller]
    fn check(sql: &str, expected: Effect) {
        assert_eq!(effect_of(sql), expected, "{sql}");
        let classic = Options { compat: Compat::Classic, ..Options::default() };
        assert_eq!(Statement::parse(sql.as_bytes(), &classic).effect(), expected, "{sql} (classic)");
    }
}
