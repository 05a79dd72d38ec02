//! `clinpipe lineage`: from an artifact back to the raw data.

use serde_json::json;

use crate::project::Project;

const PIPELINE: &str = "
stages:
  clean:
    cmd: mkdir -p parts && sort raw.csv > parts/all.csv && echo x > parts/other
    deps: [raw.csv]
    params: [order]
    outs: [parts]
  fit:
    cmd: cat parts/all.csv extra.txt > model.txt
    deps: [parts/all.csv, extra.txt]
    params: [fit]
    outs: [model.txt]
  unrelated: {cmd: echo 1 > lone, outs: [lone]}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("raw.csv", "2\n1\n");
    project.write("extra.txt", "e\n");
    project.write("params.yaml", "order: up\nfit: {depth: 3}\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

#[test]
fn an_artifact_leads_back_to_the_raw_data() {
    let project = project();
    insta::assert_snapshot!("lineage", project.run(&["lineage", "model.txt"]).succeeds().stdout);
    let document = project.run(&["lineage", "model.txt", "--json"]).succeeds().json();
    let names: Vec<&str> =
        document["stages"].as_array().unwrap().iter().map(|step| step["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["fit", "clean"]);
    let digest = blake3::hash(b"2\n1\n").to_string();
    let raw = document["raw"].as_array().unwrap().iter().find(|raw| raw["path"] == "raw.csv").unwrap();
    assert_eq!((raw["digest"].as_str(), raw["state"].as_str()), (Some(digest.as_str()), Some("vouched")));
    assert_eq!(document["stages"][0]["params"]["params.yaml"]["fit"], json!({"depth": 3}));
    assert_eq!(document["stages"][0]["inputs"][1]["from"], json!(["clean"]));
    insta::assert_snapshot!("lineage_dot", project.run(&["lineage", "model.txt", "--dot"]).succeeds().stdout);
}

#[test]
fn members_of_directories_digests_and_raw_data_are_found() {
    let project = project();
    let member = project.run(&["lineage", "parts/all.csv", "--json"]).succeeds().json();
    let digest = blake3::hash(b"1\n2\n").to_string();
    assert_eq!(
        (member["artifact"]["digest"].as_str(), member["stages"][0]["stage"].as_str()),
        (Some(digest.as_str()), Some("clean"))
    );
    let found = project.run(&["lineage", &digest[..8], "--json"]).succeeds().json();
    assert_eq!(found, member);
    let raw = project.run(&["lineage", "raw.csv", "--json"]).succeeds().json();
    assert_eq!((raw["stages"].as_array().map(Vec::len), raw["raw"][0]["path"].as_str()), (Some(0), Some("raw.csv")));
}

#[test]
fn bytes_that_the_lock_does_not_vouch_for_are_named() {
    let project = project();
    project.write("model.txt", "by hand\n");
    project.remove("extra.txt");
    let run = project.run(&["lineage", "model.txt"]).succeeds();
    assert!(run.stderr.contains("note: model.txt has changed since"), "{}", run.stderr);
    assert!(run.stdout.contains("CHANGED since") && run.stdout.contains("not in the workspace"), "{}", run.stdout);
    // Only the first stage runs again: what the second one read is no longer what the first is recorded with.
    project.write("raw.csv", "3\n");
    project.run(&["repro", "-q", "-s", "clean"]).succeeds();
    let document = project.run(&["lineage", "model.txt", "--json"]).succeeds().json();
    let note = document["stages"][0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("it read parts/all.csv as") && note.contains("clean has since made"), "{note}");
}

#[test]
fn what_the_lock_does_not_know_is_a_mistake_of_the_call() {
    let project = project();
    let run = project.run(&["lineage", "modle.txt"]).exits(2);
    assert!(run.stderr.contains("did you mean `model.txt`?"), "{}", run.stderr);
    project.run(&["lineage", "abcdef0123"]).exits(2);
    project.run(&["lineage", "../model.txt", "--json"]).exits(2);
}

#[test]
fn events_take_the_place_of_nothing_but_events() {
    let project = project();
    let raw = project.read("raw.csv");
    project.write("visits.jsonl", "{\"event\": \"visit\"}\n");
    for option in ["--events", "--openlineage"] {
        for path in ["raw.csv", "pipeline.yaml", "visits.jsonl"] {
            let run = project.run(&["repro", option, path]).exits(2);
            assert!(run.stderr.contains("is not the events of an earlier run"), "{}", run.stderr);
        }
        assert!(project.run(&["repro", option, "http://127.0.0.1:5000"]).exits(2).stderr.contains("no file"));
        for _ in 0..2 {
            project.run(&["repro", option, "run.jsonl"]).succeeds();
        }
        assert!(project.read("run.jsonl").lines().count() >= 2);
        project.remove("run.jsonl");
    }
    std::os::unix::fs::symlink("run.jsonl", project.path("link.jsonl")).unwrap();
    for other in ["run.jsonl", "./run.jsonl", "link.jsonl"] {
        let run = project.run(&["repro", "--events", "run.jsonl", "--openlineage", other]).exits(2);
        assert!(run.stderr.contains("name one file"), "{}", run.stderr);
        assert!(!project.exists("run.jsonl"));
    }
    assert_eq!((project.read("raw.csv"), project.read("visits.jsonl")), (raw, "{\"event\": \"visit\"}\n".to_owned()));
}
