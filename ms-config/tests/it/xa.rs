use std::num::NonZeroU16;

use ms_config::{Config, MySqlStore, Retries, Secret, StateStore, StoreBackend, Xa, XaGarbageCollection, XaOnClose};

use super::{accepted, refused, rendered};

#[test]
fn an_open_transaction_is_rolled_back_unless_configured() {
    assert_eq!(settings("{}"), Xa::default());
    assert_eq!(Xa::default().on_close, XaOnClose::RollBack);
    assert_eq!(settings(r#"{"rollback_on_close": "1"}"#).on_close, XaOnClose::RollBack);
    assert_eq!(settings(r#"{"rollback_on_close": 0}"#).on_close, XaOnClose::RecordFailure);
    refused(&with(r#"{"rollback_on_close": [1]}"#), "'rollback_on_close' from 'xa' must be a string");
    assert_eq!(accepted(&with("null")).xa, None);
    refused(&with("1"), "shop.xa: must be an object");
}

#[test]
fn garbage_collection_has_defaults_and_ranges() {
    let default = XaGarbageCollection::default();
    assert_eq!((default.max_retries, default.probability), (Retries::Limit(five()), 5));
    assert_eq!(default.max_transactions_per_run.get(), 100);

    assert_eq!(collection(r#"{"max_retries": 0}"#).max_retries, Retries::Unlimited);
    assert_eq!(collection(r#"{"max_retries": 5}"#).max_retries, Retries::Limit(five()));
    assert_eq!(collection(r#"{"probability": "1000"}"#).probability, 1000);
    assert_eq!(collection(r#"{"max_transactions_per_run": 32768}"#).max_transactions_per_run.get(), 32768);

    for (key, least, most) in
        [("max_retries", 0, 100), ("probability", 0, 1000), ("max_transactions_per_run", 1, 32768)]
    {
        let error = format!("'{key}' from 'garbage_collection' must be a number between {least} and {most}");
        for value in [-1, least - 1, most + 1] {
            refused(&with_collection(&format!("{{\"{key}\": {value}}}")), &error);
        }
        let error = format!("'{key}' from 'garbage_collection' must be a number ({least}...{most})");
        refused(&with_collection(&format!("{{\"{key}\": [1]}}")), &error);
    }
}

#[test]
fn garbage_collection_needs_a_store() {
    let text = "Garbage collection is unavailable. Either no state store was configured or setting up a state store \
                failed. All settings from 'garbage_collection' will be ignored";
    refused(&with(r#"{"rollback_on_close": 1, "garbage_collection": {"max_retries": 1}}"#), text);
    refused(&with(r#"{"state_store": null, "garbage_collection": {"max_retries": 1}}"#), text);
    settings(r#"{"garbage_collection": {}}"#);
    // The store's own error says it all.
    refused(&with(r#"{"state_store": 1, "garbage_collection": {"max_retries": 1}}"#), "must be an object");
}

#[test]
fn a_store_is_a_server_with_three_tables() {
    let store = mysql("{}");
    assert_eq!(store.endpoint.to_string(), "unix:///tmp/mysql.sock");
    assert_eq!((store.user, store.password, store.db, store.connect_flags), (None, None, None, 0));
    let tables = [store.global_trx_table, store.participant_table, store.garbage_collection_table];
    assert_eq!(tables, ["mysqlnd_ms_xa_trx", "mysqlnd_ms_xa_participants", "mysqlnd_ms_xa_gc"]);

    let store = mysql(
        r#"{"host": "10.0.0.1", "port": "3307", "socket": null, "user": "u", "password": "", "db": "d",
            "connect_flags": 0, "global_trx_table": "a", "participant_table": "b", "garbage_collection_table": "c"}"#,
    );
    assert_eq!(store.endpoint.to_string(), "tcp://10.0.0.1:3307");
    assert_eq!(store.password, Some(Secret::Literal(String::new())));
    assert_eq!([store.global_trx_table, store.participant_table, store.garbage_collection_table], ["a", "b", "c"]);
    assert_eq!(mysql(r#"{"password": {"env": "PW"}}"#).password, Some(Secret::Env("PW".to_owned())));
}

#[test]
fn a_store_is_checked_like_a_server() {
    for key in ["host", "socket", "user", "password", "db", "global_trx_table", "participant_table"] {
        check_mysql(&format!("\"{key}\": [\"x\"]"), &format!("'{key}' from 'xa' must be a string"));
    }
    for key in ["port", "connect_flags"] {
        check_mysql(&format!("\"{key}\": [1]"), &format!("'{key}' from 'xa' must be a number"));
        check_mysql(&format!("\"{key}\": -1"), &format!("Invalid value for '{key}' '-1' in section 'xa'"));
    }
    check_mysql(r#""port": 65536"#, "Invalid value for 'port' '65536' in section 'xa'");
    for key in ["global_trx_table", "participant_table", "garbage_collection_table"] {
        let error = format!("Empty string not allowed for '{key}' from 'xa'. Using default");
        check_mysql(&format!("\"{key}\": \"\""), &error);
    }
    check_warning(r#"{"mysql": {"connect_flags": 2}}"#, "`connect_flags` has no effect");
    check_warning(r#"{"mysql": {"global_trx_tabel": "x"}}"#, "did you mean `global_trx_table`?");
}

#[test]
fn only_one_kind_of_store_is_known() {
    let text = "Currently 'mysql' is the only supported state store. Failed to find matching entry in config";
    for store in ["{}", r#"{"postgres": {"host": "a"}}"#, r#"{"mysql": null}"#] {
        refused(&with(&format!("{{\"state_store\": {store}}}")), text);
    }
    refused(&with(r#"{"state_store": {"mysql": "10.0.0.1"}}"#), "shop.xa.state_store.mysql: must be an object");
}

#[test]
fn the_address_of_localhost_is_needed_when_a_server_is_there() {
    let store = store(r#"{"mysql": {}, "participant_localhost_ip": "10.0.0.9"}"#);
    assert_eq!(store.participant_localhost_ip.as_deref(), Some("10.0.0.9"));
    assert_eq!(self::store(r#"{"mysql": {}}"#).participant_localhost_ip, None);
    let list = "'participant_localhost_ip' from 'state_store' must be a string";
    refused(&with(r#"{"state_store": {"mysql": {}, "participant_localhost_ip": ["x"]}}"#), list);

    let local = |ip: &str| {
        let servers = r#""master": [{"host": "a"}], "slave": [{"host": "LocalHost"}]"#;
        format!(r#"{{"shop": {{{servers}, "xa": {{"state_store": {{"mysql": {{}}{ip}}}}}}}}}"#)
    };
    let missing = "'participant_localhost_ip' must be set in section 'state_store'";
    refused(&local(""), missing);
    refused(&local(r#", "participant_localhost_ip": """#), missing);
    refused(&local(r#", "participant_localhost_ip": []"#), list);
    accepted(&local(r#", "participant_localhost_ip": "10.0.0.9""#));
}

#[test]
fn credentials_are_recorded_on_demand() {
    assert!(!store(r#"{"mysql": {}}"#).record_participant_credentials);
    assert!(store(r#"{"mysql": {}, "record_participant_credentials": "on"}"#).record_participant_credentials);
    let list = "'record_participant_credentials' from 'state_store' must be a string";
    refused(&with(r#"{"state_store": {"mysql": {}, "record_participant_credentials": [1]}}"#), list);
}

#[test]
fn all_problems_are_reported_at_once() {
    let parsed = Config::parse(&with(
        r#"{"rollback_on_close": [], "state_store": {"mysql": {"port": -1, "participant_table": ""}},
            "garbage_collection": {"probability": 1001, "max_retires": 1}}"#,
    ));
    let paths: Vec<_> = parsed.diagnostics.iter().map(|it| it.path.trim_start_matches("shop.xa")).collect();
    assert_eq!(
        paths,
        [
            ".rollback_on_close",
            ".state_store.mysql.port",
            ".state_store.mysql.participant_table",
            ".garbage_collection.probability",
            ".garbage_collection.max_retires",
        ]
    );
}

fn five() -> NonZeroU16 {
    NonZeroU16::new(5).expect("not zero")
}

fn with(value: &str) -> String {
    super::shop(&format!(", \"xa\": {value}"))
}

fn with_collection(value: &str) -> String {
    with(&format!("{{\"state_store\": {{\"mysql\": {{}}}}, \"garbage_collection\": {value}}}"))
}

#[track_caller]
fn settings(value: &str) -> Xa {
    accepted(&with(value)).xa.expect("the settings")
}

#[track_caller]
fn collection(value: &str) -> XaGarbageCollection {
    accepted(&with_collection(value)).xa.expect("the settings").garbage_collection
}

#[track_caller]
fn store(value: &str) -> StateStore {
    settings(&format!("{{\"state_store\": {value}}}")).state_store.expect("the store")
}

#[track_caller]
fn mysql(value: &str) -> MySqlStore {
    match store(&format!("{{\"mysql\": {value}}}")).backend {
        StoreBackend::MySql(store) => store,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_mysql(key: &str, error: &str) {
    refused(&with(&format!("{{\"state_store\": {{\"mysql\": {{{key}}}}}}}")), error);
}

/// Beside the one for the key itself.
#[track_caller]
fn check_warning(store: &str, warning: &str) {
    let parsed = Config::parse(&with(&format!("{{\"state_store\": {store}}}")));
    assert!(!parsed.has_errors() && rendered(&parsed).contains(warning), "{}", rendered(&parsed));
}
