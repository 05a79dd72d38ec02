//! The body of a request, read whole within the limit of its route.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::serve::errors::ApiError;
use crate::serve::record_json;

/// The bytes of a body of at most `limit` bytes, which the route enforces.
pub(super) async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(limit),
        _ => ApiError::invalid_body("body", "the body could not be read to its end"),
    })
}

/// One record, sent as JSON.
pub(super) async fn record(request: Request, limit: usize) -> Result<Map<String, Value>, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    record_json::parse(&read(request, limit).await?).map_err(ApiError::invalid)
}

/// The declared type of the body without its parameters, in lower case, when it is text in UTF-8 or no text.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media = parts.next()?;
    let utf8 = |part: String| match part.strip_prefix("charset=") {
        Some(charset) => charset.trim_matches('"') == "utf-8",
        None => true,
    };
    parts.all(utf8).then_some(media)
}

/// Whether the body is declared as JSON: `application/json` or a type ending in `+json`, in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let json =
        |media: String| media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    media_type(headers).is_some_and(json)
}
