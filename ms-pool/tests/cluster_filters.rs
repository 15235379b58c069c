//! Filters of the configuration: groups, service levels, callbacks of the application.
//!
//! What is decided without a server, errors above all, needs no cluster; the others show that it happens on real ones.
#![allow(clippy::unwrap_used, reason = "a broken set-up is a failed test")]

#[path = "support/cluster.rs"]
mod support;

use std::sync::{Arc, Mutex};

use ms_pool::{
    Builder, Choice, Choices, Cluster, Counter, Error, FilterConfig, Role, Statistics,
    ms_filters::{Candidates, Filter, RoundRobin, narrow_fn},
};
use support::{address, configured, port_of, primary_url, replica_url};

/// Nobody listens there.
const DEAD: &str = r#"{"shop": {
    "compat": "classic",
    "master": {"primary": {"host": "127.0.0.1", "port": 4, "user": "app"}},
    "slave": {"replica": {"host": "127.0.0.1", "port": 6, "user": "app"}},
    "filters": FILTERS
}}"#;

const USER: &str = r#"{"user": {"callback": "cb"}}"#;
const USER_MULTI: &str = r#"{"user_multi": {"callback": "cb"}, "random": []}"#;

#[tokio::test]
async fn any_value_names_a_service_level() {
    // BUG-24 of the original: an empty object is as good as any other value.
    for level in ["strong_consistency", "session_consistency", "eventual_consistency"] {
        for value in ["1", "{}", "[]"] {
            let filters = format!(r#"{{"quality_of_service": {{"{level}": {value}}}, "random": []}}"#);
            dead(&filters).0.build().unwrap_or_else(|error| panic!("{level} {value}: {error}"));
        }
    }
}

#[cfg(not(feature = "table-rules"))]
#[tokio::test]
async fn the_table_filter_needs_a_feature() {
    let filters = r#"{"table": {"rules": {"%": {"master": ["primary"], "slave": ["replica"]}}}, "random": []}"#;
    let error = dead(filters).0.build().unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
    let text = "filter `table` needs the feature `table-rules` of `ms-pool`, which this program was built without";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_callback_that_nobody_registered_fails_the_statement() {
    let no_connection = "No connection selected by the last filter";
    refused(dead(USER), no_connection, "Specified callback (cb) is not a valid callback").await;
    // One of the other kind is no help.
    let (builder, warnings) = dead(USER);
    let other = builder.user_multi_callback("cb", |_| Choices::All).user_callback("CB", |_| Choice::Nothing);
    refused((other, warnings), no_connection, "Specified callback (cb) is not a valid callback").await;
    let no_master = "Couldn't find the appropriate master connection. Something is wrong";
    refused(dead(USER_MULTI), no_master, "Failed to call 'cb'").await;
}

#[tokio::test]
async fn wrong_answers_get_the_originals_words() {
    let user = |answer: fn() -> Choice<'static>| {
        let (builder, warnings) = dead(USER);
        (builder.user_callback("cb", move |_| answer()), warnings)
    };
    let no_connection = "No connection selected by the last filter";
    refused(user(|| Choice::Nothing), no_connection, "has not returned string with server to use.").await;
    let unknown = "has returned an unknown server. The server 'tcp://nowhere' can neither be found";
    refused(user(|| "tcp://nowhere".into()), no_connection, unknown).await;
    refused(user(|| panic!("on purpose")), no_connection, "Failed to call 'cb'").await;

    let user_multi = |answer: fn() -> Choices| {
        let (builder, warnings) = dead(USER_MULTI);
        (builder.user_multi_callback("cb", move |_| answer()), warnings)
    };
    let no_master = "Couldn't find the appropriate master connection. Something is wrong";
    refused(user_multi(|| Choices::Nothing), no_master, "has not returned a list of servers to use.").await;
    refused(user_multi(|| Choices::Malformed), no_master, "has returned an invalid list of servers to use.").await;
    refused(user_multi(|| Choices::positions([0], [7])), no_connection, "Server id is too big").await;
    refused(user_multi(|| panic!("on purpose")), no_master, "Failed to call 'cb'").await;
}

#[tokio::test]
async fn a_chosen_server_that_is_dead_gives_its_error() {
    for (chosen, warning) in [
        ("tcp://127.0.0.1:4", None),
        ("tcp://127.0.0.1:6", Some("Callback chose tcp://127.0.0.1:6 but connection failed")),
    ] {
        let (builder, warnings) = dead(USER);
        let db = builder.user_callback("cb", move |_| chosen.into()).build().unwrap();
        let error = sqlx::query("SELECT 1").execute(&db).await.unwrap_err();
        assert_eq!(ms_pool::code(&error), 2003, "{error}");
        let warned: Vec<String> = warnings.lock().unwrap().clone();
        assert_eq!(warned, warning.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_comment_names_the_group_of_servers() {
    let groups = r#"{"near": {"master": ["primary"], "slave": ["replica2"]}, "writers": {"master": ["primary"]}}"#;
    let (db, _) = configured(&format!(r#", "filters": {{"node_groups": {groups}, "roundrobin": []}}"#));
    let mut session = db.session();
    for _ in 0..3 {
        assert_eq!(port_of(&mut session, "/*near*/").await, port(&replica_url(2)));
        assert_eq!(port_of(&mut session, "/*near*/ /*ms=primary*/").await, port(&primary_url()));
    }
    // Without a failover strategy a read of a group without replicas has nowhere to go.
    let error = sqlx::query("/*writers*/ SELECT 1").execute(&mut session).await.unwrap_err();
    assert!(error.to_string().contains("No connection selected by the last filter"), "{error}");
    assert_eq!(port_of(&mut session, "/*nobody*/").await, port(&replica_url(1)));
    assert_eq!(port_of(&db, "/*near*/").await, port(&replica_url(2)));
    // The same without a comment, and in spite of one.
    for hint in ["", "/*writers*/"] {
        assert_eq!(port_of(db.group("near").unwrap(), hint).await, port(&replica_url(2)));
    }
    let row = sqlx::query("SELECT @@port AS port").fetch_one(db.group("near").unwrap()).await.unwrap();
    assert_eq!(sqlx::Row::get::<u64, _>(&row, "port"), u64::from(port(&replica_url(2))), "prepared");
    sqlx::query("SELECT 1").execute(db.group("writers").unwrap()).await.unwrap_err();
    let error = db.group("nobody").unwrap_err();
    assert_eq!(error.to_string(), "no filter of the cluster knows a group of servers named `nobody`");
    assert_eq!(ms_pool::code(&error.into()), 2000);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn levels_without_options_choose_the_side() {
    for (level, on_primary) in
        [("strong_consistency", true), ("session_consistency", true), ("eventual_consistency", false)]
    {
        let filters = format!(r#""filters": {{"quality_of_service": {{"{level}": 1}}, "roundrobin": []}}"#);
        let (db, statistics) = configured(&format!(r#", "compat": "classic", {filters}"#));
        let mut session = db.session();
        for hint in ["", "/*ms=slave*/", "/*ms=last_used*/"] {
            assert_eq!(port_of(&mut session, hint).await == port(&primary_url()), on_primary, "{level} {hint}");
        }
        assert_eq!(statistics.get(Counter::UseReplica), if on_primary { 0 } else { 2 }, "{level}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_callback_picks_the_server() {
    let statistics = Arc::new(Statistics::default());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&calls);
    let text = support::section(&format!(r#", "filters": {USER}"#));
    let builder = Cluster::builder().config_text("test.json", text).statistics(Arc::clone(&statistics));
    let builder = builder.user_callback("cb", move |call| {
        let last_used = call.last_used.map(str::to_owned);
        told.lock().unwrap().push((call.section.to_owned(), last_used, call.in_transaction));
        if call.statement.sql.starts_with(b"/*report*/") {
            call.replicas.uri(1).into()
        } else {
            call.primaries.uri(0).into()
        }
    });
    let db = builder.build().unwrap();
    let mut session = db.session();
    assert_eq!(port_of(&mut session, "").await, port(&primary_url()));
    assert_eq!(port_of(&mut session, "/*report*/").await, port(&replica_url(2)));
    assert_eq!(port_of(&db, "/*report*/").await, port(&replica_url(2)));
    assert_eq!(statistics.get(Counter::UsePrimaryCallback), 1);
    assert_eq!(statistics.get(Counter::UseReplicaCallback), 2);
    assert_eq!(statistics.get(Counter::UsePrimary) + statistics.get(Counter::UseReplica), 0);
    let primary = format!("tcp://{}:{}", address(&primary_url()).0, port(&primary_url()));
    let call = |last_used: Option<&str>| ("shop".to_owned(), last_used.map(str::to_owned), false);
    assert_eq!(*calls.lock().unwrap(), [call(None), call(Some(&primary)), call(None)]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_callback_narrows_and_a_panic_fails_its_statement_only() {
    let text = support::section(&format!(r#", "filters": {USER_MULTI}"#));
    let db = Cluster::builder().config_text("test.json", text).user_multi_callback("cb", |call| {
        assert!(!call.statement.sql.starts_with(b"/*panic*/"), "on purpose");
        Choices::positions([0], [1])
    });
    let db = db.build().unwrap();
    let mut session = db.session();
    for _ in 0..3 {
        assert_eq!(port_of(&mut session, "").await, port(&replica_url(2)));
        let error = sqlx::query("/*panic*/ SELECT 1").execute(&mut session).await.unwrap_err();
        assert_eq!(ms_pool::code(&error), 2000, "{error}");
        assert!(sqlx::query("/*panic*/ SELECT 1").execute(&db).await.is_err());
    }
    assert_eq!(port_of(&mut session, "/*ms=primary*/").await, port(&primary_url()));
    assert_eq!(port_of(&db, "").await, port(&replica_url(2)));
}

/// A cluster of dead servers and the warnings it gives.
fn dead(filters: &str) -> (Builder, Arc<Mutex<Vec<String>>>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    let builder = Cluster::builder().config_text("test.json", DEAD.replace("FILTERS", filters));
    (builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())), warnings)
}

/// Every read fails with `text` after a warning, and none reaches a server.
async fn refused((builder, warnings): (Builder, Arc<Mutex<Vec<String>>>), text: &str, warning: &str) {
    let db = builder.build().unwrap();
    let mut session = db.session();
    for round in 0..2 {
        let error = sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err();
        assert_eq!(ms_pool::code(&error), 2000, "{error}");
        assert!(matches!(Error::of(&error), Some(Error::Refused { .. })), "{error:?}");
        assert!(error.to_string().contains(text), "round {round}: {error}");
        let warned = std::mem::take(&mut *warnings.lock().unwrap());
        assert!(warned.iter().any(|it| it.contains(warning)), "round {round}: {warned:?}");
    }
    assert!(session.last_decision().is_some());
    let error = sqlx::query("SELECT 1").execute(&db).await.unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
}

fn port(url: &str) -> u16 {
    address(url).1
}

/// A filter of the program's own that takes away nothing.
fn idle(name: &str) -> Box<dyn Filter> {
    Box::new(narrow_fn(name, |_, _| {}))
}

#[test]
fn own_filters_stand_where_the_file_has_them() {
    let (builder, _) = dead(r#"{"first": 1, "user_multi": {"callback": "cb"}, "SECOND": {"a": [1]}, "random": []}"#);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let make = |seen: &Arc<Mutex<Vec<String>>>| {
        let seen = Arc::clone(seen);
        move |config: &FilterConfig<'_>| {
            let FilterConfig { section, name, path, arguments, primaries, replicas, .. } = config;
            seen.lock().unwrap().push(format!("{section} {name} {path} {arguments} {primaries:?} {replicas:?}"));
            Ok(idle(name))
        }
    };
    let db = builder.filter("First", make(&seen)).filter("second", make(&seen)).build().unwrap();
    let names: Vec<_> = (0..4).map(|it| db.router().pipeline().name(it)).collect();
    assert_eq!(names, ["first", "user_multi", "SECOND", "random"]);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            r#"shop first shop.filters.first 1 ["primary"] ["replica"]"#,
            r#"shop SECOND shop.filters.SECOND {"a": [1]} ["primary"] ["replica"]"#,
        ]
    );
}

#[test]
fn own_filters_that_cannot_be_are_refused_with_the_reason() {
    let own = |filters: &str| dead(filters).0.filter("own", |_| Ok(idle("own")));
    own_refused(own(r#"["own"]"#), "the last filter `own` picks no server");
    own_refused(own(r#"["own", "random"]"#).filter("RANDOM", |_| Ok(idle("x"))), "`RANDOM` cannot be registered");
    own_refused(own(r#"["random"]"#).filter("", |_| Ok(idle("x"))), "`` cannot be registered");
    own_refused(own(r#"["owm", "random"]"#), "Unknown filter 'owm' . Stopping; did you mean `own`?");
    own_refused(own(r#"["other", "random"]"#), "Unknown filter 'other' . Stopping; accepted: ");
    let failing = own(r#"["own", "random"]"#).filter("Own", |_| Err("no zone".into()));
    own_refused(failing, "shop.filters[0]: filter `own` cannot be made");
    let picks_first = own(r#"["own", "random"]"#).filter("own", |_| Ok(Box::new(RoundRobin::new())));
    own_refused(picks_first, "filter `random` stands behind `roundrobin`, which picks the server already");
    own_refused(own(r#"["own", "random"]"#).filters(Vec::new()), "`filters` are for clusters made of URLs");
}

#[track_caller]
fn own_refused(builder: Builder, expected: &str) {
    let error = builder.build().unwrap_err();
    assert!(matches!(error, Error::Config { .. }) && error.to_string().contains(expected), "{error}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn own_filters_decide_for_clusters_by_file_and_by_url() {
    let second = |name: &'static str| {
        narrow_fn(name, |cx, candidates: &mut Candidates| {
            let topology = cx.topology;
            candidates.retain(|role, it| role == Role::Primary || topology.server(it).name() == "replica2");
        })
    };
    let text = support::section(r#", "filters": {"second": {}, "random": {}}"#);
    let file =
        Cluster::builder().config_text("test.json", text).filter("second", move |_| Ok(Box::new(second("second"))));
    let urls = support::builder().0.filters(vec![Box::new(second("second")), Box::new(RoundRobin::new())]);
    for builder in [file, urls] {
        let db = builder.build().unwrap();
        let mut session = db.session();
        for _ in 0..10 {
            assert_eq!(port_of(&mut session, "").await, address(&replica_url(2)).1);
        }
        let line = session.last_decision().unwrap().to_string();
        assert!(line.contains("-> second -> 1 primary and 1 replica ->"), "{line}");
        assert_eq!(port_of(&mut session, "/*ms=primary*/").await, address(&primary_url()).1);
    }
}
