//! The engine on pipelines of shell commands: what runs, what does not, and why.

use crate::project::{Project, outcomes};

/// a → b, with a side effect that counts executions.
const CHAIN: &str = "
stages:
  upper:
    cmd: echo ran >> upper.count; tr a-z A-Z < in.txt > upper.txt
    deps: [in.txt]
    outs: [upper.txt]
  count:
    cmd: echo ran >> count.count; wc -c < upper.txt > count.txt
    deps: [upper.txt]
    params: [unit]
    outs: [count.txt]
";

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("in.txt", "hello\n");
    project.write("params.yaml", "unit: bytes\nother: 1\n");
    project
}

fn executions(project: &Project, stage: &str) -> usize {
    if project.exists(&format!("{stage}.count")) { project.read(&format!("{stage}.count")).lines().count() } else { 0 }
}

#[test]
fn a_new_pipeline_runs_in_order_and_then_nothing_runs() {
    let project = chain();
    assert_eq!(project.outcomes(&[]), outcomes([("count", "ran"), ("upper", "ran")]));
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    let before = project.files(".");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "fresh"), ("upper", "fresh")]));
    assert_eq!(project.files("."), before, "a null run writes nothing");
    project.run(&["status", "--check"]).succeeds();
}

#[test]
fn only_what_is_affected_runs() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("params.yaml", "unit: lines\nother: 1\n");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "ran"), ("upper", "fresh")]));
    project.write("params.yaml", "unit: lines\nother: 2\n");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "fresh"), ("upper", "fresh")]));
    project.write("in.txt", "hello\n");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "fresh"), ("upper", "fresh")]), "same bytes, new times");
}

#[test]
fn equal_bytes_stop_the_wave() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("in.txt", "HELLO\n");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "fresh"), ("upper", "ran")]));
}

#[test]
fn going_back_restores_without_running() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("in.txt", "other\n");
    project.run(&["repro"]).succeeds();
    project.write("in.txt", "hello\n");
    let forecast = project.run(&["repro", "--dry-run", "--json"]).succeeds().json();
    assert_eq!(forecast["stages"]["upper"]["forecast"], "restore");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "restored"), ("upper", "restored")]));
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    assert_eq!(executions(&project, "upper"), 2);
}

#[test]
fn a_lost_lock_and_lost_outputs_come_back_as_they_were() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    let lock = project.read("lockfiles/pipeline.lock");
    project.remove("lockfiles");
    project.remove("upper.txt");
    project.remove("count.txt");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "restored"), ("upper", "restored")]));
    assert_eq!(project.read("lockfiles/pipeline.lock"), lock);
}

#[test]
fn a_hand_edit_is_reported_and_put_aside() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("upper.txt", "mine\n");
    let status = project.run(&["status", "--json", "--check"]).exits(1).json();
    assert_eq!(status["stages"]["upper"]["reasons"][0]["kind"], "output_modified");
    let run = project.run(&["repro"]).succeeds();
    assert!(run.stderr.contains(".clinpipe/rescued/"), "{}", run.stderr);
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    let rescued = project.files(".clinpipe/rescued");
    assert_eq!(rescued.values().next().map(Vec::as_slice), Some(&b"mine\n"[..]));
}

#[test]
fn removing_a_dependency_or_an_output_is_a_change() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("pipeline.yaml", &CHAIN.replace("    params: [unit]\n", ""));
    let status = project.run(&["status", "--json"]).succeeds().json();
    assert_eq!(status["stages"]["count"]["reasons"][0]["kind"], "param");
    assert_eq!(status["stages"]["count"]["reasons"][0]["new"], serde_json::Value::Null);
}

#[test]
fn status_names_direct_and_upstream_reasons() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("in.txt", "changed\n");
    let status = project.run(&["status", "--json"]).succeeds().json();
    assert_eq!(status["stages"]["upper"]["state"], "stale");
    assert_eq!(status["stages"]["count"]["state"], "upstream");
    assert_eq!(status["stages"]["count"]["reasons"][0]["subject"], "upper");
    let dry = project.run(&["repro", "--dry-run", "--check", "--json"]).exits(1).json();
    assert_eq!(dry["stages"]["upper"]["forecast"], "run");
    assert_eq!(dry["stages"]["count"]["forecast"], "may_run");
    assert_eq!(project.read("upper.txt"), "HELLO\n", "a dry run changes nothing");
}

#[test]
fn a_failure_keeps_log_predecessors_and_old_entry() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    let broken = CHAIN.replace("wc -c < upper.txt > count.txt", "echo half > count.txt; echo no luck; exit 7");
    project.write("pipeline.yaml", &broken);
    project.write("in.txt", "new\n");
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("no luck"), "{}", run.stderr);
    assert!(project.run(&["log", "count"]).succeeds().stdout.contains("no luck"));
    assert!(!project.exists("count.txt"), "a partial output does not stay");
    let lock = project.read("lockfiles/pipeline.lock");
    assert!(lock.contains("wc -c"), "the old entry of the failed stage stays");
    assert_eq!(project.outcomes(&[]), outcomes([("count", "failed"), ("upper", "fresh")]));
}

#[test]
fn keep_going_finishes_what_does_not_depend_on_the_failure() {
    let pipeline = "
stages:
  bad: {cmd: exit 1, deps: [in.txt], outs: [bad.txt]}
  after: {cmd: cp bad.txt after.txt, deps: [bad.txt], outs: [after.txt]}
  good: {cmd: cp in.txt good.txt, deps: [in.txt], outs: [good.txt]}
";
    let project = Project::new(pipeline);
    project.write("in.txt", "x");
    let expected = outcomes([("after", "skipped"), ("bad", "failed"), ("good", "ran")]);
    assert_eq!(project.outcomes(&["-k", "-j1"]), expected);
}

#[test]
fn a_missing_input_or_output_fails_the_stage() {
    let project = Project::new("stages:\n  a: {cmd: 'true', deps: [in.txt], outs: [out.txt]}\n");
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("input in.txt is missing"), "{}", run.stderr);
    project.write("in.txt", "x");
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("without writing its output out.txt"), "{}", run.stderr);
    assert!(!project.exists("lockfiles/pipeline.lock") || !project.read("lockfiles/pipeline.lock").contains("out.txt"));
}

#[test]
fn an_optional_input_counts_when_it_appears() {
    let pipeline = "
stages:
  a:
    cmd: cat maybe.txt > out.txt 2>/dev/null || echo none > out.txt
    deps: [{maybe.txt: {optional: true}}]
    outs: [out.txt]
";
    let project = Project::new(pipeline);
    project.run(&["repro"]).succeeds();
    assert_eq!(project.read("out.txt"), "none\n");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "fresh")]));
    project.write("maybe.txt", "here\n");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
    assert_eq!(project.read("out.txt"), "here\n");
}

#[test]
fn an_input_that_changes_meanwhile_is_not_recorded() {
    let project =
        Project::new("stages:\n  a: {cmd: echo more >> in.txt; cp in.txt out.txt, deps: [in.txt], outs: [out.txt]}\n");
    project.write("in.txt", "x\n");
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("while the stage ran"), "{}", run.stderr);
}

#[test]
fn the_lock_is_the_same_whichever_number_of_jobs() {
    let stage = |i| format!("  s{i}: {{cmd: cat in.txt > o{i}, deps: [in.txt], outs: [o{i}]}}\n");
    let pipeline = format!("stages:\n{}", (0..12).map(stage).collect::<Vec<_>>().concat());
    let locks = ["-j1", "-j4"].map(|jobs| {
        let project = Project::new(&pipeline);
        project.write("in.txt", "x");
        project.run(&["repro", jobs]).succeeds();
        project.read("lockfiles/pipeline.lock")
    });
    assert_eq!(locks[0], locks[1]);
}

#[test]
fn stages_run_at_the_same_time_within_pools() {
    // Each stage waits for the other's mark, so they finish only when both run at once.
    let wait = |own: &str, other: &str| {
        format!("touch {own}.mark; for i in $(seq 300); do [ -e {other}.mark ] && exit 0; sleep 0.05; done; exit 1")
    };
    let pipeline = format!("stages:\n  a: {{cmd: '{}'}}\n  b: {{cmd: '{}'}}\n", wait("a", "b"), wait("b", "a"));
    Project::new(&pipeline).run(&["repro", "-j2"]).succeeds();
    let exclusive = "
pools: {one: 1}
stages:
  a: {cmd: mkdir busy && sleep 0.2 && rmdir busy, pool: one}
  b: {cmd: mkdir busy && sleep 0.2 && rmdir busy, pool: one}
";
    Project::new(exclusive).run(&["repro", "-j2"]).succeeds();
}

#[test]
fn two_processes_on_one_pipeline_do_the_work_once() {
    let project = Project::new(
        "stages:\n  a: {cmd: echo ran >> count; sleep 0.5; cp in.txt out.txt, deps: [in.txt], outs: [out.txt]}\n",
    );
    project.write("in.txt", "x");
    let mut first = project.command(&["repro", "-q"]).spawn().unwrap();
    let mut second = project.command(&["repro", "-q"]).spawn().unwrap();
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    assert_eq!(project.read("count"), "ran\n");
    project.run(&["status", "--check"]).succeeds();
}

#[test]
fn locked_fails_on_other_bytes_and_leaves_the_lock() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.run(&["repro", "--locked"]).succeeds();
    let lock = project.read("lockfiles/pipeline.lock");
    project.write("in.txt", "other\n");
    let run = project.run(&["repro", "--locked"]).exits(1);
    assert!(run.stderr.contains("upper.txt"), "{}", run.stderr);
    assert_eq!(project.read("lockfiles/pipeline.lock"), lock);
}

#[test]
fn set_replaces_a_parameter_for_one_run() {
    let project = Project::new(
        "stages:\n  a: {cmd: 'true', params: [seed], outs: []}\n  b: {cmd: 'echo ${unit} > out', outs: [out]}\n",
    );
    project.write("params.yaml", "unit: bytes\nseed: 1\n");
    project.run(&["repro", "--set", "unit=lines"]).succeeds();
    assert_eq!(project.read("out"), "lines\n");
    let run = project.run(&["repro", "--set", "unti=x"]).exits(2);
    assert!(run.stderr.contains("unit"), "{}", run.stderr);
}

#[test]
fn declared_environment_is_part_of_the_key_and_the_rest_is_bare() {
    let project = Project::new("stages:\n  a: {cmd: 'echo $SHOWN-$HIDDEN > out', env: [SHOWN], outs: [out]}\n");
    let run = |shown: &str| {
        let output = project.command(&["repro", "--json"]).env("SHOWN", shown).env("HIDDEN", "h").output().unwrap();
        crate::project::Run::from(output).succeeds().json()["stages"]["a"]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(run("1"), "ran");
    assert_eq!(project.read("out"), "1-\n");
    assert_eq!(run("1"), "fresh");
    assert_eq!(run("2"), "ran");
}

#[test]
fn why_shows_the_whole_manifest() {
    let project = chain();
    project.run(&["repro"]).succeeds();
    project.write("params.yaml", "unit: lines\n");
    let run = project.run(&["why", "count"]).succeeds();
    assert!(run.stdout.contains("parameter params.yaml:unit changed (\"bytes\" → \"lines\")"), "{}", run.stdout);
    assert!(run.stdout.contains("* param"), "{}", run.stdout);
}

#[test]
fn a_directory_output_is_tracked_as_a_whole() {
    let pipeline = "
stages:
  make: {cmd: mkdir -p d/sub && cp in.txt d/a && cp in.txt d/sub/b, deps: [in.txt], outs: [d/]}
  use: {cmd: cat d/sub/b > out, deps: [d/sub/b], outs: [out]}
";
    let project = Project::new(pipeline);
    project.write("in.txt", "1");
    project.run(&["repro"]).succeeds();
    project.write("d/stale", "left over");
    assert_eq!(project.outcomes(&[]), outcomes([("make", "restored"), ("use", "fresh")]));
    assert!(!project.exists("d/stale"));
    project.remove("d");
    assert_eq!(project.outcomes(&[]), outcomes([("make", "restored"), ("use", "fresh")]));
    assert_eq!(project.read("d/sub/b"), "1");
}

#[test]
fn a_dvc_yaml_runs_unmodified() {
    let project = Project::empty();
    project.write("in.txt", "x\n");
    project.write(
        "dvc.yaml",
        "stages:\n  prepare:\n    cmd: cp in.txt out.txt\n    deps:\n      - in.txt\n    outs:\n      - out.txt:\n          cache: false\n",
    );
    assert_eq!(project.outcomes(&[]), outcomes([("prepare", "ran")]));
    assert!(project.exists("lockfiles/dvc.lock"));
}

#[test]
fn a_missing_input_that_dvc_tracks_is_brought_by_dvc() {
    let project = Project::new("stages:\n  a: {cmd: cat data/x.csv > out, deps: [data/x.csv], outs: [out]}\n");
    let missing = |help: &str| {
        let run = project.run(&["repro"]).exits(3);
        assert!(run.stderr.contains(help), "{}", run.stderr);
    };
    missing("help: create it, or correct the path");
    project.write("data.dvc", "outs: [{path: data}]\n");
    missing("help: data.dvc tracks it: `dvc pull data.dvc` brings it");
    project.write("data/x.csv.dvc", "outs: [{path: x.csv}]\n");
    missing("`dvc pull data/x.csv.dvc`");
}
