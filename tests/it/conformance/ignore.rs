//! `.dvcignore`: beyond the numbered cases, what DVC users rely on.

use crate::project::{Project, outcomes};

const PIPELINE: &str = "
stages:
  a: {cmd: cat data/raw/keep.log > o.txt, deps: [data/raw], outs: [o.txt]}
";

fn project() -> Project {
    let project = Project::empty();
    project.write("dvc.yaml", PIPELINE);
    project.write("data/raw/keep.log", "x\n");
    project.write(".dvcignore", "*.log\n!keep.log\n/top/\ndata/raw/sub/\n");
    project.write("data/.dvcignore", "only.tmp\n/raw/a.txt\n");
    project
}

#[test]
fn ignored_members_of_a_directory_do_not_count() {
    let project = project();
    project.run(&["repro"]).succeeds();
    for name in ["data/raw/b.log", "data/raw/sub/x.txt", "data/raw/only.tmp", "data/raw/a.txt"] {
        project.write(name, "new\n");
        assert_eq!(project.outcomes(&[]), outcomes([("a", "fresh")]), "{name}");
    }
    for name in ["data/raw/keep.log", "data/raw/top/y.txt", "data/raw/d/a.txt"] {
        project.write(name, "new\n");
        assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]), "{name}");
    }
    let lock = project.run(&["why", "a", "--json"]).succeeds().json();
    assert!(lock.to_string().contains("data/raw"), "{lock}");
}

#[test]
fn an_ignore_file_within_a_tracked_directory_is_refused() {
    let project = project();
    project.write("data/raw/d/.dvcignore", "*.tmp\n");
    let run = project.run(&["repro"]);
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains("d/.dvcignore") && run.stderr.contains("data/raw"), "{}", run.stderr);
    assert!(!project.exists("o.txt"));
}

#[test]
fn an_output_that_is_ignored_is_refused() {
    let project = project();
    project.write("data/.clinpipeignore", "out.*\n");
    project.write("dvc.yaml", &PIPELINE.replace("o.txt", "data/out.txt"));
    let run = project.run(&["repro"]).exits(2);
    assert!(run.stderr.contains("data/.clinpipeignore") && run.stderr.contains("out.*"), "{}", run.stderr);
    assert!(run.stderr.contains("dvc.yaml:3"), "{}", run.stderr);
}

#[test]
fn an_ignored_file_may_be_a_dependency() {
    let project = project();
    project.write("data/b.log", "1\n");
    project.write("dvc.yaml", "stages:\n  a: {cmd: cp data/b.log o.txt, deps: [data/b.log], outs: [o.txt]}\n");
    project.run(&["repro"]).succeeds();
    project.write("data/b.log", "2\n");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
}
