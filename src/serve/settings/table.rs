//! The one list of what can be set: its key in files, its variable, its aliases and its flag.
//!
//! The table in docs/serving.md and the sample in deploy/serve.env.example are written from it, and a test holds it
//! against [`super::ServeParams`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in params.yaml under `serve` and in a settings file.
    pub key: &'static str,
    /// How the text of a variable is read.
    pub kind: Kind,
    /// Other variables that are read when `CLINPIPE_…` is not set, as the systems that clinpipe replaces call them.
    pub aliases: &'static [&'static str],
    /// The flag of `clinpipe serve`.
    pub flag: Option<&'static str>,
    /// What holds when nothing is set, for people.
    pub default: &'static str,
    /// A value for the sample file.
    pub example: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// What a setting's text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it stands.
    Text,
    /// A file or directory; a relative one starts where it was written.
    Path,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Switch,
    /// Texts between commas.
    List,
    /// Numbers by name; each has its own variable, which ends in the name.
    Bounds,
}

impl Setting {
    /// `CLINPIPE_` and the key; for bounds the part before the name.
    pub fn variable(&self) -> String {
        match self.kind {
            Kind::Bounds => "CLINPIPE_RISK_THRESHOLD_".to_owned(),
            _ => format!("CLINPIPE_{}", self.key.to_ascii_uppercase().replace('.', "_")),
        }
    }
}

/// The variable of the key of pseudonyms in the log of predictions; it wins over `predictions.key_file`.
pub const LOG_KEY_VARIABLE: &str = "CLINPIPE_LOG_KEY";
/// The variable of the one API key, which no file may hold.
pub const KEY_VARIABLE: &str = "CLINPIPE_API_KEY";
/// Its alias.
pub const KEY_ALIAS: &str = "API_KEY";
/// The beginning of the aliases of risk levels.
pub(super) const LEVEL_ALIAS: &str = "RISK_THRESHOLD_";

const fn setting(key: &'static str, kind: Kind, default: &'static str, example: &'static str) -> Setting {
    Setting { key, kind, aliases: &[], flag: None, default, example, about: "" }
}

impl Setting {
    const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }
}

/// Every setting, in the order of the documentation.
pub const TABLE: &[Setting] = &[
    setting("bundle", Kind::Path, "the pipeline's, else artifacts/bundle", "/srv/risk/bundle")
        .about("The bundle's directory.")
        .alias(&["MODEL_DIR", "MODEL_PATH"])
        .flag("--bundle"),
    setting("host", Kind::Text, "127.0.0.1", "127.0.0.1")
        .about("Address to listen at: an IP address or `localhost`. Other machines reach it only with a key.")
        .alias(&["API_HOST"])
        .flag("--host"),
    setting("port", Kind::Integer, "8000", "8000")
        .about("TCP port; 0 lets the system choose.")
        .alias(&["API_PORT"])
        .flag("--port"),
    setting("threads", Kind::Integer, "one a processor", "2")
        .about("Threads that answer requests; -1 as many as there are processors.")
        .alias(&["N_JOBS"]),
    setting("threshold", Kind::Number, "the bundle's", "0.25")
        .about("Probability from which a patient is flagged; answers say that it was set here.")
        .alias(&["DECISION_THRESHOLD"])
        .flag("--threshold"),
    setting("risk_levels", Kind::Bounds, "the bundle's", "0.6")
        .about("Lowest probability of a risk level, by its name: `{High: 0.6}`, or a variable a level.")
        .alias(&["RISK_THRESHOLD_<LEVEL>"]),
    setting("keys", Kind::Path, "no file", "/etc/clinpipe/keys.yaml")
        .about("File with the names, hashes and scopes of API keys; read again when it changes and on SIGHUP.")
        .flag("--keys"),
    setting("allow_open", Kind::Switch, "false", "false")
        .about("Serve an address that other machines reach without any key.")
        .flag("--allow-open"),
    setting("allowed_hosts", Kind::List, "any; local names when open", "risk.example.org,*.ward.example.org")
        .about("Names that the header `host` may have; `*.` before a name allows those below it, `*` allows any.")
        .alias(&["ALLOWED_HOSTS"]),
    setting("allowed_origins", Kind::List, "none", "https://ward.example.org")
        .about("Origins whose web pages may ask: `https://ward.example.org`; `*` allows any.")
        .alias(&["ALLOWED_ORIGINS"]),
    setting("rate_limit", Kind::Number, "none", "50")
        .about("Requests a second that one key, or without keys one address, may send on average; 0 for no limit."),
    setting("rate_burst", Kind::Integer, "twice the rate", "100").about("Requests that one caller may send at once."),
    setting("tls_cert", Kind::Path, "no TLS", "/etc/clinpipe/tls/cert.pem")
        .about("PEM file with the certificate and its chain; read again when it changes and on SIGHUP."),
    setting("tls_key", Kind::Path, "no TLS", "/etc/clinpipe/tls/key.pem").about("PEM file with its private key."),
    setting("max_connections", Kind::Integer, "4096", "4096")
        .about("Most open connections; one more closes the one that has been idle longest, or is answered 503."),
    setting("max_headers", Kind::Integer, "64", "64").about("Most headers of a request; more are answered 431."),
    setting("body_limit", Kind::Integer, "65536", "65536").about("Largest body of one record, in bytes; else 413."),
    setting("batch_body_limit", Kind::Integer, "8388608", "8388608")
        .about("Largest body of a batch, in bytes; else 413."),
    setting("batch_records", Kind::Integer, "1000", "1000").about("Most records of a batch; else 413."),
    setting("body_memory", Kind::Integer, "67108864", "67108864")
        .about("Bytes that the bodies of all open requests may take together; beyond, 503 with `retry-after`."),
    setting("header_timeout", Kind::Number, "15", "15")
        .about("Seconds for a request's headers to arrive, and the longest a connection may lie idle."),
    setting("request_timeout", Kind::Number, "10", "10")
        .about("Seconds within which a request must have arrived and been answered; else 408."),
    setting("drain", Kind::Number, "10", "10").about("Seconds that open requests get after the first signal to stop."),
    setting("debug", Kind::Switch, "false", "false").about("Answer `POST /debug/preprocess`."),
    setting("log_level", Kind::Text, "info", "info")
        .about("The least grave lines of the log that are written: `info`, `warning`, `error` or `off`.")
        .alias(&["LOG_LEVEL"]),
    setting("reload_poll", Kind::Number, "only at SIGHUP", "30")
        .about("Seconds between two looks whether a served bundle has changed on disk.")
        .flag("--reload-poll"),
    setting("canary.bundle", Kind::Path, "none", "/srv/risk/next").about("A second bundle, on trial.").flag("--canary"),
    setting("canary.share", Kind::Number, "0", "0.1")
        .about("Share of the patients that the bundle on trial answers for, from 0 to 1.")
        .flag("--canary-share"),
    setting("predictions.file", Kind::Path, "no record", "/var/log/clinpipe/predictions.jsonl")
        .about("File to which every prediction is recorded as a line of JSON.")
        .flag("--predictions"),
    setting("predictions.inputs", Kind::Switch, "false", "false")
        .about("Whether those lines hold the inputs too, without what names a patient."),
    setting("predictions.rotate", Kind::Text, "daily", "daily")
        .about("When the file is set aside: `daily`, a size such as `100MB`, or `never`."),
    setting("predictions.keep", Kind::Integer, "all", "30").about("How many files set aside are kept."),
    setting("predictions.when_full", Kind::Text, "refuse", "refuse")
        .about("When lines cannot be written: `refuse` predictions or `drop` lines."),
    setting("predictions.key_file", Kind::Path, "a key for the run", "/etc/clinpipe/log.key")
        .about("File with the key of the pseudonyms."),
    setting("model_stage", Kind::Text, "none", "production")
        .about("The site's word for the model's stage: shown in `/config`, chooses nothing.")
        .alias(&["MODEL_STAGE"]),
    setting("model_version", Kind::Text, "none", "v3")
        .about("The site's word for the model's version: shown in `/config`; the bundle's digest stays the version.")
        .alias(&["MODEL_VERSION"]),
];

/// The setting of that key.
pub fn setting_of(key: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.key == key)
}

/// The JSON Schema of `serve` in params.yaml, for editors.
pub fn json_schema() -> Value {
    let shape = |kind: Kind| match kind {
        Kind::Text | Kind::Path => json!({"type": "string"}),
        Kind::Integer => json!({"type": "integer", "minimum": 0}),
        Kind::Number => json!({"type": "number", "minimum": 0}),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::List => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Bounds => {
            json!({"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}})
        }
    };
    let property = |setting: &Setting| {
        let mut property = shape(setting.kind);
        property["description"] = json!(format!("{} Default: {}.", setting.about, setting.default));
        property
    };
    let object = |properties: Map<String, Value>| json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties});
    let mut properties = Map::new();
    let mut sections: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for setting in TABLE {
        match setting.key.split_once('.') {
            Some((section, name)) => {
                sections.entry(section).or_default().insert(name.to_owned(), property(setting));
            }
            None => {
                properties.insert(setting.key.to_owned(), property(setting));
            }
        }
    }
    properties.extend(sections.into_iter().map(|(section, inner)| (section.to_owned(), object(inner))));
    object(properties)
}

/// The table of docs/serving.md.
pub fn markdown() -> String {
    let mut text =
        String::from("| key | variable | also read | flag | default | what it does |\n|---|---|---|---|---|---|\n");
    let code = |word: &str| format!("`{word}`");
    for setting in TABLE {
        let level = if setting.kind == Kind::Bounds { "<LEVEL>" } else { "" };
        let aliases: Vec<String> = setting.aliases.iter().copied().map(code).collect();
        let flag = setting.flag.map(code).unwrap_or_default();
        let variable = code(&format!("{}{level}", setting.variable()));
        let Setting { key, default, about, .. } = setting;
        // Writing to a String cannot fail.
        let _written =
            writeln!(text, "| `{key}` | {variable} | {} | {flag} | {default} | {about} |", aliases.join(" "));
    }
    let about = "The one API key, at least 16 characters; no file and no flag may hold it.";
    let _written = writeln!(text, "|  | `{KEY_VARIABLE}` | `{KEY_ALIAS}` |  | none | {about} |");
    let about = "The key of the pseudonyms in the log of predictions, at least 16 bytes.";
    let _written = writeln!(text, "|  | `{LOG_KEY_VARIABLE}` |  |  | `predictions.key_file` | {about} |");
    text
}

/// The sample file of variables; every line that sets something is commented out.
pub fn sample() -> String {
    let mut text = String::from(
        "# What `clinpipe serve` reads of its environment. Take away the `#` before a name to set it.\n\
         # docs/serving.md has the same list with the keys of the settings file.\n\n\
         # The one API key; `clinpipe serve key new --name NAME` makes one. Keep this file from others.\n",
    );
    let _written = writeln!(text, "#{KEY_VARIABLE}=<YOUR KEY>");
    text.push_str("\n# The key of the pseudonyms in the log of predictions.\n");
    let _written = writeln!(text, "#{LOG_KEY_VARIABLE}=<ANOTHER>");
    for setting in TABLE {
        let level = if setting.kind == Kind::Bounds { "HIGH" } else { "" };
        let about = setting.about.replace('`', "");
        let _written = writeln!(text, "\n# {about}\n#{}{level}={}", setting.variable(), setting.example);
    }
    text
}
