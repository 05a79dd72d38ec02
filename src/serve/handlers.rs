//! One function an endpoint.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::Phase;
use super::errors::{ApiError, FieldProblem};
use super::http::App;
use super::model::{ModelInfo, Scored, ScoringError};
use super::record_json;

/// The answer to `POST /predict`.
#[derive(Serialize)]
struct Answer<'a> {
    id: Option<Value>,
    prediction: u8,
    probability: f64,
    risk_level: Option<String>,
    recommended_action: Option<String>,
    threshold: f64,
    /// The level whose threshold applied; absent where the overall one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_stratum: Option<String>,
    threshold_version: &'a str,
    model_version: &'a str,
    warnings: Vec<FieldProblem>,
}

impl<'a> Answer<'a> {
    fn new(scored: Scored, info: &'a ModelInfo) -> Self {
        let (risk_level, action) = scored.tier.map(|tier| (tier.name, tier.action)).unzip();
        Self {
            id: scored.id,
            prediction: u8::from(scored.flagged),
            probability: scored.probability,
            risk_level,
            recommended_action: action.flatten(),
            threshold: scored.threshold,
            threshold_stratum: scored.stratum,
            threshold_version: &info.threshold_version,
            model_version: info.version(),
            warnings: scored.warnings,
        }
    }
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// `GET /health`: 200 when a prediction would be answered, 503 while the service ends.
pub(super) async fn health(State(app): State<App>) -> Response {
    let info = app.model.info();
    let (status, word) = match app.shutdown.phase() {
        Phase::Serving => (StatusCode::OK, "ok"),
        Phase::Draining | Phase::Cut => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let body = json!({"status": word, "model_loaded": true, "model": info.name, "bundle": info.bundle});
    (status, Json(body)).into_response()
}

/// `GET /schema`: the JSON Schema of a record.
pub(super) async fn schema(State(app): State<App>) -> Json<Value> {
    Json(app.model.request_schema().clone())
}

/// `GET /metrics`: the counters in Prometheus' text format.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render()).into_response()
}

/// `POST /predict`: one record in, one answer out. Scoring takes microseconds, so it is done in place.
pub(super) async fn predict(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(app.settings.body_limit),
        _ => ApiError::invalid_body("body", "the body could not be read to its end"),
    })?;
    let record = record_json::parse(&body).map_err(ApiError::invalid)?;
    let scored = app.model.score(&record).map_err(|error| match error {
        ScoringError::Invalid(problems) => ApiError::invalid(problems),
        ScoringError::Internal(cause) => ApiError::internal(cause),
    })?;
    app.metrics.prediction(&scored);
    Ok(Json(Answer::new(scored, app.model.info())).into_response())
}

/// Whether the body is declared as JSON: `application/json` or a type ending in `+json`, in UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media = parts.next().unwrap_or_default();
    let json = media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    let utf8 = |part: String| match part.strip_prefix("charset=") {
        Some(charset) => charset.trim_matches('"') == "utf-8",
        None => true,
    };
    json && parts.all(utf8)
}
