//! Counters for Prometheus.
//!
//! Invariants: every label has few possible values (route templates, never paths; known methods; the study's levels);
//! no label carries a patient's value. The recorder belongs to one service, so two in one process do not mix.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::model::{Event, ModelInfo, Outcome, Scored};

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const PREDICTIONS: &str = "predictions_total";
const PROBABILITY: &str = "predicted_probability";
const NUMBER: &str = "predicted_value";
const ERRORS: &str = "errors_total";
const WARNINGS: &str = "input_warnings_total";
const INFO: &str = "model_info";

/// Upper bounds in seconds: from a prediction's usual cost to the request deadline.
const DURATION_BUCKETS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];
const PROBABILITY_BUCKETS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// The service's counters.
pub(super) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Metrics {
    /// Describes every metric and states which model is served.
    pub fn new(info: &ModelInfo) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &DURATION_BUCKETS)?
            .set_buckets_for_metric(Matcher::Full(PROBABILITY.to_owned()), &PROBABILITY_BUCKETS)?
            .set_buckets_for_metric(Matcher::Full(NUMBER.to_owned()), &number_buckets(info))?
            .build_recorder();
        with_local_recorder(&recorder, || {
            describe_counter!(REQUESTS, "Answered HTTP requests.");
            describe_histogram!(DURATION, "Time from a request's headers to its answer.");
            describe_counter!(PREDICTIONS, "Predictions by class (1 = flagged), risk level and model.");
            describe_histogram!(PROBABILITY, "Calibrated probabilities of the answered predictions.");
            describe_histogram!(NUMBER, "Predicted numbers, in the unit of the outcome.");
            describe_counter!(ERRORS, "Answers that are errors, by code.");
            describe_counter!(WARNINGS, "Accepted inputs that were remarked on, by kind.");
            describe_gauge!(INFO, "The served model; always 1.");
            gauge!(INFO, "model" => info.name.clone(), "bundle" => info.version().to_owned(), "data" => info.data.clone())
                .set(1.0);
        });
        let handle = recorder.handle();
        Ok(Self { recorder, handle })
    }

    /// Counts an answer.
    pub fn request(&self, method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
        let (method, route) = (method_label(method), route.to_owned());
        with_local_recorder(&self.recorder, || {
            counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.as_u16().to_string())
                .increment(1);
            histogram!(DURATION, "method" => method, "route" => route).record(elapsed.as_secs_f64());
        });
    }

    /// Counts a prediction.
    pub fn prediction(&self, info: &ModelInfo, scored: &Scored) {
        with_local_recorder(&self.recorder, || {
            match &scored.outcome {
                Outcome::Event(event) => event_counted(info, event),
                Outcome::Number(number) => {
                    counter!(PREDICTIONS, "class" => "none", "tier" => "none", "model_version" => version(info))
                        .increment(1);
                    histogram!(NUMBER).record(*number);
                }
            }
            for warning in &scored.warnings {
                counter!(WARNINGS, "kind" => warning.kind.clone()).increment(1);
            }
        });
    }

    /// Counts an answer that is an error.
    pub fn error(&self, code: &'static str) {
        with_local_recorder(&self.recorder, || counter!(ERRORS, "code" => code).increment(1));
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds the histograms' raw samples into buckets. Without it they would pile up when nobody reads the metrics.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Tenths of the outcome's bounds; without bounds, powers of ten on both sides of zero.
fn number_buckets(info: &ModelInfo) -> Vec<f64> {
    match info.range {
        Some([low, high]) => (1..=10).map(|tenth| low + (high - low) * f64::from(tenth) / 10.0).collect(),
        None => vec![-1e4, -1e3, -100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0, 1e3, 1e4],
    }
}

fn event_counted(info: &ModelInfo, event: &Event) {
    let class = if event.flagged { "1" } else { "0" };
    let tier = event.tier.as_ref().map_or_else(|| "none".to_owned(), |tier| tier.name.clone());
    counter!(PREDICTIONS, "class" => class, "tier" => tier, "model_version" => version(info)).increment(1);
    histogram!(PROBABILITY).record(event.probability);
}

fn version(info: &ModelInfo) -> String {
    info.version().to_owned()
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
