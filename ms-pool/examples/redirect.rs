//! POST, redirect, GET on another process: the reader sees the order that was written a moment ago.
//!
//! Two HTTP servers stand for two processes of one service. They share the databases and a key, and nothing else: what the first
//! one wrote travels to the second in a cookie, which [`ScopeLayer`] writes and reads. The handlers know nothing of it; they
//! use the scope of the request as they would use the cluster.
//!
//! ```sh
//! cargo xtask test-cluster -- cargo run -p ms-pool --features tower --example redirect
//! ```
//!
//! With axum all of this is `Router::new().route("/orders", post(order).get(orders)).layer(layer)` and
//! `Extension<Scope>` in the handlers.

#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode, header};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use ms_pool::{Cluster, Scope, TokenKey, Tokens, tower::ScopeLayer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let db = process()?;
    sqlx::query("CREATE TABLE IF NOT EXISTS orders (id INT PRIMARY KEY AUTO_INCREMENT, item VARCHAR(20))")
        .execute(&db)
        .await?;
    let reader = serve(process()?, None).await?;
    let writer = serve(db, Some(reader)).await?;

    for _ in 0..3 {
        let posted = ask(writer, "POST", None).await?;
        let cookie = field(&posted, "set-cookie").and_then(|it| it.split(';').next()).ok_or("it wrote")?;
        let location = field(&posted, "location").ok_or("it redirects")?;
        println!("POST to {writer}: see {location}, take {cookie}");
        let found = ask(reader, "GET", Some(cookie)).await?;
        if !found.starts_with("HTTP/1.1 200") {
            return Err(found.into());
        }
        println!("GET from {reader}: {}", found.rsplit("\r\n").next().unwrap_or_default());
    }
    sqlx::query("DROP TABLE orders").execute(&process()?).await?;
    Ok(())
}

/// What each process does when it starts. The key would come from a file or a vault, through the section's `token`.
fn process() -> Result<Cluster, BoxError> {
    let tokens = Tokens::new("shop").with_keys([TokenKey::new(b"the same for all processes")?]);
    Ok(Cluster::builder().section("test").tokens(tokens).build()?)
}

/// The service: what it does with a request and its scope.
#[derive(Clone)]
struct Orders {
    elsewhere: Option<SocketAddr>,
}

impl Orders {
    async fn answer(self, method: Method, scope: Scope) -> Result<Response<String>, sqlx::Error> {
        if method == Method::POST {
            sqlx::query("INSERT INTO orders (item) VALUES ('tea')").execute(&scope).await?;
            let there = self.elsewhere.map_or_else(String::new, |it| format!("http://{it}/orders"));
            return Ok(answer(StatusCode::SEE_OTHER, String::new(), &there));
        }
        let (orders, server): (i64, i64) =
            sqlx::query_as("SELECT COUNT(*), CAST(@@server_id AS SIGNED) FROM orders").fetch_one(&scope).await?;
        Ok(answer(StatusCode::OK, format!("{orders} orders, says server {server}"), ""))
    }
}

impl<B> Service<Request<B>> for Orders {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let scope = request.extensions().get::<Scope>().expect("the layer is around it").clone();
        let answered = self.clone().answer(request.method().clone(), scope);
        Box::pin(async move {
            let failed = |error: sqlx::Error| answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), "");
            Ok(answered.await.unwrap_or_else(failed))
        })
    }
}

fn answer(status: StatusCode, body: String, location: &str) -> Response<String> {
    let response = Response::builder().status(status).header(header::LOCATION, location);
    response.body(body).expect("an address is a legal header")
}

/// Listens on any port; ends with the program.
async fn serve(db: Cluster, elsewhere: Option<SocketAddr>) -> Result<SocketAddr, BoxError> {
    let service = ScopeLayer::cookie(db, "position").insecure().layer(Orders { elsewhere });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(address)
}

/// What a browser does; answers with the whole response.
async fn ask(server: SocketAddr, method: &str, cookie: Option<&str>) -> Result<String, BoxError> {
    let mut stream = TcpStream::connect(server).await?;
    let cookie = cookie.map_or_else(String::new, |it| format!("Cookie: {it}\r\n"));
    let request = format!("{method} /orders HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{cookie}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

/// A header of a response.
fn field<'r>(response: &'r str, name: &str) -> Option<&'r str> {
    let mut lines = response.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
