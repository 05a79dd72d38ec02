//! Who asks: the key of a request, what it is good for, and how often it may be used.
//!
//! Invariants: a request is judged before its body is read; a missing and a wrong key are told apart from each other,
//! but never which of several keys was nearly right; a caller who sends wrong keys spends the budget of its address.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use super::http::App;
use super::keys::Scope;
use super::limit::Caller;

/// The header that carries the key.
pub(super) const HEADER: &str = "x-api-key";

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(pub IpAddr);

/// The name of the key that a request came with; an extension of the request and of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyName(pub Arc<str>);

/// Lets a request pass when no key is set, or when its key is good for `scope`; runs before the body is read.
pub(super) async fn require(State((app, scope)): State<(App, Scope)>, mut request: Request, next: Next) -> Response {
    let (name, refusal) = judge(&app, scope, &request);
    if let Some(name) = &name {
        request.extensions_mut().insert(name.clone());
    }
    let mut response = match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    if let Some(name) = name {
        response.extensions_mut().insert(name);
    }
    response
}

/// The name of the key, if the request has one of ours, and why the request may not pass.
fn judge(app: &App, scope: Scope, request: &Request) -> (Option<KeyName>, Option<ApiError>) {
    let limited = |caller: Caller| app.limiter.check(caller).err().map(ApiError::too_often);
    let peer = || Caller::of(request.extensions().get::<Peer>().map(|peer| peer.0));
    let keys = app.keys.current();
    if keys.is_empty() {
        return (None, limited(peer()));
    }
    let candidate = request.headers().get(HEADER);
    let Some(key) = candidate.and_then(|candidate| keys.find(candidate.as_bytes())) else {
        let told = if candidate.is_some() { "the API key is not valid" } else { "the header x-api-key is missing" };
        return (None, Some(limited(peer()).unwrap_or_else(|| ApiError::unauthorized(told))));
    };
    let lacks = || ApiError::forbidden(format!("the key is not good for this: it lacks the scope {}", scope.name()));
    let refusal = limited(Caller::Key(key.name().clone())).or_else(|| (!key.may(scope)).then(lacks));
    (Some(KeyName(key.name().clone())), refusal)
}
