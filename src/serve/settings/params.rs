//! `serve` as people write it: in params.yaml, in a settings file, and, one by one, as variables and flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What can be set. A key that is left out keeps its default; [`super::TABLE`] tells what each one is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeParams {
    /// The bundle's directory.
    pub bundle: Option<PathBuf>,
    /// Address to listen at: an IP address or `localhost`.
    pub host: Option<String>,
    /// TCP port; 0 lets the system choose.
    pub port: Option<u16>,
    /// Threads that answer requests.
    pub threads: Option<u16>,
    /// Probability from which a patient is flagged.
    pub threshold: Option<f64>,
    /// Lowest probability of risk levels, by name.
    pub risk_levels: Option<BTreeMap<String, f64>>,
    /// File with the hashes of the API keys.
    pub keys: Option<PathBuf>,
    /// Serve a public address without any key.
    pub allow_open: Option<bool>,
    /// Names that the header `host` may have.
    pub allowed_hosts: Option<Vec<String>>,
    /// Origins whose pages may ask.
    pub allowed_origins: Option<Vec<String>>,
    /// Requests a second that one caller may send on average.
    pub rate_limit: Option<f64>,
    /// Requests that one caller may send at once.
    pub rate_burst: Option<u32>,
    /// PEM file with the certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
    /// Most open connections.
    pub max_connections: Option<usize>,
    /// Most headers of a request.
    pub max_headers: Option<usize>,
    /// Largest accepted body, in bytes.
    pub body_limit: Option<usize>,
    /// Largest accepted body of a batch, in bytes.
    pub batch_body_limit: Option<usize>,
    /// Most records of a batch.
    pub batch_records: Option<usize>,
    /// Bytes that the bodies of all open requests may take together.
    pub body_memory: Option<usize>,
    /// Seconds for a request's headers to arrive, and the longest a connection may lie idle.
    pub header_timeout: Option<f64>,
    /// Seconds within which a request must have arrived and been answered.
    pub request_timeout: Option<f64>,
    /// Seconds that open requests get after the first signal to stop.
    pub drain: Option<f64>,
    /// Whether `POST /debug/preprocess` shows what the model reads of a record.
    pub debug: Option<bool>,
    /// The least grave lines of the service's log that are written.
    pub log_level: Option<String>,
    /// Seconds between two looks whether a served bundle has changed on disk.
    pub reload_poll: Option<f64>,
    /// A second model on trial.
    pub canary: Option<CanaryParams>,
    /// The log of predictions; without it there is none.
    pub predictions: Option<PredictionParams>,
    /// The site's name of the model's stage; shown, chooses nothing.
    pub model_stage: Option<String>,
    /// The site's name of the model's version; shown, chooses nothing.
    pub model_version: Option<String>,
}

/// `serve.canary`: a challenger that answers for a share of the patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryParams {
    /// The directory of its bundle.
    pub bundle: PathBuf,
    /// The share of the patients that it answers for, from 0 (only who asks for it) to 1.
    #[serde(default)]
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
