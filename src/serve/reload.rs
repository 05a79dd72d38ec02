//! Reads the served models again: at SIGHUP, and where it is set when their bundles have changed on disk.
//!
//! Invariants: a model that is refused changes nothing, and the log and a counter say so; a new one is complete before
//! the first request meets it; reloads follow one another, never overlap.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::http::App;
use super::log::Level;
use super::models::{Loaded, Role, Source, same_question};

/// What calls for a reload.
pub(super) struct Calls {
    hangups: Signal,
}

impl Calls {
    /// From now on SIGHUP no longer ends the process.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self { hangups: signal(SignalKind::hangup())? })
    }
}

/// Follows the calls for as long as the runtime lives.
pub(super) async fn follow(app: App, mut calls: Calls) {
    let mut watches: Vec<Watch> = app.models.sources().into_iter().map(Watch::new).collect();
    // Without a period the ticks are too rare to matter, and not looked at.
    let mut ticks = interval(app.settings.reload_poll.unwrap_or(Duration::from_hours(24)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            hangup = calls.hangups.recv() => hangup.is_some(),
            _tick = ticks.tick() => false,
        };
        if asked {
            app.records.reopen();
        }
        for watch in &mut watches {
            if asked || app.settings.reload_poll.is_some() && watch.has_changed().await {
                watch.reload(&app).await;
            }
        }
    }
}

/// A source and how it looked.
struct Watch {
    role: Role,
    source: Arc<dyn Source>,
    /// When it was loaded or refused last.
    loaded: Option<String>,
    /// At the last look.
    seen: Option<String>,
}

impl Watch {
    /// `stamp` is how the source looked before its model was loaded: a change since then is no less a change.
    fn new((role, source, stamp): (Role, Arc<dyn Source>, Option<String>)) -> Self {
        Self { role, source, loaded: stamp.clone(), seen: stamp }
    }

    /// Whether it differs from what was loaded or refused last, and has stood still since the last look: a bundle that
    /// is being written is let finish.
    async fn has_changed(&mut self) -> bool {
        let source = self.source.clone();
        let stamp = tokio::task::spawn_blocking(move || source.stamp()).await.unwrap_or_default();
        let stands = stamp.is_some() && self.seen == stamp;
        self.seen = stamp;
        stands && self.loaded != self.seen
    }

    /// Loads apart from the threads that answer requests, then swaps.
    async fn reload(&mut self, app: &App) {
        let (source, role) = (self.source.clone(), self.role.as_str());
        // The stamp first: a bundle that changes while it is read is read again.
        let read = tokio::task::spawn_blocking(move || (source.stamp(), source.load())).await;
        let (stamp, loaded) = read.unwrap_or_else(|_panic| (None, Err("reading the bundle panicked".to_owned())));
        self.loaded.clone_from(&stamp);
        self.seen = stamp;
        let loaded = loaded.and_then(|loaded| {
            let served = app.models.at(self.role);
            served.map_or(Ok(()), |served| same_question(served.info(), loaded.model.info())).map(|()| loaded)
        });
        match loaded {
            Ok(Loaded { model, remark }) => {
                let bundle = model.info().bundle.clone();
                let before = app.models.replace(self.role, model, &app.metrics);
                app.metrics.reload(role, "loaded");
                let line = json!({"role": role, "bundle": bundle, "before": before, "remark": remark});
                app.log.event("model_loaded", line);
            }
            Err(cause) => {
                app.metrics.reload(role, "refused");
                app.log.line(Level::Error, "model_refused", &json!({"role": role, "cause": cause}));
            }
        }
    }
}
