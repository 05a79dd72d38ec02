//! Attempts on real processes: ends, limits, signals, logs, and that nothing outlives clinpipe.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clinpipe::exec::{
    Attempt, Cancel, Executor, ExitRecord, Job, JobEnd, JobEnv, JobWork, LocalExecutor, ParentEnv, StopSignal,
};
use clinpipe_stages::{Progress, StageRequest};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::project::{CLINPIPE, Project};

/// A directory to work in, with an attempt in it.
struct Place {
    dir: tempfile::TempDir,
    attempt: Attempt,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let attempt = Attempt::create(&dir.path().join("attempts"), "stage").unwrap();
        Self { dir, attempt }
    }

    fn job(&self, lines: &[&str]) -> Job<'_> {
        command_job(self.dir.path(), &self.attempt, lines)
    }

    fn builtin(&self, uses: &str) -> Job<'_> {
        let request = StageRequest {
            uses: uses.to_owned(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            params: serde_json::Map::new(),
            threads: 2,
        };
        Job { work: JobWork::Builtin(request), ..self.job(&[]) }
    }

    fn log(&self) -> Vec<u8> {
        fs::read(self.attempt.log_path()).unwrap()
    }

    fn record(&self) -> ExitRecord {
        serde_json::from_slice(&fs::read(self.attempt.exit_path()).unwrap()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn command_job<'a>(dir: &Path, attempt: &'a Attempt, lines: &[&str]) -> Job<'a> {
    Job {
        stage: "stage",
        work: JobWork::Command { lines: lines.iter().map(|&line| line.to_owned()).collect() },
        cwd: dir.to_owned(),
        env: JobEnv::default(),
        confinement: None,
        threads: None,
        timeout: None,
        memory: None,
        attempt,
    }
}

fn run(job: &Job<'_>) -> JobEnd {
    run_until(job, &Cancel::new())
}

fn run_until(job: &Job<'_>, cancel: &Cancel) -> JobEnd {
    executor().run(job, cancel, &|_| {}).unwrap()
}

fn executor() -> LocalExecutor {
    let parent =
        ParentEnv { path: std::env::var_os("PATH"), home: Some("/home/nobody".into()), shell: None, log_key: None };
    LocalExecutor::new(env!("CARGO_BIN_EXE_clinpipe").into(), parent)
}

/// Waits for something that must become true soon.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        // Not a measure of speed: only to end where it would hang.
        assert!(start.elapsed() < Duration::from_mins(2), "never happened: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The number in a file, as soon as it is there in full (with its newline).
fn number_in(file: &Path) -> u32 {
    let mut number = None;
    eventually("a process number is written", || {
        let text = fs::read_to_string(file).unwrap_or_default();
        number = text.strip_suffix('\n').and_then(|text| text.parse().ok());
        number.is_some()
    });
    number.unwrap()
}

/// Whether a process exists and is not a zombie.
fn lives(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn lines_run_in_order_and_both_streams_reach_the_log() {
    let place = Place::new();
    assert_eq!(run(&place.job(&["echo out; echo err >&2", "pwd > where"])), JobEnd::Succeeded);
    assert_eq!(place.log(), b"out\nerr\n");
    let dir = place.dir.path().canonicalize().unwrap();
    assert_eq!(fs::read_to_string(place.path("where")).unwrap().trim(), dir.to_str().unwrap());
    let record = place.record();
    assert_eq!((record.end.as_str(), record.exit, record.signal), ("succeeded", Some(0), None));
    assert!(record.seconds > 0.0);
}

#[test]
fn the_first_failing_line_ends_the_attempt() {
    let place = Place::new();
    let end = run(&place.job(&["echo before", "exit 7", "touch after"]));
    let JobEnd::Failed { exit, message, log_tail, .. } = end else { panic!("{end:?}") };
    assert_eq!((exit, message.as_str()), (Some(7), "`exit 7` exited with code 7"));
    assert_eq!(log_tail, ["before"]);
    assert!(!place.path("after").exists());
    assert_eq!(place.record().exit, Some(7));
}

#[test]
fn a_missing_command_says_so() {
    let place = Place::new();
    let end = run(&place.job(&["no-such-program --x"]));
    let JobEnd::Failed { exit, message, hint, log_tail, .. } = end else { panic!("{end:?}") };
    assert_eq!(exit, Some(127));
    assert_eq!(message, "`no-such-program --x` exited with code 127: a command was not found");
    assert!(hint.unwrap().contains("PATH"));
    assert!(log_tail[0].contains("no-such-program"), "{log_tail:?}");
}

#[test]
fn a_missing_directory_is_a_failure_of_the_stage() {
    let place = Place::new();
    let job = Job { cwd: place.path("absent"), ..place.job(&["true"]) };
    assert!(matches!(run(&job), JobEnd::Failed { exit: None, .. }));
}

#[test]
fn ten_megabytes_of_output_do_not_block() {
    let place = Place::new();
    let end = run(&place.job(&["head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2"]));
    assert_eq!(end, JobEnd::Succeeded);
    assert_eq!(place.log().len(), 20_000_000);
}

#[test]
fn a_log_of_any_bytes_can_be_shown() {
    let place = Place::new();
    let end = run(&place.job(&["printf '\\377\\376bad\\n\\033[31mred\\033[0m\\n 1%%\\r 2%%\\n'; exit 1"]));
    let JobEnd::Failed { log_tail, .. } = end else { panic!("{end:?}") };
    assert_eq!(log_tail, ["\u{fffd}\u{fffd}bad", "red", " 2%"]);
    assert_eq!(&place.log()[..2], b"\xff\xfe");
}

#[test]
fn a_command_reads_nothing_and_sees_our_environment_or_a_bare_one() {
    let place = Place::new();
    let extra = BTreeMap::from([("STUDY".to_owned(), "stroke".to_owned())]);
    let job = Job { env: JobEnv::Inherit { extra: extra.clone() }, ..place.job(&["cat; env"]) };
    assert_eq!(run(&job), JobEnd::Succeeded);
    let log = String::from_utf8(place.log()).unwrap();
    // Cargo sets this one for tests; it stands for everything inherited.
    assert!(log.contains("STUDY=stroke\n") && log.contains("CARGO_MANIFEST_DIR="), "{log}");

    let place = Place::new();
    let job = Job { env: JobEnv::Only(extra), threads: Some(3), ..place.job(&["/usr/bin/env"]) };
    assert_eq!(run(&job), JobEnd::Succeeded);
    let log = String::from_utf8(place.log()).unwrap();
    let names: Vec<&str> = log.lines().filter_map(|line| line.split_once('=')).map(|pair| pair.0).collect();
    for name in ["STUDY", "PATH", "HOME", "TMPDIR", "OMP_NUM_THREADS"] {
        assert!(names.contains(&name), "{name} in {log}");
    }
    assert!(log.contains("LC_ALL=C\n") && log.contains("TZ=UTC\n") && log.contains("OMP_NUM_THREADS=3\n"));
    assert!(!log.contains("CARGO_MANIFEST_DIR"), "{log}");
}

#[test]
fn a_time_limit_ends_the_whole_group() {
    let place = Place::new();
    let job = place.job(&["sleep 600 & echo $! > pid; sleep 600"]);
    let after = Duration::from_millis(500);
    let end = run(&Job { timeout: Some(after), ..job });
    assert!(matches!(end, JobEnd::TimedOut { after: limit, .. } if limit == after), "{end:?}");
    let sleeper = number_in(&place.path("pid"));
    eventually("the background process is gone", || !lives(sleeper));
    assert_eq!(place.record().end, "timed_out");
}

#[test]
fn who_ignores_signals_is_killed() {
    let place = Place::new();
    let job = place.job(&["trap '' TERM INT; echo $$ > pid; while :; do sleep 0.1; done"]);
    let cancel = Cancel::new();
    let end = thread::scope(|scope| {
        scope.spawn(|| {
            number_in(&place.path("pid"));
            cancel.request(StopSignal::Interrupt);
            cancel.request(StopSignal::Interrupt);
        });
        run_until(&job, &cancel)
    });
    assert_eq!(end, JobEnd::Interrupted);
    let shell = number_in(&place.path("pid"));
    eventually("the shell is gone", || !lives(shell));
}

#[test]
fn a_command_that_traps_the_signal_and_exits_well_is_interrupted_all_the_same() {
    let place = Place::new();
    let job =
        place.job(&["trap 'echo cleaned; exit 0' INT; echo 1 > ready; while :; do sleep 0.1; done", "touch next"]);
    let cancel = Cancel::new();
    let end = thread::scope(|scope| {
        scope.spawn(|| {
            number_in(&place.path("ready"));
            cancel.request(StopSignal::Interrupt);
        });
        run_until(&job, &cancel)
    });
    assert_eq!(end, JobEnd::Interrupted);
    assert!(String::from_utf8_lossy(&place.log()).contains("cleaned"), "it was given the time");
    assert!(!place.path("next").exists());
}

#[test]
fn nothing_starts_after_a_stop_was_asked_for() {
    let place = Place::new();
    let cancel = Cancel::new();
    cancel.request(StopSignal::Terminate);
    assert_eq!(run_until(&place.job(&["touch started"]), &cancel), JobEnd::Interrupted);
    assert!(!place.path("started").exists());
}

#[test]
fn what_a_command_leaves_in_the_background_ends_with_it() {
    let place = Place::new();
    let end = run(&place.job(&["sleep 600 & echo $! > pid"]));
    assert_eq!(end, JobEnd::Succeeded);
    let sleeper = number_in(&place.path("pid"));
    eventually("the background process is gone", || !lives(sleeper));
}

#[test]
fn a_command_killed_from_outside_has_failed() {
    let place = Place::new();
    let end = run(&place.job(&["kill -9 $$"]));
    let JobEnd::Failed { signal, message, hint, .. } = end else { panic!("{end:?}") };
    assert_eq!((signal, message.as_str()), (Some(9), "`kill -9 $$` was ended by SIGKILL"));
    assert!(hint.unwrap().contains("memory"));

    // The supervisor itself, too: its group goes with it.
    let place = Place::new();
    let end = run(&place.job(&["echo $$ > pid; kill -9 $PPID; sleep 600"]));
    assert!(matches!(end, JobEnd::Failed { signal: Some(9), .. }), "{end:?}");
    let shell = number_in(&place.path("pid"));
    eventually("the shell is gone", || !lives(shell));
}

#[test]
fn memory_is_limited() {
    let place = Place::new();
    let lines = ["exec dd if=/dev/zero of=/dev/null bs=256M count=1"];
    assert_eq!(run(&place.job(&lines)), JobEnd::Succeeded);
    let place = Place::new();
    let end = run(&Job { memory: Some(64 << 20), ..place.job(&lines) });
    assert!(matches!(end, JobEnd::Failed { exit: Some(1), .. }), "{end:?}");
}

#[test]
fn a_builtin_that_fails_says_why_and_leaves_its_record() {
    let place = Place::new();
    let end = run(&place.builtin("no-such-stage"));
    let JobEnd::Failed { exit, message, log_tail, .. } = end else { panic!("{end:?}") };
    assert_eq!((exit, message.as_str()), (Some(3), "there is no built-in stage `no-such-stage`"));
    assert_eq!(log_tail, ["error: there is no built-in stage `no-such-stage`"]);
    let record = place.record();
    assert_eq!((record.schema_version, record.exit), (1, Some(3)));
    assert!(record.max_rss.unwrap() > 100_000);
}

#[test]
fn progress_of_concurrent_jobs_goes_to_their_own_callers() {
    let ends = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..4 {
            let ends = &ends;
            scope.spawn(move || {
                let place = Place::new();
                let line = format!("sleep 0.1; exit {number}");
                let progress = |step: Progress| panic!("a command reports no progress: {step:?}");
                let end = executor().run(&place.job(&[&line]), &Cancel::new(), &progress).unwrap();
                ends.lock().unwrap().push((number, end));
            });
        }
    });
    for (number, end) in ends.into_inner().unwrap() {
        match end {
            JobEnd::Succeeded => assert_eq!(number, 0),
            JobEnd::Failed { exit, .. } => assert_eq!(exit, Some(number)),
            other => panic!("{other:?}"),
        }
    }
}

/// The real program, running a stage whose writer ignores every polite signal; with the writer's number.
fn start_writing() -> (Project, Child, u32) {
    let line = "(trap '' TERM INT HUP; while :; do date >> out; sleep 0.05; done) & echo $! > pid; wait";
    let project = Project::new(&format!("stages:\n  write: {{cmd: \"{line}\"}}\n"));
    let process = project.command(&["repro", "-q"]).stderr(Stdio::null()).spawn().unwrap();
    let writer = number_in(&project.path("pid"));
    eventually("the writer writes", || project.exists("out"));
    assert!(lives(writer));
    (project, process, writer)
}

#[test]
fn no_orphan_survives_a_killed_clinpipe() {
    let (project, mut clinpipe, writer) = start_writing();
    clinpipe.kill().unwrap();
    clinpipe.wait().unwrap();
    eventually("the writer is gone", || !lives(writer));
    let last = project.read("out");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(project.read("out"), last);
}

#[test]
fn a_signal_to_clinpipe_alone_stops_the_job() {
    for signal in [Signal::INT, Signal::TERM] {
        let (_project, mut clinpipe, writer) = start_writing();
        kill_process(Pid::from_child(&clinpipe), signal).unwrap();
        // The writer ignores signals; the shell that waits for it does not, so the job ends and takes it along.
        assert_eq!(clinpipe.wait().unwrap().code(), Some(130));
        eventually("the writer is gone", || !lives(writer));
    }
}

#[test]
fn ctrl_c_reaches_clinpipe_and_its_group_at_once() {
    let line = "echo $$ > pid; trap 'echo cleaned > cleaned; exit 0' INT; while :; do sleep 0.05; done";
    let project = Project::new(&format!("stages:\n  s: {{cmd: \"{line}\", outs: [out]}}\n"));
    let mut clinpipe = project.command(&["repro", "-q"]).process_group(0).stderr(Stdio::null()).spawn().unwrap();
    let shell = number_in(&project.path("pid"));
    kill_process_group(Pid::from_child(&clinpipe), Signal::INT).unwrap();
    assert_eq!(clinpipe.wait().unwrap().code(), Some(130));
    assert!(!lives(shell));
    assert_eq!(project.read("cleaned"), "cleaned\n", "the command was told once, and given the time");
}

#[test]
fn what_leaves_its_group_ends_with_the_run_however_it_ends() {
    let line = "setsid sh -c 'echo $$ > pid; while :; do sleep 0.05; done' & while ! test -s pid; do sleep 0.01; done";
    // A run that ends in order, and one that is killed while its command runs.
    let project = Project::new(&format!("stages:\n  s: {{cmd: \"{line}\"}}\n"));
    project.run(&["repro"]).succeeds();
    assert!(!lives(number_in(&project.path("pid"))));

    let project = Project::new(&format!("stages:\n  s: {{cmd: \"{line}; sleep 600\"}}\n"));
    let mut clinpipe = project.command(&["repro", "-q"]).stderr(Stdio::null()).spawn().unwrap();
    let daemon = number_in(&project.path("pid"));
    assert!(lives(daemon));
    clinpipe.kill().unwrap();
    clinpipe.wait().unwrap();
    eventually("the daemon is gone", || !lives(daemon));
}

#[test]
fn a_killed_supervisor_fails_what_it_ran_and_the_next_stage_gets_another() {
    let project = Project::new(
        "stages:\n  a: {cmd: \"echo $$ > pid; setsid sleep 0; kill -9 $PPID; sleep 600\"}\n  b: {cmd: echo b > b, outs: [b]}\n",
    );
    let run = project.run(&["repro", "-k", "-j", "1"]).exits(3);
    assert!(run.stderr.contains("SIGKILL"), "{}", run.stderr);
    assert!(!lives(number_in(&project.path("pid"))));
    assert_eq!(project.read("b"), "b\n");
}

#[test]
fn retries_start_afresh_until_they_are_used_up() {
    let project = Project::new(
        "stages:\n  s: {cmd: \"test ! -e out; echo x >> count; echo half > out; test $(wc -l < count) -ge 2\", outs: [out], retries: 1}\n",
    );
    assert_eq!(project.outcomes(&[])["s"], "ran");
    assert_eq!(project.read("count"), "x\nx\n");
    let project = Project::new("stages:\n  s: {cmd: echo x >> count; exit 1, retries: 1}\n");
    project.run(&["repro"]).exits(3);
    assert_eq!(project.read("count"), "x\nx\n", "one attempt and one more");
}

#[test]
fn a_command_may_close_its_streams() {
    let project = Project::new("stages:\n  s: {cmd: 'exec <&- >&- 2>&-; sleep 0.1; : > out', outs: [out]}\n");
    project.run(&["repro"]).succeeds();
}

#[test]
fn lines_of_a_text_are_commands_of_their_own_as_under_dvc() {
    let cmd = "\n      x=1\n      # a remark\n\n      echo \"$x\"y > out\n";
    let project = Project::new(&format!("stages:\n  s:\n    cmd: |{cmd}    outs: [out]\n"));
    project.run(&["repro"]).succeeds();
    assert_eq!(project.read("out"), "y\n");
}

#[test]
fn a_command_gets_the_shell_and_the_variables_of_dvc_unless_it_declares_its_environment() {
    let project = Project::new(
        "stages:\n  s: {cmd: 'echo $DVC_STAGE $DVC_ROOT > out', outs: [out]}\n  bare: {cmd: 'echo $0 $DVC_STAGE > bare', outs: [bare], env: []}\n",
    );
    // A shell that says how it was called, then does as it was told.
    project.write("bash", "#!/bin/sh\necho \"$@\" > called\nexec /bin/sh \"$3\" \"$4\"\n");
    std::fs::set_permissions(project.path("bash"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = project.command(&["repro"]);
    let status = command.env("SHELL", project.path("bash")).env_remove("DVC_ROOT").output().unwrap().status;
    assert!(status.success());
    let root = project.path(".").canonicalize().unwrap();
    assert_eq!(project.read("out"), format!("s {}\n", root.display()));
    assert!(project.read("called").starts_with("--noprofile --norc -c echo $DVC_STAGE"), "{}", project.read("called"));
    assert_eq!(project.read("bare"), "/bin/sh\n");
}

#[test]
fn a_run_inside_a_run_works_unless_it_would_wait_for_itself() {
    let nested = |args: &str| format!("{CLINPIPE} repro -q {args}");
    let project = Project::new(&format!(
        "stages:\n  outer: {{cmd: '{}', outs: [done], deps: [in]}}\n  other: {{cmd: echo x > x, outs: [x]}}\n",
        nested("other && echo 1 > done")
    ));
    project.write("in", "1");
    project.run(&["repro", "outer"]).succeeds();
    assert_eq!(project.read("x"), "x\n");

    let project =
        Project::new(&format!("stages:\n  outer: {{cmd: '{} && echo 1 > done', outs: [done]}}\n", nested("-C sub")));
    project.write("sub/dvc.yaml", "stages:\n  outer: {cmd: echo y > y, outs: [y]}\n");
    project.run(&["repro"]).succeeds();
    assert_eq!(project.read("sub/y"), "y\n");

    let project =
        Project::new(&format!("stages:\n  outer: {{cmd: '{} && echo 1 > done', outs: [done]}}\n", nested("outer")));
    let run = project.run(&["repro"]).exits(3);
    assert!(run.stderr.contains("is running this stage itself"), "{}", run.stderr);
}
