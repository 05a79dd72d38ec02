//! The socket: accepts connections, bounds what each may cost, and ends them in order.
//!
//! Invariants: a connection that sends nothing, or sends slowly, is closed; after the first signal every request that
//! has arrived is still answered, within the drain time; nothing outlives [`serve`].

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
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

use super::http::{self, App, Logs};
use super::log::Level;
use super::models::Lineup;
use super::reload::{self, Calls};
use super::{Phase, Settings, SettingsError, Shutdown};

/// Connections that may wait in the kernel when the drain begins, and are still served.
const BACKLOG: usize = 1024;
/// How long a silent connection is listened to once the drain has begun.
const LAST_WORD: Duration = Duration::from_millis(100);
/// Pause after a failed accept, such as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often histogram samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings are refused: open to others without a key, or out of range.
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

/// What a service did in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Connections that it accepted.
    pub accepted: u64,
    /// Connections among them that did not end within the drain time and were cut.
    pub cut: u64,
}

/// Serves until it is told to stop by SIGTERM or SIGINT. The log's line `started` names the bound address.
pub fn serve(lineup: Lineup, settings: Settings, logs: Logs) -> Result<Served, ServeError> {
    settings.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let shutdown = Shutdown::default();
    let address = settings.address();
    let app = http::app(lineup, settings, logs, shutdown.clone())?;
    let ended = runtime.block_on(async {
        shutdown.follow_signals().map_err(ServeError::Runtime)?;
        let calls = Calls::install().map_err(ServeError::Runtime)?;
        let bind_error = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let bound = listener.local_addr().map_err(bind_error)?;
        let model = app.models.current();
        let info = model.info();
        app.log.event(
            "started",
            json!({
                "address": format!("http://{bound}"), "model": info.name, "bundle": info.bundle, "data": info.data,
                "models": app.models.describe(),
            }),
        );
        tokio::spawn(reload::follow(app.clone(), calls));
        Ok(run(listener, app).await)
    });
    runtime.shutdown_background();
    ended
}

/// Accepts until the drain begins, then waits for the open connections.
pub(super) async fn run(listener: TcpListener, app: App) -> Served {
    let upkeep = tokio::spawn(fold_histograms(app.clone()));
    let router = http::router(&app);
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    let mut drain = pin!(app.shutdown.reached(Phase::Draining));
    loop {
        tokio::select! {
            () = &mut drain => break,
            next = listener.accept() => match next {
                Ok((stream, _peer)) => {
                    accepted += 1;
                    connections.spawn(connection(stream, router.clone(), app.clone()));
                }
                Err(error) => {
                    app.log.line(Level::Warning, "accept_failed", &json!({"cause": error.to_string()}));
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
    for stream in waiting(listener) {
        accepted += 1;
        connections.spawn(connection(stream, router.clone(), app.clone()));
    }
    app.log.event("draining", json!({"connections": connections.len()}));
    let cut = finish(&mut connections, &app).await;
    upkeep.abort();
    app.log.event("stopped", json!({"connections_accepted": accepted, "connections_cut": cut}));
    Served { accepted, cut }
}

/// Closes the listener and returns the connections that the kernel had already made. The system call is asked directly,
/// because the runtime may not have heard of the newest ones yet; what comes later is refused.
fn waiting(listener: TcpListener) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let accepted = (0..BACKLOG).map_while(|_| listener.accept().ok());
    let open = |(stream, _peer): (std::net::TcpStream, SocketAddr)| {
        stream.set_nonblocking(true).ok()?;
        TcpStream::from_std(stream).ok()
    };
    accepted.filter_map(open).collect()
}

/// Waits for the connections to end by themselves, then aborts the rest and counts them.
async fn finish(connections: &mut JoinSet<()>, app: &App) -> u64 {
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = sleep(app.settings.drain) => {}
        () = app.shutdown.reached(Phase::Cut) => {}
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len() as u64;
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
    // The connection goes first in both: hyper drops one that is shut down before it was ever polled, request and all.
    tokio::select! {
        biased;
        _ended = &mut connection => return,
        () = app.shutdown.reached(Phase::Draining) => {}
    }
    // Whatever is on its way gets its answer, which tells the client to send no more.
    tokio::select! {
        biased;
        _ended = &mut connection => return,
        () = sleep(LAST_WORD) => connection.as_mut().graceful_shutdown(),
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
