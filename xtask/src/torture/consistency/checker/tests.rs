//! Histories with something planted in them, and what has to be found.

use super::*;
use crate::torture::consistency::history::Loss;

const A: Scope = Scope(0);
const B: Scope = Scope(1);
const OLD: Scope = Scope(2);
const CONTROL: Scope = Scope(3);
const OWN: Scope = Scope(4);
const NEWEST: Scope = Scope(5);
const AGE: Duration = Duration::from_millis(10);

use Broken::{Invented, MonotonicReads, ReadYourWrites, SilentLoss, SilentReturn, Staleness};

#[test]
fn a_scope_reads_what_it_wrote() {
    check(&[wrote(A, 1, 0..1), read(A, 1, 2..3)], &[]);
    check(&[wrote(A, 1, 0..1), read(A, 0, 2..3)], &[(1, ReadYourWrites)]);
    check(&[wrote(A, 1, 0..1), wrote(A, 2, 2..3), read(A, 1, 4..5)], &[(2, ReadYourWrites)]);
}

#[test]
fn what_others_wrote_need_not_be_seen() {
    check(&[wrote(A, 1, 0..1), read(B, 0, 2..3)], &[]);
    // Newer is fine too: somebody else may write the key next.
    check(&[wrote(A, 1, 0..1), wrote(B, 2, 2..3), read(A, 2, 4..5), read(B, 2, 4..5)], &[]);
}

#[test]
fn a_write_counts_from_its_end_and_a_read_from_its_beginning() {
    check(&[wrote(A, 1, 0..3), read(A, 0, 2..5)], &[]);
    check(&[wrote(A, 1, 0..3), read(A, 0, 3..5)], &[]);
    check(&[wrote(A, 1, 0..3), read(A, 0, 4..5)], &[(1, ReadYourWrites)]);
}

#[test]
fn a_write_without_an_answer_may_be_seen_and_need_not() {
    check(&[tried(A, 1, 0..1), read(A, 0, 2..3), read(A, 1, 4..5)], &[]);
    check(&[wrote(A, 1, 0..1), tried(A, 2, 2..3), read(A, 0, 4..5)], &[(2, ReadYourWrites)]);
    // Once seen it stays.
    check(&[tried(A, 1, 0..1), read(A, 1, 2..3), read(A, 0, 4..5)], &[(2, MonotonicReads)]);
}

#[test]
fn a_scope_does_not_read_back_in_time() {
    let writes = [wrote(A, 1, 0..1), wrote(A, 2, 2..3)];
    check(&[&writes[..], &[read(B, 1, 4..5), read(B, 2, 6..7)]].concat(), &[]);
    check(&[&writes[..], &[read(B, 2, 4..5), read(B, 1, 6..7)]].concat(), &[(3, MonotonicReads)]);
    // At the same time, either may have been first.
    check(&[&writes[..], &[read(B, 2, 4..6), read(B, 1, 5..7)]].concat(), &[]);
}

#[test]
fn a_position_that_is_handed_over_binds_the_other_scope() {
    let start = [wrote(A, 1, 0..1), handed(A, B, 2..4)];
    check(&[&start[..], &[read(B, 0, 5..6)]].concat(), &[(2, ReadYourWrites)]);
    check(&[&start[..], &[read(B, 0, 3..5)]].concat(), &[]);
    // Written after the position was asked for.
    check(&[wrote(A, 1, 0..1), wrote(A, 2, 3..5), handed(A, B, 2..6), read(B, 1, 7..8)], &[]);
    // What was handed over goes further.
    let further = [handed(B, OWN, 5..6), read(OWN, 0, 7..8)];
    check(&[&start[..], &further].concat(), &[(3, ReadYourWrites)]);
    // What the giver had read.
    check(&[wrote(OLD, 1, 0..1), read(A, 1, 2..3), handed(A, B, 4..5), read(B, 0, 6..7)], &[(3, MonotonicReads)]);
    check(&[wrote(OLD, 1, 0..1), handed(A, B, 2..3), read(A, 1, 4..5), read(B, 0, 6..7)], &[]);
}

#[test]
fn an_age_is_a_bound_for_what_anybody_wrote() {
    check(&[wrote(A, 1, 0..1), read(OLD, 0, 10..11)], &[]);
    check(&[wrote(A, 1, 0..1), read(OLD, 0, 11..12)], &[]);
    check(&[wrote(A, 1, 0..1), read(OLD, 0, 12..13)], &[(1, Staleness)]);
    check(&[wrote(A, 1, 0..1), wrote(A, 2, 5..6), read(OLD, 1, 14..15)], &[]);
    check(&[tried(A, 1, 0..1), read(OLD, 0, 50..51)], &[]);
    // Nobody else was promised that.
    check(&[wrote(A, 1, 0..1), read(B, 0, 50..51)], &[]);
}

#[test]
fn some_are_promised_their_own_writes_and_no_more() {
    check(&[wrote(OWN, 1, 0..1), read(OWN, 0, 2..3)], &[(1, ReadYourWrites)]);
    check(&[wrote(A, 1, 0..1), read(OWN, 1, 2..3), read(OWN, 0, 4..5)], &[]);
}

#[test]
fn the_strong_level_sees_all_that_is_there() {
    check(&[wrote(A, 1, 0..1), read(NEWEST, 0, 2..3)], &[(1, Staleness)]);
    check(&[wrote(A, 1, 0..1), read(NEWEST, 0, 1..3)], &[]);
    let lost = [wrote(NEWEST, 1, 0..1), wrote(NEWEST, 2, 2..3), read(NEWEST, 1, 22..23)];
    check_with(&lost, &[loss()], &[]);
}

#[test]
fn who_is_promised_nothing_is_judged_all_the_same() {
    let judged = super::check(&history(&[wrote(CONTROL, 1, 0..1), read(CONTROL, 0, 20..21)], &[]), AGE);
    let missed: Vec<_> = judged[0].missed.iter().map(|(broken, _)| *broken).collect();
    assert_eq!(missed, [ReadYourWrites, Staleness]);
    assert!(missed.iter().all(|it| !is_promised(Promise::Nothing, *it)));
}

#[test]
fn a_version_nobody_wrote_is_a_mistake_of_somebody() {
    check(&[read(A, 7, 0..1)], &[(0, Invented)]);
    check(&[wrote(A, 1, 5..6), read(A, 1, 0..1)], &[(1, Invented)]);
}

/// Killed at 10, dead at 12, open again at 20, without what is newer than version 1.
fn loss() -> Loss {
    let [killing, dead, reopened] = [10, 12, 20].map(Duration::from_millis);
    Loss { killing, dead, reopened, kept: vec![1] }
}

#[test]
fn what_was_lost_is_owed_until_the_scope_is_told() {
    let start = [wrote(A, 1, 0..1), wrote(A, 2, 2..3)];
    let then = |rest: &[Operation], expected: &[(usize, Broken)]| {
        check_with(&[&start[..], rest].concat(), &[loss()], expected);
    };
    then(&[read(A, 1, 5..6)], &[(2, ReadYourWrites)]);
    then(&[read(A, 1, 22..23)], &[(2, SilentLoss)]);
    then(&[told(A, 21..22), read(A, 1, 23..24)], &[]);
    // What was kept is owed all the same.
    then(&[told(A, 21..22), read(A, 0, 23..24)], &[(3, ReadYourWrites)]);
    // Somebody else was told, or it was before.
    then(&[told(B, 21..22), read(A, 1, 23..24)], &[(3, SilentLoss)]);
    then(&[told(A, 5..6), read(A, 1, 23..24)], &[(3, SilentLoss)]);
    // And life goes on.
    then(&[told(A, 21..22), wrote(A, 3, 25..26), read(A, 1, 27..28)], &[(4, ReadYourWrites)]);
}

#[test]
fn who_is_told_of_doubt_is_owed_nothing_of_what_was_before() {
    let start = [wrote(A, 1, 0..1), doubted(A, 4..6)];
    check(&[&start[..], &[read(A, 0, 7..8)]].concat(), &[]);
    check(&[&start[..], &[read(A, 0, 2..5)]].concat(), &[]);
    check(&[&start[..], &[read(A, 0, 2..3)]].concat(), &[(2, ReadYourWrites)]);
    check(&[&start[..], &[read(A, 1, 7..8), read(A, 0, 9..10)]].concat(), &[(3, MonotonicReads)]);
    check(&[&start[..], &[wrote(A, 2, 7..8), read(A, 1, 9..10)]].concat(), &[(3, ReadYourWrites)]);
    // It is not in the position any more either; where another one has it, that one has to be told itself.
    check(&[&start[..], &[handed(A, B, 7..8), read(B, 0, 9..10)]].concat(), &[]);
    check(&[wrote(A, 1, 0..1), handed(A, B, 2..3), doubted(A, 4..6), read(B, 0, 9..10)], &[(3, ReadYourWrites)]);
}

#[test]
fn who_had_read_what_was_lost_has_to_be_told_as_well() {
    let start = [wrote(A, 1, 0..1), wrote(A, 2, 2..3), read(B, 2, 4..5)];
    check_with(&[&start[..], &[read(B, 1, 22..23)]].concat(), &[loss()], &[(3, SilentReturn)]);
    check_with(&[&start[..], &[told(B, 20..21), read(B, 1, 22..23)]].concat(), &[loss()], &[]);
    // From then on what is there counts.
    let after = [told(B, 20..21), read(B, 1, 22..23), read(B, 0, 24..25)];
    check_with(&[&start[..], &after].concat(), &[loss()], &[(5, MonotonicReads)]);
}

#[test]
fn a_lost_position_is_handed_over_unless_its_owner_was_told() {
    let start = [wrote(A, 1, 0..1), wrote(A, 2, 2..3)];
    let after = [handed(A, B, 21..22), read(B, 1, 23..24)];
    check_with(&[&start[..], &after].concat(), &[loss()], &[(3, SilentLoss)]);
    check_with(&[&start[..], &[told(A, 20..21)], &after[..]].concat(), &[loss()], &[]);
}

#[test]
fn what_ran_on_an_unknown_server_is_not_owed() {
    check_with(&[wrote(A, 1, 0..1), wrote(A, 2, 11..21), read(A, 1, 22..23)], &[loss()], &[]);
    // Sent when the old one was dead: it is on the new one.
    check_with(&[wrote(A, 1, 0..1), wrote(A, 2, 13..21), read(A, 1, 22..23)], &[loss()], &[(2, ReadYourWrites)]);
}

#[test]
fn an_age_does_not_ask_for_what_is_lost() {
    check_with(&[wrote(A, 1, 0..1), wrote(A, 2, 2..3), read(OLD, 1, 40..41)], &[loss()], &[]);
    check_with(&[wrote(A, 1, 0..1), wrote(A, 2, 2..3), read(OLD, 0, 40..41)], &[loss()], &[(2, Staleness)]);
}

#[track_caller]
fn check(operations: &[Operation], expected: &[(usize, Broken)]) {
    check_with(operations, &[], expected);
}

#[track_caller]
fn check_with(operations: &[Operation], losses: &[Loss], expected: &[(usize, Broken)]) {
    let history = history(operations, losses);
    let judged = super::check(&history, AGE);
    let promise = |read: usize| history.scopes[history.operations[read].scope.index()];
    let all = judged.iter().flat_map(|it| it.missed.iter().map(|(broken, _)| (it.read, *broken)));
    let found: Vec<_> = all.filter(|(read, broken)| is_promised(promise(*read), *broken)).collect();
    assert_eq!(found, expected);
}

fn history(operations: &[Operation], losses: &[Loss]) -> History {
    let sessions = [Promise::Session, Promise::Session];
    let others = [Promise::MaxAge(AGE), Promise::Nothing, Promise::OwnWrites, Promise::Strong];
    let scopes = [&sessions[..], &others].concat();
    History { scopes, operations: operations.to_vec(), losses: losses.to_vec() }
}

fn at(scope: Scope, time: std::ops::Range<u64>, deed: Deed) -> Operation {
    let [began, ended] = [time.start, time.end].map(Duration::from_millis);
    Operation { scope, began, ended, deed }
}

fn wrote(scope: Scope, version: Version, time: std::ops::Range<u64>) -> Operation {
    at(scope, time, Deed::Wrote { key: 0, version })
}

fn tried(scope: Scope, version: Version, time: std::ops::Range<u64>) -> Operation {
    at(scope, time, Deed::TriedToWrite { key: 0, version })
}

fn read(scope: Scope, seen: Version, time: std::ops::Range<u64>) -> Operation {
    at(scope, time, Deed::Read { key: 0, seen, port: 0 })
}

fn handed(scope: Scope, to: Scope, time: std::ops::Range<u64>) -> Operation {
    at(scope, time, Deed::HandedOver { to })
}

fn told(scope: Scope, time: std::ops::Range<u64>) -> Operation {
    at(scope, time, Deed::ToldOfLoss)
}

fn doubted(scope: Scope, time: std::ops::Range<u64>) -> Operation {
    at(scope, time, Deed::ToldOfDoubt)
}
