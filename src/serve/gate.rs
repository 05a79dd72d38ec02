//! What is refused before a route is looked for, and the headers that every answer carries.
//!
//! Invariants: a request under a name that is not allowed reaches no handler; a handler may set a header of its own, never
//! lose one.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::auth::{self, Peer};
use super::errors::ApiError;
use super::settings::{Origins, Settings};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Answers are data: a browser that shows one as a page must load and run nothing. Pages set a policy of their own.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// A browser that came by TLS once does not come without for a year.
const ONLY_TLS: &str = "max-age=31536000";

/// Why a request may not pass, whatever it asks for: its host.
pub(super) fn refusal(settings: &Settings, request: &Request) -> Option<ApiError> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Some(ApiError::bad_host("the request has more than one host"));
    }
    // A request made inside the process has neither connection nor host.
    let Some(first) = first else {
        let needed = request.version() == Version::HTTP_11 || settings.allowed_hosts != super::settings::Hosts::Any;
        let by_socket = request.extensions().get::<Peer>().is_some();
        return (needed && by_socket).then(|| ApiError::bad_host("the request has no host"));
    };
    let allowed = |name: &str| settings.allowed_hosts.allow(name);
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if first.to_str().is_ok_and(allowed) && target.is_none_or(allowed) {
        return None;
    }
    Some(ApiError::bad_host("this service does not answer to that host; its setting allowed_hosts names those it does"))
}

/// The headers of every answer; what the handler has set stays.
pub(super) fn decorate(headers: &mut HeaderMap, settings: &Settings) {
    // Once, instead of growing a header at a time.
    headers.reserve(8);
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(X_FRAME_OPTIONS, "DENY");
    add(REFERRER_POLICY, "no-referrer");
    add(CONTENT_SECURITY_POLICY, NOTHING);
    add(RESOURCE_POLICY, "same-origin");
    add(CACHE_CONTROL, "no-store");
    // The filter of old browsers could itself be used against a page.
    add(X_XSS_PROTECTION, "0");
    if settings.tls.is_some() {
        add(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
}

/// Answers preflights and names allowed origins; nothing when no origin is allowed.
pub(super) fn cors(origins: &Origins) -> Option<CorsLayer> {
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::Listed(origins) if origins.is_empty() => return None,
        Origins::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    let name = HeaderName::from_static;
    let (key, id) = (name(auth::HEADER), name("x-request-id"));
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([CONTENT_TYPE, key, id.clone(), name("traceparent"), name("x-model-version")])
        .expose_headers([id, RETRY_AFTER, name("x-model-version"), name("x-threshold-version")])
        .max_age(std::time::Duration::from_mins(10));
    Some(layer)
}

/// Whether a header of a failed answer has to stay when the answer gets its body.
pub(super) fn stays(name: &HeaderName) -> bool {
    *name != CONTENT_TYPE && *name != CONTENT_LENGTH
}
