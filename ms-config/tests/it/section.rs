use ms_config::{Compat, TrxStickiness};

use super::{accepted, refused, warned};

#[test]
fn switches_have_many_spellings() {
    for on in ["true", "1", "\"1\"", "\"on\"", "\"TRUE\"", "\"\""] {
        assert!(accepted(&with("master_on_write", on)).master_on_write, "{on}");
    }
    for off in ["false", "0", "\"0\"", "\"off\"", "\"False\"", "\"aus\""] {
        assert!(!accepted(&with("lazy_connections", off)).lazy_connections, "{off}");
    }
    let default = accepted(&super::shop(""));
    assert!(default.lazy_connections && !default.master_on_write);
}

#[test]
fn only_whole_words_switch_off() {
    for on in ["\"0815\"", "\"offline\"", "\"falsehood\"", "\"no\"", "2", "-1", "0.5"] {
        assert!(warned(&with("lazy_connections", on), "read as on").lazy_connections, "{on}");
    }
    assert!(!warned(&with("lazy_connections", "null"), "read as off").lazy_connections);
    assert!(!warned(&with("lazy_connections", "0.0"), "read as off").lazy_connections);
    refused(&with("lazy_connections", "[0]"), "must be a switch, not a list");
}

#[test]
fn stickiness_that_is_not_given_is_not_the_same_as_disabled() {
    assert_eq!(accepted(&super::shop("")).trx_stickiness, None);
    for (text, expected) in [
        ("\"disabled\"", TrxStickiness::Disabled),
        ("\"on\"", TrxStickiness::On),
        ("\"MASTER\"", TrxStickiness::Primary),
        ("\"primary\"", TrxStickiness::Primary),
    ] {
        assert_eq!(accepted(&with("trx_stickiness", text)).trx_stickiness, Some(expected), "{text}");
    }
    for (text, expected) in [
        ("true", TrxStickiness::Disabled),
        ("\"slave\"", TrxStickiness::Disabled),
        ("\"only\"", TrxStickiness::On),
        ("\"masters\"", TrxStickiness::Primary),
    ] {
        let section = warned(&with("trx_stickiness", text), "as the original did");
        assert_eq!(section.trx_stickiness, Some(expected), "{text}");
    }
    refused(&with("trx_stickiness", "[]"), "must be a text, not a list");
}

#[test]
fn a_character_set_must_be_known() {
    let charset = accepted(&with("server_charset", "\"UTF8MB4\"")).server_charset;
    assert_eq!(charset.map(|it| it.as_str()), Some("utf8mb4"));
    refused(&with("server_charset", "\"LATIN99\""), "Erroneous server_charset [LATIN99]");
    refused(&with("server_charset", "\"utf8mb\""), "did you mean `utf8mb3`?");
    refused(&with("server_charset", "[]"), "server_charset must be a text");
}

#[test]
fn texts_come_alone_or_in_arrays() {
    assert_eq!(accepted(&with("init", "\"SET @a = 1\"")).init, ["SET @a = 1"]);
    assert_eq!(accepted(&with("init", "[\"SET @a = 1\", \"SET @b = 2\"]")).init, ["SET @a = 1", "SET @b = 2"]);
    assert_eq!(accepted(&with("read_functions", "[\"shop.price\"]")).read_functions, ["shop.price"]);
    refused(&with("init", "[\"\"]"), "shop.init[0]: must be a text");
    refused(&with("read_functions", "1"), "must be a text");
}

#[test]
fn a_section_can_set_switches() {
    let section = accepted(&super::shop(r#", "compat": "Classic", "collect_statistics": "on", "enable": false"#));
    assert_eq!(section.switches.compat, Compat::Classic);
    assert!(section.switches.collect_statistics && !section.switches.enable);
    assert_eq!(section.settings.multi_master, None);
    refused(&with("compat", "\"classc\""), "did you mean `classic`?");
    refused(&with("compat", "1"), "must be a text");
    warned(&with("force_config_usage", "1"), "a section cannot say it");
}

#[test]
fn multi_master_of_a_section_decides_what_is_in_its_pool() {
    let text = r#"{"shop": {"master": [{"host": "a"}, {"host": "b"}], "slave": [], "multi_master": "on"}}"#;
    assert_eq!(accepted(text).primaries.len(), 2);
}

#[test]
fn unknown_keys_are_warned_of() {
    warned(&with("i_am_unknown", "1"), "unknown key `i_am_unknown` is ignored");
    warned(&with("master_on_wirte", "1"), "did you mean `master_on_write`?");
    warned(&with("slaves", "[]"), "did you mean `slave`?");
    warned(&with("transient_errors", "{}"), "did you mean `transient_error`?");
    warned(&with("global_transaction_id_injections", "{}"), "did you mean `global_transaction_id_injection`?");
}

#[test]
fn keys_of_later_capabilities_are_not_silently_ignored() {
    refused(r#"{"shop": {"fabric": {"hosts": [{"url": "http://a:1/"}]}}}"#, "`fabric` is not supported yet");
}

fn with(key: &str, value: &str) -> String {
    super::shop(&format!(", \"{key}\": {value}"))
}
