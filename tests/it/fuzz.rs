//! Whatever the bytes of a file, reading it ends in a value or an error: no panic, no hang, no unbounded memory.
//!
//! Each target mutates a corpus of real files. In the suite it takes a moment; `CLINPIPE_FUZZ_SECONDS` sets how long it
//! goes on, and `benches/fuzz.sh` runs every target for ten minutes and reports its memory. The input that is being
//! tried stands in a file, so that it survives even a process that is killed for its memory or its stack.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clinpipe::config;
use clinpipe::graph::Graph;
use clinpipe::key::{ActionKey, Digest, HintTable, Reader};
use clinpipe::plan::Workspace;
use clinpipe::stage::Catalog;
use clinpipe::store::{Lock, Store};
use clinpipe::util::RelPath;

use crate::chance::Chance;
use crate::project::{Project, tell};

/// Inputs tried when no time is given.
const SHORT: u64 = 300;
/// No input is longer than this.
const LONGEST: usize = 1 << 16;

/// Pieces that mean something to some reader.
const TOKENS: &[&str] = &[
    "${",
    "}",
    "${item}",
    "${item.a}",
    "${key}",
    "${x[0]}",
    "\\${",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "!x ",
    "- ",
    ": ",
    "? ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "{",
    "[",
    "]",
    ",",
    "#",
    "\n",
    "\n  ",
    "\t",
    "\r\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\u{feff}",
    "\u{0}",
    "\u{2028}",
    "é",
    "🦀",
    "null",
    "~",
    "true",
    "yes",
    "0x1f",
    "0o17",
    "012",
    "1_000",
    ".inf",
    ".nan",
    "1e999",
    "-0.0",
    "99999999999999999999999999",
    "18446744073709551616",
    "1:20",
    "2026-01-01",
    "stages:\n",
    "foreach: ",
    "do: ",
    "matrix: ",
    "cmd: ",
    "deps: ",
    "outs: ",
    "params: ",
    "vars: ",
    "wdir: ",
    "uses: ",
    "metrics: ",
    "plots: ",
    "frozen: ",
    "env: ",
    "pool: ",
    "pools: ",
    "timeout: ",
    "1h30m",
    "resources: {memory: 1GiB}",
    "persist: true",
    "cache: ",
    "desc: ",
    "meta: ",
    "artifacts: ",
    "../",
    "/",
    "./",
    "a/b/../c",
    "*",
    "**",
    "!",
    "[a-",
    "{a,b}",
    "schema_version",
    "\"key\"",
    "\"outs\": {}",
    "\"digest\"",
    "\"size\": -1",
    "\\u0000",
    "\\ud800",
    "[[a]]\n",
    "[a.b]\n",
    "a.b = 1\n",
    "1979-05-27T07:32:00Z",
];

/// The built-ins; what the service wants of its parameters is for its own tests.
static CATALOG: Catalog = Catalog { check_service: |_| Ok(()) };

/// A target and what it is tried with.
struct Fuzz {
    name: &'static str,
    corpus: Vec<Vec<u8>>,
    chance: Chance,
}

impl Fuzz {
    fn new(name: &'static str, corpus: &[&[u8]]) -> Self {
        let seed = std::env::var("CLINPIPE_FUZZ_SEED").map_or(1, |text| text.parse().unwrap());
        Self { name, corpus: corpus.iter().map(|text| text.to_vec()).collect(), chance: Chance::new(seed) }
    }

    /// Tries inputs until the time is up. `read` must return.
    fn run(mut self, mut read: impl FnMut(&[u8])) {
        let seconds: Option<u64> = std::env::var("CLINPIPE_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
        let tried = memory_dir().join(format!("clinpipe-fuzz-{}-{}", self.name, std::process::id()));
        let (start, mut count, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
        let goes_on = |count| seconds.map_or(count < SHORT, |limit| start.elapsed() < Duration::from_secs(limit));
        while goes_on(count) {
            let index = count as usize;
            let input = self.corpus.get(index).cloned().unwrap_or_else(|| self.mutate());
            fs::write(&tried, &input).unwrap();
            let begin = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| read(&input)));
            assert!(result.is_ok(), "{}: panicked; the input is {}", self.name, tried.display());
            if begin.elapsed() > slowest && seconds.is_some() {
                slowest = begin.elapsed();
                fs::copy(&tried, tried.with_extension("slowest")).unwrap();
            }
            count += 1;
        }
        fs::remove_file(&tried).unwrap();
        let (name, spent, slowest) = (self.name, start.elapsed().as_secs(), slowest.as_millis());
        tell(&format!("{name}: {count} inputs in {spent} s, slowest {slowest} ms"));
    }

    fn mutate(&mut self) -> Vec<u8> {
        let mut input = self.pick_seed();
        for _ in 0..=self.chance.below(6) {
            self.mutate_once(&mut input);
            input.truncate(LONGEST);
        }
        input
    }

    fn pick_seed(&mut self) -> Vec<u8> {
        let index = self.chance.below(self.corpus.len() as u64) as usize;
        self.corpus[index].clone()
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.chance.below(input.len() as u64 + 1) as usize
    }

    /// A stretch, mostly short.
    fn stretch(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.place(input);
        let longest = 1 << self.chance.below(10);
        let end = start + self.chance.below(longest + 1) as usize;
        start..end.min(input.len())
    }

    fn mutate_once(&mut self, input: &mut Vec<u8>) {
        match self.chance.below(9) {
            0 => {
                let place = self.place(input);
                if let Some(byte) = input.get_mut(place) {
                    *byte ^= 1 << self.chance.below(8);
                }
            }
            1 => drop(input.drain(self.stretch(input))),
            2 => {
                let (piece, place) = (input[self.stretch(input)].to_vec(), self.place(input));
                drop(input.splice(place..place, piece));
            }
            // Nesting and repetition are what exhausts stacks and memory.
            3 => {
                let token = TOKENS[self.chance.below(TOKENS.len() as u64) as usize];
                let times = 1 << self.chance.below(12);
                let place = self.place(input);
                drop(input.splice(place..place, token.repeat(times).into_bytes()));
            }
            4 => {
                let other = self.pick_seed();
                let (piece, place) = (other[self.stretch(&other)].to_vec(), self.place(input));
                drop(input.splice(place..place, piece));
            }
            5 => input.truncate(self.place(input)),
            6 => {
                let place = self.place(input);
                let noise: Vec<u8> = (0..self.chance.below(8)).map(|_| self.chance.below(256) as u8).collect();
                drop(input.splice(place..place, noise));
            }
            7 => {
                let stretch = self.stretch(input);
                let token = TOKENS[self.chance.below(TOKENS.len() as u64) as usize];
                drop(input.splice(stretch, token.bytes()));
            }
            _ => {
                let token = TOKENS[self.chance.below(TOKENS.len() as u64) as usize];
                let place = self.place(input);
                drop(input.splice(place..place, token.bytes()));
            }
        }
    }
}

/// Where files stay in memory, if there is such a place.
fn memory_dir() -> PathBuf {
    if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() }
}

fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("clinpipe-fuzz-").tempdir_in(memory_dir()).unwrap()
}

fn checkout(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Loads the project and looks at what came out, or at the errors.
fn load(root: &Path) {
    match config::load(root, &RelPath::parse("pipeline.yaml").unwrap(), &[], &CATALOG) {
        Ok(project) => drop(Graph::build(&project.pipeline)),
        Err(errors) => {
            assert!(!errors.render(true).is_empty() && !errors.render(false).is_empty());
        }
    }
}

const ALL_KEYS: &str = r"
vars:
- {x: [1, 2, {a: b}], y: {z: 1.5, w: null}}
- more.yaml:x,y
pools: {gpu: 1}
params: [other.toml]
metrics: [m.json]
plots: [{p.csv: {x: a, y: b}}]
artifacts: {model: {path: out/model, type: model}}
stages:
  plain: &anchor
    cmd: [echo ${y.z} > a, 'cat a > b']
    wdir: .
    deps: [in, {maybe: {optional: true}}, dir/]
    params: [seed, train.rate, other.toml: [a.b], whole.json:]
    outs: [a, b: {cache: false, persist: true, desc: d}]
    metrics: [m.json: {cache: false}]
    plots: [p.csv: {x: a}]
    env: [HOME]
    timeout: 1h30m
    retries: 2
    pool: gpu
    frozen: false
    always_changed: true
    resources: {threads: 2, memory: 2GiB}
    desc: text
    meta: {any: [thing]}
  each:
    foreach: ${x}
    do: {cmd: 'echo ${item}', outs: ['e-${key}.txt']}
  many:
    matrix: {a: [1, 2], b: [{c: d}, {c: e}]}
    cmd: echo ${item.a} ${item.b.c} ${y}
    outs: ['m-${item.a}-${item.b.c}']
  again:
    <<: *anchor
    outs: [z]
";

const PARAMS: &str = "seed: 42\ntrain: {rate: 0.1, models: [a, b], deep: {er: [1, [2, {x: y}]]}}\ntext: |\n  several\n  lines\n? complex\n: value\n";

#[test]
fn pipeline() {
    let dir = scratch();
    fs::write(dir.path().join("params.yaml"), PARAMS).unwrap();
    fs::write(dir.path().join("more.yaml"), "x: 1\ny: {z: 2}\n").unwrap();
    let own = [checkout("pipeline.yaml"), checkout("studies/stroke/pipeline.yaml")];
    Fuzz::new("pipeline", &[ALL_KEYS.as_bytes(), &own[0], &own[1]]).run(|input| {
        fs::write(dir.path().join("pipeline.yaml"), input).unwrap();
        load(dir.path());
    });
}

#[test]
fn params() {
    let dirs = [("p.yaml", scratch()), ("p.json", scratch()), ("p.toml", scratch())];
    for (file, dir) in &dirs {
        let pipeline = format!(
            "stages: {{s: {{cmd: 'echo ${{seed}}', params: [{file}: [seed, train.rate], {file}:]}}}}\nvars: [{file}]\n"
        );
        fs::write(dir.path().join("pipeline.yaml"), pipeline).unwrap();
    }
    let json = br#"{"seed": 1, "train": {"rate": 1e-5, "deep": [1, [2, {"x": "\u00e9"}]]}, "t": true, "n": null}"#;
    let toml = b"seed = 1\n[train]\nrate = 0.1\n[[list]]\nx = 1979-05-27T07:32:00Z\n[a.b]\nc = { d = [1, 2] }\n";
    let own = checkout("params.yaml");
    let mut turn = 0;
    Fuzz::new("params", &[PARAMS.as_bytes(), json, toml, &own]).run(|input| {
        turn += 1;
        let (file, dir) = &dirs[turn % dirs.len()];
        fs::write(dir.path().join(file), input).unwrap();
        load(dir.path());
    });
}

#[test]
fn templates() {
    let dir = scratch();
    let frame = |text: &str| {
        let text = text.replace('\n', " ");
        format!(
            "vars:\n- {{x: [1, 2, {{a: b}}], y: {{z: 1.5, w: null, t: 'q'}}}}\nstages:\n  s@{text}:\n    foreach: [1, {{a: 2}}]\n    do: {{cmd: \"{text}\", wdir: '{text}', outs: ['{text}']}}\n  t: {{cmd: '{text}', params: ['{text}'], deps: ['{text}']}}\n"
        )
    };
    let seeds: [&[u8]; 6] = [
        b"${x[0]} ${y.z}",
        b"${item.a}-${key}",
        b"\\${x} ${ x }",
        b"${y}",
        b"${x[2].a}${y.t}",
        b"a ${params.yaml:seed} $${}",
    ];
    Fuzz::new("templates", &seeds).run(|input| {
        fs::write(dir.path().join("pipeline.yaml"), frame(&String::from_utf8_lossy(input))).unwrap();
        load(dir.path());
    });
}

/// A project that has run, with its files of the store.
fn finished() -> Project {
    let project = Project::new(
        "stages:\n  a: {cmd: mkdir d; cat in > d/a; cat in > b, deps: [in], params: [p], outs: [d/, b]}\n",
    );
    project.write("in", "1");
    project.write("params.yaml", "p: {q: [1, 2.5, null, true, text]}\n");
    project.run(&["-q", "repro"]).succeeds();
    project
}

#[test]
fn lock() {
    let project = finished();
    let text = project.read("lockfiles/pipeline.lock");
    Fuzz::new("lock", &[text.as_bytes(), b"{\"schema_version\": 1, \"stages\": {}}\n"]).run(|input| {
        if let Ok(lock) = Lock::parse(&String::from_utf8_lossy(input), &RelPath::default(), "lock") {
            let text = lock.to_text().unwrap();
            assert_eq!(Lock::parse(&text, &RelPath::default(), "lock").unwrap(), lock);
        }
    });
}

/// Journal, action record, hints, directory lists and a stage's claim, through those who read them.
#[test]
fn store() {
    let project = finished();
    let (config, env) = (RelPath::parse("pipeline.yaml").unwrap(), std::collections::BTreeMap::new());
    let loaded = config::load(&project.path(""), &config, &[], &CATALOG).unwrap();
    let graph = Graph::build(&loaded.pipeline).unwrap();
    let store = Store::new(&project.path(""));
    let lock = Lock::read(&project.path("lockfiles/pipeline.lock"), &RelPath::default()).unwrap();
    let (name, record) = lock.stages.iter().next().unwrap();
    let hex = record.key.to_string();
    let action = format!(".clinpipe/ac/{}/{}", &hex[..2], &hex[2..]);
    let list = record.outs.values().find(|out| out.count.is_some()).unwrap().digest.to_string();
    let list = format!(".clinpipe/cas/{}/{}", &list[..2], &list[2..]);
    let claim = ".clinpipe/locks/pipeline.stage.a";
    let files = [".clinpipe/journal/pipeline.jsonl", &action, ".clinpipe/stat", claim, &list];
    for _ in 0..2 {
        store.journal("pipeline", project.path("lockfiles/pipeline.lock")).append(&name.0, record).unwrap();
    }
    let mark = format!(
        "process 1              \n{}",
        serde_json::json!({"schema_version": 1, "outs": ["b"], "since_ns": 1, "until_ns": 2})
    );
    let seeds = [files[0], files[1], files[2], files[4]].map(|file| fs::read(project.path(file)).unwrap());
    let mut turn = 0;
    Fuzz::new("store", &[&seeds[0], &seeds[1], &seeds[2], &seeds[3], mark.as_bytes()]).run(|input| {
        turn += 1;
        let file = project.path(files[turn % files.len()]);
        drop(fs::remove_file(&file));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, input).unwrap();
        let workspace = Workspace::new(&loaded, &graph, &CATALOG, &env, store.clone(), store.hints());
        drop(workspace.current_lock());
        let stage = workspace.stage(name);
        if let Some(found) = workspace.cached(stage, ActionKey(record.key.0)) {
            assert_eq!(found, record.outs, "another result was believed");
        }
        drop(store.file_lock("pipeline.stage.a").try_claim());
        drop(store.cas().read(Digest::of(b"1")));
    });
}

#[test]
fn ignore_files() {
    let dir = scratch();
    for name in ["d/a", "d/b.txt", "d/sub/c.tmp", "d/sub/deep/x", "d/é", "d/[x]"] {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), "1").unwrap();
    }
    let seeds: [&[u8]; 4] =
        [b"*.tmp\n!keep\n/a\n", b"sub/\n**/deep/**\n# note\n", b"[a-z]?\\ \n\n", b"d/*\n!d/a\n{a,b}\n"];
    let mut turn = 0;
    Fuzz::new("ignore_files", &seeds).run(|input| {
        let names = [".dvcignore", "d/.dvcignore", ".clinpipeignore", "d/sub/.clinpipeignore"];
        let file = dir.path().join(names[turn % names.len()]);
        turn += 1;
        fs::write(&file, input).unwrap();
        let reader = Reader::new(dir.path().to_owned(), HintTable::default());
        drop(reader.content(&RelPath::parse("d").unwrap()));
        fs::remove_file(file).unwrap();
    });
}
