//! Every answer that is no success, in one JSON shape: `{error, message, request_id}` and, for 422, `errors`.
//!
//! A handler returns an [`ApiError`]; the outermost middleware turns it, and every bare error of the framework, into
//! the JSON body, because only there the request id is known. What is inside a 500 goes to the log, never to the client.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::gate;

/// One refused field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// The field's name; empty when the body as a whole is at fault.
    pub field: String,
    /// What is wrong and what is expected.
    pub message: String,
    /// A stable word for programs: `missing`, `type`, `range`, `level`, `unknown_field`, ….
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// The most problems of a record that are told.
const MOST_TOLD: usize = 100;

/// The kind of what stands for the others.
const MORE: &str = "more";

/// Leaves out what is beyond the first hundred problems of a record, and says how many these are: a small request must
/// not make a large answer. Whoever finds problems calls it once.
pub(super) fn cap(problems: &mut Vec<FieldProblem>) {
    let more = problems.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        problems.truncate(MOST_TOLD);
        problems.push(FieldProblem { field: String::new(), message: format!("{more} further problems"), kind: MORE });
    }
}

/// A request that gets no result.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    errors: Vec<FieldProblem>,
    cause: Option<String>,
    /// After how many seconds the same request may be answered.
    retry_after: Option<u64>,
    /// Whether what follows on the connection cannot be told from this request.
    closes: bool,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let (errors, cause, closes) = (Vec::new(), None, false);
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self { status, code: code_of(status), message: message.into(), errors, cause, retry_after, closes }
    }

    /// 401.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 400 for a name that the service does not have.
    pub fn bad_host(message: &str) -> Self {
        Self { code: "invalid_host", closes: true, ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// 400 for a body in a coding that is not `chunked` alone.
    pub fn bad_coding() -> Self {
        let message = "a body is sent with a content-length, or with `transfer-encoding: chunked` and no other coding";
        Self { closes: true, ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// 429: the caller has spent its budget for that many seconds.
    pub fn too_often(seconds: u64) -> Self {
        let message = format!("too many requests; the next one is answered in {seconds} s");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 503: the bodies of open requests fill the memory set aside for them.
    pub fn overloaded() -> Self {
        let message = "too much is being sent at once; send it again later";
        Self { code: "overloaded", closes: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// 408: the request did not arrive in time.
    pub fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive completely in time")
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"))
    }

    /// 404 for a thing that other models have.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 413 for a batch.
    pub fn too_many(most: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the batch has more than {most} records"))
    }

    /// 415 for a batch.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 415.
    pub fn not_json() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be sent as content-type: application/json")
    }

    /// 422 with all that is wrong.
    pub fn invalid(errors: Vec<FieldProblem>) -> Self {
        let count = match errors.as_slice() {
            [_] => "1 problem".to_owned(),
            [.., last] if last.kind == MORE => format!("more than {MOST_TOLD} problems"),
            errors => format!("{} problems", errors.len()),
        };
        let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the request has {count}"));
        Self { errors, ..error }
    }

    /// 422 for a body that is no JSON object.
    pub fn invalid_body(kind: &'static str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldProblem { field: String::new(), message: message.into(), kind }])
    }

    /// 500; the cause is logged with the request id and not shown.
    pub fn internal(cause: impl Into<String>) -> Self {
        let message = "internal error; the service's log has the details under this request id";
        Self { cause: Some(cause.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
    }

    /// 503: predictions must be recorded and cannot be.
    pub fn unrecorded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "predictions cannot be recorded now, so none is made; try again later",
        )
    }

    /// An error that the framework answered on its own, such as 404 or 405.
    fn of_status(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::NOT_FOUND => "there is nothing at this path",
            StatusCode::METHOD_NOT_ALLOWED => "this path does not answer this method; see the header allow",
            StatusCode::INTERNAL_SERVER_ERROR => return Self::internal("the framework answered 500"),
            _ => status.canonical_reason().unwrap_or("the request cannot be answered"),
        };
        Self::new(status, message)
    }

    /// What to write to the log and the error counter: the code, and the hidden cause of a 500.
    pub fn report(&self) -> (&'static str, Option<&str>) {
        (self.code, self.cause.as_deref())
    }

    fn render(&self, request_id: &str) -> Response {
        let errors = (!self.errors.is_empty()).then_some(self.errors.as_slice());
        let body = Body { error: self.code, message: &self.message, errors, request_id };
        (self.status, Json(body)).into_response()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FieldProblem]>,
    request_id: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives an error response its body. Returns the error, or nothing for a success.
pub(super) fn finish(response: Response, request_id: &str) -> (Response, Option<ApiError>) {
    let status = response.status();
    let is_json = |kind: &HeaderValue| kind == "application/json";
    let has_body = response.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
    if has_body || !(status.is_client_error() || status.is_server_error()) {
        return (response, None);
    }
    let error = response.extensions().get::<ApiError>().cloned().unwrap_or_else(|| ApiError::of_status(status));
    let mut rendered = error.render(request_id);
    for (name, value) in response.headers().iter().filter(|(name, _)| gate::stays(name)) {
        rendered.headers_mut().append(name, value.clone());
    }
    if status == StatusCode::UNAUTHORIZED {
        rendered.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
    }
    if let Some(seconds) = error.retry_after {
        rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.closes || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
        // The rest of the body may still be on its way; the connection cannot be used again.
        rendered.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    (rendered, Some(error))
}

fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid_request",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        status if status.is_server_error() => "internal",
        _ => "bad_request",
    }
}
