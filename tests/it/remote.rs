//! push, fetch and pull over a directory remote.

use std::fs;
use std::path::Path;

use crate::project::{Project, outcomes};

const PIPELINE: &str = "
store: {remote: main, remotes: {main: remote}}
stages:
  upper: {cmd: tr a-z A-Z < in.txt > upper.txt, deps: [in.txt], outs: [upper.txt]}
  split: {cmd: mkdir -p d && cp upper.txt d/a && cp in.txt d/b, deps: [upper.txt, in.txt], outs: [d/]}
  local: {cmd: cp in.txt local.txt, deps: [in.txt], outs: [{local.txt: {cache: false}}]}
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("in.txt", "hello\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

/// A second machine: the same files without outputs and store, sharing the remote.
fn clone(of: &Project) -> Project {
    let project = Project::new(PIPELINE);
    for file in ["in.txt", "lockfiles/pipeline.lock"] {
        project.write(file, &of.read(file));
    }
    std::os::unix::fs::symlink(of.path("remote"), project.path("remote")).unwrap();
    project
}

fn object(kind: &str, hex: &str) -> String {
    format!("remote/{kind}/{}/{}", &hex[..2], &hex[2..])
}

fn blob(bytes: &[u8]) -> String {
    object("cas", &blake3::hash(bytes).to_hex())
}

fn overwrite(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn what_one_pushes_the_other_pulls() {
    let project = project();
    let run = project.run(&["push", "-j", "2"]).succeeds();
    assert!(run.stdout.contains(" sent "), "{}", run.stdout);
    assert!(project.exists(&blob(b"HELLO\n")) && project.exists(&blob(b"hello\n")));
    let again = project.run(&["push"]).succeeds();
    assert!(again.stdout.starts_with("0 sent"), "{}", again.stdout);
    let (other, before) = (clone(&project), project.files("remote"));
    other.run(&["pull"]).succeeds();
    assert_eq!(project.files("remote"), before, "who fetches writes nothing there");
    assert_eq!((other.read("upper.txt"), other.read("d/b")), ("HELLO\n".to_owned(), "hello\n".to_owned()));
    assert!(!other.exists("local.txt"), "it is not kept in any store");
    let expected = outcomes([("local", "ran"), ("split", "fresh"), ("upper", "fresh")]);
    assert_eq!(other.outcomes(&[]), expected);
    assert!(project.files("remote/tmp").is_empty());
}

#[test]
fn fetch_fills_the_store_and_results_come_with_their_keys() {
    let project = project();
    project.run(&["push", "upper"]).succeeds();
    let other = clone(&project);
    other.run(&["fetch", "upper.txt"]).succeeds();
    assert!(!other.exists("upper.txt"), "fetch leaves the workspace alone");
    other.remove("lockfiles");
    assert_eq!(other.outcomes(&["upper"]), outcomes([("upper", "restored")]), "the action record came too");
    let run = clone(&project).run(&["fetch"]).exits(4);
    assert!(run.stderr.contains("the remote does not hold d"), "{}", run.stderr);
}

#[test]
fn an_output_that_stays_at_home_is_not_pushed() {
    let project = Project::new(&PIPELINE.replace("outs: [d/]", "outs: [{d: {push: false}}]"));
    project.write("in.txt", "hello\n");
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["push"]).succeeds();
    assert!(project.exists(&blob(b"HELLO\n")) && !project.exists(&blob(b"hello\n")));
    assert_eq!(project.files("remote/ac").len(), 1, "nor its record, which would lead nowhere");
    clone(&project).run(&["fetch"]).exits(4);
}

#[test]
fn a_pull_that_cannot_be_whole_changes_nothing_unless_allowed() {
    let project = project();
    project.run(&["push", "upper"]).succeeds();
    let other = clone(&project);
    other.run(&["pull"]).exits(4);
    assert!(!other.exists("upper.txt"));
    other.run(&["pull", "--allow-missing"]).succeeds();
    assert!(other.exists("upper.txt") && !other.exists("d"));
}

#[test]
fn results_of_the_past_travel_with_run_cache() {
    let project = project();
    project.write("in.txt", "second\n");
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["push", "--run-cache"]).succeeds();
    let other = clone(&project);
    other.run(&["fetch", "--run-cache"]).succeeds();
    other.write("in.txt", "hello\n");
    assert_eq!(other.outcomes(&["split"]), outcomes([("split", "restored"), ("upper", "restored")]));
}

#[test]
fn damaged_blobs_are_never_believed() {
    let project = project();
    project.run(&["push"]).succeeds();
    overwrite(&project.path(&blob(b"HELLO\n")), "flipped\n");
    let other = clone(&project);
    let run = other.run(&["pull"]).exits(4);
    assert!(run.stderr.contains("damaged"), "{}", run.stderr);
    assert!(!other.exists("upper.txt"));
    // Neither is a damaged blob sent.
    fs::remove_dir_all(project.path("remote")).unwrap();
    let held = project.path(&blob(b"HELLO\n").replacen("remote", ".clinpipe", 1));
    overwrite(&held, "flipped\n");
    let run = project.run(&["push"]).exits(4);
    assert!(run.stderr.contains("warning: ") && run.stderr.contains("damaged"), "{}", run.stderr);
    assert!(!project.exists(&blob(b"HELLO\n")), "what is damaged stays here");
    assert!(project.exists(&blob(b"hello\n")), "the others went on");
    let lists = project.files("remote/cas").into_values().filter(|bytes| bytes.starts_with(b"[{"));
    assert_eq!(lists.count(), 0, "a list never goes before its members");
    // The whole thing heals.
    project.run(&["cache", "verify", "--repair"]).succeeds();
    project.run(&["repro", "-q", "--force", "--no-run-cache"]).succeeds();
    project.run(&["push"]).succeeds();
    clone(&project).run(&["pull"]).succeeds();
}

#[test]
fn what_the_store_lost_is_stored_again_from_the_workspace() {
    let project = project();
    fs::remove_dir_all(project.path(".clinpipe")).unwrap();
    let run = project.run(&["push"]).exits(4);
    assert!(run.stderr.contains("does not hold upper.txt") && run.stderr.contains("clinpipe commit"), "{}", run.stderr);
    project.run(&["commit"]).succeeds();
    project.run(&["push"]).succeeds();
    clone(&project).run(&["pull"]).succeeds();
}

#[test]
fn two_results_of_one_action_are_an_alarm_and_the_first_stays() {
    let project = Project::new(
        "store: {remote: main, remotes: {main: remote}}\nstages:\n  dice: {cmd: cat ../seed > out, wdir: w, deps: [../in.txt], outs: [out]}\n",
    );
    project.write("in.txt", "x");
    project.write("w/x", "");
    project.write("seed", "1");
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["push"]).succeeds();
    let first = project.files("remote/ac");
    fs::remove_dir_all(project.path(".clinpipe")).unwrap();
    project.remove("lockfiles");
    project.write("seed", "2");
    project.run(&["repro", "-q"]).succeeds();
    let digests = [b"1", b"2"].map(|text| blake3::hash(text).to_string());
    for command in ["push", "fetch"] {
        let run = project.run(&[command]).succeeds();
        assert!(run.stderr.contains("not deterministic"), "{}", run.stderr);
        assert!(digests.iter().all(|digest| run.stderr.contains(digest)), "{}", run.stderr);
        assert_eq!(project.files("remote/ac"), first);
    }
}

#[test]
fn a_remote_on_another_file_system_and_by_directory() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let remote = elsewhere.path().join("deep/remote");
    let remote = remote.to_str().unwrap();
    let project = project();
    project.run(&["push", "--remote", remote]).succeeds();
    // What an interrupted upload left goes with the next one.
    fs::write(Path::new(remote).join("tmp/put-left"), "half").unwrap();
    project.run(&["push", "--remote", remote]).succeeds();
    assert!(fs::read_dir(Path::new(remote).join("tmp")).unwrap().next().is_none());
    let other = clone(&project);
    other.run(&["pull", "--remote", remote]).succeeds();
    assert_eq!(other.read("d/a"), "HELLO\n");
}

#[test]
fn a_remote_that_cannot_be_used_says_so() {
    let project = project();
    project.write("file", "");
    let run = project.run(&["push", "--remote", "file/below"]).exits(4);
    assert!(run.stderr.contains("cannot write to the remote file/below"), "{}", run.stderr);
    let run = project.run(&["fetch", "--remote", "./nowhere"]).exits(4);
    assert!(run.stderr.contains("cannot open the remote ./nowhere"), "{}", run.stderr);
    let run = project.run(&["push", "--remote", "mian"]).exits(2);
    assert!(run.stderr.contains("did you mean `main`?"), "{}", run.stderr);
    project.write("pipeline.yaml", &PIPELINE.replace("store: {remote: main, remotes: {main: remote}}\n", ""));
    let run = project.run(&["push"]).exits(2);
    assert!(run.stderr.contains("no remote is configured"), "{}", run.stderr);
}

#[test]
fn the_remote_of_a_dvc_project_is_used_when_it_is_a_directory() {
    let project = project();
    project.write("pipeline.yaml", &PIPELINE.replace("store: {remote: main, remotes: {main: remote}}\n", ""));
    project.write(".dvc/config", "[core]\n    remote = disk\n['remote \"disk\"']\n    url = ../shared\n");
    project.run(&["push"]).succeeds();
    assert!(project.exists("shared/cas"));
    project.write(".dvc/config", "[core]\n    remote = far\n['remote \"far\"']\n    url = s3://bucket/x\n");
    let run = project.run(&["push"]).exits(2);
    assert!(run.stderr.contains("s3://bucket/x") && run.stderr.contains("only directories"), "{}", run.stderr);
}
