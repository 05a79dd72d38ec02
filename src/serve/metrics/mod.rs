//! Counters for Prometheus.
//!
//! Invariants: every label has few possible values (route templates, never paths; known methods; the study's levels;
//! the models in service); no label carries a patient's value. The recorder belongs to one service, so two in one
//! process do not mix. What every request counts is looked up once and kept: a counter's registry costs more than the
//! counter.

mod process;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    with_local_recorder,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::AccessLog;
use super::model::{ModelInfo, Outcome, Scored};
use super::records::PredictionLog;

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const IN_FLIGHT: &str = "http_requests_in_flight";
const PREDICTIONS: &str = "predictions_total";
const PROBABILITY: &str = "predicted_probability";
const NUMBER: &str = "predicted_value";
const ERRORS: &str = "errors_total";
const WARNINGS: &str = "input_warnings_total";
const INFO: &str = "model_info";
const RELOADS: &str = "model_reloads_total";
const RECORDED: &str = "prediction_log_lines_total";
const LOST: &str = "log_lines_lost_total";
const WAITING: &str = "prediction_log_waiting_bytes";
const KEYS: &str = "key_requests_total";
const TURNED_AWAY: &str = "connections_turned_away_total";
const WRITABLE: &str = "prediction_log_writable";

/// Upper bounds in seconds: from a prediction's usual cost to the request deadline; those of the Python services are
/// among them, so that their dashboards can go on.
const DURATION_BUCKETS: [f64; 16] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const PROBABILITY_BUCKETS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// The service's counters.
pub(super) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    routes: RwLock<HashMap<String, Vec<Meter>>>,
    in_flight: Gauge,
    keys: RwLock<HashMap<Arc<str>, Counter>>,
    warnings: RwLock<Vec<(&'static str, Counter)>>,
}

/// What the requests of one method on one route count.
struct Meter {
    method: &'static str,
    duration: Histogram,
    answers: Vec<(StatusCode, Counter)>,
}

/// What the predictions of one model count.
pub(super) struct ModelMeter {
    version: String,
    scores: Histogram,
    predictions: RwLock<Vec<(Class, Counter)>>,
}

/// Whether an event was flagged, and its level.
#[derive(Clone, PartialEq, Eq)]
struct Class {
    flagged: Option<bool>,
    level: Option<String>,
}

/// Counts a request as under way for as long as it lives.
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Metrics {
    /// Describes every metric; numbers are counted in buckets that fit `info`.
    pub fn new(info: &ModelInfo) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &DURATION_BUCKETS)?
            .set_buckets_for_metric(Matcher::Full(PROBABILITY.to_owned()), &PROBABILITY_BUCKETS)?
            .set_buckets_for_metric(Matcher::Full(NUMBER.to_owned()), &number_buckets(info))?
            .build_recorder();
        let in_flight = with_local_recorder(&recorder, || {
            describe();
            gauge!(IN_FLIGHT)
        });
        let handle = recorder.handle();
        Ok(Self {
            recorder,
            handle,
            routes: RwLock::default(),
            in_flight,
            keys: RwLock::default(),
            warnings: RwLock::default(),
        })
    }

    /// States that a model is served, and gives what its predictions count.
    pub fn model(&self, role: &'static str, info: &ModelInfo) -> Arc<ModelMeter> {
        let version = info.version().to_owned();
        let name = if info.decision.is_some() { PROBABILITY } else { NUMBER };
        let scores = with_local_recorder(&self.recorder, || {
            info_gauge(role, info).set(1.0);
            histogram!(name, "model_version" => version.clone())
        });
        Arc::new(ModelMeter { version, scores, predictions: RwLock::default() })
    }

    /// States that a model is served no longer.
    pub fn retired(&self, role: &'static str, info: &ModelInfo) {
        with_local_recorder(&self.recorder, || info_gauge(role, info).set(0.0));
    }

    /// Counts an attempt to load a model again.
    pub fn reload(&self, role: &'static str, result: &'static str) {
        with_local_recorder(&self.recorder, || counter!(RELOADS, "role" => role, "result" => result).increment(1));
    }

    /// Counts a request that begins.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    /// Counts an answer.
    pub fn request(&self, method: &'static str, route: &str, status: StatusCode, elapsed: Duration) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let meter = routes.get(route).and_then(|meters| meters.iter().find(|meter| meter.method == method));
        let answers = meter.and_then(|meter| Some((meter, meter.answers.iter().find(|(known, _)| *known == status)?)));
        if let Some((meter, (_, answers))) = answers {
            answers.increment(1);
            meter.duration.record(elapsed.as_secs_f64());
            return;
        }
        drop(routes);
        self.first_request(method, route, status, elapsed);
    }

    fn first_request(&self, method: &'static str, route: &str, status: StatusCode, elapsed: Duration) {
        let (answers, duration) = with_local_recorder(&self.recorder, || {
            let (route, code) = (route.to_owned(), status.as_u16().to_string());
            let answers = counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => code);
            (answers, histogram!(DURATION, "method" => method, "route" => route))
        });
        answers.increment(1);
        duration.record(elapsed.as_secs_f64());
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let meters = routes.entry(route.to_owned()).or_default();
        match meters.iter_mut().find(|meter| meter.method == method) {
            // Another request of the same kind may have come first; both have the same counter.
            Some(meter) => meter.answers.push((status, answers)),
            None => meters.push(Meter { method, duration, answers: vec![(status, answers)] }),
        }
    }

    /// Counts a prediction.
    pub fn prediction(&self, meter: &ModelMeter, scored: &Scored) {
        let (flagged, level) = match &scored.outcome {
            Outcome::Event(event) => {
                meter.scores.record(event.probability);
                (Some(event.flagged), event.tier.as_ref().map(|tier| tier.name.as_str()))
            }
            Outcome::Number(number) => {
                meter.scores.record(*number);
                (None, None)
            }
        };
        meter.count(&self.recorder, flagged, level);
        scored.warnings.iter().for_each(|warning| self.warning(warning.kind));
    }

    fn warning(&self, kind: &'static str) {
        let warnings = self.warnings.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = warnings.iter().find(|(known, _)| *known == kind) {
            counter.increment(1);
            return;
        }
        drop(warnings);
        let counter = with_local_recorder(&self.recorder, || counter!(WARNINGS, "kind" => kind));
        counter.increment(1);
        self.warnings.write().unwrap_or_else(PoisonError::into_inner).push((kind, counter));
    }

    /// Counts an answer to whoever holds the key of that name.
    pub fn key(&self, name: &Arc<str>) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = keys.get(name) {
            counter.increment(1);
            return;
        }
        drop(keys);
        let counter = with_local_recorder(&self.recorder, || counter!(KEYS, "key" => name.clone()));
        counter.increment(1);
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), counter);
    }

    /// Counts a connection that was closed for another (`idle`) or found no place (`full`).
    pub fn turned_away(&self, reason: &'static str) {
        with_local_recorder(&self.recorder, || counter!(TURNED_AWAY, "reason" => reason).increment(1));
    }

    /// Counts an answer that is an error.
    pub fn error(&self, code: &'static str) {
        with_local_recorder(&self.recorder, || counter!(ERRORS, "code" => code).increment(1));
    }

    /// The text that Prometheus reads, with the numbers of the logs and of the process as they are now.
    pub fn render(&self, log: &AccessLog, records: &PredictionLog) -> String {
        with_local_recorder(&self.recorder, || {
            counter!(LOST, "log" => "service").absolute(log.lost());
            if let Some(counts) = records.counts() {
                counter!(LOST, "log" => "predictions").absolute(counts.lost);
                counter!(RECORDED).absolute(counts.written);
                gauge!(WAITING).set(counts.waiting_bytes as f64);
                gauge!(WRITABLE).set(if counts.failing { 0.0 } else { 1.0 });
            }
        });
        let mut text = self.handle.render();
        process::write(&mut text);
        text
    }

    /// Folds the histograms' raw samples into buckets. Without it they would pile up when nobody reads the metrics.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl ModelMeter {
    fn count(&self, recorder: &PrometheusRecorder, flagged: Option<bool>, level: Option<&str>) {
        let predictions = self.predictions.read().unwrap_or_else(PoisonError::into_inner);
        let is_same = |class: &Class| class.flagged == flagged && class.level.as_deref() == level;
        if let Some((_, counter)) = predictions.iter().find(|(class, _)| is_same(class)) {
            counter.increment(1);
            return;
        }
        drop(predictions);
        let class = match flagged {
            Some(true) => "1",
            Some(false) => "0",
            None => "none",
        };
        let (tier, version) = (level.unwrap_or("none").to_owned(), self.version.clone());
        let counter = with_local_recorder(
            recorder,
            || counter!(PREDICTIONS, "class" => class, "tier" => tier, "model_version" => version),
        );
        counter.increment(1);
        let class = Class { flagged, level: level.map(str::to_owned) };
        self.predictions.write().unwrap_or_else(PoisonError::into_inner).push((class, counter));
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Answered HTTP requests.");
    describe_histogram!(DURATION, "Time from a request's headers to its answer.");
    describe_gauge!(IN_FLIGHT, "Requests that are not answered yet.");
    describe_counter!(PREDICTIONS, "Predictions by class (1 = flagged), risk level and model.");
    describe_histogram!(PROBABILITY, "Calibrated probabilities of the answered predictions.");
    describe_histogram!(NUMBER, "Predicted numbers, in the unit of the outcome.");
    describe_counter!(ERRORS, "Answers that are errors, by code.");
    describe_counter!(WARNINGS, "Accepted inputs that were remarked on, by kind.");
    describe_gauge!(INFO, "1 for a served model, 0 for one that was served before.");
    describe_counter!(RELOADS, "Attempts to load a model again, by result.");
    describe_counter!(KEYS, "Answered requests that came with a valid key, by its name.");
    describe_counter!(TURNED_AWAY, "Connections closed because all places were taken: idle ones, or new ones.");
    describe_counter!(RECORDED, "Lines written to the log of predictions.");
    describe_counter!(LOST, "Lines of a log that were lost.");
    describe_gauge!(WAITING, "Bytes of the log of predictions that wait for the disk.");
    describe_gauge!(WRITABLE, "1 while the log of predictions can be written, else 0.");
}

fn info_gauge(role: &'static str, info: &ModelInfo) -> Gauge {
    let (model, bundle, data) = (info.name.clone(), info.version().to_owned(), info.data.clone());
    gauge!(INFO, "model" => model, "bundle" => bundle, "data" => data, "role" => role)
}

/// Tenths of the outcome's bounds; without bounds, powers of ten on both sides of zero.
fn number_buckets(info: &ModelInfo) -> Vec<f64> {
    match info.range {
        Some([low, high]) => (1..=10).map(|tenth| low + (high - low) * f64::from(tenth) / 10.0).collect(),
        None => vec![-1e4, -1e3, -100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0, 1e3, 1e4],
    }
}

/// Known methods by name; any other word a client invents is `other`.
pub(super) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
