//! What happens when all faults are over: servers are back, owners at their end, and recovery runs until there is nothing to do.

use ms_xa::{Outcome, StateStore};

use super::{Fate, Health, Owner, Recoverer, Statement, Told, World, now};

/// More runs than any fault should need.
const RUNS: usize = 6;

impl World {
    /// Brings everything to its end and says what is wrong with it.
    pub(crate) fn conclude(&mut self, owner: &mut Owner) -> Result<(), String> {
        while owner.step(self) {}
        self.health = Health::Well;
        for server in &mut self.servers {
            server.restart();
        }
        if self.plan.has_store {
            self.recover();
            // Whatever is still on its way comes when everything is over, and must do no harm any more.
            self.deliver_late();
            self.recover();
        } else {
            self.deliver_late();
            owner.close_all(self);
            self.operate(owner.told.as_ref());
        }
        self.judge(owner.told.as_ref())
    }

    fn recover(&mut self) {
        self.ask_verdict();
        for _ in 0..RUNS {
            self.let_lease_end();
            if now(self.store.recoverable(None, 1)).unwrap().is_empty() {
                return;
            }
            let mut recoverer = Recoverer::new("last");
            while recoverer.step(self, None) {}
        }
    }

    /// Without a store a person brings what is prepared to its end: as it was told, or as others have ended.
    fn operate(&mut self, told: Option<&Told>) {
        let committed = self.branches().any(|it| self.fate(it) == Fate::Committed)
            || matches!(told, Some(Told::Outcome(Outcome::Committed { .. })));
        for branch in self.branches() {
            let xid = self.xid(branch).clone();
            if self.fate(branch) == Fate::Prepared {
                self.servers[branch.index()].settle();
                let session = self.servers[branch.index()].connect().unwrap();
                let statement = if committed { Statement::Commit(xid) } else { Statement::RollBack(xid) };
                self.run(branch.index(), session, &statement).unwrap();
            }
        }
    }
}
