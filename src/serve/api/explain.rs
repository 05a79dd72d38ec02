//! `POST /explain`: one record in, its answer and what each feature adds to it out; and `POST /debug/preprocess`, which
//! shows what the models read of a record.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::body;
use super::predict::{refusal, stamped};
use super::query::Shape;
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
    let shape = Shape::of(request.uri().query())?;
    let record = body::record(request, app.settings.body_limit).await?;
    let model = app.models.current();
    let asked = model.clone();
    let Explained { scored, members } = app.work(move || asked.explain(&record)).await?.map_err(refusal)?;
    app.scored(model.info(), &scored);
    let (info, time) = (model.info(), (app.clock)());
    let answer = Answer { profile: shape.profile(info), info, scored: &scored, time: &time };
    Ok(stamped(Json(Explanation { answer, members: &members }).into_response(), info))
}

/// Off unless the settings allow it: it shows the model's inputs in full.
pub(in crate::serve) async fn preprocess(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let record = body::record(request, app.settings.body_limit).await?;
    let model = app.models.current();
    let shown = model.preprocess(&record).map_err(refusal)?;
    Ok(stamped(Json(shown).into_response(), model.info()))
}
