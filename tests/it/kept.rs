//! What is kept of a large project between runs never shows: every answer is that of a fresh reading.

use crate::project::Project;

const PIPELINE: &str = "
stages:
  many:
    foreach: ${names}
    do:
      cmd: echo ${item} ${word} > ${item}.txt
      outs: ['${item}.txt']
  flags:
    cmd: echo ${flags} > flags.txt
    outs: [flags.txt]
";

const KEPT: &str = ".clinpipe/derived/project-pipeline.yaml";

fn params(word: &str) -> String {
    let names: Vec<String> = (0..120).map(|at| format!("n{at}")).collect();
    format!("word: {word}\nflags: {{fast: false}}\nnames: [{}]\n", names.join(", "))
}

/// A project that has run and whose reading has been kept.
fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("params.yaml", &params("one"));
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["status", "--check"]).succeeds();
    assert!(project.exists(KEPT));
    project
}

/// Asks twice with what is kept, then without; all answers must be the same.
#[track_caller]
fn answer(project: &Project) -> (Option<i32>, String, String) {
    let ask = || {
        let run = project.run(&["status", "--json"]);
        let graph = project.run(&["dag", "--format", "json"]);
        (run.code, run.stdout + &graph.stdout, run.stderr + &graph.stderr)
    };
    let (first, second) = (ask(), ask());
    if project.exists(KEPT) {
        project.remove(KEPT);
    }
    let fresh = ask();
    assert_eq!(first, fresh);
    assert_eq!(second, fresh);
    fresh
}

#[test]
fn every_change_of_a_file_that_loading_looks_at_is_seen() {
    let project = project();
    let (_, before, _) = answer(&project);
    let mut seen = vec![before];
    let mut differs = |what: &str| {
        let (code, stdout, stderr) = answer(&project);
        let now = format!("{code:?}{stdout}{stderr}");
        assert!(!seen.contains(&now), "{what} was not seen");
        seen.push(now);
    };
    project.write("params.yaml", &params("two"));
    differs("a value that a template takes");
    project.write("pipeline.yaml", &PIPELINE.replace("echo ${item}", "echo  ${item}"));
    differs("a command");
    project.write(".dvc/config", "[parsing]\n    bool = boolean_optional\n");
    differs("how flags are written");
    project.write(".dvcignore", "# nothing\nn7.txt\n");
    differs("an ignored output");
    project.write(".dvcignore", "# nothing\n");
    project.remove("params.yaml");
    differs("a file that is gone");
    project.write("params.yaml", &params("two"));
    project.write("sub/dvc.yaml", "stages: {below: {cmd: 'true', deps: [../n1.txt]}}\n");
    answer(&project);
    let all = project.run(&["status", "--json", "sub/dvc.yaml:below"]).succeeds();
    assert!(all.stdout.contains("sub/dvc.yaml:below"), "{}", all.stdout);
    project.write("pipeline.yaml", "stages: [");
    differs("a fault");
}

#[test]
fn a_value_given_on_the_command_line_wins_and_is_not_kept() {
    let project = project();
    let run = |args: &[&str]| project.run(args).succeeds().stdout;
    let plan = ["repro", "--dry-run", "--json", "many"];
    let plain = run(&plan);
    let given = run(&[&plan[..], &["--set", "word=two"]].concat());
    assert_ne!(plain, given);
    assert_eq!(run(&plan), plain);
}

#[test]
fn a_damaged_file_is_no_more_than_a_lost_one() {
    let project = project();
    let expected = answer(&project);
    project.run(&["status"]).succeeds();
    let good = std::fs::read(project.path(KEPT)).unwrap();
    for bytes in [&good[..good.len() / 2], b"", b"garbage", &[&good[..], b"more"].concat()] {
        std::fs::write(project.path(KEPT), bytes).unwrap();
        assert_eq!(answer(&project), expected);
    }
}

#[test]
fn a_small_project_keeps_nothing() {
    let project = Project::new("stages: {a: {cmd: echo 1 > a, outs: [a]}}");
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["repro", "-q"]).succeeds();
    assert!(!project.exists(".clinpipe/derived"));
}
