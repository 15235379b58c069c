use ms_config::{Config, ConnectArgs, Role, Secret, Server, Settings, TlsMode};

use super::{accepted, refused, refused_with, rendered, warned};

#[test]
fn lists_have_two_forms() {
    check_names(r#"{"m": {"host": "a"}}"#, r#"{"s1": {"host": "b"}, "s2": {"host": "c"}}"#, &["m", "s1", "s2"]);
    check_names(r#"[{"host": "a"}]"#, r#"[{"host": "b"}, {"host": "c"}]"#, &["master[0]", "slave[0]", "slave[1]"]);
    check_names(r#"{"": {"host": "a"}}"#, "[]", &["master[0]"]);
    check_names(r#"{"m": {"host": "a"}}"#, "{}", &["m"]);
}

#[test]
fn a_list_that_is_no_list_of_objects_is_one_server() {
    check_names(r#"{"host": "a", "port": 3307}"#, r#"{"host": "b"}"#, &["master[0]", "slave[0]"]);
    check_names(r#"{"host": "a", "password": {"env": "PW"}}"#, "[]", &["master[0]"]);
    refused(&lists(r#"["a"]"#, "[]"), "Cannot find [host] in [master] section in config");
    refused(&lists("[{\"host\": \"a\"}]", r#"["b"]"#), "Cannot find [host] in [slave] section in config");
}

#[test]
fn a_list_that_is_no_list_at_all_is_refused() {
    for value in [r#""a""#, "1", "true", "null"] {
        refused(&lists(value, "[]"), "`master` must be a list of servers");
        refused(&lists(r#"[{"host": "a"}]"#, value), "`slave` must be a list of servers");
    }
}

#[test]
fn modern_spellings_are_accepted_beside_the_old_ones() {
    for (primary, replica) in [("primary", "replica"), ("primaries", "replicas"), ("master", "replica")] {
        let shop =
            accepted(&format!(r#"{{"shop": {{"{primary}": [{{"host": "a"}}], "{replica}": [{{"host": "b"}}]}}}}"#));
        assert_eq!((shop.primaries.len(), shop.replicas.len()), (1, 1));
        assert_eq!(shop.primaries[0].name.role(), Role::Primary);
    }
}

#[test]
fn both_spellings_at_once_are_refused() {
    let text = r#"{"shop": {"master": [{"host": "a"}], "primaries": [{"host": "a"}], "slave": []}}"#;
    refused(text, "`master` and `primaries` mean the same");
}

#[test]
fn both_lists_must_be_there() {
    refused(r#"{"shop": {"slave": []}}"#, "Section [master] doesn't exist for host [shop]");
    refused(r#"{"shop": {"master": [{"host": "a"}]}}"#, "Section [slave] doesn't exist for host [shop]");
    for value in ["1", "\"a\"", "null", "[1]"] {
        refused(&format!(r#"{{"shop": {value}}}"#), "Section [master] doesn't exist for host [shop]");
    }
}

#[test]
fn an_empty_list_of_primaries_is_accepted_with_a_warning() {
    let shop = warned(&lists("{}", r#"[{"host": "b"}]"#), "no write can succeed");
    assert!(shop.primaries.is_empty());
}

#[test]
fn order_is_kept() {
    check_names(
        r#"{"m": {"host": "a"}}"#,
        r#"{"z": {"host": "1"}, "a": {"host": "2"}, "10": {"host": "3"}, "9": {"host": "4"}}"#,
        &["m", "z", "a", "10", "9"],
    );
}

#[test]
fn scalars_are_coerced() {
    let server =
        only(r#"{"host": 10, "port": "3307", "user": 7, "password": false, "db": 1.124, "connect_flags": "0"}"#);
    assert_eq!(server.host, "10");
    assert_eq!(server.port, Some(3307));
    assert_eq!(server.user.as_deref(), Some("7"));
    assert_eq!(server.password, Some(Secret::Literal("0".to_owned())));
    assert_eq!(server.db.as_deref(), Some("1.124000"));
    assert_eq!(server.connect_flags, Some(0));
}

#[test]
fn flags_that_ask_for_something_are_warned_of() {
    let shop =
        warned(&single(r#"{"host": "a", "connect_flags": "2"}"#), "m.connect_flags: `connect_flags` has no effect");
    assert_eq!(shop.primaries[0].connect_flags, Some(2));
}

#[test]
fn null_is_as_if_the_key_were_not_there() {
    let server = only(
        r#"{"host": "a", "port": null, "user": null, "password": null, "db": null, "connect_flags": null, "socket": null}"#,
    );
    assert_eq!(server, only(r#"{"host": "a"}"#));
    refused(&single(r#"{"host": null}"#), "Cannot find [host]");
}

#[test]
fn numbers_have_ranges() {
    check_refused(r#""port": 65536"#, "Invalid value for port '65536' . Stopping");
    check_refused(r#""port": -1"#, "Invalid value for port '-1' . Stopping");
    check_refused(r#""port": "70000""#, "Invalid value for port '70000' . Stopping");
    check_refused(r#""port": 99999999999999999999"#, "Invalid value for port '9223372036854775807' . Stopping");
    check_refused(r#""connect_flags": -1"#, "Invalid value for connect_flags '-1' . Stopping");
    check_refused(r#""connect_flags": 4294967296"#, "Invalid value for connect_flags '4294967296' . Stopping");
    assert_eq!(only(r#"{"host": "a", "port": 65535}"#).port, Some(65535));
}

#[test]
fn a_number_that_is_none_is_bent_with_a_warning() {
    let port = |value: &str| {
        let text = single(&format!(r#"{{"host": "a", "port": {value}}}"#));
        warned(&text, "not a whole number").primaries[0].port
    };
    assert_eq!(port(r#""3307x""#), Some(3307));
    assert_eq!(port("3307.9"), Some(3307));
    assert_eq!(port(r#""abc""#), Some(3306));
    assert_eq!(port("true"), Some(1));
}

#[test]
fn lists_are_refused_where_scalars_are_expected() {
    for key in ["host", "port", "socket", "user", "db", "connect_flags", "password"] {
        for value in ["[1]", "[]", r#"{"a": 1}"#, "{}"] {
            let host = if key == "host" { "" } else { r#""host": "a", "# };
            let entry = format!(r#"{{"m": {{{host}"{key}": {value}}}}}"#);
            let text = lists(&entry, "[]");
            refused(&text, &format!("Invalid value for {key}. Cannot be a list/hash' . Stopping"));
        }
    }
}

#[test]
fn a_password_may_be_elsewhere() {
    let password = |value: &str| only(&format!(r#"{{"host": "a", "password": {value}}}"#)).password;
    assert_eq!(password(r#""x""#), Some(Secret::Literal("x".to_owned())));
    assert_eq!(password(r#"{"env": "PW"}"#), Some(Secret::Env("PW".to_owned())));
    assert_eq!(password(r#"{"file": "/run/pw"}"#), Some(Secret::File("/run/pw".into())));
    for value in [r#"{"env": ""}"#, r#"{"env": 1}"#, r#"{"env": "A", "file": "b"}"#, r#"{"vault": "x"}"#] {
        check_refused(&format!(r#""password": {value}"#), "Invalid value for password. Cannot be a list/hash'");
    }
}

#[test]
fn the_host_decides_the_transport() {
    check_endpoint(r#"{"host": "db1"}"#, "tcp://db1:3306");
    check_endpoint(r#"{"host": "db1", "port": 0}"#, "tcp://db1:3306");
    check_endpoint(r#"{"host": "db1", "port": 3307}"#, "tcp://db1:3307");
    check_endpoint(r#"{"host": "::1", "port": 3307}"#, "tcp://[::1]:3307");
    check_endpoint(r#"{"host": "LocalHost"}"#, "unix:///tmp/mysql.sock");
    check_endpoint(r#"{"host": "localhost", "socket": "/run/db.sock"}"#, "unix:///run/db.sock");
}

#[test]
fn what_the_transport_does_not_use_is_warned_of() {
    warned(&single(r#"{"host": "localhost", "port": 3307}"#), "`localhost` means the socket");
    warned(&single(r#"{"host": "db1", "socket": "/run/db.sock"}"#), "`socket` is used with host `localhost` only");
}

#[test]
fn a_host_is_never_split() {
    let text = single(r#"{"host": "db1:3307"}"#);
    let shop = warned(&text, r#"did you mean `"host": "db1", "port": 3307`?"#);
    assert_eq!(shop.primaries[0].host, "db1:3307");
    warned(&single(r#"{"host": "localhost:/run/db.sock"}"#), r#""socket": "/run/db.sock""#);
    warned(&single(r#"{"host": "[::1]"}"#), "without brackets");
    refused(&single(r#"{"host": "mysql://u:secret@db1"}"#), "not a URL");
}

#[test]
fn what_an_entry_leaves_out_comes_from_the_connect_call() {
    let args = ConnectArgs {
        user: Some("app".to_owned()),
        password: Some(Secret::Literal("pw".to_owned())),
        db: Some("shop".to_owned()),
        port: Some(4000),
        socket: Some("/run/args.sock".to_owned()),
        connect_flags: Some(8),
    };
    let server = only(r#"{"host": "a"}"#).resolve(&args);
    assert_eq!(server.endpoint.to_string(), "tcp://a:4000");
    assert_eq!((server.user, server.password, server.db), (args.user.clone(), args.password.clone(), args.db.clone()));
    assert_eq!(server.connect_flags, 8);
    assert_eq!(only(r#"{"host": "localhost"}"#).resolve(&args).endpoint.to_string(), "unix:///run/args.sock");

    let no_port = ConnectArgs { port: Some(0), ..ConnectArgs::default() };
    assert_eq!(only(r#"{"host": "a"}"#).resolve(&no_port).endpoint.to_string(), "tcp://a:3306");

    let own = r#"{"host": "a", "port": 0, "user": "u", "password": "", "db": "d", "connect_flags": 0}"#;
    let server = only(own).resolve(&args);
    // A port of 0 is a port: it does not inherit.
    assert_eq!(server.endpoint.to_string(), "tcp://a:3306");
    assert_eq!(server.user.as_deref(), Some("u"));
    assert_eq!(server.password, Some(Secret::Literal(String::new())));
    assert_eq!(server.connect_flags, 0);
}

#[test]
fn without_multi_master_further_primaries_are_not_in_the_pool() {
    let text = lists(r#"{"m1": {"host": "a"}, "m2": {"host": "b"}}"#, "[]");
    let shop = warned(&text, "only the first of 2 primaries is used");
    assert_eq!(names(&shop.primaries), ["m1"]);
    assert_eq!(names(&shop.unused_primaries), ["m2"]);

    let settings = Settings { multi_master: Some(true), ..Settings::default() };
    let parsed = Config::parse_file("ms.json", &text, &settings);
    assert_eq!(rendered(&parsed), "");
    let shop = parsed.config.section("shop").expect("the section");
    assert_eq!(names(&shop.primaries), ["m1", "m2"]);
    assert!(shop.unused_primaries.is_empty());
}

#[test]
fn an_error_in_a_server_that_is_not_in_the_pool_is_a_warning() {
    let text = lists(r#"{"m1": {"host": "a"}, "m2": {"host": "b", "port": 70000}}"#, "[]");
    let parsed = Config::parse(&text);
    assert!(!parsed.has_errors(), "{}", rendered(&parsed));
    assert!(rendered(&parsed).contains("warning: shop.master.m2.port: Invalid value for port '70000'"));
    assert!(parsed.config.section("shop").is_ok());

    let settings = Settings { multi_master: Some(true), ..Settings::default() };
    refused_with(&text, &settings, "Invalid value for port '70000' . Stopping");
}

#[test]
fn limits_and_encryption_are_merged_key_by_key() {
    let shop = accepted(
        r#"{"shop": {
            "master": {"m": {"host": "a", "pool": {"max_connections": 3}, "tls": {"mode": "verify-identity"}}},
            "slave": {"s": {"host": "b"}},
            "pool": {"max_connections": 20, "idle_timeout_s": 0, "connect_timeout_ms": "250"},
            "tls": {"mode": "VERIFY_CA", "ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"}
        }}"#,
    );
    let (primary, replica) = (&shop.primaries[0], &shop.replicas[0]);
    assert_eq!(primary.pool.max_connections.get(), 3);
    assert_eq!(replica.pool.max_connections.get(), 20);
    assert_eq!(primary.pool.idle_timeout, None);
    assert_eq!(primary.pool.connect_timeout.as_millis(), 250);
    assert_eq!(replica.pool, shop.pool);
    assert_eq!(primary.tls.mode, TlsMode::VerifyIdentity);
    assert_eq!(primary.tls.ca, replica.tls.ca);
    assert_eq!(replica.tls, shop.tls);
    assert_eq!(replica.tls.mode, TlsMode::VerifyCa);
}

#[test]
fn limits_are_checked() {
    for (pool, error) in [
        (r#"{"max_connections": 0}"#, "a whole number from 1 to 100000"),
        (r#"{"max_connections": 100001}"#, "a whole number from 1 to 100000"),
        (r#"{"acquire_timeout_ms": "soon"}"#, "`acquire_timeout_ms` is out of range or no number"),
        (r#"{"acquire_timeout_ms": 0}"#, "a whole number from 1 to 86400000"),
        (r#"{"lifetime_jitter_percent": 101}"#, "a whole number from 0 to 100"),
        (r#"{"statement_cache": 1.5}"#, "`statement_cache` is out of range or no number"),
        (r#"{"max_connections": 2, "min_idle": 3}"#, "`min_idle` is 3, more than `max_connections`, 2"),
        ("[1]", "must be an object"),
        ("5", "must be an object"),
    ] {
        refused(&super::shop(&format!(r#", "pool": {pool}"#)), error);
        check_refused(&format!(r#""pool": {pool}"#), error);
    }
}

#[test]
fn encryption_is_checked() {
    for (tls, error) in [
        (r#"{"mode": "verify"}"#, "unknown mode `verify`"),
        (r#"{"mode": 1}"#, "must be a text"),
        (r#"{"cert": "/c.pem"}"#, "`cert` is of no use without `key`"),
        (r#"{"key": "/k.pem"}"#, "`key` is of no use without `cert`"),
        (r#"{"ca": ""}"#, "must be a text"),
        (r#""required""#, "must be an object"),
    ] {
        check_refused(&format!(r#""tls": {tls}"#), error);
    }
    warned(&super::shop(r#", "tls": {"mode": "disabled", "ca": "/ca.pem"}"#), "makes no use of certificates");
}

fn lists(primaries: &str, replicas: &str) -> String {
    format!(r#"{{"shop": {{"master": {primaries}, "slave": {replicas}}}}}"#)
}

/// A section whose only server is `entry`.
fn single(entry: &str) -> String {
    lists(&format!(r#"{{"m": {entry}}}"#), "[]")
}

#[track_caller]
fn only(entry: &str) -> Server {
    accepted(&single(entry)).primaries.remove(0)
}

fn names(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.name.to_string()).collect()
}

#[track_caller]
fn check_names(primaries: &str, replicas: &str, expected: &[&str]) {
    let shop = accepted(&lists(primaries, replicas));
    let found: Vec<_> = [names(&shop.primaries), names(&shop.replicas)].concat();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_endpoint(entry: &str, expected: &str) {
    assert_eq!(only(entry).resolve(&ConnectArgs::default()).endpoint.to_string(), expected);
}

/// A server entry that has a host and `keys`.
#[track_caller]
fn check_refused(keys: &str, error: &str) {
    refused(&single(&format!(r#"{{"host": "a", {keys}}}"#)), error);
}
