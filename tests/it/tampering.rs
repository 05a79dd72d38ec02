//! A registry that somebody changed by hand: nothing is promoted on it, and what was changed is named.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::project::{Project, Run};
use crate::registry::{REGISTRY, bring, bundle, failed, promote, records, studies};

/// A study whose champion is the strong model, with the weak one before it; their digests.
fn promoted() -> (Project, String, String) {
    let project = studies();
    let weak = bundle(&project);
    promote(&project, &[]).succeeds();
    bring(&project, "strong.yaml");
    promote(&project, &[]).succeeds();
    let strong = bundle(&project);
    (project, weak, strong)
}

fn show(project: &Project) -> Run {
    project.run(&["-C", "study", "registry", "show"])
}

/// Neither shown, nor promoted on, nor rolled back; each time for this reason.
fn is_refused(project: &Project, why: &str) {
    let rollback = project.run(&["-C", "study", "registry", "rollback", "--reason", "x"]);
    for run in [show(project), promote(project, &[]), rollback] {
        assert!(run.code == Some(4) && run.stderr.contains(why), "{:?} {}", run.code, run.stderr);
    }
}

#[test]
fn a_registry_whose_states_are_gone_is_no_empty_one() {
    let (project, ..) = promoted();
    let current = project.path(&format!("{REGISTRY}/current"));
    let first = project.read(&format!("{REGISTRY}/states/000001/state.json"));
    fs::remove_file(&current).unwrap();
    is_refused(&project, "nobody knows which state holds");
    symlink("states/000001", &current).unwrap();
    is_refused(&project, "tells of state 2");
    fs::remove_file(&current).unwrap();
    symlink("states/000002", &current).unwrap();
    show(&project).succeeds();
    assert_eq!(project.read(&format!("{REGISTRY}/states/000001/state.json")), first);
    fs::remove_dir_all(project.path("study/artifacts/registry")).unwrap();
    assert!(promote(&project, &[]).stderr.contains("tells of state 1"));
    promote(&project, &["--model", "anew"]).succeeds();
}

#[test]
fn a_state_or_an_alias_that_was_changed_is_named() {
    let (project, weak, strong) = promoted();
    let path = format!("{REGISTRY}/states/000002/state.json");
    let state = project.read(&path);
    project.write(&path, &state.replace("a test", "a jest"));
    is_refused(&project, "is another one by now");
    project.write(&path, &state);
    let link = project.path(&format!("{REGISTRY}/states/000002/champion"));
    fs::remove_file(&link).unwrap();
    symlink(format!("../../versions/{weak}/bundle"), &link).unwrap();
    is_refused(&project, "ln -sfn");
    fs::remove_file(&link).unwrap();
    symlink(format!("../../versions/{strong}/bundle"), &link).unwrap();
    show(&project).succeeds();
    assert_eq!(records(&project, "promotion").len(), 2);
}

#[test]
fn a_verdict_that_was_written_by_hand_promotes_nothing() {
    let (project, ..) = promoted();
    let params = project.read("study/params.yaml");
    project.write("study/params.yaml", &params.replace("min: 0.3}", "min: 0.99}").replace("5000", "5001"));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    assert!(failed(&promote(&project, &[]).exits(1)).contains("gate"));
    let dir = format!("{REGISTRY}/versions/{}", bundle(&project));
    let mut verdict: Value = serde_json::from_str(&project.read(&format!("{dir}/verdict.json"))).unwrap();
    verdict["promotable"] = Value::Bool(true);
    let forged = verdict.to_string();
    project.write(&format!("{dir}/verdict.json"), &forged);
    let mut version: Value = serde_json::from_str(&project.read(&format!("{dir}/version.json"))).unwrap();
    version["papers"]["verdict.json"] = Value::from(blake3::hash(forged.as_bytes()).to_hex().to_string());
    project.write(&format!("{dir}/version.json"), &version.to_string());
    let own = format!("{}/bundle", dir.strip_prefix("study/").unwrap());
    let wide = ["--bundle", &own, "--to", "challenger"];
    assert!(failed(&promote(&project, &wide).exits(1)).contains("registered"));
    // From its pipeline the version gets its own papers back.
    assert!(failed(&promote(&project, &[]).exits(1)).contains("gate"));
    assert_ne!(project.read(&format!("{dir}/verdict.json")), forged);
}

#[test]
fn a_version_whose_bundle_was_changed_is_listed_as_damaged_in_its_role() {
    let (project, _, strong) = promoted();
    let member = format!("{REGISTRY}/versions/{strong}/bundle/threshold.json");
    project.write(&member, &project.read(&member).replace(' ', ""));
    let listed = project.run(&["-C", "study", "registry", "list"]).succeeds().stdout;
    assert!(listed.contains("champion, damaged"), "{listed}");
}
