//! What an operator can set, with the defaults, and the combinations that are refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiKey;

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
        Ok(settings)
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
}
