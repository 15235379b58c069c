//! Transactions over several servers.
//!
//! A global transaction commits on all of its servers or on none. So that this holds after a crash too, its state is
//! written to a [`StateStore`]; what a crash left behind is found there and finished by the garbage collection.

use std::num::NonZeroU16;

use crate::{Retries, StateStore};

/// How global transactions are kept and finished: `xa` of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Xa {
    /// What becomes of a transaction that is open when its connection closes.
    pub on_close: XaOnClose,
    /// Where the state is written; without it a crash leaves transactions for an operator to finish.
    pub state_store: Option<StateStore>,
    /// How the store is cleaned up; of no use without one.
    pub garbage_collection: XaGarbageCollection,
}

/// What becomes of a global transaction whose connection closes: `rollback_on_close`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum XaOnClose {
    /// It is rolled back; the default, as the manual had it.
    #[default]
    RollBack,
    /// It is only recorded as failed, for the garbage collection.
    RecordFailure,
}

/// How often and how thoroughly unfinished transactions are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaGarbageCollection {
    /// How often one transaction is tried before it is left to an operator: at most 100, 0 in the file for no limit;
    /// 5 unless configured.
    pub max_retries: Retries,
    /// How many of a thousand automatic runs take place; 5 unless configured.
    pub probability: u16,
    /// How many transactions one run looks at, at most 32768; 100 unless configured.
    pub max_transactions_per_run: NonZeroU16,
}

impl Default for XaGarbageCollection {
    fn default() -> Self {
        Self {
            max_retries: Retries::Limit(NonZeroU16::new(5).expect("five is not zero")),
            probability: 5,
            max_transactions_per_run: NonZeroU16::new(100).expect("a hundred is not zero"),
        }
    }
}
