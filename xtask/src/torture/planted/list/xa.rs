//! Mistakes in two-phase commit, which the simulated crashes have to notice.

use super::{Catcher, Edit, Mistake};

const COORDINATOR: &str = "ms-xa/src/coordinator.rs";
const RECOVERY: &str = "ms-xa/src/recovery.rs";
const MEMORY: &str = "ms-xa/src/memory.rs";

const MATRIX: Catcher = crashes("whatever_happens_there_is_one_outcome_and_it_is_the_decided_one");

const fn crashes(test: &'static str) -> Catcher {
    Catcher::Test(&["-p", "ms-xa", "--test", "crashes"], test)
}

pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "xa: the decision after the first commit",
        edits: &[Edit {
            file: COORDINATOR,
            from: "            self.ready.push(Action::Decide(Decision::Commit));\n        } else {",
            to: "            self.ready.extend([Action::Commit(self.live()[0]), Action::Decide(Decision::Commit)]);\n        } else {",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a decision without a fence",
        edits: &[Edit {
            file: MEMORY,
            from: "*row.record.decision.get_or_insert(decision)",
            to: "*row.record.decision.insert(decision)",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a recoverer without a fence",
        edits: &[Edit {
            file: RECOVERY,
            from: "None => it.ready.push(RecoveryAction::Claim),",
            to: "None => it.visit(Decision::Abort),",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: names are compared by their beginnings",
        edits: &[Edit {
            file: RECOVERY,
            from: "RecoveryAnswer::Listed(xids) => Some((at, xids.contains(&self.record.branches[at].xid))),",
            to: "RecoveryAnswer::Listed(xids) => {\nlet own = &self.record.branches[at].xid;\nSome((at, xids.iter().any(|it| it.global().starts_with(own.global()))))\n}",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: recovery goes to the wrong server",
        edits: &[Edit {
            file: RECOVERY,
            from: "(_, _) if is_listed => self.ready.push(RecoveryAction::RollBack(branch)),",
            to: "(_, _) if is_listed => self.ready.push(RecoveryAction::RollBack(self.record.branches[0].branch)),",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a living owner's transaction is rolled back",
        edits: &[Edit {
            file: MEMORY,
            from: "|| self.leased < now || late",
            to: "|| self.leased < now || late || true",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: an unknown branch counts as done",
        edits: &[Edit {
            file: RECOVERY,
            from: "self.steps[at] = Step::Asking(Held::Unknown);\n                self.ready.push(RecoveryAction::List(branch));",
            to: "self.settle(branch, settlement);",
        }],
        caught_by: crashes("an_operator_may_act_between_any_two_steps_of_recovery"),
    },
    Mistake {
        name: "xa: a branch that is not listed counts as committed",
        edits: &[Edit {
            file: RECOVERY,
            from: "(Some(Decision::Commit), _) => self.settle(branch, Settlement::Presumed),",
            to: "(Some(Decision::Commit), _) => self.settle(branch, Settlement::Committed),",
        }],
        caught_by: crashes("what_an_operator_rolled_back_is_never_called_committed"),
    },
    Mistake {
        name: "xa: a lost decision counts as refused",
        edits: &[Edit {
            file: COORDINATOR,
            from: "Answer::Refused(failure) if !again => self.roll_back(Why::Store(failure)),",
            to: "Answer::Refused(failure) | Answer::Lost(failure) => self.roll_back(Why::Store(failure)),",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a refusal after a lost decision counts as no decision",
        edits: &[Edit {
            file: COORDINATOR,
            from: "Answer::Refused(failure) if !again =>",
            to: "Answer::Refused(failure) =>",
        }],
        caught_by: crashes("a_store_that_has_written_the_decision_and_refuses_the_next_leaves_doubt"),
    },
    Mistake {
        name: "xa: a record that is gone after a lost decision counts as no decision",
        edits: &[Edit {
            file: COORDINATOR,
            from: "Answer::Decided(None) if !again =>",
            to: "Answer::Decided(None) =>",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a branch whose prepare was lost counts as gone",
        edits: &[Edit {
            file: COORDINATOR,
            from: "let left = self.all(|it| it.may_be_prepared && it.state != BranchState::RolledBack);",
            to: "let left = self.all(|it| it.line == Line::Open && it.state != BranchState::RolledBack);",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: decided when the first branch is prepared",
        edits: &[Edit {
            file: COORDINATOR,
            from: "} else if self.is_idle() {\n            self.decide();",
            to: "} else if self.ready.is_empty() {\n            self.decide();",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a commit that fails rolls back the others",
        edits: &[Edit {
            file: COORDINATOR,
            from: "            Err(trouble) => it.failure = Some(trouble.failure),\n        }\n        if !self.is_idle() {",
            to: "            Err(trouble) => return self.roll_back(Why::Participant(branch, trouble.failure)),\n        }\n        if !self.is_idle() {",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: one phase although another branch is on record",
        edits: &[Edit {
            file: COORDINATOR,
            from: "[branch] if !self.has_store || self.branches.iter().filter(|it| it.on_record).count() == 1 => {",
            to: "[branch] => {",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: an owner that is only slow may still prepare",
        edits: &[Edit {
            file: RECOVERY,
            from: "(Decision::Abort, _) => (Step::Asking(Held::Perhaps), RecoveryAction::EndOwner(it.branch)),",
            to: "(Decision::Abort, _) => (Step::Asking(Held::No), RecoveryAction::List(it.branch)),",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a record goes while a branch of it is not settled",
        edits: &[Edit { file: MEMORY, from: "row.record.branches.iter().all(|it| it.settled.is_some())", to: "true" }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a branch counts as rolled back before its server has written that down",
        edits: &[Edit {
            file: RECOVERY,
            from: "RecoveryAnswer::Done if settlement == Settlement::RolledBack => self.confirm(branch, settlement, false),",
            to: "",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: what its owner has rolled back counts as that for good",
        edits: &[Edit {
            file: RECOVERY,
            from: "confirming(it.branch, Settlement::RolledBack, true)",
            to: "settling(it.branch, Settlement::RolledBack)",
        }],
        caught_by: MATRIX,
    },
    Mistake {
        name: "xa: a branch is committed while its session is ending",
        edits: &[Edit {
            file: RECOVERY,
            from: "(_, Held::Perhaps) if is_listed => self.ready.push(RecoveryAction::EndOwner(branch)),",
            to: "",
        }],
        caught_by: MATRIX,
    },
];
