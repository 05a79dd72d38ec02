//! Who may ask, under which name, from which page, how often and how much: over the fake model.

use std::io::Write;
use std::net::{IpAddr, TcpStream};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::auth::Peer;
use super::http::App;
use super::settings::{Hosts, KeysFile, Origins, Rate};
use super::test_app::{Lines, app_logging, app_with, ask, get, post, read_all, start};
use super::{AccessLog, KeySet, NewKey, Scope, Settings, listen};

const RECORD: &str = r#"{"risk": 0.5}"#;
const KEY: &str = "s3cret-s3cret-s3cret";

fn settings() -> Settings {
    Settings { key: KeySet::single(KEY).expect("long enough"), ..Settings::default() }
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

fn to(path: &str) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Body::from(RECORD)).expect("a request")
}

async fn status(app: &App, request: Request<Body>) -> u16 {
    ask(app, request).await.0.as_u16()
}

#[tokio::test]
async fn a_key_is_good_for_its_scopes_and_its_name_alone_is_told() {
    let keys = [("ward", Scope::Predict), ("lab", Scope::Explain), ("ops", Scope::Read), ("dev", Scope::Debug)]
        .map(|(name, scope)| NewKey::new(name, &[scope]).expect("a key"));
    let file = keys.each_ref().map(|key| key.entry.as_str()).join("\n");
    let file = KeysFile { path: "keys.yaml".into(), keys: KeySet::parse(&file, "keys.yaml").expect("sound") };
    let settings = Settings { keys_file: Some(file), debug: true, ..Settings::default() };
    let lines = Lines::default();
    let (log, writer) = AccessLog::start(Box::new(lines.clone()), || "now".to_owned()).expect("a thread");
    let app = app_logging(settings, log.clone());
    let answers: [(&str, [u16; 4]); 7] = [
        ("/predict", [200, 403, 403, 403]),
        ("/predict/legacy", [200, 403, 403, 403]),
        ("/predict/batch", [422, 403, 403, 403]),
        ("/explain", [403, 200, 403, 403]),
        ("/debug/preprocess", [403, 403, 403, 200]),
        ("/stats", [403, 403, 200, 403]),
        ("/config", [403, 403, 200, 403]),
    ];
    for (path, codes) in answers {
        let request = || if matches!(path, "/stats" | "/config") { get(path) } else { to(path) };
        assert_eq!(status(&app, request()).await, 401, "{path}");
        for (key, code) in keys.iter().zip(codes) {
            let (status, answer, _) = ask(&app, with(request(), &[("x-api-key", &key.text)])).await;
            assert_eq!(status.as_u16(), code, "{path} {}: {answer}", key.entry);
            assert_eq!(answer["error"] == "forbidden", code == 403, "{answer}");
        }
    }
    let (_, metrics, _) = ask(&app, get("/metrics")).await;
    assert!(metrics.as_str().is_some_and(|text| text.contains(r#"key_requests_total{key="ward"} 7"#)), "{metrics}");
    log.finish(writer);
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
    assert!(text.contains(r#""key":"lab""#), "{text}");
    for key in &keys {
        let hash = blake3::hash(key.text.as_bytes()).to_string();
        assert!(!text.contains(&key.text) && !text.contains(&hash), "a key is in the log");
        assert!(!metrics.to_string().contains(&key.text), "a key is in the metrics");
    }
}

#[tokio::test]
async fn keys_are_replaced_while_requests_are_answered() {
    let app = app_with(settings());
    assert_eq!(status(&app, with(to("/predict"), &[("x-api-key", KEY)])).await, 200);
    let fresh = "another-key-altogether";
    app.keys.replace(KeySet::single(fresh).expect("long enough"));
    assert_eq!(status(&app, with(to("/predict"), &[("x-api-key", KEY)])).await, 401);
    assert_eq!(status(&app, with(to("/predict"), &[("x-api-key", fresh)])).await, 200);
}

#[tokio::test]
async fn a_caller_who_asks_too_often_is_told_when_to_come_again() {
    let rate = Some(Rate { per_second: 0.01, burst: 2 });
    let app = app_with(Settings { rate, ..settings() });
    let keyed = || with(to("/predict"), &[("x-api-key", KEY)]);
    assert_eq!([status(&app, keyed()).await, status(&app, keyed()).await], [200, 200]);
    let (code, answer, response) = ask(&app, keyed()).await;
    assert_eq!((code, &answer["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limited")));
    let wait: u64 = response.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((90..=100).contains(&wait), "{wait}");
    // Whoever guesses keys spends the budget of an address, and no key's.
    let guess = |address: [u8; 4]| {
        let mut request = with(to("/predict"), &[("x-api-key", "guess-guess-guess-guess")]);
        request.extensions_mut().insert(Peer(IpAddr::from(address)));
        request
    };
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(status(&app, with(guess([10, 0, 0, 1]), &[("host", "x")])).await);
    }
    assert_eq!(codes, [401, 401, 429]);
    assert_eq!(status(&app, with(guess([10, 0, 0, 2]), &[("host", "x")])).await, 401);
    // What tells whether the service lives is never limited.
    for _ in 0..5 {
        assert_eq!(status(&app, get("/livez")).await, 200);
    }
}

#[tokio::test]
async fn a_request_under_another_name_reaches_no_handler() {
    let hosts = Hosts::parse(&["risk.example.org".to_owned()]).expect("names");
    let app = app_with(Settings { allowed_hosts: hosts, ..Settings::default() });
    let absolute = || Request::get("http://evil.example/livez").body(Body::empty()).expect("a request");
    for (request, code) in [
        (with(get("/livez"), &[("host", "risk.example.org:8000")]), 200),
        (with(get("/livez"), &[("host", "evil.example")]), 400),
        (with(get("/livez"), &[("host", "risk.example.org"), ("host", "risk.example.org")]), 400),
        (with(absolute(), &[("host", "risk.example.org")]), 400),
        (with(to("/predict"), &[("host", "evil.example")]), 400),
        (with(get("/nowhere"), &[("host", "evil.example")]), 400),
    ] {
        let shown = format!("{request:?}");
        let (status, answer, _) = ask(&app, request).await;
        assert_eq!(status.as_u16(), code, "{shown}");
        assert_eq!(answer["error"] == "invalid_host", code == 400, "{answer}");
    }
    let (_, metrics, _) = ask(&app, get("/metrics")).await;
    assert!(!metrics.to_string().contains("predictions_total{"), "{metrics}");
}

#[tokio::test]
async fn allowed_pages_may_read_answers_and_errors_and_others_may_not() {
    let origins = Origins::parse(&["https://ward.example".to_owned()]).expect("origins");
    let app = app_with(Settings { allowed_origins: origins, ..settings() });
    let preflight = |origin: &str| {
        let request = Request::options("/predict").body(Body::empty()).expect("a request");
        let headers = ("access-control-request-headers", "content-type,x-api-key");
        with(request, &[("origin", origin), ("access-control-request-method", "POST"), headers])
    };
    let allowed = |headers: &HeaderMap| headers.get("access-control-allow-origin").cloned();
    let (status, _, response) = ask(&app, preflight("https://ward.example")).await;
    let headers = response.headers();
    assert_eq!((status, allowed(headers)), (StatusCode::OK, Some("https://ward.example".parse().expect("a value"))));
    assert_eq!(
        headers["access-control-allow-headers"],
        "content-type,x-api-key,x-request-id,traceparent,x-model-version"
    );
    assert!(headers["access-control-allow-methods"].to_str().is_ok_and(|methods| methods.contains("POST")));
    let (_, _, response) = ask(&app, preflight("https://evil.example")).await;
    assert_eq!(allowed(response.headers()), None);
    for (key, code) in [(KEY, 200), ("wrong", 401)] {
        for (origin, named) in [("https://ward.example", true), ("https://evil.example", false)] {
            let request = with(to("/predict"), &[("x-api-key", key), ("origin", origin)]);
            let (status, _, response) = ask(&app, request).await;
            let headers = response.headers();
            assert_eq!((status.as_u16(), allowed(headers).is_some()), (code, named), "{key} {origin}");
            assert!(!headers.contains_key("access-control-allow-credentials"));
            assert!(headers["vary"].to_str().is_ok_and(|vary| vary.contains("origin")), "{headers:?}");
        }
    }
    let any = app_with(Settings { allowed_origins: Origins::Any, ..Settings::default() });
    let (_, _, response) = ask(&any, with(to("/predict"), &[("origin", "https://any.example")])).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(!response.headers().contains_key("access-control-allow-credentials"));
    let none = app_with(Settings::default());
    let (status, _, response) = ask(&none, preflight("https://ward.example")).await;
    assert_eq!((status, allowed(response.headers())), (StatusCode::METHOD_NOT_ALLOWED, None));
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_browsers_obey() {
    let app = app_with(settings());
    for request in [get("/livez"), get("/nowhere"), to("/predict"), get("/metrics")] {
        let shown = format!("{request:?}");
        let (_, _, response) = ask(&app, request).await;
        let headers = response.headers();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-xss-protection", "0"),
        ] {
            assert_eq!(headers[name], value, "{shown}");
        }
        assert!(headers.contains_key("content-security-policy"), "{shown}");
        assert!(!headers.contains_key("strict-transport-security"), "only TLS may promise TLS");
        assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"), "{shown}");
    }
}

#[tokio::test]
async fn bodies_share_their_memory_and_give_it_back() {
    let settings = Settings { body_limit: 100, batch_body_limit: 100, body_memory: 100, ..Settings::default() };
    let app = app_with(settings);
    let claimed = app.body_memory.clone().try_acquire_many_owned(90).expect("free");
    let (status, answer, response) = ask(&app, post(RECORD)).await;
    assert_eq!((status, &answer["error"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("overloaded")));
    assert_eq!(response.headers()["retry-after"], "1");
    drop(claimed);
    for _ in 0..50 {
        assert_eq!(ask(&app, post(RECORD)).await.0, StatusCode::OK);
        assert_eq!(ask(&app, post("{")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(app.body_memory.available_permits(), 100);
}

/// What comes back on a connection that sends these bytes.
fn exchange(address: std::net::SocketAddr, sent: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    // The server may close before it has read all.
    let _reset = stream.write_all(sent.as_bytes());
    read_all(&mut stream)
}

fn codes(answers: &str) -> Vec<u16> {
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads.filter_map(|head| head.get(..3)?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_can_be_read_as_two() {
    let (address, shutdown, server) = start(Settings::default()).await;
    let post = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let inner = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let chunked = format!("d\r\n{RECORD}\r\n0\r\n\r\n");
    let te = "transfer-encoding: chunked\r\n";
    for (name, sent) in [
        ("both", format!("{post}content-length: 4\r\n{te}\r\n{chunked}{inner}")),
        ("both, the other way round", format!("{post}{te}content-length: 4\r\n\r\n{chunked}{inner}")),
        ("two lengths", format!("{post}content-length: 13\r\ncontent-length: 60\r\n\r\n{RECORD}{inner}")),
        ("two lengths in one", format!("{post}content-length: 13, 60\r\n\r\n{RECORD}{inner}")),
        ("a length with a sign", format!("{post}content-length: +13\r\n\r\n{RECORD}{inner}")),
        ("a negative length", format!("{post}content-length: -1\r\n\r\n{RECORD}{inner}")),
        ("an endless length", format!("{post}content-length: 99999999999999999999\r\n\r\n{RECORD}{inner}")),
        ("an unknown coding", format!("{post}transfer-encoding: gzip\r\n\r\n{RECORD}{inner}")),
        ("a coding in disguise", format!("{post}transfer-encoding: xchunked\r\n\r\n{chunked}{inner}")),
        ("chunked, then another", format!("{post}transfer-encoding: chunked, gzip\r\n\r\n{chunked}{inner}")),
        ("a space before the colon", format!("{post}content-length : 13\r\n\r\n{RECORD}{inner}")),
        ("a folded header", format!("{post}x: a\r\n content-length: 13\r\n\r\n{inner}")),
        ("chunked in 1.0", format!("POST /predict HTTP/1.0\r\nhost: x\r\n{te}\r\n{chunked}{inner}")),
        ("a broken chunk", format!("{post}{te}\r\nzz\r\n{RECORD}\r\n0\r\n\r\n{inner}")),
        ("a chunk that is too long", format!("{post}{te}\r\nfffffffffffffffff\r\n{RECORD}\r\n0\r\n\r\n{inner}")),
        ("a chunk without end", format!("{post}{te}\r\nd\r\n{RECORD}X\r\n0\r\n\r\n{inner}")),
        ("two hosts", format!("GET /livez HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n{inner}")),
        ("no host", format!("GET /livez HTTP/1.1\r\n\r\n{inner}")),
    ] {
        let answers = exchange(address, &sent);
        let codes = codes(&answers);
        // A length beside a coding does not count, and what follows on the connection is not read.
        let may_answer = |code: &u16| (400..=505).contains(code) || (name.starts_with("both") && *code == 200);
        assert!(codes.len() <= 1 && codes.iter().all(may_answer), "{name}: {answers}");
    }
    // The same requests without the trick, one after the other on one connection.
    let length = RECORD.len();
    let sound = format!("{post}content-length: {length}\r\n\r\n{RECORD}{inner}{inner}{post}{te}\r\n{chunked}");
    // The one with a coding is the last of its connection.
    let answers = exchange(address, &format!("{sound}{inner}"));
    assert_eq!(codes(&answers), [200; 4], "{answers}");
    shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tricks_with_paths_find_nothing() {
    let settings = Settings { debug: true, ..settings() };
    let (address, shutdown, server) = start(settings).await;
    for target in [
        "//predict",
        "/./predict",
        "/x/../predict",
        "/%70redict",
        "/predict%2f",
        "/predict/",
        "/predict%00",
        "/predict;x",
        "/..%2f..%2fetc%2fpasswd",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/PREDICT",
        "http://x//predict",
        "*",
    ] {
        let answers = exchange(address, &format!("POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
        let codes = codes(&answers);
        assert!(codes == [404] || codes == [400], "{target}: {answers}");
    }
    for target in ["/\0predict", "/pre dict", "/\u{7f}", ""] {
        let answers = exchange(address, &format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
        assert!(codes(&answers).iter().all(|code| *code == 400), "{target:?}: {answers}");
    }
    let long = exchange(address, &format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000)));
    assert!(matches!(codes(&long).as_slice(), [414 | 431] | []), "{long}");
    // The key is asked for whatever form the target has.
    let absolute = "POST http://x/predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(codes(&exchange(address, absolute)), [401]);
    shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_announced_too_large_is_refused_unread() {
    let (address, shutdown, server) = start(Settings::default()).await;
    let head =
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1073741824\r\n\r\n";
    let answers = exchange(address, head);
    assert_eq!(codes(&answers), [413], "{answers}");
    let body: Value = serde_json::from_str(answers.split("\r\n\r\n").nth(1).unwrap_or_default()).expect("JSON");
    assert_eq!(body["error"], "payload_too_large");
    shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room_and_busy_ones_do_not() {
    let app = app_with(Settings { max_connections: 8, ..Settings::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(listen::run(listener, app.clone()));
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    let ask = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for _ in 0..10 {
        assert_eq!(codes(&exchange(address, ask)), [200]);
    }
    drop(idle);
    let half = "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-length: 13\r\n\r\n{";
    let mut busy: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    for stream in &mut busy {
        stream.write_all(half.as_bytes()).expect("written");
    }
    // Until the last of them is under way, one that looks idle may still have to go.
    while app.connections.busy() < 8 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let answers = exchange(address, "");
    assert!(answers.starts_with("HTTP/1.1 503") && answers.contains("overloaded"), "{answers}");
    for stream in &mut busy {
        stream.write_all(&RECORD.as_bytes()[1..]).expect("written");
    }
    for mut stream in busy {
        assert_eq!(codes(&read_all(&mut stream)), [200]);
    }
    app.shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_take_its_answers_is_dropped() {
    let settings = Settings { request_timeout: std::time::Duration::from_millis(300), ..Settings::default() };
    let (address, shutdown, server) = start(settings).await;
    let mut deaf = TcpStream::connect(address).expect("a connection");
    deaf.set_write_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
    let asked = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    // Its own buffers fill, then the service's; in the end the connection is gone.
    let mut sent = Ok(());
    for _ in 0..1000 {
        sent = deaf.write_all(asked.as_bytes());
        if sent.is_err() {
            break;
        }
    }
    let fault = sent.expect_err("the connection must end").kind();
    let gone = [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::BrokenPipe];
    assert!(gone.contains(&fault), "{fault}");
    shutdown.advance();
    assert_eq!(server.await.expect("no panic").cut, 0);
}
