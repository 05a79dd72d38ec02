//! `POST /predict`: one record in, one answer out.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};

use super::body;
use super::query::Shape;
use crate::serve::answer::Answer;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::model::{ModelInfo, ScoringError};

/// Scoring takes microseconds, so it is done in place.
pub(in crate::serve) async fn predict(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let shape = Shape::of(request.uri().query())?;
    let record = body::record(request, app.settings.body_limit).await?;
    let model = app.models.current();
    let scored = model.score(&record).map_err(refusal)?;
    app.scored(model.info(), &scored);
    let (info, time) = (model.info(), (app.clock)());
    let answer = Answer { profile: shape.profile(info), info, scored: &scored, time: &time };
    Ok(stamped(Json(answer).into_response(), info))
}

/// What a client hears of a record without a score.
pub(super) fn refusal(error: ScoringError) -> ApiError {
    match error {
        ScoringError::Invalid(problems) => ApiError::invalid(problems),
        ScoringError::Internal(cause) => ApiError::internal(cause),
    }
}

/// Says in the headers which model and which threshold answered, whatever the profile tells.
pub(super) fn stamped(mut response: Response, info: &ModelInfo) -> Response {
    let threshold = info.decision.as_ref().map(|decision| decision.threshold_version.as_str());
    for (name, value) in [("x-model-version", Some(info.version())), ("x-threshold-version", threshold)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
