//! The routes and what they share.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::BuildError;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use super::api::{about, batch, explain, predict};
use super::connections::Connections;
use super::errors::ApiError;
use super::keys::{KeyRing, Scope};
use super::limit::Limiter;
use super::metrics::Metrics;
use super::model::Scored;
use super::models::{Lineup, Models, Served};
use super::observe::RequestIds;
use super::records::PredictionLog;
use super::stats::Stats;
use super::{AccessLog, Settings, Shutdown, auth, docs, gate, observe, page};

/// Where the service writes.
#[derive(Clone)]
pub struct Logs {
    /// What happens to it: requests, models, its end.
    pub service: AccessLog,
    /// What it predicts.
    pub predictions: PredictionLog,
}

/// What every handler can reach.
pub(super) struct AppState {
    pub models: Models,
    pub settings: Settings,
    pub metrics: Metrics,
    pub stats: Stats,
    pub log: AccessLog,
    pub records: PredictionLog,
    pub shutdown: Shutdown,
    pub request_ids: RequestIds,
    /// The time of day as text, for answers.
    pub clock: fn() -> String,
    pub started: Instant,
    /// Work that takes longer than a prediction, bounded to as much as there are processors.
    workers: Arc<Semaphore>,
    pub keys: KeyRing,
    pub limiter: Limiter,
    pub connections: Arc<Connections>,
    /// Bytes that bodies may still take.
    pub body_memory: Arc<Semaphore>,
}

/// Shared by all connections.
pub(super) type App = Arc<AppState>;

/// Puts the parts together.
pub(super) fn app(lineup: Lineup, settings: Settings, logs: Logs, shutdown: Shutdown) -> Result<App, BuildError> {
    let metrics = Metrics::new(lineup.champion.model.info())?;
    // The standard library's only source of randomness; ids must differ between services, not be secret.
    let request_ids = RequestIds::new(RandomState::new().hash_one(std::process::id()));
    let workers = settings.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let file = settings.keys_file.as_ref().map(|file| file.keys.clone()).unwrap_or_default();
    let Logs { service: log, predictions: records } = logs;
    Ok(Arc::new(AppState {
        models: Models::new(lineup, &metrics),
        stats: Stats::new(request_ids.instance().to_owned()),
        clock: log.clock(),
        keys: KeyRing::new(settings.key.clone().and(file)),
        limiter: Limiter::new(settings.rate),
        connections: Connections::new(settings.max_connections),
        body_memory: Arc::new(Semaphore::new(settings.body_memory.min(Semaphore::MAX_PERMITS))),
        settings,
        metrics,
        log,
        records,
        shutdown,
        request_ids,
        started: Instant::now(),
        workers: Arc::new(Semaphore::new(workers.min(Semaphore::MAX_PERMITS))),
    }))
}

impl AppState {
    /// Counts a prediction wherever predictions are counted.
    pub fn scored(&self, served: &Served, scored: &Scored) {
        self.metrics.prediction(&served.meter, scored);
        self.stats.prediction(scored);
    }

    /// Does work apart from the threads that answer requests. A panic in it ends the request, as one in a handler does.
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let permit = self.workers.clone().acquire_owned().await;
        let permit = permit.map_err(|error| ApiError::internal(error.to_string()))?;
        // The work goes on when its client has left or its time is up, and so does its claim.
        let claimed = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(claimed).await.map_err(|_panic| ApiError::internal("a worker panicked"))
    }
}

/// The service as a function from request to response.
pub(super) fn router(app: &App) -> Router {
    let open = Router::new()
        .route("/", get(page::index))
        .route("/docs", get(page::docs))
        .route("/page/{file}", get(page::file))
        .route("/openapi.json", get(docs::openapi))
        .route("/livez", get(about::livez))
        .route("/health", get(about::health))
        .route("/schema", get(about::schema))
        .route("/dropdown-values", get(about::schema))
        .route("/model/features", get(about::schema))
        .route("/metrics", get(about::metrics));
    let routes = open.merge(keyed(app));
    let routes = match gate::cors(&app.settings.allowed_origins) {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    routes
        .layer(CatchPanicLayer::custom(|_panic| -> Response {
            // The payload may hold anything; the panic hook has already said where it happened.
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app.clone())
}

/// The routes that ask for a key, where there are keys, each for the scope that it needs. A method that a route does not
/// answer is told so without one.
fn keyed(app: &App) -> Router<App> {
    let needs = |scope: Scope| from_fn_with_state((app.clone(), scope), auth::require);
    let read = needs(Scope::Read);
    let routes = Router::new()
        .route("/predict", post(predict::predict).route_layer(needs(Scope::Predict)))
        .route("/predict/legacy", post(predict::predict).route_layer(needs(Scope::Predict)))
        .route("/predict/batch", post(batch::batch).route_layer(needs(Scope::Predict)))
        .route("/explain", post(explain::explain).route_layer(needs(Scope::Explain)))
        .route("/model/info", get(about::model_info).route_layer(read.clone()))
        .route("/model/card", get(about::model_card).route_layer(read.clone()))
        .route("/stats", get(about::stats).route_layer(read.clone()))
        .route("/config", get(about::config).route_layer(read));
    if !app.settings.debug {
        return routes;
    }
    routes.route("/debug/preprocess", post(explain::preprocess).route_layer(needs(Scope::Debug)))
}
