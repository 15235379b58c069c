//! Expectations that do not hold, one of every kind, on a real server: each must fail, and for its own reason.
//!
//! All placeholders are the primary of the test cluster, but for the scenarios about replication; what matters here is
//! whether the runner notices.

use std::env;

use serde_json::{Value, json};

use crate::broken::conform;

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn every_wrong_expectation_is_noticed() {
    let select = |expect: Value| json!([{"sql": "SELECT 1", "expect": expect}]);
    let distribution = |expect: Value| json!([{"distribution": {"sql": "SELECT 1", "times": 4, "expect": expect}}]);
    check(
        "wrong",
        &[
            // Where it ran.
            (select(json!({"server": "m"})), "server m", "server s1 (connection "),
            (select(json!({"server": ["m", "s2"]})), "server m or s2", "server s1 (connection "),
            (select(json!({"role": "master"})), "a master", "server s1 (connection "),
            (
                json!([{"sql": "SELECT 1", "id": "a"}, {"sql": "SELECT 1", "expect": {"same_as": "a"}}]),
                "the connection of `a`: server s1 (connection ",
                "server s2 (connection ",
            ),
            (
                json!([{"sql": "DO 1", "id": "a"}, {"sql": "DO 1", "expect": {"differs_from": "a"}}]),
                "another connection than `a`: server m (connection ",
                "server m (connection ",
            ),
            (
                json!([{"sql": "SELECT 1", "id": "a"}, {"sql": "DO 1", "id": "b"}, {"sql": "DO 1", "expect": {"same_as": ["b", "a"]}}]),
                "the connection of `a`: server s1 (connection ",
                "server m (connection ",
            ),
            (
                json!([{"sql": "SELECT 1", "id": "a"}, {"sql": "DO 1", "id": "b"}, {"sql": "DO 1", "expect": {"differs_from": ["a", "b"]}}]),
                "another connection than `b`: server m (connection ",
                "server m (connection ",
            ),
            (
                json!([{"sql": "DO 1"}, {"sql": "DO 2", "expect": {"not_sent": true}}]),
                "a statement that is not sent",
                "it was",
            ),
            // What it returned.
            (select(json!({"error": true})), "an error", "success"),
            (select(json!({"error": {"code": 1064}})), "the error {\"code\":1064}", "success"),
            (json!([{"sql": "nonsense"}]), "success", "\"code\":1064"),
            (json!([{"sql": "nonsense", "expect": {"error": {"code": 1146}}}]), "{\"code\":1146}", "\"code\":1064"),
            (
                json!([{"sql": "nonsense", "expect": {"error": {"sqlstate": "HY000"}}}]),
                "HY000",
                "\"sqlstate\":\"42000\"",
            ),
            (json!([{"sql": "nonsense", "expect": {"error": {"contains": "no such"}}}]), "no such", "syntax"),
            (json!([{"sql": "nonsense", "expect": {"error": {"kind": "gone"}}}]), "gone", "\"code\":1064"),
            (json!([{"sql": "nonsense", "expect": {"error": {"kind": "connect"}}}]), "connect", "\"code\":1064"),
            (json!([{"sql": "nonsense", "expect": {"error": {"code": [1146, 1054]}}}]), "[1146,1054]", "\"code\":1064"),
            (json!([{"sql": "nonsense", "expect": {"error": false}}]), "success", "\"code\":1064"),
            (
                json!([{"sql": "nonsense", "expect": {"error": true, "server": "s1"}}]),
                "server s1",
                "server m (connection ",
            ),
            (select(json!({"rows": [["2"]]})), "[[\"2\"]]", "[[\"1\"]]"),
            (select(json!({"rows": [[null]]})), "[[null]]", "[[\"1\"]]"),
            (select(json!({"rows": []})), "[]", "[[\"1\"]]"),
            (select(json!({"row_count": 2})), "2 rows", "1"),
            (
                json!([{"prepare": "SELECT ?", "id": "p"},
                    {"execute": {"stmt": "p", "params": [1]}, "expect": {"rows": [["2"]]}}]),
                "[[\"2\"]]",
                "[[\"1\"]]",
            ),
            (
                json!([{"prepare": "DO 1", "id": "p"}, {"execute": "p", "expect": {"role": "slave"}}]),
                "a slave",
                "server m (connection ",
            ),
            (json!([{"execute": "p"}]), "a step that can be done", "no statement was prepared as `p`"),
            (
                json!([{"sql": "INSERT INTO test VALUES (6), (7)", "expect": {"affected_rows": 1}}]),
                "1 affected rows",
                "2",
            ),
            (select(json!({"value": 1})), "a value: 1", "no value"),
            (select(json!({"warnings": ["late"]})), "a warning that contains `late`", "no warning"),
            (json!([{"multi_query": "SELECT 1; SELECT 2", "expect": {"rows": [["2"]]}}]), "[[\"2\"]]", "[[\"1\"]]"),
            // Values.
            (json!([{"thread_id": true, "expect": {"value": {"gt": 0}}}]), "more than 0", "0"),
            (json!([{"sql": "DO 1"}, {"thread_id": true, "expect": {"value": 0}}]), "0", ""),
            (
                json!([{"sql": "INSERT INTO test VALUES (6)"}, {"affected_rows": true, "expect": {"value": 2}}]),
                "2",
                "1",
            ),
            (json!([{"sql": "SELECT 1, 2"}, {"field_count": true, "expect": {"value": 1}}]), "1", "2"),
            (json!([{"insert_id": true, "expect": {"value": 7}}]), "7", "0"),
            (json!([{"warning_count": true, "expect": {"value": {"ge": 1}}}]), "at least 1", "0"),
            (json!([{"thread_id": true, "expect": {"value": {"not": 0}}}]), "not 0", "0"),
            (
                json!([{"thread_id": true, "expect": {"value": {"save": "x"}}}, {"affected_rows": true, "expect": {"value": {"not": "$x"}}}]),
                "not 0",
                "0",
            ),
            (select(json!({"value": {"any": true}})), "a value", "no value"),
            (json!([{"get_charset": true, "expect": {"value": "latin7"}}]), "latin7", "utf8mb4"),
            (json!([{"sql": "DO 1"}, {"escape": "a'b", "expect": {"value": "a'b"}}]), "\"a'b\"", "a\\\\'b"),
            (json!([{"match_wild": ["abc", "a%"], "expect": {"value": false}}]), "false", "true"),
            (json!([{"server_info": true, "expect": {"value": "0.1"}}]), "\"0.1\"", "."),
            (json!([{"ping": true, "expect": {"error": true}}]), "an error", "success"),
            (json!([{"select_db": "@db", "expect": {"error": true}}]), "an error", "success"),
            (json!([{"sql": "DO 1"}, {"set_charset": "nonsense"}]), "success", "nonsense"),
            (json!([{"autocommit": true, "expect": {"error": true}}]), "an error", "success"),
            (json!([{"begin": true, "expect": {"error": true}}]), "an error", "success"),
            (json!([{"begin": {"name": "no*/name"}}]), "success", "cannot name a transaction"),
            (json!([{"commit": true, "expect": {"error": {"code": 2013}}}]), "{\"code\":2013}", "success"),
            (json!([{"rollback": true, "expect": {"error": true}}]), "an error", "success"),
            (json!([{"qos": {"level": "strong"}, "expect": {"error": true}}]), "an error", "success"),
            (json!([{"qos": {"level": "strong", "age": 1}}]), "success", "MYSQLND_MS_QOS_CONSISTENCY_EVENTUAL"),
            (
                json!([{"qos": {"level": "eventual", "age": -1}, "expect": {"error": {"contains": "GTID"}}}]),
                "GTID",
                "positive",
            ),
            (json!([{"sql": "DO 1"}, {"change_user": {"password": "wrong"}}]), "success", "\"code\":1045"),
            (json!([{"classify": "SELECT 1", "expect": {"value": "master"}}, {"sql": "DO 1"}]), "master", "slave"),
            (
                json!([{"dump_servers": true, "expect": {"value": {"masters": [{"name_from_config": "s1"}]}}}]),
                "at least",
                "\"name_from_config\":\"m\"",
            ),
            (json!([{"dump_servers": true, "expect": {"value": {"slaves": []}}}]), "at least", "\"s2\""),
            (
                json!([{"sql": "nonsense", "expect": {"error": true}}, {"last_used": true, "expect": {"value": {"errno": 0}}}]),
                "at least",
                "1064",
            ),
            (
                json!([{"sql": "SELECT 1", "expect": {"rows": [[{"save": "x"}]]}}, {"sql": "SELECT ${x}", "expect": {"rows": [["2"]]}}]),
                "[[\"2\"]]",
                "[[\"1\"]]",
            ),
            (select(json!({"rows": [["$nothing"]]})), "a step that can be done", "`$nothing` was never stored"),
            // Counters.
            (json!([{"sql": "SELECT 1"}, {"stats": {"use_slave": 2}}]), "use_slave 2", "1"),
            (json!([{"stats": {"use_slave": {"min": 1}}}]), "use_slave {\"min\":1}", "0"),
            (json!([{"sql": "SELECT 1"}, {"stats": {"use_slave": {"max": 0}}}]), "use_slave {\"max\":0}", "1"),
            (json!([{"stats": {"no_such_counter": 0}}]), "a runner that can do it", "the counter `no_such_counter`"),
            // Many runs.
            (distribution(json!({"servers": {"s1": 4}})), "s1 4", "s1 2, s2 2"),
            (distribution(json!({"servers": {"s1": [0, 1], "s2": [2, 4]}})), "s1 0.0 to 1.0", "s1 2, s2 2"),
            (distribution(json!({"distinct": 1})), "1 distinct connections", "2"),
            (distribution(json!({"sequence": ["s2", "s1", "s2", "s1"]})), "s2 s1 s2 s1", "s1 s2 s1 s2"),
            (distribution(json!({"cycle": ["s1", "s1", "s2"]})), "the cycle s1 s1 s2", "s1 s2 s1 s2"),
            (distribution(json!({"uniform": {"servers": ["s1"], "tolerance": 0.9}})), "s1", "s1 2, s2 2"),
            (
                json!([{"distribution": {"sql": "SELECT 1", "times": 40, "expect":
                {"proportional": {"weights": {"s1": 9, "s2": 1}, "tolerance": 0.2}}}}]),
                "s1 28.8 to 43.2",
                "s1 20, s2 20",
            ),
            (json!([{"distribution": {"sql": "nonsense", "times": 2, "expect": {}}}]), "success each time", "1064"),
            // Beside the pool.
            (
                json!([{"direct": {"on": "@primary", "sql": "SELECT COUNT(*) FROM test"}, "expect": {"rows": [["6"]]}}]),
                "6",
                "5",
            ),
            (json!([{"direct": {"on": "@primary", "sql": "nonsense"}}]), "success", "\"code\":1064"),
            (json!([{"kill": "m"}]), "a step that can be done", "the pool has no open connection to `m`"),
            (
                json!([{"sql": "DO 1"}, {"kill": "last_used"}, {"sql": "/*ms=last_used*/DO 1"}]),
                "success",
                "\"code\":20",
            ),
            (json!([{"close": true}, {"sql": "SELECT 1"}]), "a step that can be done", "the pool is closed"),
            // Rounds.
            (
                json!([{"repeat": {"times": 3, "steps": [{"sql": "SELECT $i", "expect": {"rows": [["0"]]}}]}}]),
                "[[\"0\"]]",
                "[[\"1\"]]",
            ),
            // Time.
            (json!([{"sql": "SELECT SLEEP(30)"}]), "an answer within 10 s", "none"),
        ],
    );
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn every_right_expectation_holds() {
    let steps = json!([
        {"sql": "SELECT 1", "id": "a", "expect": {"server": "s1", "role": "slave", "rows": [["1"]], "row_count": 1}},
        {"sql": "SELECT 1", "id": "b", "expect": {"server": ["s2"], "differs_from": "a", "no_warnings": true}},
        {"sql": "SELECT 2", "expect": {"same_as": "a"}},
        {"sql": "INSERT INTO test VALUES (6)", "expect": {"server": "m", "role": "master", "affected_rows": 1}},
        {"affected_rows": true, "expect": {"value": 1}},
        {"sql": "nonsense", "expect": {"error": {"code": 1064, "sqlstate": "42000", "contains": "syntax"}, "server": "m"}},
        {"last_used": true, "expect": {"value": {"errno": 1064}}},
        {"sql": "SELECT CONNECTION_ID()", "expect": {"rows": [[{"save": "id"}]], "server": "s2"}},
        {"thread_id": true, "expect": {"value": "$id"}},
        {"sql": "/*ms=last_used*/SELECT ${id}, NULL", "expect": {"rows": [[{"any": true}, null]]}},
        {"stats": {"use_slave": 4, "use_master": {"min": 2, "max": 2}}},
        {"repeat": {"times": 2, "steps": [{"sql": "SELECT '_$i', @x", "id": "c"}, {"sql": "/*ms=last_used*/DO 1", "expect": {"same_as": "c"}}]}},
        {"distribution": {"sql": "SELECT 1", "times": 4, "expect": {"servers": {"s1": 2, "s2": [2, 2]}, "distinct": 2,
            "cycle": ["s2", "s1"], "uniform": {"servers": ["s1", "s2"], "tolerance": 0.1}}}},
        {"direct": {"on": "@primary", "sql": "SELECT COUNT(*) FROM @db.test"}, "expect": {"rows": [["6"]]}},
        {"sql": "DO 1"},
        {"kill": "m"},
        {"sql": "/*ms=master*/DO 1", "expect": {"error": {"kind": "gone"}, "server": "m"}},
        {"sleep": 0.01},
        {"close": true},
        {"direct": {"on": "@primary", "sql": "SELECT DATABASE()"}, "expect": {"rows": [["@db"]]}},
    ]);
    let (ended, results) = conform("right", &servers(), &json!([scenario("right", &steps)]), &[]);
    assert_eq!((results[0]["status"].as_str(), ended.code), (Some("passed"), Some(0)), "{:#}", results[0]);
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn opening_is_checked_as_well() {
    let connect = |config: Value, expect: Value| {
        json!({"name": format!("{config} {expect}"), "source": "manual:test", "config": config, "steps": [],
            "connect": {"expect": expect}})
    };
    let good = json!({"master": {"m": "@primary"}, "slave": {}});
    let dead = json!({"master": {"m": "@dead"}, "slave": {}, "lazy_connections": 0});
    let scenarios = [
        connect(good.clone(), json!({"error": true})),
        connect(dead.clone(), json!({})),
        connect(dead.clone(), json!({"error": {"code": 1045}})),
        connect(dead.clone(), json!({"error": true, "stats": {"non_lazy_connections_master_failure": 2}})),
        connect(good, json!({"warnings": ["late"]})),
        connect(dead, json!({"error": {"kind": "connect"}, "stats": {"non_lazy_connections_master_failure": 1}})),
    ];
    let (_, results) = conform("connect", &servers(), &json!(scenarios), &[]);
    let statuses: Vec<_> = results.iter().filter_map(|it| it["status"].as_str()).collect();
    assert_eq!(statuses, ["failed", "failed", "failed", "failed", "failed", "passed"], "{results:#?}");
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn callbacks_are_asked_and_what_they_are_called_with_is_checked() {
    let with = |name: &str, filter: &str, answer: Value, server: &str| {
        let mut scenario = scenario(name, &json!([{"sql": "SELECT 1", "expect": {"server": server}}]));
        let mut filters = json!({ filter: {"callback": "cb"} });
        if filter == "user_multi" {
            filters["roundrobin"] = json!({});
        }
        scenario["config"]["filters"] = filters;
        scenario["callbacks"] = json!({"cb": {"sequence": [answer]}});
        scenario
    };
    // One server plays all of them, so its address is first of all the primary's.
    let call = |name: &str, expect: Value| with(name, "user", json!({"master": 0, "expect_call": expect}), "m");
    let right = json!({"section": "myapp", "statement_contains": "SELECT", "masters": 1, "slaves": 2, "last_used": null,
        "in_transaction": false});
    // What is not a server is an error of the statement and a warning.
    let mut silent = with("silent", "user", json!({"raw": 1}), "m");
    silent["steps"] = json!([{"sql": "SELECT 1", "expect": {"error": true, "no_warnings": true}}]);
    let scenarios = [
        call("right", right),
        with("narrowed", "user_multi", json!({"masters": [], "slaves": [1]}), "s2"),
        with("wrong server", "user", json!({"master": 0}), "s1"),
        with("wrong list", "user_multi", json!({"masters": [], "slaves": [1]}), "s1"),
        call("section", json!({"section": "other"})),
        call("statement", json!({"statement_contains": "INSERT"})),
        call("masters", json!({"masters": 2})),
        call("slaves", json!({"slaves": 1})),
        call("last used", json!({"last_used": "any"})),
        call("transaction", json!({"in_transaction": true})),
        silent,
    ];
    let (_, results) = conform("callbacks", &servers(), &json!(scenarios), &[]);
    let statuses: Vec<_> = results.iter().filter_map(|it| it["status"].as_str()).collect();
    assert_eq!(statuses, [&["passed"; 2][..], &["failed"; 9]].concat(), "{results:#?}");
    assert_eq!(results[10]["expected"], "no warning", "{results:#?}");
    for result in &results[4..10] {
        assert!(result["expected"].as_str().unwrap().starts_with("a callback called with "), "{result:#}");
    }
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn nothing_is_left_behind_and_replication_is_waited_for() {
    let mut replicating = scenario(
        "replication",
        &json!([
            {"direct": {"on": "@replica1", "sql": "SELECT @@read_only"}, "expect": {"rows": [["1"]]}},
            {"direct": {"on": "@replica2", "sql": "SHOW DATABASES LIKE '@db'"}, "expect": {"rows": [["@db"]]}},
        ]),
    );
    replicating["requires"] = json!(["replication"]);
    let left = scenario(
        "left over",
        &json!([
            {"sql": "CREATE TABLE left_over (id INT) ENGINE=InnoDB"},
            {"sql": "XA START 'conform-left'"},
            {"sql": "INSERT INTO left_over VALUES (1)"},
            {"sql": "XA END 'conform-left'"},
            {"sql": "XA PREPARE 'conform-left'"},
        ]),
    );
    let mut left = left;
    left["requires"] = json!(["xa"]);
    let look = scenario(
        "what is there",
        &json!([
            {"direct": {"on": "@primary", "sql": "XA RECOVER"}, "expect": {"row_count": 0}},
        ]),
    );
    let (_, results) = conform("left", &servers(), &json!([replicating, left]), &["--jobs", "1"]);
    let statuses: Vec<_> = results.iter().filter_map(|it| it["status"].as_str()).collect();
    assert_eq!(statuses, ["passed", "passed"], "{results:#?}");
    let (_, results) = conform("looked", &servers(), &json!([look]), &[]);
    assert_eq!(results[0]["status"], "passed", "{results:#?}");
}

/// The scenario most rows share: a primary, two replicas in turns, a table of five rows.
fn scenario(name: &str, steps: &Value) -> Value {
    json!({"name": name, "source": "manual:test", "fixtures": [{"test_table": ["@primary"]}],
        "config": {"master": {"m": "@primary"}, "slave": {"s1": "@replica1", "s2": "@replica2"}, "filters": {"roundrobin": {}}},
        "steps": steps})
}

/// Runs the scenarios, of which each must fail with these texts.
#[track_caller]
fn check(test: &str, rows: &[(Value, &str, &str)]) {
    let scenarios: Vec<_> =
        rows.iter().zip(1..).map(|((steps, ..), n)| scenario(&format!("wrong {n}"), steps)).collect();
    let (ended, results) = conform(test, &servers(), &json!(scenarios), &[]);
    for ((steps, expected, got), result) in rows.iter().zip(&results) {
        assert_eq!(result["status"], "failed", "{steps}");
        let says = |key: &str, text: &str| result[key].as_str().unwrap().contains(text);
        assert!(says("expected", expected) && says("got", got), "{result:#}");
    }
    let last = results.last().unwrap();
    assert_eq!((&last["passed"], &last["failed"], ended.code), (&json!(0), &json!(rows.len()), Some(1)));
}

/// The test cluster, whose primary plays all the servers that must not replicate.
fn servers() -> Value {
    let address = |variable: &str| {
        let url = env::var(variable).unwrap_or_else(|_| panic!("`{variable}` is not set: run `cargo xtask test`"));
        let address = url.split_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        let (host, port) = address.rsplit_once(':').unwrap();
        json!({"host": host, "port": port.parse::<u16>().unwrap()})
    };
    let primary = address("MS_TEST_PRIMARY");
    json!({"user": "app", "password": "app", "database": "conforma", "database2": "conformb",
        "primary": primary, "primary2": primary, "replica1": primary, "replica2": primary,
        "replicating": {"primary": primary, "replica1": address("MS_TEST_REPLICA_1"),
            "replica2": address("MS_TEST_REPLICA_2")}})
}
