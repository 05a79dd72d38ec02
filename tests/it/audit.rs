//! The audit chain: what is written, by whom, and that no change of it goes unseen.

use std::fs::{self, File};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use clinpipe::audit;
use clinpipe::util::visible::is_hidden;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::project::{Project, Run, tell};

const CHAIN: &str = "lockfiles/audit.jsonl";
const TWO: &str =
    "stages:\n  a: {cmd: cat in > a, deps: [in], outs: [a]}\n  b: {cmd: cat a > b, deps: [a], outs: [b]}\n";

fn project() -> Project {
    let project = Project::new(TWO);
    project.write("in", "1\n");
    project
}

/// A project whose chain has so many records.
fn with_records(count: usize) -> Project {
    let project = project();
    for at in 0..count {
        project.write("in", &format!("{at}\n"));
        project.run(&["-q", "repro"]).succeeds();
    }
    assert_eq!(project.read(CHAIN).lines().count(), count);
    project
}

fn records(project: &Project) -> Vec<Value> {
    let shown = project.run(&["audit", "show", "--json", "--limit", "100000"]).succeeds().json();
    shown["records"].as_array().unwrap().clone()
}

fn records_of(chain: &str) -> Vec<Value> {
    chain.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_is_recorded_with_who_what_and_the_lock_it_left() {
    let project = project();
    let mut command = project.command(&["repro"]);
    assert!(command.env("CLINPIPE_ACTOR", "ana@site").output().unwrap().status.success());
    let records = records(&project);
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((&record["action"], &record["actor"]), (&json!("run"), &json!("ana@site")));
    assert_eq!((&record["object"], &record["before"]), (&json!("pipeline.yaml"), &Value::Null));
    let lock = blake3::hash(project.read("lockfiles/pipeline.lock").as_bytes()).to_hex().to_string();
    assert_eq!(record["after"], json!(lock));
    let ran: Vec<&String> = record["details"]["ran"].as_object().unwrap().keys().collect();
    assert_eq!(ran, ["a", "b"]);
    assert_eq!(record["prev"], json!("0".repeat(64)));
    let shown = project.run(&["audit", "show"]).succeeds().stdout;
    assert!(shown.contains("ana@site") && shown.contains("ran a, b"), "{shown}");
}

#[test]
fn what_does_nothing_writes_nothing() {
    let project = with_records(1);
    let before = project.read(CHAIN);
    for args in [
        &["repro"][..],
        &["repro", "--dry-run"],
        &["status"],
        &["why", "b"],
        &["verify"],
        &["dag"],
        &["audit", "show"],
        &["audit", "verify"],
        &["audit", "anchor"],
    ] {
        project.run(args).succeeds();
        assert_eq!(project.read(CHAIN), before, "{args:?}");
    }
    project.write("in", "2\n");
    project.run(&["repro", "--dry-run"]).succeeds();
    assert_eq!(project.read(CHAIN), before);
}

#[test]
fn failures_and_restored_stages_are_recorded_too() {
    let project = with_records(2);
    project.write("in", "0\n");
    project.run(&["repro"]).succeeds();
    project.write("pipeline.yaml", &TWO.replace("cat a > b", "exit 7"));
    project.run(&["repro"]).exits(3);
    let records = records(&project);
    assert!(records[2]["details"]["restored"].as_object().unwrap().contains_key("a"), "{}", records[2]);
    assert_eq!(records[3]["details"]["failed"], json!(["b"]));
    project.run(&["audit", "verify"]).succeeds();
}

#[test]
fn an_output_taken_as_it_is_is_recorded() {
    let project = with_records(1);
    project.write("b", "by hand\n");
    project.run(&["commit", "-f", "b"]).succeeds();
    let last = records(&project).pop().unwrap();
    assert_eq!(last["action"], json!("commit"));
    assert!(last["details"]["accepted"].as_object().unwrap().contains_key("b"), "{last}");
    // What it took is recorded: the next run finds nothing that is not.
    project.write("pipeline.yaml", &(TWO.to_owned() + "  c: {cmd: cat b > c, deps: [b], outs: [c]}\n"));
    project.run(&["repro"]).succeeds();
    let last = records(&project).pop().unwrap();
    assert_eq!(last["details"]["unrecorded"], Value::Null, "{last}");
}

/// Every way to change what was written, with what the message must say.
#[test]
fn every_change_is_found_with_its_line() {
    let project = with_records(5);
    let whole = project.read(CHAIN);
    let lines: Vec<&str> = whole.lines().collect();
    let anchor = project.run(&["audit", "anchor"]).succeeds();
    project.write("anchor.json", &anchor.stdout);
    let hash = anchor.json()["hash"].as_str().unwrap().to_owned();
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4]];
    let doubled = [lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]];
    let edited = lines[2].replace("\"seq\":2", "\"seq\": 2");
    let more = lines[2].replacen('{', "{\"aside\":1,", 1);
    let broken = lines[2].replacen('"', "", 1);
    let ended = format!("{}\r", lines[2]);
    let with = |line: &str| join(&[lines[0], lines[1], line, lines[3], lines[4]]);
    let blank = [lines[0], lines[1], "", lines[2], lines[3], lines[4]];
    let cases = [
        ("edit", whole.replacen("pipeline.yaml", "pipeline.yuml", 1), 1, "record 0 was changed"),
        ("respelled", join(&[lines[0], lines[1], &edited, lines[3], lines[4]]), 3, "record 2 was changed"),
        ("a field more", with(&more), 3, "was changed after it was written: unknown field `aside`"),
        ("carriage return", with(&ended), 3, "it says the same, but its line is spelled otherwise"),
        ("no JSON", with(&broken), 3, "record 2 stood there"),
        ("deletion", join(&[&lines[..1], &lines[2..]].concat()), 2, "record 1 is missing after record 0"),
        ("longer deletion", join(&[&lines[..1], &lines[4..]].concat()), 2, "records 1 to 3 are missing"),
        ("cut beginning", join(&lines[1..]), 1, "record 0 is missing at the beginning"),
        ("order", join(&swapped), 2, "record 1 is missing"),
        ("twice", join(&doubled), 3, "stands twice"),
        ("inserted line", join(&blank), 3, "1 bytes that are no record"),
    ];
    for (name, text, line, message) in cases {
        project.write(CHAIN, &text);
        let run = project.run(&["audit", "verify"]).exits(1);
        assert!(run.stderr.contains(&format!("audit.jsonl:{line}: ")), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(message), "{name}: {}", run.stderr);
        let verdict = project.run(&["audit", "verify", "--json"]).exits(1).json();
        assert_eq!(verdict["fault"]["line"], json!(line), "{name}");
        project.run(&["audit", "anchor"]).exits(1);
    }
    project.write(CHAIN, &join(&lines[..3]));
    project.run(&["audit", "verify"]).succeeds();
    for anchor in [["--anchor", "anchor.json"], ["--head", &hash]] {
        let run = project.run(&[&["audit", "verify"], &anchor[..]].concat()).exits(1);
        assert!(run.stderr.contains("cut off"), "{}", run.stderr);
    }
    project.write(CHAIN, &whole);
    project.run(&["audit", "verify", "--anchor", "anchor.json", "--head", &hash]).succeeds();
    project.write("anchor.json", "{}");
    project.run(&["audit", "verify", "--anchor", "anchor.json"]).exits(2);
}

/// A chain that somebody has written anew holds together; the anchor tells that it is another.
#[test]
fn a_replaced_chain_is_found_with_an_anchor() {
    let (project, other) = (with_records(2), with_records(4));
    project.write("anchor.json", &project.run(&["audit", "anchor"]).succeeds().stdout);
    project.write(CHAIN, &other.read(CHAIN));
    project.run(&["audit", "verify"]).succeeds();
    let run = project.run(&["audit", "verify", "--anchor", "anchor.json"]).exits(1);
    assert!(run.stderr.contains("cut off or replaced"), "{}", run.stderr);
}

#[test]
fn a_torn_end_is_told_kept_and_vouched_for() {
    let project = with_records(3);
    let whole = fs::read(project.path(CHAIN)).unwrap();
    let second = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    let garbage: [&[u8]; 5] =
        [&whole[second..whole.len() - 2], &whole[second..=second], b"\0\0\0", b"\n\n", b"\xff\n\xfe"];
    for (at, torn) in garbage.into_iter().enumerate() {
        fs::write(project.path(CHAIN), [&whole[..second], torn].concat()).unwrap();
        let run = project.run(&["audit", "verify"]).exits(1);
        assert!(run.stderr.contains("a write was cut short"), "{}", run.stderr);
        project.write("in", &format!("after {at}\n"));
        project.run(&["-q", "repro"]).succeeds();
        let bytes = fs::read(project.path(CHAIN)).unwrap();
        assert!(bytes.starts_with(&[&whole[..second], torn].concat()), "the torn bytes stay");
        let run = project.run(&["audit", "verify"]).succeeds();
        assert!(run.stderr.contains(&format!("{} bytes of a write that was cut short", torn.len())), "{}", run.stderr);
        let actions: Vec<Value> = records(&project).iter().map(|record| record["action"].clone()).collect();
        assert_eq!(actions, ["run", "run", "recovery", "run"]);
        // Removing them later is a change like any other.
        let rest = &bytes[second + torn.len()..];
        fs::write(project.path(CHAIN), [&whole[..second], rest].concat()).unwrap();
        project.run(&["audit", "verify"]).exits(1);
    }
}

#[test]
fn a_changed_end_is_not_continued_and_the_results_stay() {
    let project = with_records(2);
    let text = project.read(CHAIN);
    let at = text.rfind("pipeline.yaml").unwrap();
    project.write(CHAIN, &format!("{}pipeline.yuml{}", &text[..at], &text[at + 13..]));
    let changed = project.read(CHAIN);
    project.write("in", "new\n");
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("not in the audit chain") && run.stderr.contains("audit verify"), "{}", run.stderr);
    assert_eq!((project.read("b"), project.read(CHAIN)), ("new\n".to_owned(), changed));
    project.run(&["status", "--check"]).succeeds();
}

/// An edited record must not pass for a write that was cut short.
#[test]
fn an_end_with_a_field_more_is_not_continued_either() {
    let project = with_records(2);
    let text = project.read(CHAIN);
    let at = text.rfind("\"utc\"").unwrap();
    project.write(CHAIN, &format!("{}\"note\":1,{}", &text[..at], &text[at..]));
    project.write("in", "new\n");
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("was changed after it was written"), "{}", run.stderr);
}

#[test]
fn a_run_says_that_a_short_chain_was_changed_before_its_end() {
    let project = with_records(3);
    project.write(CHAIN, &project.read(CHAIN).replacen("pipeline.yaml", "pipeline.yuml", 1));
    // A run without work does not look.
    assert!(!project.run(&["repro"]).succeeds().stderr.contains("audit chain"));
    project.write("in", "new\n");
    let run = project.run(&["repro"]).succeeds();
    let said = run.stderr.lines().find(|line| line.starts_with("warning: the audit chain")).unwrap_or_default();
    assert!(said.contains("line 1") && said.contains("record 0 was changed"), "{}", run.stderr);
    assert_eq!(records(&project).len(), 4);
}

/// Of a long chain the bytes are compared with those of the last time, and an edit is told again and again.
#[test]
fn an_edit_in_the_middle_of_a_long_chain_is_told_as_well() {
    let project = with_records(1);
    let chain = audit::Chain::new(&project.path("."), &clinpipe::store::Store::new(&project.path(".")));
    let origin = audit::Origin { actor: "ana".to_owned(), utc: "2026-01-02T03:04:05.678Z".to_owned() };
    let entries = (0..1000).map(|at| audit::Entry::new(audit::Action::Commit, format!("object {at}"))).collect();
    chain.append(&origin, entries).unwrap();
    assert!(fs::metadata(project.path(CHAIN)).unwrap().len() > 1 << 18);
    let warns = |round: &str| {
        project.write("in", round);
        project.run(&["repro"]).succeeds().stderr.contains("warning: the audit chain")
    };
    assert!(!warns("a") && !warns("b"));
    project.write(CHAIN, &project.read(CHAIN).replacen("object 500", "object 50O", 1));
    assert!(warns("c") && warns("d"));
    project.write(CHAIN, &project.read(CHAIN).replacen("object 50O", "object 500", 1));
    assert!(!warns("e") && !warns("f"));
    project.run(&["audit", "verify"]).succeeds();
}

/// Whoever holds the chain keeps a run from its record, not from its lock: there it is killed.
#[test]
fn a_run_killed_between_its_lock_and_its_record_is_told_by_the_next() {
    let project = with_records(1);
    let lock = project.read("lockfiles/pipeline.lock");
    let chain = File::open(project.path(CHAIN)).unwrap();
    flock(&chain, FlockOperation::LockExclusive).unwrap();
    project.write("in", "new\n");
    let mut run = project.command(&["-q", "repro"]).stderr(Stdio::null()).spawn().unwrap();
    // The kernel lists those who wait for a lock with an arrow.
    let waits = |pid: u32| {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|word| word == pid.to_string()))
    };
    while !waits(run.id()) {
        assert!(run.try_wait().unwrap().is_none(), "the run ended without its record");
        sleep(Duration::from_millis(5));
    }
    assert_ne!(project.read("lockfiles/pipeline.lock"), lock);
    run.kill().unwrap();
    run.wait().unwrap();
    drop(chain);
    let before = project.read(CHAIN);
    // Nothing is left to do, so nothing is written.
    project.run(&["repro"]).succeeds();
    assert_eq!(project.read(CHAIN), before);
    project.write("pipeline.yaml", &(TWO.to_owned() + "  c: {cmd: cat b > c, deps: [b], outs: [c]}\n"));
    project.run(&["repro"]).succeeds();
    let names = |record: &Value, kind: &str| -> Vec<String> {
        record["details"][kind].as_object().map(|stages| stages.keys().cloned().collect()).unwrap_or_default()
    };
    let last = records(&project).pop().unwrap();
    assert_eq!(names(&last, "ran"), ["c"]);
    assert_eq!(names(&last, "unrecorded"), ["a", "b"]);
    // Told once.
    project.write("in", "newer\n");
    project.run(&["repro"]).succeeds();
    assert!(names(&records(&project).pop().unwrap(), "unrecorded").is_empty());
    project.run(&["audit", "verify"]).succeeds();
}

#[test]
fn a_record_that_cannot_be_written_loses_no_result() {
    let project = project();
    fs::create_dir_all(project.path(CHAIN)).unwrap();
    let run = project.run(&["repro"]).exits(4);
    assert!(run.stderr.contains("not in the audit chain: cannot write lockfiles/audit.jsonl"), "{}", run.stderr);
    assert!(run.stderr.contains("is done and in the lock"), "{}", run.stderr);
    project.run(&["status", "--check"]).succeeds();
    project.run(&["repro"]).succeeds();
    // A worse outcome keeps its code.
    project.write("pipeline.yaml", &TWO.replace("cat a > b", "exit 7"));
    project.run(&["repro"]).exits(3);
    project.run(&["audit", "verify"]).exits(4);
}

#[test]
fn runs_at_the_same_time_make_one_chain() {
    let mut text = String::from("stages:\n");
    for at in 0..6 {
        text.push_str(
            &[
                "  s",
                &at.to_string(),
                ": {cmd: cat in > o",
                &at.to_string(),
                ", deps: [in], outs: [o",
                &at.to_string(),
                "]}\n",
            ]
            .concat(),
        );
    }
    let project = Project::new(&text);
    for round in 0..3 {
        project.write("in", &format!("{round}\n"));
        let names: Vec<String> = (0..6).map(|at| format!("s{at}")).collect();
        let start = |name: &String| {
            project.command(&["-q", "repro", name]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        };
        for run in names.iter().map(start).collect::<Vec<_>>() {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        project.run(&["audit", "verify"]).succeeds();
    }
    let records = records(&project);
    assert_eq!(records.len(), 18);
    let ran = |record: &Value| record["details"]["ran"].as_object().unwrap().keys().next().unwrap().clone();
    for at in 0..6 {
        assert_eq!(records.iter().filter(|record| ran(record) == format!("s{at}")).count(), 3);
    }
}

/// `CLINPIPE_CRASH_KILLS` sets how often.
#[test]
fn a_killed_run_leaves_a_chain_that_goes_on() {
    let kills: u64 = std::env::var("CLINPIPE_CRASH_KILLS").map_or(8, |text| text.parse().unwrap());
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut chance = Chance::new(seed);
    let project = project();
    for kill in 0..kills {
        project.write("in", &format!("{kill}\n"));
        let mut run = project.command(&["-q", "repro"]).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_micros(chance.below(60_000)));
        drop(run.kill());
        run.wait().unwrap();
        project.run(&["-q", "repro"]).succeeds();
        project.run(&["audit", "verify"]).succeeds();
    }
    tell(&format!("seed {seed}: {} records after {kills} kills", records(&project).len()));
}

#[test]
fn exports_hold_every_record() {
    let project = with_records(3);
    let jsonl = project.run(&["audit", "export", "--jsonl"]).succeeds().stdout;
    assert_eq!(jsonl, project.read(CHAIN));
    let mut commit = project.command(&["-q", "repro", "-f"]);
    assert!(commit.env("CLINPIPE_ACTOR", "=cmd|'\u{1b}[31m\u{202e}").output().unwrap().status.success());
    let table = project.run(&["audit", "export", "--csv"]).succeeds().stdout;
    project.run(&["audit", "export", "--csv", "-o", "chain.csv"]).succeeds();
    assert_eq!(table, project.read("chain.csv"), "the same bytes, wherever they go");
    assert!(table.contains(",'=cmd|'\u{1b}[31m\u{202e},"), "{table}");
    let mut table = csv::Reader::from_path(project.path("chain.csv")).unwrap();
    let hashes: Vec<String> = table.records().map(|row| row.unwrap()[10].to_owned()).collect();
    let expected: Vec<String> = records(&project).iter().map(|r| r["hash"].as_str().unwrap().to_owned()).collect();
    assert_eq!(hashes, expected);
    project.run(&["audit", "export"]).exits(2);
}

#[test]
fn without_a_chain_nothing_is_wrong_and_nothing_is_made() {
    let project = project();
    project.run(&["audit", "show"]).succeeds();
    project.run(&["audit", "verify"]).succeeds();
    project.run(&["audit", "anchor"]).exits(1);
    assert!(!project.exists("lockfiles"));
    project.run(&["audit", "verify", "--head", &"0".repeat(64)]).exits(1);
}

#[test]
fn a_second_model_on_the_same_rows_makes_them_development_rows() {
    let project = Project::init("dropout");
    let tests = || {
        let shown = project.run(&["-C", "study", "audit", "show", "--json"]).succeeds().json();
        shown["tests"].as_array().unwrap().iter().map(|test| test["models"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let repro = |args: &[&str]| project.run(&[&["-C", "study", "repro"], args].concat());
    let one = repro(&["--set", "train.models=[logistic]"]).succeeds().stdout;
    assert!(one.contains("used for 1 model"), "{one}");
    assert_eq!(tests(), [1]);
    // The same model again is no further look.
    repro(&["--set", "train.models=[logistic]", "-s", "-f", "evaluate"]).succeeds();
    assert_eq!(tests(), [1]);
    let two = repro(&["--set", "train.models=[gbdt]"]).succeeds().stdout;
    assert!(two.contains("2 models") && two.contains("development rows"), "{two}");
    assert_eq!(tests(), [2]);
    let before = project.read("study/lockfiles/audit.jsonl");
    let again = repro(&["--set", "train.models=[gbdt]"]).succeeds().stdout;
    assert!(again.contains("up to date") && again.contains("2 models"), "{again}");
    assert_eq!(project.read("study/lockfiles/audit.jsonl"), before);
    let actions: Vec<String> =
        records_of(&before).iter().map(|record| record["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions.iter().filter(|action| *action == "gate").count(), 2, "{actions:?}");
    // Rows are told by their ids and by what they say.
    let tested = records_of(&before).into_iter().filter(|record| record["action"] == json!("test_evaluation"));
    let content: Vec<Value> = tested.map(|record| record["details"]["content"].clone()).collect();
    assert!(content.len() == 2 && content[0] == content[1] && content[0].is_string(), "{content:?}");
    project.run(&["-C", "study", "audit", "verify"]).succeeds();
}

/// A chain with records of every kind that is appended to by hand, and its anchor.
fn long_chain() -> (Vec<u8>, audit::Anchor) {
    let dir = tempfile::tempdir().unwrap();
    let chain = audit::Chain::new(dir.path(), &clinpipe::store::Store::new(dir.path()));
    let key = audit::Signer::make("ana", &dir.path().join("ana.key")).unwrap();
    for at in 0..40_u64 {
        let origin = audit::Origin { actor: "ana".to_owned(), utc: format!("2026-01-02T03:04:{at:02}.000Z") };
        let mut entry = audit::Entry::new(audit::Action::ALL[at as usize % 4], format!("object {at}"));
        entry.reason = Some("why".to_owned());
        entry.details.insert("ran".to_owned(), json!({"a": at.to_string()}));
        let head = chain.append(&origin, vec![entry]).unwrap().head.unwrap();
        if at % 10 == 9 {
            let meaning = audit::Meaning::Review;
            let statement = audit::Statement::new(meaning, "ana", "chain", head.hash, head.hash, &origin.utc);
            chain.append(&origin, vec![key.sign(&statement).unwrap()]).unwrap();
        }
    }
    let anchor = audit::Anchor::of(chain.records().unwrap().last().unwrap());
    (fs::read(chain.path()).unwrap(), anchor)
}

/// One edit of the kinds that somebody would make, and of those that a disk makes.
fn tampered(whole: &[u8], chance: &mut Chance) -> (&'static str, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let mut lines: Vec<Vec<u8>> = whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let line = chance.below(lines.len() as u64) as usize;
    let at = chance.below(whole.len() as u64) as usize;
    match chance.below(10) {
        0 => {
            bytes[at] ^= 1 << chance.below(8);
            return ("a flipped bit", bytes);
        }
        1 => {
            bytes[at] = chance.below(256) as u8;
            return ("another byte", bytes);
        }
        2 => {
            bytes.remove(at);
            return ("a byte removed", bytes);
        }
        3 => {
            bytes.insert(at, chance.below(256) as u8);
            return ("a byte inserted", bytes);
        }
        4 => {
            bytes.truncate(at);
            return ("a cut end", bytes);
        }
        5 => drop(lines.remove(line)),
        6 => {
            let other = chance.below(lines.len() as u64) as usize;
            lines.swap(line, other);
        }
        7 => lines.insert(line, lines[line].clone()),
        8 => {
            let text = String::from_utf8(lines[line].clone()).unwrap();
            lines[line] = text.replacen("why", "who", 1).replacen("review", "approval", 1).into_bytes();
        }
        _ => {
            // Somebody who knows the format gives the changed record the hash of its content.
            let mut record: audit::Record = serde_json::from_slice(&lines[line]).unwrap();
            "eve".clone_into(&mut record.actor);
            record.hash = record.content_hash().unwrap();
            lines[line] = format!("{}\n", record.line().unwrap()).into_bytes();
        }
    }
    ("edited lines", lines.concat())
}

#[test]
fn of_a_thousand_random_edits_none_goes_unseen() {
    let (whole, anchor) = long_chain();
    let clean = audit::verify(whole.as_slice(), std::slice::from_ref(&anchor)).unwrap();
    assert_eq!((clean.fault, clean.records, clean.signatures.len()), (None, 44, 4));
    let mut chance = Chance::new(2026);
    let (mut edits, mut same) = (0, 0);
    while edits < 1000 {
        let (kind, bytes) = tampered(&whole, &mut chance);
        if bytes == whole {
            same += 1;
            continue;
        }
        edits += 1;
        let verdict = audit::verify(bytes.as_slice(), std::slice::from_ref(&anchor)).unwrap();
        assert!(verdict.fault.is_some(), "edit {edits}, {kind}, is not seen");
    }
    tell(&format!("{edits} edits found; {same} more had changed nothing"));
}

/// What a name or a reason may try: to clear the screen, to turn the direction of writing, to begin a row or a line.
const FORGED: &str = "x\n9  2026-01-01  root  approval\r\u{1b}[2J\u{9b}31m\u{202e}\u{200b}";

#[test]
fn nothing_that_others_wrote_reaches_a_terminal_but_what_can_be_seen() {
    let project = with_records(1);
    project.run(&["audit", "key", "new", "--name", "ana", "-o", "ana.key"]).succeeds();
    for name in ["a\u{1b}[2J", "a\u{202e}b", "a\u{200b}b"] {
        project.run(&["audit", "key", "new", "--name", name, "-o", "b.key"]).exits(2);
    }
    project.write(FORGED.split('\r').next().unwrap(), "");
    let mut sign =
        project.command(&["--color", "always", "audit", "sign", "--meaning", "approval", "--key", "ana.key"]);
    sign.args(["--object", FORGED.split('\r').next().unwrap(), "--reason", FORGED]).env("CLINPIPE_ACTOR", FORGED);
    let signed = Run::from(sign.output().unwrap()).succeeds();
    let seen = |text: &str| assert!(text.chars().all(|c| c == '\n' || !is_hidden(c)), "{text:?}");
    seen(&signed.stderr);
    assert_eq!(signed.stderr.lines().count(), 1, "{}", signed.stderr);
    let shown = project.run(&["--color", "always", "audit", "show"]).succeeds();
    seen(&shown.stdout);
    assert_eq!(shown.stdout.lines().count(), 3, "a header and two records: {}", shown.stdout);
    let checked = project.run(&["audit", "verify"]).succeeds();
    seen(&checked.stdout);
    assert_eq!(checked.stdout.lines().count(), 2, "{}", checked.stdout);
    // JSON says all of it, and so does an export.
    let document = project.run(&["audit", "show", "--json"]).succeeds();
    seen(&document.stdout);
    assert_eq!(document.json()["records"][1]["reason"], FORGED);
    let refused = project.run(&["audit", "verify", "--anchor", FORGED]).exits(2);
    seen(&refused.stderr);
}
