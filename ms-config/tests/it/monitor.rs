use ms_config::Heartbeat;

use super::{accepted, refused, warned};

#[test]
fn nothing_is_needed() {
    let monitor = &accepted(&with("{}")).monitor;
    assert_eq!((monitor.heartbeat.as_ref(), monitor.max_per_second.get()), (None, 5));
}

#[test]
fn a_heartbeat_has_a_table() {
    let heartbeat = |value: &str| accepted(&with(&format!(r#"{{"heartbeat": {value}}}"#))).monitor.heartbeat.unwrap();
    assert_eq!(heartbeat(r#"{"table": "ops.heartbeat"}"#), Heartbeat::new("ops.heartbeat", "ts"));
    assert_eq!(heartbeat(r#"{"table": "beat", "column": "at"}"#), Heartbeat::new("beat", "at"));
    refused(&with(r#"{"heartbeat": {}}"#), "shop.monitor.heartbeat: a heartbeat has a `table`");
    for wrong in ["ops.", ".beat", "a\\u0000b", "a\\nb"] {
        refused(&with(&format!(r#"{{"heartbeat": {{"table": "{wrong}"}}}}"#)), "table: cannot be a name");
    }
    refused(&with(r#"{"heartbeat": {"table": ""}}"#), "shop.monitor.heartbeat.table: must be a text");
    refused(&with(r#"{"heartbeat": {"table": "a", "column": 1}}"#), "shop.monitor.heartbeat.column: must be a text");
    refused(&with(r#"{"heartbeat": "ops.heartbeat"}"#), "must be an object");
    refused(&with("1"), "shop.monitor: must be an object");
}

#[test]
fn how_often_has_a_range() {
    assert_eq!(accepted(&with(r#"{"max_per_second": 1000}"#)).monitor.max_per_second.get(), 1000);
    for wrong in ["0", "1001", "-1", "1.5", "\"many\"", "[]", "null"] {
        let text = with(&format!(r#"{{"max_per_second": {wrong}}}"#));
        refused(&text, "shop.monitor.max_per_second: `max_per_second` is out of range or no number");
    }
}

#[test]
fn misspelt_keys_are_told() {
    warned(&with(r#"{"heartbeats": {}}"#), "did you mean `heartbeat`?");
}

fn with(value: &str) -> String {
    format!(r#"{{"shop": {{"master": {{"host": "10.0.0.1"}}, "slave": {{"host": "10.0.0.2"}}, "monitor": {value}}}}}"#)
}
