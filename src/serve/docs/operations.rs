//! The routes for the description: what each takes and answers.

use serde_json::{Map, Value, json};

use super::parts::{part, shapes};
use crate::serve::model::ModelInfo;
use crate::serve::{Settings, auth, page};

/// What any route may answer instead of a result: a malformed request, one that is not allowed, late, or one too many,
/// and the service's own failures.
const ANYWHERE: [u16; 6] = [400, 403, 408, 429, 500, 503];
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const CSV: &str = "text/csv";
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// One operation on its way into the description.
struct Operation {
    value: Value,
}

/// Whether an operation asks for the key, where there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Open,
    Keyed,
}

impl Operation {
    /// An operation whose success has a body of these media types.
    fn new(id: &str, summary: &str, bodies: &[(&str, Value)]) -> Self {
        let ok = json!({
            "description": "The answer.",
            "content": content(bodies),
            "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
        });
        let value = json!({"operationId": id, "summary": summary, "responses": {"200": ok}});
        Self { value }.fails(&ANYWHERE)
    }

    /// Adds codes that are answered with the error body.
    fn fails(mut self, codes: &[u16]) -> Self {
        for code in codes {
            self.value["responses"][code.to_string()] = json!({"$ref": format!("#/components/responses/{code}")});
        }
        self
    }

    /// Adds the body of a request, and what can be wrong with it.
    fn takes(mut self, bodies: &[(&str, Value)]) -> Self {
        self.value["requestBody"] = json!({"required": true, "content": content(bodies)});
        self.fails(&[413, 415, 422])
    }

    /// Adds the choice of the answer's shape.
    fn shaped(mut self) -> Self {
        self.value["parameters"] = json!([{"$ref": "#/components/parameters/Answer"}]);
        self
    }

    fn described(mut self, text: &str) -> Self {
        self.value["description"] = json!(text);
        self
    }

    fn under(mut self, access: Access, settings: &Settings) -> Value {
        if access == Access::Keyed && settings.keyed() {
            self.value["security"] = json!([{"ApiKey": []}]);
            self = self.fails(&[401]);
        }
        self.value
    }
}

fn content(bodies: &[(&str, Value)]) -> Value {
    bodies.iter().map(|(media, schema)| ((*media).to_owned(), json!({"schema": schema}))).collect::<Map<_, _>>().into()
}

/// All paths with their operations.
pub(super) fn paths(info: &ModelInfo, settings: &Settings) -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, access, operation: Operation| {
        paths.insert(path.to_owned(), json!({method: operation.under(access, settings)}));
    };
    for (path, operation) in open() {
        add(path, "get", Access::Open, operation);
    }
    for (path, operation) in about() {
        add(path, "get", Access::Keyed, operation);
    }
    for (path, operation) in records(info, settings) {
        add(path, "post", Access::Keyed, operation);
    }
    paths.into()
}

fn object(required: &[&str]) -> Value {
    json!({"type": "object", "required": required})
}

fn html() -> (&'static str, Value) {
    ("text/html", json!({"type": "string"}))
}

fn open() -> Vec<(&'static str, Operation)> {
    let status = || object(&["status"]);
    let health = object(&["status", "model", "model_version", "bundle", "timestamp", "uptime_seconds"]);
    let schema = || object(&["type", "properties", "required"]);
    let text = || json!({"type": "string"});
    let description = object(&["openapi", "info", "paths", "components"]);
    let part = Operation::new(
        "page_part",
        "A script, style or picture of the pages",
        &[("text/css", text()), ("text/javascript", text()), ("image/svg+xml", text())],
    );
    vec![
        ("/", Operation::new("page", "The page for people", &[html()])),
        ("/docs", Operation::new("docs", "This description for people", &[html()])),
        ("/page/{file}", file_of(part.fails(&[404]))),
        ("/openapi.json", Operation::new("openapi", "This description", &[(JSON, description)])),
        ("/livez", Operation::new("livez", "Whether the process answers", &[(JSON, status())])),
        ("/health", Operation::new("health", "Whether a prediction would be answered", &[(JSON, health)])),
        ("/schema", Operation::new("schema", "The JSON Schema of a record", &[(JSON, schema())])),
        ("/dropdown-values", Operation::new("dropdown_values", "The same as /schema", &[(JSON, schema())])),
        ("/model/features", Operation::new("model_features", "The same as /schema", &[(JSON, schema())])),
        ("/metrics", Operation::new("metrics", "Counters for Prometheus", &[(TEXT, text())])),
    ]
}

fn file_of(mut operation: Operation) -> Operation {
    operation.value["parameters"] = json!([{
        "name": "file", "in": "path", "required": true, "schema": {"enum": page::parts()},
    }]);
    operation
}

fn about() -> Vec<(&'static str, Operation)> {
    let info =
        object(&["model_type", "model_version", "bundle", "data", "outcome", "feature_names", "metrics", "verdict"]);
    let stats = object(&["session_id", "total_predictions", "positive_rate", "avg_latency_ms", "uptime_seconds"]);
    let config = object(&["model_version", "decision_threshold", "risk_levels", "answer_profile", "settings"]);
    let card = Operation::new("model_card", "The model card", &[("text/markdown", json!({"type": "string"}))]);
    vec![
        (
            "/model/info",
            Operation::new("model_info", "What is served, and what is known of its worth", &[(JSON, info)]),
        ),
        ("/model/card", card.fails(&[404])),
        ("/stats", Operation::new("stats", "What has been predicted since the start", &[(JSON, stats)])),
        ("/config", Operation::new("config", "How the service decides and what it is set to", &[(JSON, config)])),
    ]
}

fn records(info: &ModelInfo, settings: &Settings) -> Vec<(&'static str, Operation)> {
    let record = [(JSON, part("Record"))];
    let predict = |id, summary| Operation::new(id, summary, &[(JSON, shapes(info, "Answer"))]).takes(&record).shaped();
    let explain =
        Operation::new("explain", "The answer to one record, and why", &[(JSON, shapes(info, "Explanation"))]);
    let mut records = vec![
        ("/predict", predict("predict", "The answer to one record")),
        ("/predict/legacy", predict("predict_legacy", "The same as /predict")),
        ("/explain", explain.takes(&record).shaped()),
        ("/predict/batch", batch(settings)),
    ];
    if settings.debug {
        let shown = object(&["features", "encoded"]);
        let operation = Operation::new("preprocess", "What the models read of one record", &[(JSON, shown)]);
        records.push(("/debug/preprocess", operation.takes(&record)));
    }
    records
}

fn batch(settings: &Settings) -> Operation {
    // An element that is no record gets its own error and does not spoil the others, so a list may hold anything.
    let list = json!({
        "type": "array", "maxItems": settings.batch_records,
        "items": {"anyOf": [part("Record"), {"description": "answered with its problems"}]},
    });
    let named = json!({
        "type": "object", "properties": {"records": list}, "required": ["records"], "additionalProperties": false,
    });
    let text = json!({"type": "string"});
    let summary = "An answer or an error for each of many records";
    Operation::new("predict_batch", summary, &[(JSON, part("BatchAnswer")), (CSV, text.clone()), (ARROW, json!({}))])
        .described(
            "Answered in the form that `accept` names, else in that of the body. A table has the fields as columns; in a \
             study that looks at the past, its rows are the past of the later rows of their patient.",
        )
        .takes(&[(JSON, json!({"anyOf": [list, named]})), (CSV, text), (ARROW, json!({}))])
        .shaped()
}

/// What the operations refer to besides schemas.
pub(super) fn shared() -> Map<String, Value> {
    let reasons = [
        (400, "The request is malformed."),
        (401, "The key is missing or not valid."),
        (403, "The request is not allowed."),
        (404, "There is no such thing."),
        (408, "The request did not arrive in time."),
        (413, "The body or the batch is too large."),
        (415, "The body is of a type that is not taken."),
        (422, "The request was refused; every problem is listed."),
        (429, "Too many requests."),
        (500, "The service failed; its log has the details under the request id."),
        (503, "The service cannot answer now."),
    ];
    let error = |(code, description): (u16, &str)| {
        let content = content(&[(JSON, part("Error"))]);
        (code.to_string(), json!({"description": description, "content": content}))
    };
    let responses: Map<String, Value> = reasons.into_iter().map(error).collect();
    let shape = json!({
        "name": "answer", "in": "query", "description": "The fields of the study's profile, or all there are.",
        "schema": {"enum": ["profile", "full"], "default": "profile"},
    });
    let id = json!({"description": "The request's own id, else a new one.", "schema": {"type": "string"}});
    let key = json!({"type": "apiKey", "in": "header", "name": auth::HEADER});
    let shared = [
        ("responses", responses.into()),
        ("parameters", json!({"Answer": shape})),
        ("headers", json!({"RequestId": id})),
        ("securitySchemes", json!({"ApiKey": key})),
    ];
    shared.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}
