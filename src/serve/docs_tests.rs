//! What the service says of itself: its description and its pages.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::test_app::{Fake, app_with, ask, get, post};
use super::{KeySet, Settings};

#[tokio::test]
async fn the_description_knows_every_route_and_every_code() {
    let route = regex::Regex::new(r#"\.route\(\s*"([^"]+)",\s*(get|post)\("#).expect("a pattern");
    let reference = regex::Regex::new(r##""#(/components/[^"]+)""##).expect("a pattern");
    for keyed in [false, true] {
        let key = if keyed { KeySet::single("k".repeat(16).as_str()).expect("long enough") } else { KeySet::default() };
        let app = app_with(Settings { debug: true, key, ..Settings::default() });
        let (status, described, _) = ask(&app, get("/openapi.json")).await;
        assert_eq!((status, &described["openapi"]), (StatusCode::OK, &json!("3.1.0")));
        let routes: Vec<(&str, &str)> = route
            .captures_iter(include_str!("http.rs"))
            .map(|one| one.extract::<2>().1)
            .map(|[path, method]| (path, method))
            .collect();
        assert!(routes.len() > 15);
        let paths = described["paths"].as_object().expect("an object");
        assert_eq!(paths.len(), routes.len());
        for (path, method) in routes {
            let operation = &paths[path][method];
            assert!(operation["summary"].is_string(), "{method} {path} is not described");
            let asked = path.replace("{file}", "page.js");
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&asked);
            let (status, _, _) = ask(&app, request.body(Body::empty()).expect("a request")).await;
            assert!(operation["responses"][status.as_str()].is_object(), "{method} {path} answered {status}");
            assert_eq!(status == StatusCode::UNAUTHORIZED, keyed && operation["security"].is_array(), "{path}");
        }
        // Whatever is referred to is there.
        let text = described.to_string();
        for one in reference.captures_iter(&text) {
            assert!(described.pointer(&one[1]).is_some(), "{}", &one[1]);
        }
    }
}

#[tokio::test]
async fn answers_keep_to_their_description() {
    let fake = Fake::new();
    let described = super::docs::document(&fake, &Settings::default());
    let app = app_with(Settings::default());
    let (_, answer, _) = ask(&app, post(r#"{"id": 7, "risk": 0.95}"#)).await;
    let schema = &described["components"]["schemas"]["Answer"];
    let wanted: Vec<&String> = schema["properties"].as_object().expect("an object").keys().collect();
    assert_eq!(answer.as_object().expect("an object").keys().collect::<Vec<_>>(), wanted);
    assert_eq!(schema["properties"]["risk_level"]["enum"], json!(["High"]));
    assert_eq!(schema["required"].as_array().map(Vec::len), Some(wanted.len()));
}

#[tokio::test]
async fn the_page_is_sent_under_a_strict_policy() {
    let app = app_with(Settings {
        key: KeySet::single("k".repeat(16).as_str()).expect("long enough"),
        ..Settings::default()
    });
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let (status, text, response) = ask(&app, get(path)).await;
        assert_eq!(
            (status, response.headers()["content-type"].as_bytes()),
            (StatusCode::OK, kind.as_bytes()),
            "{path}"
        );
        let policy = response.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!text.as_str().expect("text").is_empty());
    }
    for path in ["/page/", "/page/nothing.js", "/page/..%2Fmod.rs", "/page/a/b"] {
        assert_eq!(ask(&app, get(path)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
