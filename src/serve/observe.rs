//! The outermost layer: request id, trace, deadline, error bodies, counters and the access log of every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Phase;
use super::auth::KeyName;
use super::errors::{self, ApiError};
use super::gate;
use super::http::App;
use super::log::Level;
use super::metrics::method_label;
use super::trace::{self, TraceContext};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The routes whose latency `/stats` tells.
const PREDICTING: [&str; 3] = ["/predict", "/predict/legacy", "/explain"];
/// The route label of a path that no route matches.
const UNMATCHED: &str = "unmatched";

/// Numbers requests: ids are unique within a service and unlikely to meet again in another.
pub(super) struct RequestIds {
    instance: String,
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// `instance` tells two services apart.
    pub fn new(instance: u64) -> Self {
        Self { instance: format!("{instance:016x}"), seed: instance, next: AtomicU64::new(1) }
    }

    /// The part that all ids of this service share.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number:x}", self.instance)
    }

    /// A span of a request: an odd multiple of its number, so no two of a service are alike.
    fn span(&self, number: u64) -> u64 {
        self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// A request as the logs know it. Handlers find it among the request's extensions.
pub(super) struct Call {
    pub id: String,
    pub trace: Option<TraceContext>,
    pub started: Instant,
    route: Option<MatchedPath>,
}

impl Call {
    /// The route's template; never the path that was asked for.
    pub fn route(&self) -> &str {
        self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str)
    }
}

/// Wraps the whole router.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let number = app.request_ids.next();
    let headers = request.headers();
    let id = given_id(headers).unwrap_or_else(|| app.request_ids.id(number));
    let trace = TraceContext::read(headers, app.request_ids.span(number));
    let route = request.extensions().get::<MatchedPath>().cloned();
    let call = Arc::new(Call { id, trace, started, route });
    let method = method_label(request.method());
    let encoded = request.headers().contains_key(header::TRANSFER_ENCODING);
    let foreign = encoded && !is_chunked(request.headers());
    request.extensions_mut().insert(call.clone());

    let in_flight = app.metrics.in_flight();
    let response = if foreign {
        ApiError::bad_coding().into_response()
    } else if let Some(refusal) = gate::refusal(&app.settings, &request) {
        refusal.into_response()
    } else {
        let answer = tokio::time::timeout(app.settings.request_timeout, next.run(request)).await;
        answer.unwrap_or_else(|_| ApiError::timeout().into_response())
    };
    let key = response.extensions().get::<KeyName>().cloned();
    let (mut response, error) = errors::finish(response, &call.id);
    decorate(response.headers_mut(), &call);
    gate::decorate(response.headers_mut(), &app.settings);
    // hyper reads a body with a coding by that and forgets a length beside it (RFC 9112, 6.3): another reader may have gone
    // by the length, so nothing that follows on this connection is believed to be a request.
    if encoded || app.shutdown.phase() != Phase::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    drop(in_flight);
    account(&app, &call, method, response.status(), error.as_ref(), key.as_ref());
    response
}

/// Counts an answer and writes its line.
fn account(
    app: &App,
    call: &Call,
    method: &'static str,
    status: StatusCode,
    error: Option<&ApiError>,
    key: Option<&KeyName>,
) {
    let elapsed = call.started.elapsed();
    app.metrics.request(method, call.route(), status, elapsed);
    if status.is_success() && PREDICTING.contains(&call.route()) {
        app.stats.latency(elapsed);
    }
    if let Some(KeyName(key)) = key {
        app.metrics.key(key);
    }
    let report = error.map(ApiError::report);
    if let Some((code, _)) = report {
        app.metrics.error(code);
    }
    let level = if status.is_server_error() { Level::Error } else { Level::Info };
    if app.log.tells(level) {
        let line = Line {
            request_id: &call.id,
            trace_id: call.trace.as_ref().map(|trace| trace.trace_id.as_str()),
            span_id: call.trace.as_ref().map(|trace| trace.span_id.as_str()),
            parent_id: call.trace.as_ref().map(|trace| trace.parent_id.as_str()),
            key: key.map(|KeyName(key)| &**key),
            method,
            route: call.route(),
            status: status.as_u16(),
            duration_ms: (elapsed.as_secs_f64() * 1e6).round() / 1e3,
            error: report.map(|(code, _)| code),
            cause: report.and_then(|(_, cause)| cause),
        };
        app.log.line(level, "request", &line);
    }
}

#[derive(Serialize)]
struct Line<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    /// The name of the caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    method: &'a str,
    route: &'a str,
    status: u16,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

/// Whether the body is sent in chunks and in no other coding.
fn is_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let one = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    one && codings.next().is_none()
}

/// The caller's own request id, when it is short and harmless.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ((1..=64).contains(&text.len()) && text.bytes().all(harmless)).then(|| text.to_owned())
}

fn decorate(headers: &mut HeaderMap, call: &Call) {
    if let Ok(value) = HeaderValue::from_str(&call.id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(value) = call.trace.as_ref().and_then(TraceContext::answer) {
        headers.insert(trace::HEADER, value);
    }
}
