//! The layer around a service: real servers whose replication is stopped and started. Two clusters stand for two processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/cluster.rs"]
mod support;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Method, Request, Response, header};
use ms_pool::{Cluster, Counter, Scope, TokenKey, Tokens, ms_gtid::Position, tower::ScopeLayer};
use replicas::{all_well, freeze};
use sqlx::{AssertSqlSafe, Row};
use support::{is_mariadb, primary_url};
use tower_layer::Layer;
use tower_service::Service;

/// POST writes a row, GET counts them.
#[derive(Clone)]
struct Rows {
    table: String,
}

impl Service<Request<()>> for Rows {
    type Response = Response<(i64, u16)>;
    type Error = sqlx::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, sqlx::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), sqlx::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let scope = request.extensions().get::<Scope>().unwrap().clone();
        let table = self.table.clone();
        Box::pin(async move {
            if request.method() == Method::POST {
                let sql = format!("INSERT INTO {table} VALUES (1)");
                sqlx::query(AssertSqlSafe(sql)).execute(&scope).await?;
                return Ok(Response::new((0, 0)));
            }
            let sql = format!("SELECT COUNT(*) AS n, @@port AS port FROM {table}");
            let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&scope).await?;
            let port = row.try_get_unchecked::<i64, _>("port")?;
            Ok(Response::new((row.get("n"), u16::try_from(port).unwrap())))
        })
    }
}

/// A process of its own, and what it was warned of.
struct Process {
    db: Cluster,
    service: ms_pool::tower::ScopeService<Rows>,
    warnings: Arc<Mutex<Vec<String>>>,
}

fn process(table: &str) -> Process {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let tokens = Tokens::new("shop").with_keys([TokenKey::new(b"the same for all processes").unwrap()]);
    let builder = support::builder().0.tokens(tokens).on_warning(move |it| heard.lock().unwrap().push(it.to_string()));
    let db = builder.build().unwrap();
    let service = ScopeLayer::cookie(db.clone(), "ms").layer(Rows { table: table.to_owned() });
    Process { db, service, warnings }
}

impl Process {
    /// The answer, and the cookie that came with it.
    async fn ask(&mut self, method: Method, cookie: Option<&str>) -> ((i64, u16), Option<String>) {
        let mut request = Request::builder().method(method).body(()).unwrap();
        if let Some(cookie) = cookie {
            request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        }
        let response = self.service.call(request).await.unwrap();
        let cookie = response.headers().get(header::SET_COOKIE).map(|it| it.to_str().unwrap().to_owned());
        (response.into_body(), cookie.map(|it| it.split(';').next().unwrap().to_owned()))
    }

    fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap())
    }
}

fn primary() -> u16 {
    support::address(&primary_url()).1
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn post_redirect_get_on_another_process() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("tower_redirect", "n INT").await;
    let (mut here, mut there) = (process(&table), process(&table));
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let (_, cookie) = here.ask(Method::POST, None).await;
    let cookie = cookie.expect("it wrote");
    assert_eq!(there.ask(Method::GET, None).await.0.0, 0, "the past is all there is without it");
    let (answer, left) = there.ask(Method::GET, Some(&cookie)).await;
    assert_eq!((answer, left), ((1, primary()), None), "nothing was written, so nothing is to be kept");

    // What the other process writes comes on top.
    let (_, both) = there.ask(Method::POST, Some(&cookie)).await;
    assert_eq!(here.ask(Method::GET, both.as_deref()).await.0.0, 2);
    let issued = |it: &Process| it.db.statistics().unwrap().get(Counter::TokenIssued);
    assert_eq!((issued(&here), issued(&there)), (1, 1));
    all_well().await;
    // A busy machine may not manage that within the time that a read waits.
    support::eventually("the replicas to have it", async || {
        let (seen, at) = here.ask(Method::GET, both.as_deref()).await.0;
        assert_eq!(seen, 2);
        at != primary()
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_token_that_cannot_be_used_does_not_lead_into_the_past() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("tower_refused", "n INT").await;
    let mut process = process(&table);
    for replica in [1, 2] {
        freeze(replica).await;
    }
    process.ask(Method::POST, None).await;
    // The cookie was cut off on its way.
    assert_eq!(process.ask(Method::GET, Some("ms=AWKNkAHT")).await.0, (1, primary()));
    assert_eq!(process.warnings().len(), 1);
    all_well().await;
}

/// What died with a primary keeps nobody from reading, and is asked for once.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_lost_fails_no_request() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("tower_lost", "n INT").await;
    let mut process = process(&table);
    let (_, cookie) = process.ask(Method::POST, None).await;
    let cookie = cookie.unwrap();
    // Transactions of a server that is no more.
    let written = process.db.at(cookie.strip_prefix("ms=").unwrap()).unwrap().position().await.unwrap();
    let mut lost: Position = written.clone();
    if is_mariadb() {
        lost.merge(&"0-4711-999999".parse::<ms_pool::ms_gtid::mariadb::Gtid>().unwrap().into());
    } else {
        let id = "3e11fa47-71ca-11e1-9e33-c80aa9429562:5".parse::<ms_pool::ms_gtid::mysql::Gtid>();
        lost.merge(&id.unwrap().into());
    }
    let token = process.db.tokens().issue(&lost, std::time::UNIX_EPOCH.elapsed().unwrap());
    let ((seen, _), left) = process.ask(Method::GET, Some(&format!("ms={token}"))).await;
    assert_eq!(seen, 1);
    let warnings = process.warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("what was written is lost"), "{warnings:?}");
    let left = left.expect("a token without it");
    let position = process.db.at(left.strip_prefix("ms=").unwrap()).unwrap().position().await.unwrap();
    // It may have more than was written: what the request has read.
    let lacks = |lost: &str| !position.to_string().contains(lost);
    assert!(lacks("0-4711-") && lacks("3e11fa47-"), "{position}");
    let (_, again) = process.ask(Method::GET, Some(&left)).await;
    assert_eq!((again, process.warnings()), (None, Vec::new()));
}
