//! One entry of a server list.
//!
//! The checks run in the original's order (flags, port, socket, user, password, db, host), so the first problem of
//! an entry is the one that the original reported.

use std::net::Ipv6Addr;

use super::{
    number::Range,
    object::{Field, Object},
    pool, tls,
};
use crate::{
    PoolSettings, Role, Secret, Server, ServerName, Tls,
    raw::Value,
    read,
    report::{Problem, Report},
    server::{DEFAULT_PORT, LOCALHOST},
};

const KEYS: &[&str] = &["host", "port", "socket", "user", "password", "db", "connect_flags", "pool", "tls"];

/// What a section says for all of its servers.
pub(super) struct Defaults<'d> {
    pub(super) pool: PoolSettings,
    pub(super) tls: &'d Tls,
}

/// The server that an entry describes; `None` without a host. Whatever else is wrong with it is only noted.
pub(super) fn lower(
    report: &mut Report<'_>,
    entry: &Field<'_>,
    name: ServerName,
    defaults: &Defaults<'_>,
) -> Option<Server> {
    let role = name.role();
    let Some(object) = Object::new(entry.node, &entry.path) else {
        // A list that is no object holds no keys, so the host is what the original missed first.
        report.add(entry.at(), no_host(role));
        return None;
    };
    object.warn_unknown(report, KEYS);

    let connect_flags = object.get("connect_flags").and_then(|field| number(report, &field, u32::MAX));
    if connect_flags.is_some_and(|flags| flags != 0)
        && let Some(field) = object.get("connect_flags")
    {
        report.add(field.at(), no_flags());
    }
    let port = object.get("port").and_then(|field| number(report, &field, u16::MAX.into()));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let mut text = |key| object.get(key).and_then(|field| field.scalar(report));
    let socket = text("socket");
    let user = text("user");
    let list = "Invalid value for password. Cannot be a list/hash' . Stopping";
    let password = object.get("password").and_then(|field| secret(report, &field, list));
    let db = object.get("db").and_then(|field| field.scalar(report));
    let host = host(report, &object, role)?;

    let is_local = host.eq_ignore_ascii_case(LOCALHOST);
    if is_local && port.is_some_and(|port| port != 0) {
        let message = "`localhost` means the socket, so `port` is not used; for TCP write 127.0.0.1";
        report.add(object.at(), Problem::warning(message));
    }
    if !is_local && socket.is_some() {
        report.add(object.at(), Problem::warning("`socket` is used with host `localhost` only"));
    }

    Some(Server {
        host,
        port: port.map(|port| if port == 0 { DEFAULT_PORT } else { port }),
        socket,
        user,
        password,
        db,
        connect_flags,
        pool: pool::lower(report, object.get("pool").as_ref(), defaults.pool),
        tls: tls::lower(report, object.get("tls").as_ref(), defaults.tls),
        position: report.position(entry.at_key().offset),
        name,
    })
}

fn no_host(role: Role) -> Problem {
    Problem::error(format!("Cannot find [host] in [{}] section in config", role.key()))
        .accepted("an object with at least `host`")
}

/// A number from 0 to `most`; `null` is as if the key were not there.
fn number(report: &mut Report<'_>, field: &Field<'_>, most: u32) -> Option<u32> {
    if field.is_null() {
        return None;
    }
    let key = field.key;
    let list = format!("Invalid value for {key}. Cannot be a list/hash' . Stopping");
    Range::new(0, most).read(report, field, list, |value| format!("Invalid value for {key} '{value}' . Stopping"))
}

/// What to say of flags that ask for something.
pub(super) fn no_flags() -> Problem {
    Problem::warning("`connect_flags` has no effect: sqlx chooses the capability flags of a login itself")
}

/// The host of an entry, which is the one thing that it must have.
fn host(report: &mut Report<'_>, object: &Object<'_>, role: Role) -> Option<String> {
    let Some(field) = object.get("host") else {
        report.add(object.at(), no_host(role));
        return None;
    };
    let host = match read::text(field.node) {
        read::Scalar::List => {
            let message = "Invalid value for host. Cannot be a list/hash' . Stopping";
            report.add(field.at(), Problem::error(message).accepted("a host name or an address"));
            return None;
        }
        read::Scalar::Nothing => String::new(),
        read::Scalar::Text(text) => text.into_owned(),
    };
    if host.is_empty() {
        report.add(field.at(), no_host(role));
        return None;
    }
    // Not repeated in the message: a URL may hold a password.
    if host.contains('@') || host.contains("://") {
        let problem = Problem::error("`host` must be a name or an address, not a URL");
        report.add(field.at(), problem.accepted("`host`, `port`, `user` and `password` as separate keys"));
        return None;
    }
    if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
        report.add(field.at(), colon(&host));
    }
    Some(host)
}

/// `host:port` and `host:/socket` were never split; such a name is looked up as it is, and not found.
fn colon(host: &str) -> Problem {
    let problem = Problem::warning("`host` is not split at the colon, so this name will not be found");
    match host.split_once(':') {
        Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {
            problem.suggestion(format_args!("\"host\": \"{name}\", \"port\": {port}"))
        }
        Some((_, socket)) if socket.starts_with('/') => {
            problem.suggestion(format_args!("\"host\": \"localhost\", \"socket\": \"{socket}\""))
        }
        _ if host.starts_with('[') => problem.accepted("an IPv6 address without brackets"),
        _ => problem,
    }
}

/// A password: a scalar, or an object that says where it is. `list` is said of any other object.
pub(super) fn secret(report: &mut Report<'_>, field: &Field<'_>, list: &str) -> Option<Secret> {
    if !field.node.value.is_list() {
        return field.scalar(report).map(Secret::Literal);
    }
    let object = Object::new(field.node, &field.path);
    let found = object.as_ref().map_or(&[][..], |object| object.members);
    if let ([member], Some(object)) = (found, &object)
        && let Some(place) = object.get(&member.key)
        && let Value::String(value) = &place.node.value
        && !value.is_empty()
    {
        match place.key {
            "env" => return Some(Secret::Env(value.clone().into_owned())),
            "file" => return Some(Secret::File(value.as_ref().into())),
            _ => {}
        }
    }
    let accepted = r#"a text, {"env": "NAME"} or {"file": "PATH"}"#;
    report.add(field.at(), Problem::error(list).accepted(accepted));
    None
}
