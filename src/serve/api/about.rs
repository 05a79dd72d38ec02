//! What is not about one record: whether the service lives, what it serves, how it is set, what it has counted.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::serve::Phase;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::model::ModelTier;

/// `GET /livez`: the process answers.
pub(in crate::serve) async fn livez() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// `GET /health`: 200 when a prediction would be answered, 503 while the service ends.
pub(in crate::serve) async fn health(State(app): State<App>) -> Response {
    let model = app.models.current();
    let info = model.info();
    let (status, word) = match app.shutdown.phase() {
        Phase::Serving if !app.records.is_ready() => (StatusCode::SERVICE_UNAVAILABLE, "predictions_unwritable"),
        Phase::Serving => (StatusCode::OK, "ok"),
        Phase::Draining | Phase::Cut => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let body = json!({
        "status": word,
        "model_loaded": true,
        "preprocessor_loaded": true,
        "model": info.name,
        "model_version": info.version(),
        "bundle": info.bundle,
        "models": app.models.describe(),
        "threshold": info.decision.as_ref().map(|decision| decision.threshold),
        "timestamp": (app.clock)(),
        "uptime_seconds": app.started.elapsed().as_secs_f64(),
    });
    (status, Json(body)).into_response()
}

/// `GET /schema`: the JSON Schema of a record, for the model that the request asks for.
pub(in crate::serve) async fn schema(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let named = app.models.named(&headers)?;
    Ok(Json(named.unwrap_or_else(|| app.models.current()).request_schema().clone()))
}

/// `GET /metrics`: the counters in Prometheus' text format.
pub(in crate::serve) async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render(&app.log, &app.records))
        .into_response()
}

/// `GET /model/info`: what is served, and what is known of its worth.
pub(in crate::serve) async fn model_info(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let model = app.models.named(&headers)?.unwrap_or_else(|| app.models.current());
    let info = model.info();
    let mut body = json!({
        "model_type": info.name,
        "algorithm": info.name,
        "model_version": info.version(),
        "bundle": info.bundle,
        "data": info.data,
        "outcome": info.outcome,
        "range": info.range,
        "num_features": info.features.len(),
        "feature_names": info.features,
        "threshold": info.decision.as_ref().map(|decision| decision.threshold),
        "threshold_version": info.decision.as_ref().map(|decision| &decision.threshold_version),
        "answer_profile": info.profile.name,
        "csv_delimiter": char::from(info.table.delimiter),
    });
    if let (Value::Object(body), Value::Object(details)) = (&mut body, &info.details) {
        body.extend(details.clone());
    }
    Ok(Json(body))
}

/// `GET /model/card`: the model card, where one lies beside the bundle.
pub(in crate::serve) async fn model_card(State(app): State<App>) -> Result<Response, ApiError> {
    let card = app.models.current().info().card.clone();
    let card = card.ok_or_else(|| ApiError::not_found("there is no model card beside the bundle"))?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], card).into_response())
}

/// `GET /stats`: what has been predicted since the start.
pub(in crate::serve) async fn stats(State(app): State<App>) -> Json<Value> {
    let model = app.models.current();
    let mut body = app.stats.read();
    body["model_version"] = json!(model.info().version());
    body["threshold"] = json!(model.info().decision.as_ref().map(|decision| decision.threshold));
    body["uptime_seconds"] = json!(app.started.elapsed().as_secs_f64());
    Json(body)
}

/// `GET /config`: how the service decides and what it is set to; no key and no path of the host.
pub(in crate::serve) async fn config(State(app): State<App>) -> Json<Value> {
    let model = app.models.current();
    let info = model.info();
    let level = |(tier, from): &(ModelTier, f64)| json!({"name": tier.name, "from": from, "action": tier.action, "cost": tier.cost});
    let tiers = info.decision.iter().flat_map(|decision| &decision.tiers).map(level);
    Json(json!({
        "model_source": "bundle",
        "model_version": info.version(),
        "decision_threshold": info.decision.as_ref().map(|decision| decision.threshold),
        "threshold_version": info.decision.as_ref().map(|decision| &decision.threshold_version),
        "risk_levels": tiers.collect::<Vec<_>>(),
        "answer_profile": info.profile,
        "settings": app.settings.public(),
    }))
}
