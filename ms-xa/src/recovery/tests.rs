//! One record at a time, with every kind of answer.

use super::*;
use crate::{Gtrid, Place, RecordedBranch, Tag, TrxId};

const A: BranchIx = BranchIx(0);
const B: BranchIx = BranchIx(1);

fn xid(branch: BranchIx) -> Xid {
    Xid::of(&Gtrid::from(12), Tag(7), branch)
}

fn record(decision: Option<Decision>, branches: u16) -> Record {
    let branch = |n| RecordedBranch {
        branch: BranchIx(n),
        xid: xid(BranchIx(n)),
        place: Place::default(),
        state: BranchState::Active,
        settled: None,
    };
    Record {
        trx: TrxId(1),
        gtrid: Gtrid::from(12),
        tag: Some(Tag(7)),
        decision,
        finished: Finished::No,
        state: BranchState::NonExisting,
        branches: (0..branches).map(branch).collect(),
    }
}

fn failure(code: u16) -> Failure {
    Failure::new(BranchState::Committed, code, "XAE04", "no")
}

/// Goes by a script: what has to be done, and what is answered. Returns what came of it.
#[track_caller]
fn run(record: Record, script: &[(RecoveryAction, RecoveryAnswer)]) -> Recovered {
    let mut it = Recovery::new(record);
    let mut open = it.actions();
    for (action, answer) in script {
        assert!(open.contains(action), "{action:?} is not among {open:?}");
        open.retain(|it| it != action);
        it.on(*action, answer.clone());
        open.extend(it.actions());
    }
    assert_eq!(open, []);
    it.outcome().unwrap().clone()
}

use RecoveryAction::{Claim, Commit, Confirm, EndOwner, List, Remove, RollBack, Settle};
use RecoveryAnswer::{Done, Listed, Lost, OtherServer, Refused, Unsettled};

fn decided(decision: Decision) -> RecoveryAnswer {
    RecoveryAnswer::Decided(Some(decision))
}

fn listed(branches: &[BranchIx]) -> RecoveryAnswer {
    Listed(branches.iter().map(|it| xid(*it)).collect())
}

fn finished(decision: Decision, presumed: &[BranchIx]) -> Recovered {
    Recovered::Finished { decision, presumed: presumed.to_vec() }
}

#[test]
fn what_was_decided_is_committed() {
    let script = [
        (List(A), listed(&[A])),
        (List(B), listed(&[B])),
        (EndOwner(B), Done),
        (EndOwner(A), Done),
        (List(A), listed(&[A])),
        (List(B), listed(&[B])),
        (Commit(B), Done),
        (Commit(A), Done),
        (Settle(A, Settlement::Committed), Done),
        (Settle(B, Settlement::Committed), Done),
        (Remove, Done),
    ];
    assert_eq!(run(record(Some(Decision::Commit), 2), &script), finished(Decision::Commit, &[]));
}

#[test]
fn what_was_not_decided_is_claimed_first() {
    let script = [
        (Claim, decided(Decision::Abort)),
        (EndOwner(A), Done),
        (List(A), listed(&[A])),
        (RollBack(A), Done),
        (Confirm(A), listed(&[])),
        (Settle(A, Settlement::RolledBack), Done),
        (EndOwner(B), Done),
        (List(B), listed(&[B])), // it was prepared meanwhile
        (RollBack(B), Done),
        (Confirm(B), listed(&[])),
        (Settle(B, Settlement::RolledBack), Done),
        (Remove, Done),
    ];
    assert_eq!(run(record(None, 2), &script), finished(Decision::Abort, &[]));
}

#[test]
fn an_owner_that_was_faster_goes_on_alone() {
    let left = Recovered::Left { why: vec![Obstacle::OwnerAtWork] };
    assert_eq!(run(record(None, 2), &[(Claim, decided(Decision::Commit))]), left);
    assert_eq!(run(record(None, 2), &[(Claim, RecoveryAnswer::Decided(None))]), Recovered::Taken);
}

#[test]
fn a_branch_that_is_gone_is_never_taken_for_committed() {
    let script = [
        (List(A), listed(&[])),
        (Settle(A, Settlement::Presumed), Done),
        (List(B), listed(&[B])),
        (EndOwner(B), Done),
        (List(B), listed(&[B])),
        (Commit(B), Done),
        (Settle(B, Settlement::Committed), Done),
        (Remove, Done),
    ];
    assert_eq!(run(record(Some(Decision::Commit), 2), &script), finished(Decision::Commit, &[A]));
}

#[test]
fn the_only_branch_may_have_been_committed_in_one_phase() {
    let script = [
        (Claim, decided(Decision::Abort)),
        (EndOwner(A), Done),
        (List(A), listed(&[])),
        (Confirm(A), listed(&[])),
        (Settle(A, Settlement::Presumed), Done),
        (Remove, Done),
    ];
    assert_eq!(run(record(None, 1), &script), finished(Decision::Abort, &[A]));
    // Its owner says that it was not.
    let ended =
        Record { finished: Finished::Failure, state: BranchState::RolledBack, ..record(Some(Decision::Abort), 1) };
    let script = [(Settle(A, Settlement::RolledBack), Done), (Remove, Done)];
    assert_eq!(run(ended, &script), finished(Decision::Abort, &[]));
}

#[test]
fn names_are_compared_byte_by_byte() {
    let own = xid(A);
    let others = [
        Xid::of(&Gtrid::from(1), Tag(7), A),
        Xid::of(&Gtrid::from(123), Tag(7), A),
        Xid::of(&Gtrid::from(12), Tag(8), A),
        Xid::new(own.global(), own.branch(), 1).unwrap(),
        Xid::new(own.global(), &own.branch()[..20], own.format()).unwrap(),
    ];
    let script = [
        (Claim, decided(Decision::Abort)),
        (EndOwner(A), Done),
        (List(A), Listed(others.to_vec())),
        (Confirm(A), Listed(others.to_vec())),
        (Settle(A, Settlement::Presumed), Done),
        (Remove, Done),
    ];
    assert_eq!(run(record(None, 1), &script), finished(Decision::Abort, &[A]));
}

#[test]
fn a_branch_is_not_touched_before_its_session_has_ended() {
    let ended = [(List(A), listed(&[A])), (EndOwner(A), Done), (List(A), listed(&[A]))];
    let script = [&ended[..], &[(Commit(A), Done), (Settle(A, Settlement::Committed), Done), (Remove, Done)]];
    assert_eq!(run(record(Some(Decision::Commit), 1), &script.concat()), finished(Decision::Commit, &[]));
    // It is not tried for ever.
    let script = [&ended[..], &[(Commit(A), Refused(failure(1397))), (List(A), listed(&[A]))]];
    let Recovered::Left { why } = run(record(Some(Decision::Commit), 1), &script.concat()) else {
        panic!("it is not over")
    };
    let why: Vec<_> = why.iter().map(ToString::to_string).collect();
    assert_eq!(why, ["branch 0 answered error 1397: the server lists the branch and says that it does not know it"]);
}

#[test]
fn another_may_be_faster() {
    let script = [
        (List(A), listed(&[A])),
        (EndOwner(A), Done),
        (List(A), listed(&[A])),
        (Commit(A), Refused(failure(1397))),
        (List(A), listed(&[])),
        (Settle(A, Settlement::Presumed), Done),
        (Remove, Done),
    ];
    assert_eq!(run(record(Some(Decision::Commit), 1), &script), finished(Decision::Commit, &[A]));
    // And nobody's connection is ended where there is nothing to be done.
    let script = [(List(A), listed(&[])), (Settle(A, Settlement::Presumed), Done), (Remove, Done)];
    assert_eq!(run(record(Some(Decision::Commit), 1), &script), finished(Decision::Commit, &[A]));
}

#[test]
fn what_is_in_the_way_is_told_and_the_rest_goes_on() {
    #[track_caller]
    fn check(steps: &[(RecoveryAction, RecoveryAnswer)], why: Obstacle) {
        let mut script = vec![
            (Claim, decided(Decision::Abort)),
            (EndOwner(B), Done),
            (List(B), listed(&[B])),
            (RollBack(B), Done),
            (Confirm(B), listed(&[])),
            (Settle(B, Settlement::RolledBack), Done),
        ];
        script.extend_from_slice(steps);
        assert_eq!(run(record(None, 2), &script), Recovered::Left { why: vec![why] });
    }
    let participant = |code| Obstacle::Participant(A, failure(code));
    let of_a =
        |more: &[(RecoveryAction, RecoveryAnswer)]| [&[(EndOwner(A), Done), (List(A), listed(&[A]))], more].concat();
    check(&[(EndOwner(A), Lost(failure(2003)))], participant(2003));
    check(&[(EndOwner(A), Refused(failure(1095)))], participant(1095));
    check(&[(EndOwner(A), Done), (List(A), Refused(failure(1401)))], participant(1401));
    check(&of_a(&[(RollBack(A), Lost(failure(2013)))]), participant(2013));
    check(&of_a(&[(RollBack(A), Refused(failure(1399)))]), participant(1399));
    let other = OtherServer { identity: "two".to_owned() };
    check(&[(EndOwner(A), other)], Obstacle::OtherServer { branch: A, found: "two".to_owned() });
    let settle = Settle(A, Settlement::RolledBack);
    check(&of_a(&[(RollBack(A), Done), (Confirm(A), Lost(failure(2013)))]), participant(2013));
    let confirmed = [(RollBack(A), Done), (Confirm(A), listed(&[])), (settle, Lost(failure(2013)))];
    check(&of_a(&confirmed), Obstacle::Store(failure(2013)));
}

#[test]
fn a_store_that_does_not_answer_leaves_everything_as_it_is() {
    let left = Recovered::Left { why: vec![Obstacle::Store(failure(2013))] };
    assert_eq!(run(record(None, 2), &[(Claim, Lost(failure(2013)))]), left);
    let script = [(Claim, decided(Decision::Abort)), (Remove, Lost(failure(2013)))];
    assert_eq!(run(record(None, 0), &script), left);
}

#[test]
fn a_branch_that_joined_meanwhile_keeps_the_record() {
    let script = [(Claim, decided(Decision::Abort)), (Remove, Unsettled)];
    assert_eq!(run(record(None, 0), &script), Recovered::Left { why: vec![Obstacle::MoreBranches] });
}

#[test]
fn nobody_is_asked_what_its_owner_knows() {
    let success = Record { finished: Finished::Success, ..record(None, 2) };
    assert_eq!(run(success, &[(Remove, Done)]), Recovered::Cleared);

    let mut half = Record { finished: Finished::Failure, ..record(Some(Decision::Commit), 2) };
    half.branches[0].state = BranchState::Committed;
    let script = [
        (Settle(A, Settlement::Committed), Done),
        (List(B), listed(&[B])),
        (EndOwner(B), Done),
        (List(B), listed(&[B])),
        (Commit(B), Done),
        (Settle(B, Settlement::Committed), Done),
        (Remove, Done),
    ];
    assert_eq!(run(half, &script), finished(Decision::Commit, &[]));
}

#[test]
fn a_rollback_that_its_server_forgot_is_repeated() {
    // Its owner was told that it is rolled back, and then the server went down.
    let mut it =
        Record { finished: Finished::Failure, state: BranchState::RolledBack, ..record(Some(Decision::Abort), 2) };
    it.branches[0].state = BranchState::RolledBack;
    let again = [
        (Confirm(A), listed(&[A])),
        (RollBack(A), Done),
        (Confirm(A), listed(&[])),
        (Settle(A, Settlement::RolledBack), Done),
        // This one was never prepared.
        (Settle(B, Settlement::RolledBack), Done),
        (Remove, Done),
    ];
    assert_eq!(run(it.clone(), &again), finished(Decision::Abort, &[]));
    // One that forgets it once more has time until the next run.
    let mut script = again[..2].to_vec();
    script.extend([(Confirm(A), listed(&[A])), again[4].clone()]);
    let Recovered::Left { why } = run(it, &script) else { panic!("it is not over") };
    let why: Vec<_> = why.iter().map(ToString::to_string).collect();
    assert_eq!(why, ["branch 0 answered error 2000: its server has forgotten that it was rolled back"]);
}

#[test]
fn what_an_earlier_run_settled_stays_so() {
    let mut it = record(Some(Decision::Commit), 2);
    it.branches[0].settled = Some(Settlement::Presumed);
    it.branches[1].settled = Some(Settlement::Committed);
    assert_eq!(run(it, &[(Remove, Done)]), finished(Decision::Commit, &[A]));
}

#[test]
fn obstacles_are_sentences() {
    #[track_caller]
    fn check(obstacle: &Obstacle, is: &str) {
        assert_eq!(obstacle.to_string(), is);
    }
    check(&Obstacle::Participant(B, failure(1397)), "branch 1 answered error 1397: no");
    let other = Obstacle::OtherServer { branch: B, found: "two".to_owned() };
    check(&other, "another server, `two`, answers at the address of branch 1");
    assert_eq!(other.branch(), Some(B));
}
