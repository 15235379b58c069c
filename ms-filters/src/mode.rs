//! How far a cluster leaves its primaries.
//!
//! A service that moves to a router does not have to trust it at once. The modes are the steps on the way, from an emergency
//! brake to full use:
//!
//! - `PrimaryOnly`: nothing runs on a replica, whoever asks;
//! - `Observe`: the same, and each decision says where the statement would have gone;
//! - `OptIn`: replicas run what asks for them, by a hint or as a read-only transaction;
//! - `Auto`: replicas run what may run there.
//!
//! A mode does not change what a statement is or what filters make of it. It comes last: what was about to go to a replica
//! goes to a primary instead, and the decision names the mode as the reason. Only where the filters have left no primary for
//! such a statement do all configured primaries stand in, because a brake that fails where it is needed is none; rules for
//! tables are kept even then, for elsewhere the table may not exist.

use crate::{
    reason::Reason,
    request::{Request, Transaction},
};

/// How far a cluster leaves its primaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Replicas run what may run there.
    #[default]
    Auto,
    /// Replicas run what asks for them: a hint, an executor made for replicas, a read-only transaction.
    OptIn,
    /// Primaries run everything; decisions say where it would have gone.
    Observe,
    /// Primaries run everything.
    PrimaryOnly,
}

/// Why the mode lets a statement not even try a replica, if that is so; `hinted` is whether a hint is what sends it there.
pub(crate) fn keeps_on_primaries(request: &Request<'_>, hinted: bool) -> Option<Reason> {
    match request.settings.mode {
        Mode::Auto | Mode::Observe => None,
        Mode::PrimaryOnly => Some(Reason::ModePrimaryOnly),
        Mode::OptIn => {
            let asked = hinted || request.transaction == Transaction::Begun { read_only: true };
            (!asked).then_some(Reason::ModeOptIn)
        }
    }
}
