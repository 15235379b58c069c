//! One function per action.
//!
//! They call what a program would call and say what came of it. An action the library has no function for yet ends in
//! [`Stop::NotSupported`], which is a failure that names what is missing; giving it one later means filling in its function.

use std::time::Duration;

use ms_hints::Route;
use ms_pool::{Consistency, LevelOption, Password, Session, TxOptions, XaGcOptions, XaOptions};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use crate::failure::chain;

use super::{
    check::{Mismatch, check_counter},
    distribution::Distribution,
    open::Pool,
    outcome::{Failed, Outcome, Used},
    play::{Player, Properties},
    servers::Place,
    step::{Action, Begin, ChangeUser, Direct, End, Execute, Gtrid, Level, Qos, XaBegin, XaGc},
    text_rows::Answer,
    world::WorldError,
};

/// Why a scenario cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The library has no function for it yet.
    NotSupported(String),
    /// The scenario asks for something that makes no sense, or a server failed the runner.
    Broken(String),
    /// An expectation inside the action does not hold.
    Mismatch(Mismatch),
}

impl From<WorldError> for Stop {
    fn from(error: WorldError) -> Self {
        Self::Broken(chain(&error))
    }
}

impl From<Mismatch> for Stop {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

type Performed = Result<Outcome, Stop>;

/// Performs an action. `repeat` is the player's own.
pub(crate) async fn perform(player: &mut Player<'_>, action: &Action) -> Performed {
    match action {
        Action::Sql(sql) | Action::MultiQuery(sql) => query(player, sql).await,
        Action::Prepare(sql) => prepare(player, sql).await,
        Action::Execute(it) => execute(player, it).await,
        Action::Begin(it) => begin(player, it).await,
        // What it is called has no effect that could be seen.
        Action::Commit(End { .. }) => ended(player.session()?.commit().await),
        Action::Rollback(End { .. }) => ended(player.session()?.rollback().await),
        Action::Autocommit(on) => done(player.session()?.set_autocommit(*on).await),
        Action::Qos(it) => qos(player, it),
        Action::LastGtid(_) => last_gtid(player).await,
        Action::ChangeUser(to) => change_user(player, to).await,
        Action::SelectDb(database) => done(player.session()?.select_db(database).await),
        Action::SetCharset(charset) => done(player.session()?.set_charset(charset).await),
        Action::GetCharset(_) => Ok(Outcome::value(player.session()?.charset())),
        Action::Escape(text) => Ok(match player.session()?.escape(text) {
            Ok(escaped) => Outcome::value(escaped),
            Err(error) => Outcome::failed((&error).into()),
        }),
        Action::Ping(_) => {
            let answered = player.session()?.ping().await;
            asked(player, answered.map(|()| Value::Null))
        }
        Action::ServerInfo(_) => {
            let answered = player.session()?.server_info().await;
            asked(player, answered.map(|it| json!(&*it.version)))
        }
        Action::ThreadId(_) => thread_id(player),
        Action::InsertId(_) => property(player, |it| json!(it.insert_id)),
        Action::AffectedRows(_) => property(player, |it| json!(it.affected)),
        Action::FieldCount(_) => property(player, |it| json!(it.fields)),
        Action::WarningCount(_) => {
            let answered = player.session()?.warning_count().await;
            asked(player, answered.map(Value::from))
        }
        Action::Classify(sql) => classify(player, sql),
        Action::MatchWild(name, pattern) => {
            Ok(Outcome::value(ms_hints::match_wild(name.as_bytes(), pattern.as_bytes())))
        }
        Action::DumpServers(_) => dump_servers(player),
        Action::LastUsed(_) => last_used(player),
        Action::Stats(wanted) => stats(player, wanted),
        Action::XaBegin(it) => xa_begin(player, it).await,
        Action::XaCommit(it) => done(player.session()?.xa_commit(name(it)?).await),
        Action::XaRollback(it) => done(player.session()?.xa_rollback(name(it)?).await),
        Action::XaGc(it) => xa_gc(player, it).await,
        Action::Direct(it) => direct(player, it).await,
        Action::Kill(whom) => kill(player, whom).await,
        Action::Sleep(seconds) => pause(*seconds).await,
        Action::Close(_) => close(player).await,
        Action::Distribution(it) => distribution(player, it).await,
        Action::Repeat(_) => Err(Stop::Broken("`repeat` was to be unrolled".to_owned())),
    }
}

/// A number, as the original sent it.
fn name(gtrid: &Gtrid) -> Result<String, Stop> {
    gtrid.number().map(|it| it.to_string()).map_err(Stop::Broken)
}

async fn xa_begin(player: &mut Player<'_>, it: &XaBegin) -> Performed {
    let mut options = XaOptions::default();
    if let Some(seconds) = it.timeout {
        // The original's word for no limit.
        options = options.timeout((seconds > 0).then(|| Duration::from_secs(seconds.into())));
    }
    done(player.session()?.xa_begin(name(&it.gtrid)?, options).await)
}

async fn xa_gc(player: &mut Player<'_>, it: &XaGc) -> Performed {
    let mut options = XaGcOptions::default().ignore_max_retries(it.ignore_max_retries);
    if let Some(gtrid) = &it.gtrid {
        options = options.only(name(gtrid)?);
    }
    done(player.session()?.cluster().clone().xa_gc(options).await.map(drop))
}

async fn query(player: &mut Player<'_>, sql: &str) -> Performed {
    let answered = super::text_rows::run(player.session()?, sql).await;
    let used = player.used();
    Ok(answered_on(player, used, &answered))
}

fn answered_on(player: &mut Player<'_>, used: Option<Used>, answered: &Result<Answer, sqlx::Error>) -> Outcome {
    player.note_properties(used.as_ref(), answered.as_ref());
    match answered {
        Ok(Answer { rows, affected, .. }) => {
            Outcome { rows: Some(rows.clone()), affected: Some(*affected), used, ..Outcome::default() }
        }
        Err(error) => Outcome { used, ..Outcome::failed(error.into()) },
    }
}

/// A call to all servers: no connection in particular has been used.
fn done(called: Result<(), ms_pool::Error>) -> Performed {
    Ok(called.map_or_else(|error| Outcome::failed((&error).into()), |()| Outcome::default()))
}

async fn begin(player: &mut Player<'_>, it: &Begin) -> Performed {
    let name = it.name.as_deref().map(Into::into);
    let options = TxOptions { read_only: it.read_only, snapshot: it.snapshot, isolation: None, name };
    ended(player.session()?.start_transaction(options).await)
}

fn ended(called: Result<(), sqlx::Error>) -> Performed {
    Ok(called.map_or_else(|error| Outcome::failed((&error).into()), |()| Outcome::default()))
}

fn qos(player: &mut Player<'_>, it: &Qos) -> Performed {
    let level = match it.level {
        Level::Eventual => ms_hints::Level::Eventual,
        Level::Session => ms_hints::Level::Session,
        Level::Strong => ms_hints::Level::Strong,
    };
    // The original took strings for numbers and numbers for strings.
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let number = |value: &Value| {
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| Stop::Broken(format!("{value} is no number")))
    };
    let gtid = it.gtid.as_ref().map(text);
    let option = match (&gtid, &it.age, &it.cache) {
        (None, None, None) => None,
        (Some(gtid), None, None) => Some(LevelOption::Gtid(gtid)),
        (None, Some(age), None) => Some(LevelOption::Age(number(age)?)),
        (None, None, Some(ttl)) => Some(LevelOption::Cache(number(ttl)?)),
        _ => return Err(Stop::Broken("a service level has one option at most".to_owned())),
    };
    match Consistency::checked(level, option) {
        Ok(consistency) => done(player.session()?.set_consistency(consistency)),
        Err(error) => Ok(Outcome::failed((&error).into())),
    }
}

/// A question to the connection used last.
fn asked(player: &Player<'_>, answered: Result<Value, sqlx::Error>) -> Performed {
    let outcome = answered.map_or_else(|error| Outcome::failed((&error).into()), Outcome::value);
    Ok(Outcome { used: player.used(), ..outcome })
}

async fn change_user(player: &mut Player<'_>, to: &ChangeUser) -> Performed {
    let (servers, databases) = (&player.stage.world.servers, player.stage.databases);
    let user = to.user.as_ref().unwrap_or(&servers.user);
    let password = to.password.as_ref().or(servers.password.as_ref());
    let password = password.map_or(Password::NONE, |it| Password::new(it.as_str()));
    let database = to.db.as_ref().unwrap_or(&databases.db);
    let changed = player.session()?.change_user(user, password, Some(database)).await;
    player.generation += 1;
    done(changed)
}

async fn prepare(player: &mut Player<'_>, sql: &str) -> Performed {
    let prepared = player.session()?.prepare(AssertSqlSafe(sql)).await;
    let used = player.used();
    let error = prepared.as_ref().err().map(Failed::from);
    player.just_prepared = prepared.ok();
    Ok(Outcome { used, error, ..Outcome::default() })
}

async fn execute(player: &mut Player<'_>, Execute { stmt, params }: &Execute) -> Performed {
    let prepared = player.prepared.get(stmt).cloned();
    let prepared = prepared.ok_or_else(|| Stop::Broken(format!("no statement was prepared as `{stmt}`")))?;
    let answered = super::text_rows::run_prepared(player.session()?, &prepared, params).await;
    let used = Used {
        alias: prepared.server().to_owned(),
        role: prepared.role(),
        connection: Some(prepared.connection_id()),
        generation: player.generation,
    };
    Ok(answered_on(player, Some(used), &answered))
}

/// Also what `$last` stands for when no step has fetched it.
pub(crate) async fn last_gtid(player: &mut Player<'_>) -> Performed {
    let told = player.session()?.last_gtid().await;
    Ok(told.map_or_else(|error| Outcome::failed((&error).into()), Outcome::value))
}

fn thread_id(player: &mut Player<'_>) -> Performed {
    let id = player.session()?.last_used().and_then(|it| it.connection_id);
    Ok(Outcome::value(id.unwrap_or(0)))
}

/// A property of the connection used last; nothing was ever counted on one that was not used.
fn property(player: &mut Player<'_>, get: impl FnOnce(&Properties) -> Value) -> Performed {
    let properties = player.used().map(|it| player.properties(&it)).unwrap_or_default();
    Ok(Outcome::value(get(&properties)))
}

fn classify(player: &mut Player<'_>, sql: &str) -> Performed {
    let Some(Pool { cluster, .. }) = &player.pool else {
        return Err(closed());
    };
    Ok(Outcome::value(match cluster.query_is_select(sql) {
        Route::LastUsed => "last_used",
        Route::Replica => "slave",
        Route::Primary => "master",
    }))
}

pub(crate) fn closed() -> Stop {
    Stop::Broken("the pool is closed".to_owned())
}

/// `scheme://host:port` or `unix://path`, in the original's words.
fn address(uri: &str) -> (Value, Value, Value) {
    match uri.split_once("://") {
        Some(("unix", path)) => (Value::Null, json!(0), json!(path)),
        Some((_, address)) => {
            let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
            (json!(host), json!(port.parse().unwrap_or(0)), Value::Null)
        }
        None => (Value::Null, json!(0), Value::Null),
    }
}

fn dump_servers(player: &mut Player<'_>) -> Performed {
    let session = player.session()?;
    let side = |role| -> Vec<Value> {
        let servers = session.dump_servers().into_iter().filter(|it| it.role == role);
        servers
            .map(|it| {
                let (hostname, port, socket) = address(it.address);
                // Anonymous servers had no name.
                let name = if it.name.ends_with(']') { "" } else { it.name };
                json!({"name_from_config": name, "hostname": hostname, "user": it.user, "port": port, "socket": socket,
                    "thread_id": it.connection_id})
            })
            .collect()
    };
    Ok(Outcome::value(json!({
        "masters": side(ms_filters::Role::Primary),
        "slaves": side(ms_filters::Role::Replica),
    })))
}

fn last_used(player: &mut Player<'_>) -> Performed {
    let properties = player.used().map(|it| player.properties(&it)).unwrap_or_default();
    let last = player.session()?.last_used();
    let uri = last.map_or("", |it| it.address);
    let (host, port, socket) = address(uri);
    let error = properties.error;
    Ok(Outcome::value(json!({
        "scheme": uri,
        "host": host,
        "port": port,
        "socket_or_pipe": socket,
        "thread_id": last.and_then(|it| it.connection_id).unwrap_or(0),
        "errno": error.as_ref().map_or(0, |it| it.code),
        "error": error.as_ref().map_or("", |it| &it.message),
        "sqlstate": error.as_ref().map_or("00000", |it| &it.sqlstate),
    })))
}

/// Everything is counted by the pool's own statistics, from nothing.
fn stats(player: &Player<'_>, wanted: &Map<String, Value>) -> Performed {
    check_counters(player, wanted).map(|()| Outcome::default())
}

pub(crate) fn check_counters(player: &Player<'_>, wanted: &Map<String, Value>) -> Result<(), Stop> {
    for (name, wanted) in wanted {
        let found = player.senses.statistics.iter().find(|(counter, _)| counter == name);
        let (_, got) = found.ok_or_else(|| Stop::NotSupported(format!("the counter `{name}`")))?;
        check_counter(name, wanted, got)?;
    }
    Ok(())
}

async fn direct(player: &mut Player<'_>, direct: &Direct) -> Performed {
    Ok(match player.stage.direct(direct.on, &direct.sql).await? {
        Ok(answer) => Outcome { rows: Some(answer.rows), affected: Some(answer.affected), ..Outcome::default() },
        Err(error) => Outcome::failed((&error).into()),
    })
}

async fn kill(player: &mut Player<'_>, whom: &str) -> Performed {
    if let Some((address, id)) = connection_of(player.session()?, whom) {
        player.stage.kill(place_at(player, &address)?, id).await?;
        return Ok(Outcome::default());
    }
    // It may be one that was opened with the pool and that no statement has used.
    let server =
        player.session()?.dump_servers().into_iter().find(|it| it.name == whom).map(|it| it.address.to_owned());
    if let Some(address) = server {
        let place = place_at(player, &address)?;
        if let [id] = player.stage.connections(place).await?[..]
            && player.stage.kill(place, id).await?
        {
            return Ok(Outcome::default());
        }
    }
    Err(Stop::Broken(format!("the pool has no open connection to `{whom}`")))
}

fn connection_of(session: &Session, whom: &str) -> Option<(String, u64)> {
    if whom == "last_used" {
        let last = session.last_used()?;
        return Some((last.address.to_owned(), last.connection_id?));
    }
    let server = session.dump_servers().into_iter().find(|it| it.name == whom)?;
    Some((server.address.to_owned(), server.connection_id?))
}

/// The server at an address the pool has named.
pub(crate) fn place_at(player: &Player<'_>, uri: &str) -> Result<Place, Stop> {
    let stage = &player.stage;
    let is_it = |place: &Place| {
        let it = stage.world.servers.address(*place, stage.replicating);
        uri.ends_with(&format!("://{}:{}", it.host, it.port))
    };
    Place::ALL.into_iter().find(is_it).ok_or_else(|| Stop::Broken(format!("`{uri}` is none of the runner's servers")))
}

async fn pause(seconds: f64) -> Performed {
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| Stop::Broken(format!("{seconds} is no time")))?;
    sleep(time).await;
    Ok(Outcome::default())
}

async fn close(player: &mut Player<'_>) -> Performed {
    match player.pool.take() {
        Some(pool) => {
            let closed = pool.session.close().await;
            pool.cluster.close().await;
            done(closed)
        }
        None => Err(closed()),
    }
}

async fn distribution(player: &mut Player<'_>, wanted: &Distribution) -> Performed {
    let mut runs = Vec::with_capacity(wanted.times);
    for _ in 0..wanted.times {
        let outcome = query(player, &wanted.sql).await?;
        if let Some(error) = outcome.error {
            return Err(
                Mismatch::new("success each time", format!("{} in run {}", error.json(), runs.len() + 1)).into()
            );
        }
        let used = outcome.used.and_then(|it| Some((it.alias, it.connection?)));
        runs.push(used.ok_or_else(|| Mismatch::new("a connection", "none in use"))?);
    }
    wanted.expect.check(&runs)?;
    Ok(Outcome::default())
}
