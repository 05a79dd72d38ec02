//! How a running service is looked after: it renews its model, keeps predictions on record and ends, all under load.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::disk::disk_command;
use crate::project::{Project, tell};
use crate::service::Service;

const PATIENT: &str = r#"{"patient_id": "P-0042", "age": 71, "treatment_group": "Placebo", "trial_phase": "Phase III",
    "days_in_trial": 120, "visits_completed": 1, "last_visit_day": 33, "adverse_events": 4}"#;

/// A study with its bundle, and settings of the service in place of the study's.
fn study(settings: &str) -> Project {
    let project = Project::init("dropout");
    project.run(&["-C", "study", "repro", "bundle", "-q", "--set", "train.models=[logistic]"]).succeeds();
    set(&project, settings);
    project
}

fn set(project: &Project, settings: &str) {
    let params = project.read("study/params.yaml");
    let start = params.find("\nserve: ").unwrap();
    project.write("study/params.yaml", &format!("{}\nserve: {settings}\n", &params[..start]));
}

/// Lines of the log of predictions; every one must be whole.
fn lines(project: &Project, file: &str) -> Vec<Value> {
    let text = project.read(file);
    assert!(text.is_empty() || text.ends_with('\n'), "{file} ends in half a line");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Clients that predict one after another until they are told to stop, or nobody listens any more.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Answers>>,
}

/// How often each status and model version was answered; 0 where a connection ended without an answer.
type Answers = BTreeMap<(u16, String), u64>;

impl Load {
    fn start(address: &str, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (address, stop) = (address.to_owned(), stop.clone());
            std::thread::spawn(move || {
                let mut answers = Answers::new();
                while !stop.load(Ordering::Relaxed) {
                    // The closed listener refuses the connection, and only that ends the client.
                    let Ok(stream) = TcpStream::connect(&address) else { break };
                    *answers.entry(predict(stream)).or_default() += 1;
                }
                answers
            })
        };
        Self { clients: (0..clients).map(client).collect(), stop }
    }

    fn finish(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Answers::new();
        for client in self.clients {
            for (answer, count) in client.join().unwrap() {
                *all.entry(answer).or_default() += count;
            }
        }
        all
    }
}

fn predict(mut stream: TcpStream) -> (u16, String) {
    let length = PATIENT.len();
    let request = format!(
        "POST /predict HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{PATIENT}"
    );
    let mut answer = Vec::new();
    let done = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer).map(drop));
    let answer = String::from_utf8_lossy(&answer);
    let Some(head) = answer.split_once("\r\n\r\n").map(|(head, _)| head).filter(|_| done.is_ok()) else {
        return (0, String::new());
    };
    let version = head.lines().find_map(|line| line.strip_prefix("x-model-version: ")).unwrap_or_default();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), version.to_owned())
}

/// Waits until something has come about; how long that may take says nothing of the service.
fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !until() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_accepted_request_is_lost_and_every_answer_is_on_record_when_the_signal_comes_under_load() {
    let project = study("{predictions: {file: log/predictions.jsonl, inputs: true}}");
    fs::create_dir(project.path("study/log")).unwrap();
    let mut total = 0;
    for round in 0..20 {
        let service = Service::start(&project, &[]);
        let load = Load::start(&service.address, 8);
        std::thread::sleep(Duration::from_millis(100 + 7 * round));
        service.signal(Signal::TERM);
        let (code, log) = service.end();
        let answers = load.finish();
        assert_eq!(code, Some(0));
        let end = log.iter().find(|line| line["event"] == "stopped").expect("the log is written to its end");
        let answered: u64 = answers.iter().filter(|((status, _), _)| *status == 200).map(|(_, count)| count).sum();
        // A connection that the kernel made while the listener closed was never accepted and is reset.
        assert!(answers.keys().all(|(status, _)| [0, 200].contains(status)), "{answers:?}");
        assert_eq!(end["connections_accepted"], answered, "{answers:?}");
        assert_eq!(end["connections_cut"], 0);
        let told = log.iter().filter(|line| line["event"] == "request" && line["status"] == 200).count();
        assert_eq!(told as u64, answered, "every answer is in the service's log");
        total += answered;
    }
    let lines = lines(&project, "study/log/predictions.jsonl");
    assert_eq!(lines.len() as u64, total, "every answer is on record");
    assert!(total > 20 * 8);
    let line = &lines[0];
    assert_eq!((&line["record"], &line["inputs"]["age"]), (&Value::from("prediction"), &Value::from(71)));
    assert!(
        line["inputs"].get("patient_id").is_none() && !project.read("study/log/predictions.jsonl").contains("P-0042")
    );
}

#[test]
fn a_stuck_client_does_not_keep_the_service_alive() {
    let project = study("{drain: 0.5, predictions: {file: p.jsonl}}");
    let service = Service::start(&project, &[]);
    let mut stuck = TcpStream::connect(&service.address).unwrap();
    stuck
        .write_all(
            b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        )
        .unwrap();
    let load = Load::start(&service.address, 4);
    std::thread::sleep(Duration::from_millis(200));
    service.signal(Signal::TERM);
    let (code, log) = service.end();
    let answers = load.finish();
    assert_eq!(code, Some(0));
    let end = log.iter().find(|line| line["event"] == "stopped").unwrap();
    assert_eq!(end["connections_cut"], 1, "{answers:?}");
    let answered: u64 = answers.iter().filter(|((status, _), _)| *status == 200).map(|(_, count)| count).sum();
    assert_eq!(lines(&project, "study/p.jsonl").len() as u64, answered);
}

#[test]
fn twenty_reloads_under_load_disturb_no_request() {
    let project = study("{port: 0}");
    copy(&project, "study/artifacts/bundle", "first");
    let other = ["-C", "study", "repro", "bundle", "-q", "--set", "train.models=[logistic]", "--set", "seed=8"];
    project.run(&other).succeeds();
    copy(&project, "study/artifacts/bundle", "second");
    copy(&project, "first", "served");
    let service = Service::start(&project, &["--bundle", "../served"]);
    let load = Load::start(&service.address, 6);
    for round in 0..20 {
        let next = if round % 2 == 0 { "second" } else { "first" };
        project.remove("served");
        copy(&project, next, "served");
        service.signal(Signal::HUP);
        wait("the new model", || service.events("model_loaded").len() == round + 1);
    }
    let answers = load.finish();
    assert!(answers.keys().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(answers.len(), 2, "both models have answered: {answers:?}");

    // What is refused changes nothing.
    let before = service.get("/health")["bundle"].clone();
    fs::write(project.path("served/bundle.json"), "{").unwrap();
    service.signal(Signal::HUP);
    wait("the refusal", || !service.events("model_refused").is_empty());
    assert_eq!(service.get("/health")["bundle"], before);
    let (_, metrics) = service.ask("GET", "/metrics", "");
    for line in [
        r#"model_reloads_total{role="champion",result="loaded"} 20"#,
        r#"model_reloads_total{role="champion",result="refused"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert_eq!(service.stop(), Some(0));
}

fn copy(project: &Project, from: &str, to: &str) {
    let status =
        Command::new("cp").args(["-rL", "--no-preserve=mode"]).args([project.path(from), project.path(to)]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_promoted_bundle_is_found_and_a_challenger_answers_for_its_share() {
    let project = study("{reload_poll: 0.1}");
    copy(&project, "study/artifacts/bundle", "first");
    let service = Service::start(&project, &["--canary", "../first", "--canary-share", "1"]);
    let other = ["-C", "study", "repro", "bundle", "-q", "--set", "train.models=[logistic]", "--set", "seed=8"];
    project.run(&other).succeeds();
    wait("the promoted bundle", || !service.events("model_loaded").is_empty());
    let health = service.get("/health");
    let version = |at: usize| health["models"][at]["model_version"].as_str().unwrap().to_owned();
    assert_ne!(version(0), version(1));
    assert_eq!(predict(TcpStream::connect(&service.address).unwrap()), (200, version(1)));
    let (_, metrics) = service.ask("GET", "/metrics", "");
    assert!(metrics.contains(&format!("model_version=\"{}\"", version(1))), "{metrics}");
    assert_eq!(service.stop(), Some(0));

    let run =
        project.run(&["-C", "study", "serve", "--check", "--canary", "../none", "--canary-share", "0.5"]).exits(2);
    assert!(run.stderr.contains("../none"), "{}", run.stderr);
    let run = project.run(&["-C", "study", "serve", "--check", "--canary", "../first", "--canary-share", "2"]).exits(2);
    assert!(run.stderr.contains("canary.share must be from 0 to 1"), "{}", run.stderr);
}

#[test]
fn a_killed_service_leaves_whole_lines_and_its_successor_cuts_off_half_a_line() {
    let project = study("{predictions: {file: p.jsonl}}");
    let service = Service::start(&project, &[]);
    let load = Load::start(&service.address, 8);
    std::thread::sleep(Duration::from_millis(300));
    service.signal(Signal::KILL);
    assert_eq!(service.end().0, None);
    let answered: u64 = load.finish().iter().filter(|((status, _), _)| *status == 200).map(|(_, count)| count).sum();
    let text = project.read("study/p.jsonl");
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    assert!(whole.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    let count = whole.lines().count() as u64;
    // What lay in the queue is lost: the lines of some milliseconds.
    assert!(count > 0 && count <= answered + 8, "{count} lines, {answered} answers");

    project.write("study/p.jsonl", &format!("{whole}{{\"record\":\"predi"));
    let service = Service::start(&project, &[]);
    assert_eq!(predict(TcpStream::connect(&service.address).unwrap()).0, 200);
    let run = project.run(&["-C", "study", "serve", "--port", "0"]).exits(2);
    assert!(run.stderr.contains("another service writes to it"), "{}", run.stderr);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(lines(&project, "study/p.jsonl").len() as u64, count + 1);
}

#[test]
fn the_record_is_set_aside_under_load_without_losing_a_line() {
    let project = study("{predictions: {file: p.jsonl, rotate: 20KB}}");
    let mut command = project.command(&["-C", "study", "-q", "serve", "--port", "0"]);
    let service = Service::spawn(command.env("CLINPIPE_LOG_KEY", "0123456789abcdef"));
    let load = Load::start(&service.address, 8);
    wait("some files", || files(&project).len() > 3);
    let moved = project.path("study/moved.jsonl");
    fs::rename(project.path("study/p.jsonl"), &moved).unwrap();
    service.signal(Signal::HUP);
    wait("a new file", || project.exists("study/p.jsonl"));
    let answers = load.finish();
    assert_eq!(service.stop(), Some(0));
    assert!(answers.keys().all(|(status, _)| *status == 200), "{answers:?}");
    let mut names = files(&project);
    names.push("moved.jsonl".to_owned());
    let lines: Vec<Value> = names.iter().flat_map(|name| lines(&project, &format!("study/{name}"))).collect();
    assert_eq!(lines.len() as u64, answers.values().sum::<u64>());
    // The key outlives the service, so the pseudonym does as well.
    let service = Service::spawn(
        project.command(&["-C", "study", "-q", "serve", "--port", "0"]).env("CLINPIPE_LOG_KEY", "0123456789abcdef"),
    );
    predict(TcpStream::connect(&service.address).unwrap());
    assert_eq!(service.stop(), Some(0));
    assert!(lines.iter().all(|line| line["patient_id"] == lines[0]["patient_id"]));
    let last = self::lines(&project, "study/p.jsonl").pop().unwrap();
    assert_eq!(last["patient_id"], lines[0]["patient_id"]);

    let mut command = project.command(&["-C", "study", "serve", "--check"]);
    let weak = command.env("CLINPIPE_LOG_KEY", "short").output().unwrap();
    assert_eq!(weak.status.code(), Some(2));
    assert!(String::from_utf8(weak.stderr).unwrap().contains("at least 16 bytes"));
}

/// The files of the record.
fn files(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("study")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("p.") && name.ends_with("jsonl")).collect()
}

#[test]
fn on_a_full_disk_nothing_is_predicted_until_there_is_room() {
    let project = study("{port: 0}");
    // The service is a child of the shell that sees the disk; the shell does what it is told, and ends it at the end.
    let script = r#"
head -c 28000 /dev/zero > "$disk/filler"
"$clinpipe" -C study -q serve --port 0 --predictions "$disk/p.jsonl" & pid=$!
while read -r command; do eval "$command"; done
kill "$pid"; wait "$pid" || exit 97
cat "$disk/p.jsonl""#;
    let Some(mut command) = disk_command(&project, "size=48k", script) else { return };
    let out = fs::File::create(project.path("lines.jsonl")).unwrap();
    let (orders, mut write) = std::io::pipe().unwrap();
    let service = Service::spawn(command.stdin(Stdio::from(orders)).stdout(Stdio::from(out)));
    drop(command);
    let mut answered = 0;
    let once = |answered: &mut u64| {
        let (status, _) = predict(TcpStream::connect(&service.address).unwrap());
        *answered += u64::from(status == 200);
        status
    };
    wait("the disk to be full", || once(&mut answered) == 503);
    assert!(answered > 10, "{answered}");
    assert_eq!(service.ask("GET", "/health", "").0, 503);
    assert_eq!(service.events("predictions_unwritable").len(), 1);
    writeln!(write, "rm \"$disk/filler\"").unwrap();
    wait("the service to recover", || once(&mut answered) == 200);
    assert_eq!(service.ask("GET", "/health", "").0, 200);
    drop(write);
    assert_eq!(service.end().0, Some(0));
    let predictions = lines(&project, "lines.jsonl").iter().filter(|line| line["record"] == "prediction").count();
    assert_eq!(predictions as u64, answered, "every answer is on record, and nothing else");
}

#[test]
fn prometheus_finds_nothing_to_remark_on_the_metrics() {
    let project = study("{predictions: {file: p.jsonl}}");
    let service = Service::start(&project, &["--canary", "artifacts/bundle", "--canary-share", "0.5"]);
    for body in [PATIENT, "{}", "{", &PATIENT.replace("71", "85")] {
        service.ask("POST", "/predict", body);
    }
    service.ask("GET", "/nowhere", "");
    service.signal(Signal::HUP);
    wait("the reload", || service.events("model_loaded").len() == 2);
    let (_, metrics) = service.ask("GET", "/metrics", "");
    assert_eq!(service.stop(), Some(0));
    for family in [
        "http_requests_total",
        "http_request_duration_seconds",
        "http_requests_in_flight",
        "predictions_total",
        "predicted_probability",
        "input_warnings_total",
        "errors_total",
        "model_info",
        "model_reloads_total",
        "prediction_log_lines_total",
        "prediction_log_waiting_bytes",
        "prediction_log_writable",
        "log_lines_lost_total",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(&format!("# HELP {family} ")), "{family} is not described in\n{metrics}");
        assert!(metrics.contains(&format!("# TYPE {family} ")), "{family} has no type in\n{metrics}");
    }
    let Ok(mut promtool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        tell("not tested: promtool is not here");
        return;
    };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let verdict = promtool.wait_with_output().unwrap();
    assert!(verdict.status.success(), "{}\n{metrics}", String::from_utf8_lossy(&verdict.stderr));
    assert!(verdict.stderr.is_empty(), "{}", String::from_utf8_lossy(&verdict.stderr));
}

#[test]
fn a_record_that_somebody_deletes_is_begun_anew_and_told() {
    let project = study("{predictions: {file: kept/p.jsonl, when_full: refuse}}");
    fs::create_dir(project.path("study/kept")).unwrap();
    let service = Service::start(&project, &[]);
    let ask = || predict(TcpStream::connect(&service.address).unwrap()).0;
    assert_eq!(ask(), 200);
    fs::remove_file(project.path("study/kept/p.jsonl")).unwrap();
    wait("another file", || project.exists("study/kept/p.jsonl"));
    assert_eq!(ask(), 200);
    wait("its line", || lines(&project, "study/kept/p.jsonl").len() == 1);
    assert_eq!(service.events("predictions_file_gone").len(), 1);
    // Nothing is predicted off the record: without the directory there is no file to write to.
    fs::remove_dir_all(project.path("study/kept")).unwrap();
    wait("a refusal", || ask() == 503);
    fs::create_dir(project.path("study/kept")).unwrap();
    wait("an answer", || ask() == 200);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_service_alive() {
    let project = study("{predictions: {file: p.jsonl}}");
    let mut command = project.command(&["-C", "study", "-q", "serve", "--port", "0"]);
    let mut service = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = std::io::BufReader::new(service.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    let address = started["address"].as_str().unwrap().trim_start_matches("http://");
    // More lines than the pipe has room for.
    for _ in 0..800 {
        assert_eq!(predict(TcpStream::connect(address).unwrap()).0, 200);
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&service), Signal::TERM).unwrap();
    assert_eq!(service.wait().unwrap().code(), Some(0));
    assert_eq!(lines(&project, "study/p.jsonl").len(), 800);
    drop(log);
}
