//! `POST /predict/batch`: many records in, an answer or an error for each out; as JSON, CSV or an Arrow stream.
//!
//! Invariant: a record that cannot be scored gets its error, never a number; the others are answered as if each had
//! come alone. In a study that looks at the past, the rows of a table are the past of the later rows of their patient.

mod arrow;
mod csv;
mod form;
mod json;
mod outcome;
mod table;

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use self::form::Form;
use super::body;
use super::predict::stamped;
use super::query::Shape;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::model::{Model, ModelInfo, Scored, ScoringError, TableForm};
use crate::serve::record_json::Item;

/// What became of the records, in their order.
type Results = Vec<Result<Scored, ScoringError>>;

/// A scored batch on its way out.
struct Answered<'a> {
    shape: Shape,
    info: &'a ModelInfo,
    results: &'a Results,
    /// The time of the answer, as text.
    time: &'a str,
    started: Instant,
}

/// A batch takes as long as its records, so it is scored apart from the threads that answer requests.
pub(in crate::serve) async fn batch(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let started = Instant::now();
    let shape = Shape::of(request.uri().query())?;
    let (given, wanted) = Form::of(request.headers())?;
    let body = body::read(request, app.settings.batch_body_limit).await?;
    let (model, most, time) = (app.models.current(), app.settings.batch_records, (app.clock)());
    let asked = model.clone();
    let done = app.work(move || {
        let results = score(asked.as_ref(), given, &body, most)?;
        let answered = Answered { shape, info: asked.info(), results: &results, time: &time, started };
        let bytes = wanted.write(&answered)?;
        Ok::<_, ApiError>((results, bytes))
    });
    let (results, bytes) = done.await??;
    for result in &results {
        match result {
            Ok(scored) => app.scored(model.info(), scored),
            Err(ScoringError::Internal(cause)) => app.log.event("record_failed", serde_json::json!({"cause": cause})),
            Err(ScoringError::Invalid(_)) => {}
        }
    }
    let response = ([(header::CONTENT_TYPE, wanted.media_type())], bytes).into_response();
    Ok(stamped(response, model.info()))
}

/// Reads and scores the records of a body.
fn score(model: &dyn Model, form: Form, body: &[u8], most: usize) -> Result<Results, ApiError> {
    let records = form.read(&model.info().table, body, most).map_err(ApiError::invalid)?;
    if records.len() > most {
        return Err(ApiError::too_many(most));
    }
    let one = |record: Item| model.score(&record.map_err(ScoringError::Invalid)?);
    Ok(records.into_iter().map(one).collect())
}
