//! `clinpipe metrics` against a git revision: the file from git, else through that revision's lock and the store.

use crate::compare::commit;
use crate::project::Project;

const PIPELINE: &str = "
stages:
  score:
    cmd: 'printf ''{\"auroc\": {\"value\": %s}, \"data\": \"%s\"}'' ${auroc} ${data} > scores.json'
    metrics: [scores.json]
";

/// A committed project at AUROC 0.80 that has since gone to 0.75. `ignored`: the metric file itself is not in git.
fn dropped(ignored: bool) -> Project {
    let project = Project::new(PIPELINE);
    project.write(".gitignore", if ignored { ".clinpipe/\nscores.json\n" } else { ".clinpipe/\n" });
    project.write("params.yaml", "auroc: 0.8\ndata: synthetic\n");
    project.run(&["repro", "-q"]).succeeds();
    commit(&project, "one");
    project.write("params.yaml", "auroc: 0.75\ndata: real\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

#[test]
fn a_drop_is_shown_and_gated() {
    for ignored in [false, true] {
        let project = dropped(ignored);
        let document = project.run(&["metrics", "diff", "--json"]).succeeds().json();
        let change = &document["scores.json"]["auroc.value"];
        assert_eq!((change["old"].as_f64(), change["new"].as_f64()), (Some(0.8), Some(0.75)), "{document}");
        project.write("gates.yaml", "rules:\n  - {metric: auroc.value, max_drop: 0.02}\n");
        let run = project.run(&["metrics", "diff", "HEAD", "--gate", "gates.yaml"]).exits(1);
        assert!(run.stderr.contains("gate failed: auroc.value drop <= 0.02"), "{}", run.stderr);
        assert!(run.stderr.contains("data went from synthetic to real"), "{}", run.stderr);
        project.write("gates.yaml", "rules:\n  - {metric: auroc.value, min: 0.7}\n");
        project.run(&["metrics", "diff", "HEAD", "--gate", "gates.yaml"]).succeeds();
    }
}

#[test]
fn a_missing_metric_fails_its_rule() {
    let project = dropped(false);
    project.write("gates.yaml", "rules:\n  - {metric: auroc.low, min: 0.5}\n");
    let run = project.run(&["metrics", "diff", "HEAD", "--gate", "gates.yaml"]).exits(1);
    assert!(run.stderr.contains("auroc.low"), "{}", run.stderr);
}

#[test]
fn an_unknown_revision_or_no_repository_is_a_mistake_of_the_call() {
    let project = dropped(false);
    assert!(project.run(&["metrics", "diff", "nosuch"]).exits(2).stderr.contains("nosuch"));
    project.remove(".git");
    project.run(&["metrics", "diff"]).exits(2);
}
