//! Case 79: metrics of two revisions.

use std::process::Command;

use serde_json::json;

use crate::project::Project;

fn git(project: &Project, args: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args).current_dir(project.path("."));
    assert!(git.output().unwrap().status.success(), "{args:?}");
}

#[test]
fn case_79_metrics_of_two_revisions_are_compared_key_by_key() {
    let project = Project::empty();
    project.write("dvc.yaml", "metrics: [m.json, broken.json]\n");
    project.write("m.json", r#"{"auc": {"value": 0.5, "gone": 1}, "name": "a", "same": 1}"#);
    project.write("broken.json", r#"{"ok": 1}"#);
    git(&project, &["init", "-q"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-qm", "first"]);
    project.write("m.json", r#"{"auc": {"value": 0.75, "fresh": 2}, "name": "b", "same": 1}"#);
    project.write("broken.json", "{");
    let run = project.run(&["metrics", "diff", "--json"]);
    assert!(run.stderr.contains("broken.json"), "{}", run.stderr);
    let diff = &run.json()["m.json"];
    assert_eq!(diff["auc.value"]["diff"], json!(0.25));
    assert_eq!((&diff["auc.gone"]["old"], &diff["auc.gone"]["new"]), (&json!(1), &json!(null)));
    assert_eq!((&diff["auc.fresh"]["old"], &diff["auc.fresh"]["new"]), (&json!(null), &json!(2)));
    assert_eq!((&diff["name"]["old"], &diff["name"]["new"]), (&json!("a"), &json!("b")));
    assert!(diff["name"].get("diff").is_none_or(serde_json::Value::is_null), "{diff}");
    assert!(diff.get("same").is_none(), "{diff}");
}
