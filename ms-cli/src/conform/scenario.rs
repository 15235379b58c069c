//! One scenario, as written and checked.
//!
//! A scenario is read as a whole before anything of it runs: unknown keys, features, aliases and placeholders are found here,
//! whether or not a step would ever have met them.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{
    callback::Callbacks,
    expect::ErrorWanted,
    fixture::Fixture,
    servers::{Place, Servers},
    step::{Action, Step, action_name},
    substitute,
};

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// The text of the configuration file.
    pub(crate) config: String,
    pub(crate) settings: Settings,
    /// Whether the section leaves the choice of rules to the runner.
    pub(crate) silent_about_compat: bool,
    pub(crate) callbacks: Callbacks,
    pub(crate) fixtures: Vec<Fixture>,
    pub(crate) connect: Connect,
    /// Checked; read again when they run, because what they mean depends on what was stored before.
    pub(crate) steps: Vec<Value>,
    /// The servers it mentions.
    pub(crate) places: BTreeSet<Place>,
    /// It needs servers that replicate.
    pub(crate) replicating: bool,
    /// It has global transactions, whose names are the whole server's.
    pub(crate) is_xa: bool,
    /// It speaks of texts alone: nothing is created for it.
    pub(crate) is_pure: bool,
    /// It asks whether a statement reached a server.
    pub(crate) asks_what_was_sent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    #[serde(rename = "status")]
    _status: Option<Status>,
    #[serde(default)]
    requires: Vec<Feature>,
    config: Map<String, Value>,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    callbacks: Map<String, Value>,
    #[serde(default)]
    fixtures: Vec<Fixture>,
    #[serde(default)]
    connect: Connect,
    steps: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Original,
    Fixed,
}

/// What a runner may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Feature {
    MultiStatements,
    Prepared,
    Callback,
    GtidTable,
    Xa,
    XaStore,
    TableFilter,
    Kill,
    SecondDatabase,
    #[serde(rename = "charset_latin1")]
    CharsetLatin1,
    Replication,
    NonReplicating,
}

/// The run-time settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) multi_master: bool,
    pub(crate) disable_rw_split: bool,
    pub(crate) force_config_usage: bool,
    pub(crate) collect_statistics: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { multi_master: false, disable_rw_split: false, force_config_usage: false, collect_statistics: true }
    }
}

/// How the pool is opened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Connect {
    pub(crate) section: String,
    pub(crate) user: Given,
    pub(crate) password: Given,
    pub(crate) db: Given,
    pub(crate) expect: ConnectExpect,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            section: "myapp".to_owned(),
            user: Given::Default,
            password: Given::Default,
            db: Given::Default,
            expect: ConnectExpect::default(),
        }
    }
}

/// An argument of the connect call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Given {
    /// The runner's own.
    #[default]
    Default,
    /// JSON null: nothing is passed.
    Nothing,
    Text(String),
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Nothing, Self::Text))
    }
}

impl Given {
    /// What is passed, where the runner would pass `default`.
    pub(crate) fn or<'a>(&'a self, default: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Default => default,
            Self::Nothing => None,
            Self::Text(text) => Some(text),
        }
    }
}

/// What opening is expected to do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConnectExpect {
    pub(crate) error: Option<ErrorWanted>,
    pub(crate) warnings: Vec<String>,
    pub(crate) no_warnings: bool,
    pub(crate) stats: Map<String, Value>,
}

impl Scenario {
    /// Reads a scenario whose databases are called `db` and `db2`.
    pub(crate) fn read(scenario: &Value, servers: &Servers, db: &str, db2: &str) -> Result<Self, String> {
        let mut scenario = scenario.clone();
        substitute::databases(&mut scenario, db, db2);
        let mut places = BTreeSet::new();
        collect_places(&scenario, &mut places);
        let written = Written::deserialize(scenario).map_err(|error| error.to_string())?;
        let replicating = written.requires.contains(&Feature::Replication);
        let callbacks = Callbacks::read(&written.callbacks)?;

        let file = File::read(&written.config, &written.connect.section, servers, replicating)?;
        let mut steps = Vec::with_capacity(written.steps.len());
        for (step, number) in written.steps.iter().zip(1..) {
            let read = Step::read(step).and_then(|it| check_aliases(&it, file.aliases.as_deref()).map(|()| it));
            steps.push(read.map_err(|error| format!("step {number}: {error}"))?);
        }
        let is_pure = written.fixtures.is_empty()
            && written
                .steps
                .iter()
                .all(|it| it.as_object().is_some_and(|it| action_name(it).is_ok_and(Action::is_pure)))
            && !steps.is_empty();
        let is_xa = written.requires.iter().any(|it| matches!(it, Feature::Xa | Feature::XaStore))
            || written.config.contains_key("xa")
            || steps.iter().any(|it| it.action.is_xa());
        Ok(Self {
            is_pure,
            is_xa,
            asks_what_was_sent: steps.iter().any(|it| it.expect.not_sent),
            config: file.text,
            silent_about_compat: file.silent_about_compat,
            settings: written.settings,
            callbacks,
            fixtures: written.fixtures,
            connect: written.connect,
            steps: written.steps,
            places,
            replicating,
        })
    }
}

fn collect_places(value: &Value, places: &mut BTreeSet<Place>) {
    match value {
        Value::String(text) => places.extend(Place::ALL.into_iter().filter(|it| mentions(text, *it))),
        Value::Array(items) => items.iter().for_each(|it| collect_places(it, places)),
        Value::Object(object) => object.values().for_each(|it| collect_places(it, places)),
        _ => {}
    }
}

/// The text is the placeholder, or the text of a file with the placeholder in quotes.
fn mentions(text: &str, place: Place) -> bool {
    let placeholder = place.placeholder();
    text == placeholder || text.contains(&format!("\"{placeholder}\""))
}

/// The configuration file of a scenario.
struct File {
    text: String,
    silent_about_compat: bool,
    /// What its servers are called; `None` when that cannot be known because the text is not even JSON.
    aliases: Option<Vec<String>>,
}

impl File {
    fn read(config: &Map<String, Value>, section: &str, servers: &Servers, replicating: bool) -> Result<Self, String> {
        let only_key = |key: &str| match config.get(key) {
            Some(_) if config.len() > 1 => Err(format!("beside `{key}` the configuration has no other key")),
            found => Ok(found),
        };
        if let Some(raw) = only_key("@raw")? {
            let raw = raw.as_str().ok_or("`@raw` is a string")?;
            let text = substitute::servers_in_text(raw, servers, replicating);
            let parsed: Option<Value> = serde_json::from_str(&text).ok();
            return Ok(Self::of(text, parsed.as_ref(), section));
        }
        let mut whole = match only_key("@file")? {
            Some(whole) => whole.clone(),
            None => Value::Object(Map::from_iter([("myapp".to_owned(), Value::Object(config.clone()))])),
        };
        substitute::servers(&mut whole, servers, replicating).map_err(|error| error.to_string())?;
        Ok(Self::of(whole.to_string(), Some(&whole), section))
    }

    fn of(text: String, whole: Option<&Value>, section: &str) -> Self {
        let section = whole.and_then(|it| it.get(section));
        let silent_about_compat = section.and_then(|it| it.get("compat")).is_none();
        let aliases = whole.map(|_| section.map(aliases).unwrap_or_default());
        Self { text, silent_about_compat, aliases }
    }
}

/// What the servers of a section are called.
fn aliases(section: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (keys, key) in [(["master", "primary"], "master"), (["slave", "replica"], "slave")] {
        for list in keys.into_iter().filter_map(|it| section.get(it)) {
            match list {
                Value::Array(servers) => found.extend((0..servers.len()).map(|it| format!("{key}[{it}]"))),
                Value::Object(servers) => {
                    // The flat form is one server without an alias.
                    found.push(format!("{key}[0]"));
                    found.extend(servers.keys().cloned());
                }
                _ => found.push(format!("{key}[0]")),
            }
        }
    }
    found
}

/// Everything a step calls by an alias must be configured.
fn check_aliases(step: &Step, known: Option<&[String]>) -> Result<(), String> {
    let Some(known) = known else {
        return Ok(());
    };
    let check = |alias: &String| match known.contains(alias) {
        true => Ok(()),
        false => Err(format!("no server is called `{alias}`, only {} are", known.join(", "))),
    };
    step.expect.server.iter().flat_map(|it| &it.0).try_for_each(check)?;
    match &step.action {
        Action::Distribution(it) => it.expect.aliases().try_for_each(check),
        Action::Kill(alias) if alias != "last_used" => check(alias),
        Action::Repeat(repeat) => repeat.steps.iter().try_for_each(|inner| {
            let mut inner = inner.clone();
            substitute::round(&mut inner, 0);
            check_aliases(&Step::read(&inner)?, Some(known))
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_named() {
        let broken = |change: Value| {
            let mut scenario = scenario();
            let keys = change.as_object().unwrap().clone();
            scenario.as_object_mut().unwrap().extend(keys);
            read(&scenario).unwrap_err()
        };
        for (change, complaint) in [
            (json!({"step": []}), "unknown field `step`"),
            (json!({"status": "new"}), "unknown variant `new`"),
            (json!({"requires": ["magic"]}), "unknown variant `magic`"),
            (json!({"settings": {"multi": true}}), "unknown field `multi`"),
            (json!({"connect": {"expect": {"rows": []}}}), "unknown field `rows`"),
            (json!({"fixtures": [{"table": "t"}]}), "is no fixture"),
            (json!({"callbacks": {"cb": {"sequence": [{"no": 1}]}}}), "callback `cb`: "),
            (json!({"config": {"master": {"m": "@nobody"}}}), "`@nobody` is no server placeholder"),
            (json!({"config": {"@raw": "{}", "master": {}}}), "beside `@raw`"),
            (json!({"steps": [{"sql": "x", "expect": {"server": "t"}}]}), "step 1: no server is called `t`"),
            (json!({"steps": [{"kill": "t"}]}), "step 1: no server is called `t`"),
            (
                json!({"steps": [{"distribution": {"sql": "x", "times": 1, "expect": {"cycle": ["t"]}}}]}),
                "no server is called `t`",
            ),
            (
                json!({"steps": [{"repeat": {"times": 1, "steps": [{"sql": "x", "expect": {"server": "t"}}]}}]}),
                "no server is called `t`",
            ),
            (json!({"steps": [{"sql": "x"}, {"sqll": "x"}]}), "step 2: `sqll`: unknown variant"),
        ] {
            let error = broken(change.clone());
            assert!(error.contains(complaint), "{change}: {error}");
        }
    }

    #[test]
    fn the_rules_are_classic_unless_the_section_says_something() {
        assert!(read(&scenario()).unwrap().silent_about_compat);
        let mut strict = scenario();
        strict["config"]["compat"] = json!("strict");
        assert!(!read(&strict).unwrap().silent_about_compat);
        let raw = json!({"@raw": "{\"myapp\": {\"compat\": \"strict\", \"master\": [\"@primary\"]}}"});
        strict["config"] = raw;
        strict["steps"] = json!([]);
        let read = read(&strict).unwrap();
        assert!(!read.silent_about_compat);
        assert_eq!(read.places, BTreeSet::from([Place::Primary]));
    }

    #[test]
    fn anonymous_servers_are_called_by_their_place() {
        let lists = json!({"master": [{}], "slave": {"s": {}, "t": {}}});
        assert_eq!(aliases(&lists), ["master[0]", "slave[0]", "s", "t"]);
        assert_eq!(aliases(&json!({"primary": "h", "replica": [1, 2]})), ["master[0]", "slave[0]", "slave[1]"]);
    }

    #[test]
    fn texts_alone_need_no_server() {
        let mut pure = scenario();
        pure["steps"] = json!([{"classify": "SELECT 1"}, {"match_wild": ["a", "%"]}]);
        assert!(read(&pure).unwrap().is_pure);
        assert!(!read(&scenario()).unwrap().is_pure);
    }

    fn scenario() -> Value {
        json!({"name": "n", "source": "s", "config": {"master": {"m": "@primary"}, "slave": {"s": "@dead"}},
            "steps": [{"sql": "SELECT 1", "expect": {"server": "m"}}]})
    }

    fn read(scenario: &Value) -> Result<Scenario, String> {
        let address = json!({"host": "h", "port": 1});
        let servers = json!({"user": "u", "database": "a", "database2": "b", "primary": address, "primary2": address,
            "replica1": address, "replica2": address});
        Scenario::read(scenario, &Servers::deserialize(servers).unwrap(), "a", "b")
    }
}
