use ms_config::{Filter, Settings, TableRule};

use super::{accepted, refused, rendered, warned};

#[test]
fn rules_keep_their_order_and_their_servers() {
    let rules = rules(
        r#"{"shop.z%": {"master": ["m"], "slave": ["s2", "s1"]}, "shop.a": {"primaries": [], "replica": {}}, "%": {}}"#,
    );
    let found: Vec<_> = rules.iter().map(|it| (&*it.pattern, it.primaries.clone(), it.replicas.clone())).collect();
    assert_eq!(
        found,
        [
            ("shop.z%", Some(vec![0]), Some(vec![1, 0])),
            ("shop.a", Some(Vec::new()), Some(Vec::new())),
            ("%", None, None)
        ]
    );
}

#[test]
fn a_pattern_must_not_be_empty() {
    let text = "A table filter must be given a name. You must not use an empty string";
    refused(&with(r#"{"rules": {"": {"master": ["m"], "slave": ["s1"]}}}"#), text);
    refused(&with(r#"{"rules": {"%": {}, "": {}}}"#), text);
}

#[test]
fn what_never_matches_is_warned_of() {
    check(r#"{"master": ["s1"]}"#, "`s1` is a slave, so it never matches here");
    check(r#"{"slave": ["m"]}"#, "`m` is a master, so it never matches here");
    check(r#"{"slave": ["s3"]}"#, "the pool has no slave `s3`, so it never matches; did you mean `s1`?");
    check(r#"{"master": [""]}"#, "the pool has no master ``, so it never matches");
    check(r#"{"slave": {"a": "s1"}}"#, "not an array of server names; ignored");
    check(r#"{"slave": "s1"}"#, "not an array of server names; ignored");
    check(r#"{"priority": 1}"#, "unknown key `priority` is ignored");
    check(r#"{"slave": ["s1", "s1"]}"#, "`s1` is there twice");
}

#[test]
fn a_name_is_looked_for_among_the_servers_of_its_list() {
    let text = r#"{"shop": {"master": {"x": {"host": "a"}}, "slave": {"y": {"host": "b"}, "x": {"host": "c"}},
        "filters": {"table": {"rules": {"%": {"master": ["x"], "slave": ["x"]}}}, "random": {}}}}"#;
    let Filter::Table { rules } = &accepted(text).filters[0] else { panic!("no table filter") };
    assert_eq!((rules[0].primaries.clone(), rules[0].replicas.clone()), (Some(vec![0]), Some(vec![1])));
}

#[test]
fn servers_outside_of_the_pool_never_match() {
    let text = r#"{"shop": {"master": {"m": {"host": "a"}, "m2": {"host": "b"}}, "slave": [],
        "filters": {"table": {"rules": {"%": {"master": ["m2"]}}}, "random": {}}}}"#;
    let parsed = ms_config::Config::parse(text);
    assert!(rendered(&parsed).contains("the pool has no master `m2`"), "{}", rendered(&parsed));
    let unnamed = r#"{"shop": {"master": [{"host": "a"}], "slave": [{"host": "b"}],
        "filters": {"table": {"rules": {"%": {"slave": [""]}}}, "random": {}}}}"#;
    warned(unnamed, "the pool has no slave ``, so it never matches");
    let all = Settings { multi_master: Some(true), ..Settings::default() };
    assert!(ms_config::Config::parse_file("ms.json", text, &all).diagnostics.is_empty());
}

#[test]
fn without_rules_no_table_has_a_server() {
    for table in ["{}", "[]", r#"{"rules": {}}"#, r#"{"rules": []}"#] {
        assert_eq!(warned(&with(table), "without rules no table has a server").filters[0], no_rules(), "{table}");
    }
    let names = super::shop(r#", "filters": ["table", "random"]"#);
    assert_eq!(warned(&names, "without rules no table has a server").filters[0], no_rules());
}

#[test]
fn rules_are_objects() {
    refused(&with("1"), "Error while creating filter 'table' . Stopping");
    refused(&with(r#"{"rules": 1}"#), "shop.filters.table.rules: must be an object");
    refused(&with(r#"{"rules": [{"master": ["m"]}]}"#), "shop.filters.table.rules: must be an object");
    refused(&with(r#"{"rules": {"%": ["m"]}}"#), "must be an object");
    refused(&with(r#"{"rules": {"%": {"master": [["m"]]}}}"#), "must be the name of a server");
    refused(&with(r#"{"rules": {"%": {"master": [], "primary": []}}}"#), "`master` and `primary` mean the same");
}

#[test]
fn it_narrows() {
    let last = super::shop(r#", "filters": {"table": {"rules": {"%": {}}}}"#);
    refused(&last, "Last filter is multi filter. Needs to be non-multi one. Stopping");
    assert_eq!(no_rules().name(), "table");
    assert!(!no_rules().picks());
}

fn no_rules() -> Filter {
    Filter::Table { rules: Vec::new() }
}

fn with(table: &str) -> String {
    let servers = r#""master": {"m": {"host": "a"}}, "slave": {"s1": {"host": "b"}, "s2": {"host": "c"}}"#;
    format!(r#"{{"shop": {{{servers}, "filters": {{"table": {table}, "random": {{}}}}}}}}"#)
}

#[track_caller]
fn rules(rules: &str) -> Vec<TableRule> {
    let filters = accepted(&with(&format!("{{\"rules\": {rules}}}"))).filters;
    match &filters[0] {
        Filter::Table { rules } => rules.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(rule: &str, warning: &str) {
    warned(&with(&format!("{{\"rules\": {{\"%\": {rule}}}}}")), warning);
}
