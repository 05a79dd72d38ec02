//! What a user wrote over an output is saved, and the instruction that the message gives brings it back.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::project::{Project, Run};

const PIPELINE: &str = "
stages:
  file: {cmd: cat in > 'a file', deps: [in], outs: ['a file']}
  directory: {cmd: mkdir -p dir/below; cat in > dir/below/a, deps: [in], outs: [dir/]}
  twin: {cmd: mkdir -p sub; cat in > 'sub/a file', deps: [in], outs: ['sub/a file']}
";

fn finished() -> Project {
    let project = Project::new(PIPELINE);
    project.write("in", "1\n");
    project.run(&["-q", "repro"]).succeeds();
    project
}

/// The instructions of a run's messages.
fn instructions(run: &Run) -> Vec<String> {
    let mark = "help: to have it back, in the project's directory: ";
    run.stderr.lines().filter_map(|line| Some(line.split_once(mark)?.1.to_owned())).collect()
}

/// Runs again, and does what the messages say.
fn have_back(project: &Project, expected: usize) {
    let run = project.run(&["repro"]).succeeds();
    let instructions = instructions(&run);
    assert_eq!(instructions.len(), expected, "{}", run.stderr);
    for instruction in instructions {
        let status = Command::new("/bin/sh").args(["-c", &instruction]).current_dir(project.path("")).status().unwrap();
        assert!(status.success(), "{instruction}");
    }
}

#[test]
fn an_edit_comes_back_as_the_message_says() {
    let project = finished();
    project.write("a file", "mine\n");
    have_back(&project, 1);
    assert_eq!(project.read("a file"), "mine\n");
    // Having it back is an edit again, and is saved again.
    have_back(&project, 1);
    assert_eq!(project.read("a file"), "mine\n");
}

#[test]
fn a_directory_comes_back_with_everything_in_it() {
    let project = finished();
    project.write("dir/below/a", "mine\n");
    project.write("dir/new/b", "also mine\n");
    fs::create_dir(project.path("dir/empty")).unwrap();
    symlink("below/a", project.path("dir/link")).unwrap();
    let before = project.files("dir");
    have_back(&project, 1);
    assert_eq!(project.files("dir"), before);
    assert!(project.path("dir/empty").is_dir());
    assert!(fs::symlink_metadata(project.path("dir/link")).unwrap().is_symlink());
}

#[test]
fn outputs_removed_and_made_anew_are_edits_too() {
    let project = finished();
    // A directory in the place of a file, and the other way round.
    project.remove("a file");
    project.write("a file/inside", "mine\n");
    project.remove("dir");
    project.write("dir", "mine\n");
    project.remove("sub");
    symlink("in", project.path("link")).unwrap();
    project.write("sub/a file", "mine\n");
    have_back(&project, 3);
    assert_eq!(project.read("a file/inside"), "mine\n");
    assert_eq!((project.read("dir"), project.read("sub/a file")), ("mine\n".to_owned(), "mine\n".to_owned()));
}

#[test]
fn edits_of_one_name_keep_apart_and_none_replaces_another() {
    let project = finished();
    for content in ["one\n", "two\n", "one\n"] {
        project.write("a file", content);
        project.write("sub/a file", &format!("sub {content}"));
        assert_eq!(instructions(&project.run(&["repro"]).succeeds()).len(), 2);
    }
    let mut saved: Vec<String> =
        project.files(".clinpipe/rescued").into_values().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    saved.sort();
    assert_eq!(saved, ["one\n", "one\n", "sub one\n", "sub one\n", "sub two\n", "two\n"]);
}

#[test]
fn a_link_in_the_place_of_an_output_comes_back_as_a_link() {
    let project = finished();
    project.write("elsewhere", "mine\n");
    project.remove("a file");
    symlink("elsewhere", project.path("a file")).unwrap();
    have_back(&project, 1);
    assert_eq!(project.read("a file"), "mine\n");
    assert!(fs::symlink_metadata(project.path("a file")).unwrap().is_symlink());
    assert_eq!(project.read("elsewhere"), "mine\n");
}

#[test]
fn an_edit_is_saved_before_a_stored_result_takes_its_place() {
    let project = finished();
    project.write("in", "2\n");
    project.run(&["-q", "repro"]).succeeds();
    project.write("a file", "mine\n");
    project.write("in", "1\n");
    let run = project.run(&["repro", "--json"]).succeeds();
    assert_eq!(run.json()["stages"]["file"]["outcome"], "restored");
    assert_eq!(project.read("a file"), "1\n");
    assert_eq!(project.files(".clinpipe/rescued").into_values().collect::<Vec<_>>(), [b"mine\n"]);
}

#[test]
fn a_failing_command_does_not_cost_the_edit() {
    let project = finished();
    project.write("a file", "mine\n");
    project.write("pipeline.yaml", &PIPELINE.replace("cat in > 'a file'", "echo half > 'a file'; exit 1"));
    let run = project.run(&["repro", "file"]).exits(3);
    assert_eq!(instructions(&run).len(), 1, "{}", run.stderr);
    assert_eq!(project.files(".clinpipe/rescued").into_values().collect::<Vec<_>>(), [b"mine\n"]);
}
