//! The service over a fake model: codes, bodies, limits, the log, the counters, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::test_app::{Lines, app_logging, app_with, ask, get, post, read_all, start};
use super::{AccessLog, KeySet, Phase, Served, Settings};

#[tokio::test]
async fn a_prediction_says_everything_about_itself() {
    let app = app_with(Settings::default());
    let (status, answer, response) = ask(&app, post(r#"{"id": "P-7", "risk": 0.95}"#)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({
            "id": "P-7", "prediction": 1, "probability": 0.95, "interval": null, "risk_level": "High",
            "recommended_action": "call", "intervention_cost": 45.0, "threshold": 0.25, "threshold_stratum": null,
            "threshold_version": "aaaa", "model_version": "0123456789ab",
            "warnings": [{"field": "risk", "message": "is rare", "type": "rare"}],
        })
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn every_problem_of_every_field_is_listed() {
    let (status, answer, _) = ask(&app_with(Settings::default()), post("{}")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(2));
    assert_eq!(answer["errors"][0], json!({"field": "risk", "message": "is missing", "type": "missing"}));
}

#[tokio::test]
async fn wrong_requests_get_their_codes_and_a_json_body() {
    let settings = Settings { body_limit: 100, ..Settings::default() };
    let app = app_with(settings);
    let plain = Request::post("/predict").header("content-type", "text/plain").body(Body::from("{}"));
    let latin = Request::post("/predict").header("content-type", "application/json; charset=latin1");
    let cases = [
        (post("{"), 422, "invalid_request"),
        (post("[1]"), 422, "invalid_request"),
        (post(""), 422, "invalid_request"),
        (post(&format!("{{\"a\": \"{}\"}}", "x".repeat(200))), 413, "payload_too_large"),
        (plain.expect("a request"), 415, "unsupported_media_type"),
        (latin.body(Body::from("{}")).expect("a request"), 415, "unsupported_media_type"),
        (Request::post("/predict").body(Body::from("{}")).expect("a request"), 415, "unsupported_media_type"),
        (get("/nowhere"), 404, "not_found"),
        (get("/predict"), 405, "method_not_allowed"),
        (Request::delete("/health").body(Body::empty()).expect("a request"), 405, "method_not_allowed"),
    ];
    for (request, code, word) in cases {
        let shown = format!("{request:?}");
        let (status, answer, response) = ask(&app, request).await;
        assert_eq!((status.as_u16(), &answer["error"]), (code, &json!(word)), "{shown}");
        assert_eq!(response.headers()["content-type"], "application/json", "{shown}");
        assert!(answer["request_id"].is_string(), "{shown}");
        assert_eq!(response.headers().contains_key("allow"), code == 405, "{shown}");
    }
}

#[tokio::test]
async fn a_failure_inside_is_opaque_outside_and_explained_in_the_log() {
    let lines = Lines::default();
    let (log, writer) = AccessLog::start(Box::new(lines.clone()), || "now".to_owned()).expect("a thread");
    let app = app_logging(Settings::default(), log.clone());
    for body in [r#"{"mode": "break", "id": "P-secret"}"#, r#"{"mode": "panic", "id": "P-secret"}"#] {
        let mut request = post(body);
        request.headers_mut().insert("x-request-id", "from-client.1".parse().expect("a value"));
        let (status, answer, _) = ask(&app, request).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer["request_id"], "from-client.1");
        assert!(!answer.to_string().contains("broken"));
    }
    let odd = Request::builder().method("P-secret").uri("/P-secret?id=P-secret");
    let (_, answer, _) = ask(&app, odd.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer["error"], "not_found");
    log.finish(writer);
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
    assert!(text.contains("the model is broken") && text.contains("a handler panicked"), "{text}");
    assert!(!text.contains("P-secret"), "{text}");
    assert!(text.contains(r#""route":"unmatched""#), "{text}");
}

#[tokio::test]
async fn an_invented_request_id_is_replaced_when_it_is_not_harmless() {
    let app = app_with(Settings::default());
    for bad in ["a b", "x\"y", &"x".repeat(65)] {
        let mut request = get("/livez");
        request.headers_mut().insert("x-request-id", bad.parse().expect("a value"));
        let (_, _, response) = ask(&app, request).await;
        assert_ne!(response.headers()["x-request-id"], *bad);
    }
}

#[tokio::test]
async fn the_key_guards_post_and_nothing_else() {
    let app =
        app_with(Settings { key: KeySet::single("s3cret-s3cret-s3cret").expect("long enough"), ..Settings::default() });
    let (status, answer, response) = ask(&app, post(r#"{"risk": 0.1}"#)).await;
    assert_eq!((status, &answer["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")));
    assert!(response.headers().contains_key("www-authenticate"));
    for (key, code) in [("wrong", 401), ("s3cret-s3cret-s3cret", 200)] {
        let mut request = post(r#"{"risk": 0.1}"#);
        request.headers_mut().insert("x-api-key", key.parse().expect("a value"));
        assert_eq!(ask(&app, request).await.0.as_u16(), code, "{key}");
    }
    for path in ["/livez", "/health", "/schema", "/metrics"] {
        assert_eq!(ask(&app, get(path)).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(
        ask(&app, get("/predict")).await.0,
        StatusCode::METHOD_NOT_ALLOWED,
        "which methods there are is no secret"
    );
}

#[tokio::test]
async fn health_is_green_only_while_serving() {
    let app = app_with(Settings::default());
    let (status, answer, _) = ask(&app, get("/health")).await;
    assert_eq!(status, StatusCode::OK);
    let bundle = "0123456789abcdef".repeat(4);
    assert_eq!((&answer["status"], &answer["model_loaded"]), (&json!("ok"), &json!(true)));
    assert_eq!((&answer["model"], &answer["bundle"]), (&json!("logistic"), &json!(bundle)));
    app.shutdown.advance();
    assert_eq!(app.shutdown.phase(), Phase::Draining);
    let (status, answer, _) = ask(&app, get("/health")).await;
    assert_eq!((status, &answer["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("draining")));
    assert_eq!(ask(&app, get("/livez")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_counters_count_what_happened() {
    let app = app_with(Settings::default());
    ask(&app, post(r#"{"risk": 0.95}"#)).await;
    ask(&app, post(r#"{"risk": 0.1}"#)).await;
    ask(&app, post("{}")).await;
    for path in ["/a", "/b", "/c"] {
        ask(&app, get(path)).await;
    }
    let odd = Request::builder().method("BREW").uri("/predict").body(Body::empty()).expect("a request");
    ask(&app, odd).await;
    let (_, text, _) = ask(&app, get("/metrics")).await;
    let text = text.as_str().expect("text").to_owned();
    for line in [
        r#"http_requests_total{method="POST",route="/predict",status="200"} 2"#,
        r#"http_requests_total{method="POST",route="/predict",status="422"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 3"#,
        r#"http_requests_total{method="other",route="/predict",status="405"} 1"#,
        r#"http_request_duration_seconds_count{method="POST",route="/predict"} 3"#,
        r#"predictions_total{class="1",tier="High",model_version="0123456789ab"} 1"#,
        r#"predictions_total{class="0",tier="none",model_version="0123456789ab"} 1"#,
        r#"errors_total{code="not_found"} 3"#,
        r#"input_warnings_total{kind="rare"} 1"#,
        r#"predicted_probability_bucket{model_version="0123456789ab",le="0.1"} 1"#,
        r#"model_info{model="logistic",bundle="0123456789ab",data="synthetic",role="champion"} 1"#,
        r#"log_lines_lost_total{log="service"} 0"#,
        // The question itself is under way.
        "http_requests_in_flight 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_is_answered_after_the_signal() {
    let (address, shutdown, server) = start(Settings::default()).await;
    let mut stream = TcpStream::connect(address).expect("a connection");
    let body = r#"{"risk": 0.5}"#;
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("written");
    std::thread::sleep(Duration::from_millis(100));
    shutdown.advance();
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(body.as_bytes()).expect("written");
    assert!(read_all(&mut stream).starts_with("HTTP/1.1 200"));
    assert_eq!(server.await.expect("no panic").cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_idle_connections_do_not_hold_up_the_drain() {
    let (address, shutdown, server) = start(Settings::default()).await;
    let _silent = TcpStream::connect(address).expect("a connection");
    let mut idle = TcpStream::connect(address).expect("a connection");
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").expect("written");
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("an answer");
    let started = Instant::now();
    shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_client_is_cut_at_the_deadline_or_at_the_second_signal() {
    for (drain, second_signal) in [(Duration::from_millis(300), false), (Duration::from_mins(10), true)] {
        let (address, shutdown, server) = start(Settings { drain, ..Settings::default() }).await;
        let mut stuck = TcpStream::connect(address).expect("a connection");
        stuck.write_all(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-len").expect("written");
        std::thread::sleep(Duration::from_millis(100));
        shutdown.advance();
        std::thread::sleep(Duration::from_millis(100));
        if second_signal {
            shutdown.advance();
        }
        assert_eq!(server.await.expect("no panic").cut, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_and_header_floods_are_turned_away() {
    let settings = Settings {
        header_timeout: Duration::from_millis(200),
        request_timeout: Duration::from_millis(200),
        max_headers: 20,
        ..Settings::default()
    };
    let (address, shutdown, server) = start(settings).await;
    let json = "content-type: application/json\r\n";
    let flood = "h: x\r\n".repeat(50);
    for (sent, answer) in [
        (String::new(), ""),
        ("GET /livez HT".to_owned(), ""),
        (format!("POST /predict HTTP/1.1\r\nhost: x\r\n{json}content-length: 10\r\n\r\n{{"), "HTTP/1.1 408"),
        (format!("GET /livez HTTP/1.1\r\nhost: x\r\n{flood}\r\n"), "HTTP/1.1 431"),
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
    ] {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(sent.as_bytes()).expect("written");
        let got = read_all(&mut stream);
        assert!(got.starts_with(answer) && got.is_empty() == answer.is_empty(), "{sent:?} got {got:?}");
    }
    shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_when_the_signal_comes_under_load() {
    let body = r#"{"risk": 0.5}"#;
    let length = body.len();
    let request = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    for _ in 0..5 {
        let (address, shutdown, server) = start(Settings::default()).await;
        let client = |request: String| {
            move || {
                let mut answered = 0;
                // The closed listener refuses the connection, and only that ends the client.
                while let Ok(mut stream) = TcpStream::connect(address) {
                    let sent = stream.write_all(request.as_bytes()).is_ok();
                    answered += u64::from(sent && read_all(&mut stream).starts_with("HTTP/1.1 200"));
                }
                answered
            }
        };
        let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(client(request.clone()))).collect();
        std::thread::sleep(Duration::from_millis(200));
        shutdown.advance();
        let Served { accepted, cut } = server.await.expect("no panic");
        // A connection that the kernel made while the listener closed was never accepted and is reset.
        let answered: u64 = clients.into_iter().map(|client| client.join().expect("no panic")).sum();
        assert!(accepted > 8);
        assert_eq!((answered, cut), (accepted, 0));
    }
}
