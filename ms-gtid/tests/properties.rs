//! What holds for all sets, compared with sets of single numbers.
#![allow(clippy::unwrap_used, reason = "it is a test as a whole")]

use std::collections::{BTreeMap, BTreeSet};

use ms_gtid::{mariadb, mysql};
use proptest::prelude::*;

const STREAMS: [&str; 4] = [
    "3e11fa47-71ca-11e1-9e33-c80aa9429562",
    "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag",
    "3e11fa47-71ca-11e1-9e33-c80aa9429562:a_tag",
    "00000000-0000-0000-0000-000000000001",
];

/// The naive model: every transaction by itself.
type Model = BTreeSet<(usize, u64)>;

/// A stream, a first and a last number; some are empty, many touch or overlap.
type Written = Vec<(usize, u64, u64)>;

fn written() -> impl Strategy<Value = Written> {
    let part = (0..STREAMS.len(), 1_u64..60, 0_u64..12);
    prop::collection::vec(part.prop_map(|(stream, first, more)| (stream, first, first + more - 1)), 0..20)
        .prop_map(|parts| parts.into_iter().filter(|part| part.2 > 0).collect())
}

fn text(written: &Written) -> String {
    let parts = written.iter().map(|(stream, first, last)| format!("{}:{first}-{last}", STREAMS[*stream]));
    parts.collect::<Vec<_>>().join(",")
}

fn set(written: &Written) -> mysql::GtidSet {
    text(written).parse().expect("it was written as a set")
}

fn model(written: &Written) -> Model {
    written.iter().flat_map(|&(stream, first, last)| (first..=last).map(move |n| (stream, n))).collect()
}

fn model_of(set: &mysql::GtidSet) -> Model {
    let stream = |server: mysql::ServerUuid, tag: Option<mysql::Tag>| {
        let name = tag.map_or_else(|| server.to_string(), |tag| format!("{server}:{}", tag.as_str()));
        STREAMS.iter().position(|it| *it == name).expect("only these were written")
    };
    set.intervals().flat_map(|(server, tag, range)| range.map(move |n| (stream(server, tag), n))).collect()
}

fn id(&(stream, number): &(usize, u64)) -> mysql::Gtid {
    format!("{}:{number}", STREAMS[stream]).parse().expect("an id")
}

type Tops = BTreeMap<(u32, u32), u64>;

fn tops() -> impl Strategy<Value = Tops> {
    prop::collection::btree_map((0_u32..3, 1_u32..4), 1_u64..20, 0..7)
}

fn positions(tops: &Tops) -> mariadb::GtidSet {
    tops.iter().map(|(&(domain, server), &sequence)| mariadb::Gtid { domain, server, sequence }).collect()
}

/// The naive model of MariaDB: every transaction up to each top.
fn numbers(set: &mariadb::GtidSet) -> BTreeSet<(u32, u32, u64)> {
    set.entries().flat_map(|id| (0..=id.sequence).map(move |n| (id.domain, id.server, n))).collect()
}

proptest! {
    #[test]
    fn mysql_operations_are_those_of_sets(a in written(), b in written()) {
        let (left, right) = (set(&a), set(&b));
        let (l, r) = (model(&a), model(&b));
        prop_assert_eq!(model_of(&left), l.clone());
        prop_assert_eq!(model_of(&left.union(&right)), &l | &r);
        prop_assert_eq!(model_of(&left.intersect(&right)), &l & &r);
        prop_assert_eq!(model_of(&left.subtract(&right)), &l - &r);
        prop_assert_eq!(left.contains_all(&right), l.is_superset(&r));
        prop_assert_eq!(left == right, l == r);
        prop_assert_eq!(left.is_empty(), l.is_empty());
    }

    #[test]
    fn mysql_subsets_are_found(a in written(), keep in any::<u64>()) {
        // Of two random sets hardly one contains the other; here one does, and stops to when one number goes.
        let whole = model(&a);
        let part: mysql::GtidSet = whole.iter().filter(|(s, n)| keep >> ((*s as u64 + n) % 64) & 1 == 1).map(id).collect();
        prop_assert!(set(&a).contains_all(&part));
        if let Some((_, _, range)) = part.intervals().last() {
            let missing = part.intervals().last().map(|(server, tag, _)| mysql::Gtid { server, tag, sequence: *range.end() });
            let less = set(&a).subtract(&missing.into_iter().collect());
            prop_assert!(!less.contains_all(&part));
        }
    }

    #[test]
    fn mysql_sets_grow_by_single_ids(a in written(), order in any::<prop::sample::Index>()) {
        let all: Vec<_> = model(&a).into_iter().collect();
        let mut grown = mysql::GtidSet::new();
        let split = if all.is_empty() { 0 } else { order.index(all.len()) };
        for it in all[split..].iter().rev().chain(&all[..split]) {
            prop_assert!(!grown.contains(&id(it)));
            prop_assert!(grown.insert(id(it)));
            prop_assert!(!grown.insert(id(it)));
            prop_assert!(grown.contains(&id(it)));
        }
        prop_assert_eq!(grown, set(&a));
    }

    #[test]
    fn mysql_sets_read_what_they_print(a in written()) {
        let it = set(&a);
        prop_assert_eq!(it.to_string().parse::<mysql::GtidSet>().unwrap(), it.clone());
        let one_line = it.one_line().to_string();
        prop_assert_eq!(one_line.parse::<mysql::GtidSet>().unwrap(), it);
    }

    #[test]
    fn mysql_widening_only_adds_and_only_below_what_is_there(a in written(), most in 0_usize..20) {
        let before = set(&a);
        let mut after = before.clone();
        after.widen(most);
        prop_assert!(after.contains_all(&before));
        prop_assert!(after.interval_count() <= most.max(STREAMS.len()).min(before.interval_count()));
        let highest = |set: &mysql::GtidSet| {
            set.intervals().map(|(s, t, r)| ((s, t), *r.end())).collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(highest(&after), highest(&before));
    }

    #[test]
    fn mariadb_operations_are_those_of_sets(a in tops(), b in tops()) {
        let (left, right) = (positions(&a), positions(&b));
        let (l, r) = (numbers(&left), numbers(&right));
        prop_assert_eq!(numbers(&left.union(&right)), &l | &r);
        prop_assert_eq!(numbers(&left.intersect(&right)), &l & &r);
        prop_assert_eq!(left.contains_all(&right), l.is_superset(&r));
        // Not the difference of numbers, see there: what is left to wait for.
        let missing = left.subtract(&right);
        prop_assert_eq!(missing.is_empty(), l.is_subset(&r));
        prop_assert_eq!(missing.union(&right), left.union(&right));
        prop_assert!(left.contains_all(&missing));
        prop_assert_eq!(left.to_string().parse::<mariadb::GtidSet>().unwrap(), left);
    }

    #[test]
    fn mariadb_a_history_proves_exactly_what_was_applied(
        // One domain's history: who wrote each number, and how far the replica came.
        writers in prop::collection::vec(1_u32..4, 1..30), applied in any::<prop::sample::Index>(),
    ) {
        let ids: Vec<_> = (1..).zip(&writers).map(|(sequence, &server)| mariadb::Gtid { domain: 0, server, sequence }).collect();
        let history: mariadb::GtidSet = ids.iter().copied().collect();
        let applied = applied.index(ids.len());
        let proven = mariadb::GtidSet::from(ids[applied]).along(&history);
        for (i, id) in ids.iter().enumerate() {
            prop_assert_eq!(proven.contains(id), i <= applied, "{} of {}", id, history);
        }
    }

    #[test]
    fn no_text_does_harm(text in "[0-9a-fA-FxX:, {}\\-_+\\n\u{0}ö]{0,80}|\\PC{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for text in [text.as_str(), &String::from_utf8_lossy(&bytes)] {
            if let Ok(set) = text.parse::<mysql::GtidSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
            if let Ok(set) = text.parse::<mariadb::GtidSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
    }

    #[test]
    fn no_change_to_a_set_does_harm(
        a in written(), at in any::<prop::sample::Index>(), with in prop::sample::select(b"0159afz:-, {}\n_".as_slice()),
    ) {
        let mut text = text(&a).into_bytes();
        if !text.is_empty() {
            let at = at.index(text.len());
            text[at] = with;
        }
        let text = String::from_utf8(text).expect("all of it is ASCII");
        if let Ok(set) = text.parse::<mysql::GtidSet>() {
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }
    }
}
