use ms_config::Config;

use super::{refused, rendered};

/// Said of every section with `fabric`, whatever else is.
const LATER: &str = "shop.fabric: `fabric` is not supported yet";
const NO_HOSTS: &str = "Section [hosts] doesn't exist. This is needed for MySQL Fabric";
const NO_URL: &str =
    "Section [hosts] lists contains an entry which has an empty [url] value. This is needed for MySQL Fabric";

#[test]
fn valid_settings_are_refused_for_one_reason_only() {
    for more in [
        "",
        r#", "timeout": 0"#,
        r#", "timeout": "65535""#,
        r#", "strategy": "Direct""#,
        r#", "strategy": "dump""#,
        r#", "trx_warn_serverlist_changes": 1"#,
        r#", "trx_warn_server_list_changes": "on""#,
    ] {
        let hosts = r#"[{"url": "http://a:8080/"}, {"host": "b", "port": "8080"}, {"host": "::1", "port": 1}]"#;
        let text = with(&format!(r#"{{"hosts": {hosts}{more}}}"#));
        assert_eq!(Config::parse(&text).diagnostics.len(), 1, "{more}");
        refused(&text, LATER);
    }
}

#[test]
fn hosts_are_a_list_that_is_not_empty() {
    for value in ["{}", r#"{"hosts": []}"#, r#"{"hosts": {}}"#] {
        check(value, NO_HOSTS);
    }
    for value in ["1", "null", r#""http://a:8080/""#] {
        let not_a_list = "Section [hosts] is not a list. This is needed for MySQL Fabric";
        check(&format!(r#"{{"hosts": {value}}}"#), not_a_list);
    }
    let hosts = |count: usize| vec![r#"{"url": "http://a:1/"}"#; count].join(", ");
    refused(&with(&format!(r#"{{"hosts": [{}]}}"#, hosts(10))), LATER);
    let too_many = "Please report a bug: no more than 10 Fabric hosts allowed";
    check(&format!(r#"{{"hosts": [{}]}}"#, hosts(11)), too_many);
    refused(&with(r#"{"hosts": {"first": {"url": "http://a:1/"}}}"#), LATER);
}

#[test]
fn a_host_is_a_url_or_host_and_port() {
    for host in ["{}", r#"{"url": ""}"#, r#"{"url": null}"#, r#"{"host": "a"}"#, r#"{"port": 1}"#] {
        check_host(host, NO_URL);
    }
    check_host(r#""http://a:1/""#, "must be an object");
    check_host(r#"{"url": ["http://a:1/"]}"#, "Invalid value for url. Cannot be a list/hash'");
    check_host(r#"{"host": "a", "port": 0}"#, "Invalid value for port '0' . Stopping");
    check_host(r#"{"host": "a", "port": 65536}"#, "Invalid value for port '65536' . Stopping");
    for url in ["a:1", "ftp://a/", "http:///", "http://user:hunter2@a/", "http://a /"] {
        check_host(&format!(r#"{{"url": "{url}"}}"#), "not the URL of a Fabric node");
    }
    let parsed = Config::parse(&with(r#"{"hosts": [{"url": "http://user:hunter2@a/"}]}"#));
    assert!(!format!("{parsed:?} {}", rendered(&parsed)).contains("hunter2"));
}

#[test]
fn the_timeout_has_a_range() {
    check_more(r#""timeout": -1"#, "Invalid value '-1' for timeout. Stopping");
    check_more(r#""timeout": 65536"#, "Invalid value '65536' for timeout. Stopping");
    check_more(r#""timeout": [1]"#, "`timeout` must be a number");
}

#[test]
fn other_values_are_looked_at_too() {
    let unknown = "Unknown MySQL Fabric strategy dmup selected, falling back to default dump; accepted: `dump`, `direct`; \
                   did you mean `dump`?";
    check_more(r#""strategy": "dmup""#, unknown);
    check_more(r#""strategy": []"#, "the strategy must be a text");
    check_more(r#""trx_warn_server_list_change": 1"#, "did you mean `trx_warn_server_list_changes`?");
    let twice = r#""trx_warn_serverlist_changes": 1, "trx_warn_server_list_changes": 1"#;
    check_more(twice, "mean the same; give only one of them");
    check("1", "shop.fabric: must be an object");
}

#[test]
fn servers_and_what_needs_them_are_ignored_beside_it() {
    let hosts = r#""fabric": {"hosts": [{"url": "http://a:1/"}]}"#;
    for (key, value, warning) in [
        ("master", "1", "Section [master] exists. Ignored for MySQL Fabric based configuration"),
        ("slave", "[]", "Section [slave] exists. Ignored for MySQL Fabric based configuration"),
        ("xa", r#"{"rollback_on_close": []}"#, "`xa` is ignored beside `fabric`"),
        ("global_transaction_id_injection", "{}", "`global_transaction_id_injection` is ignored beside `fabric`"),
    ] {
        let text = format!(r#"{{"shop": {{{hosts}, "{key}": {value}}}}}"#);
        refused(&text, LATER);
        let parsed = Config::parse(&text);
        assert!(rendered(&parsed).contains(&format!("warning: shop.{key}: {warning}")), "{}", rendered(&parsed));
    }
}

fn with(fabric: &str) -> String {
    format!(r#"{{"shop": {{"fabric": {fabric}}}}}"#)
}

/// One problem beside [`LATER`].
#[track_caller]
fn check(fabric: &str, problem: &str) {
    let parsed = Config::parse(&with(fabric));
    assert_eq!(parsed.diagnostics.len(), 2, "{fabric}\n{}", rendered(&parsed));
    let shown = rendered(&parsed);
    assert!(shown.contains(LATER) && shown.contains(problem), "{fabric}\n{shown}");
    assert!(parsed.config.section("shop").is_err());
}

#[track_caller]
fn check_host(host: &str, problem: &str) {
    check(&format!(r#"{{"hosts": [{host}]}}"#), problem);
}

#[track_caller]
fn check_more(more: &str, problem: &str) {
    check(&format!(r#"{{"hosts": [{{"url": "http://a:1/"}}], {more}}}"#), problem);
}
