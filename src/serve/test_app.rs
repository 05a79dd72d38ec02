//! What the tests of the service share: a fake model, and ways to ask it with and without a connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use clinpipe_stages::bundle::AnswerProfile;
use clinpipe_stages::common::schema::Schema;
use clinpipe_stages::common::target::Task;
use clinpipe_stages::ingest::RowReader;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::http::{self, App};
use super::listen;
use super::{
    AccessLog, Contribution, DecisionInfo, Event, Explained, FieldProblem, Lineup, Logs, MemberExplanation, Model,
    ModelInfo, ModelTier, Outcome, PredictionLog, Preprocessed, Scored, ScoringError, Served, Settings, Shutdown,
    TableForm,
};

/// Scores `{"risk": p}` with p; everything else is refused, breaks or panics on demand.
pub(super) struct Fake {
    pub info: ModelInfo,
    schema: Value,
}

impl Fake {
    pub fn new() -> Self {
        let high = ModelTier { name: "High".to_owned(), action: Some("call".to_owned()), cost: Some(45.0) };
        let full = AnswerProfile::full(Task::Binary);
        let info = ModelInfo {
            name: "logistic".to_owned(),
            bundle: "0123456789abcdef".repeat(4),
            data: "synthetic".to_owned(),
            outcome: "drops out".to_owned(),
            range: None,
            decision: Some(DecisionInfo {
                threshold: 0.25,
                threshold_version: "aaaa".to_owned(),
                tiers: vec![(high, 0.25)],
            }),
            patient: Some("id".to_owned()),
            withheld: ["id".to_owned()].into(),
            features: vec!["risk".to_owned()],
            profile: full.clone(),
            full,
            table: table_form(),
            details: json!({"clinpipe": "0"}),
            card: None,
        };
        Self { info, schema: json!({"type": "object"}) }
    }
}

/// Records have the fields `id`, `risk` and `mode`; `outcome` is a column of the study that they do not have.
pub(super) fn table_form() -> TableForm {
    let column = |kind: &'static str| json!({"type": kind, "nullable": true});
    let schema = json!({
        "target": {"column": "outcome", "event": "drops out"},
        "columns": {"id": column("text"), "risk": column("number"), "mode": column("text"), "outcome": column("integer")},
    });
    let schema: Schema = serde_json::from_value(schema).expect("a schema");
    TableForm {
        reader: RowReader::new(&schema, &[String::new(), "NA".to_owned()]),
        delimiter: b',',
        fields: ["id", "risk", "mode"].map(str::to_owned).into(),
        panel: None,
    }
}

impl Model for Fake {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn request_schema(&self) -> &Value {
        &self.schema
    }

    fn score(&self, record: &Map<String, Value>) -> Result<Scored, ScoringError> {
        match record.get("mode").and_then(Value::as_str) {
            Some("break") => return Err(ScoringError::Internal("the model is broken".to_owned())),
            Some("panic") => panic!("on demand"),
            _ => {}
        }
        let problem = |field: &str, message: &str, kind: &'static str| FieldProblem {
            field: field.to_owned(),
            message: message.to_owned(),
            kind,
        };
        let Some(probability) = record.get("risk").and_then(Value::as_f64) else {
            return Err(ScoringError::Invalid(vec![
                problem("risk", "is missing", "missing"),
                problem("id", "is missing", "missing"),
            ]));
        };
        let flagged = probability >= 0.25;
        let decision = self.info.decision.as_ref().expect("of an event");
        let tier = flagged.then(|| decision.tiers[0].0.clone());
        let warnings = if probability > 0.9 { vec![problem("risk", "is rare", "rare")] } else { Vec::new() };
        let threshold = decision.threshold;
        let event = Event { probability, interval: None, threshold, stratum: None, flagged, tier };
        Ok(Scored { id: record.get("id").cloned(), outcome: Outcome::Event(event), warnings })
    }

    fn explain(&self, record: &Map<String, Value>) -> Result<Explained, ScoringError> {
        let contribution = Contribution { feature: "risk".to_owned(), value: json!(0.5), contribution: 0.25 };
        let member = MemberExplanation {
            learner: "logistic".to_owned(),
            scale: "log_odds".to_owned(),
            base_value: -1.0,
            margin: -0.75,
            contributions: vec![contribution],
        };
        Ok(Explained { scored: self.score(record)?, members: vec![member] })
    }

    fn preprocess(&self, record: &Map<String, Value>) -> Result<Preprocessed, ScoringError> {
        self.score(record)?;
        Ok(Preprocessed { features: record.clone(), encoded: Vec::new() })
    }
}

#[derive(Clone, Default)]
pub(super) struct Lines(pub Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// What was written, as JSON.
    pub fn read(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while held").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn app_with(settings: Settings) -> App {
    app_logging(settings, AccessLog::disabled())
}

pub(super) fn app_logging(settings: Settings, service: AccessLog) -> App {
    let logs = Logs { service, predictions: PredictionLog::default() };
    http::app(Lineup::fixed(Arc::new(Fake::new())), settings, logs, Shutdown::default()).expect("an app")
}

pub(super) async fn ask(app: &App, request: Request<Body>) -> (StatusCode, Value, Response<()>) {
    let response = http::router(app).oneshot(request).await.expect("the router answers everything");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    let value =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    (parts.status, value, Response::from_parts(parts, ()))
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

pub(super) fn post(body: &str) -> Request<Body> {
    let request = Request::post("/predict").header("content-type", "application/json; charset=UTF-8");
    request.body(Body::from(body.to_owned())).expect("a request")
}

pub(super) async fn start(settings: Settings) -> (std::net::SocketAddr, Shutdown, tokio::task::JoinHandle<Served>) {
    let app = app_with(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = app.shutdown.clone();
    (address, shutdown, tokio::spawn(listen::run(listener, app)))
}

pub(super) fn read_all(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut text = Vec::new();
    // A reset by the server is an end as well; what came before it counts.
    let _reset = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
