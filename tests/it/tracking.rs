//! `export mlflow --tracking-uri` against a server that keeps MLflow's rules: what is sent, in which order, and what
//! happens when it says no. `tests/nightly/mlflow` does the same with MLflow itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::project::{Project, Run};

/// What the server holds, and how it misbehaves.
#[derive(Default)]
struct State {
    runs: Vec<Value>,
    params: BTreeMap<String, String>,
    metrics: BTreeMap<String, f64>,
    files: BTreeMap<String, Vec<u8>>,
    models: Vec<String>,
    versions: Vec<Value>,
    aliases: BTreeMap<String, String>,
    calls: Vec<String>,
    authorization: Option<String>,
    /// This file is accepted and forgotten.
    forgets: Option<&'static str>,
    /// Every call is answered so.
    refuses: Option<(u16, &'static str)>,
    /// Where runs keep their files.
    elsewhere: bool,
    /// Somebody else makes a run of the same bundle just before.
    rival: bool,
    /// Runs that were taken back.
    deleted: Vec<String>,
}

struct Server {
    state: Arc<Mutex<State>>,
    uri: String,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &shared);
            }
        });
        Self { state, uri }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }
}

/// Answers the one request of a connection.
fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() <= 2 {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned);
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut words = head[0].split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut state = state.lock().unwrap();
    state.authorization = header("authorization");
    let (status, said) = state.call(method, target, &body);
    // Uploads are answered without a body.
    let said = if said.is_null() { String::new() } else { said.to_string() };
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{said}", said.len()).unwrap();
}

impl State {
    fn call(&mut self, method: &str, target: &str, body: &[u8]) -> (u16, Value) {
        if let Some((status, message)) = self.refuses {
            return (status, json!({"message": message}));
        }
        if let Some(place) = target.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/") {
            assert_eq!(method, "PUT");
            if self.forgets.is_none_or(|name| !place.ends_with(name)) {
                self.files.insert(place.to_owned(), body.to_owned());
            }
            return (200, Value::Null);
        }
        let call = target.strip_prefix("/api/2.0/mlflow/").unwrap();
        let (call, query) = call.split_once('?').unwrap_or((call, ""));
        self.calls.push(call.to_owned());
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        match self.of_runs(call, query, &asked).or_else(|| self.of_models(call, &asked)) {
            Some(Ok(said)) => (200, said),
            Some(Err(code)) => {
                let status = if code == "RESOURCE_DOES_NOT_EXIST" { 404 } else { 400 };
                (status, json!({"error_code": code, "message": "so it is"}))
            }
            None => panic!("{call} is no call of MLflow's that is known here"),
        }
    }

    fn of_runs(&mut self, call: &str, query: &str, asked: &Value) -> Option<Result<Value, &'static str>> {
        Some(Ok(match call {
            "experiments/get-by-name" => return Some(Err("RESOURCE_DOES_NOT_EXIST")),
            "experiments/create" => json!({"experiment_id": "7"}),
            "runs/search" => {
                let wanted = asked["filter"].as_str().unwrap().split('\'').nth(1).unwrap().to_owned();
                let has = |run: &Value| run["tags"].as_array().unwrap().iter().any(|tag| tag["value"] == *wanted);
                let found: Vec<Value> =
                    self.runs.iter().filter(|run| has(run)).map(|run| json!({"info": run})).collect();
                json!({"runs": found})
            }
            "runs/create" => {
                let place = if self.elsewhere { "s3://bucket/r1" } else { "mlflow-artifacts:/7/r1/artifacts" };
                let run = json!({"run_id": "r1", "artifact_uri": place, "status": "RUNNING", "tags": asked["tags"]});
                if self.rival {
                    self.runs.push(
                        json!({"run_id": "r0", "artifact_uri": place, "status": "RUNNING", "tags": asked["tags"]}),
                    );
                }
                self.runs.push(run.clone());
                json!({"run": {"info": run}})
            }
            "runs/delete" => {
                self.deleted.push(asked["run_id"].as_str().unwrap().to_owned());
                json!({})
            }
            "runs/update" => {
                self.runs[0]["status"] = asked["status"].clone();
                json!({})
            }
            "runs/set-tag" => {
                let tags = self.runs[0]["tags"].as_array_mut().unwrap();
                let own = tags.iter_mut().find(|tag| tag["key"] == asked["key"]).expect("a tag that is there");
                own["value"] = asked["value"].clone();
                json!({})
            }
            "runs/log-batch" => return Some(self.log(asked)),
            "artifacts/list" => {
                let path =
                    query.split('&').find_map(|part| part.strip_prefix("path=")).unwrap_or("").replace("%2F", "/");
                let mut found = Vec::new();
                for (place, bytes) in &self.files {
                    let name = place.strip_prefix("7/r1/artifacts/").unwrap();
                    if name.rsplit_once('/').map_or("", |(directory, _)| directory) == path {
                        found.push(json!({"path": name, "is_dir": false, "file_size": bytes.len()}));
                    }
                }
                json!({"files": found})
            }
            _ => return None,
        }))
    }

    fn log(&mut self, asked: &Value) -> Result<Value, &'static str> {
        let (params, metrics) = (asked["params"].as_array(), asked["metrics"].as_array());
        if params.map_or(0, Vec::len) > 100 || metrics.map_or(0, Vec::len) > 1000 {
            return Err("INVALID_PARAMETER_VALUE");
        }
        for one in params.into_iter().flatten() {
            let (key, value) = (one["key"].as_str().unwrap(), one["value"].as_str().unwrap());
            assert!(value.chars().count() <= 500);
            let before = self.params.insert(key.to_owned(), value.to_owned());
            assert!(before.is_none_or(|before| before == value), "{key} changes");
        }
        for one in metrics.into_iter().flatten() {
            self.metrics.insert(one["key"].as_str().unwrap().to_owned(), one["value"].as_f64().unwrap());
        }
        Ok(json!({}))
    }

    fn of_models(&mut self, call: &str, asked: &Value) -> Option<Result<Value, &'static str>> {
        let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
        Some(Ok(match call {
            "registered-models/create" if self.models.contains(&text("name")) => {
                return Some(Err("RESOURCE_ALREADY_EXISTS"));
            }
            "registered-models/create" => {
                self.models.push(text("name"));
                json!({})
            }
            "model-versions/search" => json!({"model_versions": self.versions}),
            "model-versions/create" => {
                assert_eq!([text("source"), text("run_id")], ["mlflow-artifacts:/7/r1/artifacts/model", "r1"]);
                let version = json!({"name": text("name"), "version": "1", "run_id": "r1"});
                self.versions.push(version.clone());
                json!({"model_version": version})
            }
            "registered-models/alias" => {
                self.aliases.insert(text("alias"), format!("{}/{}", text("name"), text("version")));
                json!({})
            }
            _ => return None,
        }))
    }
}

/// A study with its evaluation.
fn evaluated() -> Project {
    let project = Project::init("stroke");
    let settings = ["--set", "train.models=[logistic]", "--set", "generate.n=1000"];
    project.run(&[&["-C", "study", "repro", "-q", "evaluate"], &settings[..]].concat()).succeeds();
    project
}

fn send(project: &Project, server: &Server, args: &[&str]) -> Run {
    project.run(&[&["-C", "study", "export", "mlflow", "--tracking-uri", &server.uri], args].concat())
}

#[test]
fn a_bundle_is_logged_registered_and_sent_only_once() {
    let project = evaluated();
    let server = Server::start();
    let run = send(&project, &server, &["--model", "risk", "--json"]).succeeds();
    let expected = json!({"alias": "challenger", "experiment_id": "7", "known": false, "model": "risk", "run_id": "r1", "version": "1"});
    assert_eq!(run.json(), expected);
    server.with(|state| {
        assert_eq!(state.runs[0]["status"], "FINISHED");
        assert_eq!(state.aliases["challenger"], "risk/1");
        let metrics: Value = serde_json::from_str(&project.read("study/artifacts/metrics.json")).unwrap();
        assert_eq!(Some(state.metrics["auroc.value"]), metrics["auroc"]["value"].as_f64());
        assert!(state.metrics.len() > 40, "{:?}", state.metrics);
        assert_eq!(state.params["generate.n"], "1000");
        assert_eq!(state.params["train.models"], "[\"logistic\"]");
        assert_eq!(state.authorization, None);
        let bundle = project.files("study/artifacts/bundle");
        for (name, bytes) in &bundle {
            assert!(&state.files[&format!("7/r1/artifacts/model/bundle/{name}")] == bytes, "{name}");
        }
        assert!(state.files["7/r1/artifacts/model/MLmodel"].starts_with(b"flavors:"));
        let sent = &state.files["7/r1/artifacts/metrics.json"];
        assert_eq!(sent, project.read("study/artifacts/metrics.json").as_bytes());
        let place = |call: &str| state.calls.iter().position(|made| made == call).unwrap();
        assert!(place("artifacts/list") < place("model-versions/create"));
    });
    server.set(|state| state.calls.clear());
    let run = send(&project, &server, &["--model", "risk", "--alias", "champion", "--json"]).succeeds();
    assert_eq!((&run.json()["known"], &run.json()["version"]), (&json!(true), &json!("1")));
    server.with(|state| {
        assert_eq!(state.versions.len(), 1);
        assert!(!state.calls.iter().any(|call| call == "runs/create" || call == "runs/log-batch"), "{:?}", state.calls);
        assert_eq!(state.aliases.keys().collect::<Vec<_>>(), ["challenger", "champion"]);
    });
}

/// A verdict goes with the numbers that it judges, and with no others.
#[test]
fn a_verdict_of_other_numbers_stays_here_and_that_of_these_follows() {
    let project = evaluated();
    let tag = |server: &Server| {
        let tags = server.with(|state| state.runs[0]["tags"].clone());
        tags.as_array().unwrap().iter().find(|tag| tag["key"] == "clinpipe_promotable").unwrap()["value"].clone()
    };
    project.make_writable("study/artifacts");
    project.write("study/artifacts/verdict.json", &json!({"promotable": true, "metrics": "0".repeat(64)}).to_string());
    let server = Server::start();
    send(&project, &server, &[]).succeeds();
    assert_eq!(tag(&server), "not judged");
    assert!(server.with(|state| !state.files.contains_key("7/r1/artifacts/verdict.json")));
    let metrics = blake3::hash(project.read("study/artifacts/metrics.json").as_bytes()).to_hex().to_string();
    project.write("study/artifacts/verdict.json", &json!({"promotable": false, "metrics": metrics}).to_string());
    send(&project, &server, &[]).succeeds();
    assert_eq!(tag(&server), "false");
    assert!(server.with(|state| state.files.contains_key("7/r1/artifacts/verdict.json")));
}

#[test]
fn of_two_hand_overs_at_once_one_registers() {
    let project = evaluated();
    let server = Server::start();
    let args = ["-C", "study", "export", "mlflow", "--json", "--tracking-uri", &server.uri];
    let spawn = || project.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let both = [spawn(), spawn(), spawn()];
    let known =
        both.map(|child| Run::from(child.wait_with_output().unwrap()).succeeds().json()["known"] == json!(true));
    assert_eq!(known.iter().filter(|known| !**known).count(), 1, "{known:?}");
    server.with(|state| assert_eq!((state.runs.len(), state.versions.len()), (1, 1)));
    // From another place there is no lock to wait at.
    let server = Server::start();
    server.set(|state| state.rival = true);
    let run = send(&project, &server, &[]).exits(4);
    assert!(run.stderr.contains("is being handed over from elsewhere, in run r0"), "{}", run.stderr);
    server.with(|state| {
        assert_eq!(state.deleted, ["r1"]);
        assert!(state.files.is_empty() && state.versions.is_empty());
    });
}

#[test]
fn what_did_not_arrive_is_not_registered_and_the_next_try_goes_on() {
    let project = evaluated();
    let server = Server::start();
    server.set(|state| state.forgets = Some("model.json"));
    let run = send(&project, &server, &[]).exits(4);
    assert!(run.stderr.contains("does not list model/bundle/model.json with its"), "{}", run.stderr);
    server.with(|state| {
        assert_eq!(state.runs[0]["status"], "FAILED");
        assert!(state.versions.is_empty() && state.models.is_empty());
    });
    server.set(|state| state.forgets = None);
    send(&project, &server, &[]).succeeds();
    server.with(|state| {
        assert_eq!((state.runs.len(), &state.runs[0]["status"]), (1, &json!("FINISHED")));
        assert_eq!(state.aliases["challenger"], "clinpipe/1");
    });
}

#[test]
fn refusals_say_what_to_do() {
    let project = evaluated();
    let server = Server::start();
    let refused = |text: &str, code: i32| {
        let run = send(&project, &server, &[]).exits(code);
        assert!(run.stderr.contains(text) && run.stderr.contains("help:"), "{}", run.stderr);
    };
    server.set(|state| state.refuses = Some((403, "Invalid Host header")));
    refused("--allowed-hosts", 4);
    refused("refuses experiments/get-by-name (403): Invalid Host header", 4);
    server.set(|state| state.refuses = Some((500, "no\nerror: all is lost\u{1b}[2J\u{202e}")));
    refused(r"(500): no\nerror: all is lost\u{1b}[2J\u{202e}", 4);
    server.set(|state| state.refuses = Some((401, "who are you?")));
    refused("MLFLOW_TRACKING_TOKEN", 4);
    server.set(|state| (state.refuses, state.elsewhere) = (None, true));
    refused("keeps its files at s3://bucket/r1", 4);
    let run = project.run(&["-C", "study", "export", "mlflow", "--tracking-uri", "localhost:5000"]).exits(2);
    assert!(run.stderr.contains("is no address to ask"), "{}", run.stderr);
    let run = project.run(&["-C", "study", "export", "mlflow", "--tracking-uri", "http://127.0.0.1:1"]).exits(4);
    assert!(run.stderr.contains("cannot reach http://127.0.0.1:1"), "{}", run.stderr);
    project.run(&["-C", "study", "export", "mlflow"]).exits(2);
    project.run(&["-C", "study", "export", "mlflow", "-o", "flow", "--alias", "champion"]).exits(2);
}

#[test]
fn numbers_of_another_bundle_stay_here_and_credentials_come_from_the_environment() {
    let project = evaluated();
    let server = Server::start();
    let metrics = project.read("study/artifacts/metrics.json").replacen("\"bundle\": \"", "\"bundle\": \"0", 1);
    project.make_writable("study/artifacts");
    project.write("study/artifacts/metrics.json", &metrics);
    let mut command = project.command(&["-C", "study", "export", "mlflow", "--tracking-uri", &server.uri]);
    command.envs([("MLFLOW_TRACKING_USERNAME", "ward"), ("MLFLOW_TRACKING_PASSWORD", "secret")]);
    let run = Run::from(command.output().unwrap()).succeeds();
    assert!(run.stderr.contains("no metrics.json beside the bundle is of this bundle"), "{}", run.stderr);
    server.with(|state| {
        assert!(state.metrics.is_empty() && !state.files.keys().any(|name| name.ends_with("metrics.json")));
        assert_eq!(state.authorization.as_deref(), Some("Basic d2FyZDpzZWNyZXQ="));
    });
    let mut command = project.command(&["-C", "study", "export", "mlflow", "--tracking-uri", &server.uri]);
    command.env("MLFLOW_TRACKING_TOKEN", "t0ken");
    Run::from(command.output().unwrap()).succeeds();
    server.with(|state| assert_eq!(state.authorization.as_deref(), Some("Bearer t0ken")));
}
