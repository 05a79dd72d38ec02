//! Commands on the store: checkout, commit, freeze, cache; links; a store on another file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use crate::project::{Project, outcomes};

/// A file and a directory made from one input.
const PIPELINE: &str = "\
stages:
  upper:  # shouts
    cmd: tr a-z A-Z < in.txt > upper.txt
    deps: [in.txt]
    outs: [upper.txt]
  split:
    cmd: mkdir -p d/sub && cp upper.txt d/a && cp in.txt d/sub/b && cp in.txt d/sub/c
    deps: [upper.txt, in.txt]
    outs: [d/]
";

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write("in.txt", "hello\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

fn git(project: &Project, args: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
    let done = Command::new("git").args(identity).args(args).current_dir(project.path(".")).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Where the blob of these bytes lies.
fn blob(bytes: &[u8]) -> String {
    let hex = blake3::hash(bytes).to_hex();
    format!(".clinpipe/cas/{}/{}", &hex[..2], &hex[2..])
}

/// Overwrites a file in place, whatever its permissions: its inode, and so every link to it, gets the text.
fn write_through(project: &Project, name: &str, text: &str) {
    let path = project.path(name);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o200)).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn git_leaves_the_store_alone_and_du_misses_only_what_is_kept() {
    let project = Project::new(
        "stages:\n  a: {cmd: cp in.txt kept && cp in.txt loose, deps: [in.txt], outs: [kept, {loose: {cache: false}}]}\n",
    );
    git(&project, &["init", "-q"]);
    project.write("in.txt", "hello\n");
    project.run(&["repro", "-q"]).succeeds();
    let status =
        Command::new("git").args(["status", "--short", "-uall"]).current_dir(project.path(".")).output().unwrap();
    let untracked = String::from_utf8(status.stdout).unwrap();
    assert!(untracked.contains("?? kept") && !untracked.contains(".clinpipe"), "{untracked}");
    project.write("in.txt", "other\n");
    project.run(&["repro", "-q"]).succeeds();
    project.write(".clinpipe/.gitignore", "mine\n");
    let du: serde_json::Value =
        serde_json::from_str(&project.run(&["cache", "du", "--json"]).succeeds().stdout).unwrap();
    assert_eq!(du["owners"]["a"]["missing"], 0, "{du}");
    project.run(&["repro", "-q", "--force"]).succeeds();
    assert_eq!(project.read(".clinpipe/.gitignore"), "mine\n");
}

#[test]
fn checkout_brings_back_what_is_gone_and_saves_what_was_edited() {
    let project = project();
    project.remove("d");
    project.write("upper.txt", "mine\n");
    let run = project.run(&["checkout"]).succeeds();
    assert!(run.stderr.contains(".clinpipe/rescued/"), "{}", run.stderr);
    assert!(run.stdout.contains("2 restored"), "{}", run.stdout);
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    assert_eq!(project.read("d/sub/b"), "hello\n");
    let saved: Vec<_> = project.files(".clinpipe/rescued").into_values().collect();
    assert_eq!(saved, [b"mine\n".to_vec()]);
    project.run(&["status", "--check"]).succeeds();
    let again = project.run(&["checkout"]).succeeds();
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
}

#[test]
fn checkout_removes_what_is_too_much_and_force_saves_nothing() {
    let project = project();
    project.write("d/extra", "extra");
    project.run(&["checkout", "--force", "split"]).succeeds();
    assert!(!project.exists("d/extra"));
    assert!(!project.exists(".clinpipe/rescued"));
}

#[test]
fn checkout_replaces_whatever_stands_there() {
    let project = project();
    project.remove("upper.txt");
    project.write("upper.txt/below", "a directory\n");
    project.remove("d");
    symlink("in.txt", project.path("d")).unwrap();
    project.run(&["checkout"]).succeeds();
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    assert!(!fs::symlink_metadata(project.path("d")).unwrap().is_symlink());
    assert_eq!(project.read("in.txt"), "hello\n", "what a link led to stays");
    assert!(project.files(".clinpipe/rescued").into_values().any(|bytes| bytes == b"a directory\n"));
}

#[test]
fn checkout_of_a_path_leaves_the_rest_alone() {
    let project = project();
    project.remove("d/sub/b");
    project.remove("d/a");
    project.write("upper.txt", "mine\n");
    project.run(&["checkout", "d/sub/b"]).succeeds();
    assert_eq!(project.read("d/sub/b"), "hello\n");
    assert!(!project.exists("d/a"));
    assert_eq!(project.read("upper.txt"), "mine\n");
    project.remove("d/sub");
    project.run(&["checkout", "d/sub"]).succeeds();
    assert_eq!(project.read("d/sub/c"), "hello\n");
    assert!(!project.exists("d/a"));
    project.run(&["checkout", "d/nothing"]).exits(4);
    project.run(&["checkout", "nothing"]).exits(2);
}

#[test]
fn checkout_changes_nothing_when_a_blob_is_missing_or_damaged() {
    for damage in [true, false] {
        let project = project();
        project.remove("d");
        project.remove("upper.txt");
        project.remove(&blob(b"HELLO\n"));
        if damage {
            project.write(&blob(b"HELLO\n"), "other");
        }
        let run = project.run(&["checkout"]).exits(4);
        assert!(run.stderr.contains("upper.txt") && run.stderr.contains("nothing was changed"), "{}", run.stderr);
        assert!(!project.exists("d") && !project.exists("upper.txt"));
        project.run(&["checkout", "--allow-missing", "d/sub/b", "upper"]).succeeds();
        assert!(project.exists("d/sub/b") && !project.exists("upper.txt"));
        project.run(&["repro", "-q"]).succeeds();
        project.run(&["status", "--check"]).succeeds();
    }
}

#[test]
fn checkout_follows_the_lock_of_another_commit() {
    let project = project();
    git(&project, &["init", "-q"]);
    project.write(".gitignore", "/d\n/upper.txt\n.clinpipe\n");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "one"]);
    project.write("in.txt", "other\n");
    project.run(&["repro", "-q"]).succeeds();
    git(&project, &["commit", "-qam", "two"]);
    git(&project, &["checkout", "-q", "HEAD~1"]);
    project.run(&["checkout"]).succeeds();
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    assert_eq!(project.outcomes(&[]), outcomes([("split", "fresh"), ("upper", "fresh")]));
}

#[test]
fn commit_accepts_outputs_but_asks_when_inputs_differ() {
    let project = project();
    project.write("upper.txt", "by hand\n");
    let run = project.run(&["commit", "upper"]).succeeds();
    assert!(run.stdout.contains("committed upper: accepted as it is, not run"), "{}", run.stdout);
    assert_eq!(project.outcomes(&["upper"]), outcomes([("upper", "fresh")]));
    project.write("in.txt", "changed\n");
    let lock = project.read("lockfiles/pipeline.lock");
    let run = project.run(&["commit", "upper"]).exits(1);
    assert!(run.stderr.contains("in.txt") && run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(project.read("lockfiles/pipeline.lock"), lock);
    project.run(&["commit", "--force", "upper"]).succeeds();
    assert_eq!(project.outcomes(&["upper"]), outcomes([("upper", "fresh")]));
    // What was accepted is kept, but nothing says that the command writes it.
    project.remove("upper.txt");
    project.run(&["checkout", "upper"]).succeeds();
    assert_eq!(project.read("upper.txt"), "by hand\n");
    project.remove("upper.txt");
    project.remove("lockfiles");
    assert_eq!(project.outcomes(&["upper"]), outcomes([("upper", "ran")]));
    assert_eq!(project.read("upper.txt"), "CHANGED\n");
}

#[test]
fn commit_refuses_what_is_not_there_and_records_all_or_nothing() {
    let project = Project::new(PIPELINE);
    project.write("in.txt", "hello\n");
    project.write("upper.txt", "HELLO\n");
    let run = project.run(&["commit"]).exits(1);
    assert!(run.stderr.contains("output d is missing"), "{}", run.stderr);
    project.run(&["commit", "--force"]).exits(1);
    assert!(!project.exists("lockfiles"), "nothing was recorded");
    project.run(&["commit", "--force", "upper"]).succeeds();
    assert_eq!(project.outcomes(&[]), outcomes([("split", "ran"), ("upper", "fresh")]));
}

#[test]
fn freeze_changes_one_line_and_unfreeze_takes_it_back() {
    let project = project();
    project.run(&["freeze", "upper"]).succeeds();
    let frozen = PIPELINE.replace("    cmd: tr", "    frozen: true\n    cmd: tr");
    assert_eq!(project.read("pipeline.yaml"), frozen);
    project.write("in.txt", "other\n");
    assert_eq!(project.outcomes(&["upper"]), outcomes([("upper", "fresh")]));
    project.run(&["unfreeze", "upper"]).succeeds();
    assert_eq!(project.read("pipeline.yaml"), PIPELINE);
    assert_eq!(project.outcomes(&["upper"]), outcomes([("upper", "ran")]));
}

#[test]
fn freeze_handles_groups_links_and_permissions() {
    let group = "stages:\n  a:\n    foreach: [1, 2]\n    do: {cmd: 'echo ${item} > o${item}', outs: ['o${item}']}\n  b: {cmd: x}\n";
    let project = Project::empty();
    project.write("real.yaml", group);
    symlink("real.yaml", project.path("pipeline.yaml")).unwrap();
    fs::set_permissions(project.path("real.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    let run = project.run(&["freeze", "a@1", "b"]).succeeds();
    assert!(run.stderr.contains("froze a, all members of the group"), "{}", run.stderr);
    let expected = group.replace("do: {cmd", "do: {frozen: true, cmd").replace("b: {cmd", "b: {frozen: true, cmd");
    assert_eq!(project.read("real.yaml"), expected);
    assert!(fs::symlink_metadata(project.path("pipeline.yaml")).unwrap().is_symlink());
    assert_eq!(fs::metadata(project.path("real.yaml")).unwrap().mode() & 0o777, 0o600);
    project.run(&["unfreeze", "a", "b"]).succeeds();
    assert_eq!(project.read("real.yaml"), group);
}

#[test]
fn freeze_writes_all_or_nothing() {
    let text = "stages:\n  a: &a {cmd: x, outs: [o]}\n  c: {cmd: z}\nvars:\n  - {b: *a}\n";
    let project = Project::new(text);
    let run = project.run(&["freeze", "c", "a"]).exits(2);
    assert!(run.stderr.contains("pipeline.yaml:2:3") && run.stderr.contains("anchor"), "{}", run.stderr);
    assert_eq!(project.read("pipeline.yaml"), text);
    project.run(&["freeze", "c", "nothing"]).exits(2);
    let run = project.run(&["freeze", "o"]).exits(2);
    assert!(run.stderr.contains("is an output"), "{}", run.stderr);
    assert_eq!(project.read("pipeline.yaml"), text);
}

#[test]
fn stages_of_other_files_are_meant_too() {
    let project = Project::new(PIPELINE);
    project.write("in.txt", "hello\n");
    let sub = "stages:\n  low: {cmd: tr A-Z a-z < ../upper.txt > low.txt, deps: [../upper.txt], outs: [low.txt]}\n";
    project.write("sub/dvc.yaml", sub);
    project.run(&["repro", "-q", "--all-pipelines"]).succeeds();
    project.run(&["freeze", "sub/dvc.yaml:low", "split"]).succeeds();
    assert_eq!(project.read("sub/dvc.yaml"), sub.replace("{cmd", "{frozen: true, cmd"));
    project.run(&["unfreeze", "sub/dvc.yaml:low", "split"]).succeeds();
    assert_eq!((project.read("sub/dvc.yaml"), project.read("pipeline.yaml")), (sub.to_owned(), PIPELINE.to_owned()));
    project.remove("sub/low.txt");
    project.remove("upper.txt");
    project.run(&["checkout", "sub/low.txt"]).succeeds();
    assert!(project.exists("sub/low.txt") && !project.exists("upper.txt"));
    project.run(&["checkout"]).succeeds();
    project.write("sub/low.txt", "by hand\n");
    project.run(&["commit"]).succeeds();
    assert!(project.read("sub/lockfiles/dvc.lock").contains(&blake3::hash(b"by hand\n").to_string()));
    project.run(&["cache", "gc"]).succeeds();
    project.run(&["push", "--remote", "./remote"]).succeeds();
    fs::remove_dir_all(project.path(".clinpipe")).unwrap();
    project.remove("sub/low.txt");
    project.run(&["pull", "--remote", "./remote", "sub/dvc.yaml:low"]).succeeds();
    assert_eq!(project.read("sub/low.txt"), "by hand\n");
}

#[test]
fn du_says_what_each_stage_needs() {
    let project = project();
    project.write("in.txt", "other\n");
    project.run(&["repro", "-q", "upper"]).succeeds();
    let du = project.run(&["cache", "du", "--json"]).succeeds().json();
    // `d/a` is the old `upper.txt`, so it is shared with nobody now; `d/sub/b` and `d/sub/c` are one blob.
    assert_eq!(du["owners"]["upper"]["held"], serde_json::json!({"files": 1, "bytes": 6}));
    assert_eq!(du["owners"]["split"]["held"]["files"], 3);
    assert_eq!(du["owners"]["split"]["missing"], 0);
    assert_eq!(du["kinds"]["cas"]["files"], 4);
    assert!(project.run(&["cache", "du"]).succeeds().stdout.contains("split"));
}

#[test]
fn gc_keeps_what_locks_name_and_what_commits_named() {
    let project = project();
    git(&project, &["init", "-q"]);
    project.write(".gitignore", "/d\n/upper.txt\n.clinpipe\n");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "one"]);
    project.write("in.txt", "second\n");
    project.run(&["repro", "-q"]).succeeds();
    project.write("in.txt", "third\n");
    project.run(&["repro", "-q"]).succeeds();
    let (first, second, third) = (blob(b"HELLO\n"), blob(b"SECOND\n"), blob(b"THIRD\n"));
    let before = project.files(".clinpipe/cas");
    let dry = project.run(&["cache", "gc", "--dry-run", "--json"]).succeeds().json();
    assert_eq!(dry["actions"]["files"], 2, "{dry}");
    assert_eq!(project.files(".clinpipe/cas"), before, "a dry run changes nothing");
    project.run(&["cache", "gc"]).succeeds();
    assert!(project.exists(&first) && !project.exists(&second) && project.exists(&third));
    project.run(&["cache", "verify"]).succeeds();
    project.run(&["cache", "gc", "--rev", "HEAD"]).succeeds();
    assert!(project.exists(&first));
    project.run(&["cache", "gc", "--rev", "nothing"]).exits(2);
    project.run(&["cache", "gc", "--workspace"]).succeeds();
    assert!(!project.exists(&first) && project.exists(&third));
    project.remove("d");
    project.remove("upper.txt");
    project.run(&["checkout"]).succeeds();
    assert_eq!(project.outcomes(&[]), outcomes([("split", "fresh"), ("upper", "fresh")]));
    project.write("in.txt", "hello\n");
    assert_eq!(project.outcomes(&[]), outcomes([("split", "ran"), ("upper", "ran")]), "its record went with its blobs");
}

#[test]
fn gc_keeps_what_other_locks_below_name_and_refuses_a_lock_it_cannot_read() {
    let project = project();
    project.write("in.txt", "second\n");
    let other = project.read("lockfiles/pipeline.lock");
    project.write("sub/lockfiles/dvc.lock", &other);
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["cache", "gc"]).succeeds();
    assert!(project.exists(&blob(b"HELLO\n")));
    project.write("sub/lockfiles/dvc.lock", "<<<<<<< ours\n");
    let run = project.run(&["cache", "gc"]).exits(4);
    assert!(run.stderr.contains("sub/lockfiles/dvc.lock"), "{}", run.stderr);
    assert!(project.exists(&blob(b"HELLO\n")));
}

#[test]
fn gc_does_not_run_beside_a_run() {
    let project = Project::new(
        "stages:\n  a: {cmd: 'touch begun; while [ ! -e go ]; do sleep 0.02; done; echo > o', outs: [o]}\n",
    );
    let mut run = project.command(&["repro", "-q"]).spawn().unwrap();
    while !project.exists("begun") {
        assert!(run.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::yield_now();
    }
    let refused = project.run(&["cache", "gc"]).exits(4);
    assert!(refused.stderr.contains("in use"), "{}", refused.stderr);
    project.run(&["cache", "gc", "--dry-run"]).succeeds();
    project.write("go", "");
    assert!(run.wait().unwrap().success());
    project.run(&["cache", "gc"]).succeeds();
    project.run(&["checkout"]).succeeds();
}

#[test]
fn verify_finds_every_kind_of_damage_and_repairs_it() {
    let project = project();
    project.run(&["cache", "verify"]).succeeds();
    write_through(&project, &blob(b"HELLO\n"), "flipped\n");
    project.write(".clinpipe/cas/ab/not-a-digest", "");
    let action = project.files(".clinpipe/ac").into_keys().next().unwrap();
    project.write(&format!(".clinpipe/ac/{action}"), "{");
    let report = project.run(&["cache", "verify", "--json"]).exits(1).json();
    let kinds: Vec<&str> =
        report["faults"].as_array().unwrap().iter().map(|fault| fault["damage"].as_str().unwrap()).collect();
    for kind in ["altered", "unreadable", "incomplete", "stranger"] {
        assert!(kinds.contains(&kind), "{kind}: {report}");
    }
    project.run(&["cache", "verify", "--repair"]).exits(1);
    project.remove(".clinpipe/cas/ab/not-a-digest");
    project.run(&["cache", "verify"]).succeeds();
    project.run(&["repro", "-q"]).succeeds();
    project.run(&["status", "--check"]).succeeds();
}

fn linked() -> Project {
    let project = Project::new(&format!("store: {{link: hardlink}}\n{PIPELINE}"));
    project.write("in.txt", "hello\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

fn inode(project: &Project, name: &str) -> u64 {
    fs::metadata(project.path(name)).unwrap().ino()
}

#[test]
fn links_are_the_stored_files_themselves() {
    let project = linked();
    assert_eq!(inode(&project, "upper.txt"), inode(&project, &blob(b"HELLO\n")));
    assert_eq!(inode(&project, "d/sub/c"), inode(&project, &blob(b"hello\n")));
    assert_eq!(fs::metadata(project.path("upper.txt")).unwrap().mode() & 0o222, 0, "read-only");
    assert_eq!(project.outcomes(&[]), outcomes([("split", "fresh"), ("upper", "fresh")]));
    project.remove("d");
    project.run(&["checkout"]).succeeds();
    assert_eq!(inode(&project, "d/a"), inode(&project, "upper.txt"));
    project.write("pipeline.yaml", &format!("store: {{link: copy}}\n{PIPELINE}"));
    project.run(&["checkout", "--relink"]).succeeds();
    assert_ne!(inode(&project, "d/a"), inode(&project, "upper.txt"));
    assert_ne!(fs::metadata(project.path("upper.txt")).unwrap().mode() & 0o200, 0);
    project.run(&["status", "--check"]).succeeds();
}

#[test]
fn a_write_through_a_link_is_found_and_undone() {
    let project = linked();
    write_through(&project, "upper.txt", "edited\n");
    assert_eq!(project.read(&blob(b"HELLO\n")), "edited\n", "the stored file is the same file");
    let status = project.run(&["status", "--check", "--json"]).exits(1).json();
    assert_eq!(status["stages"]["upper"]["reasons"][0]["kind"], "output_modified");
    assert_eq!(status["stages"]["split"]["state"], "stale", "`d/a` is the same file too");
    let run = project.run(&["repro", "--json"]).succeeds();
    assert_eq!(run.json()["stages"]["upper"]["outcome"], "ran");
    assert!(run.stderr.contains("rescued"), "the edit is saved: {}", run.stderr);
    assert_eq!(project.read("upper.txt"), "HELLO\n");
    assert_eq!(project.read(&blob(b"HELLO\n")), "HELLO\n");
    assert_eq!(project.read("d/a"), "HELLO\n");
    project.run(&["status", "--check"]).succeeds();
    project.run(&["cache", "verify"]).succeeds();
}

#[test]
fn what_a_stage_writes_into_again_is_never_a_link() {
    let project = Project::new(
        "store: {link: hardlink}\nstages:\n  log:\n    cmd: cat in.txt >> log; cp in.txt m.json\n    deps: [in.txt]\n    outs: [{log: {persist: true}}]\n    metrics: [{m.json: {cache: false}}]\n",
    );
    for text in ["1\n", "2\n"] {
        project.write("in.txt", text);
        project.run(&["repro", "-q"]).succeeds();
        assert_eq!(fs::metadata(project.path("log")).unwrap().nlink(), 1);
        assert_eq!(fs::metadata(project.path("m.json")).unwrap().nlink(), 1, "git keeps it");
    }
    assert_eq!(project.read("log"), "1\n2\n");
    assert_eq!(project.read(&blob(b"1\n")), "1\n");
    project.remove("log");
    project.run(&["checkout"]).succeeds();
    assert_eq!(fs::metadata(project.path("log")).unwrap().nlink(), 1);
}

#[test]
fn an_unknown_kind_of_link_or_remote_is_named() {
    let faults = [
        ("store: {link: hardlnk}", "did you mean `hardlink`?"),
        ("store: {lnik: copy}", "did you mean `link`?"),
        ("store: {remote: mian, remotes: {main: x}}", "did you mean `main`?"),
        ("store: {remotes: {main: 's3://bucket'}}", "must be a directory"),
    ];
    for (text, expected) in faults {
        let run = Project::new(&format!("{text}\n{PIPELINE}")).run(&["status"]).exits(2);
        assert!(run.stderr.contains(expected) && run.stderr.contains("pipeline.yaml:1:"), "{}", run.stderr);
    }
}

#[test]
fn a_store_on_another_file_system_does_everything() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    for (link, whole) in [("reflink", true), ("hardlink", true), ("copy", false)] {
        let project = Project::new(&format!("store: {{link: {link}}}\n{PIPELINE}"));
        let there = elsewhere.path().join(link);
        fs::create_dir(&there).unwrap();
        if whole {
            symlink(&there, project.path(".clinpipe")).unwrap();
        } else {
            fs::create_dir(project.path(".clinpipe")).unwrap();
            symlink(&there, project.path(".clinpipe/cas")).unwrap();
        }
        project.write("in.txt", "hello\n");
        assert_eq!(project.outcomes(&[]), outcomes([("split", "ran"), ("upper", "ran")]));
        project.write("upper.txt", "mine\n");
        project.remove("d");
        assert_eq!(project.outcomes(&[]), outcomes([("split", "restored"), ("upper", "restored")]));
        assert!(project.files(".clinpipe/rescued").into_values().any(|bytes| bytes == b"mine\n"));
        project.remove("d/sub");
        project.write("d/a", "mine too\n");
        project.run(&["checkout"]).succeeds();
        assert_eq!(project.read("d/sub/b"), "hello\n");
        project.run(&["cache", "verify"]).succeeds();
        project.run(&["cache", "gc"]).succeeds();
        project.run(&["status", "--check"]).succeeds();
        project.run(&["verify"]).succeeds();
        let names = fs::read_dir(project.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("moving")), "nothing is left over");
    }
}
