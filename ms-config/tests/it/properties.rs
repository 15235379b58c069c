use ms_config::{Config, ConnectArgs, Settings};
use proptest::prelude::*;

use super::rendered;

/// A password that no diagnostic text contains by chance.
const PASSWORD: &str = "hunter2-Zq9";

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        all_ways(&text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        drop(Config::parse_bytes("ms.json", &bytes, &Settings::default()));
    }

    #[test]
    fn any_text_of_json_pieces_is_answered(text in pieces()) {
        all_ways(&text);
    }

    #[test]
    fn any_tree_of_known_keys_is_answered(section in tree()) {
        all_ways(&format!(r#"{{"shop": {section}}}"#));
    }

    #[test]
    fn a_section_that_can_be_had_is_whole(
        primaries in tree(), replicas in tree(), filters in tree(), failover in tree(), transient in tree()
    ) {
        let text = format!(
            r#"{{"shop": {{"master": {primaries}, "slave": {replicas}, "filters": {filters}, "failover": {failover}, "transient_error": {transient}}}}}"#
        );
        let parsed = Config::parse(&text);
        if let Ok(shop) = parsed.config.section("shop") {
            let (last, others) = shop.filters.split_last().expect("never empty");
            prop_assert!(last.picks() && !others.iter().any(ms_config::Filter::picks));
            prop_assert!(shop.primaries.len() <= 1);
            prop_assert!(shop.transient_errors.as_ref().is_none_or(|it| !it.codes.is_empty()));
            prop_assert!(shop.fabric.is_none());
            prop_assert!(!parsed.has_errors());
        } else {
            prop_assert!(parsed.has_errors());
        }
    }

    #[test]
    fn a_cut_file_is_one_error(cut in 1_usize..100) {
        let text = super::shop("");
        let cut = cut.min(text.len() - 1);
        let parsed = Config::parse(&text[..cut]);
        prop_assert_eq!(parsed.diagnostics.len(), 1);
        prop_assert!(parsed.has_errors());
    }

    #[test]
    fn a_password_is_never_shown(
        key in prop::sample::select(&["password", "pasword", "pool", "tls", "master"][..]),
        form in prop::sample::select(&["PW", "[PW]", "{PW: 1}", "{\"env\": [PW]}", "{\"vault\": PW}", "PW PW"][..]),
        flat in any::<bool>(),
        cut in 0_usize..300,
    ) {
        let value = form.replace("PW", &format!("\"{PASSWORD}\""));
        let entry = format!(r#"{{"host": "a", "{key}": {value}}}"#);
        let list = if flat { entry } else { format!("[{entry}]") };
        let store = format!(r#""xa": {{"state_store": {{"mysql": {{"{key}": {value}}}}}}}"#);
        let text = format!(r#"{{"shop": {{"master": {list}, "slave": {list}, {store}, "filters": ["ulf"]}}}}"#);
        for text in [&text[..], &text[..cut.min(text.len())]] {
            let parsed = Config::parse(text);
            let shown = format!("{parsed:?} {}", rendered(&parsed));
            // A key is what a value is found by: it is shown, and no place for a password.
            let is_key = form.contains(": 1");
            prop_assert!(is_key || !shown.contains(PASSWORD), "{}", shown);
            if let Err(error) = parsed.config.section("shop") {
                let shown = format!("{error} {error:?}");
                prop_assert!(is_key || !shown.contains(PASSWORD), "{}", shown);
            }
        }
    }
}

#[test]
fn a_literal_password_survives_what_hides_it() {
    let text = format!(r#"{{"shop": {{"master": {{"host": "a", "password": "{PASSWORD}"}}, "slave": []}}}}"#);
    let shop = super::accepted(&text);
    assert_eq!(shop.primaries[0].password, Some(ms_config::Secret::Literal(PASSWORD.to_owned())));
    let resolved = shop.primaries[0].resolve(&ConnectArgs::default());
    assert!(!format!("{shop:?} {resolved:?}").contains(PASSWORD));
}

/// Everything that can be asked of a text.
fn all_ways(text: &str) {
    for multi_master in [None, Some(true)] {
        let settings = Settings { multi_master, ..Settings::default() };
        let parsed = Config::parse_file("ms.json", text, &settings);
        drop(rendered(&parsed));
        for name in parsed.config.names().chain(["", "shop"]) {
            match parsed.config.section(name) {
                Ok(section) => {
                    for server in section.primaries.iter().chain(&section.replicas) {
                        drop(server.resolve(&ConnectArgs::default()).endpoint.to_string());
                    }
                }
                Err(error) => drop(error.to_string()),
            }
        }
    }
}

/// Text that gets past the first character of a JSON parser.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "ä", "1", "-", ".", "e", "null", "true", " ",
            "\n", "//", "/*", "\"a\"",
        ][..],
    );
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// JSON whose keys and values mean something here and there.
fn tree() -> impl Strategy<Value = String> {
    let key = prop::sample::select(
        &[
            "master",
            "slave",
            "primary",
            "replicas",
            "host",
            "port",
            "password",
            "db",
            "env",
            "filters",
            "random",
            "roundrobin",
            "weights",
            "weight",
            "sticky",
            "node_groups",
            "user",
            "callback",
            "quality_of_service",
            "eventual_consistency",
            "age",
            "failover",
            "strategy",
            "max_retries",
            "pool",
            "min_idle",
            "tls",
            "mode",
            "multi_master",
            "compat",
            "init",
            "server_charset",
            "trx_stickiness",
            "xa",
            "state_store",
            "mysql",
            "garbage_collection",
            "probability",
            "rollback_on_close",
            "participant_localhost_ip",
            "global_trx_table",
            "connect_flags",
            "global_transaction_id_injection",
            "on_commit",
            "report_error",
            "wait_for_gtid_timeout",
            "transient_error",
            "mysql_error_codes",
            "usleep_retry",
            "fabric",
            "hosts",
            "url",
            "timeout",
            "table",
            "rules",
            "m",
            "s",
            "",
            "1",
        ][..],
    );
    let leaf = prop::sample::select(
        &[
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "65536",
            "1.5",
            "1e300",
            "-99999999999999999999",
            "\"\"",
            "\"m\"",
            "\"random\"",
            "\"master\"",
            "\"localhost\"",
            "\"10.0.0.1\"",
            "\"a:1\"",
            "\"12abc\"",
            "\"strict\"",
        ][..],
    );
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 5, move |inner| {
        let member = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\": {value}"));
        prop_oneof![
            3 => proptest::collection::vec(member, 0..5).prop_map(|it| format!("{{{}}}", it.join(", "))),
            1 => proptest::collection::vec(inner, 0..4).prop_map(|it| format!("[{}]", it.join(", "))),
        ]
    })
}
