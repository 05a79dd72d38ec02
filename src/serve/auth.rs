//! The API key: kept as a digest, compared in constant time.

use std::fmt;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::errors::ApiError;
use super::http::App;

/// The header that carries the key.
pub(super) const HEADER: &str = "x-api-key";

/// A key that callers must send. Only its BLAKE3 digest is kept, so it cannot be printed or logged by accident.
#[derive(Clone)]
pub struct ApiKey(blake3::Hash);

impl ApiKey {
    /// The key of that text; `None` for a text that is empty or blank, which would be no protection.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(blake3::hash(text.as_bytes())))
    }

    /// Whether `candidate` is this key. Digests have one length and `blake3::Hash` compares them in constant time, so
    /// the duration says nothing about the key.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0 == blake3::hash(candidate)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(..)")
    }
}

/// Lets a request pass when no key is set or when it carries the key; runs before the body is read.
pub(super) async fn require_key(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(key) = &app.settings.api_key else { return next.run(request).await };
    match request.headers().get(HEADER) {
        Some(candidate) if key.matches(candidate.as_bytes()) => next.run(request).await,
        Some(_) => ApiError::unauthorized("the API key is not valid").into_response(),
        None => ApiError::unauthorized("the header x-api-key is missing").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_matches() {
        let key = ApiKey::new(" s3cret\n").expect("not blank");
        assert!(key.matches(b"s3cret"));
        assert!(!key.matches(b"s3cret "));
        assert!(!key.matches(b""));
        assert!(ApiKey::new("  ").is_none());
        assert_eq!(format!("{key:?}"), "ApiKey(..)");
    }
}
