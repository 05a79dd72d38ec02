//! `GET /openapi.json`: the API of the model that is served, as OpenAPI 3.1.
//!
//! Invariants: the record is the very schema that `/schema` shows and requests are judged by; answers are described
//! from the profiles that render them; every route of `serve/http.rs` is described. It is made when it is asked for, so
//! that it always tells the model that answers now.

mod answers;
mod openapi;
mod operations;
mod parts;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::http::App;

/// The description of the service as it is set up.
pub(super) async fn openapi(State(app): State<App>) -> Json<Value> {
    Json(openapi::document(&*app.models.current().model, &app.settings))
}

#[cfg(test)]
pub(super) use openapi::document;
