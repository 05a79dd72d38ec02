//! The description as a whole.

use serde_json::{Value, json};

use super::operations::{paths, shared};
use super::parts::schemas;
use crate::serve::Settings;
use crate::serve::model::Model;

/// The OpenAPI 3.1 description of a service that answers with `model` under `settings`.
pub fn document(model: &dyn Model, settings: &Settings) -> Value {
    let info = model.info();
    let what = match &info.decision {
        Some(_) => format!("Predicts whether the patient {}.", info.outcome),
        None => format!("Predicts {}.", info.outcome),
    };
    let mut components = shared();
    components.insert("schemas".to_owned(), schemas(model).into());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "clinpipe risk model",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "{what} Model {} of bundle {}, trained on {} data. For research; no medical device.",
                info.name, info.version(), info.data,
            ),
            "x-model-version": info.version(),
        },
        "servers": [{"url": "."}],
        "paths": paths(info, settings),
        "components": components,
    })
}
