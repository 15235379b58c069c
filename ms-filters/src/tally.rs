//! Which statistics a statement moves.
//!
//! The counters belong to the pool; which of them move is a matter of routing. The original counted while classifying,
//! and classified more than once in some filter chains. Here a statement is counted once.

use ms_hints::{Counts, Statement};

use crate::{
    request::{Settings, Split},
    server::Role,
};

/// What one statement adds to the original's counters. Complete when the last [`Step`](crate::Step) is out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// `use_slave`: a load balancer handed out a working replica.
    pub use_replica: u8,
    /// `use_master`: a load balancer handed out a working primary.
    pub use_primary: u8,
    /// `use_slave_guess`: classified as a read without a hint.
    pub use_replica_guess: u8,
    /// `use_master_guess`: classified as a write without a hint.
    pub use_primary_guess: u8,
    /// `use_slave_sql_hint`: hints for a replica seen, all of them.
    pub use_replica_sql_hint: u8,
    /// `use_master_sql_hint`: hints for a primary seen, all of them.
    pub use_primary_sql_hint: u8,
    /// `use_last_used_sql_hint`: hints for the last connection seen, all of them.
    pub use_last_used_sql_hint: u8,
    /// `use_slave_callback`: a filter that chooses by itself chose a replica.
    pub use_replica_callback: u8,
    /// `use_master_callback`: a filter that chooses by itself chose a primary.
    pub use_primary_callback: u8,
    /// `trx_master_forced`: `trx_stickiness` decided for a primary.
    pub trx_primary_forced: u8,
    /// Servers that were passed over because they failed before; this project's own counter.
    pub remembered: u8,
}

impl Tally {
    /// What classifying alone moves; `guess` is the role the text stands for.
    #[inline]
    pub(crate) fn of(statement: &Statement<'_>, settings: Settings, guess: Option<Role>) -> Self {
        let Counts { primary, replica, last_used, .. } = statement.counts;
        let splits = settings.split == Split::ReadsToReplicas;
        let mut tally = Tally {
            use_primary_sql_hint: primary,
            // With splitting off a hint for a replica is obeyed by nobody and counted by nobody.
            use_replica_sql_hint: if splits { replica } else { 0 },
            use_last_used_sql_hint: last_used,
            ..Tally::default()
        };
        match guess {
            Some(Role::Primary) if splits => tally.use_primary_guess = 1,
            Some(Role::Replica) if splits => tally.use_replica_guess = 1,
            _ => {}
        }
        tally
    }

    /// Whether none moves but those of the text and the load balancer.
    #[must_use]
    #[inline]
    pub fn is_simple(&self) -> bool {
        let hints = self.use_replica_sql_hint | self.use_primary_sql_hint | self.use_last_used_sql_hint;
        let others = self.use_replica_callback | self.use_primary_callback | self.trx_primary_forced | self.remembered;
        hints | others == 0
    }

    #[inline]
    pub(crate) fn used(&mut self, role: Role) {
        match role {
            Role::Primary => self.use_primary = 1,
            Role::Replica => self.use_replica = 1,
        }
    }

    pub(crate) fn chosen(&mut self, role: Role) {
        match role {
            Role::Primary => self.use_primary_callback = 1,
            Role::Replica => self.use_replica_callback = 1,
        }
    }
}
