//! What an operator can set, with the defaults, and the combinations that are refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiKey;
use super::log::Level;
use super::records::{Recording, Rotation, WhenFull};

/// `serve` in params.yaml. Flags of the command line win over it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeParams {
    /// Address to listen at: an IP address or `localhost`.
    pub host: Option<String>,
    /// TCP port; 0 lets the system choose.
    pub port: Option<u16>,
    /// Largest accepted body, in bytes.
    pub body_limit: Option<usize>,
    /// Largest accepted body of a batch, in bytes.
    pub batch_body_limit: Option<usize>,
    /// Most records of a batch.
    pub batch_records: Option<usize>,
    /// Whether `POST /debug/preprocess` shows what the model reads of a record.
    pub debug: Option<bool>,
    /// Seconds within which a request must have arrived and been answered.
    pub request_timeout: Option<f64>,
    /// Seconds that open requests get after the first signal to stop.
    pub drain: Option<f64>,
    /// The least grave lines of the service's log that are written: `info`, `warning`, `error` or `off`.
    pub log_level: Option<String>,
    /// Seconds between two looks whether a served bundle has changed on disk; such a one is loaded. Without it, only
    /// SIGHUP loads bundles again.
    pub reload_poll: Option<f64>,
    /// A second model on trial.
    pub canary: Option<CanaryParams>,
    /// The log of predictions; without it there is none.
    pub predictions: Option<PredictionParams>,
}

/// `serve.canary`: a challenger that answers for a share of the patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryParams {
    /// The directory of its bundle.
    pub bundle: PathBuf,
    /// The share of the patients that it answers for, from 0 (only who asks for it) to 1.
    pub share: f64,
}

/// `serve.predictions`: every prediction and every refused record as a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionParams {
    /// The file.
    pub file: PathBuf,
    /// Whether lines hold the inputs too, without what names a patient; the watch on drift needs them.
    #[serde(default)]
    pub inputs: bool,
    /// When the file is set aside: `daily` (at midnight UTC, the default), a size such as `100MB`, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<String>,
    /// How many files set aside are kept; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// What happens when lines cannot be written: `refuse` predictions (the default) or `drop` lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_full: Option<String>,
    /// A file with the key of the pseudonyms; `CLINPIPE_LOG_KEY` wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl PredictionParams {
    /// That file and the defaults.
    pub fn in_file(file: PathBuf) -> Self {
        Self { file, inputs: false, rotate: None, keep: None, when_full: None, key_file: None }
    }
}

/// Everything the service is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen at.
    pub host: IpAddr,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// The key that every POST must carry. `None`: open, which only a loopback address may be.
    pub api_key: Option<ApiKey>,
    /// Largest accepted body, in bytes.
    pub body_limit: usize,
    /// Largest accepted body of a batch, in bytes.
    pub batch_body_limit: usize,
    /// Most records of a batch.
    pub batch_records: usize,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            api_key: None,
            body_limit: 64 * 1024,
            batch_body_limit: 8 * 1024 * 1024,
            batch_records: 1000,
            debug: false,
            max_headers: 64,
            header_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            log_level: Level::Info,
            reload_poll: None,
            canary: None,
            predictions: None,
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
    /// An open service on a public address.
    #[error(
        "host {0} can be reached from other machines and no API key is set; \
         set CLINPIPE_API_KEY, or listen at 127.0.0.1"
    )]
    PublicWithoutKey(IpAddr),
}

impl Settings {
    /// Takes what `params` sets over the defaults.
    pub fn from_params(params: &ServeParams) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        if let Some(host) = &params.host {
            settings.host = parse_host(host)?;
        }
        if let Some(port) = params.port {
            settings.port = port;
        }
        if let Some(limit) = params.body_limit {
            if limit == 0 {
                return Err(SettingsError::Range("body_limit", "at least 1 byte"));
            }
            settings.body_limit = limit;
        }
        if let Some(limit) = params.batch_body_limit {
            if limit == 0 {
                return Err(SettingsError::Range("batch_body_limit", "at least 1 byte"));
            }
            settings.batch_body_limit = limit;
        }
        if let Some(records) = params.batch_records {
            if records == 0 {
                return Err(SettingsError::Range("batch_records", "at least 1"));
            }
            settings.batch_records = records;
        }
        settings.debug = params.debug.unwrap_or(settings.debug);
        if let Some(seconds) = params.request_timeout {
            settings.request_timeout = duration(seconds, 0.001)
                .ok_or(SettingsError::Range("request_timeout", "from 0.001 to 86400 seconds"))?;
        }
        if let Some(seconds) = params.drain {
            settings.drain = duration(seconds, 0.0).ok_or(SettingsError::Range("drain", "from 0 to 86400 seconds"))?;
        }
        settings.operate(params)?;
        Ok(settings)
    }

    /// What is told of it, how it renews itself, and what it keeps on record.
    fn operate(&mut self, params: &ServeParams) -> Result<(), SettingsError> {
        if let Some(level) = &params.log_level {
            let range = SettingsError::Range("log_level", "info, warning, error or off");
            self.log_level = level.parse().map_err(|()| range)?;
        }
        if let Some(seconds) = params.reload_poll {
            let range = SettingsError::Range("reload_poll", "from 0.1 to 86400 seconds");
            self.reload_poll = Some(duration(seconds, 0.1).ok_or(range)?);
        }
        if let Some(canary) = &params.canary {
            if !(0.0..=1.0).contains(&canary.share) {
                return Err(SettingsError::Range("canary.share", "from 0 to 1"));
            }
            self.canary = Some(canary.clone());
        }
        self.predictions = params.predictions.as_ref().map(recording).transpose()?;
        Ok(())
    }

    /// Refuses what is unsafe.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.api_key.is_none() && !self.host.to_canonical().is_loopback() {
            return Err(SettingsError::PublicWithoutKey(self.host));
        }
        Ok(())
    }

    /// What anyone who may ask for the configuration is shown.
    pub fn public(&self) -> Value {
        json!({
            "keyed": self.api_key.is_some(),
            "body_limit": self.body_limit,
            "batch_body_limit": self.batch_body_limit,
            "batch_records": self.batch_records,
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

fn recording(params: &PredictionParams) -> Result<Recording, SettingsError> {
    let rotation = match params.rotate.as_deref() {
        None | Some("daily") => Rotation::Daily,
        Some("never") => Rotation::Never,
        Some(text) => {
            let size = size(text).filter(|&size| size > 0);
            let range = SettingsError::Range("predictions.rotate", "daily, never or a size such as 100MB");
            Rotation::Size(size.ok_or(range)?)
        }
    };
    let when_full = match params.when_full.as_deref() {
        None | Some("refuse") => WhenFull::Refuse,
        Some("drop") => WhenFull::Drop,
        Some(_) => return Err(SettingsError::Range("predictions.when_full", "refuse or drop")),
    };
    if params.file.as_os_str().is_empty() {
        return Err(SettingsError::Range("predictions.file", "the name of a file"));
    }
    let PredictionParams { file, inputs, keep, .. } = params.clone();
    Ok(Recording { file, inputs, rotation, keep, when_full })
}

/// Bytes as people write them: `500000`, `64KB`, `100MB`, `2GB`.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

fn duration(seconds: f64, least: f64) -> Option<Duration> {
    (least..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_host(host: &str) -> Result<Settings, SettingsError> {
        Settings::from_params(&ServeParams { host: Some(host.to_owned()), ..ServeParams::default() })
    }

    #[test]
    fn a_public_address_needs_a_key() {
        let mut settings = with_host("0.0.0.0").expect("an address");
        assert!(matches!(settings.check(), Err(SettingsError::PublicWithoutKey(_))));
        settings.api_key = ApiKey::new("k");
        assert_eq!(settings.check(), Ok(()));
        for host in ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "127.8.8.8"] {
            assert_eq!(with_host(host).expect("an address").check(), Ok(()), "{host}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(with_host("everywhere").expect_err("no address"), SettingsError::Host("everywhere".to_owned()));
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            let params = ServeParams { drain: Some(seconds), ..ServeParams::default() };
            assert!(Settings::from_params(&params).is_err(), "{seconds}");
        }
    }

    #[test]
    fn how_predictions_are_recorded_is_read() {
        let read = |value: Value| {
            let params: ServeParams = serde_json::from_value(json!({"predictions": value})).expect("of that shape");
            Settings::from_params(&params)
        };
        let plain = read(json!({"file": "p.jsonl"})).expect("the file is enough").predictions.expect("a recording");
        assert_eq!((plain.rotation, plain.keep, plain.inputs), (Rotation::Daily, None, false));
        assert_eq!(plain.when_full, WhenFull::Refuse, "the safe way is the default");
        let set = json!({"file": "p", "rotate": "100MB", "keep": 7, "when_full": "drop", "inputs": true});
        let set = read(set).expect("good").predictions.expect("a recording");
        assert_eq!((set.rotation, set.keep, set.when_full), (Rotation::Size(100_000_000), Some(7), WhenFull::Drop));
        for (key, value) in
            [("rotate", "weekly"), ("rotate", "0MB"), ("rotate", "99999999999GB"), ("when_full", "wait")]
        {
            let error = read(json!({"file": "p", key: value})).expect_err("no such way");
            assert!(error.to_string().contains(&format!("serve.predictions.{key} must be")), "{error}");
        }
    }

    #[test]
    fn shares_levels_and_periods_have_their_ranges() {
        for (params, word) in [
            (json!({"canary": {"bundle": "b", "share": 1.5}}), "serve.canary.share"),
            (json!({"canary": {"bundle": "b", "share": -0.1}}), "serve.canary.share"),
            (json!({"log_level": "chatty"}), "serve.log_level"),
            (json!({"reload_poll": 0}), "serve.reload_poll"),
        ] {
            let params: ServeParams = serde_json::from_value(params).expect("of that shape");
            let error = Settings::from_params(&params).expect_err("out of range").to_string();
            assert!(error.starts_with(word), "{error}");
        }
    }
}
