//! The socket: accepts connections, bounds what each may cost, and ends them in order.
//!
//! Invariants: a connection that sends nothing, sends slowly or does not take its answers is closed; after the first
//! signal every request that has arrived is still answered, within the drain time; nothing outlives [`serve`].

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::BuildError;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use super::auth::Peer;
use super::connections::{Admitted, Place};
use super::http::{self, App, Logs};
use super::log::Level;
use super::models::Lineup;
use super::reload::{self, Calls};
use super::unfinished::Unfinished;
use super::{Phase, Settings, SettingsError, Shutdown, watch};

/// Connections that may wait in the kernel when the drain begins, and are still served.
const BACKLOG: usize = 1024;
/// How long a silent connection is listened to once the drain has begun.
const LAST_WORD: Duration = Duration::from_millis(100);
/// Pause after a failed accept, such as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often histogram samples are folded and callers forgotten.
const UPKEEP: Duration = Duration::from_secs(5);
/// File descriptors that are left for everything but connections.
const OTHER_FILES: u64 = 64;
/// What a connection hears for which there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
    content-type: application/json\r\ncontent-length: 61\r\n\r\n\
    {\"error\":\"overloaded\",\"message\":\"too many open connections\"}\n";

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
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = settings.threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build().map_err(ServeError::Runtime)?;
    let settings = within_files(settings);
    let shutdown = Shutdown::default();
    let address = settings.address();
    let app = http::app(lineup, settings, logs, shutdown.clone())?;
    let ended = runtime.block_on(async {
        shutdown.follow_signals().map_err(ServeError::Runtime)?;
        let calls = Calls::install().map_err(ServeError::Runtime)?;
        let hangups = signal(SignalKind::hangup()).map_err(ServeError::Runtime)?;
        let bind_error = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let bound = listener.local_addr().map_err(bind_error)?;
        let model = app.models.current();
        let info = model.info();
        let scheme = if app.settings.tls.is_some() { "https" } else { "http" };
        app.log.event(
            "started",
            json!({
                "address": format!("{scheme}://{bound}"), "model": info.name, "bundle": info.bundle, "data": info.data,
                "models": app.models.describe(),
            }),
        );
        for warning in app.settings.warnings() {
            app.log.line(Level::Warning, "warning", &json!({"message": warning}));
        }
        tokio::spawn(reload::follow(app.clone(), calls));
        tokio::spawn(watch::follow(app.clone(), hangups));
        Ok(run(listener, app).await)
    });
    runtime.shutdown_background();
    ended
}

/// Asks the system for as many open files as connections may need, and keeps to what it gives.
fn within_files(mut settings: Settings) -> Settings {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = settings.max_connections as u64 + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < needed) else { return settings };
    let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    let given = if raised { wanted } else { current };
    settings.max_connections = usize::try_from(given.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    settings
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
                Ok((stream, peer)) => {
                    accepted += 1;
                    if let Some(place) = place(&stream, &app) {
                        connections.spawn(connection(stream, peer, router.clone(), app.clone(), place));
                    }
                }
                Err(error) => {
                    app.log.line(Level::Warning, "accept_failed", &json!({"cause": error.to_string()}));
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
    for (stream, peer) in waiting(listener) {
        accepted += 1;
        if let Some(place) = place(&stream, &app) {
            connections.spawn(connection(stream, peer, router.clone(), app.clone(), place));
        }
    }
    app.log.event("draining", json!({"connections": connections.len()}));
    let cut = finish(&mut connections, &app).await;
    upkeep.abort();
    app.log.event("stopped", json!({"connections_accepted": accepted, "connections_cut": cut}));
    Served { accepted, cut }
}

/// Closes the listener and returns the connections that the kernel had already made. The system call is asked directly,
/// because the runtime may not have heard of the newest ones yet; what comes later is refused.
fn waiting(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let accepted = (0..BACKLOG).map_while(|_| listener.accept().ok());
    let open = |(stream, peer): (std::net::TcpStream, SocketAddr)| {
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
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

/// A place for a new connection; one that gets none is told so, as far as a single try goes.
fn place(stream: &TcpStream, app: &App) -> Option<Admitted> {
    match app.connections.admit() {
        Place::Free(place) => Some(place),
        Place::Taken(place) => {
            app.metrics.turned_away("idle");
            Some(place)
        }
        Place::None => {
            app.metrics.turned_away("full");
            if app.settings.tls.is_none() {
                let _unsent = stream.try_write(NO_PLACE);
            }
            None
        }
    }
}

/// Serves one connection until its client leaves, falls silent, has to make room, or the drain has answered its last
/// request.
async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, app: App, place: Admitted) {
    let (app, place) = (&app, &place);
    // The first byte, then TLS where it is spoken, then HTTP.
    let speaks = tokio::select! {
        biased;
        () = place.leave() => false,
        speaks = speaks(&stream, app) => speaks,
    };
    if !speaks {
        return;
    }
    // Answers are small and complete: sending at once saves the client a delayed acknowledgement.
    let _unsupported = stream.set_nodelay(true);
    // A client that does not take its answer would hold it in memory for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(app.settings.request_timeout));
    let stream = Box::pin(stream);
    match &app.settings.tls {
        // Apart, so that a connection that has said nothing yet holds no room for a conversation.
        None => Box::pin(converse(stream, peer, router, app, place)).await,
        Some(tls) => {
            let accepted = tokio::select! {
                biased;
                () = place.leave() => return,
                accepted = timeout(app.settings.header_timeout, tls.acceptor().accept(stream)) => accepted,
            };
            if let Ok(Ok(stream)) = accepted {
                Box::pin(converse(stream, peer, router, app, place)).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after the other.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    app: &App,
    place: &Admitted,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let busy = place.busy();
        request.extensions_mut().insert(Peer(peer.ip()));
        let answer = router.call(request);
        async move { answer.await.map(|answer| answer.map(|body| Unfinished::new(body, busy))) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.header_timeout)
        .max_headers(app.settings.max_headers)
        .max_buf_size(64 * 1024);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // The connection goes first in both: hyper drops one that is shut down before it was ever polled, request and all.
    tokio::select! {
        biased;
        _ended = &mut connection => return,
        () = place.leave() => {
            // The last of an answer may still be on its way.
            connection.as_mut().graceful_shutdown();
            let _late = timeout(LAST_WORD, connection).await;
            return;
        }
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
        app.limiter.upkeep();
    }
}
