//! What is no scenario, files that are not there, and servers that are not there: named, and counted as failures.

use serde_json::{Value, json};

use crate::run::{Ended, Folder};

/// Nobody listens there.
pub(crate) fn nowhere() -> Value {
    let address = json!({"host": "127.0.0.1", "port": 1});
    json!({"user": "app", "password": "app", "database": "test", "database2": "other", "primary": address,
        "primary2": address, "replica1": address, "replica2": address})
}

/// Runs scenarios, and returns the results by position with the totals behind them.
pub(crate) fn conform(test: &str, servers: &Value, scenarios: &Value, arguments: &[&str]) -> (Ended, Vec<Value>) {
    let folder = Folder::new(&format!("conform-{test}"));
    folder.write("servers.json", servers.to_string());
    folder.write("scenarios.json", scenarios.to_string());
    let always = ["conform", "--servers", "servers.json", "--json", "scenarios.json"];
    let ended = folder.run(&[&always, arguments].concat());
    let results = ended.json();
    (ended, results)
}

fn scenario(name: &str, change: &Value) -> Value {
    let mut scenario = json!({"name": name, "source": "manual:test",
        "config": {"master": {"m": "@primary"}, "slave": {"s": "@replica1"}}, "steps": [{"classify": "SELECT 1"}]});
    scenario.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    scenario
}

#[test]
fn what_is_no_scenario_fails_and_says_why() {
    let rows = [
        (json!({"stpes": []}), "unknown field `stpes`"),
        (json!({"source": 1}), "invalid type: integer `1`"),
        (json!({"status": "maybe"}), "unknown variant `maybe`"),
        (json!({"requires": ["magic"]}), "unknown variant `magic`"),
        (json!({"settings": {"multi_masters": true}}), "unknown field `multi_masters`"),
        (json!({"connect": {"database": "x"}}), "unknown field `database`"),
        (json!({"fixtures": [{"test_tables": ["@primary"]}]}), "unknown field `test_tables`"),
        (json!({"callbacks": {"cb": {"sequence": [{"server": 0}]}}}), "callback `cb`"),
        (json!({"config": {"master": {"m": "@first"}}}), "`@first` is no server placeholder"),
        (json!({"steps": [{"clasify": "SELECT 1"}]}), "unknown variant `clasify`"),
        (json!({"steps": [{"classify": "SELECT 1", "sql": "SELECT 1"}]}), "not both"),
        (json!({"steps": [{"classify": "SELECT 1", "expect": {"valeu": 1}}]}), "unknown field `valeu`"),
        (json!({"steps": [{"classify": "SELECT 1", "expect": {"value": {"like": 1}}}]}), "`like` is no matcher"),
        (json!({"steps": [{"sql": "SELECT 1", "expect": {"server": "t"}}]}), "no server is called `t`, only"),
        (json!({"steps": [{"kill": "t"}]}), "no server is called `t`, only"),
        (json!({"steps": [{"repeat": {"times": 2, "steps": [{"pong": true}]}}]}), "unknown variant `pong`"),
    ];
    let scenarios: Vec<_> = rows.iter().enumerate().map(|(n, (it, _))| scenario(&n.to_string(), it)).collect();
    let (ended, results) = conform("broken", &nowhere(), &json!(scenarios), &[]);
    for ((change, complaint), result) in rows.iter().zip(&results) {
        assert_eq!(result["status"], "failed", "{change}");
        assert!(result["got"].as_str().unwrap().contains(complaint), "{change}: {result}");
    }
    let last = results.last().unwrap();
    assert_eq!((&last["passed"], &last["failed"], ended.code), (&json!(0), &json!(rows.len()), Some(1)));
}

#[test]
fn texts_are_classified_without_any_server() {
    let steps = json!({"steps": [
        {"classify": "SELECT 1", "expect": {"value": "slave"}},
        {"classify": "/*ms=last_used*/DO 1", "expect": {"value": "last_used"}},
        {"match_wild": ["abc", "a%"], "expect": {"value": true}},
    ]});
    let wrong = [
        json!([{"classify": "SELECT 1", "expect": {"value": "master"}}]),
        json!([{"classify": "DO 1", "expect": {"value": {"not": "master"}}}]),
        json!([{"match_wild": ["abc", "b%"], "expect": {"value": true}}]),
        json!([{"classify": "SELECT 1", "expect": {"rows": []}}]),
        json!([{"classify": "SELECT 1", "expect": {"error": true}}]),
        json!([{"repeat": {"times": 2, "steps": [{"classify": "DO $i", "expect": {"value": "slave"}}]}}]),
    ];
    let mut scenarios = vec![scenario("right", &steps)];
    scenarios.extend(wrong.iter().enumerate().map(|(n, it)| scenario(&format!("wrong {n}"), &json!({"steps": it}))));
    let (ended, results) = conform("pure", &nowhere(), &json!(scenarios), &[]);
    let statuses: Vec<_> = results.iter().filter_map(|it| it["status"].as_str()).collect();
    assert_eq!(statuses, [&["passed"][..], &["failed"; 6]].concat(), "{results:#?}");
    assert_eq!(ended.code, Some(1));
}

#[test]
fn servers_that_are_not_there_are_named() {
    let steps = json!({"steps": [{"sql": "SELECT 1"}]});
    let (ended, results) = conform("unreachable", &nowhere(), &json!([scenario("a", &steps)]), &[]);
    assert_eq!((results[0]["status"].as_str(), ended.code), (Some("failed"), Some(1)));
    let got = results[0]["got"].as_str().unwrap();
    assert!(got.contains("cannot connect to `@primary` at 127.0.0.1:1"), "{got}");
}

#[test]
fn scenarios_that_need_replication_are_skipped_without_it() {
    let change = json!({"requires": ["replication"], "steps": [{"sql": "SELECT 1"}]});
    let (ended, results) = conform("skipped", &nowhere(), &json!([scenario("a", &change)]), &[]);
    assert_eq!((&results[0]["status"], &results[1]["skipped"], ended.code), (&json!("skipped"), &json!(1), Some(0)));
}

#[test]
fn names_are_unique() {
    let twice = json!([scenario("a", &json!({})), scenario("a", &json!({}))]);
    let (_, results) = conform("twice", &nowhere(), &twice, &[]);
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("passed"), &json!("failed")));
}

#[test]
fn files_that_cannot_be_read_are_failures() {
    let folder = Folder::new("conform-files");
    folder.write("servers.json", nowhere().to_string());
    folder.write("no.json", "[{");
    folder.write("object.json", "{}");
    folder.write("bytes.json", b"[\"\xff\"]");
    let ended =
        folder.run(&["conform", "--servers", "servers.json", "no.json", "object.json", "bytes.json", "gone.json"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.ends_with("\n0 passed, 4 failed, 0 skipped\n"), "{}", ended.stdout);
    for name in ["no.json", "object.json", "bytes.json", "gone.json"] {
        assert!(ended.stdout.contains(&format!("failed  {name}")), "{}", ended.stdout);
    }
}

#[test]
fn a_servers_file_that_cannot_be_used_is_a_configuration_error() {
    let mut unknown = nowhere();
    unknown["replica3"] = json!({"host": "h", "port": 1});
    let mut same = nowhere();
    same["database2"] = json!("test");
    for (text, complaint) in [
        (unknown.to_string(), "unknown field `replica3`"),
        (same.to_string(), "gives `@db` and `@db2` the same name `test`"),
        ("{}".to_owned(), "missing field `user`"),
        (String::new(), "EOF"),
    ] {
        let folder = Folder::new("conform-servers");
        folder.write("servers.json", text);
        let ended = folder.run(&["conform", "--servers", "servers.json", "."]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "{}", ended.stderr);
    }
    let folder = Folder::new("conform-no-servers");
    let ended = folder.run(&["conform", "--servers", "gone.json", "."]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("cannot read the servers file `gone.json`"), "{}", ended.stderr);
}

#[test]
fn a_baseline_makes_the_difference_count() {
    let scenarios = json!([
        scenario("good", &json!({})),
        scenario("bad", &json!({"steps": [{"classify": "DO 1", "expect": {"value": "slave"}}]})),
    ]);
    for (baseline, code) in [("# why\nbad\n", 0), ("", 1), ("bad\ngood\n", 1), ("good\n", 1), ("bad\nneither\n", 0)] {
        let folder = Folder::new("conform-baseline");
        folder.write("servers.json", nowhere().to_string());
        folder.write("scenarios.json", scenarios.to_string());
        folder.write("baseline.txt", baseline);
        let ended =
            folder.run(&["conform", "--servers", "servers.json", "--baseline", "baseline.txt", "scenarios.json"]);
        assert_eq!(ended.code, Some(code), "{baseline:?}: {ended:?}");
        assert!(ended.stdout.ends_with("1 passed, 1 failed, 0 skipped\n"), "{}", ended.stdout);
    }
}

#[test]
fn a_failure_shows_step_expected_and_got() {
    let folder = Folder::new("conform-shown");
    folder.write("servers.json", nowhere().to_string());
    let bad = scenario("bad", &json!({"steps": [{"classify": "DO 1", "expect": {"value": "slave"}}]}));
    folder.write("scenarios.json", json!([bad]).to_string());
    let ended = folder.run(&["conform", "--servers", "servers.json", "."]);
    let shown = "\n  step 1: {\"classify\":\"DO 1\",\"expect\":{\"value\":\"slave\"}}\n    \
        expected: \"slave\"\n    got:      \"master\"\n";
    assert!(ended.stdout.contains(shown), "{}", ended.stdout);
}
