//! `params diff` and `metrics diff` between revisions: one engine, two views.

use std::process::Command;

use serde_json::json;

use crate::project::Project;

const PIPELINE: &str = "
vars:
  - {shell: sh, only: {inline: 1}}
  - extra.toml
params: [top.json]
stages:
  train:
    cmd: 'printf ''%s'' ${lr} > model; cp metrics.src m.json'
    deps: [metrics.src]
    params: [lr, layers]
    outs: [model]
    metrics: [m.json: {cache: false}]
metrics: [broken.json, more.yaml]
";

pub fn git(project: &Project, args: &[&str]) {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").args(identity).args(args).current_dir(project.path(".")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub fn commit(project: &Project, message: &str) {
    if !project.exists(".git") {
        git(project, &["init", "-q", "-b", "main"]);
    }
    git(project, &["add", "-A"]);
    git(project, &["commit", "-qm", message]);
}

/// Two commits and a changed workspace.
fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write(".gitignore", ".clinpipe/\n");
    project.write("params.yaml", "lr: 0.1\nlayers: [8, 8]\nunused: {a: x}\n");
    project.write("extra.toml", "[limits]\ndepth = 3\n");
    project.write("top.json", "{\"note\": null}\n");
    project.write("metrics.src", r#"{"a": {"auc": 0.70001, "gone": 1, "nan": NaN}, "list": [1], "n": 10}"#);
    project.write("broken.json", "{\"x\": 1}");
    project.write("more.yaml", "same: 1\nother: low\n");
    project.run(&["repro", "-q"]).succeeds();
    commit(&project, "one");
    git(&project, &["tag", "one"]);
    project.write("params.yaml", "lr: 0.2\nlayers: [8, 4]\nunused: {a: y}\n");
    project.write("extra.toml", "[limits]\ndepth = 5\n");
    project.run(&["repro", "-q"]).succeeds();
    commit(&project, "two");
    project.write("metrics.src", r#"{"a": {"auc": 0.75, "come": 2, "nan": NaN}, "list": [1, 2], "n": 12}"#);
    project.write("broken.json", "{\"x\": ");
    project.write("more.yaml", "same: 1.0\nother: high\n");
    project.write("params.yaml", "lr: 0.2\nlayers: [8, 4]\nunused: {a: y, b: 1.0}\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

#[test]
fn parameters_are_compared_between_revisions_and_with_the_workspace() {
    let project = project();
    let run = project.run(&["params", "diff", "one", "HEAD", "--json"]).succeeds();
    let expected = json!({
        "extra.toml": {"limits.depth": {"old": 3, "new": 5, "diff": 2}},
        "params.yaml": {
            "layers": {"old": [8, 8], "new": [8, 4]},
            "lr": {"old": 0.1, "new": 0.2, "diff": 0.1},
            "unused.a": {"old": "x", "new": "y"},
        },
    });
    assert_eq!(run.json(), expected);
    insta::assert_snapshot!("params_diff_md", project.run(&["params", "diff", "one", "--md"]).succeeds().stdout);
    let text = project.run(&["params", "diff", "one", "--all", "--no-path"]).succeeds().stdout;
    insta::assert_snapshot!("params_diff_all", text);
    let deps = project.run(&["params", "diff", "one", "--deps", "--json"]).succeeds().json();
    assert_eq!(deps.as_object().unwrap().keys().collect::<Vec<_>>(), ["params.yaml"]);
    assert_eq!(deps["params.yaml"].as_object().unwrap().keys().collect::<Vec<_>>(), ["layers", "lr"]);
    let target = project.run(&["params", "diff", "one", "HEAD", "--json", "--targets", "extra.toml"]).succeeds().json();
    assert_eq!(target, json!({"extra.toml": {"limits.depth": {"old": 3, "new": 5, "diff": 2}}}));
    let same = project.run(&["params", "diff", "one", "one"]).succeeds();
    assert_eq!(same.stdout, "No param differs between one and one.\n");
}

#[test]
fn an_unknown_revision_or_a_path_outside_is_a_mistake_of_the_call() {
    let project = project();
    for command in ["params", "metrics"] {
        for args in [["nosuch", "HEAD"], ["HEAD", "nosuch"], ["--targets", "../x"]] {
            let run = project.run(&[&[command, "diff"], args.as_slice()].concat()).exits(2);
            assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{}{}", run.stdout, run.stderr);
        }
        let run = project.run(&[command, "diff", "nosuch", "--json"]).exits(2);
        assert_eq!(run.json()["error"]["exit_code"], 2);
    }
}

#[test]
fn one_malformed_metric_file_hides_no_other() {
    let project = project();
    let run = project.run(&["metrics", "diff", "--json"]).succeeds();
    let expected = json!({
        "m.json": {
            "a.auc": {"old": 0.70001, "new": 0.75, "diff": 0.75 - 0.70001},
            "a.come": {"old": null, "new": 2},
            "a.gone": {"old": 1, "new": null},
            "n": {"old": 10, "new": 12, "diff": 2},
        },
        "more.yaml": {"other": {"old": "low", "new": "high"}},
    });
    assert_eq!(run.json(), expected);
    assert!(run.stderr.contains("note: the present broken.json"), "{}", run.stderr);
    let all = project.run(&["metrics", "diff", "one", "HEAD", "--all", "--json"]).succeeds().json();
    assert_eq!(all["m.json"]["a.nan"], json!({"old": "NaN", "new": "NaN"}));
    assert_eq!(all["broken.json"]["x"]["new"], 1);
}

#[test]
fn a_table_for_a_pull_request_says_better_or_worse_where_a_rule_tells() {
    let project = project();
    let table = project.run(&["metrics", "diff", "--md", "--precision", "3"]).succeeds().stdout;
    insta::assert_snapshot!("metrics_diff_md", table);
    let rules = "rules:\n- {metric: a.auc, min: 0.6}\n- {metric: m.json:n, max: 11}\n";
    project.write("gates.yaml", rules);
    let args = ["metrics", "diff", "--md", "--gate", "gates.yaml", "--targets", "m.json"];
    insta::assert_snapshot!("metrics_diff_gate_md", project.run(&args).exits(1).stdout);
}

#[test]
fn a_revision_that_another_tool_locked_is_compared_through_git() {
    let project = Project::empty();
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: cp in out.json\n    deps: [in]\n    metrics: [out.json: {cache: false}]\n    params: [p]\n");
    project.write("dvc.lock", "schema: '2.0'\nstages:\n  s:\n    cmd: cp in out.json\n");
    project.write("in", "{\"v\": 1}");
    project.write("out.json", "{\"v\": 1}");
    project.write("params.yaml", "p: 1\n");
    commit(&project, "from before");
    project.write("in", "{\"v\": 3}");
    project.write("params.yaml", "p: 2\n");
    project.run(&["repro", "-q"]).succeeds();
    let metrics = project.run(&["metrics", "diff", "--json"]).succeeds().json();
    assert_eq!(metrics, json!({"out.json": {"v": {"old": 1, "new": 3, "diff": 2}}}));
    let params = project.run(&["params", "diff", "--json"]).succeeds().json();
    assert_eq!(params, json!({"params.yaml": {"p": {"old": 1, "new": 2, "diff": 1}}}));
}

#[test]
fn a_revision_without_a_readable_pipeline_still_has_its_files() {
    let project = Project::new("stages: [");
    project.write("params.yaml", "p: 1\n");
    commit(&project, "broken");
    project.write("pipeline.yaml", "stages: {s: {cmd: 'true', params: [p]}}\n");
    project.write("params.yaml", "p: 2\n");
    let run = project.run(&["params", "diff", "--json"]).succeeds();
    assert_eq!(run.json()["params.yaml"]["p"]["diff"], 1);
    assert!(run.stderr.contains("the pipeline of HEAD cannot be read"), "{}", run.stderr);
}
