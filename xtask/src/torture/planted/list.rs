//! The mistakes, and what has to catch each.
//!
//! A mistake is an edit of the source, small enough to be made by somebody tired. Where two places guard the same thing a mistake
//! has to be made in both to show; then both edits stand here.

mod xa; // in two-phase commit

/// Every mistake.
pub(super) fn mistakes() -> impl Iterator<Item = &'static Mistake> {
    MISTAKES.iter().chain(xa::MISTAKES)
}

/// A mistake that somebody could make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mistake {
    pub(super) name: &'static str,
    pub(super) edits: &'static [Edit],
    pub(super) caught_by: Catcher,
}

/// A piece of a file, which occurs once, and what takes its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edit {
    pub(super) file: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// What has to fail.
#[derive(Debug, Clone, Copy)]
pub(super) enum Catcher {
    /// A test that needs no server: the arguments of `cargo test` that select its program, and its name.
    Test(&'static [&'static str], &'static str),
    /// A test of ms-pool beside a cluster: its program and its name.
    Cluster(&'static str, &'static str),
    /// `cargo xtask torture consistency`, for so many seconds.
    Torture(u32),
}

const TRANSACTION: &str = "ms-pool/src/transaction.rs";
const FRESH: &str = "ms-pool/src/positions/fresh.rs";

/// Replicas are taken for what they are not.
const UNPROVEN: Edit = Edit {
    file: "ms-pool/src/route/ready.rs",
    from: "|| slots.get(server).is_some_and(|slot| positions::is_proven(cluster, must, server, &slot.lease))",
    to: "|| slots.get(server).is_some()",
};

const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "wrong rung: the history is asked where the account may not read it",
        edits: &[Edit {
            file: "ms-gtid/src/source/probe.rs",
            from: "if let Some(Answer::Error(1044 | 1142 | 1227)) = table {",
            to: "if let Some(Answer::Error(1044 | 1227)) = table {",
        }],
        caught_by: Catcher::Test(&["-p", "ms-gtid", "--lib"], "mysql_falls_to_the_executed_set_and_says_why"),
    },
    Mistake {
        name: "wrong rung: what the history did not record counts as nothing written",
        edits: &[Edit {
            file: "ms-gtid/src/source/mysql_history.rs",
            from: "Ok(if set.is_empty() { Own::NotRecorded } else { Own::At(set.into()) })",
            to: "Ok(if set.is_empty() { Own::Nothing } else { Own::At(set.into()) })",
        }],
        caught_by: Catcher::Test(&["-p", "ms-gtid", "--lib"], "mysql_history_admits_what_it_did_not_record"),
    },
    Mistake {
        name: "`<` for `<=`: a server lacks what it has just reached (MariaDB)",
        edits: &[Edit {
            file: "ms-gtid/src/mariadb/set.rs",
            from: "is_some_and(|top| id.sequence <= *top)",
            to: "is_some_and(|top| id.sequence < *top)",
        }],
        caught_by: Catcher::Test(
            &["-p", "ms-gtid", "--test", "positions"],
            "a_failover_is_covered_along_the_primarys_history_and_a_loss_is_not",
        ),
    },
    Mistake {
        name: "`<` for `<=`: a count is not reached by itself",
        edits: &[Edit {
            file: "ms-gtid/src/position.rs",
            from: "known(position.counter <= self.counter, Coverage::Unknown)",
            to: "known(position.counter < self.counter, Coverage::Unknown)",
        }],
        caught_by: Catcher::Test(&["-p", "ms-gtid", "--test", "positions"], "every_kind_has_to_be_covered"),
    },
    Mistake {
        name: "forgotten wait: a replica is not given the time to get it",
        edits: &[Edit {
            file: "ms-pool/src/positions/wait.rs",
            from: "let _ = timeout_at(until + SHORTEST, woken).await;",
            to: "let _ = (until, woken);",
        }],
        caught_by: Catcher::Cluster("cluster_consistency_faults", "a_scope_reads_its_writes_wherever_they_are"),
    },
    Mistake {
        name: "forgotten wait: a replica that is behind is taken as it is",
        edits: &[
            Edit {
                file: FRESH,
                from: "if coverage == Coverage::Behind { Freshness::Behind }",
                to: "if coverage == Coverage::Behind { Freshness::Reached }",
            },
            UNPROVEN,
        ],
        caught_by: Catcher::Torture(30),
    },
    Mistake {
        name: "highest-number comparison: another server's higher number proves it",
        edits: &[Edit {
            file: "ms-gtid/src/position.rs",
            from: "Some(highest) if highest >= id.sequence => Coverage::Unknown,",
            to: "Some(highest) if highest >= id.sequence => Coverage::Reached,",
        }],
        caught_by: Catcher::Test(
            &["-p", "ms-gtid", "--test", "positions"],
            "a_failover_is_covered_along_the_primarys_history_and_a_loss_is_not",
        ),
    },
    Mistake {
        name: "evidence kept across a reconnect",
        edits: &[Edit {
            file: "ms-pool/src/positions/known.rs",
            from: "*self = Self { identity: Some(Arc::clone(identity)), ..Self::default() };",
            to: "self.identity = Some(Arc::clone(identity));",
        }],
        caught_by: Catcher::Test(&["-p", "ms-pool", "--lib"], "evidence_is_of_one_run_of_one_server"),
    },
    Mistake {
        name: "who answers behind the name is not looked at",
        edits: &[UNPROVEN],
        caught_by: Catcher::Cluster("cluster_swapped_faults", "who_answers_now_is_asked_what_it_has"),
    },
    Mistake {
        name: "a read is sent again to whoever answers at the name now",
        edits: &[Edit {
            file: "ms-pool/src/run.rs",
            from: "Ok(()) if will_do(&session.cluster, &session.core, &session.slots, server) => routed,",
            to: "Ok(()) if will_do(&session.cluster, &session.core, &session.slots, server) || true => routed,",
        }],
        caught_by: Catcher::Cluster("cluster_swapped_faults", "a_read_is_not_sent_again_to_somebody_else_as_it_is"),
    },
    Mistake {
        name: "a scope stays on a name, and not on a server",
        edits: &[Edit {
            file: FRESH,
            from: "stays.server == server && !stays.identity.is_same_run(lease.identity())",
            to: "stays.server == server && false && !stays.identity.is_same_run(lease.identity())",
        }],
        caught_by: Catcher::Cluster("cluster_swapped_faults", "a_scope_stays_on_a_server_and_not_on_a_name"),
    },
    Mistake {
        name: "read view ignored: with autocommit off each statement chooses its server",
        edits: &[
            Edit {
                file: TRANSACTION,
                from: "(Progress::Implied | Progress::Loose, _) => Told::Begun { read_only: false },",
                to: "(Progress::Loose, _) => Told::Begun { read_only: false },\n(Progress::Implied, _) => Told::None,",
            },
            Edit {
                file: TRANSACTION,
                from: "if begins || (matches!(self.progress, Progress::Implied) && stickiness != Stickiness::Disabled) {",
                to: "if begins && stickiness != Stickiness::Disabled {",
            },
        ],
        caught_by: Catcher::Cluster("cluster_consistency_faults", "an_open_read_view_is_no_evidence"),
    },
    Mistake {
        name: "lost position trusted: nobody asks the new primary",
        edits: &[Edit {
            file: "ms-pool/src/positions/lost.rs",
            from: "found.filter(|it| !it.is_empty())",
            to: "found.filter(|it| !it.is_empty() && false)",
        }],
        caught_by: Catcher::Cluster("cluster_lost_faults", "a_position_is_compared_with_what_the_new_primary_has"),
    },
    Mistake {
        name: "lost position trusted: who gets to the new primary by a hint compares nothing",
        edits: &[Edit {
            file: "ms-pool/src/positions/written.rs",
            from: "is_some_and(|home| home.is_surely_another(primary))",
            to: "is_some_and(|home| home.is_surely_another(primary) && false)",
        }],
        caught_by: Catcher::Cluster("cluster_lost_faults", "a_read_on_the_new_primary_is_told_what_it_lacks_once"),
    },
    Mistake {
        name: "a replica is believed that says that it lacks nothing",
        edits: &[Edit {
            file: "ms-pool/src/lag/bounded.rs",
            from: "if lag != Lag::at_most(Duration::ZERO) {",
            to: "if lag != Lag::at_most(Duration::ZERO) || true {",
        }],
        caught_by: Catcher::Cluster("cluster_lag_faults", "a_primary_that_hangs_proves_nothing_faults"),
    },
    Mistake {
        name: "a stale answer where nobody asked for one",
        edits: &[Edit {
            file: "ms-pool/src/positions/budget.rs",
            from: "(false, BeyondBudget::Stale) =>",
            to: "(false, BeyondBudget::Stale | BeyondBudget::Primary) =>",
        }],
        caught_by: Catcher::Cluster(
            "cluster_budget_faults",
            "unless_somebody_asks_for_less_the_primary_answers_and_it_is_told_once",
        ),
    },
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_edit_fits_the_source_once() {
        for mistake in mistakes() {
            for edit in mistake.edits {
                let text = fs::read_to_string(xtask::workspace::root().join(edit.file)).unwrap();
                assert_eq!(text.matches(edit.from).count(), 1, "`{}` in {}", edit.from, edit.file);
            }
        }
    }

    #[test]
    fn every_catcher_exists() {
        for mistake in mistakes() {
            let (folder, name) = match mistake.caught_by {
                Catcher::Test([_, package, ..], name) => (*package, name),
                Catcher::Cluster(_, name) => ("ms-pool", name),
                Catcher::Test(..) | Catcher::Torture(_) => continue,
            };
            let has = |text: &str| text.contains(&format!("fn {name}()"));
            assert!(any_file(&xtask::workspace::root().join(folder), &has), "no test `{name}` in {folder}");
        }
    }

    fn any_file(folder: &std::path::Path, has: &impl Fn(&str) -> bool) -> bool {
        fs::read_dir(folder).unwrap().flatten().map(|it| it.path()).any(|path| match path.is_dir() {
            true => any_file(&path, has),
            false => path.extension().is_some_and(|it| it == "rs") && has(&fs::read_to_string(path).unwrap()),
        })
    }
}
