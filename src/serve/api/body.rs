//! The body of a request, read whole within the limit of its route and the memory set aside for all bodies.

use std::ops::Deref;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::record_json;

/// The bytes of a body, with their share of the memory for bodies.
pub(super) struct Received {
    bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The bytes of a body of at most `limit` bytes. Memory is claimed as it fills, so a body that is only announced takes
/// none from others.
pub(super) async fn read(app: &App, request: Request, limit: usize) -> Result<Received, ApiError> {
    let unread = |_error| ApiError::invalid_body("body", "the body could not be read to its end");
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limit as u64) {
        return Err(ApiError::too_large(limit));
    }
    let mut body = request.into_body();
    // Most bodies come in one piece, which is not copied.
    let (mut first, mut whole) = (Bytes::new(), Vec::new());
    let mut share = None::<OwnedSemaphorePermit>;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(unread)?.into_data() else { continue };
        if first.len().max(whole.len()) + data.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        let claimed = app.body_memory.clone().try_acquire_many_owned(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let claimed = claimed.map_err(|_full| ApiError::overloaded())?;
        match &mut share {
            Some(share) => share.merge(claimed),
            None => share = Some(claimed),
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    let bytes = if whole.is_empty() { first } else { Bytes::from(whole) };
    Ok(Received { bytes, _share: share })
}

/// One record, sent as JSON.
pub(super) async fn record(app: &App, request: Request) -> Result<Map<String, Value>, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    record_json::parse(&read(app, request, app.settings.body_limit).await?).map_err(ApiError::invalid)
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
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json") {
        return true;
    }
    let json =
        |media: String| media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    media_type(headers).is_some_and(json)
}
