//! One row per rule of the filter `table`.
#![allow(clippy::unwrap_used, reason = "a broken table is a failed test")]

mod sim;

use ms_filters::{Filter, Pipeline, Random, RoundRobin, Settings, Stickiness, Table, TableRule};
use sim::Sim;

const NO_PRIMARY: &str = "Couldn't find the appropriate master connection. Something is wrong";

#[test]
fn the_first_rule_that_matches_and_has_a_list_for_the_role_decides() {
    for (rules, table, read, write) in [
        ("d.a: m1 | a; d.%: m2 | b", "d.a", "a", "m1"),
        ("d.a: m1 | a; d.%: m2 | b", "d.b", "b", "m2"),
        ("d.%: m2 | b; d.a: m1 | a", "d.a", "b", "m2"),
        ("d.a: m1; d.%: m2 | b", "d.a", "b", "m1"),
        ("d.a: | a; d.%: m2 | b", "d.a", "a", "m2"),
        ("%: m1 | a", "x.y", "a", "m1"),
        ("d._: m1 | a", "d.a", "a", "m1"),
        ("d.A: m1 | a; %: m2 | b", "d.a", "b", "m2"),
    ] {
        let mut sim = of("m1 m2 | a b", rules);
        sim.tell(&format!("{rules} {table}"), &format!("tables {table} \n 3x R => {read} \n 3x W => {write}"));
        assert!(sim.line().contains("table (table rules) -> "), "{}", sim.line());
    }
}

#[test]
fn servers_are_offered_in_the_order_of_the_rule() {
    of("m1 m2 | a b c", "%: m2 m1 | c a").story(
        "tables d.t \n R => c \n R => a \n R => c \n W => m2 \n W => m1 \n ms=master R => m2 \n ms=slave W => a",
    );
}

#[test]
fn several_tables_share_what_is_left() {
    let rules = "d.a: m1 m2 | a b c; d.b: m2 | c b; d.c: m1 | d";
    of("m1 m2 | a b c d", rules).story("tables d.a d.b \n R => c \n R => b \n R => c \n 3x W => m2");
    of("m1 m2 | a b c d", rules).story("tables d.a d.c \n R => table_without_replica \n W => m1");
    of("m1 m2 | a b c d", rules).story("tables d.b d.c \n R => table_without_server \n W => table_without_server");
}

#[test]
fn nothing_stands_in_for_a_table_without_a_rule() {
    for failover in ["disabled", "master", "loop"] {
        for tables in ["d.b", "d.a d.b", "d.b d.a"] {
            let mut sim = of("m1 m2 | a b", "d.a: m1 | a").failover(failover);
            sim.tell(failover, &format!("tables {tables} \n W => table_unmatched"));
            assert!(sim.warnings.is_empty(), "{:?}", sim.warnings);
            let expected =
                format!("no rule matches a table of it ({NO_PRIMARY}): table `d.b` by the rules `shop.rules`");
            assert_eq!(sim.error, Some(expected));
            sim.tell(failover, "R => table_unmatched \n warns 0 slaves to choose from");
            sim.tell(failover, "ms=master R => table_unmatched \n ms=slave W => table_unmatched");
        }
    }
}

#[test]
fn a_rule_that_leaves_one_side_empty() {
    let mut sim = of("m | a", "d.%: m");
    sim.story(
        "tables d.t \n W => m \n R => no_connection \n R => table_without_replica \n warns 0 slaves to choose from",
    );
    assert!(sim.error.unwrap().ends_with(": table `d.t` by the rules `shop.rules`"));

    let mut sim = of("m | a", "d.%: | a");
    sim.story("tables d.t d.u \n R => a \n W => no_master \n W => table_without_primary");
    let expected =
        format!("the rules leave its tables no primary ({NO_PRIMARY}): tables `d.t`, `d.u` by the rules `shop.rules`");
    assert_eq!(sim.error, Some(expected));
}

#[test]
fn an_empty_rule_matches_and_leaves_nobody() {
    for failover in ["disabled", "master", "loop"] {
        let mut sim = of("m | a", "d.%:; %: m | a").failover(failover);
        sim.tell(failover, "tables d.t \n R => m/a \n tables x.t \n R => a");
        let mut sim = of("m | a", "d.%: none | none; %: m | a").failover(failover);
        sim.tell(failover, "tables d.t \n W => table_without_server \n W => no_master \n R => no_master");
    }
}

#[test]
fn reads_fail_over_within_the_rule() {
    of("m1 m2 | a", "d.%: m2 | none").failover("master").story("tables d.t \n 3x R => m2");
    of("m1 m2 | a! b", "d.%: m2 | a").failover("loop").story("tables d.t \n 3x R => m2");
    of("m1 m2 | a! b", "d.%: m2 | a").story("tables d.t \n 3x R => connect a");
    of("m1 m2 | a! b", "d.%: none | a").failover("master").story("tables d.t \n R => table_without_primary");
}

#[test]
fn a_statement_without_tables_may_run_anywhere() {
    let mut sim = of("m1 m2 | a b", "d.a: m1 | a");
    sim.story("tables \n R => a \n R => b \n W => m1 \n W => m2");
    assert!(sim.line().contains("table (no table) -> "), "{}", sim.line());
    of("m | a", "").story("tables \n R => a");
    of("m | a", "").story("tables d.t \n R => table_unmatched");
}

#[test]
fn unknown_tables_may_be_anywhere_and_run_where_all_rules_agree() {
    for unknown in ["unparsable", "NotAsked"] {
        let mut sims = [
            (of("m1 m2 | a b", "d.a: m1 m2 | a b; d.b: m2 | b"), "W => m2 \n R => b"),
            (of("m1 m2 | a b", "d.a: m1 | a; d.b: m2 | b"), "W => tables_unknown \n R => tables_unknown"),
            (of("m1 m2 | a b", "d.a: m1 | a; d.b: m1"), "W => m1 \n R => table_without_replica"),
            (of("m1 m2 | a b", ""), "W => tables_unknown"),
            (of("m1 m2 | a b", "d.a: m1 | a").failover("master"), "W => m1 \n R => a"),
            (of("m1 m2 | a b", "d.a: m1 | a; d.b: m2 | b").failover("master"), "W => no_master"),
        ];
        for (sim, lines) in &mut sims {
            if unknown == "unparsable" {
                sim.story("tables unparsable");
            }
            sim.tell(unknown, lines);
        }
    }
}

#[test]
fn a_table_without_database_is_refused() {
    let mut sim = of("m | a", "%: m | a");
    sim.story("tables t \n R => table_without_database \n warns Failed to parse table name");
    assert!(sim.error.unwrap().ends_with(": table `t` by the rules `shop.rules`"));
}

#[test]
fn a_pinned_transaction_is_not_narrowed() {
    let sticky = |it: &mut Settings| it.stickiness = Stickiness::On;
    let mut sim = of("m1 m2 | a", "d.%: m2 | a").settings(sticky);
    sim.servers.open.insert(sim.ix("m1"));
    sim.story("tables d.t \n tx pinned m1 \n R => m1 \n tables x.t \n W => m1 \n tx begun \n tables d.t \n W => m2");
}

#[test]
fn last_used_stays_last_used() {
    of("m1 m2 | a", "d.%: m2 | a").story("tables \n W => m1 \n tables d.t \n ms=last_used W => m1 \n W => m2");
}

#[test]
fn a_side_that_was_empty_before_is_not_the_rules_doing() {
    of("m |", "%: m").story("tables d.t \n R => no_replica");
    let clears = || Box::new(ms_filters::narrow_fn("clears", |_, it| it.clear(ms_filters::Role::Primary)));
    let mut sim = Sim::with_filters("m | a", vec![clears(), table("%: m | a"), Box::new(RoundRobin::new())]);
    sim.story("tables d.t \n W => no_primary");
}

#[test]
fn rules_name_positions_and_those_that_nobody_has_are_skipped() {
    let rule = TableRule { pattern: "%".to_owned(), primaries: Some(vec![7, 0]), replicas: Some(vec![1, 9]) };
    let filters: Vec<Box<dyn Filter>> = vec![Box::new(Table::new("r", [rule])), Box::new(RoundRobin::new())];
    Sim::with_filters("m | a b", filters).story("tables d.t \n 2x R => b \n 2x W => m");
}

#[test]
fn only_pipelines_with_rules_want_tables() {
    let random = || -> Box<dyn Filter> { Box::new(Random::new()) };
    assert!(!Pipeline::new(vec![random()]).unwrap().wants_tables());
    assert!(Pipeline::new(vec![table("%: m"), random()]).unwrap().wants_tables());
}

fn of(servers: &str, rules: &str) -> Sim {
    Sim::with_filters(servers, vec![table(rules), Box::new(RoundRobin::new())])
}

/// `PATTERN: m1 m2 | a b; …`; a side that is not there has no list, `none` is an empty one. Primaries are `m`, `m1`, `m2`,
/// replicas letters from `a`.
fn table(rules: &str) -> Box<dyn Filter> {
    let position = |name: &str| match name.strip_prefix('m') {
        Some("") => 0,
        Some(number) => number.parse::<usize>().unwrap() - 1,
        None => usize::from(name.as_bytes()[0] - b'a'),
    };
    let list = |names: &str| match names.trim() {
        "" => None,
        "none" => Some(Vec::new()),
        names => Some(names.split_whitespace().map(position).collect()),
    };
    let rules = rules.split(';').map(str::trim).filter(|it| !it.is_empty()).map(|rule| {
        let (pattern, servers) = rule.split_once(':').expect("PATTERN: servers");
        let (primaries, replicas) = servers.split_once('|').unwrap_or((servers, ""));
        TableRule { pattern: pattern.to_owned(), primaries: list(primaries), replicas: list(replicas) }
    });
    Box::new(Table::new("shop.rules", rules.collect::<Vec<_>>()))
}
