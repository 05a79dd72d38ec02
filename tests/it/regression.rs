//! Odd situations that once went wrong, one test each.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::project::Project;

const COPY: &str = "stages:\n  a: {cmd: cat in > out, deps: [in], outs: [out]}\n";

/// The only file below a directory of the store.
fn only_file(project: &Project, below: &str) -> String {
    let files = project.files(below);
    assert_eq!(files.len(), 1, "{:?}", files.keys());
    format!("{below}/{}", files.keys().next().unwrap())
}

#[test]
fn a_forged_action_record_restores_nothing_but_the_stages_own_outputs() {
    let project = Project::empty();
    project.write("p/pipeline.yaml", COPY);
    project.write("p/in", "1");
    project.write("victim", "precious");
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    let action = only_file(&project, "p/.clinpipe/ac");
    let record = project.read(&action);
    let absolute = project.path("victim").display().to_string();
    for hostile in ["../victim", "x/../../victim", &absolute, "in", "pipeline.yaml", ""] {
        project.write(&action, &record.replace("\"out\"", &format!("\"{hostile}\"")));
        project.remove("p/out");
        // With a lock, what that names would come back.
        project.remove("p/lockfiles");
        let run = project.run(&["-C", "p", "repro", "--json"]).succeeds();
        assert_eq!(run.json()["stages"]["a"]["outcome"], "ran", "{hostile}");
        assert_eq!(project.read("victim"), "precious");
        assert_eq!((project.read("p/in"), project.read("p/pipeline.yaml")), ("1".to_owned(), COPY.to_owned()));
        assert_eq!(project.read(&action), record, "the forged record is replaced");
    }
}

#[test]
fn a_lock_that_names_a_place_outside_the_project_is_refused() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    let lock = project.read("lockfiles/pipeline.lock");
    project.write("lockfiles/pipeline.lock", &lock.replace("\"out\": {", "\"../out\": {"));
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("`../out` leads out of the project"), "{}", run.stderr);
}

#[test]
fn pipeline_files_below_one_root_keep_apart() {
    let project = Project::empty();
    for (file, text) in [("x.one.yaml", "1"), ("x.two.yaml", "2"), ("sub/x.one.yaml", "3")] {
        project.write(file, &format!("stages:\n  a: {{cmd: echo {text} > a{text}, outs: [a{text}]}}\n"));
        project.run(&["-q", "-C", ".", "--file", file, "repro"]).succeeds();
    }
    for file in ["x.one.yaml", "x.two.yaml", "sub/x.one.yaml"] {
        project.run(&["-C", ".", "--file", file, "status", "--check"]).succeeds();
    }
    let logs = project.files(".clinpipe/log");
    assert_eq!(logs.keys().filter(|name| name.ends_with("a.log")).count(), 3, "{:?}", logs.keys());
}

#[test]
fn what_is_neither_file_nor_directory_is_refused_not_waited_for() {
    let project = Project::new(COPY);
    make_pipe(&project, "in");
    let run = project.run(&["status"]).exits(4);
    assert!(run.stderr.contains("cannot read in: it is neither a file nor a directory"), "{}", run.stderr);
    project.remove("in");
    project.write("in/member", "1");
    make_pipe(&project, "in/pipe");
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("cannot read in/pipe: it is neither"), "{}", run.stderr);
}

fn make_pipe(project: &Project, name: &str) {
    let path = project.path(name);
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn verify_passes_by_links_and_pipes_that_no_stage_declares() {
    let project = Project::empty();
    project.write("p/pipeline.yaml", COPY);
    project.write("elsewhere/data", "1");
    symlink("../elsewhere/data", project.path("p/in")).unwrap();
    symlink("nowhere", project.path("p/broken")).unwrap();
    symlink("../elsewhere", project.path("p/outside")).unwrap();
    symlink(".", project.path("p/loop")).unwrap();
    make_pipe(&project, "p/pipe");
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    project.run(&["-C", "p", "verify"]).succeeds();
}

#[test]
fn outputs_that_are_links_leave_what_they_point_to_alone() {
    let project = Project::empty();
    project.write("p/pipeline.yaml", "stages:\n  a: {cmd: echo 1 > f; mkdir -p d; echo 1 > d/new, outs: [f, d]}\n");
    project.write("outside/file", "precious");
    project.write("outside/dir/file", "precious");
    symlink("../outside/file", project.path("p/f")).unwrap();
    symlink("../outside/dir", project.path("p/d")).unwrap();
    let before = project.files("outside");
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    assert_eq!(project.files("outside"), before);
    assert_eq!(project.read("p/f"), "1\n");
}

#[test]
fn json_is_one_document_however_a_command_ends() {
    let project = Project::new("stages:\n  a: {cmd: exit 7, outs: [a]}\n");
    for (args, code) in [
        (&["repro", "--json"][..], 3),
        (&["repro", "--json", "nosuch"], 2),
        (&["repro", "--json", "--nosuch"], 2),
        (&["status", "--json", "--file", "no/such.yaml"], 2),
        (&["-C", "nosuch", "status", "--json"], 2),
        (&["verify", "--json"], 2),
        (&["metrics", "diff", "--json", "--", "--output=x"], 2),
    ] {
        let run = project.run(args).exits(code);
        let document = run.json();
        if code == 2 {
            assert_eq!(document["error"]["exit_code"], code, "{args:?}");
            assert!(document["error"]["message"].as_str().is_some_and(|text| text.contains("error")), "{document}");
        }
    }
    // The machinery fails after the run has begun: the document of the run is the only one.
    project.write("pipeline.yaml", COPY);
    project.write("in", "1");
    project.write(".clinpipe/cas", "in the way");
    assert_eq!(project.run(&["repro", "--json"]).exits(4).json()["stages"]["a"]["outcome"], "failed");
    project.write("lockfiles/pipeline.lock", "<<<<<<< ours\n");
    assert_eq!(project.run(&["status", "--json"]).exits(4).json()["error"]["exit_code"], 4);
    assert!(!project.exists("x"), "a revision is never an option of git");
}

#[test]
fn an_error_tells_its_cause_once() {
    let project = Project::new(COPY);
    project.write("in", "1");
    fs::create_dir_all(project.path("lockfiles/pipeline.lock")).unwrap();
    let run = project.run(&["status"]).exits(4);
    assert_eq!(run.stderr.matches("Is a directory").count(), 1, "{}", run.stderr);
}

#[test]
fn what_killed_runs_left_is_removed_by_the_next() {
    let project = Project::new(COPY);
    project.write("in", "1");
    for litter in ["restore-1/0", "blob-2", "pipeline/attempt-a-12345678/out/x", ".tmp-3"] {
        project.write(&[".clinpipe", "tmp", litter].join("/"), "litter");
    }
    project.run(&["-q", "repro"]).succeeds();
    assert!(project.files(".clinpipe/tmp").is_empty());
}

#[test]
fn a_touched_input_is_hashed_once_more_and_then_trusted() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    let hints = || fs::read(project.path(".clinpipe/stat")).unwrap();
    let (before, lock) = (hints(), project.read("lockfiles/pipeline.lock"));
    let day_ago = SystemTime::now() - Duration::from_hours(24);
    fs::File::options().append(true).open(project.path("in")).unwrap().set_modified(day_ago).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    project.run(&["-q", "repro"]).succeeds();
    let again = hints();
    assert_ne!(again, before);
    project.run(&["-q", "repro"]).succeeds();
    assert_eq!(hints(), again);
    assert_eq!(project.read("lockfiles/pipeline.lock"), lock);
}

#[test]
fn an_edit_is_saved_when_the_store_only_seems_to_hold_it() {
    let project = Project::new(COPY);
    project.write("in", "1");
    project.run(&["-q", "repro"]).succeeds();
    let blob = only_file(&project, ".clinpipe/cas");
    project.write("in", "2");
    project.run(&["-q", "repro"]).succeeds();
    project.remove(&blob);
    project.write(&blob, "damaged");
    // The user brings back bytes that an earlier run wrote, and the store's copy of them is broken.
    project.write("out", "1");
    project.write("in", "3");
    project.run(&["-q", "repro"]).succeeds();
    let rescued = project.files(".clinpipe/rescued");
    assert_eq!(rescued.values().collect::<Vec<_>>(), [b"1"], "{:?}", rescued.keys());
}

#[test]
fn scores_never_replace_their_input() {
    let project = Project::empty();
    project.write("in.csv", "a\n1\n");
    let run = project.run(&["predict", "in.csv", "-o", "./in.csv"]).exits(2);
    assert!(run.stderr.contains("is the input"), "{}", run.stderr);
    assert_eq!(project.read("in.csv"), "a\n1\n");
}

#[test]
#[cfg(target_os = "linux")]
fn an_events_file_that_cannot_be_written_is_told() {
    let project = Project::new(COPY);
    project.write("in", "1");
    let run = project.run(&["-q", "repro", "--events", "/dev/full"]).succeeds();
    assert!(run.stderr.contains("warning: /dev/full is not complete"), "{}", run.stderr);
}
