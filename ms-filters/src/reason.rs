//! Why a step of a decision was taken: one byte in memory, a stable code in JSON, a sentence for people.

use std::fmt::{self, Display};

/// Declares the reasons once, so that variant, code and sentence cannot drift apart.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// Why a step of a decision was taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* #[doc = concat!("`", $code, "`: ", $sentence, ".")] $name,)*
        }

        impl Reason {
            /// Every reason there is, for tables in documentation and tests.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];

            /// A short name that never changes, for JSON and logs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// The same for people, without a full stop.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Reason::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    // What the statement is.
    Read = "read", "its text only reads";
    Write = "write", "its text writes, or may";
    Follow = "follow", "it speaks of the statement before it and belongs to that connection";
    FollowNothing = "follow_nothing", "it speaks of the statement before it and there was none";
    HintPrimary = "hint_primary", "a hint asks for a primary";
    HintReplica = "hint_replica", "a hint asks for a replica";
    HintLastUsed = "hint_last_used", "a hint asks for the connection used last";
    SplitDisabled = "split_disabled", "read-write splitting is off";

    // What the session makes of it.
    LevelLeftNoReplica = "level_left_no_replica", "no replica meets the service level, a primary does";
    TransactionOnPrimary = "transaction_on_primary", "a transaction keeps to one primary";
    TransactionReads = "transaction_reads", "a read-only transaction may use a replica";
    Pinned = "pinned", "the transaction is bound to its server";
    HeldTable = "held_table", "the session has a temporary table there";
    HeldLock = "held_lock", "the session has a lock there";
    HeldVariable = "held_variable", "it mentions a variable that the session has set there";
    HeldSetting = "held_setting", "the session has changed a setting there";
    HeldPrepared = "held_prepared", "the session has prepared a statement by name there";
    HeldUnknown = "held_unknown", "the session has run something there that may have left anything";
    AfterWrite = "after_write", "the session has written before and reads from primaries since";

    ModePrimaryOnly = "mode_primary_only", "the mode keeps everything on the primaries";
    ModeOptIn = "mode_opt_in", "the mode wants it to ask for a replica, and it does not";
    ModeObserve = "mode_observe", "the mode only observes where it would have gone, and a primary runs it";

    // What filters do.
    Unchanged = "unchanged", "every candidate stays";
    Narrowed = "narrowed", "some candidates were taken away";
    Random = "random", "drawn at random";
    RandomWeighted = "by_weight", "drawn at random by weight";
    Sticky = "sticky", "drawn before from the same candidates and kept";
    Turn = "turn", "its turn";
    TurnWeighted = "turn_by_weight", "its turn by weight";
    Only = "only", "the only candidate left";
    Standby = "standby", "a standby, and every other candidate was tried";
    Own = "own", "a filter's own choice";
    Group = "group", "a comment names this group of servers";
    NoTable = "no_table", "it names no table";
    TableRules = "table_rules", "the rules for its tables name these servers";
    TablesUnknown = "tables_unknown", "its tables are not known, so it may run only on servers that every rule names";
    LevelEventual = "level_eventual", "the service level allows any server";
    LevelLag = "level_lag", "the service level asks for replicas that trail by no more than it allows";
    LevelSession = "level_session", "the service level asks for servers that surely have what the session wrote";
    LevelReached = "level_reached", "the service level asks for servers that have what the session must see, and these are known to";
    LevelStale = "level_stale", "no server of these is known to have what the session must see, and the past will do now";
    LevelStays = "level_stays", "the session has read there before, and this server has what it must see";
    LevelNothingToSee = "level_nothing_to_see", "the session has written nothing that a server could lack";
    LevelStrong = "level_strong", "the service level asks for a primary";
    LevelReplaced = "level_replaced", "the session was given another service level";

    // What happened to servers.
    Opened = "opened", "a connection to it was opened";
    OpenFailed = "open_failed", "it could not be reached";
    Remembered = "remembered", "it failed before and is not tried again";
    LastResort = "last_resort", "it failed before and is tried all the same, nobody else is left";
    ToPrimaries = "to_primaries", "no replica could be used, so a primary takes the statement";
    NothingLeft = "nothing_left", "the filters left no server, so the primaries take the statement";

    // Why there is no server.
    NoReplica = "no_replica", "no replica is left to choose from";
    NoPrimary = "no_primary", "no primary is left to choose from";
    NoCandidate = "no_candidate", "the filters left no server";
    TableUnmatched = "table_unmatched", "no rule matches a table of it";
    TableWithoutDatabase = "table_without_database", "a table of it names no database and there is no default one";
    TableWithoutServer = "table_without_server", "the rules leave its tables no server";
    TableWithoutPrimary = "table_without_primary", "the rules leave its tables no primary";
    TableWithoutReplica = "table_without_replica", "the rules leave its tables no replica";
    NoLastUsed = "no_last_used", "no connection was used before";
    NoneUsable = "none_usable", "every candidate failed before and is remembered for it";
    PinnedLost = "pinned_lost", "the connection its transaction runs on is gone";
    AskedTwice = "asked_twice", "a filter asked for facts a second time";
    NotACandidate = "not_a_candidate", "a filter picked a server that is no candidate";
    CallbackMissing = "callback_missing", "no callback is registered under the name that a filter asks for";
    CallbackPanicked = "callback_panicked", "the callback of a filter panicked";
    CallbackAnswer = "callback_answer", "the callback of a filter gave no valid answer";
    CallbackUnknownServer = "callback_unknown_server", "the callback of a filter named a server that is no candidate";
    NothingPicked = "nothing_picked", "the last filter picked no server";
    OutOfTurn = "out_of_turn", "an outcome was reported that nothing had been asked for";
}

impl Reason {
    /// The code as it reads inside a line.
    pub(crate) fn label(self) -> impl Display {
        Label(self.code())
    }

    /// Whether it speaks of what the session has set up on a connection.
    #[must_use]
    pub fn is_held(self) -> bool {
        self.code().starts_with("held_")
    }

    /// Whether the name of the filter and the server it led to say it already.
    pub(crate) fn goes_without_saying(self) -> bool {
        matches!(
            self,
            Reason::Random | Reason::Turn | Reason::Only | Reason::Own | Reason::Unchanged | Reason::Narrowed
        )
    }
}

struct Label(&'static str);

impl Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, word) in self.0.split('_').enumerate() {
            let blank = if position == 0 { "" } else { " " };
            write!(f, "{blank}{word}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_stay_machine_readable() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|it| it.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|it| it.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
        assert!(Reason::ALL.iter().all(|it| !it.sentence().ends_with('.')));
    }

    #[test]
    fn a_reason_is_one_byte() {
        assert_eq!(size_of::<Reason>(), 1);
    }
}
