//! Every kind of expectation can fail. A row is an expectation, and what must be wrong about it.

use ms_filters::Role as ServerRole;

use super::*;

/// A result of one row from `m1`, with a warning.
fn outcome() -> Outcome {
    Outcome {
        used: Some(used("m1", ServerRole::Primary, 7)),
        rows: Some(vec![vec![Some("1".to_owned()), None]]),
        affected: Some(2),
        warnings: vec!["the slave is late".to_owned()],
        ..Outcome::default()
    }
}

fn failed() -> Outcome {
    let error = Failed { code: 1064, sqlstate: "42000".to_owned(), message: "You have an error".to_owned() };
    Outcome { used: outcome().used, ..Outcome::failed(error) }
}

fn used(alias: &str, role: ServerRole, connection: u64) -> Used {
    Used { alias: alias.to_owned(), role, connection: Some(connection), generation: 0 }
}

fn ids() -> Ids {
    let mut ids = Ids::new();
    ids.insert("first".to_owned(), used("m1", ServerRole::Primary, 7));
    ids.insert("again".to_owned(), used("m1", ServerRole::Primary, 8));
    ids.insert("other".to_owned(), used("s1", ServerRole::Replica, 7));
    ids
}

#[test]
fn places() {
    holds(&outcome(), &json!({"server": "m1"}));
    holds(&outcome(), &json!({"server": ["s1", "m1"], "role": "master"}));
    fails(&outcome(), &json!({"server": "s1"}), "server s1", "server m1 (connection 7)");
    fails(&outcome(), &json!({"server": ["s1", "s2"]}), "server s1 or s2", "server m1 (connection 7)");
    fails(&outcome(), &json!({"role": "slave"}), "a slave", "server m1 (connection 7)");
    fails(&Outcome::default(), &json!({"server": "m1"}), "server m1", "no server");
    fails(&Outcome::default(), &json!({"role": "master"}), "a master", "no server");
}

#[test]
fn connections() {
    holds(&outcome(), &json!({"same_as": "first", "differs_from": ["again", "other"]}));
    fails(
        &outcome(),
        &json!({"same_as": ["first", "again"]}),
        "the connection of `again`: server m1 (connection 8)",
        "server m1 (connection 7)",
    );
    fails(
        &outcome(),
        &json!({"differs_from": ["other", "first"]}),
        "another connection than `first`: server m1 (connection 7)",
        "server m1 (connection 7)",
    );
    fails(&outcome(), &json!({"same_as": "nobody"}), "a connection used by `nobody`", "it used none");
    fails(
        &Outcome::default(),
        &json!({"differs_from": "first"}),
        "another connection than `first`: server m1 (connection 7)",
        "no server",
    );
    let mut later = outcome();
    later.used = Some(Used { generation: 1, ..used("m1", ServerRole::Primary, 9) });
    holds(&later, &json!({"same_as": "first"}));
}

#[test]
fn sending() {
    holds(&outcome(), &json!({"not_sent": true}));
    let sent = Outcome { sent: Some(true), ..outcome() };
    fails(&sent, &json!({"not_sent": true}), "a statement that is not sent", "it was");
}

#[test]
fn errors() {
    let shown = r#"{"code":1064,"sqlstate":"42000","message":"You have an error"}"#;
    holds(&outcome(), &json!({"error": false}));
    holds(&failed(), &json!({"error": true, "server": "m1"}));
    holds(&failed(), &json!({"error": {"code": [1065, 1064], "sqlstate": "42000", "contains": "an error"}}));
    holds(&failed(), &json!({"error": {"severity": "fatal"}}));
    fails(&failed(), &json!({}), "success", shown);
    fails(&failed(), &json!({"error": false}), "success", shown);
    fails(&outcome(), &json!({"error": true}), "an error", "success");
    fails(&outcome(), &json!({"error": {"kind": "gone"}}), r#"the error {"kind":"gone"}"#, "success");
    fails(&failed(), &json!({"error": {"code": 1065}}), r#"the error {"code":1065}"#, shown);
    fails(&failed(), &json!({"error": {"code": [1, 2]}}), r#"the error {"code":[1,2]}"#, shown);
    fails(&failed(), &json!({"error": {"sqlstate": "HY000"}}), r#"the error {"sqlstate":"HY000"}"#, shown);
    fails(&failed(), &json!({"error": {"contains": "no"}}), r#"the error {"contains":"no"}"#, shown);
    fails(&failed(), &json!({"error": {"kind": "connect"}}), r#"the error {"kind":"connect"}"#, shown);
    fails(&failed(), &json!({"error": {"kind": "gone"}}), r#"the error {"kind":"gone"}"#, shown);
    fails(
        &failed(),
        &json!({"error": {"code": 1064, "contains": "no"}}),
        r#"the error {"code":1064,"contains":"no"}"#,
        shown,
    );
}

#[test]
fn error_kinds_and_texts_of_warnings() {
    for (code, kind) in [(2002, "connect"), (2003, "connect"), (2005, "connect"), (2006, "gone"), (2013, "gone")] {
        let error = Failed { code, sqlstate: "HY000".to_owned(), message: String::new() };
        let outcome = Outcome { warnings: vec!["no GTID".to_owned()], ..Outcome::failed(error) };
        holds(&outcome, &json!({"error": {"kind": kind, "contains": "GTID"}}));
    }
}

#[test]
fn rows() {
    holds(&outcome(), &json!({"rows": [["1", null]], "row_count": 1}));
    holds(&outcome(), &json!({"rows": [[{"any": true}, {"any": true}]]}));
    let got = r#"[["1",null]]"#;
    fails(&outcome(), &json!({"rows": [["2", null]]}), r#"[["2",null]]"#, got);
    fails(&outcome(), &json!({"rows": [["1", "NULL"]]}), r#"[["1","NULL"]]"#, got);
    fails(&outcome(), &json!({"rows": [[null, null]]}), "[[null,null]]", got);
    fails(&outcome(), &json!({"rows": [["1"]]}), r#"[["1"]]"#, got);
    fails(&outcome(), &json!({"rows": []}), "[]", got);
    fails(&outcome(), &json!({"rows": [["1", null], ["1", null]]}), r#"[["1",null],["1",null]]"#, got);
    fails(&Outcome::default(), &json!({"rows": []}), "[]", "no result");
    fails(&outcome(), &json!({"row_count": 2}), "2 rows", "1");
    fails(&Outcome::default(), &json!({"row_count": 0}), "0 rows", "no result");
    fails(&outcome(), &json!({"affected_rows": 1}), "1 affected rows", "2");
    fails(&Outcome::default(), &json!({"affected_rows": 0}), "0 affected rows", "none counted");
}

#[test]
fn values() {
    let five = Outcome::value(5);
    for value in [json!(5), json!("5"), json!({"any": true}), json!({"gt": 4}), json!({"ge": "5"}), json!({"not": 6})] {
        value_holds(&five, &value);
    }
    value_fails(&five, &json!(6), "6", "5");
    value_fails(&five, &json!("05"), "\"05\"", "5");
    value_fails(&five, &json!(null), "null", "5");
    value_fails(&five, &json!({"gt": 5}), "more than 5", "5");
    value_fails(&five, &json!({"ge": 6}), "at least 6", "5");
    value_fails(&five, &json!({"not": "5"}), "not \"5\"", "5");
    value_fails(&five, &json!({"ge": 1, "not": 5}), "at least 1 and not 5", "5");
    value_fails(&Outcome::value("a"), &json!({"gt": 0}), "more than 0", "\"a\"");
    value_fails(&Outcome::value(true), &json!(false), "false", "true");
    value_fails(&Outcome::default(), &json!({"any": true}), "a value: anything", "no value");
}

#[test]
fn objects_are_compared_by_the_keys_named() {
    let dump = Outcome::value(json!({"masters": [{"name": "m", "id": null}], "slaves": []}));
    let keys = |value: Value| ValueWanted::read(&value, true).unwrap();
    let check = |wanted: Value| check_value(&keys(wanted), dump.value.as_ref(), &mut Saved::new());
    check(json!({"masters": [{"name": "m"}]})).unwrap();
    check(json!({"masters": [{"id": null}], "slaves": []})).unwrap();
    for wrong in [
        json!({"masters": [{"name": "s"}]}),
        json!({"masters": [{"nome": null}]}),
        json!({"masters": []}),
        json!({"slaves": [{}]}),
        json!({"masters": [{"id": 0}]}),
    ] {
        check(wrong.clone()).expect_err(&wrong.to_string());
    }
}

#[test]
fn warnings() {
    holds(&outcome(), &json!({"warnings": ["late", "slave"]}));
    holds(&Outcome::default(), &json!({"no_warnings": true}));
    fails(&outcome(), &json!({"warnings": ["late", "gone"]}), "a warning that contains `gone`", "the slave is late");
    fails(&outcome(), &json!({"no_warnings": true}), "no warning", "the slave is late");
    fails(&Outcome::default(), &json!({"warnings": ["a"]}), "a warning that contains `a`", "no warning");
}

#[test]
fn counters() {
    check_counter("a", &json!(2), 2).unwrap();
    check_counter("a", &json!({"min": 1, "max": 2}), 2).unwrap();
    check_counter("a", &json!({"min": 2}), 9).unwrap();
    for wrong in [json!(1), json!({"min": 3}), json!({"max": 1}), json!({"mim": 1}), json!({}), json!("2"), json!(-2)] {
        check_counter("a", &wrong, 2).expect_err(&wrong.to_string());
    }
}

#[test]
fn what_is_stored_is_what_came() {
    let mut saved = Saved::new();
    let step = step(&json!({"rows": [[{"save": "x"}, {"save": "y"}]]}));
    check(&step, &outcome(), &ids(), &mut saved).unwrap();
    let value = ValueWanted::read(&json!({"save": "z"}), false).unwrap();
    check_value(&value, Some(&json!(3)), &mut saved).unwrap();
    assert_eq!((&saved["x"], &saved["y"], &saved["z"]), (&json!("1"), &Value::Null, &json!(3)));
}

fn step(expect: &Value) -> Step {
    Step::read(&json!({"sql": "SELECT 1", "expect": expect})).unwrap()
}

#[track_caller]
fn holds(outcome: &Outcome, expect: &Value) {
    check(&step(expect), outcome, &ids(), &mut Saved::new()).unwrap();
}

#[track_caller]
fn fails(outcome: &Outcome, expect: &Value, expected: &str, got: &str) {
    let mismatch = check(&step(expect), outcome, &ids(), &mut Saved::new()).unwrap_err();
    assert_eq!(mismatch, Mismatch::new(expected, got));
}

#[track_caller]
fn value_holds(outcome: &Outcome, value: &Value) {
    holds(outcome, &json!({ "value": value }));
}

#[track_caller]
fn value_fails(outcome: &Outcome, value: &Value, expected: &str, got: &str) {
    fails(outcome, &json!({ "value": value }), expected, got);
}
