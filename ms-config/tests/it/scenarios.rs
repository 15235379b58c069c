//! What the scenarios of the original expect of keys that cannot run yet, one row for each scenario.

use ms_config::Config;

use super::rendered;

#[test]
fn settings_of_injected_ids_are_refused_with_the_original_words() {
    let list = "must be a string";
    check("gtid setting on_commit given as a list", GTID, r#"{"on_commit": ["a"]}"#, &gtid("on_commit", list));
    check(
        "gtid setting fetch_last_gtid given as a list",
        GTID,
        r#"{"fetch_last_gtid": ["a"]}"#,
        &gtid("fetch_last_gtid", list),
    );
    check("random ck2-34", GTID, r#"{"on_commit": {"a": "b"}}"#, &gtid("on_commit", list));
    check("random ck2-37", GTID, r#"{"fetch_last_gtid": {"a": "b"}}"#, &gtid("fetch_last_gtid", list));
    let negative = gtid("wait_for_gtid_timeout", "must be greater or equal than zero");
    check("wait_for_gtid_timeout -1", GTID, r#"{"wait_for_gtid_timeout": -1}"#, &negative);
}

#[test]
fn settings_of_transient_errors_are_refused_with_the_original_words() {
    let key = "transient_error";
    let with = |more: &str| format!(r#"{{"mysql_error_codes": [1213], {more}}}"#);
    check("random ck2-4", key, &with(r#""usleep_retry": -1"#), "Invalid value '-1' for usleep_retry. Stopping");
    check("random ck2-10", key, &with(r#""max_retries": -1"#), "Invalid value '-1' for max_retries. Stopping");
    check("random ck2-48", key, &with(r#""max_retries": 65536"#), "Invalid value '65536' for max_retries. Stopping");
    check("random ck2-38", key, r#"{"mysql_error_codes": [99999]}"#, "from mysql_error_codes list. Stopping");
}

#[test]
fn settings_of_garbage_collection_are_refused_with_the_original_words() {
    let alone = r#"{"rollback_on_close": 1, "garbage_collection": {"max_retries": 1}}"#;
    check("xa garbage collection without a state store", "xa", alone, "Garbage collection is unavailable");
    for (name, settings, key, wrong) in [
        ("… max_retries -1", r#"{"max_retries": -1}"#, "max_retries", "between 0 and 100"),
        ("… max_retries 101", r#"{"max_retries": 101}"#, "max_retries", "between 0 and 100"),
        ("… max_retries [1]", r#"{"max_retries": [1]}"#, "max_retries", "(0...100)"),
        ("… probability -1", r#"{"probability": -1}"#, "probability", "between 0 and 1000"),
        (
            "… max_transactions_per_run 0",
            r#"{"max_transactions_per_run": 0}"#,
            "max_transactions_per_run",
            "between 1 and 32768",
        ),
        ("random ck2-40", r#"{"max_transactions_per_run": 0}"#, "max_transactions_per_run", "between 1 and 32768"),
    ] {
        let settings = format!(r#"{{"state_store": {{{STORE}}}, "garbage_collection": {settings}}}"#);
        check(name, "xa", &settings, &format!("'{key}' from 'garbage_collection' must be a number {wrong}"));
    }
}

#[test]
fn settings_of_the_store_are_refused_with_the_original_words() {
    let with =
        |more: &str| format!(r#"{{"state_store": {{"participant_localhost_ip": "127.0.0.1", "mysql": {{{more}}}}}}}"#);
    let flags = with(r#""host": "127.0.0.1", "user": "u", "password": "p", "db": "d", "connect_flags": -1"#);
    check(
        "xa store: connect_flags out of range",
        "xa",
        &flags,
        "Invalid value for 'connect_flags' '-1' in section 'xa'",
    );
    check("random ck2-54", "xa", &with(r#""db": "d", "host": ["x"]"#), "'host' from 'xa' must be a string");
}

#[test]
fn an_empty_pattern_is_refused_with_the_original_words() {
    let filters = r#"{"table": {"rules": {"": {"master": ["m"], "slave": ["s"]}}}, "roundrobin": {}}"#;
    let text = "A table filter must be given a name. You must not use an empty string";
    check("empty pattern", "filters", filters, text);
}

const GTID: &str = "global_transaction_id_injection";
const STORE: &str =
    r#""participant_localhost_ip": "127.0.0.1", "mysql": {"host": "127.0.0.1", "port": 3306, "db": "d"}"#;

fn gtid(key: &str, wrong: &str) -> String {
    format!("'{key}' from '{GTID}' {wrong}")
}

#[track_caller]
fn check(scenario: &str, key: &str, value: &str, error: &str) {
    let parsed = Config::parse(&super::shop(&format!(", \"{key}\": {value}")));
    let errors: Vec<_> = parsed.diagnostics.iter().filter(|it| it.is_error()).collect();
    let is_said = matches!(errors[..], [only] if only.message.contains(error));
    assert!(is_said && parsed.config.section("shop").is_err(), "{scenario}\n{}", rendered(&parsed));
}
