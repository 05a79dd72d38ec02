//! The format of a case, and how one is played.
//!
//! A case has `files` to begin with and steps. A step edits (`remove`, `write`, `touch`), then runs the program and
//! states what must hold: the exit `code`; the words that commands appended to `$RUNS` in this step (`ran`, in this
//! order when `ordered`); `locked`, the stages in the lock; `lock = "same"`, the bytes it had after the last run;
//! `cache = "empty"`; `files` and `absent`; `says`, texts in what was printed. `<lock>` and `<objects>` stand for the
//! lock file and the stored contents. `dvc` spells the arguments for DVC where they differ; a step with
//! `only = "clinpipe"` is not for DVC. `differs` says why the two part on purpose.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::project::Project;

const SECTIONS: [&str; 5] = ["repro", "graph", "params", "templating", "run_cache"];
const LOCK: &str = "lockfiles/dvc.lock";
const OBJECTS: &str = ".clinpipe/cas";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    number: u32,
    title: String,
    /// For the table in docs/dvc.md.
    differs: Option<String>,
    /// For the comparison: runs and files are DVC's although `differs` says something.
    #[serde(default)]
    same_result: bool,
    files: BTreeMap<String, String>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    write: BTreeMap<String, String>,
    #[serde(default)]
    touch: Vec<String>,
    run: String,
    dvc: Option<String>,
    only: Option<String>,
    #[serde(default)]
    code: i32,
    ran: Option<Vec<String>>,
    #[serde(default)]
    ordered: bool,
    first: Option<String>,
    last: Option<String>,
    locked: Option<Vec<String>>,
    lock: Option<String>,
    cache: Option<String>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
}

/// Plays a case and gives the project as it then is.
#[track_caller]
pub fn play(number: u32) -> Project {
    let case = find(number);
    let project = Project::empty();
    for (name, text) in &case.files {
        project.write(name, text);
    }
    let outside = tempfile::tempdir().unwrap();
    let mut player = Player { project, runs: outside.path().join("runs"), seen: 0, lock: None };
    for (at, step) in case.step.iter().enumerate() {
        player.step(step, &format!("case {number} ({}), step {}", case.title, at + 1));
    }
    player.project
}

fn find(number: u32) -> Case {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conformance");
    let mut cases = SECTIONS.iter().flat_map(|section| {
        let name = format!("{section}.toml");
        let text = std::fs::read_to_string(root.join(&name)).unwrap();
        toml::from_str::<Section>(&text).unwrap_or_else(|error| panic!("{name}: {error}")).case
    });
    cases.find(|case| case.number == number).unwrap_or_else(|| panic!("there is no case {number}"))
}

struct Player {
    project: Project,
    /// Where commands tell that they ran; outside the project.
    runs: PathBuf,
    /// How many lines of it are told.
    seen: usize,
    /// The lock after the last run.
    lock: Option<String>,
}

impl Player {
    fn step(&mut self, step: &Step, what: &str) {
        self.edit(step);
        let mut args: Vec<&str> = step.run.split_whitespace().collect();
        if args[0] == "repro" {
            args.insert(1, "-j1");
        }
        let run: crate::project::Run = self.project.command(&args).env("RUNS", &self.runs).output().unwrap().into();
        let output = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, Some(step.code), "{what}: exit code of `{}`\n{output}", step.run);
        for text in &step.says {
            assert!(output.contains(text), "{what}: `{text}` is not in\n{output}");
        }
        self.check_runs(step, what, &output);
        self.check_lock(step, what);
        for (name, text) in &step.files {
            assert_eq!(&self.project.read(name), text, "{what}: {name}\n{output}");
        }
        for name in &step.absent {
            assert!(!self.project.exists(name), "{what}: {name} should not be there");
        }
        if step.cache.as_deref() == Some("empty") {
            let objects = if self.project.exists(OBJECTS) { self.project.files(OBJECTS) } else { BTreeMap::new() };
            assert!(objects.is_empty(), "{what}: {:?}", objects.keys());
        }
    }

    fn edit(&self, step: &Step) {
        for name in &step.remove {
            let name = match name.as_str() {
                "<lock>" => LOCK,
                "<objects>" => OBJECTS,
                name => name,
            };
            self.project.make_writable(name);
            self.project.remove(name);
        }
        for (name, text) in &step.write {
            self.project.write(name, text);
        }
        for name in &step.touch {
            self.project.write(name, &self.project.read(name));
        }
    }

    fn check_runs(&mut self, step: &Step, what: &str, output: &str) {
        let told = std::fs::read_to_string(&self.runs).unwrap_or_default();
        let mut ran: Vec<String> = told.lines().skip(self.seen).map(str::to_owned).collect();
        self.seen = told.lines().count();
        for (name, expected) in [(ran.first(), &step.first), (ran.last(), &step.last)] {
            assert!(expected.is_none() || name == expected.as_ref(), "{what}: ran {ran:?}");
        }
        let Some(mut expected) = step.ran.clone() else { return };
        if !step.ordered {
            ran.sort();
            expected.sort();
        }
        assert_eq!(ran, expected, "{what}: what ran\n{output}");
    }

    fn check_lock(&mut self, step: &Step, what: &str) {
        let lock = self.project.exists(LOCK).then(|| self.project.read(LOCK));
        if step.lock.as_deref() == Some("same") {
            assert_eq!(lock, self.lock, "{what}: the lock");
        }
        if let Some(expected) = &step.locked {
            let document: serde_json::Value =
                lock.as_deref().map_or(serde_json::Value::Null, |lock| serde_json::from_str(lock).unwrap());
            let stages: Vec<&String> = document["stages"].as_object().into_iter().flat_map(|map| map.keys()).collect();
            assert_eq!(stages, expected.iter().collect::<Vec<_>>(), "{what}: stages in the lock");
        }
        self.lock = lock.or(self.lock.take());
    }
}

#[test]
fn every_case_is_told_once_and_says_what_it_compares() {
    let mut numbers = Vec::new();
    for number in (1..=78).collect::<Vec<u32>>() {
        let case = find(number);
        assert!(!case.same_result || case.differs.is_some(), "case {number}: what differs?");
        assert!(case.step.iter().any(|step| step.ran.is_some() || step.code != 0), "case {number} asserts nothing");
        let ours = |step: &Step| step.only.as_deref().is_some_and(|only| only != "clinpipe");
        assert!(!case.step.iter().any(ours), "case {number}");
        assert!(case.step.iter().all(|step| step.dvc.as_deref() != Some("")), "case {number}");
        numbers.push(case.number);
    }
    assert_eq!(numbers.len(), 78);
}
