//! Valid files give the pipeline that they say; no bytes panic.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::{Catalog, PARAMS, load_files, project};
use crate::config::{OutClass, ParamSource, StageDef, StageName, Work, load};
use crate::util::RelPath;

const FULL: &str = "\
pools: {gpu: 2}
metrics: [extra.json]
artifacts: {model: {path: m, type: model}}
stages:
  prepare:
    cmd: |
      python prepare.py

      python check.py
    wdir: sub
    deps:
      - ../raw.csv
      - maybe.csv: {optional: true}
    outs:
      - out/: {cache: false, persist: true, desc: rows}
    plots:
      - p.csv: [{x: a, y: b}, {x: a, y: c}]
    env: [OMP_NUM_THREADS]
    always_changed: true
    meta: {anything: [1, 2]}
  train:
    uses: train
    deps: {table: sub/out/t.parquet, spec: {path: s.json, optional: true}}
    params: [seed, train]
    outs: {model: models/}
    metrics: {cv: {path: cv.json, cache: false}}
    resources: {threads: 2, memory: 2GiB}
    timeout: 1h30m
    retries: 1
    pool: gpu
    frozen: true
  serve: {uses: serve, deps: {bundle: models}}
";

fn stage<'a>(project: &'a crate::config::Project, name: &str) -> &'a StageDef {
    &project.pipeline.stages[&StageName(name.to_owned())]
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("inside")
}

#[test]
fn everything_that_is_written_is_read() {
    let project = project(FULL);
    let names: Vec<&str> = project.pipeline.order.iter().map(|name| name.0.as_str()).collect();
    assert_eq!(names, ["prepare", "train", "serve"]);
    assert_eq!(project.pipeline.metrics, [path("extra.json")]);
    let prepare = stage(&project, "prepare");
    let commands = ["python prepare.py".to_owned(), "python check.py".to_owned()];
    assert_eq!(prepare.work, Work::Command(commands.to_vec()));
    assert_eq!(prepare.deps[0].path, path("raw.csv"));
    assert_eq!((prepare.deps[1].path.as_str(), prepare.deps[1].optional), ("sub/maybe.csv", true));
    let out = &prepare.outs[0];
    assert_eq!((out.path.as_str(), out.directory, out.cache, out.persist), ("sub/out", true, false, true));
    assert_eq!(prepare.outs[1].class, OutClass::Plot);
    assert_eq!(prepare.env, Some(vec!["OMP_NUM_THREADS".to_owned()]));
    let train = stage(&project, "train");
    assert_eq!(train.work, Work::Builtin("train".to_owned()));
    assert_eq!(train.deps[1].role.as_deref(), Some("spec"));
    assert_eq!((train.resources.threads, train.resources.memory), (Some(2), Some(2 << 30)));
    assert_eq!((train.timeout, train.retries, train.frozen), (Some(Duration::from_mins(90)), 1, true));
    assert_eq!(train.span.line, 21);
    assert!(stage(&project, "serve").service);
    let params = project.params.builtin_params(train);
    assert_eq!(json!(params), json!({"seed": 42, "train": {"models": ["logistic", "gbdt"], "depth": 3}}));
}

#[test]
fn parameters_join_and_a_whole_file_wins() {
    let pipeline =
        "stages:\n  a:\n    cmd: x\n    params: [seed, train.models.0, {q.toml: [t.u]}, {q.json: null}, seed]\n";
    let files = [
        ("pipeline.yaml", pipeline),
        ("params.yaml", PARAMS),
        ("q.toml", "[t]\nu = 1.5\n"),
        ("q.json", "{\"v\": 1, \"w\": 2}"),
    ];
    let project = load_files(&files, &[]).expect("valid");
    let sources = &stage(&project, "a").params;
    let keys = |source: &ParamSource| source.keys.clone();
    assert_eq!(keys(&sources[0]), Some(vec!["seed".to_owned(), "train.models.0".to_owned()]));
    assert_eq!(keys(&sources[2]), None);
    assert_eq!(project.params.get(&path("params.yaml"), "train.models.0"), Some(&json!("logistic")));
    assert_eq!(json!(project.params.select(&sources[1])), json!({"t.u": 1.5}));
    assert_eq!(json!(project.params.select(&sources[2])), json!({"v": 1, "w": 2}));
}

#[test]
fn set_replaces_values_by_dotted_key_and_reaches_templates() {
    let pipeline = "stages:\n  a: {cmd: \"x ${train.depth}\", params: [train]}\n";
    let files = [("pipeline.yaml", pipeline), ("params.yaml", PARAMS)];
    let project = load_files(&files, &[("train.depth", "9"), ("train.models.1", "forest")]).expect("valid");
    assert_eq!(stage(&project, "a").work, Work::Command(vec!["x 9".to_owned()]));
    let source = &stage(&project, "a").params[0];
    assert_eq!(json!(project.params.select(source)), json!({"train": {"models": ["logistic", "forest"], "depth": 9}}));
}

#[test]
fn a_parameter_file_that_a_stage_writes_may_be_absent() {
    let pipeline = "stages:\n  a: {cmd: x, outs: [p.yaml]}\n  b: {cmd: y, params: [{p.yaml: [k]}]}\n";
    let project = load_files(&[("pipeline.yaml", pipeline)], &[]).expect("valid");
    assert_eq!(project.params.select(&stage(&project, "b").params[0]).len(), 0);
}

#[test]
fn an_empty_file_is_an_empty_pipeline() {
    for text in ["", "# nothing\n", "stages:\n"] {
        assert_eq!(project(text).pipeline.order.len(), 0);
    }
}

#[test]
fn a_file_in_a_directory_is_read_relative_to_it() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("s")).expect("a directory");
    std::fs::write(dir.path().join("s/params.yaml"), "k: 1\n").expect("a file");
    let text = "stages:\n  a: {cmd: x, deps: [d], params: [k], outs: [o]}\n";
    std::fs::write(dir.path().join("s/dvc.yaml"), text).expect("a file");
    let project = load(dir.path(), &path("s/dvc.yaml"), &[], &Catalog).expect("valid");
    let stage = stage(&project, "a");
    assert_eq!((stage.deps[0].path.as_str(), stage.params[0].file.as_str()), ("s/d", "s/params.yaml"));
}

fn survives(bytes: &[u8], params: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("pipeline.yaml"), bytes).expect("a file");
    std::fs::write(dir.path().join("params.yaml"), params).expect("a file");
    if let Err(errors) = load(dir.path(), &path("pipeline.yaml"), &[], &Catalog) {
        assert!(!errors.to_string().is_empty());
        assert!(!errors.render(true).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes, &bytes);
    }

    #[test]
    fn no_mutation_of_a_valid_file_panics(
        at in 0..FULL.len(),
        length in 0..40usize,
        insert in "[-a-z0-9:{}\\[\\]&*!|>'\"#,?~<$. \\n\\t\u{7}é]{0,12}",
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, insert.bytes());
        survives(&bytes, PARAMS.as_bytes());
    }

    #[test]
    fn no_line_order_panics(order in Just((0..FULL.lines().count()).collect::<Vec<_>>()).prop_shuffle(), keep in 1..30usize) {
        let lines: Vec<&str> = FULL.lines().collect();
        let text: Vec<&str> = order.iter().take(keep).map(|at| lines[*at]).collect();
        survives(text.join("\n").as_bytes(), text.join("\n").as_bytes());
    }
}
