//! Full, read-only and foreign disks. The disks are mounted in a namespace of the test's own; where the system does not
//! allow that, the tests say so and pass.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::project::{CLINPIPE, Project, Run, tell};

/// Runs a shell script in which mounts are private; `$clinpipe` is the program and `$disk` a new disk.
fn with_disk(project: &Project, options: &str, script: &str) -> Option<Run> {
    Some(disk_command(project, options, script)?.output().unwrap().into())
}

/// The same, not yet started.
pub fn disk_command(project: &Project, options: &str, script: &str) -> Option<Command> {
    let disk = project.path("disk");
    fs::create_dir_all(&disk).unwrap();
    let is_allowed = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none"]).arg(&disk).output();
    if !is_allowed.is_ok_and(|output| output.status.success()) {
        tell("not tested: this system lets nobody mount a disk in a namespace");
        return None;
    }
    let script = format!("set -u; mount -t tmpfs -o {options} none \"$disk\" || exit 99\n{script}");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).current_dir(project.path(""));
    command.env("clinpipe", CLINPIPE).env("disk", disk);
    Some(command)
}

const COPIES: &str = "
stages:
  small: {cmd: cat in > small, deps: [in], outs: [small]}
  large: {cmd: head -c 200000 /dev/zero > large; cat small >> large, deps: [small], outs: [large]}
  list: {cmd: 'mkdir l; for i in 1 2 3 4 5 6 7 8; do cp large l/$i; echo $i >> l/$i; done', deps: [large], outs: [l/]}
  last: {cmd: cat l/* | cksum > last, deps: [l], outs: [last]}
";

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let project = Project::new(COPIES);
    project.write("in", "1\n");
    // With every amount of room: a run, then room, then another run.
    let script = r#"
cp pipeline.yaml in "$disk"; err=$PWD/err; cd "$disk"
for room in 0 4 8 16 32 64 128 220 300 420 600 900 1400 2000 2200 2600 3300 3900 4500 7000; do
  rm -rf .clinpipe lockfiles small large l last filler
  free=$(df --output=avail -k . | tail -1)
  [ "$free" -le "$room" ] || dd if=/dev/zero of=filler bs=1k count=$((free - room)) 2>/dev/null
  "$clinpipe" repro -q 2>"$err"; first=$?
  told=$(grep -c "No space left" "$err"); helped=$(grep -c "make room" "$err")
  ! grep -q panicked "$err" || exit 98
  rm -f filler
  "$clinpipe" repro 2>"$err" >/dev/null; second=$?
  [ $second -eq 0 ] || cat "$err" >&2
  "$clinpipe" status --check >/dev/null || second=stale
  [ ! -e .clinpipe/rescued ] || second=rescued
  echo "room $room first $first told $told helped $helped second $second lock $(cksum < lockfiles/pipeline.lock) last $(cat last)"
done"#;
    let Some(run) = with_disk(&project, "size=8m", script) else { return };
    let run = run.succeeds();
    let lines: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 20, "{}", run.stdout);
    for line in &lines {
        let (first, told, helped) = (line[3], line[5], line[7]);
        assert!(["0", "3", "4"].contains(&first), "{line:?}");
        assert!(first == "0" || told != "0", "the cause is told: {line:?}");
        assert!(first != "4" || helped != "0", "what to do is told: {line:?}");
        assert_eq!(line[8..], lines[lines.len() - 1][8..], "the next run ends like an undisturbed one");
        assert_eq!(line[9], "0", "{line:?}");
    }
    let codes: Vec<&str> = lines.iter().map(|line| line[3]).collect();
    assert!(codes.contains(&"4") && codes.contains(&"0"), "{codes:?}");
}

#[test]
fn a_read_only_project_can_be_looked_at_and_says_why_it_cannot_run() {
    let project = Project::new(COPIES);
    project.write("in", "1\n");
    let script = r#"
cp pipeline.yaml in "$disk"; cd "$disk"
"$clinpipe" repro -q || exit 96
mount -o remount,ro "$disk"
for command in "repro" "status --check" "repro --dry-run" "dag" "why last"; do
  "$clinpipe" $command >/dev/null 2>/dev/shm/err.$$ || { echo "$command: $?"; cat /dev/shm/err.$$; }
done
mount -o remount,rw "$disk"; echo 2 > in; mount -o remount,ro "$disk"
"$clinpipe" status --check >/dev/null; echo "status $?"
"$clinpipe" repro >/dev/null 2>/dev/shm/err.$$; echo "repro $?"; cat /dev/shm/err.$$ >&2; rm /dev/shm/err.$$
mount -o remount,rw "$disk"
"$clinpipe" repro -q && "$clinpipe" status --check >/dev/null; echo "then $?""#;
    let Some(run) = with_disk(&project, "size=16m", script) else { return };
    let run = run.succeeds();
    assert_eq!(run.stdout, "status 1\nrepro 4\nthen 0\n", "{}", run.stderr);
    assert!(run.stderr.contains("Read-only file system") && run.stderr.contains("help: "), "{}", run.stderr);
    assert!(run.stderr.contains(".clinpipe/"), "{}", run.stderr);
}

#[test]
fn a_store_on_another_disk_does_all_that_one_beside_the_files_does() {
    for place in [".clinpipe", ".clinpipe/cas", ".clinpipe/tmp"] {
        let project = Project::new(COPIES);
        project.write("in", "1\n");
        fs::create_dir_all(project.path(place)).unwrap();
        let script = format!(
            r#"
mount --move "$disk" {place}
"$clinpipe" repro -q || exit 90
cksum < lockfiles/pipeline.lock
rm -r l large; "$clinpipe" repro --json > out.json || exit 91; grep -c '"restored"' out.json
"$clinpipe" status --check >/dev/null || exit 92
echo mine > small; echo mine > l/2; "$clinpipe" repro >/dev/null 2>err || exit 93
cat .clinpipe/rescued/*/small .clinpipe/rescued/*/l/2
"$clinpipe" status --check > /dev/null || exit 94
find . -name ".tmp-*" -o -name ".clinpipe-moving-*" | grep . && exit 95
cksum < lockfiles/pipeline.lock"#
        );
        let Some(run) = with_disk(&project, "size=32m", &script) else { return };
        let run = run.succeeds();
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert_eq!((lines[1], lines[2], lines[3]), ("2", "mine", "mine"), "{place}: {}", run.stdout);
        assert_eq!(lines[0], lines[4], "{place}");
    }
}

#[test]
fn a_file_that_may_not_be_read_or_a_store_that_may_not_be_written_is_named() {
    let project = Project::new("stages:\n  a: {cmd: cat in > out, deps: [in], outs: [out]}\n");
    project.write("in", "1");
    // Permissions bind everybody but root, so root becomes nobody.
    let is_root = rustix::process::geteuid().is_root();
    let run = |args: &[&str]| -> Run {
        let mut command = Command::new(if is_root { "setpriv" } else { CLINPIPE });
        if is_root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./clinpipe"]);
        }
        command.args(args).current_dir(project.path("")).output().unwrap().into()
    };
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o777);
    // The program may stand where nobody else may look.
    fs::copy(CLINPIPE, project.path("clinpipe")).unwrap();
    if is_root && run(&["--version"]).code != Some(0) {
        tell("not tested: setpriv is needed to become nobody");
        return;
    }
    mode("in", 0o000);
    let refused = run(&["repro"]).exits(4);
    assert!(refused.stderr.contains("cannot read in: Permission denied"), "{}", refused.stderr);
    assert!(refused.stderr.contains("help: change its permissions"), "{}", refused.stderr);
    mode("in", 0o644);
    run(&["-q", "repro"]).succeeds();
    mode("out", 0o000);
    let status = run(&["status", "--check"]);
    assert!(status.code == Some(1) || is_root && status.code == Some(0), "{:?} {}", status.code, status.stderr);
    mode("out", 0o644);
    mode(".clinpipe/locks", 0o555);
    mode(".clinpipe", 0o555);
    fs::write(project.path("in"), "2").unwrap();
    run(&["status"]).succeeds();
    for name in fs::read_dir(project.path(".clinpipe/locks")).unwrap() {
        fs::set_permissions(name.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    let refused = run(&["repro"]).exits(4);
    assert!(refused.stderr.contains(".clinpipe/") && refused.stderr.contains("help: "), "{}", refused.stderr);
    assert_eq!(project.read("out"), "1");
    for name in [".clinpipe", ".clinpipe/locks"] {
        mode(name, 0o777);
    }
}
