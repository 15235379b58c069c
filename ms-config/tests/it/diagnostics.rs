use expect_test::{Expect, expect};
use ms_config::{Config, Settings};

use super::rendered;

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    check(
        r#"{
  "shop": {
    "master": {"main": {"host": "10.0.0.1", "prot": 3307}},
    "slave": {
      "replica1": {"host": "10.0.0.2", "port": 70000, "user": ["a"]},
      "replica2": {"hots": "10.0.0.3"},
      "replica3": {"host": "10.0.0.4:3307"}
    },
    "filters": {"random": {"weights": {"main": 1, "replica1": 70000, "replica4": 1}}},
    "failover": {"strategy": "mastr", "max_retries": -1},
    "lazy_connections": "nope",
    "lazy_connections": "off"
  },
  "blog": {"master": "10.0.0.9", "replica": [], "xa": {}}
}"#,
        &expect![[r#"
            ms.json:3:45: warning: shop.master.main.prot: unknown key `prot` is ignored; did you mean `port`?
            ms.json:5:48: error: shop.slave.replica1.port: Invalid value for port '70000' . Stopping; accepted: a whole number from 0 to 65535
            ms.json:5:63: error: shop.slave.replica1.user: Invalid value for user. Cannot be a list/hash' . Stopping; accepted: a text
            ms.json:6:19: error: shop.slave.replica2: Cannot find [host] in [slave] section in config; accepted: an object with at least `host`
            ms.json:6:20: warning: shop.slave.replica2.hots: unknown key `hots` is ignored; did you mean `host`?
            ms.json:7:28: warning: shop.slave.replica3.host: `host` is not split at the colon, so this name will not be found; did you mean `"host": "10.0.0.4", "port": 3307`?
            ms.json:9:63: error: shop.filters.random.weights.replica1: Invalid value '70000' for weight. Stopping; accepted: a whole number from 0 to 65535
            ms.json:9:70: error: shop.filters.random.weights.replica4: Unknown server 'replica4' in 'random' filter configuration. Stopping; did you mean `replica1`?
            ms.json:10:30: warning: shop.failover.strategy: unknown strategy `mastr`; read as `disabled`, as the original did; accepted: `disabled`, `master`, `loop_before_master`, `primary`, `loop_before_primary`; did you mean `master`?
            ms.json:10:54: error: shop.failover.max_retries: Invalid value '-1' for max_retries. Stopping; accepted: a whole number from 0 to 65535, where 0 means no limit
            ms.json:12:5: warning: shop.lazy_connections: duplicate key; this value replaces the one at 11:5
            ms.json:14:22: error: blog.master: `master` must be a list of servers; accepted: an object or an array of servers, each an object with at least `host`
        "#]],
    );
}

#[test]
fn columns_count_characters() {
    check(
        "{\"größe\": {\"master\": [{\"host\": \"ä\", \"port\": 70000}], \"slave\": []}}",
        &expect![[r#"
        ms.json:1:45: error: größe.master[0].port: Invalid value for port '70000' . Stopping; accepted: a whole number from 0 to 65535
    "#]],
    );
}

#[test]
fn a_message_is_one_line_whatever_a_key_holds() {
    check(
        "{\"shop\": {\"master\": [{\"host\": \"a\"}], \"slave\": [], \"a\\n\\u001b[2J\": 1, \"filters\": [\"\\r\"]}}",
        &expect![[r#"
            ms.json:1:51: warning: shop["a\n\u{1b}[2J"]: unknown key `a\n\u{1b}[2J` is ignored; accepted: `master`, `primary`, `primaries`, `slave`, `replica`, `replicas`, `lazy_connections`, `server_charset`, `failover`, `master_on_write`, `trx_stickiness`, `filters`, `pool`, `monitor`, `primary_budget`, `tls`, `token`, `init`, `read_functions`, `retry_reads`, `transient_error`, `global_transaction_id_injection`, `xa`, `fabric`, `enable`, `multi_master`, `disable_rw_split`, `force_config_usage`, `collect_statistics`, `compat`, `mode`
            ms.json:1:82: error: shop.filters[0]: Unknown filter '\r' . Stopping; accepted: `random`, `roundrobin`, `user`, `user_multi`, `table`, `quality_of_service`, `node_groups`, or a filter of the program's own that it registers (`Builder::filter`)
        "#]],
    );
}

#[test]
fn of_very_many_problems_only_the_first_are_shown() {
    let keys: Vec<_> = (0..2000).map(|it| format!("\"unknown {it}\": 1")).collect();
    let text = format!(r#"{{"shop": {{{}}}, "blog": {{}}}}"#, keys.join(","));
    let parsed = Config::parse(&text);
    assert_eq!(parsed.diagnostics.last().map(|it| it.message.as_str()), Some("1002 more problems are not shown"));
    // Whether a section can be used does not depend on what is shown.
    assert!(parsed.config.section("shop").is_err());
    assert!(parsed.config.section("blog").is_err());
    assert!(parsed.has_errors());
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&rendered(&Config::parse_file("ms.json", text, &Settings::default())));
}
