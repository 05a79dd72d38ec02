//! `POST /explain`: one record in, its answer and what each feature adds to it out; and `POST /debug/preprocess`, which
//! shows what the models read of a record.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::asked::{Asked, refusal};
use super::body;
use super::predict::stamped;
use crate::serve::answer::Answer;
use crate::serve::errors::ApiError;
use crate::serve::http::App;
use crate::serve::model::{Explained, MemberExplanation};

/// The answer's fields, then those of its explanation.
struct Explanation<'a> {
    answer: Answer<'a>,
    members: &'a [MemberExplanation],
}

impl Serialize for Explanation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.answer.write(&mut map)?;
        if let [one] = self.members {
            let values = one.contributions.iter().map(|one| (one.feature.clone(), json!(one.contribution)));
            map.serialize_entry("base_value", &one.base_value)?;
            map.serialize_entry("shap_values", &values.collect::<Map<String, Value>>())?;
        }
        map.serialize_entry("explanations", self.members)?;
        map.end()
    }
}

/// An explanation costs about a hundred predictions, so it is made apart from the threads that answer requests.
pub(in crate::serve) async fn explain(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let asked = Arc::new(Asked::read(&app, request).await?);
    let asking = asked.clone();
    let explained = app.work(move || asking.served.explain(&asking.record)).await?;
    let Explained { scored, members } = explained.map_err(|error| asked.refused(&app, error))?;
    let time = asked.scored(&app, &scored)?;
    let explanation = Explanation { answer: asked.answer(&scored, &time), members: &members };
    Ok(stamped(Json(explanation).into_response(), &asked.served))
}

/// Off unless the settings allow it: it shows the model's inputs in full.
pub(in crate::serve) async fn preprocess(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let named = app.models.named(request.headers())?;
    let record = body::record(&app, request).await?;
    let served = named.unwrap_or_else(|| app.models.current());
    let shown = served.preprocess(&record).map_err(refusal)?;
    Ok(stamped(Json(shown).into_response(), &served))
}
