//! Killed at any moment, the next run ends in the same bytes, repeats nothing that was recorded and leaves no trace.
//!
//! `CLINPIPE_CRASH_KILLS` sets the number of random kills (`benches/crash.sh` does 200 and more),
//! `CLINPIPE_CRASH_SEED` repeats a sequence, `CLINPIPE_CRASH_SYSCALLS` names system calls at each of which to kill.

#![expect(clippy::format_push_string, reason = "short texts, and easier to read so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use clinpipe::store::{Lock, Store};
use clinpipe::util::RelPath;
use rustix::process::{Pid, Signal, kill_process};

use crate::chance::Chance;
use crate::project::{CLINPIPE, Project, tell};

/// Thirty stages: single and several outputs, directories, outputs outside the store, persisted ones, metrics; many
/// write a part first. Each notes its start in a file outside the project.
fn dag() -> String {
    let mut text = String::from("stages:\n");
    for i in 0..30_u32 {
        let dep = |back: u32| if i >= back { format!("o{}", i - back) } else { "in".to_owned() };
        // Directories are read through one of their files.
        let dep = |back: u32| match dep(back) {
            name if name != "in" && (i - back) % 5 == 2 => format!("{name}/below/b"),
            name => name,
        };
        let (first, second) = (dep(3), dep(7));
        let note = format!("echo s{i} >> \"$CRASH_LOG\"");
        let (cmd, outs) = match i % 5 {
            0 => (
                format!("echo half > o{i}; sleep 0.01; cat {first} {second} > o{i}; echo {i} >> o{i}"),
                format!("[o{i}]"),
            ),
            1 => (
                format!("cat {first} > o{i}; sleep 0.01; cat {second} > p{i}; echo {i} >> q{i}"),
                format!("[o{i}, p{i}, q{i}]"),
            ),
            2 => (
                format!(
                    "mkdir -p o{i}/below; cat {first} > o{i}/a; sleep 0.01; cat {second} > o{i}/below/b; echo {i} > o{i}/c"
                ),
                format!("[o{i}/]"),
            ),
            3 => (format!("cat {second} > o{i}; echo {i} >> o{i}"), format!("[o{i}: {{cache: false}}]")),
            _ => (format!("cat {first} {second} > o{i}"), format!("[o{i}: {{persist: true}}]")),
        };
        let deps = BTreeSet::from([first, second]).into_iter().collect::<Vec<_>>().join(", ");
        text += &format!("  s{i}:\n    cmd:\n    - {note}\n    - {cmd}\n    deps: [{deps}]\n    outs: {outs}\n");
        if i == 29 {
            text += "    metrics: [m.json]\n";
            text = text.replace("> o29\n", "> o29; echo 29 > m.json\n");
        }
    }
    text
}

/// A project with a log of the commands started in it.
struct Crashed {
    project: Project,
    elsewhere: tempfile::TempDir,
}

impl Crashed {
    fn new(pipeline: &str) -> Self {
        let project = Project::new(pipeline);
        project.write("in", "x\n");
        Self { project, elsewhere: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> std::path::PathBuf {
        self.elsewhere.path().join("log")
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.project.path("")).env("CRASH_LOG", self.log());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn start(&self, jobs: u64) -> Child {
        self.command(CLINPIPE, &["repro", "-q", &format!("-j{jobs}")]).spawn().unwrap()
    }

    /// Which stages are recorded as done.
    fn recorded(&self) -> BTreeSet<String> {
        let path = self.project.path("lockfiles/pipeline.lock");
        let mut lock = Lock::read(&path, &RelPath::default()).unwrap();
        Store::new(&self.project.path("")).journal("pipeline", path).replay(&mut lock, &RelPath::default()).unwrap();
        lock.stages.keys().map(ToString::to_string).collect()
    }

    /// Processes of this project's runs; their environment names its log.
    fn processes(&self) -> Vec<Pid> {
        let mark = format!("CRASH_LOG={}\0", self.log().display());
        let ours = |entry: fs::DirEntry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            environment.windows(mark.len()).any(|window| window == mark.as_bytes()).then(|| Pid::from_raw(id)).flatten()
        };
        fs::read_dir("/proc").unwrap().filter_map(|entry| ours(entry.ok()?)).collect()
    }

    /// Everything that a run leaves for the user: all files but the store's and the pipeline's.
    fn results(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.project.files(".");
        // The audit chain has times in it, and a record for each run.
        files.retain(|name, _| !name.starts_with(".clinpipe/") && name != "lockfiles/audit.jsonl");
        files
    }

    /// Runs again and compares with an undisturbed run.
    fn recover(&self, undisturbed: &BTreeMap<String, Vec<u8>>, case: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "{case}: orphans {:?}", self.processes());
            sleep(Duration::from_millis(5));
        }
        let recorded = self.recorded();
        drop(fs::remove_file(self.log()));
        let output = self.command(CLINPIPE, &["repro"]).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{case}: {stderr}");
        let results = self.results();
        for (name, bytes) in undisturbed {
            assert!(results.get(name) == Some(bytes), "{case}: {name} differs from an undisturbed run");
        }
        let strange: Vec<_> = results.keys().filter(|name| !undisturbed.contains_key(*name)).collect();
        assert!(strange.is_empty(), "{case}: left {strange:?}");
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let started: Vec<&str> = log.lines().collect();
        let again: Vec<_> = started.iter().filter(|name| recorded.contains(**name)).collect();
        assert!(again.is_empty(), "{case}: {again:?} were recorded as done and ran again");
        let litter = self.project.path(".clinpipe/tmp");
        let litter: Vec<_> =
            if litter.is_dir() { self.project.files(".clinpipe/tmp").into_keys().collect() } else { vec![] };
        assert!(litter.is_empty(), "{case}: left {litter:?}");
        assert!(!self.project.exists(".clinpipe/rescued"), "{case}: took its own work for an edit: {stderr}");
        assert!(!self.project.exists(".clinpipe/journal/pipeline.jsonl"), "{case}: the journal is not cleared");
        assert!(self.processes().is_empty(), "{case}");
        self.project.run(&["status", "--check"]).succeeds();
        self.project.run(&["audit", "verify"]).succeeds();
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a_killed_run_is_finished_by_the_next() {
    let reference = Crashed::new(&dag());
    reference.project.run(&["status"]).succeeds();
    let start = Instant::now();
    assert!(reference.start(2).wait().unwrap().success());
    let whole = start.elapsed().as_micros() as u64;
    let undisturbed = reference.results();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("CLINPIPE_CRASH_SEED", now);
    let mut chance = Chance::new(seed);
    let kills = number("CLINPIPE_CRASH_KILLS", 12);
    let (mut kill, mut completed) = (0, 0);
    while kill < kills {
        let crashed = Crashed::new(&dag());
        // Most runs are killed once; some again while they recover.
        for _ in 0..=chance.below(4) / 3 {
            let mut run = crashed.start(1 + chance.below(4));
            sleep(Duration::from_micros(chance.below(whole + whole / 4)));
            let with_children = chance.below(2) == 1;
            run.kill().unwrap();
            while with_children
                && let processes = crashed.processes()
                && !processes.is_empty()
            {
                // Who has ended meanwhile needs no signal.
                for id in processes {
                    let _ = kill_process(id, Signal::KILL);
                }
                drop(run.try_wait());
            }
            // One that came after the end has killed nothing.
            let is_late = run.wait().unwrap().success();
            completed += u64::from(is_late);
            kill += u64::from(!is_late);
        }
        crashed.recover(&undisturbed, &format!("seed {seed}, kill {kill}"));
    }
    tell(&format!("{kill} kills, {completed} more after the end of a run; undisturbed it took {} ms", whole / 1000));
}

/// Five stages of all kinds.
fn small_dag() -> String {
    "stages:
  one: {cmd: 'echo one >> \"$CRASH_LOG\"; echo half > a; cat in > a', deps: [in], outs: [a]}
  two: {cmd: 'echo two >> \"$CRASH_LOG\"; cat a > b; cat a > c', deps: [a], outs: [b, c]}
  dir: {cmd: 'echo dir >> \"$CRASH_LOG\"; mkdir -p d/e; cat b > d/f; cat c > d/e/g', deps: [b, c], outs: [d/]}
  raw: {cmd: 'echo raw >> \"$CRASH_LOG\"; cat d/f > r', deps: [d/f], outs: [r: {cache: false}]}
  kept: {cmd: 'echo kept >> \"$CRASH_LOG\"; cat d/f > k', deps: [d/f], outs: [k: {persist: true}]}
"
    .to_owned()
}

#[test]
fn killed_at_a_system_call_it_is_finished_by_the_next_run() {
    let calls = std::env::var("CLINPIPE_CRASH_SYSCALLS").unwrap_or_default();
    let has_trace = Command::new("strace").arg("-V").output().is_ok();
    let reference = Crashed::new(&small_dag());
    assert!(reference.start(1).wait().unwrap().success());
    let undisturbed = reference.results();
    let calls: Vec<&str> = calls.split(',').filter(|call| !call.is_empty()).collect();
    assert!(calls.is_empty() || has_trace, "strace is needed to kill at {calls:?}");
    // The count is kept for each thread: a stage's own comes first with `-f`, the thread that ends the run without.
    for (call, follow) in calls.iter().flat_map(|call| [(call, "-f"), (call, "-qq")]) {
        let mut points = 0;
        loop {
            let crashed = Crashed::new(&small_dag());
            let inject = format!("inject={call}:signal=KILL:when={}", points + 1);
            let args = [follow, "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
            let status =
                crashed.command("strace", &[&args[..], &[CLINPIPE, "repro", "-q", "-j1"]].concat()).status().unwrap();
            crashed.recover(&undisturbed, &format!("{call} {follow} {}", points + 1));
            if status.success() {
                break;
            }
            points += 1;
        }
        tell(&format!("{call} {follow}: {points} kill points"));
    }
}

#[test]
fn what_a_killed_command_left_is_discarded_but_a_later_edit_is_saved() {
    let line = "echo half > a; echo half > b; [ -e go ] || { touch ready; sleep 600; }; echo whole > a; echo whole > b";
    for edit_later in [false, true] {
        let crashed = Crashed::new(&format!("stages:\n  s: {{cmd: '{line}', deps: [in], outs: [a, b]}}\n"));
        let mut run = crashed.start(1);
        while !crashed.project.exists("ready") {
            assert!(run.try_wait().unwrap().is_none());
            sleep(Duration::from_millis(5));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        assert_eq!(crashed.project.read("a"), "half\n");
        if edit_later {
            // As if the run had been killed before the edit by more than the mark is valid.
            let claim = ".clinpipe/locks/pipeline.stage.s";
            let (header, mark) =
                crashed.project.read(claim).split_once('\n').map(|(h, m)| (h.to_owned(), m.to_owned())).unwrap();
            let mut mark: serde_json::Value = serde_json::from_str(&mark).unwrap();
            mark["until_ns"] = mark["since_ns"].clone();
            crashed.project.write(claim, &format!("{header}\n{mark}"));
            sleep(Duration::from_millis(30));
            crashed.project.write("a", "mine\n");
            crashed.project.remove("b");
        }
        crashed.project.write("go", "");
        crashed.project.run(&["repro"]).succeeds();
        assert_eq!(crashed.project.read("b"), "whole\n");
        let rescued = if edit_later { crashed.project.files(".clinpipe/rescued") } else { BTreeMap::new() };
        assert_eq!(crashed.project.exists(".clinpipe/rescued"), edit_later);
        assert!(rescued.values().eq(edit_later.then_some(b"mine\n")), "{rescued:?}");
    }
}

#[test]
fn an_interrupt_records_what_was_done_and_exits_130() {
    let project = Project::new(
        "stages:\n  a: {cmd: cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}\n  b: {cmd: touch ready; sleep 60; cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}\n",
    );
    project.write("in.txt", "x\n");
    let mut child = project.command(&["repro"]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    while !project.exists("ready") {
        assert!(child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let lock = project.read("lockfiles/pipeline.lock");
    assert!(lock.contains("a.txt") && !lock.contains("b.txt"), "{lock}");
}
