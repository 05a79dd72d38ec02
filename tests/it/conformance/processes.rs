//! Case 80: a process that was killed, and two at once.

use std::process::Stdio;

use crate::project::{Project, outcomes};

/// Two independent stages that each wait for a file before they finish.
const PIPELINE: &str = "
stages:
  a: {cmd: 'echo $$ > a.pid; until [ -e go ]; do sleep 0.02; done; cp in.txt a.txt', deps: [in.txt], outs: [a.txt]}
  b: {cmd: 'touch b.begun; until [ -e go ]; do sleep 0.02; done; cp in.txt b.txt', deps: [in.txt], outs: [b.txt]}
";

fn project() -> Project {
    let project = Project::empty();
    project.write("dvc.yaml", PIPELINE);
    project.write("in.txt", "x\n");
    project
}

fn await_file(project: &Project, name: &str) {
    while !project.exists(name) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn case_80_what_a_killed_process_held_is_free_and_two_processes_share_a_pipeline() {
    let project = project();
    let mut killed = project.command(&["repro", "-q", "a"]).stderr(Stdio::null()).spawn().unwrap();
    await_file(&project, "a.pid");
    killed.kill().unwrap();
    killed.wait().unwrap();
    project.remove("a.pid");

    let mut first = project.command(&["repro", "-q", "-s", "a"]).spawn().unwrap();
    let mut second = project.command(&["repro", "-q", "-s", "b"]).spawn().unwrap();
    await_file(&project, "a.pid");
    await_file(&project, "b.begun");
    project.write("go", "");
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    assert_eq!((project.read("a.txt"), project.read("b.txt")), ("x\n".to_owned(), "x\n".to_owned()));
    assert_eq!(project.outcomes(&[]), outcomes([("a", "fresh"), ("b", "fresh")]), "both are in the lock");
}
