use std::time::Duration;

use ms_config::TransientErrors;

use super::{accepted, refused, rendered, warned};

#[test]
fn codes_are_tried_once_more_after_a_moment_unless_configured() {
    let transient = settings(r#"{"mysql_error_codes": [1205, "1213"]}"#);
    assert_eq!(transient.codes, [1205, 1213]);
    assert_eq!((transient.max_retries, transient.pause), (1, Duration::from_micros(100)));
}

#[test]
fn the_pause_counts_microseconds() {
    let transient = settings(r#"{"mysql_error_codes": [0, 9999], "max_retries": 65535, "usleep_retry": 30000000}"#);
    assert_eq!((transient.max_retries, transient.pause), (65535, Duration::from_secs(30)));
    let transient = settings(r#"{"mysql_error_codes": [1205], "max_retries": 0, "usleep_retry": "0"}"#);
    assert_eq!((transient.max_retries, transient.pause), (0, Duration::ZERO));
}

#[test]
fn numbers_have_ranges() {
    check(r#""usleep_retry": -1"#, "Invalid value '-1' for usleep_retry. Stopping");
    check(r#""usleep_retry": 30000001"#, "Invalid value '30000001' for usleep_retry. Stopping");
    check(r#""max_retries": -1"#, "Invalid value '-1' for max_retries. Stopping");
    check(r#""max_retries": 65536"#, "Invalid value '65536' for max_retries. Stopping");
    check(r#""max_retries": [1]"#, "`max_retries` must be a number, not a list");
}

#[test]
fn codes_are_a_list_of_numbers() {
    let range = |value: &str, index| format!("Invalid value '{value}' for entry {index} from mysql_error_codes list");
    check_codes("[99999]", &range("99999", 0));
    check_codes("[1205, -1]", &range("-1", 1));
    check_codes("[1205, 10000]", "shop.transient_error.mysql_error_codes[1]: Invalid value '10000'");
    check_codes("[[1205]]", "an error code must be a number");
    for value in ["1205", "\"1205\"", "{\"a\": 1205}", "true", "null"] {
        check_codes(value, "Invalid value for mysql_error_codes. Please, provide a list. Stopping");
    }
}

#[test]
fn without_codes_nothing_is_tried_again() {
    for value in ["{}", "[]", r#"{"mysql_error_codes": []}"#, r#"{"mysql_error_codes": {}, "max_retries": 3}"#] {
        let shop = warned(&with(value), "without `mysql_error_codes` nothing is tried again");
        assert_eq!(shop.transient_errors, None, "{value}");
    }
    assert_eq!(accepted(&with("null")).transient_errors, None);
    refused(&with("1205"), "shop.transient_error: must be an object");
}

#[test]
fn misspelled_keys_are_warned_of() {
    let parsed = ms_config::Config::parse(&with(r#"{"mysql_error_codes": [1205], "max_retry": 3}"#));
    assert!(rendered(&parsed).contains("did you mean `max_retries`?"));
}

fn with(value: &str) -> String {
    super::shop(&format!(", \"transient_error\": {value}"))
}

#[track_caller]
fn settings(value: &str) -> TransientErrors {
    accepted(&with(value)).transient_errors.expect("codes")
}

#[track_caller]
fn check(key: &str, error: &str) {
    refused(&with(&format!("{{\"mysql_error_codes\": [1213], {key}}}")), error);
}

#[track_caller]
fn check_codes(codes: &str, error: &str) {
    refused(&with(&format!("{{\"mysql_error_codes\": {codes}}}")), error);
}
