//! What positions ask for and what evidence proves.
#![allow(clippy::unwrap_used, reason = "it is a test as a whole")]

use ms_gtid::{Coverage, Evidence, Position, Value, mariadb, mysql};
use proptest::prelude::*;

const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn mysql(rest: &str) -> mysql::GtidSet {
    format!("{U}:{rest}").parse().unwrap()
}

fn mariadb(text: &str) -> mariadb::GtidSet {
    text.parse().unwrap()
}

#[track_caller]
fn check(evidence: &Evidence, position: impl Into<Position>, expected: Coverage) {
    let position = position.into();
    assert_eq!(evidence.covers(&position), expected);
    // Only what is covered leaves nothing to ask for.
    assert_eq!(position.subtract(evidence).is_empty(), expected == Coverage::Reached);
}

#[test]
fn nothing_seen_proves_nothing() {
    let nothing = Evidence::default();
    check(&nothing, Position::new(), Coverage::Reached);
    check(&nothing, mysql("1"), Coverage::Unknown);
    check(&nothing, mariadb("0-1-1"), Coverage::Unknown);
    check(&nothing, Position::counter(0), Coverage::Unknown);
    check(&nothing, Position::value(Value::new("x").unwrap()), Coverage::Unknown);
}

#[test]
fn seen_to_have_nothing_is_behind() {
    check(&Evidence::executed(mysql::GtidSet::new()), mysql("1"), Coverage::Behind);
    check(&Evidence::applied(mariadb::GtidSet::new()), mariadb("0-1-1"), Coverage::Behind);
}

#[test]
fn an_answer_about_one_thing_is_not_all_there_is() {
    let passed = Evidence::passed(&mysql("1-5").into());
    check(&passed, mysql("3"), Coverage::Reached);
    check(&passed, mysql("6"), Coverage::Unknown);
    let passed = Evidence::passed(&Position::counter(5));
    check(&passed, Position::counter(5), Coverage::Reached);
    check(&passed, Position::counter(6), Coverage::Unknown);
}

#[test]
fn every_kind_has_to_be_covered() {
    let mut seen = Evidence::executed(mysql("1-5"));
    let mut both: Position = mysql("5").into();
    both.merge(&mariadb("0-1-5").into());
    check(&seen, both.clone(), Coverage::Unknown);
    seen.learn(Evidence::applied(mariadb("0-1-4")));
    check(&seen, both.clone(), Coverage::Behind);
    seen.learn(Evidence::applied(mariadb("0-1-5")));
    check(&seen, both, Coverage::Reached);
}

#[test]
fn a_failover_is_covered_along_the_primarys_history_and_a_loss_is_not() {
    let replica = Evidence::applied(mariadb("0-2-50"));
    let written = mariadb("0-1-42,0-2-49");
    check(&replica, written.clone(), Coverage::Unknown);
    check(&replica.clone().along(&mariadb("0-1-42,0-2-60")), written.clone(), Coverage::Reached);
    check(&replica.clone().along(&mariadb("0-1-41,0-2-60")), written.clone(), Coverage::Unknown);
    // A history that does not know 50 yet says nothing about the way there.
    check(&replica.along(&mariadb("0-1-42,0-2-48")), written.clone(), Coverage::Unknown);

    // What the new primary does not have died with the old one.
    let primary = Evidence::applied(mariadb("0-1-41,0-2-60"));
    let lost = Position::from(written).subtract(&primary);
    assert_eq!(lost, mariadb("0-1-42").into());
}

#[test]
fn a_position_is_bounded_and_never_forgets() {
    // Every second transaction of a busy stream.
    let mut written = Position::new();
    let mut all = Vec::new();
    for n in 0..3000_u64 {
        let id: mysql::Gtid = format!("{U}:{}", 2 * n + 1).parse().unwrap();
        written.merge(&id.into());
        all.push(id);
    }
    assert_eq!(written.mysql().interval_count(), Position::MAX_RANGES);
    assert!(all.iter().all(|id| written.mysql().contains(id)));
    assert!(!written.is_saturated());

    // Values do not include each other, so none can be left out.
    let mut values = Position::new();
    for n in 0..=Position::MAX_VALUES {
        assert!(!values.is_saturated());
        values.merge(&Position::value(Value::new(&n.to_string()).unwrap()));
    }
    assert!(values.is_saturated());
    // Who merges it has that much to ask for as well.
    let mut other = Position::new();
    other.merge(&values);
    assert!(other.is_saturated() && !other.is_empty());
    let mut seen = Evidence::default();
    for n in 0..100 {
        seen.learn(Evidence::passed(&Position::value(Value::new(&n.to_string()).unwrap())));
    }
    assert_eq!(seen.covers(&values), Coverage::Unknown);
    let servers = (0..2000).map(|server| mariadb::Gtid { domain: 0, server, sequence: 1 });
    let servers = Position::from(servers.collect::<mariadb::GtidSet>());
    assert!(servers.is_saturated() && servers.mariadb().is_empty());
}

#[test]
fn evidence_is_bounded_and_may_forget() {
    let value = |n: usize| Position::value(Value::new(&format!("{n:04}")).unwrap());
    let mut seen = Evidence::default();
    for n in 0..=Evidence::MAX_VALUES {
        seen.learn(Evidence::passed(&value(n)));
    }
    assert_eq!(seen.covers(&value(0)), Coverage::Unknown);
    assert_eq!(seen.covers(&value(Evidence::MAX_VALUES)), Coverage::Reached);
}

fn positions() -> impl Strategy<Value = Position> {
    let ids = prop::collection::vec(1_u64..12, 0..4);
    let entries = prop::collection::vec((0_u32..2, 1_u32..3, 1_u64..6), 0..4);
    (ids, entries, 0_u64..3, prop::collection::btree_set("[ab]", 0..2)).prop_map(|(ids, entries, count, values)| {
        let mut position = Position::new();
        for n in ids {
            position.merge(&mysql(&n.to_string()).into());
        }
        for (domain, server, sequence) in entries {
            position.merge(&mariadb::Gtid { domain, server, sequence }.into());
        }
        if count > 0 {
            position.merge(&Position::counter(count));
        }
        for value in values {
            position.merge(&Position::value(Value::new(&value).unwrap()));
        }
        position
    })
}

fn merged(a: &Position, b: &Position) -> Position {
    let mut both = a.clone();
    both.merge(b);
    both
}

proptest! {
    #[test]
    fn merging_is_the_least_that_covers_both(a in positions(), b in positions(), c in positions()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&merged(&a, &a), &a);
        let seen = Evidence::passed(&c);
        let reached = |position: &Position| seen.covers(position) == Coverage::Reached;
        prop_assert_eq!(reached(&merged(&a, &b)), reached(&a) && reached(&b));
    }

    #[test]
    fn more_evidence_never_covers_less(position in positions(), a in positions(), b in positions()) {
        let mut seen = Evidence::passed(&a);
        let before = seen.covers(&position);
        seen.learn(Evidence::passed(&b));
        if before == Coverage::Reached {
            prop_assert_eq!(seen.covers(&position), Coverage::Reached);
        }
        seen.learn(Evidence::passed(&position));
        prop_assert_eq!(seen.covers(&position), Coverage::Reached);
    }

    #[test]
    fn what_is_missing_is_all_that_has_to_be_asked_for(position in positions(), seen in positions()) {
        let mut seen = Evidence::passed(&seen);
        let missing = position.subtract(&seen);
        prop_assert_eq!(missing.is_empty(), seen.covers(&position) == Coverage::Reached);
        seen.learn(Evidence::passed(&missing));
        prop_assert_eq!(seen.covers(&position), Coverage::Reached);
    }
}
