//! `POST /predict/batch`: many records in, an answer or an error for each out.
//!
//! Invariant: a record that cannot be scored gets its error, never a number; the others are answered as if each had
//! come alone.

use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::body;
use super::predict::stamped;
use super::query::Shape;
use crate::serve::answer::Answer;
use crate::serve::errors::{ApiError, FieldProblem};
use crate::serve::http::App;
use crate::serve::model::{Model, ModelInfo, Scored, ScoringError};
use crate::serve::record_json::{self, Item};

/// The records of a body in their order; one that could not even be read is its problems.
type Results = Vec<Result<Scored, ScoringError>>;

/// A batch takes as long as its records, so it is scored apart from the threads that answer requests.
pub(in crate::serve) async fn batch(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let started = Instant::now();
    let shape = Shape::of(request.uri().query())?;
    if !body::is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    let body = body::read(request, app.settings.batch_body_limit).await?;
    let (model, most) = (app.models.current(), app.settings.batch_records);
    let asked = model.clone();
    let results = app.work(move || score(asked.as_ref(), &body, most)).await??;
    for result in &results {
        match result {
            Ok(scored) => app.scored(model.info(), scored),
            Err(ScoringError::Internal(cause)) => app.log.event("record_failed", serde_json::json!({"cause": cause})),
            Err(ScoringError::Invalid(_)) => {}
        }
    }
    let time = (app.clock)();
    let answer = BatchAnswer { shape, info: model.info(), results: &results, time: &time, started };
    Ok(stamped(Json(answer).into_response(), model.info()))
}

/// Reads and scores the records of a JSON body.
fn score(model: &dyn Model, body: &[u8], most: usize) -> Result<Results, ApiError> {
    let records = record_json::parse_list(body).map_err(ApiError::invalid)?;
    if records.len() > most {
        return Err(ApiError::too_many(records.len(), most));
    }
    let one = |record: Item| model.score(&record.map_err(ScoringError::Invalid)?);
    Ok(records.into_iter().map(one).collect())
}

struct BatchAnswer<'a> {
    shape: Shape,
    info: &'a ModelInfo,
    results: &'a [Result<Scored, ScoringError>],
    time: &'a str,
    started: Instant,
}

impl Serialize for BatchAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("predictions", &Items(self))?;
        map.serialize_entry("total_processed", &self.results.len())?;
        map.serialize_entry("failed", &self.results.iter().filter(|result| result.is_err()).count())?;
        map.serialize_entry("processing_time_seconds", &self.started.elapsed().as_secs_f64())?;
        map.end()
    }
}

struct Items<'a>(&'a BatchAnswer<'a>);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let BatchAnswer { shape, info, results, time, .. } = self.0;
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
