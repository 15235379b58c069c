use std::time::Duration;

use ms_config::{Secret, TokenSettings};

use super::{accepted, refused, warned};

#[test]
fn tokens_are_good_for_a_day_and_not_signed_unless_configured() {
    let shop = accepted(&super::shop(""));
    assert_eq!(shop.tokens, TokenSettings::default());
    assert_eq!((shop.tokens.keys.len(), shop.tokens.lifetime), (0, Some(Duration::from_secs(86_400))));
    assert_eq!(settings("{}"), TokenSettings::default());
}

#[test]
fn keys_are_secrets_the_first_of_which_signs() {
    let tokens =
        settings(r#"{"name": "all", "keys": [{"file": "/k1"}, {"env": "K2"}, "a literal one"], "lifetime_s": 60}"#);
    let literal = Secret::Literal("a literal one".to_owned());
    assert_eq!(tokens.keys, [Secret::File("/k1".into()), Secret::Env("K2".to_owned()), literal]);
    assert_eq!((tokens.name.as_deref(), tokens.lifetime), (Some("all"), Some(Duration::from_secs(60))));
    assert_eq!(settings(r#"{"keys": {"env": "K"}}"#).keys, [Secret::Env("K".to_owned())]);
}

#[test]
fn zero_is_for_ever() {
    assert_eq!(settings(r#"{"lifetime_s": 0}"#).lifetime, None);
}

#[test]
fn what_is_wrong_is_said() {
    refused(&with("1"), "shop.token: must be an object");
    refused(&with(r#"{"keys": [{"env": ""}]}"#), "shop.token.keys[0]: a key must be a secret");
    refused(&with(r#"{"keys": {"vault": "x"}}"#), "shop.token.keys: a key must be a secret");
    for value in ["-1", "31536001", "\"soon\"", "[1]"] {
        refused(&with(&format!(r#"{{"lifetime_s": {value}}}"#)), "`lifetime_s` is out of range or no number");
    }
    refused(&with(r#"{"name": 5}"#), "shop.token.name");
    warned(&with(r#"{"key": "x"}"#), "unknown key `key` is ignored");
}

fn with(value: &str) -> String {
    super::shop(&format!(", \"token\": {value}"))
}

#[track_caller]
fn settings(value: &str) -> TokenSettings {
    accepted(&with(value)).tokens
}
