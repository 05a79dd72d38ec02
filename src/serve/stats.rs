//! What `/stats` tells: sums kept in memory, never read back from a log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::model::{Outcome, Scored};

#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    predictions: u64,
    flagged: u64,
    /// Of probabilities, or of predicted numbers.
    predicted: f64,
    answers: u64,
    latency: Duration,
}

/// Counts predictions since the start of the service.
pub(super) struct Stats {
    session: String,
    sums: Mutex<Sums>,
}

impl Stats {
    /// `session` names this run of the service.
    pub fn new(session: String) -> Self {
        Self { session, sums: Mutex::default() }
    }

    /// Counts a prediction.
    pub fn prediction(&self, scored: &Scored) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.predictions += 1;
        match &scored.outcome {
            Outcome::Event(event) => {
                sums.flagged += u64::from(event.flagged);
                sums.predicted += event.probability;
            }
            Outcome::Number(number) => sums.predicted += number,
        }
    }

    /// Counts the time that an answer to a prediction took.
    pub fn latency(&self, elapsed: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.answers += 1;
        sums.latency += elapsed;
    }

    /// The sums as a JSON object; means are `null` before the first prediction.
    pub fn read(&self) -> Value {
        let sums = *self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        json!({
            "session_id": self.session,
            "total_predictions": sums.predictions,
            "positive_predictions": sums.flagged,
            "positive_rate": mean(sums.flagged as f64, sums.predictions),
            "avg_probability": mean(sums.predicted, sums.predictions),
            "avg_latency_ms": mean(sums.latency.as_secs_f64() * 1e3, sums.answers),
        })
    }
}
