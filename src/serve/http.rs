//! The routes and what they share.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::BuildError;
use tower_http::catch_panic::CatchPanicLayer;

use super::errors::ApiError;
use super::metrics::Metrics;
use super::observe::RequestIds;
use super::{AccessLog, Model, Settings, Shutdown, auth, handlers, observe};

/// What every handler can reach.
pub(super) struct AppState {
    pub model: Arc<dyn Model>,
    pub settings: Settings,
    pub metrics: Metrics,
    pub log: AccessLog,
    pub shutdown: Shutdown,
    pub request_ids: RequestIds,
}

/// Shared by all connections.
pub(super) type App = Arc<AppState>;

/// Puts the parts together.
pub(super) fn app(
    model: Arc<dyn Model>,
    settings: Settings,
    log: AccessLog,
    shutdown: Shutdown,
) -> Result<App, BuildError> {
    let metrics = Metrics::new(model.info())?;
    // The standard library's only source of randomness; ids must differ between services, not be secret.
    let request_ids = RequestIds::new(RandomState::new().hash_one(std::process::id()));
    Ok(Arc::new(AppState { model, settings, metrics, log, shutdown, request_ids }))
}

/// The service as a function from request to response.
pub(super) fn router(app: &App) -> Router {
    let keyed = from_fn_with_state(app.clone(), auth::require_key);
    Router::new()
        .route("/livez", get(handlers::livez))
        .route("/health", get(handlers::health))
        .route("/schema", get(handlers::schema))
        .route("/metrics", get(handlers::metrics))
        .route("/predict", post(handlers::predict).route_layer(keyed))
        .layer(DefaultBodyLimit::max(app.settings.body_limit))
        .layer(CatchPanicLayer::custom(|_panic| -> Response {
            // The payload may hold anything; the panic hook has already said where it happened.
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app.clone())
}
