//! Odd names, links and kinds of file: each is handled or refused by name; nothing hangs, nothing is falsely fresh.

#![expect(clippy::format_push_string, reason = "short texts, and easier to read so")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::project::{Project, outcomes};

const ODD: [&str; 7] = ["with space", "new\nline", "-dash", "quote'\"", "é🦀", "$(x)`y`*?[z]", ".hidden"];

fn make_pipe(project: &Project, name: &str) {
    assert!(std::process::Command::new("mkfifo").arg(project.path(name)).status().unwrap().success());
}

#[test]
fn members_may_have_any_text_for_a_name() {
    let project = Project::new("stages:\n  a: {cmd: cp -r in out, deps: [in], outs: [out/]}\n");
    let long = "n".repeat(255);
    let deep = format!("{}leaf", "deep/".repeat(200));
    for name in ODD.iter().copied().chain([long.as_str(), deep.as_str()]) {
        project.write(&format!("in/{name}"), name);
    }
    project.run(&["-q", "repro"]).succeeds();
    assert_eq!(project.files("out"), project.files("in"));
    project.remove("out");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "restored")]));
    assert_eq!(project.files("out"), project.files("in"));
    for name in [ODD[1], &long, &deep] {
        project.write(&format!("in/{name}"), "other");
        assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]), "{name:?}");
    }
}

#[test]
fn declared_paths_may_be_any_text() {
    let long = "n".repeat(255);
    let mut pipeline = String::from("stages:\n");
    let names: Vec<&str> = ODD.iter().copied().chain([long.as_str()]).collect();
    for (index, name) in names.iter().enumerate() {
        let (dep, out) = (serde_json::json!(format!("in/{name}")), serde_json::json!(format!("out/{name}")));
        pipeline += &format!(
            "  s{index}: {{cmd: 'mkdir -p out; ls in > /dev/null; sh copy {index}', deps: [{dep}], outs: [{out}]}}\n"
        );
    }
    let project = Project::new(&pipeline);
    let mut script = String::new();
    for (index, name) in names.iter().enumerate() {
        project.write(&format!("in/{name}"), name);
        let word = format!("'{}'", name.replace('\'', r"'\''"));
        script += &format!("[ $1 != {index} ] || cp -- in/{word} out/{word}\n");
    }
    project.write("copy", &script);
    project.run(&["-q", "repro"]).succeeds();
    assert_eq!(project.files("out"), project.files("in"));
    project.run(&["status", "--check"]).succeeds();
    for name in &names {
        project.write(&format!("out/{name}"), "mine");
    }
    project.run(&["-q", "repro"]).succeeds();
    assert_eq!(project.files("out"), project.files("in"));
    assert_eq!(project.files(".clinpipe/rescued").len(), names.len());
}

#[test]
fn a_name_that_is_no_text_is_refused_and_forgotten_once_it_is_gone() {
    let project = Project::new("stages:\n  a: {cmd: cp -r in out, deps: [in], outs: [out/]}\n");
    project.write("in/a", "1");
    let odd = project.path("in").join(OsStr::from_bytes(b"bad\xff"));
    fs::write(&odd, "1").unwrap();
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("cannot read in: the file name bad\u{fffd} is not UTF-8; rename it"), "{}", run.stderr);
    fs::remove_file(odd).unwrap();
    project.run(&["-q", "repro"]).succeeds();
    // Written by a stage, it is that stage's failure.
    project.write(
        "pipeline.yaml",
        "stages:\n  a: {cmd: 'cp -r in out; touch \"$(printf \"out/bad\\\\377\")\"', deps: [in], outs: [out/]}\n",
    );
    for _ in 0..2 {
        let run = project.run(&["repro"]).exits(3);
        assert!(
            run.stderr.contains("its output cannot be taken") && run.stderr.contains("not UTF-8"),
            "{}",
            run.stderr
        );
        assert!(!project.exists("out"));
    }
    project.write("pipeline.yaml", "stages:\n  a: {cmd: cp -r in out, deps: [in], outs: [out/]}\n");
    project.run(&["-q", "repro"]).succeeds();
    assert!(!project.exists(".clinpipe/rescued"));
}

#[test]
fn loops_and_broken_links_are_refused_by_name() {
    let project = Project::new("stages:\n  a: {cmd: ls in > out, deps: [in], outs: [out]}\n");
    project.write("in/sub/a", "1");
    for (target, link) in [("..", "in/sub/loop"), ("self", "in/self"), ("nowhere", "in/broken")] {
        symlink(target, project.path(link)).unwrap();
        let run = project.run(&["repro"]).exits(4);
        assert!(run.stderr.contains("cannot read in") && run.stderr.contains(link), "{link}: {}", run.stderr);
        fs::remove_file(project.path(link)).unwrap();
    }
    project.run(&["-q", "repro"]).succeeds();
}

#[test]
fn a_link_counts_as_what_it_points_to_also_outside_the_project() {
    let project = Project::empty();
    project.write("p/pipeline.yaml", "stages:\n  a: {cmd: cat in/* > out, deps: [in], outs: [out]}\n");
    project.write("outside/dir/b", "1");
    project.write("outside/file", "1");
    project.write("p/in/a", "1");
    symlink("../../outside/dir/b", project.path("p/in/b")).unwrap();
    symlink("../../outside/file", project.path("p/in/c")).unwrap();
    project.run(&["-C", "p", "-q", "repro"]).succeeds();
    assert_eq!(project.read("p/out"), "111");
    for (count, name) in ["outside/dir/b", "outside/file"].iter().enumerate() {
        project.write(name, "2");
        project.run(&["-C", "p", "-q", "repro"]).succeeds();
        assert_eq!(project.read("p/out"), ["121", "122"][count]);
    }
}

#[test]
fn what_cannot_be_stored_is_a_failure_of_the_stage_and_does_not_stay() {
    let project = Project::new("stages:\n  a: {cmd: sh make, outs: [out]}\n");
    for (make, words) in [
        ("mkdir out; mkfifo out/pipe", "pipe, socket or device"),
        ("mkfifo out", "pipe, socket or device"),
        ("mkdir out; ln -s nowhere out/x", "out/x"),
        ("mkdir out; ln -s .. out/x", "out/x"),
        ("ln -s nowhere out", "without writing its output out"),
    ] {
        project.write("make", make);
        for _ in 0..2 {
            let run = project.run(&["repro"]).exits(3);
            assert!(run.stderr.contains(words), "{make}: {}", run.stderr);
            assert!(fs::symlink_metadata(project.path("out")).is_err(), "{make}");
        }
    }
    project.write("make", "echo 1 > out");
    project.run(&["-q", "repro"]).succeeds();
    // What a user puts there instead is moved away, unread.
    project.remove("out");
    make_pipe(&project, "out");
    project.run(&["status", "--check"]).exits(1);
    let run = project.run(&["repro"]).succeeds();
    assert!(run.stderr.contains(".clinpipe/rescued/"), "{}", run.stderr);
    assert_eq!(project.read("out"), "1\n");
}

#[test]
fn a_file_and_a_directory_of_one_name_differ() {
    let project = Project::new("stages:\n  a: {cmd: ls -R in > out, deps: [in], outs: [out]}\n");
    project.write("in", "");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
    project.remove("in");
    fs::create_dir(project.path("in")).unwrap();
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
    // Only files count in a directory.
    fs::create_dir(project.path("in/empty")).unwrap();
    assert_eq!(project.outcomes(&[]), outcomes([("a", "fresh")]));
    project.write("in/empty/file", "");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
}

#[test]
fn an_empty_directory_is_an_output() {
    let project = Project::new(
        "stages:\n  a: {cmd: mkdir -p out/below, outs: [out/]}\n  b: {cmd: ls out > b, deps: [out], outs: [b]}\n",
    );
    project.run(&["-q", "repro"]).succeeds();
    project.remove("out");
    assert_eq!(project.outcomes(&[]), outcomes([("a", "restored"), ("b", "fresh")]));
    assert!(project.path("out").is_dir());
}

#[test]
fn a_large_sparse_file_is_hashed_whole() {
    let project = Project::new("stages:\n  a: {cmd: wc -c < in > out, deps: [in], outs: [out]}\n");
    let file = fs::File::create(project.path("in")).unwrap();
    file.set_len(300 << 20).unwrap();
    project.run(&["-q", "repro"]).succeeds();
    file.set_len((300 << 20) + 1).unwrap();
    assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]));
}

/// Bytes of the same length, whatever the clock says.
#[test]
fn no_clock_hides_a_change() {
    let project = Project::new("stages:\n  a: {cmd: cat in > out, deps: [in], outs: [out]}\n");
    let hour = Duration::from_hours(1);
    let now = SystemTime::now();
    let moments = [
        None,
        Some(now),
        Some(now + 24 * hour),
        Some(now - 24 * hour),
        Some(SystemTime::UNIX_EPOCH),
        Some(now + 24 * hour),
    ];
    for round in 0..18_u8 {
        let text = char::from(b'a' + round).to_string();
        project.write("in", &text);
        if let Some(moment) = moments[usize::from(round) % moments.len()] {
            fs::File::options().append(true).open(project.path("in")).unwrap().set_modified(moment).unwrap();
        }
        assert_eq!(project.outcomes(&[]), outcomes([("a", "ran")]), "round {round}");
        assert_eq!(project.read("out"), text);
        assert_eq!(project.outcomes(&[]), outcomes([("a", "fresh")]), "round {round}");
    }
}

#[test]
fn a_file_that_grows_while_it_is_hashed_is_not_recorded_as_what_it_was() {
    let project = Project::new("stages:\n  a: {cmd: cat in | wc -c > out; sleep 0.2, deps: [in], outs: [out]}\n");
    project.write("in", &"x".repeat(1 << 20));
    let mut run = project.command(&["repro", "-q"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut file = fs::File::options().append(true).open(project.path("in")).unwrap();
    while run.try_wait().unwrap().is_none() {
        std::io::Write::write_all(&mut file, b"more").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(run.wait().unwrap().code(), Some(3), "its result is refused");
    project.run(&["-q", "repro"]).succeeds();
    let size = fs::metadata(project.path("in")).unwrap().len();
    assert_eq!(project.read("out").trim(), size.to_string());
}
