//! What a scenario does: one action per step.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    distribution::Distribution,
    expect::{Expect, ValueWanted},
    servers::Place,
    substitute,
};

/// A step whose placeholders are replaced.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) id: Option<String>,
    pub(crate) expect: Expect,
    pub(crate) value: Option<ValueWanted>,
}

/// One thing to do; the key in the file is the name in lower case.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Sql(String),
    MultiQuery(String),
    Prepare(String),
    Execute(Execute),
    Begin(Begin),
    Commit(End),
    Rollback(End),
    Autocommit(bool),
    Qos(Qos),
    LastGtid(True),
    ChangeUser(ChangeUser),
    SelectDb(String),
    SetCharset(String),
    GetCharset(True),
    Escape(String),
    Ping(True),
    ServerInfo(True),
    ThreadId(True),
    InsertId(True),
    AffectedRows(True),
    FieldCount(True),
    WarningCount(True),
    Classify(String),
    MatchWild(String, String),
    DumpServers(True),
    LastUsed(True),
    Stats(Map<String, Value>),
    XaBegin(XaBegin),
    XaCommit(Gtrid),
    XaRollback(Gtrid),
    XaGc(XaGc),
    Direct(Direct),
    Kill(String),
    Sleep(f64),
    Close(True),
    Repeat(Repeat),
    Distribution(Distribution),
}

/// The word `true`, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub(crate) struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        value.then_some(Self).ok_or("`false` means nothing here, only `true` does")
    }
}

/// Which prepared statement, with what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Execute {
    pub(crate) stmt: String,
    pub(crate) params: Vec<Value>,
}

impl TryFrom<Value> for Execute {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            stmt: String,
            #[serde(default)]
            params: Vec<Value>,
        }
        match value {
            Value::String(stmt) => Ok(Self { stmt, params: Vec::new() }),
            other => Written::deserialize(other).map(|it| Self { stmt: it.stmt, params: it.params }),
        }
    }
}

/// The options of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Begin {
    pub(crate) read_only: bool,
    pub(crate) read_write: bool,
    pub(crate) snapshot: bool,
    pub(crate) name: Option<String>,
}

impl TryFrom<Value> for Begin {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[derive(Default)]
        struct Written {
            read_only: bool,
            read_write: bool,
            snapshot: bool,
            name: Option<String>,
        }
        let it = if value == Value::Bool(true) { Written::default() } else { Written::deserialize(value)? };
        Ok(Self { read_only: it.read_only, read_write: it.read_write, snapshot: it.snapshot, name: it.name })
    }
}

/// The options of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct End {
    pub(crate) name: Option<String>,
}

impl TryFrom<Value> for End {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            name: Option<String>,
        }
        match value {
            Value::Bool(true) => Ok(Self::default()),
            other => Written::deserialize(other).map(|it| Self { name: it.name }),
        }
    }
}

/// A service level.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Qos {
    pub(crate) level: Level,
    #[serde(default)]
    pub(crate) gtid: Option<Value>,
    #[serde(default)]
    pub(crate) age: Option<Value>,
    #[serde(default)]
    pub(crate) cache: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Eventual,
    Session,
    Strong,
}

/// What is missing is the runner's own; JSON null is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeUser {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) db: Option<String>,
}

/// The number of a global transaction, as written; it may be text that is a number only once `$i` is replaced.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Gtrid(Value);

impl Gtrid {
    pub(crate) fn number(&self) -> Result<u64, String> {
        let number = self.0.as_u64().or_else(|| self.0.as_str()?.parse().ok());
        number.ok_or_else(|| format!("{} is no number of a global transaction", self.0))
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct XaBegin {
    pub(crate) gtrid: Gtrid,
    pub(crate) timeout: Option<u32>,
}

impl TryFrom<Value> for XaBegin {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            gtrid: Gtrid,
            timeout: Option<u32>,
        }
        if value.is_object() {
            return Written::deserialize(value).map(|it| Self { gtrid: it.gtrid, timeout: it.timeout });
        }
        Ok(Self { gtrid: Gtrid(value), timeout: None })
    }
}

/// Garbage collection: of everything, or of one transaction.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct XaGc {
    pub(crate) gtrid: Option<Gtrid>,
    pub(crate) ignore_max_retries: bool,
}

impl TryFrom<Value> for XaGc {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            gtrid: Option<Gtrid>,
            #[serde(default)]
            ignore_max_retries: bool,
        }
        match value {
            Value::Bool(true) => Ok(Self { gtrid: None, ignore_max_retries: false }),
            Value::Object(_) => Written::deserialize(value)
                .map(|it| Self { gtrid: it.gtrid, ignore_max_retries: it.ignore_max_retries }),
            gtrid => Ok(Self { gtrid: Some(Gtrid(gtrid)), ignore_max_retries: false }),
        }
    }
}

/// A statement beside the pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Direct {
    pub(crate) on: Place,
    pub(crate) sql: String,
}

/// Steps to do again and again; they are read in each round, because `$i` is another then.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    pub(crate) times: u64,
    pub(crate) steps: Vec<Value>,
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::named(&text).ok_or_else(|| {
            let names = Self::ALL.map(Self::placeholder).join(", ");
            serde::de::Error::custom(format!("`{text}` is no server placeholder, only {names} are"))
        })
    }
}

impl Action {
    /// Whether it is about text alone: `$x` in it is text as well.
    pub(crate) fn is_pure(name: &str) -> bool {
        matches!(name, "classify" | "match_wild")
    }

    /// Whether it is about a global transaction.
    pub(crate) fn is_xa(&self) -> bool {
        matches!(self, Self::XaBegin(_) | Self::XaCommit(_) | Self::XaRollback(_) | Self::XaGc(_))
    }

    /// Whether its value is an object, of which an expectation may name some keys only.
    fn has_object(&self) -> bool {
        matches!(self, Self::DumpServers(_) | Self::LastUsed(_))
    }
}

impl Step {
    /// Reads a step; everything in it must have a meaning.
    pub(crate) fn read(step: &Value) -> Result<Self, String> {
        let object = step.as_object().ok_or_else(|| format!("a step is an object, not {step}"))?;
        let name = action_name(object)?;
        let action = Action::deserialize(json!({ name: object[name] }));
        let action = action.map_err(|error| describe(name, &error))?;
        let expect = object.get("expect").map_or_else(|| Ok(Expect::default()), Expect::deserialize);
        let expect = expect.map_err(|error| describe("expect", &error))?;
        let value = expect.value.as_ref().map(|it| ValueWanted::read(it, action.has_object())).transpose()?;
        let id = match object.get("id") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(other) => return Err(format!("`id` is a string, not {other}")),
        };
        if !matches!(object.get("note"), None | Some(Value::String(_))) {
            return Err("`note` is a string".to_owned());
        }
        if let Action::Repeat(repeat) = &action {
            for inner in &repeat.steps {
                let mut inner = inner.clone();
                substitute::round(&mut inner, 0);
                Self::read(&inner)?;
            }
        }
        Ok(Self { action, id, expect, value })
    }
}

/// The key that says what to do.
pub(crate) fn action_name(step: &Map<String, Value>) -> Result<&str, String> {
    let mut names = step.keys().filter(|it| !matches!(it.as_str(), "id" | "expect" | "note"));
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        (None, _) => Err("a step without an action".to_owned()),
        (Some(one), Some(two)) => Err(format!("a step has one action, not both `{one}` and `{two}`")),
    }
}

fn describe(key: &str, error: &serde_json::Error) -> String {
    format!("`{key}`: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_format_is_read() {
        for step in [
            json!({"sql": "DO 1", "id": "a", "note": "n", "expect": {"server": ["m", "s"], "value": null}}),
            json!({"execute": "p"}),
            json!({"execute": {"stmt": "p", "params": [1, "a", null]}}),
            json!({"begin": true}),
            json!({"begin": {"read_only": true, "snapshot": true, "name": "n"}}),
            json!({"commit": {"name": "n"}}),
            json!({"rollback": true}),
            json!({"qos": {"level": "session", "gtid": "$last"}}),
            json!({"change_user": {}}),
            json!({"match_wild": ["a", "%"]}),
            json!({"stats": {"use_slave": {"min": 1, "max": 2}}}),
            json!({"xa_begin": "2$i"}),
            json!({"xa_begin": {"gtrid": 1, "timeout": 5}}),
            json!({"xa_gc": true}),
            json!({"xa_gc": {"gtrid": "7", "ignore_max_retries": true}}),
            json!({"sleep": 0.5}),
            json!({"dump_servers": true, "expect": {"value": {"masters": [], "slaves": []}}}),
            json!({"repeat": {"times": 2, "steps": [{"xa_commit": "2$i"}]}}),
            json!({"distribution": {"sql": "S", "times": 3, "expect": {"servers": {"m": 3}}}}),
        ] {
            Step::read(&step).unwrap();
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (step, complaint) in [
            (json!("sql"), "a step is an object"),
            (json!({"id": "a"}), "without an action"),
            (json!({"sql": "a", "ping": true}), "not both `sql` and `ping`"),
            (json!({"sqll": "a"}), "unknown variant `sqll`"),
            (json!({"sql": "a", "expected": {}}), "not both `sql` and `expected`"),
            (json!({"sql": "a", "expect": {"row": []}}), "unknown field `row`"),
            (json!({"ping": false}), "`false` means nothing"),
            (json!({"begin": {"readonly": true}}), "unknown field `readonly`"),
            (json!({"qos": {"level": "weak"}}), "unknown variant `weak`"),
            (json!({"direct": {"on": "@nobody", "sql": ""}}), "`@nobody` is no server placeholder"),
            (json!({"direct": {"on": "@primary", "sql": "", "db": "a"}}), "unknown field `db`"),
            (json!({"match_wild": ["a"]}), "tuple"),
            (json!({"thread_id": true, "expect": {"value": {"gtt": 1}}}), "`gtt` is no matcher"),
            (json!({"repeat": {"times": 1, "steps": [{"pong": true}]}}), "unknown variant `pong`"),
            (json!({"repeat": {"times": 1, "step": []}}), "unknown field `step`"),
        ] {
            let error = Step::read(&step).unwrap_err();
            assert!(error.contains(complaint), "{step}: {error}");
        }
    }

    #[test]
    fn numbers_of_transactions_may_be_text() {
        assert_eq!(Gtrid(json!("21")).number(), Ok(21));
        assert_eq!(Gtrid(json!(21)).number(), Ok(21));
        assert!(Gtrid(json!("2$i")).number().is_err());
    }
}
