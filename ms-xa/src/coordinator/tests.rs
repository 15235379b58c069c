//! One transaction at a time, with every kind of answer.

use super::*;

const A: BranchIx = BranchIx(0);
const B: BranchIx = BranchIx(1);

fn failure(towards: BranchState, code: u16) -> Failure {
    Failure::new(towards, code, "HY000", "no")
}

fn refused(towards: BranchState) -> Answer {
    Answer::Refused(failure(towards, 1614))
}

fn lost(towards: BranchState) -> Answer {
    Answer::Lost(failure(towards, 2013))
}

/// With as many branches as that, all joined.
fn working(branches: u16, has_store: bool) -> Coordinator {
    let mut it = Coordinator::new(Gtrid::from(12), Tag(7), has_store);
    for n in 0..branches {
        assert_eq!(it.join(), Some(BranchIx(n)));
        answer_all(&mut it, |_| Answer::Done);
        assert_eq!(it.branches()[usize::from(n)].state, BranchState::Active);
    }
    it
}

/// Answers whatever there is to do until there is nothing, and returns what there was.
fn answer_all(it: &mut Coordinator, mut answer: impl FnMut(Action) -> Answer) -> Vec<Action> {
    let mut done = Vec::new();
    loop {
        let actions = it.actions();
        if actions.is_empty() {
            return done;
        }
        for action in actions {
            done.push(action);
            it.on(action, answer(action));
        }
    }
}

/// All is well, but for one action.
fn but(action: Action, other: Answer) -> impl FnMut(Action) -> Answer {
    move |it| match it {
        it if it == action => other.clone(),
        Action::Decide(decision) => Answer::Decided(Some(decision)),
        _ => Answer::Done,
    }
}

fn well(action: Action) -> Answer {
    match action {
        Action::Decide(decision) => Answer::Decided(Some(decision)),
        _ => Answer::Done,
    }
}

#[track_caller]
fn check_commit(
    mut it: Coordinator,
    answer: impl FnMut(Action) -> Answer,
    does: &[Action],
    becomes: &Outcome,
) -> Coordinator {
    it.commit(true);
    assert_eq!(answer_all(&mut it, answer), does);
    assert_eq!(it.outcome(), Some(becomes));
    it
}

const DECIDE: Action = Action::Decide(Decision::Commit);

#[test]
fn nothing_to_commit_is_committed() {
    let it = check_commit(working(0, true), well, &[Action::Finish], &Outcome::Committed { left: vec![] });
    assert_eq!(it.ending().finished, Finished::Success);
    check_commit(working(0, false), well, &[], &Outcome::Committed { left: vec![] });
}

#[test]
fn one_branch_commits_in_one_phase_and_decides_nothing() {
    let it = check_commit(
        working(1, true),
        well,
        &[Action::CommitOnePhase(A), Action::Finish],
        &Outcome::Committed { left: vec![] },
    );
    assert_eq!((it.ending().state, it.ending().decision), (BranchState::Committed, None));
    assert!(it.is_reusable(A));
}

#[test]
fn a_one_phase_commit_that_was_refused_is_rolled_back_and_one_that_was_lost_is_in_doubt() {
    let why = failure(BranchState::Committed, 1614);
    let it = check_commit(
        working(1, true),
        but(Action::CommitOnePhase(A), Answer::Refused(why.clone())),
        &[Action::CommitOnePhase(A), Action::RollBack(A), Action::Finish],
        &Outcome::RolledBack { why: Why::Participant(A, why), left: vec![] },
    );
    assert_eq!((it.ending().state, it.ending().finished), (BranchState::RolledBack, Finished::Failure));

    let it = check_commit(
        working(1, true),
        but(Action::CommitOnePhase(A), lost(BranchState::Committed)),
        &[Action::CommitOnePhase(A), Action::Finish],
        &Outcome::InDoubt { why: failure(BranchState::Committed, 2013), left: vec![] },
    );
    assert_eq!((it.ending().state, it.ending().finished), (BranchState::Idle, Finished::Failure));
}

#[test]
fn two_branches_on_record_are_decided_even_when_one_could_not_join() {
    let mut it = working(1, true);
    it.join();
    answer_all(&mut it, but(Action::Start(B), refused(BranchState::Active)));
    check_commit(
        it,
        well,
        &[Action::Prepare(A), DECIDE, Action::Commit(A), Action::Finish],
        &Outcome::Committed { left: vec![] },
    );
    // Never on record: it does not count.
    let mut it = working(1, true);
    it.join();
    answer_all(&mut it, but(Action::Enlist(B), refused(BranchState::Active)));
    check_commit(it, well, &[Action::CommitOnePhase(A), Action::Finish], &Outcome::Committed { left: vec![] });
}

#[test]
fn who_cannot_join_is_left_out() {
    for (at, answer) in [
        (Action::Enlist(B), refused(BranchState::Active)),
        (Action::Enlist(B), lost(BranchState::Active)),
        (Action::Start(B), refused(BranchState::Active)),
        (Action::Start(B), lost(BranchState::Active)),
    ] {
        let mut it = working(1, true);
        assert_eq!(it.join(), Some(B));
        answer_all(&mut it, but(at, answer));
        assert_eq!(it.branches()[1].state, BranchState::NonExisting);
        assert!(it.branches()[1].failure.is_some());
        it.rollback();
        assert_eq!(answer_all(&mut it, well), [Action::RollBack(A), Action::Finish]);
        assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why: Why::Asked, left: vec![] }));
        assert_eq!(it.ending().finished, Finished::Success);
    }
}

#[test]
fn who_is_still_joining_at_the_end_is_left_out() {
    let mut it = working(2, true);
    let late = it.join().unwrap();
    assert_eq!(it.actions(), [Action::Enlist(late)]);
    it.commit(true);
    assert_eq!(it.join(), None);
    it.on(Action::Enlist(late), Answer::Done);
    assert_eq!(it.actions(), [Action::Prepare(A), Action::Prepare(B)]);
    assert!(!it.is_reusable(late));
}

#[test]
fn nothing_is_committed_before_the_decision_has_come_back() {
    let mut it = working(2, true);
    it.commit(true);
    assert_eq!(it.actions(), [Action::Prepare(A), Action::Prepare(B)]);
    it.on(Action::Prepare(B), Answer::Done);
    assert_eq!(it.actions(), []);
    it.on(Action::Prepare(A), Answer::Done);
    assert_eq!(it.actions(), [DECIDE]);
    assert_eq!(it.actions(), []);
    it.on(DECIDE, Answer::Decided(Some(Decision::Commit)));
    assert_eq!(it.actions(), [Action::Commit(A), Action::Commit(B)]);
    it.on(Action::Commit(A), Answer::Done);
    assert_eq!((it.actions(), it.outcome()), (vec![], None));
    it.on(Action::Commit(B), Answer::Done);
    assert_eq!(it.actions(), [Action::Finish]);
    assert_eq!(it.ending().branches, [(A, BranchState::Committed, None), (B, BranchState::Committed, None)]);
}

#[test]
fn one_that_cannot_prepare_rolls_all_back() {
    let why = failure(BranchState::Prepared, 1614);
    let it = check_commit(
        working(2, true),
        but(Action::Prepare(A), Answer::Refused(why.clone())),
        &[Action::Prepare(A), Action::Prepare(B), Action::RollBack(A), Action::RollBack(B), Action::Finish],
        &Outcome::RolledBack { why: Why::Participant(A, why), left: vec![] },
    );
    assert_eq!((it.ending().intend, it.ending().finished), (BranchState::Committed, Finished::Failure));
    assert!(!it.is_reusable(A) && it.is_reusable(B));
}

#[test]
fn a_branch_whose_prepare_was_lost_may_be_prepared() {
    let it = check_commit(
        working(2, true),
        but(Action::Prepare(A), lost(BranchState::Prepared)),
        &[Action::Prepare(A), Action::Prepare(B), Action::RollBack(B), Action::Finish],
        &Outcome::RolledBack { why: Why::Participant(A, failure(BranchState::Prepared, 2013)), left: vec![A] },
    );
    assert_eq!(it.ending().state, BranchState::Idle);
}

#[test]
fn a_branch_that_was_never_asked_to_prepare_is_gone_with_its_connection() {
    let mut answers = |action| match action {
        // `XA END` was sent alone, and broke.
        Action::Prepare(A) => Answer::Refused(failure(BranchState::Idle, 2013)),
        Action::RollBack(A) => lost(BranchState::RolledBack),
        action => well(action),
    };
    let why = Why::Participant(A, failure(BranchState::Idle, 2013));
    let mut it = working(2, true);
    it.commit(true);
    answer_all(&mut it, &mut answers);
    assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why, left: vec![] }));
    assert_eq!(it.ending().branches[0].1, BranchState::Active);

    let mut it = working(2, true);
    it.rollback();
    assert_eq!(answer_all(&mut it, &mut answers), [Action::RollBack(A), Action::RollBack(B), Action::Finish]);
    let why = Why::Participant(A, failure(BranchState::RolledBack, 2013));
    assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why, left: vec![] }));
    assert_eq!((it.ending().intend, it.ending().finished), (BranchState::RolledBack, Finished::Failure));
}

#[test]
fn a_rollback_that_is_lost_after_a_prepare_leaves_it_prepared() {
    let answers = |action| match action {
        Action::Prepare(A) => refused(BranchState::Prepared),
        Action::RollBack(B) => lost(BranchState::RolledBack),
        action => well(action),
    };
    let why = Why::Participant(A, failure(BranchState::Prepared, 1614));
    let mut it = working(2, true);
    it.commit(true);
    answer_all(&mut it, answers);
    assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why, left: vec![B] }));
}

#[test]
fn rolling_back_does_not_wait_for_those_that_are_slow_to_prepare() {
    let mut it = working(3, true);
    it.commit(true);
    it.actions();
    let (c, why) = (BranchIx(2), failure(BranchState::Prepared, 1614));
    it.on(Action::Prepare(A), Answer::Done);
    it.on(Action::Prepare(B), Answer::Refused(why.clone()));
    assert_eq!(it.actions(), [Action::RollBack(A), Action::RollBack(B)]);
    it.on(Action::RollBack(A), Answer::Done);
    it.on(Action::RollBack(B), Answer::Done);
    assert_eq!((it.actions(), it.outcome()), (vec![], None));
    it.on(Action::Prepare(c), Answer::Done);
    assert_eq!(it.actions(), [Action::RollBack(c)]);
    it.on(Action::RollBack(c), Answer::Done);
    it.actions();
    it.on(Action::Finish, Answer::Done);
    assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why: Why::Participant(B, why), left: vec![] }));
}

#[test]
fn what_is_late_is_rolled_back_before_anything_is_prepared() {
    let mut it = working(2, true);
    it.commit(false);
    assert_eq!(answer_all(&mut it, well), [Action::RollBack(A), Action::RollBack(B), Action::Finish]);
    assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why: Why::Late, left: vec![] }));
    assert_eq!(it.ending().finished, Finished::Failure);
}

#[test]
fn without_a_store_the_last_prepare_is_the_decision() {
    check_commit(
        working(2, false),
        well,
        &[Action::Prepare(A), Action::Prepare(B), Action::Commit(A), Action::Commit(B)],
        &Outcome::Committed { left: vec![] },
    );
    check_commit(
        working(2, false),
        but(Action::Commit(B), lost(BranchState::Committed)),
        &[Action::Prepare(A), Action::Prepare(B), Action::Commit(A), Action::Commit(B)],
        &Outcome::InDoubt { why: failure(BranchState::Committed, 2013), left: vec![B] },
    );
}

#[test]
fn with_a_store_what_was_decided_is_committed_whoever_answers() {
    for answer in [lost(BranchState::Committed), Answer::Refused(failure(BranchState::Committed, 1397))] {
        let it = check_commit(
            working(2, true),
            but(Action::Commit(A), answer),
            &[Action::Prepare(A), Action::Prepare(B), DECIDE, Action::Commit(A), Action::Commit(B), Action::Finish],
            &Outcome::Committed { left: vec![A] },
        );
        assert_eq!((it.ending().finished, it.ending().decision), (Finished::Failure, Some(Decision::Commit)));
        assert!(!it.is_reusable(A) && it.is_reusable(B));
    }
}

#[track_caller]
fn check_decision(answers: &[Answer], becomes: &Outcome, then: &[Action]) {
    let mut it = working(2, true);
    it.commit(true);
    let mut answers = answers.iter();
    let done = answer_all(&mut it, |action| match action {
        Action::Decide(_) => answers.next().unwrap().clone(),
        _ => Answer::Done,
    });
    assert_eq!(answers.next(), None);
    assert_eq!(it.outcome(), Some(becomes));
    let after = done.iter().rposition(|it| *it == DECIDE).unwrap() + 1;
    assert_eq!(&done[after..], then);
}

#[test]
fn the_decision_that_stands_is_obeyed() {
    let no = failure(BranchState::Committed, 1290);
    let gone = failure(BranchState::Committed, 2013);
    let back = [Action::RollBack(A), Action::RollBack(B), Action::Finish];
    let on = [Action::Commit(A), Action::Commit(B), Action::Finish];
    let overruled = Outcome::RolledBack { why: Why::Overruled, left: vec![] };
    let by_store = Outcome::RolledBack { why: Why::Store(no.clone()), left: vec![] };
    let in_doubt = |why: &Failure| Outcome::InDoubt { why: why.clone(), left: vec![A, B] };
    let committed = Outcome::Committed { left: vec![] };
    let (refused, lost) = (Answer::Refused(no.clone()), Answer::Lost(gone.clone()));
    let decided = Answer::Decided;

    check_decision(&[decided(Some(Decision::Commit))], &committed, &on);
    check_decision(&[decided(Some(Decision::Abort))], &overruled, &back);
    check_decision(&[decided(None)], &overruled, &back);
    check_decision(std::slice::from_ref(&refused), &by_store, &back);
    // Once it may have been written, only what stands counts.
    check_decision(&[lost.clone(), decided(Some(Decision::Commit))], &committed, &on);
    check_decision(&[lost.clone(), decided(Some(Decision::Abort))], &overruled, &back);
    check_decision(&[lost.clone(), refused], &in_doubt(&no), &[]);
    check_decision(&[lost.clone(), lost.clone()], &in_doubt(&gone), &[]);
    let missing = Failure::new(BranchState::Committed, 2000, "HY000", "there is no record of the decision");
    check_decision(&[lost, decided(None)], &in_doubt(&missing), &[]);
}

#[test]
fn connections_serve_others_only_when_the_store_has_the_end() {
    #[track_caller]
    fn check(answer: impl FnMut(Action) -> Answer, reusable: bool) {
        let mut it = working(2, true);
        it.commit(true);
        answer_all(&mut it, answer);
        assert_eq!(it.is_reusable(A), reusable);
    }
    check(well, true);
    check(but(Action::Finish, refused(BranchState::Committed)), false);
    check(but(Action::Finish, lost(BranchState::Committed)), false);
    check(but(DECIDE, Answer::Decided(Some(Decision::Abort))), false);
}

#[test]
fn what_is_abandoned_is_left_to_the_connections() {
    let mut it = working(2, true);
    it.abandon();
    assert_eq!(answer_all(&mut it, well), [Action::Finish]);
    assert_eq!(it.outcome(), Some(&Outcome::RolledBack { why: Why::Asked, left: vec![] }));
    assert_eq!(it.ending().finished, Finished::Failure);
    assert!(!it.is_reusable(A));
}

#[test]
fn an_end_happens_once_and_answers_that_nobody_waits_for_are_ignored() {
    let mut it = working(2, true);
    it.rollback();
    it.commit(true);
    it.abandon();
    it.on(DECIDE, Answer::Decided(Some(Decision::Commit)));
    it.on(Action::RollBack(A), Answer::Done); // not handed out yet
    assert_eq!(answer_all(&mut it, well), [Action::RollBack(A), Action::RollBack(B), Action::Finish]);
    it.on(Action::Finish, Answer::Done);
    assert_eq!(it.actions(), []);
}

#[test]
fn an_answer_that_does_not_fit_tells_nothing() {
    check_commit(
        working(2, false),
        but(Action::Prepare(A), Answer::Decided(None)),
        &[Action::Prepare(A), Action::Prepare(B), Action::RollBack(B)],
        &Outcome::RolledBack {
            why: Why::Participant(
                A,
                Failure::new(BranchState::Prepared, 2000, "HY000", "a decision was answered to what was none"),
            ),
            left: vec![A],
        },
    );
    check_decision(
        &[Answer::Done, Answer::Done],
        &Outcome::InDoubt {
            why: Failure::new(BranchState::Committed, 2000, "HY000", "there is no record of the decision"),
            left: vec![A, B],
        },
        &[],
    );
}
