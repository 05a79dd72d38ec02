//! Projects of several pipeline files: edges across them, addresses, locks of their own.

use crate::project::{Project, outcomes};

const MAIN: &str = "
stages:
  report:
    cmd: echo report >> ran; cat features/table.csv > report.txt
    deps: [features/table.csv]
    outs: [report.txt]
";

const SUB: &str = "
stages:
  table:
    cmd: echo table >> ../ran; cat ../raw.csv > table.csv
    deps: [../raw.csv]
    params: [unit]
    outs: [table.csv]
  part:
    foreach: [a, b]
    do:
      cmd: echo ${item} >> ../ran; echo ${item} > ${item}.txt
      outs: ['${item}.txt']
";

fn project() -> Project {
    let project = Project::new(MAIN);
    project.write("features/dvc.yaml", SUB);
    project.write("features/params.yaml", "unit: mm\n");
    project.write("raw.csv", "1\n");
    project
}

#[test]
fn what_the_main_file_needs_of_another_runs_and_nothing_else() {
    let project = project();
    assert_eq!(project.outcomes(&[]), outcomes([("features/dvc.yaml:table", "ran"), ("report", "ran")]));
    assert_eq!(project.read("ran"), "table\nreport\n");
    assert_eq!(project.outcomes(&[]), outcomes([("features/dvc.yaml:table", "fresh"), ("report", "fresh")]));
    project.write("features/params.yaml", "unit: cm\n");
    let status = project.run(&["status"]).succeeds().stdout;
    assert!(status.contains("stale     features/dvc.yaml:table"), "{status}");
    assert!(status.contains("upstream  report"), "{status}");
    let lock = project.read("features/lockfiles/dvc.lock");
    assert!(lock.contains("\"../raw.csv\"") && lock.contains("\"table\""), "{lock}");
    assert!(!project.read("lockfiles/pipeline.lock").contains("raw.csv"));
}

#[test]
fn addresses_reach_into_other_files() {
    let project = project();
    let named = |targets: &[&str]| -> Vec<String> { project.outcomes(targets).into_keys().collect() };
    assert_eq!(named(&["features/dvc.yaml:part"]), ["features/dvc.yaml:part@a", "features/dvc.yaml:part@b"]);
    assert_eq!(named(&["features/dvc.yaml:part@b"]), ["features/dvc.yaml:part@b"]);
    assert_eq!(named(&["features/table.csv"]), ["features/dvc.yaml:table"]);
    assert_eq!(named(&["pipeline.yaml:report", "-s"]), ["report"]);
    assert_eq!(named(&["features/dvc.yaml"]).len(), 3);
    assert_eq!(named(&["-P"]).len(), 4);
    let status = |args: &[&str]| project.run(&[&["status"], args].concat()).stdout;
    project.remove("features/a.txt");
    assert!(status(&["--check"]).starts_with("All 2 stages"), "the main file's stages and what those need");
    assert!(
        status(&["-P"]).contains("1 of 4 stages is not up to date; `clinpipe repro` brings it"),
        "{}",
        status(&["-P"])
    );
    assert_eq!(named(&["-p"]), ["features/dvc.yaml:table", "report"]);
    assert_eq!(named(&["--glob", "*part@*"]).len(), 2);
    let several = project.run(&["why", "features/dvc.yaml:part"]).exits(2).stderr;
    assert!(several.contains("one of them: features/dvc.yaml:part@a, features/dvc.yaml:part@b"), "{several}");
    let unknown = project.run(&["repro", "features/dvc.yaml:prat"]).exits(2).stderr;
    assert!(unknown.contains("did you mean `features/dvc.yaml:part`?"), "{unknown}");
    let unknown = project.run(&["repro", "features/dvc.yaml:tabel"]).exits(2).stderr;
    assert!(unknown.contains("did you mean `features/dvc.yaml:table`?"), "{unknown}");
}

#[test]
fn a_lock_says_the_same_from_every_root_above_it() {
    let project = project();
    std::fs::create_dir(project.path(".dvc")).unwrap();
    project.run(&["repro", "-P"]).succeeds();
    // With `.dvc` above, the project is the same from within.
    let inside = |args: &[&str]| {
        let output = std::process::Command::new(crate::project::CLINPIPE)
            .args(args)
            .current_dir(project.path("features"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = inside(&["status", "--check", "table"]);
    assert_eq!(code, Some(0), "{text}");
    let (_, text) = inside(&["dag", "--format", "json", "--full"]);
    assert!(text.contains("\"pipeline.yaml:report\""), "{text}");
    // Another root, the same lock: nothing is stale.
    project.write("above/.keep", "");
    let moved = project.path("above/project");
    for name in ["features", "raw.csv", "lockfiles", "pipeline.yaml", "report.txt"] {
        std::fs::create_dir_all(&moved).unwrap();
        std::fs::rename(project.path(name), moved.join(name)).unwrap();
    }
    let root = project.path("above").display().to_string();
    project.run(&["-C", &root, "--file", "project/pipeline.yaml", "status", "--check"]).succeeds();
}

#[test]
fn faults_name_the_file_they_are_in() {
    let project = project();
    project.write("features/dvc.yaml", "stages:\n  twice:\n    cmd: touch ../report.txt\n    outs: [../report.txt]\n");
    let text = project.run(&["status"]).exits(2).stderr;
    assert!(text.contains("features/dvc.yaml:4:12"), "{text}");
    assert!(text.contains("`report.txt` is written by two stages, `report` and `features/dvc.yaml:twice`"), "{text}");
    project.write("features/dvc.yaml", "stages:\n  odd: {comand: x}\n");
    let text = project.run(&["status"]).exits(2).stderr;
    assert!(text.contains("features/dvc.yaml:2:9"), "{text}");
    project.write(".clinpipeignore", "features\n");
    project.run(&["repro", "--dry-run"]).succeeds();
}

#[test]
fn one_directory_has_one_pipeline_file() {
    let project = project();
    project.write("features/pipeline.yaml", "stages:\n  other:\n    cmd: touch o\n    outs: [o]\n");
    let text = project.run(&["dag", "--format", "json"]).succeeds().stdout;
    assert!(!text.contains("features/dvc.yaml"), "{text}");
}

#[test]
fn pools_of_several_files_must_agree() {
    let project = project();
    project.write("pipeline.yaml", &format!("pools: {{gpu: 1}}\n{MAIN}"));
    project.write("features/dvc.yaml", &format!("pools: {{gpu: 2}}\n{SUB}"));
    let text = project.run(&["status"]).exits(2).stderr;
    assert!(text.contains("features/dvc.yaml:1:14") && text.contains("pool `gpu` has 1 slots"), "{text}");
}
