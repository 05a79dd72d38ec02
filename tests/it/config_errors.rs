//! Mistakes in configuration: where, what, and what to do; exit 2; nothing touched.

use crate::project::Project;

#[track_caller]
fn refuses(pipeline: &str, params: &str, place: &str, words: &[&str]) {
    let project = Project::new(pipeline);
    project.write("params.yaml", params);
    let before = project.files(".");
    for command in [&["repro"][..], &["status"], &["dag"]] {
        let run = project.run(command).exits(2);
        assert!(run.stderr.contains(place), "no {place} in:\n{}", run.stderr);
        for word in words {
            assert!(run.stderr.contains(word), "no {word:?} in:\n{}", run.stderr);
        }
    }
    assert_eq!(project.files("."), before, "nothing may be touched");
}

#[test]
fn an_unknown_key_names_the_nearest() {
    refuses("stages:\n  a:\n    cmd: ls\n    dep: [x]\n", "", "pipeline.yaml:4:5", &["dep", "deps"]);
}

#[test]
fn a_wrong_type_says_what_is_expected() {
    refuses("stages:\n  a:\n    cmd: ls\n    deps: 7\n", "", "pipeline.yaml:4:11", &["deps"]);
}

#[test]
fn a_cycle_names_its_stages() {
    let pipeline = "stages:\n  a: {cmd: ls, deps: [y], outs: [x]}\n  b: {cmd: ls, deps: [x], outs: [y]}\n";
    refuses(pipeline, "", "pipeline.yaml:", &["a", "b"]);
}

#[test]
fn a_missing_role_is_named() {
    refuses(
        "stages:\n  s:\n    uses: split\n    params: [seed, schema, split]\n    outs: {split: s.parquet}\n",
        "seed: 1\nschema: {}\nsplit: {}\n",
        "pipeline.yaml:",
        &["table"],
    );
}

#[test]
fn a_setting_that_cannot_be_searched_is_placed() {
    let pipeline = "stages:\n  t:\n    uses: train\n    deps: {table: a, spec: b, split: c}\n    params: [seed, train]\n\
                    \x20   outs: {models: m/, oof: o, cv: v, trials: t.csv}\n";
    let params = "seed: 1\ntrain:\n  tune:\n    method: tpe\n    space:\n      gbdt.leaves: {low: 7, high: 63, step: 8}\n\
                  \x20     gbdt.learning_rate: {low: 0.1, high: 3}\n";
    refuses(pipeline, params, "params.yaml:7:44", &["train.gbdt.learning_rate", "at most 1"]);
    refuses(pipeline, &params.replace("learning_rate", "lerning_rate"), "params.yaml:7:32", &["learning_rate"]);
}

#[test]
fn two_stages_cannot_write_one_output() {
    let pipeline = "stages:\n  a: {cmd: ls, outs: [x]}\n  b: {cmd: ls, outs: [x]}\n";
    refuses(pipeline, "", "pipeline.yaml:3", &["x", "a"]);
}

#[test]
fn nothing_leads_out_of_the_project() {
    refuses("stages:\n  a:\n    cmd: ls\n    deps: [../secret]\n", "", "pipeline.yaml:4:12", &["../secret"]);
    refuses("stages:\n  a:\n    cmd: ls\n    outs: [/etc/passwd]\n", "", "pipeline.yaml:4:12", &["/etc/passwd"]);
}

#[test]
fn broken_yaml_is_placed() {
    refuses("stages:\n  a: [\n", "", "pipeline.yaml:", &[]);
    refuses("stages:\n  a: {cmd: ls}\n  a: {cmd: ls}\n", "", "pipeline.yaml:3", &["a"]);
}

#[test]
fn a_parameter_of_the_wrong_type_is_placed_in_params_yaml() {
    refuses(
        "stages:\n  g:\n    uses: generate\n    params: [seed, generate]\n    outs: {table: data/synthetic.csv}\n",
        "seed: 42\ngenerate:\n  kind: stroke\n  n: many\n",
        "params.yaml:4:6",
        &["many"],
    );
}

#[test]
fn an_unknown_target_names_the_nearest() {
    let project = Project::new("stages:\n  train: {cmd: ls}\n");
    let run = project.run(&["repro", "trian"]).exits(2);
    assert!(run.stderr.contains("trian") && run.stderr.contains("train"), "{}", run.stderr);
}

#[test]
fn an_empty_directory_says_how_to_begin() {
    let run = Project::empty().run(&["repro"]).exits(2);
    assert!(run.stderr.contains("clinpipe init"), "{}", run.stderr);
}
