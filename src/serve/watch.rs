//! Reads keys and certificates again when their files change, and whenever SIGHUP asks for it.
//!
//! Invariant: a file that cannot be read or is not sound changes nothing but the log; what was good stays in force.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};

use super::http::App;
use super::keys::KeySet;
use super::log::Level;
use super::tls::Tls;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// What tells that a file is another one: time of change, size, and number on its disk.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Follows the files for as long as the runtime lives.
pub(super) async fn follow(app: App, mut hangup: Signal) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let keys: Vec<PathBuf> = app.settings.keys_file.iter().map(|file| file.path.clone()).collect();
    let tls: Vec<PathBuf> = app.settings.tls.iter().flat_map(Tls::files).map(std::path::Path::to_owned).collect();
    let mut seen = (stamps(&keys).await, stamps(&tls).await);
    loop {
        let asked = tokio::select! {
            _tick = ticks.tick() => false,
            signal = hangup.recv() => match signal {
                Some(()) => true,
                None => return,
            },
        };
        let now = (stamps(&keys).await, stamps(&tls).await);
        if !keys.is_empty() && (asked || now.0 != seen.0) {
            read_keys(&app).await;
        }
        if !tls.is_empty() && (asked || now.1 != seen.1) {
            read_certificate(&app);
        }
        seen = now;
    }
}

async fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let files = files.to_vec();
    let look = move || files.iter().map(|file| stamp(file)).collect();
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn stamp(file: &std::path::Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len(), data.ino()))
}

async fn read_keys(app: &App) {
    let Some(file) = app.settings.keys_file.clone() else { return };
    let read = tokio::task::spawn_blocking(move || KeySet::load(&file.path)).await;
    match read {
        Ok(Ok(keys)) => {
            app.log.event("keys_read", json!({"keys": keys.len()}));
            app.keys.replace(app.settings.key.clone().and(keys));
        }
        Ok(Err(fault)) => app.log.line(Level::Error, "keys_refused", &json!({"cause": fault.to_string()})),
        Err(_panic) => app.log.line(Level::Error, "keys_refused", &json!({"cause": "a worker panicked"})),
    }
}

fn read_certificate(app: &App) {
    let Some(tls) = &app.settings.tls else { return };
    match tls.reload() {
        Ok(()) => app.log.event("certificate_read", json!({})),
        Err(fault) => app.log.line(Level::Error, "certificate_refused", &json!({"cause": fault.to_string()})),
    }
}
