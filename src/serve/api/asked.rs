//! A request about one record, from its body to what the books say of it.

use std::sync::Arc;

use axum::extract::Request;
use serde_json::{Map, Value};

use super::body;
use super::query::Shape;
use crate::serve::answer::Answer;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::model::{Scored, ScoringError};
use crate::serve::models::Served;
use crate::serve::observe::Call;
use crate::serve::records::line::Origin;

/// A record, who asks, and the model that answers.
pub(super) struct Asked {
    pub shape: Shape,
    pub served: Arc<Served>,
    pub record: Map<String, Value>,
    call: Arc<Call>,
}

impl Asked {
    /// Reads the record and finds its model. What is refused goes on record.
    pub async fn read(app: &App, request: Request) -> Result<Self, ApiError> {
        let call = call(&request)?;
        match Self::find(app, call.clone(), request).await {
            Ok(asked) => Ok(asked),
            Err(error) => Err(failed(app, &call, error)),
        }
    }

    async fn find(app: &App, call: Arc<Call>, request: Request) -> Result<Self, ApiError> {
        let shape = Shape::of(request.uri())?;
        if !app.records.is_ready() {
            return Err(ApiError::unrecorded());
        }
        let named = app.models.named(request.headers())?;
        let record = body::record(app, request).await?;
        let served = named.unwrap_or_else(|| app.models.draw(&record));
        Ok(Self { shape, served, record, call })
    }

    /// Puts a record without a score on record.
    pub fn refused(&self, app: &App, error: ScoringError) -> ApiError {
        let time = (app.clock)();
        app.records.refusal(&about(app, &self.call, &time), &self.served, &self.record, &error);
        refusal(error)
    }

    /// Puts a prediction on record and counts it. Returns the time of the answer.
    pub fn scored(&self, app: &App, scored: &Scored) -> Result<String, ApiError> {
        let time = (app.clock)();
        app.records.prediction(&about(app, &self.call, &time), &self.served, &self.record, scored)?;
        app.scored(&self.served, scored);
        Ok(time)
    }

    /// The answer in the shape that was asked for.
    pub fn answer<'a>(&'a self, scored: &'a Scored, time: &'a str) -> Answer<'a> {
        let info = self.served.info();
        Answer { profile: self.shape.profile(info), info, scored, time }
    }
}

/// The request as the outermost layer has noted it.
pub(super) fn call(request: &Request) -> Result<Arc<Call>, ApiError> {
    let call = request.extensions().get::<Arc<Call>>().cloned();
    call.ok_or_else(|| ApiError::internal("the request passed by the outermost layer"))
}

/// Puts on record that a request held no record.
pub(super) fn failed(app: &App, call: &Call, error: ApiError) -> ApiError {
    let time = (app.clock)();
    app.records.failure(&about(app, call, &time), &app.models.current(), &error);
    error
}

/// What the lines about a request share.
pub(super) fn about<'a>(app: &'a App, call: &'a Call, time: &'a str) -> Origin<'a> {
    Origin {
        session_id: app.request_ids.instance(),
        request_id: &call.id,
        trace_id: call.trace.as_ref().map(|trace| trace.trace_id.as_str()),
        endpoint: call.route(),
        timestamp: time,
        latency_ms: call.started.elapsed().as_secs_f64() * 1e3,
    }
}

/// What a client hears of a record without a score.
pub(super) fn refusal(error: ScoringError) -> ApiError {
    match error {
        ScoringError::Invalid(problems) => ApiError::invalid(problems),
        ScoringError::Internal(cause) => ApiError::internal(cause),
    }
}
