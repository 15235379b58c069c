//! `xa.state_store`: the server that keeps the state.

use super::{
    number::Range,
    object::{Field, Object},
    server,
};
use crate::{
    Endpoint, MySqlStore, StateStore, StoreBackend, read,
    report::{Problem, Report},
    server::LOCALHOST,
};

const KEYS: &[&str] = &["mysql", "participant_localhost_ip", "record_participant_credentials"];
const MYSQL_KEYS: &[&str] = &[
    "host",
    "port",
    "socket",
    "user",
    "password",
    "db",
    "connect_flags",
    "global_trx_table",
    "participant_table",
    "garbage_collection_table",
];

/// Whether a participant may be on this machine, so that other machines need to be told where that is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Localhost {
    IsParticipant,
    Absent,
}

pub(super) fn lower(report: &mut Report<'_>, field: &Field<'_>, localhost: Localhost) -> Option<StateStore> {
    let object = Object::expect(report, field, "an object with `mysql`")?;
    object.warn_unknown(report, KEYS);

    let place = object.get("participant_localhost_ip");
    let list = || "'participant_localhost_ip' from 'state_store' must be a string".to_owned();
    let ip = place.as_ref().and_then(|field| field.scalar_or(report, list)).filter(|ip| !ip.is_empty());
    let is_list = place.is_some_and(|field| field.node.value.is_list());
    // The original demanded it in any case, the manual never.
    if ip.is_none() && !is_list && localhost == Localhost::IsParticipant {
        let message = "'participant_localhost_ip' must be set in section 'state_store': a server is `localhost`, and \
                       the garbage collection may run on another machine";
        report.add(field.at_key(), Problem::error(message).accepted("the address of this machine"));
    }
    let credentials = object.get("record_participant_credentials").and_then(|field| {
        field.switch_or(report, || "'record_participant_credentials' from 'state_store' must be a string".to_owned())
    });

    let Some(mysql) = object.get("mysql").filter(|field| !field.is_null()) else {
        let message = "Currently 'mysql' is the only supported state store. Failed to find matching entry in config";
        report.add(object.at(), Problem::error(message).accepted(r#"{"mysql": {…}}"#));
        return None;
    };
    Some(StateStore {
        backend: StoreBackend::MySql(mysql_store(report, &mysql)?),
        participant_localhost_ip: ip,
        record_participant_credentials: credentials.unwrap_or(false),
    })
}

fn mysql_store(report: &mut Report<'_>, field: &Field<'_>) -> Option<MySqlStore> {
    let object = Object::expect(report, field, "an object with `host`, `user`, `password` and `db`")?;
    object.warn_unknown(report, MYSQL_KEYS);

    let mut text = |key: &str| {
        let field = object.get(key)?;
        field.scalar_or(report, || format!("'{key}' from 'xa' must be a string"))
    };
    let host = text("host").filter(|host| !host.is_empty());
    let socket = text("socket");
    let user = text("user");
    let db = text("db");
    let mut number = |key: &str, most: u32| {
        let field = object.get(key).filter(|field| !field.is_null())?;
        let outside = |value| format!("Invalid value for '{key}' '{value}' in section 'xa'");
        Range::new(0, most).read(report, &field, format!("'{key}' from 'xa' must be a number"), outside)
    };
    let port = number("port", u16::MAX.into()).and_then(|port| u16::try_from(port).ok());
    let connect_flags = number("connect_flags", u32::MAX).unwrap_or(0);
    if connect_flags != 0
        && let Some(field) = object.get("connect_flags")
    {
        report.add(field.at(), server::no_flags());
    }
    let password = object.get("password");
    let password = password.and_then(|field| server::secret(report, &field, "'password' from 'xa' must be a string"));

    let mut table = |key: &str, default: &str| {
        let Some(field) = object.get(key) else { return default.to_owned() };
        match read::text(field.node) {
            read::Scalar::Text(name) if !name.is_empty() => return name.into_owned(),
            read::Scalar::Text(_) => {
                let message = format!("Empty string not allowed for '{key}' from 'xa'. Using default");
                report.add(field.at(), Problem::error(message).accepted("the name of a table"));
            }
            read::Scalar::List => {
                let message = format!("'{key}' from 'xa' must be a string");
                report.add(field.at(), Problem::error(message).accepted("the name of a table"));
            }
            read::Scalar::Nothing => {}
        }
        default.to_owned()
    };
    Some(MySqlStore {
        endpoint: Endpoint::new(host.as_deref().unwrap_or(LOCALHOST), port, socket.as_deref()),
        user,
        password,
        db,
        connect_flags,
        global_trx_table: table("global_trx_table", "mysqlnd_ms_xa_trx"),
        participant_table: table("participant_table", "mysqlnd_ms_xa_participants"),
        garbage_collection_table: table("garbage_collection_table", "mysqlnd_ms_xa_gc"),
    })
}
