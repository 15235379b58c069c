//! What the callbacks of user filters answer, as scenarios write it.
//!
//! A callback has a list of answers, one per call. It can also have something to say about how it is called; that is kept
//! until the step is over, because a callback cannot fail a scenario by itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use ms_hints::Route;
use ms_pool::{Builder, Call, Choice, Choices};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::Mismatch;

/// All callbacks of a scenario, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callbacks(BTreeMap<String, Arc<Script>>);

/// One callback.
#[derive(Debug)]
struct Script {
    answers: Vec<Answer>,
    /// After the last answer the first one follows, and not the last one again.
    repeats: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    complaint: Option<Mismatch>,
}

#[derive(Clone, Debug, PartialEq)]
struct Answer {
    reply: Reply,
    expect: ExpectCall,
}

/// What is returned; each filter takes what it understands.
#[derive(Clone, Debug, PartialEq)]
enum Reply {
    Raw(Value),
    Master(usize),
    Slave(usize),
    LastUsed,
    Classify { master: Box<Reply>, slave: Box<Reply>, last_used: Box<Reply> },
    All,
}

/// How the callback is to be called; what is absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectCall {
    section: Option<String>,
    statement_contains: Option<String>,
    masters: Option<usize>,
    slaves: Option<usize>,
    #[serde(default, deserialize_with = "any_or_null")]
    last_used: Option<bool>,
    in_transaction: Option<bool>,
}

/// `null`: there is none; `"any"`: there is one.
fn any_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Some(false)),
        Value::String(text) if text == "any" => Ok(Some(true)),
        other => Err(serde::de::Error::custom(format!("`last_used` is null or \"any\", not {other}"))),
    }
}

impl Callbacks {
    pub(crate) fn read(callbacks: &Map<String, Value>) -> Result<Self, String> {
        let mut scripts = BTreeMap::new();
        for (name, written) in callbacks {
            if let Some(script) = Script::read(written).map_err(|error| format!("callback `{name}`: {error}"))? {
                scripts.insert(name.clone(), Arc::new(script));
            }
        }
        Ok(Self(scripts))
    }

    /// Makes them known under their names, to filters of both kinds.
    pub(crate) fn register(&self, mut builder: Builder) -> Builder {
        for (name, script) in &self.0 {
            let (one, many) = (Arc::clone(script), Arc::clone(script));
            builder = builder
                .user_callback(name.as_str(), move |call| one.choice(call))
                .user_multi_callback(name.as_str(), move |call| many.choices(call));
        }
        builder
    }

    /// The first call since the last question that was not as it should be.
    pub(crate) fn complaint(&self) -> Option<Mismatch> {
        self.0.values().find_map(|it| it.state.lock().expect("nothing panics while it is locked").complaint.take())
    }
}

impl Script {
    /// `None` when the name stands for nothing that can be called.
    fn read(written: &Value) -> Result<Option<Self>, String> {
        let object = written.as_object().ok_or_else(|| format!("a behaviour is an object, not {written}"))?;
        if let Some(value) = object.get("not_callable") {
            only(object, &["not_callable"])?;
            return if value == &Value::Bool(true) { Ok(None) } else { Err("`not_callable` is true".to_owned()) };
        }
        only(object, &["sequence", "then"])?;
        let repeats = match object.get("then").map(Value::as_str) {
            None | Some(Some("last")) => false,
            Some(Some("repeat")) => true,
            _ => return Err("`then` is `repeat` or `last`".to_owned()),
        };
        let sequence = object.get("sequence").and_then(Value::as_array).filter(|it| !it.is_empty());
        let answers =
            sequence.ok_or("`sequence` is a list of answers")?.iter().map(Answer::read).collect::<Result<_, _>>()?;
        Ok(Some(Self { answers, repeats, state: Mutex::default() }))
    }

    /// The reply to this call, which is looked at first.
    fn reply(&self, call: &Call<'_>) -> &Reply {
        let mut state = self.state.lock().expect("nothing panics while it is locked");
        let last = self.answers.len() - 1;
        let turn = if self.repeats { state.calls % (last + 1) } else { state.calls.min(last) };
        state.calls += 1;
        let answer = &self.answers[turn];
        if state.complaint.is_none() {
            state.complaint = answer.expect.complaint(call);
        }
        answer.reply.branch(call.target())
    }

    fn choice<'a>(&self, call: Call<'a>) -> Choice<'a> {
        match self.reply(&call) {
            Reply::Master(position) => call.primaries.uri(*position).into(),
            Reply::Slave(position) => call.replicas.uri(*position).into(),
            Reply::LastUsed => call.last_used.into(),
            Reply::Raw(Value::String(uri)) => uri.clone().into(),
            // Only a string names a server.
            Reply::Raw(_) | Reply::All | Reply::Classify { .. } => Choice::Nothing,
        }
    }

    fn choices(&self, call: Call<'_>) -> Choices {
        match self.reply(&call) {
            Reply::All => Choices::All,
            Reply::Raw(Value::Null) => Choices::Nothing,
            Reply::Raw(Value::Array(lists)) => match &lists[..] {
                [Value::Array(primaries), Value::Array(replicas)] => Choices::Positions {
                    primaries: primaries.iter().map(position).collect(),
                    replicas: replicas.iter().map(position).collect(),
                },
                _ => Choices::Malformed,
            },
            _ => Choices::Malformed,
        }
    }
}

/// A position as the original took it: numbers from the front of a text, and nothing is 0.
fn position(value: &Value) -> i64 {
    match value {
        Value::Number(number) => number.as_i64().unwrap_or(i64::MAX),
        Value::Bool(value) => i64::from(*value),
        Value::String(text) => {
            let text = text.trim_start();
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text).bytes().take_while(u8::is_ascii_digit).count();
            let sign = text.len() - text.strip_prefix(['-', '+']).unwrap_or(text).len();
            text[..sign + digits].parse().unwrap_or(0)
        }
        _ => 0,
    }
}

impl Answer {
    fn read(written: &Value) -> Result<Self, String> {
        let object = written.as_object().ok_or_else(|| format!("an answer is an object, not {written}"))?;
        let mut reply = object.clone();
        let expect = match reply.shift_remove("expect_call") {
            Some(expect) => ExpectCall::deserialize(expect).map_err(|error| format!("`expect_call`: {error}"))?,
            None => ExpectCall::default(),
        };
        Ok(Self { reply: Reply::read(&reply)?, expect })
    }
}

impl Reply {
    fn read(object: &Map<String, Value>) -> Result<Self, String> {
        let no_answer = || format!("{} is no answer", Value::Object(object.clone()));
        let position = |value: &Value| value.as_u64().and_then(|it| usize::try_from(it).ok()).ok_or_else(no_answer);
        if object.keys().any(|it| it == "masters" || it == "slaves") {
            only(object, &["masters", "slaves"])?;
            let list = |key| object.get(key).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
            return Ok(Self::Raw(Value::Array(vec![list("masters"), list("slaves")])));
        }
        let mut entries = object.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            return Err(no_answer());
        };
        Ok(match (key.as_str(), value) {
            ("raw", value) | ("uri", value @ Value::String(_)) => Self::Raw(value.clone()),
            ("null", Value::Bool(true)) => Self::Raw(Value::Null),
            ("last_used", Value::Bool(true)) => Self::LastUsed,
            ("all", Value::Bool(true)) => Self::All,
            ("master", value) => Self::Master(position(value)?),
            ("slave", value) => Self::Slave(position(value)?),
            ("classify", Value::Object(branches)) => {
                only(branches, &["master", "slave", "last_used"])?;
                let branch = |key: &str| match branches.get(key) {
                    // A branch that is not written returns nothing.
                    None => Ok(Box::new(Self::Raw(Value::Null))),
                    Some(Value::Object(reply)) => Self::read(reply).map(Box::new),
                    Some(other) => Err(format!("{other} is no answer")),
                };
                let (master, slave, last_used) = (branch("master")?, branch("slave")?, branch("last_used")?);
                Self::Classify { master, slave, last_used }
            }
            _ => return Err(no_answer()),
        })
    }

    /// The reply to a statement of this class.
    fn branch(&self, class: Route) -> &Self {
        match (self, class) {
            (Self::Classify { master, .. }, Route::Primary) => master.branch(class),
            (Self::Classify { slave, .. }, Route::Replica) => slave.branch(class),
            (Self::Classify { last_used, .. }, Route::LastUsed) => last_used.branch(class),
            _ => self,
        }
    }
}

impl ExpectCall {
    fn complaint(&self, call: &Call<'_>) -> Option<Mismatch> {
        let statement = String::from_utf8_lossy(call.statement.sql);
        let differs = |what: &str, wanted: String, got: String| {
            (wanted != got).then(|| Mismatch::new(format!("a callback called with {what} {wanted}"), got))
        };
        let section = || differs("section", self.section.clone()?, call.section.to_owned());
        let text = || {
            let wanted = self.statement_contains.as_ref()?;
            let expected = || format!("a callback called with a statement that contains `{wanted}`");
            (!statement.contains(wanted.as_str())).then(|| Mismatch::new(expected(), statement.clone()))
        };
        let masters = || differs("masters", self.masters?.to_string(), call.primaries.len().to_string());
        let slaves = || differs("slaves", self.slaves?.to_string(), call.replicas.len().to_string());
        let last_used =
            || differs("a last used server", self.last_used?.to_string(), call.last_used.is_some().to_string());
        let trx = || differs("in_transaction", self.in_transaction?.to_string(), call.in_transaction.to_string());
        section().or_else(text).or_else(masters).or_else(slaves).or_else(last_used).or_else(trx)
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
            json!({"sequence": [{"all": true, "expect_call": {"last_used": null, "section": "s"}}]}),
            json!({"not_callable": true}),
        ] {
            Script::read(&it).unwrap();
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (it, complaint) in [
            (json!({"sequence": []}), "`sequence` is a list"),
            (json!({"sequence": [{"slav": 0}]}), "is no answer"),
            (json!({"sequence": [{"slave": "0"}]}), "is no answer"),
            (json!({"sequence": [{"slave": 0, "master": 0}]}), "is no answer"),
            (json!({"sequence": [{"masters": [0], "salves": [0]}]}), "unknown key `salves`"),
            (json!({"sequence": [{"classify": {"slave": {"slav": 1}}}]}), "is no answer"),
            (json!({"sequence": [{"slave": 0, "expect_call": {"section_": ""}}]}), "unknown field `section_`"),
            (json!({"sequence": [{"slave": 0, "expect_call": {"last_used": 1}}]}), "is null or \"any\""),
            (json!({"sequence": [{"null": true}], "then": "stop"}), "`then` is"),
            (json!({"sequences": []}), "unknown key `sequences`"),
            (json!({"not_callable": false}), "`not_callable` is true"),
        ] {
            let error = Script::read(&it).unwrap_err();
            assert!(error.contains(complaint), "{it}: {error}");
        }
    }

    #[test]
    fn positions_are_what_the_original_made_of_them() {
        for (value, expected) in [
            (json!(2), 2),
            (json!(-1), -1),
            (json!("1"), 1),
            (json!(" 12x"), 12),
            (json!("-3"), -3),
            (json!("foo"), 0),
            (json!(""), 0),
            (json!(null), 0),
            (json!(true), 1),
        ] {
            assert_eq!(position(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_statement_of_a_class_gets_its_branch() {
        let written = json!({"classify": {"master": {"master": 0}, "slave": {"slave": 1}}});
        let reply = Reply::read(written.as_object().unwrap()).unwrap();
        assert_eq!(reply.branch(Route::Primary), &Reply::Master(0));
        assert_eq!(reply.branch(Route::Replica), &Reply::Slave(1));
        assert_eq!(reply.branch(Route::LastUsed), &Reply::Raw(Value::Null));
    }
}
