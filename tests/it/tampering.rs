//! A registry that somebody changed by hand: nothing is promoted on it, and what was changed is named.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::project::{Project, Run};
use crate::registry::{ANY, REGISTRY, bring, bundle, failed, promote, records, studies};

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
    // That is what a process leaves that is killed when its state is on record: the next one that changes something goes on.
    let shown = show(&project).succeeds();
    assert!(shown.stderr.contains("state 2 is on record and does not hold"), "{}", shown.stderr);
    assert!(promote(&project, &[]).exits(1).stderr.contains("compare again"));
    assert_eq!(fs::read_link(&current).unwrap().to_str(), Some("states/000002"));
    fs::remove_dir_all(project.path(&format!("{REGISTRY}/states/000002"))).unwrap();
    fs::remove_file(&current).unwrap();
    symlink("states/000001", &current).unwrap();
    is_refused(&project, "state 2 is gone, the audit chain tells of it");
    assert_eq!(project.read(&format!("{REGISTRY}/states/000001/state.json")), first);
    fs::remove_dir_all(project.path("study/artifacts/registry")).unwrap();
    assert!(promote(&project, &[]).stderr.contains("state 1 is gone, the audit chain tells of it"));
    let listed = project.run(&["-C", "study", "registry", "list"]).exits(4);
    assert!(listed.stderr.contains("state 1 is gone"), "{}", listed.stderr);
    promote(&project, &["--model", "anew"]).succeeds();
}

#[test]
fn a_state_or_an_alias_that_was_changed_is_named() {
    let (project, weak, strong) = promoted();
    let path = format!("{REGISTRY}/states/000002/state.json");
    let state = project.read(&path);
    project.write(&path, &state.replace("a test", "a jest"));
    is_refused(&project, "state 2 is not the one that the audit chain tells of");
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
    let shown = show(&project).exits(4);
    assert!(shown.stderr.contains("restore it from a copy"), "{}", shown.stderr);
    // The pipeline still has the same bundle.
    promote(&project, &[]).exits(1);
    show(&project).succeeds();
}

#[test]
fn a_state_that_was_added_by_hand_is_unknown_to_the_chain() {
    let (project, weak, _) = promoted();
    let text = project.read(&format!("{REGISTRY}/states/000002/state.json"));
    let mut state: Value = serde_json::from_str(&text).unwrap();
    state["seq"] = Value::from(3);
    state["before"] = Value::from(blake3::hash(text.as_bytes()).to_hex().to_string());
    state["champion"] = Value::from(weak.clone());
    let states = project.path(&format!("{REGISTRY}/states"));
    let status = Command::new("cp").arg("-a").args([states.join("000002"), states.join("000003")]).status().unwrap();
    assert!(status.success());
    project.write(&format!("{REGISTRY}/states/000003/state.json"), &state.to_string());
    for (alias, file) in [("champion", "bundle"), ("champion.metrics.json", "metrics.json")] {
        fs::remove_file(states.join("000003").join(alias)).unwrap();
        symlink(format!("../../versions/{weak}/{file}"), states.join("000003").join(alias)).unwrap();
    }
    let current = project.path(&format!("{REGISTRY}/current"));
    fs::remove_file(&current).unwrap();
    symlink("states/000003", &current).unwrap();
    is_refused(&project, "state 3 is unknown to the audit chain");
}

/// Without the chain nothing is promoted, but the champion before can still return.
#[test]
fn of_a_registry_that_the_chain_does_not_know_the_champion_can_be_rolled_back_and_nothing_else() {
    let (project, weak, _) = promoted();
    project.remove("study/lockfiles/audit.jsonl");
    for run in [show(&project), promote(&project, &[])] {
        assert!(run.code == Some(4) && run.stderr.contains("state 1 is unknown to the audit chain"), "{}", run.stderr);
    }
    project.run(&["-C", "study", "registry", "rollback", "--reason", "it is wrong"]).succeeds();
    let champion = project.read(&format!("{REGISTRY}/champion/bundle.json"));
    assert_eq!(blake3::hash(champion.as_bytes()).to_hex().to_string(), weak);
}

#[test]
fn what_the_lock_does_not_vouch_for_is_neither_kept_nor_judged() {
    let (project, ..) = promoted();
    let versions = || fs::read_dir(project.path(&format!("{REGISTRY}/versions"))).unwrap().count();
    let marks =
        |version: &str| fs::read(project.path(&format!("{REGISTRY}/versions/{version}/training_rows.bin"))).unwrap();
    let (own, before) = (bundle(&project), versions());
    let seen = marks(&own);
    // Without its training rows every test row would count.
    fs::copy(project.path("study/artifacts/features.parquet"), project.path("study/artifacts/split.parquet")).unwrap();
    for args in [&["--dry-run"][..], &[]] {
        assert_eq!(failed(&promote(&project, args).exits(1)), BTreeSet::from(["up_to_date".to_owned()]));
    }
    assert_eq!(marks(&own), seen);
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    // Evaluated, and not judged by the gate: the verdict is of another model.
    let params = project.read("study/params.yaml");
    project.write("study/params.yaml", &params.replace("5000", "5001"));
    project.run(&["-C", "study", "repro", "evaluate", "-q"]).succeeds();
    assert_eq!(failed(&promote(&project, &[]).exits(1)), BTreeSet::from(["up_to_date".to_owned()]));
    assert_eq!(versions(), before);
    // A dry run keeps nothing either.
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    promote(&project, &["--dry-run"]);
    assert_eq!(versions(), before);
}

#[test]
fn what_the_champion_was_made_of_stays_as_it_was_promoted() {
    let (project, ..) = promoted();
    let version = format!("{REGISTRY}/versions/{}/version.json", bundle(&project));
    let before = project.read(&version);
    // Two learners are tried and the same one wins: the same bundle by another recipe.
    let params = project.read("study/params.yaml");
    project.write("study/params.yaml", &params.replace("models: [logistic]", "models: [logistic, forest]"));
    let own = bundle(&project);
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    assert_eq!(bundle(&project), own, "the study must choose the same model");
    assert!(failed(&promote(&project, &[]).exits(1)).contains("new"));
    assert_eq!(project.read(&version), before);
    // Nor once it is the champion no more.
    bring(&project, "weak.yaml");
    project.write("study/promotion.yaml", ANY);
    promote(&project, &[]).succeeds();
    project.write("study/params.yaml", &params.replace("models: [logistic]", "models: [logistic, forest]"));
    project.run(&["-C", "study", "repro", "gate", "-q"]).succeeds();
    let run = promote(&project, &[]).exits(1);
    assert!(run.stderr.contains("was made otherwise then: the parameter train.models"), "{}", run.stderr);
    assert_eq!(project.read(&version), before);
}

#[test]
fn when_the_secret_of_the_training_rows_is_lost_their_marks_are_made_anew_from_the_pipeline() {
    let project = studies();
    promote(&project, &[]).succeeds();
    project.remove(&format!("{REGISTRY}/rows.key"));
    bring(&project, "strong.yaml");
    assert!(failed(&promote(&project, &[]).exits(1)).contains("comparison"));
    bring(&project, "weak.yaml");
    assert!(!failed(&promote(&project, &[]).exits(1)).contains("comparison"));
    bring(&project, "strong.yaml");
    promote(&project, &[]).succeeds();
}
