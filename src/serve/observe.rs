//! The outermost layer: request id, deadline, error bodies, counters and the access log of every answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Phase;
use super::errors::{self, ApiError};
use super::http::App;
use super::metrics::method_label;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The routes whose latency `/stats` tells.
const PREDICTING: [&str; 3] = ["/predict", "/predict/legacy", "/explain"];
/// The route label of a path that no route matches.
const UNMATCHED: &str = "unmatched";

/// Numbers requests: ids are unique within a service and unlikely to meet again in another.
pub(super) struct RequestIds {
    instance: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// `instance` tells two services apart.
    pub fn new(instance: u64) -> Self {
        Self { instance, next: AtomicU64::new(1) }
    }

    /// The part that all ids of this service share.
    pub fn instance(&self) -> String {
        format!("{:016x}", self.instance)
    }

    fn next(&self) -> String {
        format!("{:016x}-{:x}", self.instance, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Wraps the whole router.
pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = given_id(request.headers()).unwrap_or_else(|| app.request_ids.next());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let answer = tokio::time::timeout(app.settings.request_timeout, next.run(request)).await;
    let response = answer.unwrap_or_else(|_| ApiError::timeout().into_response());
    let (mut response, error) = errors::finish(response, &request_id);
    decorate(response.headers_mut(), &request_id);
    if app.shutdown.phase() != Phase::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }

    let elapsed = started.elapsed();
    let status = response.status();
    app.metrics.request(&method, route, status, elapsed);
    if status.is_success() && PREDICTING.contains(&route) {
        app.stats.latency(elapsed);
    }
    let mut line = json!({
        "request_id": request_id, "method": method_label(&method), "route": route, "status": status.as_u16(),
        "duration_ms": (elapsed.as_secs_f64() * 1e6).round() / 1e3,
    });
    if let Some((code, cause)) = error.as_ref().map(ApiError::report) {
        app.metrics.error(code);
        line["error"] = json!(code);
        if let Some(cause) = cause {
            line["cause"] = json!(cause);
        }
    }
    app.log.event("request", line);
    response
}

/// The caller's own request id, when it is short and harmless.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ((1..=64).contains(&text.len()) && text.bytes().all(harmless)).then(|| text.to_owned())
}

fn decorate(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
