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

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use self::form::Form;
use super::asked::{about, call, failed};
use super::body;
use super::predict::stamped;
use super::query::Shape;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::log::Level;
use crate::serve::model::{ModelInfo, Scored, ScoringError, TableForm};
use crate::serve::models::Served;
use crate::serve::observe::Call;
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

/// A batch takes as long as its records, so it is scored apart from the threads that answer requests. One model answers
/// all of it: the one that the request asks for, else the champion.
pub(in crate::serve) async fn batch(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let call = call(&request)?;
    match answer(&app, &call, request).await {
        Ok(response) => Ok(response),
        Err(Refused::Whole(error)) => Err(failed(&app, &call, error)),
        Err(Refused::OnRecord(error)) => Err(error),
    }
}

/// A batch without an answer.
enum Refused {
    /// No record was looked at.
    Whole(ApiError),
    /// Its records are on record, or could not be brought there.
    OnRecord(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Whole(error)
    }
}

async fn answer(app: &App, call: &Arc<Call>, request: Request) -> Result<Response, Refused> {
    let shape = Shape::of(request.uri())?;
    let (given, wanted) = Form::of(request.headers())?;
    if !app.records.is_ready() {
        return Err(ApiError::unrecorded().into());
    }
    let served = app.models.named(request.headers())?.unwrap_or_else(|| app.models.current());
    let body = body::read(app, request, app.settings.batch_body_limit).await?;
    let (asked, asking, calling) = (served.clone(), app.clone(), call.clone());
    let done = app.work(move || {
        let most = asking.settings.batch_records;
        let records = form_records(asked.as_ref(), given, &body, most)?;
        let time = (asking.clock)();
        let results = score(&asking, &calling, &asked, records, &time).map_err(Refused::OnRecord)?;
        let info = asked.info();
        let answered = Answered { shape, info, results: &results, time: &time, started: calling.started };
        let bytes = wanted.write(&answered).map_err(Refused::OnRecord)?;
        Ok::<_, Refused>((results, bytes))
    });
    let (results, bytes) = done.await.map_err(Refused::OnRecord)??;
    for result in &results {
        match result {
            Ok(scored) => app.scored(&served, scored),
            Err(ScoringError::Internal(cause)) => app.log.line(Level::Error, "record_failed", &json!({"cause": cause})),
            Err(ScoringError::Invalid(_)) => {}
        }
    }
    let response = ([(header::CONTENT_TYPE, wanted.media_type())], bytes).into_response();
    Ok(stamped(response, &served))
}

fn form_records(served: &Served, form: Form, body: &[u8], most: usize) -> Result<Vec<Item>, ApiError> {
    let records = form.read(&served.info().table, body, most).map_err(ApiError::invalid)?;
    if records.len() > most { Err(ApiError::too_many(most)) } else { Ok(records) }
}

/// Scores the records and puts them on record.
fn score(app: &App, call: &Call, served: &Served, records: Vec<Item>, time: &str) -> Result<Results, ApiError> {
    let mut lines = app.records.batch(served);
    let mut results = Results::with_capacity(records.len());
    for (index, item) in records.into_iter().enumerate() {
        let (record, result) = match item {
            Ok(record) => {
                let result = served.score(&record);
                (Some(record), result)
            }
            Err(problems) => (None, Err(ScoringError::Invalid(problems))),
        };
        lines.add(&about(app, call, time), index, record.as_ref(), &result);
        results.push(result);
    }
    lines.finish()?;
    Ok(results)
}
