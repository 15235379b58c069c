//! A layer for HTTP services: each request gets a scope, and the next one sees what it wrote.
//!
//! A user posts a form, is redirected, and another process answers from a replica that has not got the post yet. A
//! [`ScopeLayer`] ends that for a whole service, whichever framework it is built with, as long as it takes [tower] layers:
//!
//! 1. it reads the token of the request, from a cookie or a header, and makes a [`Scope`] of it;
//! 2. the handler finds the scope among the request's extensions and uses it as it would use the cluster;
//! 3. when the scope wrote something the response takes a new token along. Otherwise it is left alone, and whatever
//!    caches responses may keep it.
//!
//! ```
//! use ms_pool::{Cluster, Scope, tower::ScopeLayer};
//!
//! async fn orders(request: http::Request<()>) -> Result<String, sqlx::Error> {
//!     let scope = request.extensions().get::<Scope>().expect("the layer is there");
//!     let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM orders").fetch_one(scope).await?;
//!     Ok(format!("{n} orders"))
//! }
//!
//! # fn main() -> Result<(), ms_pool::Error> {
//! let db = Cluster::builder().primary("mysql://app@10.0.0.1/shop").build()?;
//! let layer = ScopeLayer::cookie(db, "shop_position"); // with axum: Router::new().route(…).layer(layer)
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # Tokens that cannot be used
//!
//! A request does not fail for its token: a cookie may be cut off, from a staging system or from before the keys were changed. What its reads
//! are worth then is said by [`Instead`], and [`ScopeLayer::when_refused`] decides. Unless told otherwise:
//!
//! - a token that has **expired** counts as none. Whoever chose the lifetime has said that nobody needs it any longer;
//! - any other makes the request's reads go to a primary. Its sender may have written a moment ago, and there is no telling. Nobody
//!   gains by sending garbage more than by writing; who fears for the primary nonetheless decides for [`Instead::Fresh`].
//!
//! Each is counted ([`Counter::TokenRefused`]) and, unless it has just expired, warned of.
//!
//! What died with a primary fails no request either. It is warned of, and the response takes along a token without it.
//!
//! # What it does not see
//!
//! Writes after the response's head was sent: of tasks that the handler has left behind, of a body that is made while it is
//! sent.
//!
//! [tower]: https://docs.rs/tower

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, Request, Response};
use ms_gtid::Position;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Cluster, Consistency, Counter, Error, Scope, TokenError, token::now};

mod carrier; // cookies and headers

use self::carrier::Carrier;

/// How long whoever wrote stays on the primary where nobody can tell how far replicas have to be.
const STAY: Duration = Duration::from_secs(60);

/// What the reads of a request are worth whose token cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// They go to a primary: whatever the sender wrote is there.
    Strong,
    /// They are those of somebody who has written nothing.
    Fresh,
}

type WhenRefused = Arc<dyn Fn(&TokenError) -> Instead + Send + Sync>;

/// Gives each request a [`Scope`], and its position to the next one; see the [module](self).
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ScopeLayer {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    db: Cluster,
    carrier: Carrier,
    when_refused: WhenRefused,
}

impl ScopeLayer {
    /// The token travels in the cookie of this name, for browsers: for the whole site (`Path=/`), out of reach of scripts (`HttpOnly`),
    /// over encrypted connections only (`Secure`) and not along with the requests of other sites (`SameSite=Lax`). It is kept as
    /// long as tokens are good.
    ///
    /// # Panics
    ///
    /// Panics unless the name consists of letters, digits and ``!#$%&'*+-.^_`|~``, which are what names of cookies may have.
    pub fn cookie(db: Cluster, name: &str) -> Self {
        Self::new(db, Carrier::cookie(name))
    }

    /// The token travels in the header of this name, for programs: they send what they got last.
    pub fn header(db: Cluster, name: HeaderName) -> Self {
        Self::new(db, Carrier::Header(name))
    }

    fn new(db: Cluster, carrier: Carrier) -> Self {
        let when_refused = |error: &TokenError| match error {
            TokenError::Expired { .. } => Instead::Fresh,
            _ => Instead::Strong,
        };
        Self { shared: Arc::new(Shared { db, carrier, when_refused: Arc::new(when_refused) }) }
    }

    /// Lets the cookie travel over connections that are not encrypted as well, for development. Means nothing for a header.
    pub fn insecure(mut self) -> Self {
        Arc::make_mut(&mut self.shared).carrier.insecure();
        self
    }

    /// Decides what the reads of a request are worth whose token cannot be used.
    ///
    /// ```
    /// use ms_pool::{TokenError, tower::{Instead, ScopeLayer}};
    ///
    /// # fn main() -> Result<(), ms_pool::Error> {
    /// # let db = ms_pool::Cluster::builder().primary("mysql://app@10.0.0.1/shop").build()?;
    /// let layer = ScopeLayer::cookie(db, "shop_position").when_refused(|error| match error {
    ///     TokenError::UnknownKey { .. } => Instead::Strong, // keys have just rotated
    ///     _ => Instead::Fresh,
    /// });
    /// # let _ = layer;
    /// # Ok(())
    /// # }
    /// ```
    pub fn when_refused(mut self, decide: impl Fn(&TokenError) -> Instead + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).when_refused = Arc::new(decide);
        self
    }
}

impl<S> Layer<S> for ScopeLayer {
    type Service = ScopeService<S>;

    fn layer(&self, inner: S) -> ScopeService<S> {
        ScopeService { shared: Arc::clone(&self.shared), inner }
    }
}

impl fmt::Debug for ScopeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeLayer").field("db", &self.db).field("carrier", &self.carrier).finish_non_exhaustive()
    }
}

/// A service whose requests have scopes; from [`ScopeLayer`].
#[derive(Clone, Debug)]
pub struct ScopeService<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S, B, C> Service<Request<B>> for ScopeService<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    C: Send + 'static,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<C>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let scope = self.shared.scope_of(request.headers());
        request.extensions_mut().insert(scope.clone());
        let response = self.inner.call(request);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let mut response = response.await?;
            if let Some((token, lifetime)) = token_of(&scope).await {
                shared.db.count(Counter::TokenIssued, 1);
                shared.carrier.put(response.headers_mut(), &token, lifetime);
            }
            Ok(response)
        })
    }
}

impl Shared {
    /// The scope of a request with these headers.
    fn scope_of(&self, headers: &http::HeaderMap) -> Scope {
        let (tokens, now) = (self.db.tokens(), now());
        let mut position = Position::new();
        let mut instead = None;
        for token in self.carrier.tokens_in(headers) {
            match tokens.read(token, now) {
                Ok(theirs) => position.merge(&theirs),
                Err(error) => {
                    self.refused(&error);
                    if instead != Some(Instead::Strong) {
                        instead = Some((self.when_refused)(&error));
                    }
                }
            }
        }
        let scope = self.db.scope_of_token(&position);
        scope.forgive();
        if instead == Some(Instead::Strong) {
            scope.set_consistency(Consistency::Strong);
        }
        scope
    }

    fn refused(&self, error: &TokenError) {
        self.db.count(Counter::TokenRefused, 1);
        if !matches!(error, TokenError::Expired { .. }) {
            self.db.inner.hooks.warn(format!("a request's position cannot be used: {error}"));
        }
    }
}

/// What the response takes along, and how long that is good; `None` is for ever.
async fn token_of(scope: &Scope) -> Option<(String, Option<Duration>)> {
    if !scope.has_written() && !scope.has_lost() {
        return None;
    }
    let tokens = scope.cluster().tokens();
    let warn = |error: &Error| scope.cluster().inner.hooks.warn(format!("a position is not exact: {error}"));
    let mut token = scope.token_of_now().await;
    if let Err(error @ Error::PositionLost { .. }) = &token {
        warn(error);
        // Said once; now there is what is left.
        token = scope.token_of_now().await;
    }
    match token {
        Ok(token) => Some((token, tokens.lifetime())),
        Err(error) => {
            warn(&error);
            let stay = STAY.min(tokens.lifetime().unwrap_or(STAY));
            let tokens = tokens.as_ref().clone().with_lifetime(stay);
            Some((tokens.issue(&Position::saturated(), now()), Some(stay)))
        }
    }
}

#[cfg(test)]
mod tests;
