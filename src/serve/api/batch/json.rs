//! A batch's answer as JSON: `{predictions, total_processed, failed, processing_time_seconds}`.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Answered;
use crate::serve::answer::Answer;
use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::model::ScoringError;

pub(super) fn write(answered: &Answered) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answered).map_err(|error| ApiError::internal(error.to_string()))
}

impl Serialize for Answered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("predictions", &Items(self))?;
        map.serialize_entry("total_processed", &self.results.len())?;
        map.serialize_entry("failed", &self.results.iter().filter(|result| result.is_err()).count())?;
        map.serialize_entry("processing_time_seconds", &self.started.elapsed().as_secs_f64())?;
        map.end()
    }
}

struct Items<'a>(&'a Answered<'a>);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Answered { shape, info, results, time, .. } = self.0;
        let mut list = serializer.serialize_seq(Some(results.len()))?;
        for (index, result) in results.iter().enumerate() {
            match result {
                Ok(scored) => {
                    list.serialize_element(&Answer { profile: shape.profile(info), info, scored, time })?;
                }
                Err(ScoringError::Invalid(errors)) => {
                    list.serialize_element(&Failed { index, error: "invalid_request", errors })?;
                }
                Err(ScoringError::Internal(_)) => {
                    list.serialize_element(&Failed { index, error: "internal", errors: &[] })?;
                }
            }
        }
        list.end()
    }
}

/// In place of an answer.
#[derive(serde::Serialize)]
struct Failed<'a> {
    /// The record's place in the batch, from 0.
    index: usize,
    error: &'a str,
    errors: &'a [FieldProblem],
}
