//! Results that were once believed and should not have been, and files that were touched and are not clinpipe's: one
//! test each.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::project::{CLINPIPE, Project, outcomes};

const COPY: &str = "stages:\n  a: {cmd: cat in > out, deps: [in], outs: [out]}\n";
const READ: &str = "stages:\n  a: {cmd: cat params.yaml > out, params: [seed], outs: [out]}\n";

/// Changes a JSON file in place, whatever its permissions.
fn edit(project: &Project, name: &str, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_str(&project.read(name)).unwrap();
    change(&mut document);
    project.make_writable(name);
    project.write(name, &document.to_string());
}

#[test]
fn set_never_records_a_value_that_the_command_did_not_see() {
    let project = Project::new(READ);
    project.write("params.yaml", "seed: 1\nother: 1\n");
    project.run(&["-q", "repro"]).succeeds();
    let lock = project.read("lockfiles/pipeline.lock");
    for extra in [&["--dry-run"][..], &[]] {
        let run = project.run(&[&["repro", "--set", "seed=2"], extra].concat()).exits(2);
        assert!(run.stderr.contains("--set cannot change params.yaml:seed for stage a"), "{}", run.stderr);
        assert!(run.stderr.contains("help: edit the file"), "{}", run.stderr);
    }
    assert_eq!(project.read("lockfiles/pipeline.lock"), lock);
    project.run(&["repro", "--set", "other=2"]).succeeds();
    project.write("params.yaml", "seed: 2\nother: 1\n");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
    assert!(project.read("out").contains("seed: 2"));
}

#[test]
fn a_parameter_that_changes_under_a_command_refuses_its_result() {
    let project = Project::new(&READ.replace("cmd: cat", "cmd: sed -i s/1/2/ params.yaml; cat"));
    project.write("params.yaml", "seed: 1\n");
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("params.yaml:seed changed (1 → 2)"), "{}{}", run.stdout, run.stderr);
    project.run(&["status", "--check"]).exits(1);
}

#[test]
fn a_parameter_that_changes_before_its_command_starts_is_noticed() {
    let stages = "stages:\n  w: {cmd: sed -i s/1/2/ params.yaml; echo > o, outs: [o]}\n  a: {cmd: touch ran; cat params.yaml > out, deps: [o], params: [seed], outs: [out]}\n";
    let project = Project::new(stages);
    project.write("params.yaml", "seed: 1\n");
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("since this run read it"), "{}{}", run.stdout, run.stderr);
    assert!(!project.exists("ran"));
    assert_eq!(project.outcomes(&[]), outcomes([("w", "fresh"), ("a", "ran")]));
}

#[test]
fn what_was_committed_comes_back_before_what_the_action_wrote_first() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    project.write("out", "corrected");
    project.run(&["commit"]).succeeds();
    let lock = project.read("lockfiles/pipeline.lock");
    for spoil in [|project: &Project| project.remove("out"), |project: &Project| project.write("out", "other")] {
        spoil(&project);
        let plan = project.run(&["repro", "--dry-run"]).succeeds();
        assert!(plan.stdout.contains("restored from cache"), "{}", plan.stdout);
        assert_eq!(project.outcomes(&[]), outcomes([("a", "restored")]));
        assert_eq!(project.read("out"), "corrected");
        assert_eq!(project.read("lockfiles/pipeline.lock"), lock);
    }
}

#[test]
fn a_dry_run_without_the_run_cache_is_the_run_without_it() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    project.remove("out");
    let plan = project.run(&["repro", "--no-run-cache", "--dry-run", "--json"]).succeeds();
    assert_eq!(plan.json()["stages"]["a"]["forecast"], "run");
    assert_eq!(project.outcomes(&["--no-run-cache"]), outcomes([("a", "ran")]));
}

#[test]
fn a_record_that_takes_a_file_for_a_directory_costs_no_blob() {
    let project = Project::new("stages:\n  a: {cmd: mkdir d; echo 1 > d/x; echo 2 > f, outs: [d, f]}\n");
    project.run(&["-q", "repro"]).succeeds();
    let (blobs, lock) = (project.files(".clinpipe/cas"), project.read("lockfiles/pipeline.lock"));
    assert_eq!(blobs.len(), 3);
    let action = format!(".clinpipe/ac/{}", project.files(".clinpipe/ac").keys().next().unwrap());
    for name in ["lockfiles/pipeline.lock", action.as_str()] {
        edit(&project, name, |document| {
            let stage = if document["stages"].is_null() { document } else { &mut document["stages"]["a"] };
            stage["outs"]["f"]["count"] = json!(1);
            stage["outs"]["d"].as_object_mut().unwrap().remove("count");
        });
    }
    project.remove("d");
    project.remove("f");
    project.run(&["status"]).succeeds();
    project.run(&["checkout"]).exits(4);
    project.run(&["repro", "--dry-run"]).succeeds();
    assert_eq!(project.files(".clinpipe/cas"), blobs);
    project.write("lockfiles/pipeline.lock", &lock);
    project.run(&["checkout"]).succeeds();
    assert_eq!((project.read("d/x"), project.read("f")), ("1\n".to_owned(), "2\n".to_owned()));
}

#[test]
fn links_are_not_made_of_files_beyond_a_link() {
    use std::os::unix::fs::MetadataExt;
    let project = Project::empty();
    project.write("elsewhere/file", "precious");
    project.write(
        "p/pipeline.yaml",
        "store: {link: hardlink}\nstages:\n  a: {cmd: mkdir out; ln -s ../../elsewhere out/l; echo 1 > out/own, outs: [out]}\n  b: {cmd: ln -s ../elsewhere b, outs: [b]}\n",
    );
    let identity = || fs::metadata(project.path("elsewhere/file")).map(|m| (m.ino(), m.mode(), m.nlink())).unwrap();
    let before = identity();
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    assert_eq!(identity(), before);
    assert_eq!(fs::metadata(project.path("p/out/own")).unwrap().nlink(), 2, "its own file is a link");
}

#[test]
fn a_remote_that_holds_no_files_is_told_not_waited_for() {
    let project = Project::empty();
    project.write("p/pipeline.yaml", COPY);
    project.write("p/in", "1");
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    project.run(&["-C", "p", "-q", "push", "-r", "../remote"]).succeeds();
    let blob = format!("remote/cas/{}", project.files("remote/cas").keys().next().unwrap());
    project.make_writable("p/.clinpipe");
    project.remove("p/.clinpipe");
    let pipe = |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    let device = |path| symlink("/dev/zero", path).unwrap();
    let directory = |path| fs::create_dir(path).unwrap();
    for hostile in [&pipe as &dyn Fn(std::path::PathBuf), &device, &directory] {
        project.remove(&blob);
        hostile(project.path(&blob));
        let run = project.run(&["-C", "p", "pull", "-r", "../remote"]).exits(4);
        assert!(run.stderr.contains("it is not a file; remove it there"), "{}", run.stderr);
    }
}

#[test]
fn a_command_does_not_wait_for_its_own_stage() {
    for command in ["checkout", "commit", "checkout a"] {
        let project =
            Project::new(&format!("stages:\n  a: {{cmd: '{CLINPIPE} {command}; echo 1 > out', outs: [out]}}\n"));
        project.run(&["repro"]).succeeds();
        let log = project.run(&["log", "a"]).succeeds().stdout;
        assert!(log.contains("is running stage a itself") && log.contains("help: "), "{log}");
    }
}

#[test]
fn what_clinpipe_keeps_in_a_directory_is_no_part_of_it() {
    let project = Project::empty();
    project.write("dvc.yaml", "stages:\n  r: {cmd: ls sub > out, deps: [sub], outs: [out]}\n");
    project.write("sub/dvc.yaml", COPY);
    project.write("sub/in", "1");
    project.run(&["-q", "repro"]).succeeds();
    project.run(&["status", "--check"]).succeeds();
    project.run(&["-C", "sub", "-q", "repro"]).succeeds();
    project.write("sub/.git/HEAD", "ref");
    project.run(&["status", "--check"]).succeeds();
    project.write("sub/more", "1");
    project.run(&["status", "--check"]).exits(1);
    let whole = Project::new("stages:\n  a: {cmd: 'true', deps: [.]}\n");
    whole.run(&["-q", "repro"]).succeeds();
    whole.run(&["status", "--check"]).succeeds();
}

#[test]
fn status_does_not_promise_that_a_run_changes_a_frozen_stage() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    project.run(&["freeze", "a"]).succeeds();
    project.write("in", "2");
    let run = project.run(&["status", "--check"]).succeeds();
    assert!(run.stdout.contains("frozen    a\n            input in changed"), "{}", run.stdout);
    assert!(run.stdout.ends_with("The stage is up to date.\n"), "{}", run.stdout);
    let document = project.run(&["status", "--json"]).succeeds().json();
    assert_eq!(document["stages"]["a"]["state"], "fresh");
    assert_eq!(document["stages"]["a"]["reasons"][0]["subject"], "in");
}

#[test]
fn a_missing_part_of_a_directory_counts_as_its_producer_wrote_it() {
    let project = Project::new(
        "stages:\n  a: {cmd: mkdir d; cat in > d/x, deps: [in], outs: [d]}\n  b: {cmd: cat d/x > o, deps: [d/x], outs: [o]}\n",
    );
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    project.write("in", "2");
    project.run(&["-q", "repro", "-s", "a"]).succeeds();
    project.remove("d");
    let plan = project.run(&["repro", "--allow-missing", "--dry-run", "--json"]).succeeds().json();
    assert_eq!(plan["stages"]["b"]["forecast"], "run", "b was made from what a wrote before");
    let run = project.run(&["repro", "--allow-missing"]).exits(3);
    assert!(run.stderr.contains("leave --allow-missing out"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn an_output_that_holds_a_pipeline_file_says_how_to_keep_it_out() {
    let project = Project::new("stages:\n  a: {cmd: 'mkdir o; echo stages: > o/dvc.yaml', outs: [o]}\n");
    project.run(&["-q", "repro"]).succeeds();
    let run = project.run(&["status"]).exits(2);
    assert!(run.stderr.contains("name the output in .gitignore"), "{}", run.stderr);
    project.write(".gitignore", "/o\n");
    project.run(&["status", "--check"]).succeeds();
}

#[test]
fn a_mistaken_target_says_where_to_look() {
    let project = Project::new(COPY);
    for args in [&["repro", ""][..], &["repro", "--glob", "["], &["checkout", "."], &["log", "x/../y"]] {
        let run = project.run(args).exits(2);
        assert!(run.stderr.contains("help: `clinpipe dag` lists the stages"), "{}", run.stderr);
    }
    for file in ["..", "/"] {
        let run = project.run(&["--file", file, "status"]).exits(2);
        assert!(run.stderr.contains("is a directory, not a pipeline file"), "{}", run.stderr);
    }
}

#[test]
fn a_password_in_the_address_of_a_remote_is_not_printed() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.write(".dvc/config", "[core]\n    remote = r\n['remote \"r\"']\n    url = https://me:secret@host/data@1\n");
    let run = project.run(&["push"]).exits(2);
    assert!(run.stderr.contains("`https://host/data@1`") && !run.stderr.contains("secret"), "{}", run.stderr);
}

#[test]
fn what_a_killed_run_recorded_does_not_outlive_another_revision_of_the_lock() {
    let stages = "stages:\n  a: {cmd: cat in > out, deps: [in], outs: [out]}\n  b: {cmd: 'touch started; cat wait; cp out b', deps: [out], outs: [b]}\n";
    let project = Project::new(stages);
    project.write("wait", "");
    let mut locks = Vec::new();
    for text in ["1", "2"] {
        project.write("in", text);
        project.run(&["-q", "repro"]).succeeds();
        locks.push(project.read("lockfiles/pipeline.lock"));
    }
    project.write("in", "3");
    project.remove("wait");
    project.remove("started");
    assert!(std::process::Command::new("mkfifo").arg(project.path("wait")).status().unwrap().success());
    let mut run = project.command(&["-q", "repro"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !project.exists("started") {
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(project.read("out"), "3");
    project.run(&["checkout"]).succeeds();
    assert_eq!(project.read("out"), "3", "the lock is as it was, so what was done counts");
    project.write("lockfiles/pipeline.lock", &locks[0]);
    project.run(&["checkout"]).succeeds();
    assert_eq!((project.read("out"), project.read("b")), ("1".to_owned(), "1".to_owned()));
    project.remove("wait");
    project.write("wait", "");
    project.write("in", "1");
    project.run(&["status", "--check"]).succeeds();
    project.run(&["repro"]).succeeds();
    assert_eq!(project.read("lockfiles/pipeline.lock"), locks[0]);
}

#[test]
fn runs_from_two_roots_do_not_write_one_output_together() {
    let project = Project::empty();
    let gate = "touch started; cat in > z; until test -e go; do sleep 0.01; done; cat in >> z";
    project.write("sub/dvc.yaml", &format!("stages:\n  a: {{cmd: '{gate}', deps: [in], outs: [z]}}\n"));
    project.write("sub/in", "1");
    project.write("dvc.yaml", "stages:\n  r: {cmd: cat sub/z > o, deps: [sub/z], outs: [o]}\n");
    let start = |args: &[&str]| project.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut above = start(&["repro"]);
    while !project.exists("sub/started") {
        std::thread::yield_now();
    }
    assert_eq!(project.read("sub/.clinpipe/.gitignore"), "*\n");
    let mut below = start(&["-C", "sub", "repro"]);
    let mut said = BufReader::new(below.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains(&format!("waiting for process {}", above.id())), "{line}");
    project.write("sub/go", "");
    assert!(above.wait().unwrap().success() && below.wait().unwrap().success());
    assert_eq!((project.read("sub/z"), project.read("o")), ("11".to_owned(), "11".to_owned()));
    project.run(&["-C", "sub", "status", "--check"]).succeeds();
    project.run(&["status", "--check"]).succeeds();
}
