//! Placeholders and stored values.
//!
//! Three kinds of text stand for something else, and each is replaced when its meaning is known: `@db` and `@db2` when the
//! scenario has its databases, `@primary` and its like in the configuration when the servers are known, `$x` and `${x}` just
//! before the step that uses them, because an earlier step stored them. `$i` is the round of a `repeat`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::servers::{Place, Servers};

/// What steps stored under names.
pub(crate) type Saved = HashMap<String, Value>;

/// A text stands for something that is not there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("`${0}` was never stored")]
    Saved(String),
    #[error("`{0}` is no server placeholder, only {names} are", names = placeholders())]
    Placeholder(String),
}

fn placeholders() -> String {
    Place::ALL.map(Place::placeholder).join(", ")
}

/// Replaces `@db` and `@db2` in every string and key.
pub(crate) fn databases(value: &mut Value, db: &str, db2: &str) {
    each_text(value, &mut |text| replace_databases(text, db, db2));
}

fn replace_databases(text: &str, db: &str, db2: &str) -> Option<String> {
    if !text.contains("@db") {
        return None;
    }
    let mut replaced = String::with_capacity(text.len() + db.len());
    let mut rest = text;
    while let Some(at) = rest.find("@db") {
        let (before, from) = rest.split_at(at);
        replaced.push_str(before);
        // `@@db…` is a variable of the server.
        let (name, length) = match from.strip_prefix("@db2") {
            _ if replaced.ends_with('@') => ("@db", 3),
            Some(_) => (db2, 4),
            None => (db, 3),
        };
        replaced.push_str(name);
        rest = &from[length..];
    }
    replaced.push_str(rest);
    Some(replaced)
}

/// Replaces `$i` in every string but those of an inner `repeat`, which has rounds of its own.
pub(crate) fn round(value: &mut Value, round: u64) {
    let round = round.to_string();
    let replace = &mut |text: &str| {
        let mut parts = text.split("$i");
        let mut replaced = parts.next()?.to_owned();
        let mut any = false;
        for part in parts {
            // `$id` is a name that begins with the same letter.
            let is_round = !part.starts_with(|it: char| it.is_ascii_alphabetic());
            any |= is_round;
            replaced.push_str(if is_round { &round } else { "$i" });
            replaced.push_str(part);
        }
        any.then_some(replaced)
    };
    match value.as_object_mut().filter(|it| it.contains_key("repeat")) {
        None => each_text(value, replace),
        Some(step) => step.iter_mut().filter(|(key, _)| *key != "repeat").for_each(|(_, it)| each_text(it, replace)),
    }
}

fn each_text(value: &mut Value, replace: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(replaced) = replace(text) {
                *text = replaced;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| each_text(it, replace)),
        Value::Object(object) => {
            // Rebuilt, because keys change too and their order must not.
            let entries = std::mem::take(object);
            for (key, mut value) in entries {
                each_text(&mut value, replace);
                object.insert(replace(&key).unwrap_or(key), value);
            }
        }
        _ => {}
    }
}

/// Whether a step uses the stored value `name`.
pub(crate) fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => {
            text.strip_prefix('$') == Some(name)
                || text.split("${").skip(1).any(|it| it.split('}').next() == Some(name))
        }
        Value::Array(items) => items.iter().any(|it| mentions(it, name)),
        Value::Object(object) => object.values().any(|it| mentions(it, name)),
        _ => false,
    }
}

/// Replaces `"$x"` by the stored value and `${x}` by its text.
pub(crate) fn saved(value: &mut Value, saved: &Saved) -> Result<(), Unknown> {
    match value {
        Value::String(text) => {
            if let Some(whole) = whole_name(text) {
                *value = saved.get(whole).cloned().ok_or_else(|| Unknown::Saved(whole.to_owned()))?;
            } else if text.contains("${") {
                *text = inside(text, saved)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|it| self::saved(it, saved)),
        Value::Object(object) => object.values_mut().try_for_each(|it| self::saved(it, saved)),
        _ => Ok(()),
    }
}

/// The name in a string that is `$name` and nothing else.
fn whole_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let is_name = |it: &str| it.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name(name) && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')).then_some(name)
}

fn inside(text: &str, saved: &Saved) -> Result<String, Unknown> {
    let mut parts = text.split("${");
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once('}') else {
            replaced.push_str("${");
            replaced.push_str(part);
            continue;
        };
        let value = saved.get(name).ok_or_else(|| Unknown::Saved(name.to_owned()))?;
        match value {
            Value::String(text) => replaced.push_str(text),
            other => replaced.push_str(&other.to_string()),
        }
        replaced.push_str(rest);
    }
    Ok(replaced)
}

/// Replaces server placeholders in a configuration, and adds the account to a state store that names none.
pub(crate) fn servers(value: &mut Value, servers: &Servers, replicating: bool) -> Result<(), Unknown> {
    match value {
        Value::String(text) if is_placeholder(text) => {
            let place = Place::named(text).ok_or_else(|| Unknown::Placeholder(text.clone()))?;
            *value = servers.entry(place, replicating);
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|it| self::servers(it, servers, replicating)),
        Value::Object(object) => {
            if let Some(store) = object.get_mut("state_store").and_then(|it| it.get_mut("mysql")) {
                log_in(store, servers);
            }
            expand(object, servers, replicating)?;
            object.values_mut().try_for_each(|it| self::servers(it, servers, replicating))
        }
        _ => Ok(()),
    }
}

/// Not after another `@`, and a word: anything else is a pattern or a text.
fn is_placeholder(text: &str) -> bool {
    let name = text.strip_prefix('@').unwrap_or_default();
    !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric())
}

/// `{"@": "@replica1", "connect_flags": 2}`: the address, and the other keys behind it.
fn expand(object: &mut Map<String, Value>, servers: &Servers, replicating: bool) -> Result<(), Unknown> {
    let Some(placeholder) = object.shift_remove("@") else {
        return Ok(());
    };
    let named = placeholder.as_str().and_then(Place::named);
    let place = named.ok_or_else(|| {
        Unknown::Placeholder(placeholder.as_str().map_or_else(|| placeholder.to_string(), str::to_owned))
    })?;
    let others = std::mem::take(object);
    if let Value::Object(address) = servers.entry(place, replicating) {
        *object = address;
    }
    object.extend(others);
    Ok(())
}

fn log_in(store: &mut Value, servers: &Servers) {
    // Addresses that are written out come with the account that is meant.
    let Some(store) = store.as_object_mut().filter(|it| it.contains_key("@")) else {
        return;
    };
    if !store.contains_key("user") {
        store.insert("user".to_owned(), servers.user.as_str().into());
    }
    if let (false, Some(password)) = (store.contains_key("password"), &servers.password) {
        store.insert("password".to_owned(), password.as_str().into());
    }
}

/// Replaces quoted placeholders in the text of a configuration file that may not even be JSON.
pub(crate) fn servers_in_text(text: &str, servers: &Servers, replicating: bool) -> String {
    let mut text = text.to_owned();
    for place in Place::ALL {
        let quoted = format!("\"{place}\"");
        if text.contains(&quoted) {
            text = text.replace(&quoted, &servers.entry(place, replicating).to_string());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn databases_are_named_unless_it_is_a_server_variable() {
        check_databases("SELECT 1 FROM @db.t, @db2.u", "SELECT 1 FROM one.t, two.u");
        check_databases("SELECT @@db, @@db2", "SELECT @@db, @@db2");
        check_databases("@db", "one");
        check_databases("@dead", "@dead");
    }

    #[track_caller]
    fn check_databases(text: &str, expected: &str) {
        let mut value = json!({ text: [text] });
        databases(&mut value, "one", "two");
        assert_eq!(value, json!({ expected: [expected] }));
    }

    #[test]
    fn the_round_is_a_number_and_inner_rounds_are_left_alone() {
        check_round(json!({"sql": "SELECT '_$i', $id"}), &json!({"sql": "SELECT '_7', $id"}));
        check_round(json!({"xa_begin": "2$i"}), &json!({"xa_begin": "27"}));
        let inner = json!({"repeat": {"times": 2, "steps": [{"sql": "DO $i"}]}, "note": "$i"});
        check_round(inner, &json!({"repeat": {"times": 2, "steps": [{"sql": "DO $i"}]}, "note": "7"}));
    }

    #[track_caller]
    fn check_round(mut step: Value, expected: &Value) {
        round(&mut step, 7);
        assert_eq!(&step, expected);
    }

    #[test]
    fn stored_values_keep_their_type_where_they_stand_alone() {
        let values = Saved::from([("t".to_owned(), json!(12)), ("g".to_owned(), json!("0-1-5"))]);
        let mut step = json!({"sql": "SELECT ${t}, '${g}'", "expect": {"value": "$t"}, "other": ["$9", "a$t", "${"]});
        saved(&mut step, &values).unwrap();
        assert_eq!(step, json!({"sql": "SELECT 12, '0-1-5'", "expect": {"value": 12}, "other": ["$9", "a$t", "${"]}));
        assert_eq!(saved(&mut json!({"value": "$no"}), &values), Err(Unknown::Saved("no".to_owned())));
        assert_eq!(saved(&mut json!("DO ${no}"), &values), Err(Unknown::Saved("no".to_owned())));
        assert!(mentions(&json!({"sql": "DO ${last}"}), "last") && mentions(&json!(["$last"]), "last"));
        assert!(!mentions(&json!("$lasting"), "last"));
    }

    #[test]
    fn placeholders_become_addresses_and_keep_their_other_keys() {
        let mut config = json!({"master": {"m": "@primary"}, "slave": [{"@": "@dead", "connect_flags": 2}],
            "xa": {"state_store": {"mysql": {"@": "@primary", "db": "x"}}}});
        servers(&mut config, &some(), false).unwrap();
        assert_eq!(config["master"]["m"], json!({"host": "h", "port": 1}));
        assert_eq!(config["slave"][0], json!({"host": "127.0.0.1", "port": 4, "connect_flags": 2}));
        assert_eq!(
            config["xa"]["state_store"]["mysql"],
            json!({"host": "h", "port": 1, "db": "x", "user": "app", "password": "secret"})
        );
        let unknown = servers(&mut json!({"master": {"m": "@nobody"}}), &some(), false).unwrap_err();
        assert!(unknown.to_string().starts_with("`@nobody` is no server placeholder"), "{unknown}");
        assert_eq!(servers_in_text("{\"m\":\"@dead2\"", &some(), false), r#"{"m":{"host":"127.0.0.1","port":6}"#);
    }

    fn some() -> Servers {
        serde_json::from_value(json!({"user": "app", "password": "secret", "database": "a", "database2": "b",
            "primary": {"host": "h", "port": 1}, "primary2": {"host": "h", "port": 2},
            "replica1": {"host": "h", "port": 3}, "replica2": {"host": "h", "port": 4}}))
        .unwrap()
    }
}
