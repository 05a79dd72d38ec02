//! `clinpipe serve` on a bundle that the pipeline made, over a real socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::project::Project;

/// A running service, its address and what it has logged.
pub struct Service {
    process: Child,
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Service {
    /// Serves the project in `study`, with further arguments.
    pub fn start(project: &Project, args: &[&str]) -> Self {
        let command = [&["-C", "study", "-q", "serve", "--port", "0"], args].concat();
        let mut command = project.command(&command);
        Self::spawn(&mut command)
    }

    /// Takes a command for a service, and waits for its line `started`.
    pub fn spawn(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let started: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let address = started["address"].as_str().unwrap().trim_start_matches("http://").to_owned();
        // The log must be read on, or the service would wait for its reader.
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = log.clone();
        let reader = std::thread::spawn(move || lines.for_each(|line| kept.lock().unwrap().push(line.unwrap())));
        Self { process, address, log, reader }
    }

    /// Status and body of a request.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Status and answer of a POST.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, body) = self.ask("POST", path, &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}")))
    }

    /// The JSON answer of a GET, which must succeed.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"))
    }

    /// The lines of an event in its log so far.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    pub fn stop(self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.end().0
    }

    /// Waits for the end: the exit code and the lines of its log.
    pub fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let code = self.process.wait().unwrap().code();
        self.reader.join().unwrap();
        let log = self.log.lock().unwrap();
        (code, log.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

fn patient() -> Value {
    json!({
        "patient_id": "P-0042", "age": 71, "treatment_group": "Placebo", "trial_phase": "Phase III",
        "days_in_trial": 120, "visits_completed": 1, "last_visit_day": 33, "adverse_events": 4,
    })
}

#[test]
fn a_study_is_served_and_a_damaged_bundle_is_refused() {
    let project = Project::init("dropout");
    project.run(&["-C", "study", "serve", "--check"]).exits(2);
    project.run(&["-C", "study", "repro", "-q"]).succeeds();
    let run = project.run(&["-C", "study", "serve", "--check"]).succeeds();
    assert!(run.stderr.contains("the gate did not pass this model"), "{}", run.stderr);

    let service = Service::start(&project, &[]);
    for path in ["/livez", "/health", "/schema", "/metrics"] {
        assert_eq!(service.ask("GET", path, "").0, 200, "{path}");
    }
    let (status, answer) = service.post("/predict?answer=full", &patient());
    assert_eq!(status, 200, "{answer}");
    let probability = answer["probability"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&probability), "{answer}");

    let mut wrong = patient();
    wrong["age"] = json!(171);
    wrong["trial_phase"] = json!("Phase 3");
    wrong["adverse_events"] = json!(true);
    let (status, answer) = service.ask("POST", "/predict", &wrong.to_string());
    assert_eq!(status, 422, "{answer}");
    for field in ["age", "trial_phase", "adverse_events"] {
        assert!(answer.contains(field), "every faulty field is listed: {answer}");
    }
    let ready = format!("http://{}/health", service.address);
    let probe = |url: &str| project.run(&["serve", "probe", url]);
    probe(&ready).succeeds();
    let port = service.address.rsplit(':').next().unwrap();
    let mut command = project.command(&["serve", "probe"]);
    crate::project::Run::from(command.env("CLINPIPE_PORT", port).output().unwrap()).succeeds();
    let run = probe(&ready.replace("health", "nowhere")).exits(1);
    assert!(run.stderr.contains("answers 404"), "{}", run.stderr);
    assert_eq!(service.stop(), Some(0));
    probe(&ready).exits(1);
    probe("localhost").exits(2);

    // The same row, scored from a file, gets the same probability.
    project.write("study/one.csv", "patient_id,age,treatment_group,trial_phase,days_in_trial,visits_completed,last_visit_day,adverse_events\nP-0042,71,Placebo,Phase III,120,1,33,4\n");
    let scores = project.run(&["-C", "study", "predict", "one.csv"]).succeeds().stdout;
    let (header, row) = scores.trim().split_once('\n').unwrap();
    let column = header.split(',').position(|name| name == "p").unwrap();
    assert_eq!(row.split(',').nth(column).unwrap().parse::<f64>().unwrap(), probability);

    let model = project.path("study/artifacts/bundle/model.json");
    let mut bytes = fs::read(&model).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&model, bytes).unwrap();
    let run = project.run(&["-C", "study", "serve", "--port", "0"]).exits(4);
    assert!(run.stderr.contains("model.json"), "{}", run.stderr);
}

#[test]
fn services_of_one_bundle_answer_alike() {
    let project = Project::init("dropout");
    project.run(&["-C", "study", "repro", "bundle", "-q"]).succeeds();
    let services = [Service::start(&project, &[]), Service::start(&project, &[])];
    let ask = |service: &Service| {
        let (status, mut answer) = service.post("/predict?answer=full", &patient());
        assert_eq!(status, 200, "{answer}");
        answer.as_object_mut().unwrap().remove("timestamp");
        answer
    };
    let [first, second] = services.each_ref().map(ask);
    assert_eq!(first, second);
    let [one, other] = services;
    assert_eq!(one.stop(), Some(0));
    assert_eq!(ask(&other), second);
    assert_eq!(other.stop(), Some(0));
}
