//! The stage on the test study, and its words.

use serde_json::json;

use super::*;

#[test]
fn an_item_that_cannot_be_declared_is_refused_with_its_key() {
    let check = |report: serde_json::Value| {
        let serde_json::Value::Object(map) = json!({ "report": report }) else { unreachable!() };
        ReportParams::parse(&ParamSet::new(map)).err().map(|error| error.path)
    };
    assert_eq!(check(json!({"title": "T", "tripod": {"18a": "a grant"}})), None);
    assert_eq!(check(json!({"tripod": {"12a": "no"}})).as_deref(), Some("report.tripod.12a"));
    assert_eq!(check(json!({"tripod": {"18a": " "}})).as_deref(), Some("report.tripod.18a"));
    assert_eq!(check(json!({"titel": "T"})).as_deref(), Some("report.titel"));
}
