//! Positions that leave the process: real servers, real replication. Two clusters stand for two processes, they share nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/cluster.rs"]
mod support;

use std::time::Duration;

use ms_pool::{Cluster, Consistency, Error, TokenError, TokenKey, Tokens};
use replicas::{all_well, count, eventually_from_a_replica, freeze, insert, port};
use support::primary_url;

fn key(name: &str) -> TokenKey {
    TokenKey::new(format!("the secret of the key {name}").as_bytes()).unwrap()
}

/// A process of its own.
fn process(keys: &[&str]) -> Cluster {
    let tokens = Tokens::new("shop").with_keys(keys.iter().map(|it| key(it)));
    support::builder().0.tokens(tokens).build().unwrap()
}

#[track_caller]
fn refusal(result: Result<ms_pool::Scope, Error>) -> TokenError {
    match result.unwrap_err() {
        Error::Token { source } => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn another_process_sees_what_was_written() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("token_seen", "n INT").await;
    let (here, there) = (process(&["a"]), process(&["a"]));
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let scope = here.scope();
    insert(&scope, &table).await;
    let token = scope.token().await.unwrap().expect("it has written");
    assert!(token.len() < 100, "{} characters", token.len());

    // Without it the other process sees the past.
    assert_eq!(count(&there.scope(), &table).await.0, 0);
    for _ in 0..5 {
        assert_eq!(count(&there.at(&token).unwrap(), &table).await, (1, port(&primary_url())));
    }
    all_well().await;
    eventually_from_a_replica(&there.at(&token).unwrap(), &table, 1).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_has_not_written_has_no_token() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("token_none", "n INT").await;
    let db = process(&[]);
    let scope = db.scope();
    assert_eq!(scope.token().await.unwrap(), None);
    count(&scope, &table).await;
    scope.set_consistency(Consistency::Strong);
    count(&scope, &table).await;
    assert_eq!(scope.token().await.unwrap(), None, "it has read");

    insert(&scope, &table).await;
    let token = scope.token().await.unwrap().unwrap();
    let reader = db.at(&token).unwrap();
    count(&reader, &table).await;
    assert_eq!(reader.token().await.unwrap(), None, "it was handed one, and has read");

    // A transaction counts when it is committed.
    let scope = db.scope();
    let tx = scope.begin().await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(scope.token().await.unwrap(), None, "rolled back");
    let mut tx = scope.begin().await.unwrap();
    insert(&mut tx, &table).await;
    tx.commit().await.unwrap();
    assert!(scope.token().await.unwrap().is_some());
}

/// Of all that one job waits for.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn several_tokens_are_seen_together() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("token_several", "n INT").await;
    let db = process(&["a"]);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let scope = db.scope();
        insert(&scope, &table).await;
        tokens.push(scope.token().await.unwrap().unwrap());
    }
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let scope = db.scope();
    insert(&scope, &table).await;
    tokens.push(scope.token().await.unwrap().unwrap());
    let there = process(&["a"]);
    let job = there.at_all(tokens.iter().map(String::as_str)).unwrap();
    assert_eq!(count(&job, &table).await.0, 4);
    // What it goes on to write includes what it was handed.
    insert(&job, &table).await;
    let token = job.token().await.unwrap().unwrap();
    assert_eq!(count(&here_after(&token), &table).await.0, 5);
    all_well().await;
}

fn here_after(token: &str) -> ms_pool::Scope {
    process(&["a"]).at(token).unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn keys_rotate_while_clusters_run() {
    let _turn = support::alone().await;
    let table = support::table("token_keys", "n INT").await;
    let (here, there) = (process(&["a"]), process(&["a"]));
    let token = async |db: &Cluster| {
        let scope = db.scope();
        insert(&scope, &table).await;
        scope.token().await.unwrap().unwrap()
    };
    let old = token(&here).await;
    let with = |keys: &[&str]| Tokens::new("shop").with_keys(keys.iter().map(|it| key(it)));
    there.set_tokens(with(&["a", "b"]));
    here.set_tokens(with(&["b", "a"]));
    let new = token(&here).await;
    assert!(there.at(&old).is_ok() && there.at(&new).is_ok());
    there.set_tokens(with(&["b"]));
    assert!(there.at(&new).is_ok());
    assert_eq!(refusal(there.at(&old)), TokenError::UnknownKey { id: key("a").id() });
    there.set_tokens(with(&[]).with_lifetime(Duration::from_secs(1)));
    assert_eq!(refusal(there.at(&new)), TokenError::UnknownKey { id: key("b").id() });
}

/// Nobody but a primary has a position that is too large to be kept; the next token says as much in fewer words.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_saturated_position_ends_with_the_next_write() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("token_saturated", "n INT").await;
    let db = process(&["a"]);
    let values =
        (0..=ms_pool::ms_gtid::Position::MAX_VALUES).map(|it| ms_pool::ms_gtid::Value::new(&it.to_string()).unwrap());
    let mut position = ms_pool::ms_gtid::Position::new();
    values.for_each(|it| position.merge(&ms_pool::ms_gtid::Position::value(it)));
    assert!(position.is_saturated());
    let token = db.tokens().issue(&position, std::time::UNIX_EPOCH.elapsed().unwrap());

    let scope = db.at(&token).unwrap();
    assert_eq!(count(&scope, &table).await, (0, port(&primary_url())));
    insert(&scope, &table).await;
    let token = scope.token().await.unwrap().unwrap();
    support::synced().await;
    eventually_from_a_replica(&db.at(&token).unwrap(), &table, 1).await;
}

/// Where reads do not look at positions by themselves, those with a token do.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_token_is_obeyed_where_any_server_would_do() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("token_eventual", "n INT").await;
    let level = r#", "filters": {"quality_of_service": {"eventual_consistency": 1}, "random": 1}"#;
    let (there, _) = support::configured(level);
    let here = support::configured("").0;
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let scope = here.scope();
    insert(&scope, &table).await;
    let token = scope.token().await.unwrap().unwrap();
    assert_eq!(count(&there.scope(), &table).await.0, 0);
    assert_eq!(count(&there.at(&token).unwrap(), &table).await.0, 1);
    all_well().await;
}

#[test]
fn a_section_says_how_tokens_are_made() {
    let file = std::env::temp_dir().join(format!("ms-pool-token-{}", std::process::id()));
    std::fs::write(&file, "the secret of the key a\n").unwrap();
    let section = |token: &str| {
        let text = format!(r#"{{"shop": {{"master": [{{"host": "a"}}], "slave": [], "token": {token}}}}}"#);
        Cluster::builder().config_text("ms.json", text).build()
    };
    let db = section(&format!(r#"{{"keys": [{{"file": "{}"}}], "lifetime_s": 60}}"#, file.display())).unwrap();
    let tokens = db.tokens();
    assert_eq!((tokens.cluster(), tokens.lifetime()), ("shop", Some(Duration::from_secs(60))));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let position = ms_pool::ms_gtid::Position::counter(1);
    let same = Tokens::new("shop").with_keys([key("a")]);
    assert_eq!(same.read(&tokens.issue(&position, now), now), Ok(position));
    assert!(!section("{}").unwrap().tokens().are_signed());
    assert_eq!(section(r#"{"name": "all"}"#).unwrap().tokens().cluster(), "all");
    std::fs::remove_file(&file).unwrap();

    for (token, text) in [
        (r#"{"keys": "short"}"#, "a key for tokens has at least 16 bytes, this one has 5"),
        (r#"{"keys": {"env": "MS_POOL_NO_SUCH_KEY"}}"#, "environment variable `MS_POOL_NO_SUCH_KEY` is not set"),
        (r#"{"keys": {"file": "/no/such/key"}}"#, "file `/no/such/key` cannot be read"),
    ] {
        let error = section(token).unwrap_err();
        assert_eq!(error.to_string(), "key number 1 of `shop.token` cannot be used");
        let why = std::error::Error::source(&error).unwrap();
        assert!(why.to_string().contains(text), "{why}");
    }
}

/// Clusters of URLs have no section to be called after.
#[test]
fn a_cluster_of_urls_is_called_after_its_primary() {
    let build = |url: &str| Cluster::builder().primary(url).build().unwrap();
    let db = build("mysql://app@10.0.0.1/shop");
    assert_eq!(db.tokens().cluster(), "tcp://10.0.0.1:3306");
    let elsewhere = build("mysql://app@10.0.0.9/shop");
    let token = db.tokens().issue(&ms_pool::ms_gtid::Position::counter(1), std::time::UNIX_EPOCH.elapsed().unwrap());
    assert!(db.at(&token).is_ok());
    assert_eq!(refusal(elsewhere.at(&token)), TokenError::Foreign { expected: "tcp://10.0.0.9:3306".into() });
    assert_eq!(refusal(db.at("x y")), TokenError::Malformed { part: "base64" });
}
