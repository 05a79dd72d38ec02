//! Killed at any moment, the next run ends in the same bytes.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::project::Project;

const SLOW: &str = "
stages:
  a: {cmd: sleep 0.1; cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}
  b: {cmd: echo half > b.txt; sleep 0.1; cat a.txt a.txt > b.txt, deps: [a.txt], outs: [b.txt]}
  c: {cmd: sleep 0.1; cat b.txt > c.txt, deps: [b.txt], outs: [c.txt]}
";

#[test]
fn a_killed_run_is_finished_by_the_next() {
    let reference = Project::new(SLOW);
    reference.write("in.txt", "x\n");
    reference.run(&["repro"]).succeeds();
    for delay in [20, 90, 150, 230, 310] {
        let project = Project::new(SLOW);
        project.write("in.txt", "x\n");
        let mut child = project.command(&["repro"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        project.run(&["repro"]).succeeds();
        for file in ["lockfiles/pipeline.lock", "a.txt", "b.txt", "c.txt"] {
            assert_eq!(project.read(file), reference.read(file), "{file} after a kill at {delay} ms");
        }
    }
}

#[test]
fn an_interrupt_records_what_was_done_and_exits_130() {
    let project = Project::new(
        "stages:\n  a: {cmd: cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}\n  b: {cmd: sleep 60; cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}\n",
    );
    project.write("in.txt", "x\n");
    let child = project.command(&["repro"]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    for _ in 0..200 {
        if project.exists("a.txt") && project.exists(".clinpipe/journal/pipeline.jsonl") {
            break;
        }
        sleep(Duration::from_millis(25));
    }
    sleep(Duration::from_millis(200));
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let lock = project.read("lockfiles/pipeline.lock");
    assert!(lock.contains("a.txt") && !lock.contains("b.txt"), "{lock}");
}
