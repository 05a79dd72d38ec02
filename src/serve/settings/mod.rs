//! What an operator can set, with the defaults, and the combinations that are refused.
//!
//! Invariants: every setting stands in [`TABLE`] once; nothing is served to other machines without a key unless
//! someone has said so; no secret can be read out of [`Settings::public`] or a debug print.

mod layers;
mod names;
mod params;
mod recording;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::layers::{Layers, Variables, level_name};
pub use self::names::{Hosts, Origins};
pub use self::params::{CanaryParams, PredictionParams, ServeParams};
pub use self::table::{KEY_VARIABLE, Kind, LOG_KEY_VARIABLE, Setting, TABLE, json_schema, markdown, sample};
use super::keys::{KeySet, KeysError};
use super::log::Level;
use super::records::{Recording, WhenFull};
use super::tls::{Tls, TlsError};

/// Everything the service is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen at.
    pub host: IpAddr,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// Threads that answer requests; `None`: one a processor.
    pub threads: Option<usize>,
    /// The key from the environment, if there is one. Without this and the file the service is open.
    pub key: KeySet,
    /// Further keys.
    pub keys_file: Option<KeysFile>,
    /// Whether an address that other machines reach may be open.
    pub allow_open: bool,
    /// Names that the header `host` may have.
    pub allowed_hosts: Hosts,
    /// Origins whose pages may ask.
    pub allowed_origins: Origins,
    /// How often one caller may ask.
    pub rate: Option<Rate>,
    /// The certificate that the service shows; without one it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Most open connections.
    pub max_connections: usize,
    /// Largest accepted body, in bytes.
    pub body_limit: usize,
    /// Largest accepted body of a batch, in bytes.
    pub batch_body_limit: usize,
    /// Most records of a batch.
    pub batch_records: usize,
    /// Bytes that the bodies of all open requests may take together.
    pub body_memory: usize,
    /// Whether `POST /debug/preprocess` answers.
    pub debug: bool,
    /// Most headers of a request; one with more is answered 431 and its connection closed.
    pub max_headers: usize,
    /// Time for a request's headers to arrive, and the longest a connection may lie idle.
    pub header_timeout: Duration,
    /// Time for a request to arrive and be answered.
    pub request_timeout: Duration,
    /// Time that open requests get after the first signal to stop.
    pub drain: Duration,
    /// The least grave lines of the log that are written.
    pub log_level: Level,
    /// Time between two looks whether a served bundle has changed; none: nobody looks.
    pub reload_poll: Option<Duration>,
    /// The challenger's bundle and share.
    pub canary: Option<CanaryParams>,
    /// How predictions are recorded.
    pub predictions: Option<Recording>,
    /// The site's own words for the model: shown, never acted on.
    pub model_stage: Option<String>,
    /// As above.
    pub model_version: Option<String>,
}

/// How often one caller may ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second on average.
    pub per_second: f64,
    /// Requests at once.
    pub burst: u32,
}

/// A file of keys, and what it held at the start.
#[derive(Debug, Clone)]
pub struct KeysFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its keys.
    pub keys: KeySet,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            threads: None,
            key: KeySet::default(),
            keys_file: None,
            allow_open: false,
            allowed_hosts: Hosts::Any,
            allowed_origins: Origins::default(),
            rate: None,
            tls: None,
            max_connections: 4096,
            body_limit: 64 * 1024,
            batch_body_limit: 8 * 1024 * 1024,
            batch_records: 1000,
            body_memory: 64 * 1024 * 1024,
            debug: false,
            max_headers: 64,
            header_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            log_level: Level::Info,
            reload_poll: None,
            canary: None,
            predictions: None,
            model_stage: None,
            model_version: None,
        }
    }
}

/// Settings that cannot be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The host is no address.
    #[error("host `{0}` is neither an IP address nor `localhost`")]
    Host(String),
    /// A number is out of its range. The first field is the key in params.yaml.
    #[error("serve.{0} must be {1}")]
    Range(&'static str, &'static str),
    /// An item of a list cannot be meant: key, item, what is expected.
    #[error("serve.{0}: `{1}` is {2}")]
    Item(&'static str, String, &'static str),
    /// A value of the wrong type: its source, and what is wrong.
    #[error("{0}: {1}")]
    Value(String, String),
    /// No setting has that name: where it stands, and the nearest one or nothing.
    #[error("{0} is no setting{did}", did = if .1.is_empty() { String::new() } else { format!("; did you mean `{}`?", .1) })]
    Unknown(String, String),
    /// One of the two TLS files is missing.
    #[error("serve.tls_cert and serve.tls_key are set together or not at all")]
    HalfTls,
    /// The keys are not taken.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The certificate is not taken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An open service on a public address.
    #[error(
        "host {0} can be reached from other machines and no API key is set; set CLINPIPE_API_KEY or a file of keys, \
         listen at 127.0.0.1, or say --allow-open"
    )]
    PublicWithoutKey(IpAddr),
}

impl Settings {
    /// Takes what `params` sets over the defaults. Keys are not read here.
    pub fn from_params(params: &ServeParams) -> Result<Self, SettingsError> {
        let default = Self::default();
        let host = params.host.as_deref().map_or(Ok(default.host), parse_host)?;
        if params.tls_cert.is_some() != params.tls_key.is_some() {
            return Err(SettingsError::HalfTls);
        }
        check_bounds(params)?;
        let body_limit = at_least("body_limit", params.body_limit, default.body_limit)?;
        let batch_body_limit = at_least("batch_body_limit", params.batch_body_limit, default.batch_body_limit)?;
        let largest = body_limit.max(batch_body_limit);
        let body_memory = params.body_memory.unwrap_or(default.body_memory.max(largest));
        if body_memory < largest {
            return Err(SettingsError::Range("body_memory", "no less than body_limit and batch_body_limit"));
        }
        Ok(Self {
            host,
            port: params.port.unwrap_or(default.port),
            threads: least("threads", params.threads.map(usize::from), None)?,
            allow_open: params.allow_open.unwrap_or(default.allow_open),
            allowed_hosts: params.allowed_hosts.as_deref().map_or(Ok(Hosts::Any), Hosts::parse)?,
            allowed_origins: params.allowed_origins.as_deref().map_or(Ok(Origins::default()), Origins::parse)?,
            rate: rate(params)?,
            max_connections: at_least("max_connections", params.max_connections, default.max_connections)?,
            body_limit,
            batch_body_limit,
            batch_records: at_least("batch_records", params.batch_records, default.batch_records)?,
            body_memory,
            debug: params.debug.unwrap_or(default.debug),
            max_headers: at_least("max_headers", params.max_headers, default.max_headers)?.min(1024),
            header_timeout: seconds("header_timeout", params.header_timeout, 0.001, default.header_timeout)?,
            request_timeout: seconds("request_timeout", params.request_timeout, 0.001, default.request_timeout)?,
            drain: seconds("drain", params.drain, 0.0, default.drain)?,
            log_level: params.log_level.as_deref().map_or(Ok(default.log_level), |level| {
                level.parse().map_err(|()| SettingsError::Range("log_level", "info, warning, error or off"))
            })?,
            reload_poll: params.reload_poll.map(reload_poll).transpose()?,
            canary: params.canary.clone(),
            predictions: params.predictions.as_ref().map(recording::recording).transpose()?,
            model_stage: params.model_stage.clone(),
            model_version: params.model_version.clone(),
            ..default
        })
    }

    /// The same with what the files hold that `params` names, and with the key from the environment.
    ///
    /// A service that asks nobody for a key answers to local names only, unless hosts were listed: else any web page
    /// could reach it by a name of its own that resolves to the loopback address.
    pub fn load(params: &ServeParams, key: Option<&str>) -> Result<Self, SettingsError> {
        let mut settings = Self::from_params(params)?;
        settings.key = key.map_or(Ok(KeySet::default()), KeySet::single)?;
        if let Some(path) = &params.keys {
            settings.keys_file = Some(KeysFile { path: path.clone(), keys: KeySet::load(path)? });
        }
        if let (Some(cert), Some(key)) = (&params.tls_cert, &params.tls_key) {
            settings.tls = Some(Tls::load(cert, key)?);
        }
        if !settings.keyed() && params.allowed_hosts.is_none() && settings.is_loopback() {
            settings.allowed_hosts = Hosts::Local;
        }
        Ok(settings)
    }

    /// Refuses what is unsafe.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !self.keyed() && !self.is_loopback() && !self.allow_open {
            return Err(SettingsError::PublicWithoutKey(self.host));
        }
        Ok(())
    }

    /// Whether callers need a key.
    pub fn keyed(&self) -> bool {
        !self.key.is_empty() || self.keys_file.is_some()
    }

    fn is_loopback(&self) -> bool {
        self.host.to_canonical().is_loopback()
    }

    /// What is allowed but deserves a loud word.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.keyed() && !self.is_loopback() {
            warnings.push(format!("anyone who reaches {} can ask this service: no API key is set", self.host));
        }
        if self.keyed() && !self.is_loopback() && self.tls.is_none() {
            warnings
                .push("keys and patients' data travel unencrypted unless something before this adds TLS".to_owned());
        }
        if !self.keyed() && matches!(self.allowed_origins, Origins::Any) {
            warnings.push("any web page that a user of this machine opens can ask this service".to_owned());
        }
        warnings
    }

    /// What anyone who may ask for the configuration is shown.
    pub fn public(&self) -> Value {
        json!({
            "keyed": self.keyed(),
            "tls": self.tls.is_some(),
            "model_stage": self.model_stage,
            "model_version": self.model_version,
            "body_limit": self.body_limit,
            "batch_body_limit": self.batch_body_limit,
            "batch_records": self.batch_records,
            "rate_limit_per_second": self.rate.map(|rate| rate.per_second),
            "rate_burst": self.rate.map(|rate| rate.burst),
            "max_connections": self.max_connections,
            "debug": self.debug,
            "header_timeout_seconds": self.header_timeout.as_secs_f64(),
            "request_timeout_seconds": self.request_timeout.as_secs_f64(),
            "drain_seconds": self.drain.as_secs_f64(),
            "log_level": self.log_level,
            "reload_poll_seconds": self.reload_poll.map(|period| period.as_secs_f64()),
            "canary_share": self.canary.as_ref().map(|canary| canary.share),
            "predictions": self.predictions.as_ref().map(|recording| json!({
                "inputs": recording.inputs,
                "when_full": match recording.when_full { WhenFull::Refuse => "refuse", WhenFull::Drop => "drop" },
            })),
        })
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// Reads an address; `localhost` is 127.0.0.1.
pub fn parse_host(text: &str) -> Result<IpAddr, SettingsError> {
    if text == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.parse().map_err(|_| SettingsError::Host(text.to_owned()))
}

fn least(key: &'static str, given: Option<usize>, default: Option<usize>) -> Result<Option<usize>, SettingsError> {
    match given {
        Some(0) => Err(SettingsError::Range(key, "at least 1")),
        given => Ok(given.or(default)),
    }
}

fn at_least(key: &'static str, given: Option<usize>, default: usize) -> Result<usize, SettingsError> {
    Ok(least(key, given, None)?.unwrap_or(default))
}

fn seconds(key: &'static str, given: Option<f64>, from: f64, default: Duration) -> Result<Duration, SettingsError> {
    let words = if from > 0.0 { "from 0.001 to 86400 seconds" } else { "from 0 to 86400 seconds" };
    match given {
        None => Ok(default),
        Some(seconds) if (from..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err(SettingsError::Range(key, words)),
    }
}

fn reload_poll(seconds: f64) -> Result<Duration, SettingsError> {
    let sound = (0.1..=86_400.0).contains(&seconds);
    let range = SettingsError::Range("reload_poll", "from 0.1 to 86400 seconds");
    sound.then(|| Duration::from_secs_f64(seconds)).ok_or(range)
}

fn rate(params: &ServeParams) -> Result<Option<Rate>, SettingsError> {
    if params.rate_burst == Some(0) || params.rate_burst.is_some() && params.rate_limit.is_none() {
        return Err(SettingsError::Range("rate_burst", "at least 1, and beside a rate_limit"));
    }
    match params.rate_limit {
        None | Some(0.0) => Ok(None),
        Some(per_second) if (0.001..=1e6).contains(&per_second) => {
            let burst = params.rate_burst.unwrap_or((2.0 * per_second).ceil() as u32);
            Ok(Some(Rate { per_second, burst }))
        }
        Some(_) => Err(SettingsError::Range("rate_limit", "0, or from 0.001 to 1000000 a second")),
    }
}

/// Probabilities and shares are checked here for their range, and by the bundle for its levels and their order.
fn check_bounds(params: &ServeParams) -> Result<(), SettingsError> {
    let sound = |bound: &f64| (0.0..=1.0).contains(bound);
    if !params.threshold.iter().all(sound) {
        return Err(SettingsError::Range("threshold", "from 0 to 1"));
    }
    let none = BTreeMap::new();
    if !params.risk_levels.as_ref().unwrap_or(&none).values().all(sound) {
        return Err(SettingsError::Range("risk_levels", "numbers from 0 to 1"));
    }
    if !params.canary.iter().map(|canary| &canary.share).all(sound) {
        return Err(SettingsError::Range("canary.share", "from 0 to 1"));
    }
    Ok(())
}
