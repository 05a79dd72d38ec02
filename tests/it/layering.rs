//! The edges of the house: which room may import which. `src/ARCHITECTURE.md` explains them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Room → rooms it may import besides itself, `util` and `config`.
const EDGES: &[(&str, &[&str])] = &[
    ("util", &[]),
    ("config", &[]),
    ("graph", &[]),
    ("key", &[]),
    ("store", &["key"]),
    ("plan", &["graph", "key", "store"]),
    ("exec", &[]),
    ("stage", &[]),
    ("audit", &["key", "store"]),
    ("claims", &[]),
    ("sched", &["plan", "exec", "store", "key", "stage", "graph"]),
    ("console", &["key", "sched"]),
    ("metrics", &[]),
    ("plots", &["metrics"]),
    ("registry", &["key"]),
    ("serve", &[]),
    ("export", &[]),
    ("templates", &[]),
];

/// Rooms that may use the stages crate.
const USE_STAGES: &[&str] = &["cli", "exec", "export", "metrics", "registry", "sched", "serve", "stage"];

#[test]
fn every_import_follows_an_edge() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let edges: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources(&root) {
        let room = file.split(['/', '.']).next().unwrap().to_owned();
        if matches!(room.as_str(), "main" | "lib" | "cli") {
            continue;
        }
        let allowed = edges.get(room.as_str()).unwrap_or_else(|| panic!("room {room} has no line in EDGES"));
        for imported in imports(&text) {
            let is_common = imported == room || (imported == "util") || (imported == "config" && room != "util");
            if !is_common && !allowed.contains(&imported.as_str()) {
                wrong.push(format!("{file} imports {imported}"));
            }
        }
        if text.contains("use crate::{") {
            wrong.push(format!("{file} groups imports under `crate::{{`; write one `use` a room"));
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        if code.into_iter().any(|line| line.contains("clinpipe_stages")) && !USE_STAGES.contains(&room.as_str()) {
            wrong.push(format!("{file} uses the stages crate"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_stages_crate_is_a_leaf() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/Cargo.toml")).unwrap();
    assert!(!manifest.contains("path ="), "stages/ must not depend on a crate of this workspace");
}

#[test]
fn every_module_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mute: Vec<String> = ["src", "stages/src"]
        .iter()
        .flat_map(|dir| sources(&root.join(dir)))
        .filter(|(file, text)| !file.ends_with("tests.rs") && !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    assert!(mute.is_empty(), "without a `//!` at the top: {mute:?}");
}

#[test]
fn continuous_integration_runs_format_lints_and_every_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(root.join(".ci/run")).unwrap();
    for command in [
        "cargo fmt --all --check",
        "cargo clippy --release --workspace --all-targets -- -D warnings",
        "cargo test --release --workspace",
    ] {
        assert!(script.lines().any(|line| line == command), "`{command}` is not in .ci/run");
    }
    let workflow = fs::read_to_string(root.join(".github/workflows/ci.yml")).unwrap();
    assert!(workflow.contains("run: bash .ci/run"), "{workflow}");
}

/// The rooms named after `crate::` in code; comments do not count.
fn imports(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.match_indices("crate::").map(move |(at, word)| &line[at + word.len()..]))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

fn sources(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}
