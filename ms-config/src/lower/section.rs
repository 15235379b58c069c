//! All of a section.

use super::{
    fabric, failover, filters, gtid_injection, monitor,
    object::{Field, Object, listed},
    pool, primary_budget,
    roster::Roster,
    server::Defaults,
    server_list::{self, ServerList, Used},
    settings,
    state_store::Localhost,
    tls, tokens, transient_errors, xa,
};
use crate::{
    Charset, Compat, Fabric, Failover, GtidInjection, Monitor, OwnFilters, PoolSettings, PrimaryBudget, Role, Section,
    Server, Settings, Tls, TokenSettings, TrxStickiness, Xa,
    path::Path,
    raw::Member,
    read,
    report::{At, Problem, Report},
    server::LOCALHOST,
};

const PRIMARIES: &[&str] = &["master", "primary", "primaries"];
const REPLICAS: &[&str] = &["slave", "replica", "replicas"];

/// Keys that are read, beside those of the server lists and the switches.
const KEYS: &[&str] = &[
    "lazy_connections",
    "server_charset",
    "failover",
    "master_on_write",
    "trx_stickiness",
    "filters",
    "pool",
    "monitor",
    "primary_budget",
    "tls",
    "token",
    "init",
    "read_functions",
    "retry_reads",
    "transient_error",
    "global_transaction_id_injection",
    "xa",
    "fabric",
];

/// The section at `member`, to be thrown away if an error was noted.
pub(super) fn lower(report: &mut Report<'_>, member: &Member<'_>, outer: &Settings, own: OwnFilters<'_>) -> Section {
    let name = &*member.key;
    let path = Path::Top.key(name);
    let Some(object) = Object::new(&member.node, &path) else {
        let message = format!("Section [master] doesn't exist for host [{name}]: a section must be an object");
        report.add(At { path: &path, offset: member.node.offset }, Problem::error(message));
        return empty(report, member);
    };
    object.warn_unknown(report, &[PRIMARIES, REPLICAS, KEYS, settings::KEYS].concat());

    let settings = settings::lower(report, &object);
    let switches = outer.clone().or(&settings).resolve();
    let pool = pool::lower(report, object.get("pool").as_ref(), PoolSettings::default());
    let monitor = monitor::lower(report, object.get("monitor").as_ref());
    let primary_budget = primary_budget::lower(report, object.get("primary_budget").as_ref());
    let tls = tls::lower(report, object.get("tls").as_ref(), &Tls::default());

    let defaults = Defaults { pool, tls: &tls };
    let used = if switches.multi_master { Used::All } else { Used::OnlyFirst };
    let (primaries, unused) = servers(report, &object, name, Role::Primary, used, &defaults);
    let (replicas, _) = servers(report, &object, name, Role::Replica, Used::All, &defaults);
    let roster = Roster::new(&primaries.names, &replicas.names);
    let filters = filters::lower(report, object.get("filters").as_ref(), &roster, own);

    let compat = switches.compat;
    let failover =
        object.get("failover").map_or_else(|| Failover::of(compat), |field| failover::lower(report, &field, compat));
    let transient_errors = object.get("transient_error").filter(|field| !field.is_null());
    let transient_errors = transient_errors.and_then(|field| transient_errors::lower(report, &field));
    let mut switch = |key: &str| {
        let field = object.get(key)?;
        read::switch(report, field.at(), field.node)
    };
    let lazy_connections = switch("lazy_connections").unwrap_or(true);
    let master_on_write = switch("master_on_write").unwrap_or(false);
    let retry_reads = switch("retry_reads").unwrap_or(true);
    let mut texts = |key: &str, accepted| object.get(key).map_or_else(Vec::new, |field| field.texts(report, accepted));
    let init = texts("init", "an SQL statement, or an array of them");
    let read_functions = texts("read_functions", "an array of function names");

    let mut in_use = primaries.servers.iter().chain(&replicas.servers);
    let has_localhost = in_use.any(|server| server.host.eq_ignore_ascii_case(LOCALHOST));
    let later = later(report, &object, if has_localhost { Localhost::IsParticipant } else { Localhost::Absent });

    Section {
        name: name.to_owned(),
        primaries: primaries.servers,
        unused_primaries: unused,
        replicas: replicas.servers,
        filters,
        failover,
        transient_errors,
        lazy_connections,
        master_on_write,
        trx_stickiness: object.get("trx_stickiness").and_then(|field| trx_stickiness(report, &field)),
        server_charset: object.get("server_charset").and_then(|field| server_charset(report, &field)),
        read_functions,
        retry_reads,
        init,
        gtid_injection: later.gtid_injection,
        monitor,
        primary_budget,
        xa: later.xa,
        fabric: later.fabric,
        pool,
        tls,
        tokens: tokens::lower(report, object.get("token").as_ref()),
        switches,
        settings,
        position: report.position(member.key_offset),
    }
}

/// What is returned for a section that is no object, whose error has been noted.
fn empty(report: &Report<'_>, member: &Member<'_>) -> Section {
    Section {
        name: member.key.clone().into_owned(),
        primaries: Vec::new(),
        unused_primaries: Vec::new(),
        replicas: Vec::new(),
        filters: Vec::new(),
        failover: Failover::of(Compat::default()),
        transient_errors: None,
        lazy_connections: true,
        master_on_write: false,
        trx_stickiness: None,
        server_charset: None,
        read_functions: Vec::new(),
        retry_reads: true,
        init: Vec::new(),
        gtid_injection: None,
        monitor: Monitor::default(),
        primary_budget: PrimaryBudget::default(),
        xa: None,
        fabric: None,
        pool: PoolSettings::default(),
        tls: Tls::default(),
        tokens: TokenSettings::default(),
        switches: Settings::default().resolve(),
        settings: Settings::default(),
        position: report.position(member.key_offset),
    }
}

/// Settings that do not go with `fabric`, and it. Some are of the original for what does not exist here yet; whether they are right
/// is checked all the same.
#[derive(Default)]
struct Later {
    gtid_injection: Option<GtidInjection>,
    xa: Option<Xa>,
    fabric: Option<Fabric>,
}

fn later(report: &mut Report<'_>, section: &Object<'_>, localhost: Localhost) -> Later {
    let get = |key: &str| section.get(key).filter(|field| !field.is_null());
    let mut later = Later::default();
    let fabric = get("fabric");
    let mut counted = |key: &str, read: &mut dyn FnMut(&mut Report<'_>, &Field<'_>)| {
        let Some(field) = get(key) else { return };
        if fabric.is_some() {
            report.while_unused(|report| read(report, &field));
            report.add(field.at_key(), Problem::warning(format!("`{key}` is ignored beside `fabric`")));
            return;
        }
        read(report, &field);
    };
    counted("global_transaction_id_injection", &mut |report, field| {
        later.gtid_injection = gtid_injection::lower(report, field);
    });
    counted("xa", &mut |report, field| {
        later.xa = xa::lower(report, field, localhost);
    });
    if let Some(field) = &fabric {
        later.fabric = fabric::lower(report, field);
        later.gtid_injection = None;
        later.xa = None;
        // Its servers come from elsewhere, so the section would be another one without it.
        report.add(field.at_key(), Problem::error("`fabric` is not supported yet"));
    }
    later
}

fn servers(
    report: &mut Report<'_>,
    section: &Object<'_>,
    name: &str,
    role: Role,
    used: Used,
    defaults: &Defaults<'_>,
) -> (ServerList, Vec<Server>) {
    let spellings = if role == Role::Primary { PRIMARIES } else { REPLICAS };
    let has_fabric = section.get("fabric").is_some_and(|field| !field.is_null());
    if let Some(field) = section.one_of(report, spellings) {
        if has_fabric {
            let message = format!("Section [{}] exists. Ignored for MySQL Fabric based configuration", field.key);
            report.add(field.at_key(), Problem::warning(message));
            return (ServerList::default(), Vec::new());
        }
        let (list, unused) = server_list::lower(report, &field, role, used, defaults);
        if role == Role::Primary && list.names.is_empty() && field.node.value.is_list() {
            report.add(field.at_key(), Problem::warning("without a primary no write can succeed"));
        }
        return (list, unused);
    }
    if !has_fabric {
        let message = format!("Section [{}] doesn't exist for host [{name}]", role.key());
        let accepted = format!("{}: an object or an array of servers", listed(spellings));
        report.add(section.at(), Problem::error(message).accepted(accepted));
    }
    (ServerList::default(), Vec::new())
}

fn trx_stickiness(report: &mut Report<'_>, field: &Field<'_>) -> Option<TrxStickiness> {
    let accepted = "`master` (or `primary`), `on`, `disabled`";
    let text = match read::text(field.node) {
        read::Scalar::Text(text) => text,
        read::Scalar::Nothing => return None,
        read::Scalar::List => {
            report.add(field.at(), Problem::error("must be a text, not a list").accepted(accepted));
            return None;
        }
    };
    let lower = text.to_ascii_lowercase();
    let (read_as, stickiness) = match &*lower {
        "master" | "primary" => return Some(TrxStickiness::Primary),
        "on" => return Some(TrxStickiness::On),
        "disabled" | "off" | "" => return Some(TrxStickiness::Disabled),
        // The original looked at the beginning only.
        _ if lower.starts_with("master") => ("master", TrxStickiness::Primary),
        _ if lower.starts_with("on") => ("on", TrxStickiness::On),
        _ => ("disabled", TrxStickiness::Disabled),
    };
    let message = format!("unknown value `{text}`; read as `{read_as}`, as the original did");
    let problem = Problem::warning(message).accepted(accepted);
    report.add(field.at(), problem.meant(&text, ["master", "primary", "on", "disabled"]));
    Some(stickiness)
}

fn server_charset(report: &mut Report<'_>, field: &Field<'_>) -> Option<Charset> {
    let text = match read::text(field.node) {
        read::Scalar::Text(text) => text,
        read::Scalar::Nothing => return None,
        read::Scalar::List => {
            report.add(field.at(), Problem::error("server_charset must be a text, not a list"));
            return None;
        }
    };
    let charset = Charset::named(&text);
    if charset.is_none() {
        let problem = Problem::error(format!("Erroneous server_charset [{text}]"));
        let problem = problem.meant(&text, Charset::NAMES.iter().copied());
        report.add(field.at(), problem.accepted("the name of a character set, such as `utf8mb4`"));
    }
    charset
}
