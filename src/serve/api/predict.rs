//! `POST /predict`: one record in, one answer out.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use super::asked::Asked;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::models::Served;

/// Scoring takes microseconds, so it is done in place.
pub(in crate::serve) async fn predict(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let asked = Asked::read(&app, request).await?;
    let scored = asked.served.score(&asked.record).map_err(|error| asked.refused(&app, error))?;
    let time = asked.scored(&app, &scored)?;
    Ok(stamped(Json(asked.answer(&scored, &time)).into_response(), &asked.served))
}

/// Says in the headers which model and which threshold answered, whatever the profile tells.
pub(super) fn stamped(mut response: Response, served: &Served) -> Response {
    served.stamp(response.headers_mut());
    response
}
