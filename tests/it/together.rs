//! Several `repro` at once: each piece of work is done once, and the lock ends as if there had been one.

#![expect(clippy::format_push_string, reason = "short texts, and easier to read so")]

use std::process::Stdio;

use crate::project::Project;

/// Two chains with a common root; half of the stages cannot come from the action cache. Each notes its run.
fn pipeline() -> String {
    let mut text = String::from(
        "stages:\n  root: {cmd: echo root >> ran; cat in > root, deps: [in], outs: [root: {cache: false}]}\n",
    );
    for chain in ["a", "b"] {
        let mut before = "root".to_owned();
        for i in 0..4 {
            let name = format!("{chain}{i}");
            let cache = i % 2 == 0;
            text += &format!(
                "  {name}: {{cmd: echo {name} >> ran; cat {before} > {name}, deps: [{before}], outs: [{name}: {{cache: {cache}}}]}}\n"
            );
            before = name;
        }
    }
    text
}

fn project() -> Project {
    let project = Project::new(&pipeline());
    project.write("in", "1\n");
    project
}

/// `CLINPIPE_TOGETHER` sets how often.
#[test]
fn runs_at_the_same_time_share_the_work() {
    let alone = project();
    alone.run(&["-q", "repro"]).succeeds();
    let rounds = std::env::var("CLINPIPE_TOGETHER").map_or(6, |text| text.parse().unwrap());
    let all: [&[&str]; 4] = [&[], &["a3"], &["b3"], &["a1", "b2"]];
    for round in 0..rounds {
        let project = project();
        // Disjoint but for the root; overlapping; the same twice.
        let targets = [[all[1], all[2], all[2]], [all[0], all[1], all[3]], [all[0], all[0], all[2]]][round % 3];
        let start = |targets: &&[&str]| {
            let args = [&["repro", "-j2"], *targets].concat();
            project.command(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        };
        let runs: Vec<_> = targets.iter().map(start).collect();
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stderr));
        }
        project.run(&["-q", "repro"]).succeeds();
        let mut ran: Vec<String> = project.read("ran").lines().map(str::to_owned).collect();
        ran.sort();
        assert_eq!(ran, ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3", "root"], "round {round}");
        assert_eq!(project.read("lockfiles/pipeline.lock"), alone.read("lockfiles/pipeline.lock"), "round {round}");
        assert!(!project.exists(".clinpipe/rescued"), "round {round}");
    }
}

#[test]
fn readers_never_wait_and_always_see_whole_files() {
    let project = Project::new(
        "stages:\n  a: {cmd: 'while [ ! -e go ]; do sleep 0.01; done; cat in > out', deps: [in], outs: [out]}\n",
    );
    project.write("in", "1");
    let mut run = project.command(&["repro", "-q"]).spawn().unwrap();
    for _ in 0..20 {
        for command in [&["status"][..], &["dag"], &["why", "a"], &["repro", "--dry-run"]] {
            project.run(command).succeeds();
        }
        assert!(run.try_wait().unwrap().is_none());
    }
    project.write("go", "");
    assert!(run.wait().unwrap().success());
}
