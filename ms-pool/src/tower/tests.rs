//! What can be seen without a server: which scope a request gets, and that its response is left alone.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::header::COOKIE;
use ms_filters::Quality;
use ms_gtid::token::Tokens;

use super::*;
use crate::{Statistics, TokenKey};

fn tokens(key: &str) -> Tokens {
    Tokens::new("shop").with_keys([TokenKey::new(format!("the secret of the key {key}").as_bytes()).unwrap()])
}

/// What is known of a cluster with this layer.
struct Watched {
    db: Cluster,
    warnings: Arc<Mutex<Vec<String>>>,
}

fn watched() -> Watched {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let db = Cluster::builder()
        .primary("mysql://app@10.0.0.1/shop")
        .replicas(["mysql://app@10.0.0.2/shop"])
        .tokens(tokens("a"))
        .statistics(Arc::new(Statistics::default()))
        .on_warning(move |it| heard.lock().unwrap().push(it.to_string()))
        .build()
        .unwrap();
    Watched { db, warnings }
}

fn issued(tokens: &Tokens, count: u64) -> String {
    tokens.issue(&Position::counter(count), now())
}

fn headers(cookies: &[&str]) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for cookie in cookies {
        headers.append(COOKIE, format!("ms={cookie}").parse().unwrap());
    }
    headers
}

/// The position that the scope of a request sees, and whether its reads go to a primary.
fn scope_of(layer: &ScopeLayer, cookies: &[&str]) -> (Position, bool) {
    let session = layer.shared.scope_of(&headers(cookies)).session();
    let must = session.core.scope.as_ref().and_then(|it| it.must());
    let position = must.map_or_else(Position::new, |it| Position::clone(&it.position));
    (position, session.core.level == Some(Quality::Strong))
}

#[track_caller]
fn check(cookies: &[&str], expected: &Position, strong: bool, warning: Option<&str>) {
    let Watched { db, warnings } = watched();
    let layer = ScopeLayer::cookie(db.clone(), "ms");
    assert_eq!(scope_of(&layer, cookies), (expected.clone(), strong));
    let warnings = warnings.lock().unwrap();
    assert_eq!(warnings.len(), usize::from(warning.is_some()), "{warnings:?}");
    if let Some(warning) = warning {
        assert_eq!(warnings[0], format!("a request's position cannot be used: {warning}"));
        assert_eq!(db.statistics().unwrap().get(Counter::TokenRefused), 1);
    }
}

#[test]
fn a_scope_sees_what_the_tokens_ask_for() {
    let good = |count| issued(&tokens("a"), count);
    check(&[], &Position::new(), false, None);
    check(&[&good(5)], &Position::counter(5), false, None);
    check(&[&good(5), &good(7), &good(6)], &Position::counter(7), false, None);
}

#[test]
fn what_cannot_be_used_is_as_good_as_a_write() {
    let nothing = Position::new();
    check(&["x"], &nothing, true, Some("the token is malformed, its `base64` is none"));
    let foreign = issued(&Tokens::new("blog"), 5);
    check(&[&foreign], &nothing, true, Some("the token is of another cluster than `shop`"));
    let unsigned = issued(&Tokens::new("shop"), 5);
    check(&[&unsigned], &nothing, true, Some("the token has no signature"));
    // One that is good counts all the same.
    let good = issued(&tokens("a"), 5);
    check(&[&good, &unsigned], &Position::counter(5), true, Some("the token has no signature"));
}

#[test]
fn what_has_expired_is_as_good_as_nothing() {
    let long_ago = now() - Duration::from_secs(2 * 86_400);
    let expired = tokens("a").issue(&Position::counter(5), long_ago);
    check(&[&expired], &Position::new(), false, None);
}

#[test]
fn the_program_may_decide_otherwise() {
    let layer = |instead| ScopeLayer::cookie(watched().db, "ms").when_refused(move |_| instead);
    let unsigned = issued(&Tokens::new("shop"), 5);
    assert_eq!(scope_of(&layer(Instead::Fresh), &[&unsigned]), (Position::new(), false));
    assert_eq!(scope_of(&layer(Instead::Strong), &[&unsigned]), (Position::new(), true));
}

/// Answers with a header of its own when it got a scope.
#[derive(Clone)]
struct Handler(Arc<AtomicUsize>);

impl Service<Request<()>> for Handler {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let scope = request.extensions().get::<Scope>().ok_or("no scope");
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::ready(scope.map(|_| Response::builder().header("own", "1").body(()).unwrap()))
    }
}

#[tokio::test]
async fn who_only_reads_gets_the_response_as_it_is() {
    let (db, calls) = (watched().db, Arc::default());
    let mut service = ScopeLayer::cookie(db.clone(), "ms").layer(Handler(Arc::clone(&calls)));
    for token in ["", &issued(&tokens("a"), 5), "garbage"] {
        let request = Request::builder().header(COOKIE, format!("ms={token}")).body(()).unwrap();
        let response = service.call(request).await.unwrap();
        assert_eq!(response.headers().len(), 1, "{:?}", response.headers());
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(db.statistics().unwrap().get(Counter::TokenIssued), 0);
}
