use std::time::Duration;

use ms_config::{GtidInjection, InjectionFailure};

use super::{accepted, refused, rendered};

#[test]
fn errors_are_reported_and_nothing_is_waited_for_unless_configured() {
    let injection = settings("{}");
    assert_eq!((injection.on_commit, injection.fetch_last_gtid, injection.check_for_gtid), (None, None, None));
    assert_eq!(injection.on_failure, InjectionFailure::Reported);
    assert_eq!(injection.wait_for_gtid_timeout, Duration::ZERO);
}

#[test]
fn statements_are_texts() {
    let injection = settings(
        r#"{"on_commit": "UPDATE t SET id = id + 1", "fetch_last_gtid": "SELECT MAX(id) FROM t",
            "check_for_gtid": "SELECT id FROM t WHERE id >= #GTID", "wait_for_gtid_timeout": "4"}"#,
    );
    assert_eq!(injection.on_commit.as_deref(), Some("UPDATE t SET id = id + 1"));
    assert_eq!(injection.fetch_last_gtid.as_deref(), Some("SELECT MAX(id) FROM t"));
    assert_eq!(injection.check_for_gtid.as_deref(), Some("SELECT id FROM t WHERE id >= #GTID"));
    assert_eq!(injection.wait_for_gtid_timeout, Duration::from_secs(4));
    assert_eq!(settings(r#"{"on_commit": null}"#).on_commit, None);
    for list in [r#"["a"]"#, r#"{"a": "b"}"#] {
        for key in ["on_commit", "fetch_last_gtid", "check_for_gtid"] {
            let error = format!("'{key}' from 'global_transaction_id_injection' must be a string");
            refused(&with(&format!("{{\"{key}\": {list}}}")), &error);
        }
    }
}

#[test]
fn both_spellings_of_the_manual_say_whether_errors_are_reported() {
    for key in ["report_error", "report_errors"] {
        for (value, expected) in [("0", InjectionFailure::Ignored), ("true", InjectionFailure::Reported)] {
            assert_eq!(settings(&format!("{{\"{key}\": {value}}}")).on_failure, expected, "{key} {value}");
        }
        let error = format!("'{key}' from 'global_transaction_id_injection' must be a string");
        refused(&with(&format!("{{\"{key}\": [0]}}")), &error);
    }
    refused(&with(r#"{"report_error": 0, "report_errors": 0}"#), "mean the same; give only one of them");
}

#[test]
fn the_timeout_may_be_less_than_a_second() {
    for (value, milliseconds) in
        [("0.25", 250), ("\"0.05\"", 50), ("1.5", 1500), ("0.0004", 0), ("65534.9996", 65_535_000), ("2.0", 2000)]
    {
        let timeout = settings(&format!(r#"{{"wait_for_gtid_timeout": {value}}}"#)).wait_for_gtid_timeout;
        assert_eq!(timeout, Duration::from_millis(milliseconds), "{value}");
    }
    refused(&with(r#"{"wait_for_gtid_timeout": 65536.5}"#), "must be less than 65536");
}

#[test]
fn the_timeout_has_a_range() {
    let text = "'wait_for_gtid_timeout' from 'global_transaction_id_injection' must be";
    refused(&with(r#"{"wait_for_gtid_timeout": -1}"#), &format!("{text} greater or equal than zero"));
    refused(&with(r#"{"wait_for_gtid_timeout": 65536}"#), &format!("{text} less than 65536"));
    refused(&with(r#"{"wait_for_gtid_timeout": [1]}"#), &format!("{text} a number"));
    assert_eq!(settings(r#"{"wait_for_gtid_timeout": 65535}"#).wait_for_gtid_timeout, Duration::from_secs(65535));
}

#[test]
fn what_cannot_work_is_warned_of() {
    check_warning(r#"{"check_for_gtid": "SELECT 1"}"#, "asks the same for every id, because `#GTID` is not in it");
    check_warning(r#"{"on_commit": ""}"#, "the empty text is as if the key were not there");
    check_warning(r#"{"on_comit": "SELECT 1"}"#, "did you mean `on_commit`?");
    assert_eq!(accepted(&with("null")).gtid_injection, None);
    refused(&with(r#""SELECT 1""#), "must be an object");
}

fn with(value: &str) -> String {
    super::shop(&format!(", \"global_transaction_id_injection\": {value}"))
}

#[track_caller]
fn settings(value: &str) -> GtidInjection {
    accepted(&with(value)).gtid_injection.expect("the settings")
}

#[track_caller]
fn check_warning(value: &str, warning: &str) {
    let parsed = ms_config::Config::parse(&with(value));
    assert!(!parsed.has_errors() && rendered(&parsed).contains(warning), "{}", rendered(&parsed));
}
