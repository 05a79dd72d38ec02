//! The calls of MLflow's REST interface, and what its answers say.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::Value;

use super::TrackingError;
use crate::util::http_client::{Answer, HttpClient, encoded};
use crate::util::visible;

const API: &str = "/api/2.0/mlflow";
const FILES: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// More of an explanation is not shown.
const MESSAGE: usize = 300;
/// A directory with more pages than these is not read to its end.
const PAGES: usize = 1000;

/// An MLflow tracking server.
pub struct TrackingServer {
    http: HttpClient,
}

impl TrackingServer {
    /// The server behind that client.
    pub fn new(http: HttpClient) -> Self {
        Self { http }
    }

    pub(super) fn post(&self, call: &str, body: &Value) -> Result<Value, TrackingError> {
        let body = body.to_string().into_bytes();
        self.read(call, &self.http.ask(Method::POST, &format!("{API}/{call}"), "application/json", body)?)
    }

    pub(super) fn get(&self, call: &str, query: &[(&str, &str)]) -> Result<Value, TrackingError> {
        let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        let path = format!("{API}/{call}?{}", query.join("&"));
        self.read(call, &self.http.ask(Method::GET, &path, "", Vec::new())?)
    }

    /// Stores a file at a place among the server's files.
    pub(super) fn upload(&self, place: &str, bytes: Vec<u8>) -> Result<(), TrackingError> {
        let parts: Vec<String> = place.split('/').map(encoded).collect();
        let path = format!("{FILES}/{}", parts.join("/"));
        let answer = self.http.ask(Method::PUT, &path, "application/octet-stream", bytes)?;
        if answer.is_success() { Ok(()) } else { Err(self.refusal(&format!("the file {place}"), &answer)) }
    }

    /// The files of a directory of a run, with their sizes.
    pub(super) fn list(&self, run: &str, directory: &str) -> Result<BTreeMap<String, u64>, TrackingError> {
        let mut found = BTreeMap::new();
        let mut token = String::new();
        for _ in 0..PAGES {
            let mut query = vec![("run_id", run)];
            query.extend(
                [("path", directory), ("page_token", token.as_str())].into_iter().filter(|(_, it)| !it.is_empty()),
            );
            let page = self.get("artifacts/list", &query)?;
            for file in page["files"].as_array().into_iter().flatten() {
                // Whole numbers of 64 bits are texts in protocol buffers' JSON; this server writes numbers.
                let size = &file["file_size"];
                let size = size.as_u64().or_else(|| size.as_str()?.parse().ok());
                if let (Some(path), Some(size)) = (file["path"].as_str(), size) {
                    found.insert(path.to_owned(), size);
                }
            }
            match page["next_page_token"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut token),
                _ => break,
            }
        }
        Ok(found)
    }

    /// The text at a place of an answer.
    pub(super) fn text(
        &self,
        answer: &Value,
        call: &str,
        at: &str,
        what: &'static str,
    ) -> Result<String, TrackingError> {
        let odd = || TrackingError::Odd { server: self.http.name(), call: call.to_owned(), what };
        answer.pointer(at).and_then(Value::as_str).map(str::to_owned).ok_or_else(odd)
    }

    fn read(&self, call: &str, answer: &Answer) -> Result<Value, TrackingError> {
        if !answer.is_success() {
            return Err(self.refusal(call, answer));
        }
        let odd = |_| TrackingError::Odd { server: self.http.name(), call: call.to_owned(), what: "JSON" };
        serde_json::from_slice(&answer.body).map_err(odd)
    }

    fn refusal(&self, call: &str, answer: &Answer) -> TrackingError {
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        // A line of the server's must not be taken for one of ours.
        let shown = |text: &str| visible::line(&text.chars().take(MESSAGE).collect::<String>()).into_owned();
        let said = |key: &str| body.as_ref().and_then(|body| body[key].as_str()).map(shown);
        TrackingError::Refused {
            server: self.http.name(),
            call: call.to_owned(),
            status: answer.status,
            code: said("error_code").unwrap_or_default(),
            message: said("message").unwrap_or_else(|| answer.text(MESSAGE)),
        }
    }
}

/// Where among the server's files a run keeps its own, when they pass through the server.
pub(super) fn proxied(artifacts: &str) -> Option<&str> {
    let rest = artifacts.strip_prefix("mlflow-artifacts:")?;
    let path = match rest.strip_prefix("//") {
        // The name of a host, then the path.
        Some(named) => named.split_once('/')?.1,
        None => rest,
    };
    let path = path.trim_matches('/');
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_pass_through_the_server_have_a_place_there() {
        for (uri, place) in [
            ("mlflow-artifacts:/1/ab/artifacts", Some("1/ab/artifacts")),
            ("mlflow-artifacts://host:5000/1/ab/artifacts/", Some("1/ab/artifacts")),
            ("mlflow-artifacts:", None),
            ("s3://bucket/1/ab/artifacts", None),
            ("/srv/mlruns/1/ab/artifacts", None),
        ] {
            assert_eq!(proxied(uri), place, "{uri}");
        }
    }
}
