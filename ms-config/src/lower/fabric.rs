//! `fabric`: the nodes to ask for servers.

use std::{net::Ipv6Addr, time::Duration};

use super::{
    number::Range,
    object::{Field, Object},
};
use crate::{
    Fabric, FabricStrategy,
    raw::Value,
    read,
    report::{Problem, Report},
};

/// The manual has both spellings, and the original knew only the first one.
const WARN: &[&str] = &["trx_warn_serverlist_changes", "trx_warn_server_list_changes"];
const KEYS: &[&str] = &["hosts", "timeout", "strategy", WARN[0], WARN[1]];
const HOST: &str = r#"{"url": "http://HOST:PORT/"} or {"host": "HOST", "port": PORT}"#;

/// The original had room for so many.
const MOST_HOSTS: usize = 10;

/// The settings; `None` without a host that can be asked.
pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>) -> Option<Fabric> {
    let object = Object::expect(report, field, "an object with at least `hosts`")?;
    object.warn_unknown(report, KEYS);

    let hosts = hosts(report, &object);
    let timeout = object.get("timeout").and_then(|field| {
        let outside = |value| format!("Invalid value '{value}' for timeout. Stopping");
        Range::new(0, u16::MAX.into()).read(report, &field, "`timeout` must be a number, not a list", outside)
    });
    let strategy = object.get("strategy").map_or_else(FabricStrategy::default, |field| strategy(report, &field));
    let warn = object.one_of(report, WARN).and_then(|field| read::switch(report, field.at(), field.node));

    (!hosts.is_empty()).then(|| Fabric {
        hosts,
        timeout: Duration::from_secs(timeout.unwrap_or(5).into()),
        strategy,
        warn_in_transaction: warn.unwrap_or(false),
    })
}

fn hosts(report: &mut Report<'_>, object: &Object<'_>) -> Vec<String> {
    let field = object.get("hosts");
    let entries = match &field {
        None => Vec::new(),
        Some(field) => match &field.node.value {
            Value::Array(elements) => {
                let elements = elements.iter().enumerate();
                elements.map(|(index, node)| Field::element(node, index, &field.path)).collect()
            }
            // Objects and arrays were the same to the original.
            Value::Object(_) => Object::new(field.node, &field.path).into_iter().flat_map(|it| it.fields()).collect(),
            _ => {
                let message = "Section [hosts] is not a list. This is needed for MySQL Fabric";
                report.add(field.at(), Problem::error(message).accepted(format!("an array of {HOST}")));
                return Vec::new();
            }
        },
    };
    if entries.is_empty() {
        let at = field.as_ref().map_or_else(|| object.at(), Field::at);
        let message = "Section [hosts] doesn't exist. This is needed for MySQL Fabric";
        report.add(at, Problem::error(message).accepted(format!("an array of {HOST}")));
    }
    if let Some(extra) = entries.get(MOST_HOSTS) {
        let message = format!("Please report a bug: no more than {MOST_HOSTS} Fabric hosts allowed");
        report.add(extra.at(), Problem::error(message).accepted(format!("at most {MOST_HOSTS} hosts")));
    }
    entries.iter().filter_map(|entry| host(report, entry)).collect()
}

/// The URL of one node.
fn host(report: &mut Report<'_>, entry: &Field<'_>) -> Option<String> {
    let object = Object::expect(report, entry, HOST)?;
    object.warn_unknown(report, &["url", "host", "port"]);
    let given = |key: &str| object.get(key).filter(|field| !is_empty(field));
    if let Some(field) = given("url") {
        let url = field.scalar(report)?;
        return checked_url(report, &field, url);
    }
    let (Some(host), Some(port)) = (given("host"), given("port")) else {
        let message = "Section [hosts] lists contains an entry which has an empty [url] value. This is needed for \
                       MySQL Fabric";
        report.add(object.at(), Problem::error(message).accepted(HOST));
        return None;
    };
    let name = host.scalar(report);
    let outside = |value| format!("Invalid value for port '{value}' . Stopping");
    let port = Range::new(1, u16::MAX.into()).read(report, &port, "`port` must be a number, not a list", outside);
    let (name, port) = (name?, port?);
    if name.parse::<Ipv6Addr>().is_ok() {
        return Some(format!("http://[{name}]:{port}/"));
    }
    checked_url(report, &host, format!("http://{name}:{port}/"))
}

fn is_empty(field: &Field<'_>) -> bool {
    field.is_null() || matches!(&field.node.value, Value::String(text) if text.is_empty())
}

/// Not repeated in the message: a URL may hold a password.
fn checked_url(report: &mut Report<'_>, field: &Field<'_>, url: String) -> Option<String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if rest.is_none_or(|rest| rest.contains('@') || rest.starts_with('/') || rest.contains(char::is_whitespace)) {
        let problem = Problem::error("not the URL of a Fabric node");
        report.add(field.at(), problem.accepted("`http://HOST:PORT/`, without user and password"));
        return None;
    }
    Some(url)
}

fn strategy(report: &mut Report<'_>, field: &Field<'_>) -> FabricStrategy {
    let text = match read::text(field.node) {
        read::Scalar::Text(text) => text,
        read::Scalar::Nothing => return FabricStrategy::default(),
        read::Scalar::List => {
            report.add(field.at(), Problem::error("the strategy must be a text").accepted("`dump`, `direct`"));
            return FabricStrategy::default();
        }
    };
    match text.to_ascii_lowercase().as_str() {
        "dump" => FabricStrategy::Dump,
        "direct" => FabricStrategy::Direct,
        _ => {
            let message = format!("Unknown MySQL Fabric strategy {text} selected, falling back to default dump");
            let problem = Problem::warning(message).accepted("`dump`, `direct`");
            report.add(field.at(), problem.meant(&text, ["dump", "direct"]));
            FabricStrategy::default()
        }
    }
}
