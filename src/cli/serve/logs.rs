//! Where a service writes: its own log to stderr, and predictions to their file under a key for pseudonyms.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;

use crate::cli::error::UsageError;
use crate::cli::output::Output;
use crate::serve::{AccessLog, LOG_KEY_VARIABLE, LogKey, LogWriter, Logs, PredictionLog, RecordWriter, Settings};
use crate::util::utc;

/// The threads that write the logs.
pub(super) struct Writers {
    service: LogWriter,
    predictions: Option<RecordWriter>,
}

impl Writers {
    /// Waits for the last lines; the predictions first, since their writer may have something to tell.
    pub(super) fn finish(self, logs: Logs) {
        if let Some(writer) = self.predictions {
            logs.predictions.finish(writer);
        }
        logs.service.finish(self.service);
    }
}

/// Starts both logs.
pub(super) fn open_logs(
    settings: &Settings,
    key_file: Option<&Path>,
    output: &Output,
) -> anyhow::Result<(Logs, Writers)> {
    let clock = || utc::rfc3339(SystemTime::now());
    let (service, writer) = AccessLog::start(Box::new(io::stderr()), clock).context("cannot start the log")?;
    let service = service.at(settings.log_level);
    let mut logs = Logs { service, predictions: PredictionLog::default() };
    let mut writers = Writers { service: writer, predictions: None };
    if let Some(recording) = &settings.predictions {
        let key = log_key(key_file)?.map_or_else(|| ephemeral_key(output), Ok)?;
        let started = PredictionLog::start(recording, key, logs.service.clone());
        let (predictions, writer) = started.map_err(|error| {
            let help = "name a file in a directory that can be written to, for this service alone";
            UsageError::new(format!("cannot record predictions in {}: {error}", recording.file.display()), help)
        })?;
        (logs.predictions, writers.predictions) = (predictions, Some(writer));
    }
    Ok((logs, writers))
}

/// The key of the pseudonyms, from the environment or else a file.
pub(super) fn log_key(file: Option<&Path>) -> anyhow::Result<Option<LogKey>> {
    let (name, secret) = match (std::env::var_os(LOG_KEY_VARIABLE), file) {
        (Some(text), _) => (LOG_KEY_VARIABLE.to_owned(), text.into_encoded_bytes()),
        (None, Some(file)) => {
            let help = "write a key of at least 16 bytes to it, readable by the service alone";
            let unread =
                |error| UsageError::new(format!("cannot read the key of the log in {}: {error}", file.display()), help);
            (file.display().to_string(), fs::read(file).map_err(unread)?)
        }
        (None, None) => return Ok(None),
    };
    let weak = || UsageError::new(format!("{name} holds no usable key"), "a key has at least 16 bytes");
    Ok(Some(LogKey::new(&secret).ok_or_else(weak)?))
}

/// A key for this run only.
fn ephemeral_key(output: &Output) -> anyhow::Result<LogKey> {
    let mut secret = [0; 32];
    fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut secret)).context("no random key")?;
    output.talk(&format!(
        "warning: {LOG_KEY_VARIABLE} is not set; the log's pseudonyms of patients hold for this run only, so its lines \
         cannot be joined with those before or after"
    ));
    // As text, since white space at the ends of a key does not count.
    LogKey::new(blake3::hash(&secret).to_hex().as_bytes()).context("no random key")
}
