//! Templates as DVC has them.

use super::{PARAMS, load_files, project};
use crate::config::{Project, StageName, Work};

/// Name and commands of each stage, in order.
fn commands(project: &Project) -> Vec<(String, String)> {
    let command = |name: &StageName| match &project.pipeline.stages[name].work {
        Work::Command(lines) => (name.0.clone(), lines.join("; ")),
        Work::Builtin(uses) => (name.0.clone(), uses.clone()),
    };
    project.pipeline.order.iter().map(command).collect()
}

fn with(pipeline: &str, params: &str) -> Vec<(String, String)> {
    commands(&load_files(&[("pipeline.yaml", pipeline), ("params.yaml", params)], &[]).expect("valid"))
}

fn one(pipeline: &str, params: &str) -> String {
    with(pipeline, params).remove(0).1
}

#[test]
fn values_are_substituted_and_typed_when_exact() {
    let text = "vars: [{dir: out, keep: true}]\nstages:\n  a:\n    cmd: run --d ${train.depth} ${train.models[0]} ${keep}\n    \
                deps: [\"${dir}/in.csv\"]\n    outs:\n      - ${dir}/o: {cache: \"${keep}\"}\n    frozen: ${keep}\n    \
                params: [\"${dir2}\"]\n    vars: [{dir2: seed}]\n";
    let project = project(text);
    let stage = &project.pipeline.stages[&StageName("a".to_owned())];
    assert_eq!(commands(&project)[0].1, "run --d 3 logistic true");
    assert_eq!((stage.deps[0].path.as_str(), stage.outs[0].path.as_str()), ("out/in.csv", "out/o"));
    assert!(stage.frozen && stage.outs[0].cache);
    assert_eq!(stage.params[0].keys, Some(vec!["seed".to_owned()]));
}

#[test]
fn an_escaped_template_reaches_the_shell() {
    assert_eq!(one("stages: {a: {cmd: 'echo \\${HOME} $PATH ${x}'}}", "x: 1\n"), "echo ${HOME} $PATH 1");
}

#[test]
fn a_mapping_in_cmd_becomes_flags() {
    let params = "o: {a: 1, b: {c: true, d: x y}, e: false, f: [1, two], g: null, h: ''}\n";
    let flags = "run --a 1 --b.c --b.d 'x y' --f 1 two --g None --h ''";
    assert_eq!(one("stages: {a: {cmd: 'run ${o}'}}", params), flags);
}

#[test]
fn foreach_over_lists_and_mappings() {
    let text = "stages:\n  a:\n    foreach: [x, 2021]\n    do: {cmd: \"run ${item}\"}\n  b:\n    foreach: [{n: 1}, {n: 2}]\n    \
                do: {cmd: \"run ${item.n}\"}\n  c:\n    foreach: ${m}\n    do: {cmd: \"run ${key} ${item}\", outs: [\"o/${key}\"]}\n";
    let pairs = with(text, "m: {p: 1, q: 2}\n");
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, cmd)| (name.as_str(), cmd.as_str())).collect();
    let expected = [
        ("a@x", "run x"),
        ("a@2021", "run 2021"),
        ("b@0", "run 1"),
        ("b@1", "run 2"),
        ("c@p", "run p 1"),
        ("c@q", "run q 2"),
    ];
    assert_eq!(pairs, expected);
}

#[test]
fn matrix_varies_its_last_axis_fastest() {
    let text = "stages:\n  build:\n    matrix:\n      os: [win, linux]\n      v: [3.7, 3.8]\n      d: [{k: 1}]\n      l: [[1], [2]]\n    \
                cmd: run ${item.os} ${item.v} ${item.d.k} ${item.l[0]} ${key}\n";
    let pairs = with(text, "");
    assert_eq!(pairs.len(), 8);
    assert_eq!(pairs[0], ("build@win-3.7-d0-l0".to_owned(), "run win 3.7 1 1 win-3.7-d0-l0".to_owned()));
    assert_eq!(pairs[1].0, "build@win-3.7-d0-l1");
    assert_eq!(pairs[7].0, "build@linux-3.8-d0-l1");
}

#[test]
fn each_member_reads_the_variables_beside_it() {
    let text = "stages:\n  a:\n    foreach: [us, uk]\n    do:\n      wdir: ${item}\n      vars: [p.yaml]\n      cmd: run ${n}\n      deps: [d]\n";
    let files = [("pipeline.yaml", text), ("us/p.yaml", "n: 1\n"), ("uk/p.yaml", "n: 2\n")];
    let project = load_files(&files, &[]).expect("valid");
    assert_eq!(commands(&project)[1], ("a@uk".to_owned(), "run 2".to_owned()));
    assert_eq!(project.pipeline.stages[&StageName("a@uk".to_owned())].deps[0].path.as_str(), "uk/d");
}

#[test]
fn members_of_a_merged_mapping_come_from_both_files() {
    let text = "vars: [v.yaml]\nstages:\n  a:\n    foreach: ${m}\n    do: {cmd: \"run ${item}\"}\n";
    let files = [("pipeline.yaml", text), ("params.yaml", "m: {p: 1}\n"), ("v.yaml", "m: {q: 2}\n")];
    let names: Vec<String> =
        commands(&load_files(&files, &[]).expect("valid")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a@p", "a@q"]);
}

#[test]
fn loading_the_same_file_twice_is_fine() {
    let text = "vars: [params.yaml, v.yaml, v.yaml]\nstages: {a: {cmd: \"run ${a} ${seed}\"}}\n";
    let files = [("pipeline.yaml", text), ("params.yaml", PARAMS), ("v.yaml", "a: 1\n")];
    assert_eq!(commands(&load_files(&files, &[]).expect("valid"))[0].1, "run 1 42");
}
