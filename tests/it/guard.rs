//! `clinpipe serve` as it is set up on a site: settings from every source, keys and certificates that change while it
//! runs, and what an attacker on the network can do to it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::Project;

/// Longer than anything here takes on a busy machine; only a hang meets it.
const PATIENCE: Duration = Duration::from_mins(2);

/// A bundle of the stroke study, made once for all tests here; the next run makes it anew in the same place.
fn bundle() -> &'static Path {
    static BUNDLE: OnceLock<PathBuf> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let project = Project::init("stroke");
        project.run(&["-C", "study", "repro", "bundle", "-q", "--set", "train.models=[logistic]"]).succeeds();
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guard-bundle");
        let _absent = fs::remove_dir_all(&place);
        for (name, bytes) in project.files("study/artifacts/bundle") {
            let file = place.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        place
    })
}

/// `clinpipe serve` in a directory without a pipeline, so that nothing but its arguments and variables counts.
fn serve(dir: &Project, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = dir.command(&[&["serve"], args].concat());
    command.env_clear().env("CLINPIPE_BUNDLE", bundle()).envs(variables.iter().copied());
    command
}

fn check(dir: &Project, args: &[&str], variables: &[(&str, &str)]) -> crate::project::Run {
    serve(dir, &[args, &["--check"]].concat(), variables).output().unwrap().into()
}

/// A service that runs, with the lines of its log.
struct Running {
    process: Child,
    address: String,
    log: Receiver<Value>,
    told: Vec<Value>,
}

impl Running {
    fn start(dir: &Project, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = serve(dir, &[args, &["--port", "0"]].concat(), variables);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Warnings before the start are no JSON.
                if let Ok(line) = serde_json::from_str(&line) {
                    let _ended = sender.send(line);
                }
            }
        });
        let mut running = Self { process, address: String::new(), log, told: Vec::new() };
        let started = running.event("started");
        let address = started["address"].as_str().unwrap();
        address.split("://").nth(1).unwrap().clone_into(&mut running.address);
        running
    }

    /// Waits for an event of that name.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{name}` in {:?}", self.told));
            self.told.push(line.clone());
            if line["event"] == name {
                return line;
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Status of `GET path` with further header lines.
    fn get(&self, path: &str, headers: &str) -> u16 {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
    }

    /// Resident memory in MiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn stop(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
        self.told.extend(self.log.iter());
        self.told.drain(..).collect()
    }
}

#[test]
fn settings_come_from_flags_environment_file_and_params_in_that_order() {
    let dir = Project::empty();
    dir.write("site/serve.yaml", "port: 1111\ndrain: 3\nkeys: keys.yaml\nrisk_levels: {High: 0.7}\n");
    let made = dir.run(&["serve", "key", "new", "--name", "ward", "--scope", "predict"]).succeeds();
    let entry = made.stderr.lines().find(|line| line.starts_with("- {")).unwrap();
    dir.write("site/keys.yaml", &format!("{entry}\n"));
    let file = ["--settings", "site/serve.yaml"];
    let told = check(&dir, &file, &[]).succeeds().stdout;
    assert!(told.contains("port = 1111  (port in site/serve.yaml)"), "{told}");
    assert!(told.contains("with an API key") && told.contains("keys = \"site/keys.yaml\""), "{told}");
    let alias = [("API_PORT", "2222"), ("DECISION_THRESHOLD", "0.31"), ("RISK_THRESHOLD_HIGH", "0.8")];
    let told = check(&dir, &file, &alias).succeeds().stdout;
    assert!(told.contains("port = 2222  (API_PORT)") && told.contains("threshold 0.31 (override:0.31"), "{told}");
    assert!(told.contains("risk_levels = {\"HIGH\":0.8}  (RISK_THRESHOLD_HIGH)"), "{told}");
    let both = [("API_PORT", "2222"), ("CLINPIPE_PORT", "3333")];
    let told = check(&dir, &file, &both).succeeds().stdout;
    assert!(told.contains("port = 3333  (CLINPIPE_PORT)"), "{told}");
    let told = check(&dir, &["--settings", "site/serve.yaml", "--port", "4444"], &both).succeeds().stdout;
    assert!(told.contains("port = 4444  (--port)") && told.contains("drain = 3  (drain in site/serve.yaml)"), "{told}");

    // The bundle of an older system's variable, and params.yaml below everything.
    dir.write("pipeline.yaml", "stages: {serve: {uses: serve, deps: {bundle: b}, params: [serve]}}\n");
    dir.write("params.yaml", "serve: {port: 8008}\n");
    let mut command = dir.command(&["serve", "--check"]);
    command.env_clear().env("MODEL_DIR", bundle()).env("CLINPIPE_API_KEY", "a-key-that-nobody-guesses");
    let told = crate::project::Run::from(command.output().unwrap()).succeeds().stdout;
    assert!(told.contains("(MODEL_DIR)") && told.contains("port = 8008  (port in params.yaml)"), "{told}");
    assert!(told.contains("an API key  (CLINPIPE_API_KEY)") && !told.contains("nobody"), "{told}");
}

#[test]
fn a_check_finds_every_fault_and_names_where_it_stands() {
    let dir = Project::empty();
    dir.write("odd.yaml", "prot: 1\n");
    dir.write("type.yaml", "port: [1]\n");
    dir.write("keys.yaml", "- {name: ward, hash: plain-text-key, scopes: [read]}\n");
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls");
    let [cert, key] = ["first-cert.pem", "second-key.pem"].map(|name| pem.join(name).to_str().unwrap().to_owned());
    for (args, variables, words) in [
        (&["--settings", "odd.yaml"][..], &[][..], &["odd.yaml: prot", "did you mean `port`"][..]),
        (&["--settings", "type.yaml"], &[], &["port in type.yaml"]),
        (&["--settings", "none.yaml"], &[], &["none.yaml"]),
        (&[], &[("CLINPIPE_PORT", "70000")], &["CLINPIPE_PORT"]),
        (&[], &[("API_KEY", "short")], &["API_KEY", "16", "clinpipe serve key new"]),
        (&[], &[("CLINPIPE_API_KEY", "")], &["CLINPIPE_API_KEY"]),
        (&["--keys", "keys.yaml"], &[], &["key 1", "hash of `ward`"]),
        (&["--keys", "none.yaml"], &[], &["none.yaml"]),
        (&[], &[("CLINPIPE_TLS_CERT", "x.pem")], &["tls_key"]),
        (&[], &[("CLINPIPE_TLS_CERT", "x.pem"), ("CLINPIPE_TLS_KEY", "y.pem")], &["TLS: x.pem"]),
        (&[], &[("CLINPIPE_TLS_CERT", &cert), ("CLINPIPE_TLS_KEY", &key)], &["second-key.pem"]),
        (&["--host", "0.0.0.0"], &[], &["no API key", "--allow-open"]),
        (&[], &[("ALLOWED_HOSTS", "https://x")], &["allowed_hosts", "https://x"]),
        (&[], &[("CLINPIPE_RISK_THRESHOLD_NOSUCH", "0.5")], &["NOSUCH", "risk level"]),
        (&[], &[("MODEL_PATH", "/nowhere"), ("CLINPIPE_BUNDLE", "")], &["/nowhere"]),
    ] {
        let run = check(&dir, args, variables).exits(2);
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{words:?} not in {}", run.stderr);
        assert!(!run.stderr.contains("plain-text-key"), "a key was shown: {}", run.stderr);
    }
    let run = check(&dir, &["--host", "192.0.2.1"], &[("API_KEY", "a-key-that-nobody-guesses")]).exits(4);
    assert!(run.stderr.contains("192.0.2.1"), "{}", run.stderr);
    let run = check(&dir, &["--host", "0.0.0.0", "--allow-open"], &[("CLINPIPE_PROT", "1")]).succeeds();
    assert!(
        run.stderr.contains("CLINPIPE_PROT") && run.stderr.contains("did you mean CLINPIPE_PORT"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("no API key is set"), "{}", run.stderr);
}

#[test]
fn keys_change_without_a_restart_and_a_broken_file_changes_nothing() {
    let dir = Project::empty();
    let make = |name: &str| {
        let made = dir.run(&["serve", "key", "new", "--name", name]).succeeds();
        let entry = made.stderr.lines().find(|line| line.starts_with("- {")).unwrap().to_owned();
        (format!("x-api-key: {}\r\n", made.stdout.trim()), entry)
    };
    let ((old, old_entry), (new, new_entry)) = (make("old"), make("new"));
    dir.write("keys.yaml", &format!("{old_entry}\n"));
    let mut service = Running::start(&dir, &["--keys", "keys.yaml"], &[]);
    let codes = |service: &Running| [service.get("/stats", &old), service.get("/stats", &new)];
    assert_eq!((codes(&service), service.get("/stats", "")), ([200, 401], 401));
    dir.write("keys.yaml", &format!("{old_entry}\n{new_entry}\n"));
    assert_eq!(service.event("keys_read")["keys"], 2);
    assert_eq!(codes(&service), [200, 200]);
    dir.write("keys.yaml", &format!("{new_entry}\n- {{name: x\n"));
    service.event("keys_refused");
    assert_eq!(codes(&service), [200, 200]);
    dir.remove("keys.yaml");
    service.event("keys_refused");
    assert_eq!(codes(&service), [200, 200]);
    dir.write("keys.yaml", &format!("{new_entry}\n"));
    service.event("keys_read");
    assert_eq!(codes(&service), [401, 200]);
    service.signal(Signal::HUP);
    service.event("keys_read");
    let log: String = service.stop().iter().map(Value::to_string).collect();
    let secrets = [&old, &new].map(|key| key.trim().trim_start_matches("x-api-key: "));
    assert!(log.contains(r#""key":"old""#) && !secrets.iter().any(|key| log.contains(key)), "{log}");
}

#[test]
fn a_certificate_changes_without_a_restart() {
    let dir = Project::empty();
    let pem =
        |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)).unwrap();
    dir.write("cert.pem", &pem("first-cert.pem"));
    dir.write("key.pem", &pem("first-key.pem"));
    let files = [("CLINPIPE_TLS_CERT", "cert.pem"), ("CLINPIPE_TLS_KEY", "key.pem")];
    let mut service = Running::start(&dir, &[], &files);
    assert!(service.told.iter().any(|line| line["address"].as_str().is_some_and(|at| at.starts_with("https://"))));
    let answer = by_tls(&service, &pem("first-cert.pem")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: max-age="), "{answer}");
    assert!(by_tls(&service, &pem("second-cert.pem")).is_err());
    // So does the probe: it trusts what it was told to trust, under that name, and nothing else.
    dir.write("other.pem", &pem("second-cert.pem"));
    let port = service.address.rsplit(':').next().unwrap().to_owned();
    for (host, trusted, code) in
        [("localhost", "cert.pem", 0), ("127.0.0.1", "cert.pem", 1), ("localhost", "other.pem", 1)]
    {
        let mut probe = dir.command(&["serve", "probe", &format!("https://{host}:{port}/health")]);
        crate::project::Run::from(probe.env("SSL_CERT_FILE", trusted).output().unwrap()).exits(code);
    }
    // Plain HTTP is no TLS: the connection ends without an answer in it.
    let mut plain = service.connect();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _reset = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    dir.write("cert.pem", &pem("second-cert.pem"));
    service.event("certificate_refused");
    assert!(by_tls(&service, &pem("first-cert.pem")).is_ok(), "half a change is none");
    dir.write("key.pem", &pem("second-key.pem"));
    service.event("certificate_read");
    assert!(by_tls(&service, &pem("second-cert.pem")).unwrap().starts_with("HTTP/1.1 200"));
    service.signal(Signal::HUP);
    service.event("certificate_read");
    service.stop();
}

/// The answer of `/livez` over TLS, when the service shows that certificate.
fn by_tls(service: &Running, trusted: &str) -> std::io::Result<String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let session = rustls::ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(session, service.connect());
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn an_open_service_does_not_answer_to_names_from_elsewhere() {
    let dir = Project::empty();
    let service = Running::start(&dir, &[], &[]);
    let ask = |host: &str| {
        let mut stream = service.connect();
        write!(stream, "GET /schema HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(
        (ask("localhost:8000"), ask("127.0.0.1"), ask("rebound.evil.example")),
        ("200".into(), "200".into(), "400".into())
    );
    service.stop();
}

/// The whole abuse at once: others are served meanwhile and memory stays where it was.
#[test]
fn abuse_neither_ends_the_service_nor_fills_its_memory_nor_starves_others() {
    let dir = Project::empty();
    let limits = [("CLINPIPE_MAX_CONNECTIONS", "256"), ("CLINPIPE_BODY_MEMORY", "16777216")];
    let service = Running::start(&dir, &[], &limits);
    let before = service.memory();
    // Idle connections, several times as many as there are places.
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(service.connect());
    }
    assert_eq!(service.get("/livez", ""), 200);
    // Slow-loris: headers that never end.
    let mut slow: Vec<TcpStream> = (0..100).map(|_| service.connect()).collect();
    for stream in &mut slow {
        let _gone = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ");
    }
    assert_eq!(service.get("/livez", ""), 200);
    // Bodies without end, in chunks, to the route that takes the largest.
    let endless: Vec<_> = (0..12)
        .map(|_| {
            let mut stream = service.connect();
            std::thread::spawn(move || {
                let head = "POST /predict/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
                let chunk = format!("10000\r\n{}\r\n", "[".repeat(65536));
                let mut sent = stream.write_all(head.as_bytes());
                for _ in 0..16_384 {
                    if sent.is_err() {
                        break;
                    }
                    sent = stream.write_all(chunk.as_bytes());
                }
                sent.is_err()
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(service.get("/health", ""), 200);
    }
    for thread in endless {
        assert!(thread.join().unwrap(), "a gigabyte was taken");
    }
    // Header floods and garbage.
    let flood = "x: y\r\n".repeat(5000);
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    for sent in [
        format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{flood}\r\n"),
        format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{long}\r\n"),
        "\0".repeat(100_000),
        "\r\n".repeat(100_000),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}".repeat(1000),
    ] {
        let mut stream = service.connect();
        let _reset = stream.write_all(sent.as_bytes());
        let _shut = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    let after = service.memory();
    assert!(after < before + 96, "from {before} to {after} MiB");
    assert_eq!(service.get("/livez", ""), 200);
    drop((idle, slow));
    let log = service.stop();
    assert!(log.iter().any(|line| line["event"] == "stopped"), "{log:?}");
}

#[test]
fn the_documentation_lists_every_setting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bless = std::env::var_os("CLINPIPE_BLESS").is_some();
    let (begin, end) = ("<!-- settings -->\n", "<!-- /settings -->\n");
    let page = root.join("docs/serving.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(begin).expect("the table's beginning");
    let (table, tail) = rest.split_once(end).expect("the table's end");
    let sample = root.join("deploy/serve.env.example");
    if bless {
        fs::write(&page, format!("{head}{begin}{}{end}{tail}", clinpipe::serve::markdown())).unwrap();
        fs::create_dir_all(sample.parent().unwrap()).unwrap();
        fs::write(&sample, clinpipe::serve::sample()).unwrap();
        return;
    }
    assert_eq!(table, clinpipe::serve::markdown(), "renew with CLINPIPE_BLESS=1");
    assert_eq!(fs::read_to_string(sample).unwrap(), clinpipe::serve::sample(), "renew with CLINPIPE_BLESS=1");
    let help = Project::empty().run(&["serve", "--help"]).succeeds().stdout;
    for setting in clinpipe::serve::TABLE {
        assert!(setting.flag.is_none_or(|flag| help.contains(flag)), "{:?} is no flag", setting.flag);
    }
}
