//! What the callbacks of user filters answer, as scenarios write it.

use serde_json::{Map, Value};

/// Checks that every behaviour means something.
pub(crate) fn validate(callbacks: &Map<String, Value>) -> Result<(), String> {
    callbacks.iter().try_for_each(|(name, it)| behaviour(it).map_err(|error| format!("callback `{name}`: {error}")))
}

fn behaviour(written: &Value) -> Result<(), String> {
    let object = written.as_object().ok_or_else(|| format!("a behaviour is an object, not {written}"))?;
    if object.contains_key("not_callable") {
        return only(object, &["not_callable"]);
    }
    only(object, &["sequence", "then"])?;
    if !matches!(object.get("then").map(Value::as_str), None | Some(Some("repeat" | "last"))) {
        return Err("`then` is `repeat` or `last`".to_owned());
    }
    let sequence = object.get("sequence").and_then(Value::as_array).filter(|it| !it.is_empty());
    sequence.ok_or("`sequence` is a list of answers")?.iter().try_for_each(answer)
}

fn answer(written: &Value) -> Result<(), String> {
    let object = written.as_object().ok_or_else(|| format!("an answer is an object, not {written}"))?;
    if let Some(call) = object.get("expect_call") {
        let call = call.as_object().ok_or("`expect_call` is an object")?;
        only(call, &["section", "statement_contains", "masters", "slaves", "last_used", "in_transaction"])?;
    }
    let keys: Vec<&str> = object.keys().map(String::as_str).filter(|it| *it != "expect_call").collect();
    match (keys[..].first(), keys.len()) {
        (Some(&("raw" | "uri" | "null" | "last_used" | "all" | "master" | "slave")), 1) => Ok(()),
        (Some(&("masters" | "slaves")), _) => only(object, &["masters", "slaves", "expect_call"]),
        (Some(&"classify"), 1) => {
            let branches = object["classify"].as_object().ok_or("`classify` is an object")?;
            only(branches, &["master", "slave", "last_used"])?;
            branches.values().try_for_each(answer)
        }
        _ => Err(format!("{written} is no answer")),
    }
}

fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|it| !known.contains(&it.as_str())) {
        Some(unknown) => Err(format!("unknown key `{unknown}`, only {} are", known.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_the_format_is_read() {
        for it in [
            json!({"sequence": [{"slave": 0}, {"null": true}, {"raw": -1}, {"uri": "x"}], "then": "repeat"}),
            json!({"sequence": [{"masters": [0], "slaves": ["1"], "expect_call": {"in_transaction": true}}]}),
            json!({"sequence": [{"classify": {"master": {"master": 0}, "last_used": {"last_used": true}}}]}),
            json!({"sequence": [{"all": true}]}),
            json!({"not_callable": true}),
        ] {
            behaviour(&it).unwrap();
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (it, complaint) in [
            (json!({"sequence": []}), "`sequence` is a list"),
            (json!({"sequence": [{"slav": 0}]}), "is no answer"),
            (json!({"sequence": [{"slave": 0, "master": 0}]}), "is no answer"),
            (json!({"sequence": [{"masters": [0], "salves": [0]}]}), "unknown key `salves`"),
            (json!({"sequence": [{"slave": 0, "expect_call": {"section_": ""}}]}), "unknown key `section_`"),
            (json!({"sequence": [{"null": true}], "then": "stop"}), "`then` is"),
            (json!({"sequences": []}), "unknown key `sequences`"),
        ] {
            let error = behaviour(&it).unwrap_err();
            assert!(error.contains(complaint), "{it}: {error}");
        }
    }
}
