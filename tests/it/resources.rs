//! What stages take of the machine decides what runs at the same time.

use crate::project::Project;

fn project(cmd: &str, extra: &str) -> Project {
    let stages = ["a", "b", "c"].map(|name| {
        let cmd = cmd.replace("NAME", name);
        format!("  {name}:\n    cmd: {cmd}; touch {name}.out\n    outs: [{name}.out]\n{extra}")
    });
    Project::new(&format!("pools: {{one: 1}}\nstages:\n{}", stages.concat()))
}

/// How many of three stages ran at the same time.
fn most_at_once(extra: &str) -> usize {
    let project = project("echo + >> journal; sleep 0.2; echo - >> journal", extra);
    project.run(&["-q", "repro", "-j3"]).succeeds();
    let mut running = 0_usize;
    let mut most = 0;
    for line in project.read("journal").lines() {
        running = if line == "+" { running + 1 } else { running - 1 };
        most = most.max(running);
    }
    most
}

#[test]
fn threads_memory_and_pools_bound_what_runs_together() {
    assert_eq!(most_at_once("    resources: {threads: 2}\n"), 1, "two of them need four threads");
    assert_eq!(most_at_once("    resources: {threads: 8}\n"), 1, "more than there is runs alone");
    assert_eq!(most_at_once("    pool: one\n"), 1);
    // A limit on address space that no machine has twice.
    assert_eq!(most_at_once("    resources: {memory: 100000GiB}\n"), 1);
}

#[test]
fn what_fits_runs_together() {
    let meet = "touch NAME.here; while [ ! -e a.here ] || [ ! -e b.here ] || [ ! -e c.here ]; do sleep 0.01; done";
    let project = project(meet, "    resources: {threads: 1, memory: 1GiB}\n    timeout: 2m\n");
    project.run(&["-q", "repro", "-j3"]).succeeds();
}
