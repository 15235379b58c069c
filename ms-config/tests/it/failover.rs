use std::time::Duration;

use ms_config::{Compat, Failover, FailureMemory, Retries, Strategy};

use super::{accepted, refused, warned};

#[test]
fn disabled_and_one_retry_unless_configured() {
    let default = accepted(&super::shop("")).failover;
    assert_eq!(default, Failover::of(Compat::Strict));
    check_strategy("null", Strategy::Disabled);
    check_strategy("false", Strategy::Disabled);
    check_strategy("{}", Strategy::Disabled);
    check_strategy("[]", Strategy::Disabled);
    assert_eq!((default.strategy, limit(default.max_retries)), (Strategy::Disabled, 1));
}

#[test]
fn a_strategy_can_be_written_in_three_forms() {
    for (name, strategy) in [
        ("disabled", Strategy::Disabled),
        ("master", Strategy::Primary),
        ("Master", Strategy::Primary),
        ("primary", Strategy::Primary),
        ("loop_before_master", Strategy::LoopBeforePrimary),
        ("loop_before_primary", Strategy::LoopBeforePrimary),
    ] {
        check_strategy(&format!("\"{name}\""), strategy);
        check_strategy(&format!("[\"{name}\"]"), strategy);
        check_strategy(&format!("{{\"strategy\": \"{name}\"}}"), strategy);
    }
}

#[test]
fn what_is_no_strategy_is_disabled_with_a_warning() {
    check_bent("\"slave\"", Strategy::Disabled, "read as `disabled`");
    check_bent("{\"strategy\": \"mastr\"}", Strategy::Disabled, "did you mean `master`?");
    check_bent("\"master_first\"", Strategy::Primary, "read as `master`");
    check_bent("[\"master\", \"disabled\"]", Strategy::Primary, "only the first element counts");
    refused(&with("{\"strategy\": [\"master\"]}"), "the strategy must be a text");
}

#[test]
fn retries_have_a_range_and_zero_is_no_limit() {
    let retries = |value: &str| accepted(&with(&format!("{{\"max_retries\": {value}}}"))).failover.max_retries;
    assert_eq!(retries("0"), Retries::Unlimited);
    assert_eq!(limit(retries("\"3\"")), 3);
    assert_eq!(limit(retries("65535")), 65535);
    refused(&with("{\"max_retries\": -1}"), "Invalid value '-1' for max_retries. Stopping");
    refused(&with("{\"max_retries\": 65536}"), "Invalid value '65536' for max_retries. Stopping");
    refused(&with("{\"max_retries\": [1]}"), "`max_retries` must be a number, not a list");
}

#[test]
fn who_remembers_failures_and_for_how_long_depends_on_compat() {
    let cluster = |seconds| FailureMemory::Cluster { retry_after: Duration::from_secs(seconds) };
    check_memory("strict", "\"master\"", cluster(10));
    check_memory("strict", "{}", cluster(10));
    check_memory("strict", "{\"remember_failed\": \"on\"}", cluster(10));
    check_memory("strict", "{\"remember_failed\": 0}", FailureMemory::Forget);
    check_memory("strict", "{\"retry_after_s\": 3}", cluster(3));
    check_memory("strict", "{\"remember_failed\": 0, \"retry_after_s\": 3}", FailureMemory::Forget);
    check_memory("classic", "\"master\"", FailureMemory::Forget);
    check_memory("classic", "{}", FailureMemory::Forget);
    check_memory("classic", "{\"remember_failed\": 1}", FailureMemory::Session);
    check_memory("classic", "{\"remember_failed\": \"0\"}", FailureMemory::Forget);
    warned(&with("{\"remeber_failed\": 1}"), "did you mean `remember_failed`?");
}

#[test]
fn a_server_is_left_out_for_a_second_at_least_and_an_hour_at_most() {
    refused(&with("{\"retry_after_s\": 0}"), "`retry_after_s` cannot be 0");
    refused(&with("{\"retry_after_s\": 3601}"), "`retry_after_s` cannot be 3601");
    refused(&with("{\"retry_after_s\": [10]}"), "`retry_after_s` must be a number, not a list");
    let classic = super::shop(", \"compat\": \"classic\", \"failover\": {\"retry_after_s\": 3}");
    assert_eq!(warned(&classic, "no effect in `classic`").failover.memory, FailureMemory::Forget);
}

#[track_caller]
fn check_memory(compat: &str, failover: &str, expected: FailureMemory) {
    let text = super::shop(&format!(", \"compat\": \"{compat}\", \"failover\": {failover}"));
    assert_eq!(accepted(&text).failover.memory, expected, "{compat} {failover}");
}

fn with(failover: &str) -> String {
    super::shop(&format!(", \"failover\": {failover}"))
}

fn limit(retries: Retries) -> u16 {
    match retries {
        Retries::Limit(limit) => limit.get(),
        Retries::Unlimited => panic!("no limit"),
    }
}

#[track_caller]
fn check_strategy(failover: &str, expected: Strategy) {
    assert_eq!(accepted(&with(failover)).failover.strategy, expected);
}

#[track_caller]
fn check_bent(failover: &str, expected: Strategy, warning: &str) {
    assert_eq!(warned(&with(failover), warning).failover.strategy, expected);
}
