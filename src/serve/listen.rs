//! The socket: accepts connections, bounds what each may cost, and ends them in order.
//!
//! Invariants: a connection that sends nothing, or sends slowly, is closed; after the first signal every request that
//! has arrived is still answered, within the drain time; nothing outlives [`serve`].

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::BuildError;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::http::{self, App};
use super::{AccessLog, Model, Phase, Settings, SettingsError, Shutdown};

/// Connections that may wait in the kernel when the drain begins, and are still served.
const BACKLOG: usize = 1024;
/// How long a connection that has sent nothing is listened to once the drain has begun.
const LAST_WORD: Duration = Duration::from_millis(100);
/// Pause after a failed accept, such as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often histogram samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings are unsafe or out of range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The metrics cannot be set up.
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] BuildError),
    /// Threads or signal handlers cannot be set up.
    #[error("cannot start the service: {0}")]
    Runtime(io::Error),
}

/// Serves until it is told to stop by SIGTERM or SIGINT. The log's line `started` names the bound address.
///
/// Returns how many connections were cut because they did not end within the drain time.
pub fn serve(model: Arc<dyn Model>, settings: Settings, log: AccessLog) -> Result<usize, ServeError> {
    settings.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let shutdown = Shutdown::default();
    let address = settings.address();
    let app = http::app(model, settings, log, shutdown.clone())?;
    let ended = runtime.block_on(async {
        shutdown.follow_signals().map_err(ServeError::Runtime)?;
        let bind_error = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let bound = listener.local_addr().map_err(bind_error)?;
        let info = app.model.info();
        app.log.event(
            "started",
            json!({
                "address": format!("http://{bound}"), "model": info.name, "bundle": info.bundle, "data": info.data,
            }),
        );
        Ok(run(listener, app).await)
    });
    runtime.shutdown_background();
    ended
}

/// Accepts until the drain begins, then waits for the open connections. Returns how many it had to cut.
pub(super) async fn run(listener: TcpListener, app: App) -> usize {
    let upkeep = tokio::spawn(fold_histograms(app.clone()));
    let router = http::router(&app);
    let mut connections = JoinSet::new();
    let mut drain = pin!(app.shutdown.reached(Phase::Draining));
    loop {
        tokio::select! {
            () = &mut drain => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(connection(stream, router.clone(), app.clone()));
                }
                Err(error) => {
                    app.log.event("accept_failed", json!({"cause": error.to_string()}));
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
    for _ in 0..BACKLOG {
        // A zero timeout still polls once, so this takes exactly the connections that are already there.
        let Ok(Ok((stream, _peer))) = timeout(Duration::ZERO, listener.accept()).await else { break };
        connections.spawn(connection(stream, router.clone(), app.clone()));
    }
    drop(listener);
    app.log.event("draining", json!({"connections": connections.len()}));
    let cut = finish(&mut connections, &app).await;
    upkeep.abort();
    app.log.event("stopped", json!({"connections_cut": cut}));
    cut
}

/// Waits for the connections to end by themselves, then aborts the rest and counts them.
async fn finish(connections: &mut JoinSet<()>, app: &App) -> usize {
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = sleep(app.settings.drain) => {}
        () = app.shutdown.reached(Phase::Cut) => {}
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

/// Serves one connection until its client leaves, falls silent, or the drain has answered its last request.
async fn connection(stream: TcpStream, router: Router, app: App) {
    if !speaks(&stream, &app).await {
        return;
    }
    // Answers are small and complete: sending at once saves the client a delayed acknowledgement.
    let _unsupported = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.header_timeout)
        .max_headers(app.settings.max_headers)
        .max_buf_size(64 * 1024);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        _ended = &mut connection => return,
        () = app.shutdown.reached(Phase::Draining) => connection.as_mut().graceful_shutdown(),
    }
    // An error here is the client's: it left, or sent what is no HTTP. There is nobody to tell.
    let _ended = connection.await;
}

/// Waits for a new connection's first byte, so that one opened in advance does not hold up the drain.
async fn speaks(stream: &TcpStream, app: &App) -> bool {
    tokio::select! {
        first = timeout(app.settings.header_timeout, stream.readable()) => matches!(first, Ok(Ok(()))),
        () = app.shutdown.reached(Phase::Draining) => matches!(timeout(LAST_WORD, stream.readable()).await, Ok(Ok(()))),
    }
}

async fn fold_histograms(app: App) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        app.metrics.upkeep();
    }
}
