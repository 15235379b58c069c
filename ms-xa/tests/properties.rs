//! What holds for all names and for all answers.
#![allow(clippy::unwrap_used, reason = "it is a test as a whole")]

use ms_xa::{
    Action, Answer, BranchIx, BranchState, Coordinator, Decision, Failure, Finished, Gtrid, Outcome, Place, Record,
    RecordedBranch, Recovery, RecoveryAction, RecoveryAnswer, Tag, TrxId, Xid,
};
use proptest::prelude::*;

fn bytes(least: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), least..=Xid::MAX_PART)
}

fn xids() -> impl Strategy<Value = Xid> {
    (bytes(1), bytes(0), 0..=i32::MAX)
        .prop_map(|(global, branch, format)| Xid::new(&global, &branch, format.try_into().unwrap()).unwrap())
}

/// A row of `XA RECOVER`, as a server makes it.
fn row(xid: &Xid) -> (i64, i64, i64, Vec<u8>) {
    let length = |it: &[u8]| i64::try_from(it.len()).unwrap();
    (xid.format().into(), length(xid.global()), length(xid.branch()), [xid.global(), xid.branch()].concat())
}

fn answers() -> impl Strategy<Value = Answer> {
    let failure = |towards| Failure::new(towards, 1, "HY000", "no");
    prop_oneof![
        6 => Just(Answer::Done),
        6 => Just(Answer::Decided(Some(Decision::Commit))),
        1 => Just(Answer::Decided(Some(Decision::Abort))),
        1 => Just(Answer::Decided(None)),
        1 => Just(Answer::Refused(failure(BranchState::Idle))),
        1 => Just(Answer::Refused(failure(BranchState::Prepared))),
        1 => Just(Answer::Lost(failure(BranchState::Prepared))),
    ]
}

fn recovery_answers() -> impl Strategy<Value = RecoveryAnswer> {
    let failure = |code| Failure::new(BranchState::Committed, code, "HY000", "no");
    let xid = |n| Xid::of(&Gtrid::from(12), Tag(7), BranchIx(n));
    prop_oneof![
        6 => Just(RecoveryAnswer::Done),
        3 => Just(RecoveryAnswer::Listed(vec![])),
        6 => Just(RecoveryAnswer::Listed((0..4).map(xid).collect())),
        3 => Just(RecoveryAnswer::Decided(Some(Decision::Abort))),
        1 => Just(RecoveryAnswer::Decided(Some(Decision::Commit))),
        1 => Just(RecoveryAnswer::Decided(None)),
        1 => Just(RecoveryAnswer::Unsettled),
        1 => Just(RecoveryAnswer::OtherServer { identity: "two".to_owned() }),
        2 => Just(RecoveryAnswer::Refused(failure(1397))),
        1 => Just(RecoveryAnswer::Lost(failure(2013))),
    ]
}

proptest! {
    #[test]
    fn a_name_comes_back_from_the_list(xid in xids()) {
        let (format, gtrid, bqual, data) = row(&xid);
        prop_assert_eq!(Xid::parse_recovered(format, gtrid, bqual, &data), Ok(xid));
    }

    #[test]
    fn any_row_is_read_or_refused(
        format in any::<i64>(),
        gtrid in prop_oneof![-2_i64..70, any::<i64>()],
        bqual in prop_oneof![-2_i64..70, any::<i64>()],
        data in prop::collection::vec(any::<u8>(), 0..140),
    ) {
        if let Ok(xid) = Xid::parse_recovered(format, gtrid, bqual, &data) {
            prop_assert_eq!(row(&xid), (format, gtrid, bqual, data));
        }
    }

    #[test]
    fn a_name_is_printed_so_that_nothing_breaks_out(xid in xids()) {
        let text = xid.to_string();
        prop_assert!(text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'\'' | b',')), "{}", text);
        prop_assert_eq!(text.matches('\'').count(), 4);
    }

    #[test]
    fn names_of_ours_differ_with_everything_they_name(
        one in (bytes(1), any::<u64>(), any::<u16>()),
        other in (bytes(1), any::<u64>(), any::<u16>()),
    ) {
        let name = |it: &(Vec<u8>, u64, u16)| Xid::of(&Gtrid::new(it.0.clone()).unwrap(), Tag(it.1), BranchIx(it.2));
        prop_assert!(name(&one).is_ours());
        prop_assert_eq!(name(&one) == name(&other), one == other);
    }

    #[test]
    fn a_coordinator_ends_whatever_is_answered(
        branches in 0_u16..4,
        has_store: bool,
        in_time: bool,
        rolls_back: bool,
        answers in prop::collection::vec((any::<prop::sample::Index>(), answers()), 200),
    ) {
        let mut xa = Coordinator::new(Gtrid::from(12), Tag(7), has_store);
        for _ in 0..branches {
            xa.join();
        }
        let mut answers = answers.into_iter();
        let mut open = Vec::new();
        let mut commits_may_leave = !has_store;
        let mut ended = false;
        loop {
            let new = xa.actions();
            let commits = new.iter().any(|it| matches!(it, Action::Commit(_)));
            prop_assert!(commits_may_leave || !commits, "a commit before the decision");
            open.extend(new);
            if open.is_empty() && !ended {
                ended = true;
                if rolls_back { xa.rollback() } else { xa.commit(in_time) }
                continue;
            }
            if open.is_empty() {
                break;
            }
            let (at, answer) = answers.next().expect("it ends");
            let action = open.swap_remove(at.index(open.len()));
            let decides = matches!(action, Action::Decide(_));
            commits_may_leave |= decides && answer == Answer::Decided(Some(Decision::Commit));
            xa.on(action, answer);
        }
        prop_assert!(xa.outcome().is_some());
        let committed = matches!(xa.outcome(), Some(Outcome::Committed { .. }));
        prop_assert!(!committed || (in_time && !rolls_back));
        prop_assert_eq!(xa.ending().finished == Finished::No, matches!(xa.ending().state, BranchState::NonExisting));
    }

    #[test]
    fn a_recovery_ends_whatever_is_answered(
        branches in 0_u16..4,
        decision in prop_oneof![Just(None), Just(Some(Decision::Commit)), Just(Some(Decision::Abort))],
        answers in prop::collection::vec((any::<prop::sample::Index>(), recovery_answers()), 200),
    ) {
        let gtrid = Gtrid::from(12);
        let branch = |n| RecordedBranch {
            branch: BranchIx(n),
            xid: Xid::of(&gtrid, Tag(7), BranchIx(n)),
            place: Place::default(),
            state: BranchState::Active,
            settled: None,
        };
        let mut it = Recovery::new(Record {
            trx: TrxId(1),
            gtrid: gtrid.clone(),
            tag: Some(Tag(7)),
            decision,
            finished: Finished::No,
            state: BranchState::NonExisting,
            branches: (0..branches).map(branch).collect(),
        });
        let mut answers = answers.into_iter();
        let mut open = it.actions();
        let mut stands = decision;
        while !open.is_empty() {
            let (at, answer) = answers.next().expect("it ends");
            let action = open.swap_remove(at.index(open.len()));
            match action {
                RecoveryAction::Commit(_) => prop_assert_eq!(stands, Some(Decision::Commit)),
                RecoveryAction::RollBack(_) | RecoveryAction::EndOwner(_) if decision.is_none() => {
                    prop_assert_eq!(stands, Some(Decision::Abort));
                }
                _ => {}
            }
            if let (RecoveryAction::Claim, RecoveryAnswer::Decided(Some(it))) = (action, &answer) {
                stands = Some(*it);
            }
            it.on(action, answer);
            open.extend(it.actions());
        }
        prop_assert!(it.outcome().is_some());
    }
}
