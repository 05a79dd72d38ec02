//! Damaged files: whatever is cut off, overwritten or flipped, a run says so or heals it, and never believes it.

use std::collections::BTreeMap;
use std::fs;

use crate::chance::Chance;
use crate::project::Project;

/// A file, two outputs and a directory; and what comes after them.
const PIPELINE: &str = "
stages:
  first: {cmd: mkdir d; cat in > d/a; echo 1 > d/b; cat in > f, deps: [in], params: [p], outs: [d/, f]}
  second: {cmd: cat d/a f > s, deps: [d, f], outs: [s]}
";
const LOCK: &str = "lockfiles/pipeline.lock";
const OUTS: [&str; 3] = ["d", "f", "s"];

fn finished() -> Project {
    let project = Project::new(PIPELINE);
    project.write("in", "0123456789\n");
    project.write("params.yaml", "p: {a: 1, b: [x, 2.5]}\n");
    project.run(&["-q", "repro"]).succeeds();
    project
}

/// Everything that a user sees of the results.
fn results(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let mut files = project.files(".");
    // The audit chain has times in it.
    files.retain(|name, _| !name.starts_with(".clinpipe/") && name != "lockfiles/audit.jsonl");
    files
}

fn store_files(project: &Project) -> Vec<String> {
    let mut names: Vec<String> =
        project.files(".clinpipe").into_keys().map(|name| format!(".clinpipe/{name}")).collect();
    names.retain(|name| !name.contains("/log/"));
    names
}

/// Puts other bytes in the place of a file, which may be read-only.
fn replace(project: &Project, name: &str, bytes: &[u8]) {
    drop(fs::remove_file(project.path(name)));
    fs::create_dir_all(project.path(name).parent().unwrap()).unwrap();
    fs::write(project.path(name), bytes).unwrap();
}

/// Bytes in the place of others: cut off, overwritten, one bit flipped, noise.
fn damages(bytes: &[u8], chance: &mut Chance) -> Vec<(String, Vec<u8>)> {
    let length = bytes.len() as u64;
    let mut damages = vec![("emptied".to_owned(), Vec::new())];
    for _ in 0..2 {
        let at = chance.below(length) as usize;
        damages.push((format!("cut after {at} bytes"), bytes[..at].to_vec()));
    }
    for _ in 0..4 {
        let (at, bit) = (chance.below(length) as usize, chance.below(8));
        let mut flipped = bytes.to_vec();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << bit;
        }
        damages.push((format!("bit {bit} of byte {at} flipped"), flipped));
    }
    let noise = (0..length.max(16)).map(|_| chance.below(256) as u8).collect();
    damages.push(("overwritten with noise".to_owned(), noise));
    damages
}

#[test]
fn a_damaged_store_costs_time_and_changes_nothing() {
    let mut chance = Chance::new(5);
    let project = finished();
    let whole = results(&project);
    for name in store_files(&project) {
        let bytes = fs::read(project.path(&name)).unwrap();
        for (damage, damaged) in damages(&bytes, &mut chance) {
            for outputs_are_lost in [false, true] {
                if outputs_are_lost {
                    for out in OUTS {
                        project.remove(out);
                    }
                }
                replace(&project, &name, &damaged);
                let run = project.run(&["repro"]);
                assert_eq!(run.code, Some(0), "{name} {damage}: {}", run.stderr);
                assert!(results(&project) == whole, "{name} {damage} (outputs lost: {outputs_are_lost})");
                assert!(!project.exists(".clinpipe/rescued"), "{name} {damage}: {}", run.stderr);
            }
        }
    }
}

#[test]
fn a_damaged_journal_loses_what_it_lost_and_no_more() {
    let mut chance = Chance::new(6);
    let project = finished();
    let whole = results(&project);
    let lock: serde_json::Value = serde_json::from_str(&project.read(LOCK)).unwrap();
    let line = |name: &str| format!("{}\n", serde_json::json!({"stage": name, "record": lock["stages"][name]}));
    let journal = line("first") + &line("second");
    for (damage, damaged) in damages(journal.as_bytes(), &mut chance) {
        project.remove(LOCK);
        replace(&project, ".clinpipe/journal/pipeline.jsonl", &damaged);
        project.run(&["-q", "repro"]).succeeds();
        assert!(results(&project) == whole, "{damage}");
        assert!(!project.exists(".clinpipe/journal/pipeline.jsonl"), "{damage}");
    }
}

#[test]
fn a_damaged_lock_is_named_or_healed() {
    let mut chance = Chance::new(7);
    let project = finished();
    let whole = results(&project);
    let bytes = whole[LOCK].clone();
    let cases: Vec<_> = (0..6).flat_map(|_| damages(&bytes, &mut chance)).collect();
    for (damage, damaged) in cases {
        replace(&project, LOCK, &damaged);
        let run = project.run(&["repro"]);
        match run.code {
            Some(4) => {
                assert!(run.stderr.contains("lockfiles/pipeline.lock is damaged"), "{damage}: {}", run.stderr);
                assert_eq!(fs::read(project.path(LOCK)).unwrap(), damaged, "{damage}: it is the user's to mend");
                replace(&project, LOCK, &bytes);
            }
            Some(0) => assert!(results(&project) == whole, "{damage}: {}", String::from_utf8_lossy(&damaged)),
            other => panic!("{damage}: {other:?} {}", run.stderr),
        }
    }
}

#[test]
fn a_file_where_a_directory_should_be_is_named() {
    for (place, file) in
        [(".clinpipe", ".clinpipe"), (".clinpipe/locks", ".clinpipe/locks"), ("lockfiles", "lockfiles"), ("sub", "sub")]
    {
        let project = Project::new("stages:\n  a: {cmd: echo 1 > sub/a, outs: [sub/a]}\n");
        project.write(file, "in the way");
        let run = project.run(&["repro"]).exits(4);
        assert!(run.stderr.contains(place) && run.stderr.contains("help: "), "{file}: {}", run.stderr);
        assert_eq!(project.read(file), "in the way");
        project.remove(file);
        project.run(&["-q", "repro"]).succeeds();
    }
}

#[test]
fn a_write_through_an_output_is_seen_and_the_store_is_not_changed_by_it() {
    let project = finished();
    let whole = results(&project);
    for out in ["f", "d/a"] {
        let path = project.path(out);
        // In place, with the file's own times put back.
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        let mode = fs::metadata(&path).unwrap().permissions();
        fs::write(&path, "9876543210\n").unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(times).unwrap();
        fs::set_permissions(&path, mode).unwrap();
        project.run(&["status", "--check"]).exits(1);
        let run = project.run(&["repro"]).succeeds();
        assert!(run.stderr.contains(".clinpipe/rescued/"), "{}", run.stderr);
        assert!(results(&project) == whole, "{out}");
    }
}
