//! How a running service is looked after, over fake models: its models change, its predictions go on record, traces pass.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::http::{self, App};
use super::reload;
use super::test_app::{Fake, Lines, ask, get, post};
use super::{
    AccessLog, Lineup, Loaded, LogKey, Logs, Model, PredictionLog, RecordWriter, Recording, Rotation, Seat, Settings,
    Shutdown, Source, WhenFull,
};

const CHAMPION: &str = "0123456789ab";
const CHALLENGER: &str = "cccccccccccc";

fn fake(bundle: &str) -> Arc<dyn Model> {
    let mut fake = Fake::new();
    fake.info.bundle = bundle.repeat(64 / bundle.len());
    Arc::new(fake)
}

fn silent() -> Logs {
    Logs { service: AccessLog::disabled(), predictions: PredictionLog::default() }
}

fn app(lineup: Lineup, logs: Logs) -> App {
    http::app(lineup, Settings::default(), logs, Shutdown::default()).expect("an app")
}

fn on_trial(share: f64) -> App {
    let seat = |bundle| Seat { model: fake(bundle), source: None };
    app(Lineup { champion: seat("0123456789abcdef"), challenger: Some((seat("c"), share)) }, silent())
}

fn with(mut request: Request<Body>, header: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(header, value.parse().expect("a value"));
    request
}

/// Which model answered.
async fn version(app: &App, request: Request<Body>) -> String {
    let (status, answer, response) = ask(app, request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let told = response.headers()["x-model-version"].to_str().expect("text").to_owned();
    assert_eq!(answer["model_version"], told);
    told
}

#[tokio::test]
async fn a_patient_always_meets_the_same_model_and_the_share_holds() {
    let app = on_trial(0.25);
    let mut challenged = 0;
    for patient in 0..400 {
        let body = json!({"id": format!("P-{patient}"), "risk": 0.1}).to_string();
        let first = version(&app, post(&body)).await;
        challenged += u32::from(first == CHALLENGER);
        assert_eq!(version(&app, post(&body)).await, first);
        // Another copy of the service draws the same.
        assert_eq!(version(&on_trial(0.25), post(&body)).await, first);
    }
    assert!((70..=130).contains(&challenged), "{challenged} of 400");
    let mut unnamed = 0;
    for _ in 0..100 {
        unnamed += u32::from(version(&app, post(r#"{"risk": 0.1}"#)).await == CHALLENGER);
    }
    assert!((23..=27).contains(&unnamed), "{unnamed} of 100");
    for (share, expected) in [(0.0, CHAMPION), (1.0, CHALLENGER)] {
        assert_eq!(version(&on_trial(share), post(r#"{"id": "P-1", "risk": 0.1}"#)).await, expected);
    }
}

#[tokio::test]
async fn a_request_can_name_its_model() {
    let app = on_trial(0.0);
    for (name, expected) in
        [("champion", CHAMPION), ("challenger", CHALLENGER), (CHALLENGER, CHALLENGER), (&"c".repeat(64), CHALLENGER)]
    {
        assert_eq!(version(&app, with(post(r#"{"risk": 0.1}"#), "x-model-version", name)).await, expected);
    }
    for name in ["dddddddddddd", ""] {
        let (status, answer, _) = ask(&app, with(post(r#"{"risk": 0.1}"#), "x-model-version", name)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer["errors"][0]["field"], "x-model-version");
        assert!(answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains(CHALLENGER)), "{answer}");
    }
    let (_, health, _) = ask(&app, get("/health")).await;
    let roles: Vec<&Value> = health["models"].as_array().expect("a list").iter().map(|model| &model["role"]).collect();
    assert_eq!(roles, ["champion", "challenger"]);
    let (_, info, _) = ask(&app, with(get("/model/info"), "x-model-version", "challenger")).await;
    assert_eq!(info["model_version"], CHALLENGER);
    let (_, metrics, _) = ask(&app, get("/metrics")).await;
    let metrics = metrics.as_str().expect("text");
    for line in [
        r#"predictions_total{class="0",tier="none",model_version="cccccccccccc"} 3"#,
        r#"model_info{model="logistic",bundle="cccccccccccc",data="synthetic",role="challenger"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

/// A source whose model can be exchanged and broken.
struct Shelf {
    bundle: Mutex<String>,
    broken: AtomicBool,
}

impl Shelf {
    fn put(&self, bundle: &str) {
        bundle.clone_into(&mut self.bundle.lock().expect("no panic"));
    }
}

impl Source for Shelf {
    fn load(&self) -> Result<Loaded, String> {
        if self.broken.load(Ordering::Relaxed) {
            return Err("model.json does not have its digest".to_owned());
        }
        Ok(Loaded { model: fake(&self.bundle.lock().expect("no panic")), remark: None })
    }

    fn stamp(&self) -> Option<String> {
        let bundle = self.bundle.lock().expect("no panic").clone();
        Some(format!("{bundle} {}", self.broken.load(Ordering::Relaxed)))
    }
}

#[tokio::test]
async fn a_changed_bundle_is_loaded_and_a_broken_one_refused() {
    let shelf = Arc::new(Shelf { bundle: Mutex::new("a".to_owned()), broken: AtomicBool::new(false) });
    let champion = Seat { model: fake("a"), source: Some(shelf.clone()) };
    let (lines, settings) =
        (Lines::default(), Settings { reload_poll: Some(Duration::from_millis(5)), ..Settings::default() });
    let (log, writer) = AccessLog::start(Box::new(lines.clone()), String::new).expect("a thread");
    let logs = Logs { service: log.clone(), predictions: PredictionLog::default() };
    let lineup = Lineup { champion, challenger: None };
    let app = http::app(lineup, settings, logs, Shutdown::default()).expect("an app");
    let following = tokio::spawn(reload::follow(app.clone(), reload::Calls::install().expect("a handler")));

    let served = async |expected: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while app.models.current().info().version() != expected {
            assert!(Instant::now() < deadline, "{expected} was not loaded");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let kept = app.models.current();
    shelf.put("b");
    served(&"b".repeat(12)).await;
    assert_eq!(kept.info().version(), "a".repeat(12), "who has a model keeps it");

    shelf.broken.store(true, Ordering::Relaxed);
    let refused = r#"model_reloads_total{role="champion",result="refused"} 1"#;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !app.metrics.render(&app.log, &app.records).contains(refused) {
        assert!(Instant::now() < deadline, "it was not refused");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(app.models.current().info().version(), "b".repeat(12), "the old one goes on");
    shelf.put("d");
    shelf.broken.store(false, Ordering::Relaxed);
    served(&"d".repeat(12)).await;
    following.abort();

    let metrics = app.metrics.render(&app.log, &app.records);
    for line in [
        r#"model_reloads_total{role="champion",result="loaded"} 2"#,
        r#"model_info{model="logistic",bundle="aaaaaaaaaaaa",data="synthetic",role="champion"} 0"#,
        r#"model_info{model="logistic",bundle="dddddddddddd",data="synthetic",role="champion"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    log.finish(writer);
    let events: Vec<Value> = lines.read().iter().map(|line| json!([line["event"], line["level"]])).collect();
    assert_eq!(
        events,
        [json!(["model_loaded", "info"]), json!(["model_refused", "error"]), json!(["model_loaded", "info"])]
    );
}

#[tokio::test]
async fn a_trace_passes_through_answer_and_log() {
    let lines = Lines::default();
    let (log, writer) = AccessLog::start(Box::new(lines.clone()), String::new).expect("a thread");
    let logs = Logs { service: log.clone(), predictions: PredictionLog::default() };
    let app = app(Lineup::fixed(fake("a")), logs);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let (_, _, response) =
        ask(&app, with(get("/livez"), "traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))).await;
    let answered = response.headers()["traceparent"].to_str().expect("text").to_owned();
    assert!(answered.starts_with(&format!("00-{trace}-")) && answered.ends_with("-01"), "{answered}");
    let (_, _, response) = ask(&app, with(get("/livez"), "traceparent", "00-nonsense")).await;
    assert!(!response.headers().contains_key("traceparent"));
    log.finish(writer);
    let lines = lines.read();
    assert_eq!((&lines[0]["trace_id"], &lines[0]["parent_id"]), (&json!(trace), &json!("b7ad6b7169203331")));
    assert_eq!(lines[0]["span_id"], answered[36..52]);
    assert!(lines[1].get("trace_id").is_none());
}

fn recording(dir: &Path, when_full: WhenFull) -> Recording {
    Recording { file: dir.join("p.jsonl"), inputs: false, rotation: Rotation::Never, keep: None, when_full }
}

fn recorded(recording: &Recording) -> (App, PredictionLog, RecordWriter) {
    let key = LogKey::new(b"0123456789abcdef").expect("long enough");
    let (service, _writer) = AccessLog::start(Box::new(std::io::sink()), || "now".to_owned()).expect("a thread");
    let (predictions, writer) = PredictionLog::start(recording, key, service.clone()).expect("a file");
    let seat = |bundle| Seat { model: fake(bundle), source: None };
    let lineup = Lineup { champion: seat("0123456789abcdef"), challenger: Some((seat("c"), 0.0)) };
    (app(lineup, Logs { service, predictions: predictions.clone() }), predictions, writer)
}

fn lines_of(recording: &Recording) -> Vec<Value> {
    let text = std::fs::read_to_string(&recording.file).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn predictions_and_refusals_go_on_record_without_the_patient() {
    let dir = tempfile::tempdir().expect("a directory");
    let recording = recording(dir.path(), WhenFull::Refuse);
    let (app, log, writer) = recorded(&recording);
    let request = with(post(r#"{"id": "P-secret", "risk": 0.95}"#), "x-request-id", "r-1");
    ask(&app, with(request, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).await;
    ask(&app, with(post(r#"{"risk": 0.1, "id": "P-secret"}"#), "x-model-version", "challenger")).await;
    ask(&app, post(r#"{"id": "P-other"}"#)).await;
    ask(&app, post(r#"{"id": "P-other", "mode": "break"}"#)).await;
    ask(&app, post(r#"{"risk": 1, "risk": "P-secret"}"#)).await;
    ask(&app, Request::post("/predict").body(Body::from("P-secret")).expect("a request")).await;
    let batch = Request::post("/predict/batch").header("content-type", "application/json");
    let body = r#"[{"id": "P-secret", "risk": 0.3}, {"id": "P-other"}, 7]"#;
    ask(&app, batch.body(Body::from(body)).expect("a request")).await;
    log.finish(writer);

    let text = std::fs::read_to_string(&recording.file).expect("a file");
    assert!(!text.contains("P-secret") && !text.contains("P-other"), "{text}");
    let lines = lines_of(&recording);
    assert_eq!(lines.len(), 9, "{text}");
    let first = &lines[0];
    for (field, value) in [
        ("record", json!("prediction")),
        ("timestamp", json!("now")),
        ("request_id", json!("r-1")),
        ("trace_id", json!("0af7651916cd43dd8448eb211c80319c")),
        ("endpoint", json!("/predict")),
        ("model_version", json!(CHAMPION)),
        ("model_stage", json!("champion")),
        ("bundle", json!("0123456789abcdef".repeat(4))),
        ("decision_threshold", json!(0.25)),
        ("prediction", json!(1)),
        ("probability", json!(0.95)),
        ("risk_level", json!("High")),
        ("warnings", json!([{"field": "risk", "type": "rare"}])),
    ] {
        assert_eq!(first[field], value, "{field}");
    }
    assert!(first["latency_ms"].as_f64().is_some_and(|time| time >= 0.0) && first["session_id"].is_string(), "{first}");
    assert!(first.get("inputs").is_none());
    assert_eq!(first["patient_id"], lines[1]["patient_id"], "one patient has one pseudonym");
    assert_ne!(first["patient_id"], lines[2]["patient_id"]);
    assert_ne!(first["input_hash"], lines[1]["input_hash"]);
    assert_eq!((&lines[1]["model_stage"], &lines[1]["model_version"]), (&json!("challenger"), &json!(CHALLENGER)));
    let errors: Vec<&Value> = lines.iter().map(|line| &line["error_type"]).collect();
    assert_eq!(errors[2..6], ["invalid_request", "internal", "invalid_request", "unsupported_media_type"]);
    let fields = json!([{"field": "risk", "type": "missing"}, {"field": "id", "type": "missing"}]);
    assert_eq!((&lines[2]["record"], &lines[2]["fields"]), (&json!("error"), &fields));
    let places: Vec<_> = lines[6..].iter().map(|line| (&line["index"], &line["record"])).collect();
    assert_eq!(places, [(&json!(0), &json!("prediction")), (&json!(1), &json!("error")), (&json!(2), &json!("error"))]);
    assert!(lines[6..].iter().all(|line| line["endpoint"] == "/predict/batch"));
    assert_eq!(
        (lines[6]["patient_id"].clone(), lines[8]["patient_id"].clone()),
        (first["patient_id"].clone(), Value::Null)
    );
}

#[tokio::test]
async fn inputs_are_recorded_where_they_are_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let recording = Recording { inputs: true, ..recording(dir.path(), WhenFull::Refuse) };
    let (app, log, writer) = recorded(&recording);
    let body = json!({"id": "P-secret", "risk": 0.5, "history": [{"id": "P-secret", "risk": 0.25}]});
    ask(&app, post(&body.to_string())).await;
    log.finish(writer);
    assert_eq!(lines_of(&recording)[0]["inputs"], json!({"risk": 0.5, "history": [{"risk": 0.25}]}));
}

/// Replaces the log's file by a directory, so that the next write to it fails, and takes it away again.
fn obstruct(recording: &Recording) {
    std::fs::rename(&recording.file, recording.file.with_extension("aside")).expect("moved");
    std::fs::create_dir(&recording.file).expect("a directory");
}

#[tokio::test]
async fn nothing_is_predicted_while_nothing_can_be_recorded() {
    let dir = tempfile::tempdir().expect("a directory");
    let recording = recording(dir.path(), WhenFull::Refuse);
    let (app, log, writer) = recorded(&recording);
    let predict = || post(r#"{"id": "P-1", "risk": 0.5}"#);
    assert_eq!(ask(&app, predict()).await.0, StatusCode::OK);
    wait(|| log.counts().is_some_and(|counts| counts.written == 1));
    obstruct(&recording);
    log.reopen();
    // The writer learns of it with this one, which waits in the queue.
    assert_eq!(ask(&app, predict()).await.0, StatusCode::OK);
    wait(|| !log.is_ready());
    let (status, answer, response) = ask(&app, predict()).await;
    assert_eq!((status, &answer["error"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, health, _) = ask(&app, get("/health")).await;
    assert_eq!((status, &health["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("predictions_unwritable")));
    let (_, metrics, _) = ask(&app, get("/metrics")).await;
    assert!(metrics.as_str().is_some_and(|text| text.contains("prediction_log_writable 0")), "{metrics}");

    std::fs::remove_dir(&recording.file).expect("removed");
    wait(|| log.is_ready());
    assert_eq!(ask(&app, predict()).await.0, StatusCode::OK);
    log.clone().finish(writer);
    assert_eq!(lines_of(&recording).len(), 2, "the line that waited and the last");
    assert_eq!(log.counts().map(|counts| (counts.written, counts.lost)), Some((3, 0)));
}

#[tokio::test]
async fn where_it_may_be_lines_are_lost_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let recording = recording(dir.path(), WhenFull::Drop);
    let (app, log, writer) = recorded(&recording);
    obstruct(&recording);
    log.reopen();
    let predict = || post(r#"{"id": "P-1", "risk": 0.5}"#);
    assert_eq!(ask(&app, predict()).await.0, StatusCode::OK);
    wait(|| log.counts().is_some_and(|counts| counts.failing));
    assert_eq!(ask(&app, predict()).await.0, StatusCode::OK);
    assert!(log.is_ready());
    log.clone().finish(writer);
    assert_eq!(log.counts().map(|counts| (counts.written, counts.lost)), Some((0, 2)));
}

fn wait(mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !until() {
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}
